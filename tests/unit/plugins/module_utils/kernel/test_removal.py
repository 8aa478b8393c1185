# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.removal import remove_tree


def nest(path, depth):
    """*depth* directories in each other, deeper than any path can name."""
    path.mkdir()
    below = os.open(path, os.O_RDONLY)
    for _level in range(depth):
        os.mkdir("d", dir_fd=below)
        above, below = below, os.open("d", os.O_RDONLY, dir_fd=below)
        os.close(above)
    os.close(os.open("file", os.O_CREAT, dir_fd=below))
    os.close(below)


def test_deeper_than_recursion_and_descriptors_reach(tmp_path):
    nest(tmp_path / "top", 3000)
    remove_tree(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == []


def test_nothing_outside_goes(tmp_path):
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    top = tmp_path / "top"
    (top / "a" / "b" / "c").mkdir(parents=True)
    (top / "a" / "b" / "link").symlink_to(outside)
    (top / "link").symlink_to(outside)
    (top / ".removed-1" / "x").mkdir(parents=True)  # names of ours that were there before
    (top / ".removed-2").write_text("")
    os.mkfifo(top / "a" / "fifo")
    remove_tree(str(top))
    assert sorted(os.listdir(tmp_path)) == ["outside"]
    assert os.listdir(outside) == ["kept"]


def test_what_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(NotADirectoryError):
            remove_tree(str(tmp_path / name))
    with pytest.raises(FileNotFoundError):
        remove_tree(str(tmp_path / "none"))
