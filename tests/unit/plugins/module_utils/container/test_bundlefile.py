# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users of an image, read from its layers before anything is mounted."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container.bundlefile import users_in_layers


@pytest.fixture
def layers(tmp_path):
    """Two layers, base first; the base has both files."""
    paths = []
    for name in ("base", "top"):
        etc = tmp_path / name / "etc"
        etc.mkdir(parents=True)
        paths.append(str(tmp_path / name))
    (tmp_path / "base/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n", encoding="utf-8")
    (tmp_path / "base/etc/group").write_text("root:x:0:\n", encoding="utf-8")
    return paths


def test_the_topmost_file_counts(layers, tmp_path):
    (tmp_path / "top/etc/passwd").write_text("app:x:7:7::/:/bin/sh\n", encoding="utf-8")
    assert users_in_layers(layers) == ["app:x:7:7::/:/bin/sh\n", "root:x:0:\n"]


def test_what_is_not_there_is_empty(layers, tmp_path):
    (tmp_path / "base/etc/group").unlink()
    assert users_in_layers(layers) == ["root:x:0:0::/root:/bin/sh\n", ""]
    for name in ("base", "top"):
        (tmp_path / name / "etc").rename(tmp_path / name / "elsewhere")
    assert users_in_layers(layers) == ["", ""]


def test_what_is_no_text_is_read_as_well_as_can_be(layers, tmp_path):
    (tmp_path / "base/etc/group").write_bytes(b"\xff:x:1:\n")
    assert users_in_layers(layers) == ["root:x:0:0::/root:/bin/sh\n", "\ufffd:x:1:\n"]


@pytest.mark.parametrize("name", ["etc", "etc/passwd", "etc/group"])
@pytest.mark.parametrize("kind", ["symlink", "fifo", "other"])
def test_what_only_the_mounted_root_can_tell(layers, tmp_path, name, kind):
    """A FIFO in particular must not be waited for."""
    path = tmp_path / "top" / name
    if path.is_dir():
        path.rmdir()
    if kind == "symlink":
        path.symlink_to("/elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif name == "etc":
        path.write_text("", encoding="utf-8")
    else:
        path.mkdir()
    assert users_in_layers(layers) is None


def test_a_missing_layer_is_for_the_mount_to_complain_of(layers, tmp_path):
    assert users_in_layers([*layers, str(tmp_path / "missing")]) is None
