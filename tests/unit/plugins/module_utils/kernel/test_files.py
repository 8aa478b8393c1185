# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that survive a crash, and locks."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import files


def test_write_replaces_in_one_step_and_leaves_no_temporary(tmp_path):
    path = str(tmp_path / "state.json")
    files.write_atomic(path, b"one", 0o600)
    inode = os.stat(path).st_ino
    previous = os.umask(0o777)
    try:
        files.write_atomic(path, b"two" * 100000, 0o640)
    finally:
        os.umask(previous)
    assert files.read_bytes(path) == b"two" * 100000
    assert os.stat(path).st_mode & 0o777 == 0o640
    assert os.stat(path).st_ino != inode
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    path = str(tmp_path / "state.json")
    files.write_atomic(path, b"old")

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        files.write_atomic(path, b"new")
    assert files.read_bytes(path) == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_locks_exclude_and_share(tmp_path):
    path = str(tmp_path / "lock")
    with files.locked(path), pytest.raises(BlockingIOError), files.locked(path, exclusive=False, wait=False):
        raise AssertionError("two holders of an exclusive lock")
    with files.locked(path, exclusive=False), files.locked(path, exclusive=False, wait=False):
        pass


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path):
    path = str(tmp_path / "lock")
    with files.locked(path):
        os.unlink(path)
        with files.locked(path, wait=False) as fd:
            assert os.path.samestat(os.fstat(fd), os.stat(path))
