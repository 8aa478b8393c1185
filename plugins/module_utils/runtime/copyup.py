# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling a fresh directory with what it covers: runc's mount option ``tmpcopyup``, and volumes.

What is covered is the image's, or a volume's that others write to meanwhile: nothing in it may lead us to files of
the host, so every directory and file is opened below its parent's descriptor and no symlink is followed
(CVE-2022-23648).
"""

from __future__ import annotations

import errno
import os
import stat

from ..kernel import safepath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Every level takes two descriptors, of the 1024 a process has, and two calls, of Python's 1000.
_DEEPEST = 400
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def copy_up(covered: int, mounted: int) -> None:
    """Copy all that is in the directory *covered* into the empty one *mounted*; both O_PATH descriptors.

    Owners, modes, times and extended attributes come along; sockets do not. Raises OSError, also (ELOOP, ENOTDIR)
    for what is swapped for a symlink while we look.
    """
    source = safepath.reopen(covered, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _copy_entries(source, mounted, _DEEPEST)
    finally:
        os.close(source)


def copy_directory(source: int, target: int) -> None:
    """As :func:`copy_up`, and what the directory *source* itself has; both descriptors open for reading."""
    _copy_entries(source, target, _DEEPEST)
    _copy_attributes(source, target)


def _copy_entries(source: int, target: int, levels: int) -> None:
    if not levels:
        raise OSError(errno.ENAMETOOLONG, f"more than {_DEEPEST} directories in each other")
    for name in os.listdir(source):
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            _copy_opened(name, source, target, _DIRECTORY, levels)
        elif stat.S_ISREG(found.st_mode):
            _copy_opened(name, source, target, _FILE, levels)
        elif not stat.S_ISSOCK(found.st_mode):
            if stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            else:
                os.mknod(name, found.st_mode, found.st_rdev, dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)


def _copy_opened(name: str, source: int, target: int, flags: int, levels: int) -> None:
    """A directory or a file with its content, and then what it has beside."""
    inner = os.open(name, flags, dir_fd=source)
    try:
        copied = os.open(name, _DIRECTORY if flags == _DIRECTORY else _NEW_FILE, 0o600, dir_fd=target)
        try:
            if flags == _DIRECTORY:
                _copy_entries(inner, copied, levels - 1)
            else:
                while os.sendfile(copied, inner, None, 1 << 20):
                    pass
            _copy_attributes(inner, copied)
        finally:
            os.close(copied)
    finally:
        os.close(inner)


def _copy_attributes(source: int, target: int) -> None:
    """Owner before mode, which chown(2) takes bits of; times last."""
    found = os.fstat(source)
    os.fchown(target, found.st_uid, found.st_gid)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    for attribute in os.listxattr(source):
        os.setxattr(target, attribute, os.getxattr(source, attribute))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
