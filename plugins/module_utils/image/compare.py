# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two directories hold the same tree, entry by entry, as a layer's tree must be compared.

Left out is what unpacking does not set: the time of the root directory and of whiteouts, access times, SELinux labels.
"""

from __future__ import annotations

import os
import stat

from .lower import DIR_FLAGS, is_whiteout
from .tarfields import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_IGNORED = ("security.selinux",)

# st_mode's type → how it is called
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symlink",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
}


def differences(expected: str, found: str) -> Iterator[str]:
    """How the tree *found* differs from the tree *expected*, a line for each difference. Raises OSError."""
    comparison = _Comparison()
    right = os.open(expected, DIR_FLAGS)
    try:
        other = os.open(found, DIR_FLAGS)
        try:
            yield from comparison.attributes(b"", os.fstat(right), os.fstat(other), right, other)
            yield from comparison.directories(b"", right, other)
        finally:
            os.close(other)
    finally:
        os.close(right)


class _Comparison:
    """One walk through both trees. *links*: inode of the expected tree → inode of the other, for files with several
    names.
    """

    def __init__(self) -> None:
        self.links: dict[int, int] = {}

    def directories(self, path: bytes, right: int, other: int) -> Iterator[str]:
        """Compare what is in two directories, given by their descriptors."""
        names, there = (sorted(os.fsencode(name) for name in os.listdir(fd)) for fd in (right, other))
        extra = set(there)
        for name in names:
            where = path + b"/" + name if path else name
            if name not in extra:
                yield f"{printable(where)} is missing"
                continue
            extra.remove(name)
            yield from self._entry(where, name, right, other)
        for name in sorted(extra):
            yield f"{printable(path + b'/' + name if path else name)} is not of the image"

    def _entry(self, where: bytes, name: bytes, right: int, other: int) -> Iterator[str]:
        status = os.stat(name, dir_fd=right, follow_symlinks=False)
        found = os.stat(name, dir_fd=other, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        if kind != stat.S_IFMT(found.st_mode):
            yield f"{printable(where)} is {_KINDS[stat.S_IFMT(found.st_mode)]}, not {_KINDS[kind]}"
            return
        if status.st_nlink > 1 and kind != stat.S_IFDIR:
            known = self.links.setdefault(status.st_ino, found.st_ino)
            if known != found.st_ino or found.st_nlink != status.st_nlink:
                yield f"{printable(where)} is linked to other files than it should be"
        elif found.st_nlink > 1 and kind != stat.S_IFDIR:
            yield f"{printable(where)} is linked to another file"
        if kind in (stat.S_IFREG, stat.S_IFDIR):
            flags = DIR_FLAGS if kind == stat.S_IFDIR else _FILE_FLAGS
            first = os.open(name, flags, dir_fd=right)
            try:
                second = os.open(name, flags, dir_fd=other)
                try:
                    yield from self.attributes(where, status, found, first, second)
                    if kind == stat.S_IFDIR:
                        yield from self.directories(where, first, second)
                    elif status.st_size == found.st_size and not _same_content(first, second):
                        yield f"{printable(where)} has another content"
                finally:
                    os.close(second)
            finally:
                os.close(first)
            return
        paths = (b"/proc/self/fd/%d/%s" % (fd, name) for fd in (right, other))
        yield from self.attributes(where, status, found, *paths)
        if kind == stat.S_IFLNK and os.readlink(name, dir_fd=right) != os.readlink(name, dir_fd=other):
            yield f"{printable(where)} points elsewhere"

    def attributes(
        self, where: bytes, status: os.stat_result, found: os.stat_result, right: int | bytes, other: int | bytes
    ) -> Iterator[str]:
        """Compare what stat(2) and listxattr(2) say; *right* and *other* are descriptors or paths."""
        name = printable(where) if where else "the root directory"
        mode, found_mode = stat.S_IMODE(status.st_mode), stat.S_IMODE(found.st_mode)
        if mode != found_mode:
            yield f"{name} has mode {found_mode:04o}, not {mode:04o}"
        if (status.st_uid, status.st_gid) != (found.st_uid, found.st_gid):
            yield f"{name} belongs to {found.st_uid}:{found.st_gid}, not {status.st_uid}:{status.st_gid}"
        if status.st_rdev != found.st_rdev:
            yield f"{name} is another device"
        if stat.S_ISREG(status.st_mode) and status.st_size != found.st_size:
            yield f"{name} has {found.st_size} bytes, not {status.st_size}"
        if where and not is_whiteout(status) and status.st_mtime_ns != found.st_mtime_ns:
            yield f"{name} was changed at another time"
        if _xattrs(right) != _xattrs(other):
            yield f"{name} has other extended attributes"


def _xattrs(target: int | bytes) -> dict[str, bytes]:
    follow = isinstance(target, int)
    return {
        attribute: os.getxattr(target, attribute, follow_symlinks=follow)
        for attribute in os.listxattr(target, follow_symlinks=follow)
        if attribute not in _IGNORED
    }


def _same_content(first: int, second: int) -> bool:
    """Whether two files of the same size hold the same bytes."""
    while True:
        chunk = os.read(first, _CHUNK)
        other = os.read(second, _CHUNK)
        if chunk != other:
            return False
        if not chunk:
            return True
