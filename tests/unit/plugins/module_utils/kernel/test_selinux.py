# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import selinux


def label(path):
    return os.getxattr(path, "security.selinux", follow_symlinks=False)


@pytest.fixture
def tree(tmp_path):
    """A directory on a file system that takes labels, though nobody may heed them."""
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/file").write_text("x")
    (tmp_path / "outside").write_text("x")
    (tmp_path / "tree/link").symlink_to(tmp_path / "outside")
    try:
        os.setxattr(tmp_path / "outside", "security.selinux", b"before\0")
    except OSError as error:
        pytest.skip(f"labels cannot be set here: {error.strerror}")
    return tmp_path / "tree"


def test_all_below_is_labelled_and_nothing_is_followed(tree):
    selinux.relabel(str(tree))
    for path in (tree, tree / "deep", tree / "deep/file", tree / "link"):
        assert label(path) == b"system_u:object_r:container_file_t:s0\0"
    assert label(tree.parent / "outside") == b"before\0"
    changed = os.stat(tree / "deep/file").st_ctime_ns
    selinux.relabel(str(tree))
    assert os.stat(tree / "deep/file").st_ctime_ns == changed


def test_a_file_is_labelled_too(tree):
    selinux.relabel(str(tree / "deep/file"), "u:r:t:s0")
    assert label(tree / "deep/file") == b"u:r:t:s0\0"


def test_a_file_system_without_labels_is_left_alone():
    selinux.relabel("/proc/self/status")
