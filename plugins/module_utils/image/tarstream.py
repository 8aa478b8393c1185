# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading tar: ustar, PAX and GNU, from a stream of chunks, without ever touching a file system.

Formats: POSIX.1-2001 pax interchange (IEEE Std 1003.1), GNU tar manual "Basic Tar Format" and "Storing Sparse
Files". An :class:`Entry` says what the archive says; whether that may be done is the unpacker's business.
"""

from __future__ import annotations

import os
import struct
from zlib import adler32

from . import tarsparse
from .tarfields import BLOCK, MAX_EXTENDED, BadTar, decimal, limited, number, octal, padded, parse_time, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_LONG_NAME = 1 << 16

REGULAR, HARDLINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"

_ZERO_BLOCK = bytes(BLOCK)
_XATTR = b"SCHILY.xattr."

# name, (mode, uid, gid), size, mtime, checksum, type, linkname, magic, user and group names, devices, prefix
_split = struct.Struct("100s 24s 12s 12s 8s 1s 100s 8s 64x 8s 8s 155s 12x").unpack
_CACHED = 4096  # distinct fields whose numbers are kept; the files of one layer have few owners, modes and times


class Entry:
    """One member: names are bytes as they stand in the archive; *mtime* in ns; *sparse* [(offset, length)] or None.

    *size* is what follows in the stream for this member; *realsize* the file's length.
    """

    __slots__ = (
        "gid", "linkname", "major", "minor", "mode", "mtime", "name", "realsize", "size", "sparse", "type", "uid",
        "xattrs",
    )  # fmt: skip

    name: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size: int
    realsize: int
    mtime: int
    linkname: bytes
    major: int
    minor: int
    xattrs: dict[bytes, bytes]
    sparse: list[tuple[int, int]] | None


class ByteSource:
    """Chunks as one stream to read exact amounts from."""

    __slots__ = ("_chunk", "_chunks", "_end", "_position", "_view")

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._view = memoryview(b"")
        self._position = 0
        self._end = 0

    def _refill(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._chunk = chunk
                self._view = memoryview(chunk)
                self._position = 0
                self._end = len(chunk)
                return True
        self._chunk = b""
        self._position = self._end = 0
        return False

    def exact(self, count: int) -> bytes:
        """The next *count* bytes; fewer only at the end of the stream."""
        start = self._position
        stop = start + count
        if stop <= self._end:
            self._position = stop
            return self._chunk[start:stop]
        parts = [self._chunk[start:]]
        missing = stop - self._end
        while missing > 0 and self._refill():
            part = self._chunk[:missing]
            self._position = len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)

    def copy(self, fd: int, count: int) -> None:
        """Write the next *count* bytes to *fd*. Raises BadTar at an early end, OSError."""
        write = os.write
        while count > 0:
            start = self._position
            available = self._end - start
            if available <= 0:
                if not self._refill():
                    raise BadTar("the archive is cut off inside a file")
                continue
            written = write(fd, self._view[start : start + (available if available < count else count)])
            self._position = start + written
            count -= written

    def skip(self, count: int) -> None:
        """Pass over *count* bytes. Raises BadTar at an early end."""
        while count > 0:
            available = self._end - self._position
            if available <= 0:
                if not self._refill():
                    raise BadTar("the archive is cut off inside a file")
                continue
            take = min(available, count)
            self._position += take
            count -= take

    def drain(self) -> None:
        """Read to the end: the diff id covers whatever follows the archive's end."""
        while self._refill():
            pass


def entries(source: ByteSource) -> Iterator[Entry]:
    """The members of the archive. Between two of them the caller consumes exactly ``entry.size`` bytes of *source*."""
    pax: dict[bytes, bytes] = {}
    sparse_pairs: list[bytes] = []
    long_name = long_link = b""
    owners: dict[bytes, tuple[int, int, int]] = {}
    times: dict[bytes, int] = {}
    while True:
        block = source.exact(BLOCK)
        if len(block) < BLOCK:
            if block or pax or long_name or long_link:
                raise BadTar("the archive is cut off inside a header")
            return  # some writers leave out the end-of-archive blocks
        if block == _ZERO_BLOCK:
            return
        name, owner, size_field, time, checksum, kind, linkname, magic, major, minor, prefix = _split(block)
        # Adler-32's lower half is one more than the sum of the bytes, modulo 65521: no half of a block reaches that.
        computed = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
        if octal(checksum) != computed - sum(checksum) + 8 * 32:
            _verify_signed_checksum(block)
        size = number(size_field, "size")
        if kind == b"x":
            pax, sparse_pairs = _read_pax(source, size)
            continue
        if kind == b"g":  # global headers hold comments and version marks; none of them concerns a file
            limited(size, MAX_EXTENDED, "global header")
            source.skip(padded(size))
            continue
        if kind == b"L" or kind == b"K":
            limited(size, MAX_LONG_NAME, "name")
            value = source.exact(padded(size))
            if len(value) < padded(size):
                raise BadTar("the archive is cut off inside a long name")
            value = value[:size].partition(b"\0")[0]
            if kind == b"L":
                long_name = value
            else:
                long_link = value
            continue
        entry = Entry()
        entry.name = name.partition(b"\0")[0]
        if prefix[0] and magic[:6] == b"ustar\0":
            entry.name = prefix.partition(b"\0")[0] + b"/" + entry.name
        entry.type = kind
        entry.mode, entry.uid, entry.gid = owners.get(owner) or _keep(owners, owner, _owner(owner))
        entry.size = entry.realsize = size
        entry.mtime = times.get(time) or _keep(times, time, number(time, "mtime", negative=True) * 1_000_000_000)
        entry.linkname = linkname.partition(b"\0")[0] if linkname[0] else b""
        entry.major = entry.minor = 0
        if kind in (CHARACTER, BLOCK_DEVICE):
            entry.major, entry.minor = number(major, "device"), number(minor, "device")
        entry.xattrs = {}
        entry.sparse = None
        if long_name:
            entry.name = long_name
        if long_link:
            entry.linkname = long_link
        if pax:
            _apply_pax(entry, pax)
        padded_size = entry.size
        if kind == b"S":
            tarsparse.old_gnu(source, block, entry)
        elif b"GNU.sparse.major" in pax or b"GNU.sparse.map" in pax or sparse_pairs:
            tarsparse.pax(source, entry, pax, sparse_pairs)
        if entry.type in (b"0", b"\0", b"7", b"S"):
            # An old archive marks a directory by its name alone.
            entry.type = DIRECTORY if entry.type == b"\0" and entry.name.endswith(b"/") else REGULAR
        elif entry.type not in (HARDLINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO):
            raise BadTar(f"the entry {printable(entry.name)} has the unknown type {entry.type!r}")
        if entry.type != REGULAR and entry.size and entry.type != HARDLINK:
            source.skip(padded(entry.size))
            padded_size = entry.size = 0
        elif entry.type == HARDLINK and entry.size:
            # POSIX lets a link carry its file's size without data; no writer of layers adds data.
            padded_size = entry.size = 0
        pax, sparse_pairs, long_name, long_link = {}, [], b"", b""
        yield entry
        source.skip(-padded_size % BLOCK)


def _keep(cache: dict[bytes, Any], field: bytes, value: Any) -> Any:
    if len(cache) >= _CACHED:
        cache.clear()
    cache[field] = value
    return value


def _owner(field: bytes) -> tuple[int, int, int]:
    return number(field[:8], "mode"), number(field[8:16], "uid"), number(field[16:], "gid")


def _verify_signed_checksum(block: bytes) -> None:
    """Historic writers summed signed characters. Raises BadTar when that does not fit either."""
    rest = block[:148] + block[156:]
    if octal(block[148:156]) != sum(rest) + 8 * 32 - 256 * sum(1 for byte in rest if byte > 127):
        raise BadTar("what should be a header of the archive is none (its checksum is wrong)")


def _read_pax(source: ByteSource, size: int) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Records of an extended header, and the values of GNU sparse 0.0's repeated keys in order."""
    limited(size, MAX_EXTENDED, "extended header")
    data = source.exact(padded(size))
    if len(data) < padded(size):
        raise BadTar("the archive is cut off inside an extended header")
    records: dict[bytes, bytes] = {}
    pairs: list[bytes] = []
    position = 0
    while position < size:
        space = data.find(b" ", position, position + 12)
        digits = data[position:space] if space > 0 else b""
        if not digits.isdigit():
            raise BadTar("an extended header of the archive is damaged")
        end = position + int(digits)
        if end > size or end <= space or data[end - 1 : end] != b"\n":
            raise BadTar("an extended header of the archive is damaged")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        # A name with a zero byte in it means another one to those who read on to its end than to those who do not.
        if not equals or b"\0" in key or (key.endswith(b"path") and b"\0" in value):
            raise BadTar("an extended header of the archive is damaged")
        records[key] = value
        if key == b"GNU.sparse.offset" or key == b"GNU.sparse.numbytes":
            pairs.append(value)
        position = end
    return records, pairs


def _apply_pax(entry: Entry, pax: dict[bytes, bytes]) -> None:
    for key, value in pax.items():
        if not value and not key.startswith(_XATTR):
            continue  # an empty record takes back what an earlier one said (POSIX, pax): the header's own counts
        if key == b"path":
            entry.name = value
        elif key == b"linkpath":
            entry.linkname = value
        elif key == b"size":
            entry.size = entry.realsize = decimal(value, key)
        elif key == b"uid":
            entry.uid = decimal(value, key)
        elif key == b"gid":
            entry.gid = decimal(value, key)
        elif key == b"mtime":
            entry.mtime = parse_time(value)
        elif key.startswith(_XATTR):
            entry.xattrs[key[len(_XATTR) :]] = value
