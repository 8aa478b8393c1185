# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's blob as its uncompressed bytes: gzip, zstd or plain, in bounded chunks.

The standard library's zlib does gzip; isal does it faster where it is installed. zstd comes from Python 3.14's
compression.zstd, the zstandard package or the program zstd, whichever is there first.
"""

from __future__ import annotations

from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .blobfile import BlobFile
    from .zstdframes import Frames

READ_SIZE = 1 << 16  # compressed bytes at a time
CHUNK = 1 << 18  # uncompressed bytes at a time at most: a bomb fills the limit, not the memory; it stays in the cache
GZIP_WBITS = 31  # zlib.h: 15 (the largest window) + 16 (gzip header and trailer)
RAW_WBITS = -15  # deflate alone
_MAX_HEADER = 1 << 16  # bytes of a gzip header: it may hold a name and a comment
_TRAILER = 8  # CRC-32 and length

MAGIC_GZIP = b"\x1f\x8b"
MAGIC_ZSTD = b"\x28\xb5\x2f\xfd"


class Damaged(Exception):
    """The compressed stream is not what it should be."""


def sniff(head: bytes) -> str:
    """``"gzip"``, ``"zstd"`` or ``"tar"`` from a file's first bytes."""
    if head.startswith(MAGIC_GZIP):
        return "gzip"
    if head.startswith(MAGIC_ZSTD):
        return "zstd"
    return "tar"


def inflated(blob: BlobFile, compression: str, *, checksum: bool = True) -> Iterator[bytes]:
    """The uncompressed content of *blob*. Raises Damaged, ImageError, OSError.

    Without *checksum* gzip's CRC-32 is not computed: for a caller who compares a digest of the content.
    """
    if compression == "gzip":
        return _gzip(blob, checksum)
    if compression == "zstd":
        return _zstd(blob)
    return _plain(blob)


def layer_content(blob: BlobFile, stated: str, *, checksum: bool = True) -> Iterator[bytes]:
    """The same of a layer whose media type has *stated* how it is compressed. What it is counts, as for all engines:
    skopeo calls plain layers gzip's where it takes them from an archive of ``docker save``.
    """
    yield from inflated(blob, actual(blob.head(512), stated), checksum=checksum)


def actual(head: bytes, stated: str) -> str:
    """How the tar archive that starts with *head* (512 bytes) is compressed; as *stated* where that tells nothing."""
    found = sniff(head)
    if found == "tar" and head[257:262] != b"ustar" and (head.strip(b"\0") or not head):
        return stated
    return found


def _plain(blob: BlobFile) -> Iterator[bytes]:
    while True:
        chunk = blob.read(CHUNK)
        if not chunk:
            return
        yield chunk


def _gzip(blob: BlobFile, checksum: bool) -> Iterator[bytes]:
    decompressobj, failure = _zlib()
    data = blob.read(READ_SIZE)
    while True:
        data = _with_header(blob, data)
        if not checksum:
            data = _after_header(blob, data)
        decoder = decompressobj(GZIP_WBITS if checksum else RAW_WBITS)
        while not decoder.eof:
            if not data:
                data = _at_least(blob, data, 1)
            try:
                chunk = decoder.decompress(data, CHUNK)
            except failure as error:
                raise Damaged(f"the gzip stream is damaged ({error})") from error
            data = decoder.unconsumed_tail
            if chunk:
                yield chunk
        data = decoder.unused_data
        if not checksum:
            data = _at_least(blob, data, _TRAILER)[_TRAILER:]
        # Padding between and after members is allowed, by gzip(1) too.
        data = data.lstrip(b"\0")
        while not data:
            data = blob.read(READ_SIZE)
            if not data:
                return
            data = data.lstrip(b"\0")


def _at_least(blob: BlobFile, data: bytes, count: int) -> bytes:
    """*data* with as much more of *blob* as makes *count* bytes. Raises Damaged at its end."""
    while len(data) < count:
        more = blob.read(READ_SIZE)
        if not more:
            raise Damaged("the gzip stream is cut off")
        data += more
    return data


def _with_header(blob: BlobFile, data: bytes) -> bytes:
    """*data* with as much more of *blob* as makes the fixed part of a member's header (RFC 1952, section 2.3)."""
    data = _at_least(blob, data, 10)
    if data[:3] != b"\x1f\x8b\x08" or data[3] & 0xE0:
        raise Damaged("the gzip stream is damaged (incorrect header)")
    return data


def _after_header(blob: BlobFile, data: bytes) -> bytes:
    """What follows a member's header in *data*, which has its fixed part, and *blob*. Raises Damaged."""
    flags = data[3]
    end = 10
    if flags & 4:  # FEXTRA
        data = _at_least(blob, data, end + 2)
        end += 2 + int.from_bytes(data[end : end + 2], "little")
    for flag in (8, 16):  # FNAME, FCOMMENT
        if flags & flag:
            data = _at_least(blob, data, end)
            while data.find(b"\0", end) < 0:
                if len(data) > _MAX_HEADER:
                    raise Damaged("the gzip stream is damaged (endless header)")
                data = _at_least(blob, data, len(data) + 1)
            end = data.index(b"\0", end) + 1
    if flags & 2:  # FHCRC
        end += 2
    return _at_least(blob, data, end)[end:]


def _zlib() -> tuple[Callable[[int], Any], type[Exception]]:
    try:
        from isal import isal_zlib  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        import zlib

        return zlib.decompressobj, zlib.error
    library: Any = isal_zlib
    return library.decompressobj, library.error


def _zstd(blob: BlobFile) -> Iterator[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        pass
    else:
        return _zstd_standard(blob, zstd)
    try:
        import zstandard  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        pass
    else:
        return _zstd_package(blob, zstandard)
    import shutil

    program = shutil.which("zstd")
    if program:
        return _zstd_program(blob, program)
    raise ImageError(
        "a layer is compressed by zstd, and this host has nothing to decompress it",
        step="zstd",
        hint="Install the program zstd or the Python package zstandard here, or use Python 3.14",
    )


def _zstd_standard(blob: BlobFile, zstd: Any) -> Iterator[bytes]:
    decoder = zstd.ZstdDecompressor()
    data = blob.read(READ_SIZE)
    frames = 0
    fresh = True
    while True:
        if fresh and not data:
            data = blob.read(READ_SIZE)
            if not data:
                if not frames:
                    raise Damaged("the zstd stream is empty")
                return
        try:
            chunk = decoder.decompress(data, CHUNK)
        except zstd.ZstdError as error:
            raise Damaged(f"the zstd stream is damaged ({error})") from error
        fresh = False
        data = b""
        if chunk:
            yield chunk
        if decoder.eof:
            data = decoder.unused_data
            decoder = zstd.ZstdDecompressor()
            frames += 1
            fresh = True
        elif decoder.needs_input:
            data = blob.read(READ_SIZE)
            if not data:
                raise Damaged("the zstd stream is cut off")


def _zstd_package(blob: BlobFile, zstandard: Any) -> Iterator[bytes]:
    from .zstdframes import Frames

    frames = Frames()
    reader = zstandard.ZstdDecompressor().stream_reader(
        _Watched(blob, frames), read_size=READ_SIZE, read_across_frames=True
    )
    while True:
        try:
            chunk = reader.read(CHUNK)
        except zstandard.ZstdError as error:
            raise Damaged(f"the zstd stream is damaged ({error})") from error
        if not chunk:
            break
        yield chunk
    if not frames.whole:
        raise Damaged("the zstd stream is cut off")


class _Watched:
    """A blob for a library that reads it; *frames* sees what it reads."""

    def __init__(self, blob: BlobFile, frames: Frames) -> None:
        self._blob = blob
        self._frames = frames

    def read(self, count: int) -> bytes:
        data = self._blob.read(count)
        self._frames.feed(data)
        return data


def _zstd_program(blob: BlobFile, program: str) -> Iterator[bytes]:
    import subprocess

    with subprocess.Popen(
        [program, "-d", "-c", "-q"],
        stdin=blob.whole(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"LC_ALL": "C"},
    ) as process:
        if process.stdout is None or process.stderr is None:
            raise ValueError("the pipes were asked for")
        try:
            while True:
                chunk = process.stdout.read(CHUNK)
                if not chunk:
                    break
                yield chunk
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read(500).decode("utf-8", "replace").strip()
        if process.wait() != 0:
            raise Damaged(f"the zstd stream is damaged ({said or 'zstd failed'})")
