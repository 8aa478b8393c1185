# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import shutil

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.runtime import copyup


def copied(source, target):
    target.mkdir()
    descriptors = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target)]
    try:
        copyup.copy_directory(*descriptors)
    finally:
        for fd in descriptors:
            os.close(fd)


def test_files_links_modes_and_times(tmp_path):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/file").write_text("x" * 100_000)
    (source / "deep/file").chmod(0o640)
    (source / "link").symlink_to("/etc/passwd")
    os.utime(source / "deep/file", (5, 6))
    os.utime(source / "deep", (7, 8))
    source.chmod(0o2750)
    copied(source, tmp_path / "target")
    target = tmp_path / "target"
    assert (target / "deep/file").read_text() == "x" * 100_000
    assert [os.stat(target / name).st_mtime for name in ("deep/file", "deep")] == [6, 8]
    assert os.stat(target / "deep/file").st_mode & 0o7777 == 0o640
    assert os.stat(target).st_mode & 0o7777 == 0o2750
    assert os.readlink(target / "link") == "/etc/passwd"


def test_what_is_nested_too_deep_is_an_error_and_no_crash(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _level in range(450):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(OSError, match="more than 400 directories in each other") as caught:
        copied(tmp_path / "d", tmp_path / "target")
    assert caught.value.errno == errno.ENAMETOOLONG
    for name in ("d", "target"):
        shutil.rmtree(tmp_path / name)
