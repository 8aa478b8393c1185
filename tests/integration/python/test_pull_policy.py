# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each pull policy asks a registry, counted at a proxy before it, and what it calls a change."""

from __future__ import annotations

import os
import random
import shutil
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import transport
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError, RegistryUnavailable
from faulty_proxy import Fault
from image_sources import HERE, OTHER, pull, small_layer, task
from oci_layout import member

pytestmark = pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs docker-registry")

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")


@pytest.fixture
def repository(request):
    return f"policy/{request.node.name.partition('[')[0].replace('_', '-')}"


def asked(proxy):
    """What was asked since the last time, as method and kind."""
    found = [f"{one.method} {one.path.split('/')[-2]}" for one in proxy.seen]
    proxy.seen.clear()
    return found


def test_missing_asks_nothing_when_the_name_is_there(raw, proxy, repository, state_dir):
    raw.image(repository, [small_layer("a")], "1")
    name = f"{proxy.address}/{repository}:1"
    made, image = task(state_dir, name)
    assert made.changed
    assert asked(proxy) == ["HEAD manifests", "GET manifests", "GET blobs", "GET blobs"]
    raw.image(repository, [small_layer("b")], "1")
    for options in ({}, {"check": True}, {"pull": "never"}):
        made, same = task(state_dir, name, **options)
        assert not made.changed
        assert same.id == image.id
    assert asked(proxy) == []


def test_a_digest_is_never_asked_for_again(raw, proxy, repository, state_dir):
    digest = raw.image(repository, [small_layer("a")], "1")["digest"]
    name = f"{proxy.address}/{repository}@{digest}"
    pull(state_dir, name)
    proxy.seen.clear()
    for policy in ("missing", "always", "newer"):
        assert not task(state_dir, name, pull=policy)[0].changed
    assert asked(proxy) == []


@pytest.mark.parametrize("policy", ["always", "newer"])
def test_one_head_when_nothing_is_new(raw, proxy, repository, state_dir, policy):
    raw.image(repository, [small_layer("a")], "1")
    name = f"{proxy.address}/{repository}:1"
    pull(state_dir, name)
    asked(proxy)
    for check in (True, False):
        assert not task(state_dir, name, pull=policy, check=check)[0].changed
        assert asked(proxy) == ["HEAD manifests"]


@pytest.mark.parametrize("policy", ["always", "newer"])
def test_only_what_differs_is_pulled_and_check_mode_foretells_it(raw, proxy, repository, state_dir, policy):
    shared = [member("large", content=random.Random(1).randbytes(100_000))]
    raw.image(repository, [shared, small_layer("a")], "1")
    name = f"{proxy.address}/{repository}:1"
    before = pull(state_dir, name)
    raw.image(repository, [shared, small_layer("b")], "1")
    asked(proxy)
    for _again in range(2):  # check mode changes nothing
        made, same = task(state_dir, name, pull=policy, check=True)
        assert made.changed
        assert same.id == before.id
        assert asked(proxy) == ["HEAD manifests", "GET manifests"]
    made, after = task(state_dir, name, pull=policy)
    assert [str(action) for action in made.actions] == [f"pulled image {name}"]
    assert after.id == made.resolved.image_id != before.id
    assert asked(proxy) == ["HEAD manifests", "GET manifests", "GET blobs", "GET blobs"]


def test_the_same_image_packed_anew_is_no_change(raw, proxy, repository, state_dir):
    """Another digest in the registry, the same id: nothing is fetched, and the next time one HEAD tells."""
    content = [member("file", content=b"many words " * 50_000)]
    first = raw.image(repository, [content], "1", level=1)
    name = f"{proxy.address}/{repository}:1"
    before = pull(state_dir, name)
    second = raw.image(repository, [content], "1", level=9)
    assert first["digest"] != second["digest"]
    asked(proxy)
    made, after = task(state_dir, name, pull="always")
    assert not made.changed
    assert after.id == before.id
    assert asked(proxy) == ["HEAD manifests", "GET manifests"]
    assert not task(state_dir, name, pull="always")[0].changed
    assert asked(proxy) == ["HEAD manifests"]


def test_an_index_that_changes_for_others_is_no_change(raw, proxy, repository, state_dir):
    mine = raw.image(repository, [small_layer("a")])
    raw.index(repository, [mine], "1")
    name = f"{proxy.address}/{repository}:1"
    pull(state_dir, name)
    raw.index(repository, [raw.image(repository, [small_layer("b")], where=OTHER), mine], "1")
    asked(proxy)
    assert not task(state_dir, name, pull="always", check=True)[0].changed
    assert asked(proxy) == ["HEAD manifests", "GET manifests"]  # the image's own manifest is here
    assert not task(state_dir, name, pull="always")[0].changed
    asked(proxy)
    assert not task(state_dir, name, pull="always")[0].changed
    assert asked(proxy) == ["HEAD manifests"]


def test_what_is_here_under_another_name_is_not_fetched(raw, proxy, repository, state_dir):
    raw.image(repository, [small_layer("a")], "1")
    raw.image(repository, [small_layer("a")], "2")
    pull(state_dir, f"{proxy.address}/{repository}:1")
    asked(proxy)
    made, _image = task(state_dir, f"{proxy.address}/{repository}:2")
    assert made.changed
    assert asked(proxy) == ["HEAD manifests"]


def test_newer_is_content_with_what_is_here_when_nobody_answers(raw, proxy, repository, state_dir):
    raw.image(repository, [small_layer("a")], "1")
    name = f"{proxy.address}/{repository}:1"
    image = pull(state_dir, name)
    for fault in (Fault(status=429, headers={"Retry-After": "3600"}), Fault(status=503), Fault(drop="before")):
        proxy.rule = lambda _seen, fault=fault: fault
        made, same = task(state_dir, name, pull="newer")
        assert not made.changed
        assert same.id == image.id
        assert "The image that is here is used" in made.warnings[0]
        with pytest.raises(RegistryUnavailable):
            task(state_dir, name, pull="always")


def test_a_registry_that_limits_is_left_alone(raw, proxy, repository, state_dir):
    """One request, one answer 429 that asks for more patience than we have: no second request."""
    raw.image(repository, [small_layer("a")], "1")
    proxy.rule = lambda _seen: Fault(status=429, headers={"Retry-After": "600"})
    with pytest.raises(RegistryUnavailable, match="try again after 600 s"):
        pull(state_dir, f"{proxy.address}/{repository}:1")
    assert asked(proxy) == ["HEAD manifests"]


def test_retry_after_is_waited_for_by_all_threads(raw, proxy, repository, state_dir):
    layers = [[member(f"file{index}", content=random.Random(index).randbytes(50_000))] for index in range(6)]
    raw.image(repository, layers, "1")
    limited = []

    def rule(seen):
        if "/blobs/" not in seen.path:
            return None
        limited.append(seen)
        return Fault(status=429, headers={"Retry-After": "1"}) if len(limited) == 2 else Fault(delay=0.4)

    proxy.rule = rule
    pull(state_dir, f"{proxy.address}/{repository}:1")
    closed = limited[1].at
    early = [one for one in proxy.asked("GET", "/blobs/") if closed + 0.2 < one.at < closed + 1]
    assert early == []
    assert len(proxy.asked("GET", "/blobs/")) == 8


def test_two_platforms_by_turns(raw, proxy, repository, state_dir):
    mine, other = raw.image(repository, [small_layer("a")]), raw.image(repository, [small_layer("b")], where=OTHER)
    raw.index(repository, [mine, other], "1")
    name = f"{proxy.address}/{repository}:1"
    assert pull(state_dir, name).platform.architecture == HERE["architecture"]
    asked(proxy)
    made, image = task(state_dir, name, platform="linux/s390x")
    assert made.changed
    assert image.platform.architecture == "s390x"
    assert not task(state_dir, name, platform="linux/s390x", pull="always")[0].changed


NOT_THAT_MANIFEST = r"the manifest has the digest sha256:\w+, not {} as it should"
NOT_THAT_DIGEST = r"content of blob {} does not have that digest"
LIES = {
    "manifest changed": ("manifests", Fault(corrupt=5), NOT_THAT_MANIFEST),
    "manifest swapped": (
        "manifests",
        Fault(body=b"{}"),
        r"the manifest has the digest sha256:\w+, not {} as it should",
    ),
    "config changed": ("config", Fault(corrupt=5), NOT_THAT_DIGEST),
    "config swapped": ("config", Fault(body=b"{}"), NOT_THAT_DIGEST),
    "layer changed": ("layers", Fault(corrupt=5), NOT_THAT_DIGEST),
    "layer without content": ("layers", Fault(body=b""), r"sends only 0 of the \d+ bytes of blob {}"),
    "layer too long": ("layers", Fault(body=b"x" * 100_000), r"blob {} is longer than the \d+ bytes"),
}


@pytest.mark.parametrize("lie", LIES)
def test_wrong_answers_are_no_changes(raw, proxy, repository, state_dir, lie, monkeypatch):
    monkeypatch.setattr(transport, "BACK_OFF", 0.01)
    raw.image(repository, [small_layer("a")], "1")
    name = f"{proxy.address}/{repository}:1"
    image = pull(state_dir, name)
    digest = raw.image(repository, [small_layer("b")], "1")["digest"]
    document = raw.document(repository, digest)
    where, fault, said = LIES[lie]
    about = {"manifests": digest, "config": document["config"]["digest"], "layers": document["layers"][0]["digest"]}
    proxy.rule = lambda seen: fault if seen.method == "GET" and about[where] in seen.path else None
    with pytest.raises(ImageError, match=said.replace("{}", about[where])):
        pull(state_dir, name, pull="always")
    assert task(state_dir, name)[1].id == image.id
    proxy.rule = lambda _seen: None
    assert pull(state_dir, name, pull="always").id != image.id, "what was wrong is left"


def test_a_head_that_lies_or_says_nothing(raw, proxy, repository, state_dir):
    raw.image(repository, [small_layer("a")], "1")
    name = f"{proxy.address}/{repository}:1"
    image = pull(state_dir, name)
    raw.image(repository, [small_layer("b")], "1")
    digest = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    proxy.rule = lambda seen: Fault(headers=digest) if seen.method == "HEAD" else None
    with pytest.raises(ImageError, match="answers 404"):
        pull(state_dir, name, pull="always")
    assert task(state_dir, name)[1].id == image.id
    proxy.rule = lambda seen: Fault(headers={"Docker-Content-Digest": None}) if seen.method == "HEAD" else None
    assert pull(state_dir, name, pull="always").id != image.id


def test_through_the_command_line_with_the_hosts_own_requests(raw, proxy, repository, state_dir):
    """Debian's requests and urllib3 are older than those of the developers' environment."""
    raw.image(repository, [[member("file", content=random.Random(3).randbytes(400_000))]], "1")
    left = [Fault(cut=100_000), Fault(cut=100_000)]
    proxy.rule = lambda seen: left.pop() if left and seen.method == "GET" and "/blobs/" in seen.path else None
    name = f"{proxy.address}/{repository}:1"
    subprocess.run(["/usr/bin/python3", "-I", AOCI, "pull", "-q", name], check=True, timeout=120)
    asked(proxy)
    subprocess.run(["/usr/bin/python3", "-I", AOCI, "pull", "-q", name], check=True, timeout=120)
    assert asked(proxy) == ["HEAD manifests"]
