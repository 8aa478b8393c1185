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

READ_SIZE = 1 << 17  # compressed bytes at a time
CHUNK = 1 << 20  # uncompressed bytes at a time at most: a bomb fills the limit, not the memory
GZIP_WBITS = 31  # zlib.h: 15 (the largest window) + 16 (gzip header and trailer)

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


def inflated(blob: BlobFile, compression: str) -> Iterator[bytes]:
    """The uncompressed content of *blob*. Raises Damaged, ImageError, OSError."""
    if compression == "gzip":
        return _gzip(blob)
    if compression == "zstd":
        return _zstd(blob)
    return _plain(blob)


def _plain(blob: BlobFile) -> Iterator[bytes]:
    while True:
        chunk = blob.read(CHUNK)
        if not chunk:
            return
        yield chunk


def _gzip(blob: BlobFile) -> Iterator[bytes]:
    decompressobj, failure = _zlib()
    decoder = decompressobj(GZIP_WBITS)
    started = False  # inside a member
    members = 0
    data = b""
    while True:
        if not data:
            data = blob.read(READ_SIZE)
            if not data:
                if started or not members:
                    raise Damaged("the gzip stream is cut off")
                return
        if not started and members:
            data = data.lstrip(b"\0")  # padding between or after members, as gzip(1) allows
            if not data:
                continue
        started = True
        try:
            chunk = decoder.decompress(data, CHUNK)
        except failure as error:
            raise Damaged(f"the gzip stream is damaged ({error})") from error
        if chunk:
            yield chunk
        if decoder.eof:
            data = decoder.unused_data
            decoder = decompressobj(GZIP_WBITS)
            started = False
            members += 1
        else:
            data = decoder.unconsumed_tail


def _zlib() -> tuple[Callable[[int], Any], type[Exception]]:
    try:
        from isal import isal_zlib  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        import zlib

        return zlib.decompressobj, zlib.error
    return isal_zlib.decompressobj, isal_zlib.error


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
    reader = zstandard.ZstdDecompressor().stream_reader(blob, read_size=READ_SIZE, read_across_frames=True)
    while True:
        try:
            chunk = reader.read(CHUNK)
        except zstandard.ZstdError as error:
            raise Damaged(f"the zstd stream is damaged ({error})") from error
        if not chunk:
            return
        yield chunk


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
