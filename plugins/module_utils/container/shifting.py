# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers copied for one container, with the owners that it has on the host: where mounts cannot translate them.

    containers/.ID/shifted/0 …   a copy of each of the spec's layers, base first

Whether a container has such copies is decided before it first runs, and for good: what it writes has owners on disk
that go with the one way or with the other.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

from . import userns
from .userns import SHIFTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .records import Record

_UNFINISHED = "shifting"
_CAPABILITY = "security.capability"
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_ACL_NAMED = (0x02, 0x08)  # linux/posix_acl.h: ACL_USER, ACL_GROUP, which alone have an id
_REVISION_2, _REVISION_3, _REVISION_MASK = 0x02000000, 0x03000000, 0xFF000000  # linux/capability.h
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 24
# What says that mounts cannot do it: an older kernel, a file system, an overlay on such mounts.
_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


def layers(record: Record) -> list[str]:
    """The copies, base first."""
    return [os.path.join(record.path, SHIFTED, str(number)) for number in range(len(record.spec["layers"]))]


def is_called_for(record: Record, number: int) -> bool:
    """Whether the errno *number* of a mount means that copies are to be made.

    Only for a container that has written nothing, and has none.
    """
    return number in _UNABLE and not userns.is_shifted(record) and not os.listdir(os.path.join(record.path, "upper"))


def make(record: Record, first: int) -> None:
    """Copy the layers; ids are moved up by *first*, also that of the directory that the container writes to.

    Copies that were begun go first. Raises OSError.
    """
    from ..kernel.removal import remove_tree

    unfinished = os.path.join(record.path, _UNFINISHED)
    if os.path.isdir(unfinished):
        remove_tree(unfinished)
    os.mkdir(unfinished, 0o700)
    for number, layer in enumerate(record.spec["layers"]):
        copy_tree(layer, os.path.join(unfinished, str(number)), first)
    upper = os.path.join(record.path, "upper")
    found = os.stat(upper)
    if found.st_uid < first:  # else a start that was killed had come as far as this
        os.chown(upper, found.st_uid + first, found.st_gid + first)
        os.chmod(upper, stat.S_IMODE(found.st_mode))
    os.rename(unfinished, os.path.join(record.path, SHIFTED))


def own(record: Record, first: int, names: list[str]) -> None:
    """Give the files *names* of the container's directory to its root, whose id is *first*. Raises OSError."""
    for name in names:
        os.chown(os.path.join(record.path, name), first, first, follow_symlinks=False)


def copy_tree(source: str, target: str, first: int) -> None:
    """Copy the directory *source* to *target*, which is not there, with all ids moved up by *first*.

    Whiteouts, links, sparse files, times and extended attributes come along; capabilities and ACLs are of the ids
    that the files have then. Raises OSError.
    """
    os.mkdir(target, 0o700)
    links: dict[tuple[int, int], str] = {}
    waiting = [""]
    finished = []
    while waiting:
        below = waiting.pop()
        finished.append(below)
        here, there = os.path.join(source, below), os.path.join(target, below)
        with os.scandir(here) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                place = os.path.join(there, entry.name)
                if stat.S_ISDIR(found.st_mode):
                    os.mkdir(place, 0o700)
                    waiting.append(os.path.join(below, entry.name))
                    continue
                known = links.get((found.st_dev, found.st_ino))
                if known is not None:
                    os.link(known, place, follow_symlinks=False)
                    continue
                if found.st_nlink > 1:
                    links[(found.st_dev, found.st_ino)] = place
                _copy_entry(entry.path, place, found)
                _copy_attributes(entry.path, place, found, first)
    for below in reversed(finished):  # times of a directory last: what is made in it changes them
        here = os.path.join(source, below)
        _copy_attributes(here, os.path.join(target, below), os.stat(here), first)


def _copy_entry(source: str, target: str, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(source), target)
    elif not stat.S_ISREG(found.st_mode):
        os.mknod(target, found.st_mode, found.st_rdev)
    else:
        reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _copy_content(reading, writing, found.st_size)
            finally:
                os.close(writing)
        finally:
            os.close(reading)


def _copy_content(reading: int, writing: int, size: int) -> None:
    """Its data, where it has any: holes stay holes (lseek(2), SEEK_DATA)."""
    os.ftruncate(writing, size)
    end = 0
    while end < size:
        try:
            begin = os.lseek(reading, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # nothing but a hole is left
        end = os.lseek(reading, begin, os.SEEK_HOLE)
        os.lseek(writing, begin, os.SEEK_SET)
        while begin < end:
            copied = os.sendfile(writing, reading, begin, min(end - begin, _CHUNK))
            if not copied:
                return
            begin += copied


def _copy_attributes(source: str, target: str, found: os.stat_result, first: int) -> None:
    os.chown(target, found.st_uid + first, found.st_gid + first, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(target, stat.S_IMODE(found.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        value = shifted_attribute(name, os.getxattr(source, name, follow_symlinks=False), first)
        os.setxattr(target, name, value, follow_symlinks=False)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def shifted_attribute(name: str, value: bytes, first: int) -> bytes:
    """The extended attribute *name* as it is to be where ids are moved up by *first*.

    A file capability is then one of the user namespace whose root is *first* (capabilities(7)), and the named entries
    of an ACL (acl(5), in linux/posix_acl_xattr.h's form) are of other ids.
    """
    if name == _CAPABILITY and len(value) >= 20:
        magic, *sets = struct.unpack_from("<5I", value)
        root = struct.unpack_from("<I", value, 20)[0] if magic & _REVISION_MASK == _REVISION_3 else 0
        if magic & _REVISION_MASK in (_REVISION_2, _REVISION_3):
            return struct.pack("<6I", magic & ~_REVISION_MASK | _REVISION_3, *sets, root + first)
    if name in _ACLS:
        entries = b"".join(
            struct.pack("<HHI", tag, allowed, identity + first if tag in _ACL_NAMED else identity)
            for tag, allowed, identity in struct.iter_unpack("<HHI", value[4:])
        )
        return value[:4] + entries
    return value


def move(path: str, base: int, wanted: int) -> None:
    """Move the ids in the directory *path* that lie in the range from *base* on to that from *wanted* on.

    Others are left alone, so it can be done again after it was killed. Containers may be at it: no symlink is
    followed. Raises OSError.
    """
    for _directory, names, files, fd in os.fwalk(path, follow_symlinks=False):
        if _directory == path:
            _move(".", fd, base, wanted)
        for name in (*names, *files):
            _move(name, fd, base, wanted)


def _move(name: str, directory: int, base: int, wanted: int) -> None:
    pinned = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        found = os.fstat(pinned)
        uid, gid = (
            number - base + wanted if base <= number < base + userns.SIZE else number
            for number in (found.st_uid, found.st_gid)
        )
        if (uid, gid) == (found.st_uid, found.st_gid):
            return
        if stat.S_ISLNK(found.st_mode):
            os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)
            return
        place = f"/proc/self/fd/{pinned}"
        kept = {attribute: os.getxattr(place, attribute) for attribute in os.listxattr(place)}
        os.chown(place, uid, gid)
        os.chmod(place, stat.S_IMODE(found.st_mode))
        for attribute, value in kept.items():
            if attribute == _CAPABILITY or attribute in _ACLS:
                os.setxattr(place, attribute, shifted_attribute(attribute, value, wanted - base))
    finally:
        os.close(pinned)
