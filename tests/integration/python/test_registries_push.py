# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes to real registries: mounts, whole blobs and chunks, tokens that end, uploads that break off."""

from __future__ import annotations

import random
import shutil

import pytest
from faulty_proxy import Fault
from image_sources import pull, task
from oci_layout import member
from registry_logins import LOGIN, USER, fails

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("docker-registry") or not shutil.which("openssl"), reason="needs docker-registry and openssl"
    ),
    pytest.mark.usefixtures("nobody_is_logged_in"),
]


def test_a_push_mounts_what_another_repository_has(guarded, tokens, state_dir):
    name, copy = f"{guarded.address}/team/app:1", f"{guarded.address}/team/copy:1"
    tokens.rights[USER, "team/copy"] = "pull,push"
    made, _image = task(state_dir, name, access=LOGIN, tags=[copy], push=True)
    assert [action.verb for action in made.actions] == ["pulled image", "tagged image", "pushed image"]
    assert [one.status for one in guarded.asked("POST", "mount=")] == [401, 201, 201]  # a token for both is needed
    assert guarded.asked("PUT", "/blobs/") == guarded.asked("PATCH") == []
    # The registry says in which order it likes its actions, and that differs from one time to the next.
    asked = {scope.rpartition(":")[0]: set(scope.rpartition(":")[2].split(",")) for scope in tokens.seen[-1][2]}
    assert asked == {"repository:team/app": {"pull"}, "repository:team/copy": {"pull", "push"}}
    assert not task(state_dir, name, access=LOGIN, tags=[copy], push=True)[0].actions


def test_a_token_that_expires_in_the_middle_of_a_push(guarded, tokens, state_dir, tmp_path):
    """The blob whose upload is refused for that is sent again."""
    name, copy = f"{guarded.address}/team/app:1", f"{guarded.address}/other/copy:1"
    pull(state_dir, name, access=LOGIN)
    tokens.rights.clear()  # so that nothing can be mounted
    tokens.rights[USER, "other/copy"] = "pull,push"
    tokens.lifetime = 3.0
    late = [Fault(delay=4.5)]

    def rule(seen):
        if not late or seen.method != "PUT":
            return None
        tokens.lifetime = 300.0  # of the next one: it lasts, however busy the machine is
        return late.pop()

    guarded.rule = rule
    task(state_dir, name, access=LOGIN, tags=[copy], push=True)
    assert [one.status for one in guarded.asked("PUT", "/blobs/")][:2] == [401, 201]
    assert pull(tmp_path / "again", copy, access=LOGIN)


def test_a_mount_that_is_not_allowed_becomes_an_upload(guarded, tokens, state_dir):
    name, copy = f"{guarded.address}/team/app:1", f"{guarded.address}/other/copy:1"
    pull(state_dir, name, access=LOGIN)
    tokens.rights.clear()
    tokens.rights[USER, "other/copy"] = "pull,push"
    task(state_dir, name, access=LOGIN, tags=[copy], push=True)
    assert 201 not in [one.status for one in guarded.asked("POST", "mount=")]
    assert [one.status for one in guarded.asked("PUT", "/blobs/")] == [201, 201]
    assert guarded.asked("PATCH") == [], "what could go up in one piece went in chunks"
    tokens.rights[USER, "other/copy"] = "pull"
    said = fails(state_dir, name, access=LOGIN, tags=[f"{guarded.address}/other/copy:2"], push=True)
    assert "refuses the credentials of 'tester'" in said


def pushed_again(raw, proxy, state_dir, name, tmp_path):
    """Push an image to a repository that is new, and compare what comes back."""
    repository = f"push/{name}"
    image = pull(state_dir, f"{proxy.address}/source/{name}:1")
    proxy.seen.clear()
    task(state_dir, f"{proxy.address}/source/{name}:1", tags=[f"{proxy.address}/{repository}:1"], push=True)
    assert pull(tmp_path / "again", f"{proxy.address}/{repository}:1").id == image.id


@pytest.mark.parametrize(("least", "sizes"), [("500000", [500_000] * 4), ("9" * 30, [None]), ("\u00b2", [300_000] * 6)])
def test_chunks_when_the_whole_is_too_large(raw, proxy, state_dir, tmp_path, monkeypatch, least, sizes):
    from ansible_collections.agentless.oci.plugins.module_utils.image import upload

    monkeypatch.setattr(upload, "CHUNK", 300_000)
    name = f"large{len(least)}"
    raw.image(f"source/{name}", [[member("file", content=random.Random(6).randbytes(2_000_000))]], "1")

    def rule(seen):
        if seen.method == "POST" and "mount" in seen.path:
            return Fault(status=404)
        if seen.method == "POST":
            return Fault(headers={"OCI-Chunk-Min-Length": least})
        return Fault(status=413) if seen.method == "PUT" and seen.received > 600_000 else None

    proxy.rule = rule
    pushed_again(raw, proxy, state_dir, name, tmp_path)
    sent = [one.received for one in proxy.asked("PATCH")]
    assert sent[: len(sizes)] == (sizes if sizes[0] else [sum(sent)])
    assert {one.status for one in proxy.asked("PATCH")} == {202}


def test_an_upload_that_breaks_off_goes_on(raw, proxy, state_dir, tmp_path, monkeypatch):
    from ansible_collections.agentless.oci.plugins.module_utils.image import transport, upload

    monkeypatch.setattr(upload, "CHUNK", 300_000)
    monkeypatch.setattr(transport, "BACK_OFF", 0.01)
    raw.image("source/broken", [[member("file", content=random.Random(7).randbytes(1_000_000))]], "1")
    answered = iter([None, Fault(drop="before"), Fault(drop="before"), Fault(status=502)])

    def rule(seen):
        if seen.method == "POST" and "mount" in seen.path:
            return Fault(status=404)
        if seen.method == "PUT" and seen.received > 500_000:
            return Fault(drop="before")
        return next(answered, None) if seen.method == "PATCH" else None

    proxy.rule = rule
    pushed_again(raw, proxy, state_dir, "broken", tmp_path)
    assert len(proxy.asked("PATCH")) == 4 + 3, "what the registry had taken was sent again"
    # This registry ends a session whose client does not know what has come in.
    answered = iter([None, Fault(drop="after")])
    proxy.seen.clear()
    task(state_dir, f"{proxy.address}/source/broken:1", tags=[f"{proxy.address}/push/broken2:1"], push=True)
    assert len(proxy.asked("PATCH")) == 2 + 4
