# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory as one layer: a tar stream that depends on nothing but what is in the directory.

POSIX.1-2001 pax: ustar headers, extended ones only where ustar has no room. Names are sorted, times are whole
seconds, no user or group names are written, so the same files always make the same bytes.
"""

from __future__ import annotations

import os
import stat

from .errors import ImageError
from .tarfields import BLOCK, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20
_OCTAL_ID = 0o7777777  # 7 digits
_OCTAL_SIZE = 0o77777777777  # 11 digits: 8 GiB - 1


class Node:
    """One file below the directory: *path* relative, clean; *target* of a symlink; *link* its inode's first name."""

    __slots__ = ("link", "path", "status", "target")

    def __init__(self, path: bytes, status: os.stat_result, target: bytes, link: bytes) -> None:
        self.path = path
        self.status = status
        self.target = target
        self.link = link


def walk(root: bytes) -> Iterator[Node]:
    """All of *root* in the order in which it is written, the root first ("").

    Sockets are left out: they mean nothing in an image. So is what is mounted below *root* (tar's --one-file-system):
    /proc of a build chroot is no part of its files. Raises ImageError for what an image cannot hold, OSError.
    """
    status = os.lstat(root)
    device = status.st_dev
    yield Node(b"", status, b"", b"")
    first: dict[int, bytes] = {}
    pending = [b""]
    while pending:
        directory = pending.pop()
        below = []
        for name in sorted(os.listdir(os.path.join(root, directory))):
            path = directory + b"/" + name if directory else name
            full = os.path.join(root, path)
            status = os.lstat(full)
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFSOCK:
                continue
            if name.startswith(b".wh."):
                raise _unfit(path, "names that start with .wh. mean deletions in an image")
            if kind == stat.S_IFCHR and status.st_rdev == 0:
                raise _unfit(path, "a device 0:0 means a deletion in an image")
            link = b""
            if status.st_nlink > 1 and kind != stat.S_IFDIR:
                link = first.setdefault(status.st_ino, path)
            target = os.readlink(full) if kind == stat.S_IFLNK else b""
            yield Node(path, status, target, b"" if link == path else link)
            if kind == stat.S_IFDIR and status.st_dev == device:
                below.append(path)
        pending.extend(reversed(below))


def xattrs_of(path: bytes) -> dict[bytes, bytes]:
    """The extended attributes that belong into an image: capabilities, ACLs, the user's and trusted ones."""
    found = {}
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        wanted = name == "security.capability" or name.startswith(("user.", "system.posix_acl_", "trusted."))
        if wanted and not name.startswith("trusted.overlay."):
            found[os.fsencode(name)] = os.getxattr(path, name, follow_symlinks=False)
    return found


def stream(root: bytes) -> Iterator[bytes]:
    """The layer of *root*. Raises ImageError, OSError."""
    for node in walk(root):
        full = os.path.join(root, node.path) if node.path else root
        yield header(node, {} if node.link else xattrs_of(full))
        if stat.S_ISREG(node.status.st_mode) and not node.link and node.status.st_size:
            yield from _content(full, node)
    yield bytes(2 * BLOCK)


def _content(full: bytes, node: Node) -> Iterator[bytes]:
    left = node.status.st_size
    fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while left:
            chunk = os.read(fd, min(left, CHUNK))
            if not chunk:
                raise ImageError(
                    f"the file {printable(full)} became shorter while it was read",
                    step="import",
                    obj=printable(full),
                    hint="Import a directory that nothing writes to",
                )
            left -= len(chunk)
            yield chunk
    finally:
        os.close(fd)
    padding = -node.status.st_size % BLOCK
    if padding:
        yield bytes(padding)


_TYPES = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}


def header(node: Node, xattrs: dict[bytes, bytes]) -> bytes:
    """The header of one member, with an extended one in front of it where needed."""
    status = node.status
    name = node.path or b"."
    kind = b"1" if node.link else _TYPES[stat.S_IFMT(status.st_mode)]
    if kind == b"5":
        name += b"/"
    target = node.link or node.target
    size = status.st_size if kind == b"0" else 0
    mtime = int(status.st_mtime // 1)
    pax: dict[bytes, bytes] = {b"SCHILY.xattr." + key: value for key, value in xattrs.items()}
    if len(name) > 100:
        pax[b"path"] = name
    if len(target) > 100:
        pax[b"linkpath"] = target
    for key, value, limit in (
        (b"uid", status.st_uid, _OCTAL_ID),
        (b"gid", status.st_gid, _OCTAL_ID),
        (b"size", size, _OCTAL_SIZE),
        (b"mtime", mtime, _OCTAL_SIZE),
    ):
        if not 0 <= value <= limit:
            pax[key] = b"%d" % value
    device = status.st_rdev if kind in (b"3", b"4") else 0
    block = _block(
        name[:100],
        status.st_mode & 0o7777,
        0 if b"uid" in pax else status.st_uid,
        0 if b"gid" in pax else status.st_gid,
        0 if b"size" in pax else size,
        0 if b"mtime" in pax else mtime,
        kind,
        target[:100],
        os.major(device),
        os.minor(device),
    )
    if not pax:
        return block
    records = b"".join(_record(key, pax[key]) for key in sorted(pax))
    extended = _block(b"PaxHeaders/" + name[:80].rstrip(b"/"), 0o644, 0, 0, len(records), 0, b"x", b"", 0, 0)
    return extended + records + bytes(-len(records) % BLOCK) + block


def plain_header(name: str, size: int = 0) -> bytes:
    """The one block in front of a file of an archive that nobody owns and that has no time; of a directory ``NAME/``.

    A size beyond eleven octal digits is written in base 256, as GNU tar and Go's do.
    """
    kind, mode = (b"5", 0o755) if name.endswith("/") else (b"0", 0o644)
    raw = name.encode()
    if len(raw) > 100:
        raise ValueError(f"{name} does not fit into a header")
    if size <= _OCTAL_SIZE:
        return _block(raw, mode, 0, 0, size, 0, kind, b"", 0, 0)
    block = bytearray(_block(raw, mode, 0, 0, 0, 0, kind, b"", 0, 0))
    block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _block(
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    kind: bytes,
    target: bytes,
    major: int,
    minor: int,
) -> bytes:
    fields = b"".join(
        (
            name.ljust(100, b"\0"),
            b"%07o\0%07o\0%07o\0" % (mode, uid, gid),
            b"%011o\0%011o\0" % (size, mtime),
            b" " * 8,
            kind,
            target.ljust(100, b"\0"),
            b"ustar\00000",
            bytes(64),
            b"%07o\0%07o\0" % (major, minor),
            bytes(167),
        )
    )
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH KEY=VALUE\\n``, where LENGTH counts its own digits."""
    bare = len(key) + len(value) + 3
    length = bare + len(str(bare))
    if len(str(length)) != len(str(bare)):
        length = bare + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _unfit(path: bytes, why: str) -> ImageError:
    return ImageError(
        f"{printable(path)} cannot be part of an image: {why}", step="import", obj=printable(path), hint="Remove it"
    )
