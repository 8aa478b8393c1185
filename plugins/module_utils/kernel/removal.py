# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing what a container has written, however deep it has nested its directories.

shutil.rmtree() calls itself for every level, or keeps a descriptor of each: a container that nests deep enough could
not be removed.
"""

from __future__ import annotations

import errno
import os

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Remove the directory *path* and all that is below. Nobody else may be at it. Raises OSError."""
    top = os.open(path, _DIRECTORY)
    try:
        number = _empty(top, top, 0)
        while True:
            names = os.listdir(top)
            if not names:
                break
            for name in names:
                below = os.open(name, _DIRECTORY, dir_fd=top)
                try:
                    number = _empty(below, top, number)
                finally:
                    os.close(below)
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(path)


def _empty(directory: int, top: int, number: int) -> int:
    """Remove what is in *directory*; directories with something in them move to *top*, under names from *number* on.

    In *top* itself they stay. The next number.
    """
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
            continue
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if directory != top:
                number = _move(name, directory, top, number)
    return number


def _move(name: str, directory: int, top: int, number: int) -> int:
    while True:
        number += 1
        try:
            os.rename(name, f".removed-{number}", src_dir_fd=directory, dst_dir_fd=top)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):  # the container has called one so
                raise
        else:
            return number
