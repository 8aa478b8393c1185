# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configs of images, as builders write them and as nobody should."""

from __future__ import annotations

import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.imageconfig import parse_config
from ansible_collections.agentless.oci.plugins.module_utils.image.stored import Image

DIFF_ID = "sha256:" + "a" * 64
LAYER = {"digest": DIFF_ID, "size": 1}
MANIFEST = {"config": {"digest": DIFF_ID, "size": 1}, "layers": [LAYER]}
BARE = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}}


@pytest.mark.parametrize(
    "section",
    [
        None,
        {},
        dict.fromkeys(("User", "Env", "Cmd", "Labels", "Volumes", "Healthcheck", "StopSignal")),
        {"User": "1", "Env": ["A=b"], "Cmd": ["sh"], "Entrypoint": [], "Labels": {"a": ""}, "Volumes": {"/v": {}}},
        {"ArgsEscaped": True, "AttachStdin": False, "Unknown": [1]},
    ],
)
def test_what_builders_write(section):
    config = parse_config(json.dumps({**BARE, "config": section}).encode(), MANIFEST, "a/b:1")
    assert config["config"] == section
    assert isinstance(Image("a/b:1", DIFF_ID, MANIFEST, config).labels, dict)


def test_without_a_section_there_are_no_labels():
    config = parse_config(json.dumps(BARE).encode(), MANIFEST, "a/b:1")
    assert Image("a/b:1", DIFF_ID, MANIFEST, config).labels == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"config": "sh"}, "its config has no object as config"),
        ({"config": {"User": 0}}, "something else than a string as User"),
        ({"config": {"Env": "A=b"}}, "something else than a list of strings as Env"),
        ({"config": {"Cmd": ["sh", 1]}}, "something else than a list of strings as Cmd"),
        ({"config": {"Labels": ["a"]}}, "something else than an object of strings as Labels"),
        ({"config": {"Labels": {"a": 1}}}, "something else than an object of strings as Labels"),
        ({"config": {"Healthcheck": []}}, "something else than an object as Healthcheck"),
        ({"rootfs": {"diff_ids": []}}, "does not name as many layers"),
        ({"rootfs": {"diff_ids": "x"}}, "does not name as many layers"),
        ({"rootfs": None}, "does not name as many layers"),
        ({"rootfs": {"diff_ids": ["../../etc/passwd"]}}, "is no digest"),
    ],
)
def test_what_nobody_should(changed, said):
    with pytest.raises(ImageError, match=said):
        parse_config(json.dumps({**BARE, **changed}).encode(), MANIFEST, "a/b:1")


@pytest.mark.parametrize("raw", [b"", b"[]", b"5", b"null", b"{}", b"\xff"])
def test_what_is_none(raw):
    with pytest.raises(ImageError, match="cannot import a/b:1: its config does not name as many layers"):
        parse_config(raw, MANIFEST, "a/b:1", "import")
