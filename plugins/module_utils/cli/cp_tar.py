# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci cp`` with ``-`` for one of the two: a tar archive on standard output, or from standard input."""

from __future__ import annotations

import stat
import tarfile

from ..container import copy
from ..container.copyplan import DIRECTORY, FILE, LINK, Change, Item, Wanted
from ..container.copysource import Source
from ..kernel import entries
from ..kernel.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from ..container.copysource import Tree
    from ..container.roots import Root

_TYPES = {FILE: tarfile.REGTYPE, DIRECTORY: tarfile.DIRTYPE, LINK: tarfile.SYMTYPE}
_CHUNK = 1 << 20


class _Stream:
    """What tarfile reads a member's content from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def write(source: Tree, name: str, stream: IO[bytes]) -> None:
    """Write *source* to *stream*, under *name*. Raises Error, OSError."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for item in source.items:
            info = tarfile.TarInfo("/".join(part for part in (name, item.path) if part) or ".")
            info.type, info.mode, info.uid, info.gid = _TYPES[item.kind], item.mode, item.uid, item.gid
            info.size, info.linkname, info.mtime = item.size, item.text, source.changed(item)
            content = _Stream(source.content(item)) if item.kind == FILE else None
            archive.addfile(info, content)  # type: ignore[arg-type]  # of a file it needs read() alone


class _Member(Source):
    """One file of an archive that is read as it comes, whose digest nobody knows yet."""

    def __init__(self, item: Item, file: IO[bytes]) -> None:
        super().__init__([item])
        self._file = file

    def content(self, item: Item) -> Iterator[bytes]:
        while True:
            chunk = self._file.read(_CHUNK)
            if not chunk:
                return
            yield chunk


def read(stream: IO[bytes], root: Root, dest: str, *, owners: bool) -> None:
    """Put what is in the archive *stream* into the directory *dest*; with *owners* those that it says. Raises Error."""
    there = entries.status(root.fd, dest, follow=True)
    if there is None or not stat.S_ISDIR(there.st_mode):
        raise Error(f"there is no directory {dest} {root.where}")
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                _place(member, archive, root, dest, owners)
    except tarfile.TarError as error:
        raise Error(f"cp: standard input is no tar archive: {error}") from error


def _place(member: tarfile.TarInfo, archive: tarfile.TarFile, root: Root, dest: str, owners: bool) -> None:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Error(f"cp: the archive has a path that leads out of it: {member.name}")
    if not parts:
        return
    kind = FILE if member.isreg() else DIRECTORY if member.isdir() else LINK if member.issym() else ""
    if not kind:
        raise Error(f"cp: {member.name} in the archive is neither a file, nor a directory, nor a symlink")
    path = "/".join((dest.rstrip("/"), *parts))
    mode, uid, gid = member.mode & 0o7777, *((member.uid, member.gid) if owners else (0, 0))
    wanted = Wanted(path, kind, mode, uid, gid, member.size, "", member.linkname if kind == LINK else "")
    found = copy.look(root, wanted)
    if found is not None and found.kind != kind and DIRECTORY in (found.kind, kind):
        raise Error(f"{path} is a {found.kind} {root.where}, and a {kind} was to be copied there")
    item = Item("", kind, mode, uid, gid, member.size, "", wanted.text)
    file = archive.extractfile(member) if kind == FILE else None
    source = _Member(item, file) if file is not None else Source([item])
    writes = kind != DIRECTORY or found is None
    copy.apply([Change(wanted, found, writes, mode, uid, gid)], source, root)
