# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What oci_container asks a registry, counted at a proxy before it, and what it tells of a pull."""

from __future__ import annotations

import json
import shutil

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import module
from ansible_collections.agentless.oci.plugins.module_utils.image import ensure
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from faulty_proxy import Fault
from image_sources import OTHER, small_layer

pytestmark = pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs docker-registry")

PATH = "container-pull/app"
IMAGE = "localhost/tests/busybox:1"  # what the fixture host has already


@pytest.fixture
def name(host, registry, proxy, raw):
    """An image in the registry, in an index; nothing of it is here."""
    store = Store(host.state)
    source = {"rootfs": host.rootfs, "config": {"command": ["sleep", "100"]}}
    made = ensure.ImageRequest(f"{registry.address}/{PATH}:made", source=source, push=True)
    ensure.apply(ensure.plan(made, store), store)
    for known in (made.name, IMAGE):
        store.remove(known)
    index(raw)
    proxy.seen.clear()
    return f"{proxy.address}/{PATH}:1"


def index(raw, *others):
    made = raw.document(PATH, "made")
    digest = raw._ask("HEAD", f"{raw.url}/v2/{PATH}/manifests/made", Accept=made["mediaType"]).headers[
        "Docker-Content-Digest"
    ]
    size = len(raw._ask("GET", f"{raw.url}/v2/{PATH}/manifests/made", Accept=made["mediaType"]).read())
    config = raw._ask("GET", f"{raw.url}/v2/{PATH}/blobs/{made['config']['digest']}")
    architecture = json.load(config)["architecture"]
    mine = {"mediaType": made["mediaType"], "digest": digest, "size": size}
    raw.index(PATH, [*others, {**mine, "platform": {"os": "linux", "architecture": architecture}}], "1")


def asked(proxy):
    found = [f"{one.method} {one.path.split('/')[-2]}" for one in proxy.seen]
    proxy.seen.clear()
    return found


def test_one_head_and_no_more(host, name, proxy, raw):
    wanted = {"image": name, "pull": "always"}
    assert host.task(**wanted)["changed"]
    asked(proxy)
    for check in (True, False):
        assert not host.task(**wanted, check=check)["changed"]
        assert asked(proxy) == ["HEAD manifests"]
    assert not host.task(image=name)["changed"]
    assert asked(proxy) == []
    # For another platform something is new: what that means is asked once.
    index(raw, raw.image(PATH, [small_layer("other")], where=OTHER))
    assert not host.task(**wanted)["changed"]
    assert asked(proxy) == ["HEAD manifests", "GET manifests"]
    assert not host.task(**wanted)["changed"]
    assert asked(proxy) == ["HEAD manifests"]


def test_a_registry_that_limits_is_left_alone(host, name, proxy):
    host.task(image=name)
    proxy.rule = lambda _seen: Fault(status=429, headers={"Retry-After": "600"})
    asked(proxy)
    for check in (True, False):
        result = host.task(image=name, pull="newer", check=check)
        assert not result["changed"]
        assert "try again after 600 s" in result["warnings"][0]
        assert asked(proxy) == ["HEAD manifests"]


def test_times_of_layers_are_told_where_they_are_wanted(host, name):
    def run(**options):
        return module.Task(host.parameters(image=name), entry.__file__, **options).run()

    checked = run(check_mode=True, timed=True)
    assert "pulled image" in checked["actions"][0]
    assert "timings" not in checked
    [timing] = run(timed=True)["timings"]
    assert timing["layer"].startswith("sha256:")
    assert timing["size"] > 100_000
    assert timing["fetch"] >= 0
    assert timing["unpack"] > 0
    assert "timings" not in run(timed=True)
    host.task(state="absent", force_kill=True)
    Store(host.state).remove(name)
    assert "timings" not in run()
