# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure decision about one image, and options that contradict each other."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import decide, module
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.media import parse_platform
from ansible_collections.agentless.oci.plugins.module_utils.image.request import ImageRequest

NAME = "registry.example.com/shop/redis:7"


def local(**changed):
    values = {
        "image_id": "id1",
        "digest": "m1",
        "origin": "",
        "platform": parse_platform("amd64"),
        "complete": True,
        "has_blobs": True,
    }
    return decide.Local(**{**values, **changed})


@pytest.mark.parametrize(
    ("options", "here", "remote", "actions"),
    [
        ({}, None, "", [f"pulled image {NAME}"]),
        ({}, local(), None, []),
        ({"pull": "always"}, local(), "id1", []),
        ({"pull": "always"}, local(), "id2", [f"pulled image {NAME}"]),
        ({"force": True}, local(), "id1", [f"pulled image {NAME}"]),
        ({"platform": "linux/amd64"}, local(), None, []),
        ({"platform": "linux/arm64"}, local(), None, [f"pulled image {NAME}"]),
        ({}, local(complete=False), None, [f"unpacked image {NAME}"]),
        ({}, local(complete=False, has_blobs=False), None, [f"pulled image {NAME}"]),
        ({"source": {"rootfs": "/x"}}, local(), "id1", []),
        ({"source": {"rootfs": "/x"}}, local(), "id2", [f"imported image {NAME}"]),
        ({"source": {"rootfs": "/x"}}, None, "", [f"imported image {NAME}"]),
        ({"state": "absent"}, local(), None, [f"removed image {NAME}"]),
        ({"state": "absent"}, None, None, []),
    ],
)
def test_bringing_and_removing(options, here, remote, actions):
    request = ImageRequest(NAME, **options)
    assert [str(action) for action in decide.decide(request, here, remote, {}, {})] == actions


@pytest.mark.parametrize(
    ("here", "remote", "tagged", "actions"),
    [
        (local(), None, {"a": "m1"}, []),
        (local(), None, {"a": "m0"}, ["tagged image"]),
        (local(), None, {"a": ""}, ["tagged image"]),
        (local(), "id2", {"a": "m1"}, ["pulled image", "tagged image"]),
        (None, "", {"a": ""}, ["pulled image", "tagged image"]),
    ],
)
def test_tagging(here, remote, tagged, actions):
    request = ImageRequest(NAME, tags=["a"], pull="always")
    tagged = {"docker.io/library/a:latest": tagged["a"]}
    assert [action.verb for action in decide.decide(request, here, remote, tagged, {})] == actions


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        ({}, [NAME]),
        ({"tags": ["r.example/x:1"]}, ["r.example/x:1"]),
        ({"tags": ["r.example/x:1"], "source": {"rootfs": "/x"}}, [NAME, "r.example/x:1"]),
    ],
)
def test_where_to_push(options, targets):
    request = ImageRequest(NAME, push=True, **options)
    assert request.push_names() == targets
    there = decide.decide(request, local(), None, {"r.example/x:1": "m1"}, dict.fromkeys(targets, True))
    assert there == []
    pushed = decide.decide(request, local(), None, {"r.example/x:1": "m1"}, dict.fromkeys(targets, False))
    assert [action.object for action in pushed] == targets


@pytest.mark.parametrize(
    ("options", "here", "remote", "written", "actions"),
    [
        ({}, local(), None, True, []),
        ({}, local(), None, False, ["wrote archive"]),
        ({}, local(), "id2", True, ["pulled image", "wrote archive"]),
        ({}, None, "", False, ["pulled image", "wrote archive"]),
        ({}, local(complete=False), None, True, ["unpacked image"]),
        ({}, local(complete=False, has_blobs=False), None, True, ["pulled image"]),
        ({"force": True}, local(), None, True, ["pulled image", "wrote archive"]),
        ({"source": {"path": "/x"}}, local(), "id2", True, ["imported image", "wrote archive"]),
        ({"state": "absent"}, local(), None, False, ["removed image"]),
    ],
)
def test_writing_an_archive(options, here, remote, written, actions):
    request = ImageRequest(NAME, archive={"path": "/x.tar", "format": "oci"}, **options)
    assert [action.verb for action in decide.decide(request, here, remote, {}, {}, written)] == actions


KEY = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"  # verified only when it is used
PARAMS = {
    "name": NAME,
    "state": "present",
    "pull": "missing",
    "source": None,
    "platform": None,
    "username": None,
    "password": None,
    "authfile": None,
    "validate_certs": True,
    "ca_path": None,
    "mirrors": None,
    "archive": None,
    "tag": None,
    "push": False,
    "force": False,
    "verify": None,
    "require_digest": False,
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"state": "absent", "push": True}, "state is absent and push is given"),
        ({"state": "absent", "tag": ["x"]}, "state is absent and tag is given"),
        ({"state": "absent", "source": {"rootfs": "/x"}}, "state is absent and source is given"),
        ({"source": {"rootfs": "/x"}, "pull": "always"}, "cannot come from both"),
        ({"username": "me"}, "password is missing"),
        ({"tag": ["UPPER"]}, "lower case"),
        ({"tag": ["x@sha256:" + "a" * 64]}, "names a digest"),
        ({"name": "x@sha256:" + "a" * 64, "push": True}, "names a digest"),
        ({"name": "sha256:" + "a" * 64, "source": {"rootfs": "/x"}}, "is an image id"),
        ({"name": "a b"}, "white space"),
        ({"require_digest": True}, "names no digest, and require_digest is set"),
        ({"require_digest": True, "name": "x@sha256:" + "a" * 64}, None),
        ({"require_digest": True, "name": "x:1@sha256:" + "a" * 64}, None),
        ({"require_digest": True, "name": "sha256:" + "a" * 64}, None),
        ({"require_digest": True, "source": {"rootfs": "/x"}}, None),
        ({"require_digest": True, "state": "absent"}, None),
        ({"verify": {"cosign_public_key": KEY}}, None),
        ({"verify": {"cosign_public_key": KEY}, "source": {"rootfs": "/x"}}, "source and verify are given"),
        ({"verify": {"cosign_public_key": "/no/such/cosign.pub"}}, "cannot read the public key /no/such/cosign.pub"),
        ({"verify": {"cosign_public_key": KEY, "identity": "x/UPPER"}}, "lower case"),
        ({"platform": "linux"}, None),
        ({"platform": "a/b/c/d"}, "is not a platform"),
    ],
)
def test_options_that_contradict_each_other(changed, said):
    if said is None:
        assert module.request_of({**PARAMS, **changed})
        return
    with pytest.raises(ImageError) as caught:
        module.request_of({**PARAMS, **changed})
    assert said in str(caught.value)
    assert caught.value.hint
