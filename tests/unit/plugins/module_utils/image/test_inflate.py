# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed streams, whatever does the decompressing."""

from __future__ import annotations

import builtins
import gzip
import shutil
import subprocess
import sys
import threading
import time
import types
import zlib

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import inflate
from ansible_collections.agentless.oci.plugins.module_utils.image.blobfile import BlobFile
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError

SKIPPED = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"  # RFC 8878, 3.1.2
CONTENT = b"".join(b"%d " % number for number in range(400_000))


def inflated(tmp_path, blob, compression, **options):
    path = tmp_path / "blob"
    path.write_bytes(blob)
    file = BlobFile(str(path), len(blob))
    try:
        return b"".join(inflate.inflated(file, compression, **options))
    finally:
        file.close()


def zstd(content):
    if not shutil.which("zstd"):
        pytest.skip("needs the program zstd")
    return subprocess.run(["zstd", "-q", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout


def without(monkeypatch, *names):
    """Make importing *names* fail."""
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name in names:
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)


def gzip_with(flags, fields):
    """CONTENT in a member whose header has the optional *fields*."""
    plain = gzip.compress(CONTENT)
    return plain[:3] + bytes([flags]) + plain[4:10] + fields + plain[10:]


@pytest.fixture(params=["zlib", "isal"])
def zlib_by(request, monkeypatch):
    """Either of the two that inflate gzip."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        without(monkeypatch, "isal")


@pytest.fixture(params=["compression.zstd", "zstandard", "zstd"])
def zstd_by(request, monkeypatch):
    """Each of the three that decompress zstd."""
    if request.param == "compression.zstd" and sys.version_info < (3, 14):
        package = types.ModuleType("compression")
        package.zstd = pytest.importorskip("backports.zstd")
        monkeypatch.setitem(sys.modules, "compression", package)
    elif request.param == "zstandard":
        pytest.importorskip("zstandard")
        without(monkeypatch, "compression")
    elif request.param == "zstd":
        without(monkeypatch, "compression", "zstandard")
    return request.param


@pytest.mark.usefixtures("zlib_by")
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize(
    "blob",
    [
        gzip.compress(CONTENT),
        gzip.compress(CONTENT[:1000]) + gzip.compress(b"") + gzip.compress(CONTENT[1000:]),
        gzip.compress(CONTENT) + bytes(700),
        gzip.compress(CONTENT[:99]) + bytes(inflate.READ_SIZE) + gzip.compress(CONTENT[99:]),
        gzip_with(8, b"name\0"),
        gzip_with(4 + 8 + 16, b"\3\0\0ab" + b"name\0" + b"comment" * 9000 + b"\0"),
    ],
    ids=["one member", "three members", "padded", "padded between", "name", "all of a header"],
)
def test_gzip(tmp_path, blob, checksum):
    assert inflated(tmp_path, blob, "gzip", checksum=checksum) == CONTENT


@pytest.mark.usefixtures("zlib_by")
def test_gzip_header_with_a_checksum_of_its_own(tmp_path):
    header = gzip.compress(b"", mtime=0)[:3] + b"\2" + gzip.compress(b"", mtime=0)[4:10]
    blob = header + (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") + gzip.compress(CONTENT)[10:]
    for checksum in (True, False):
        assert inflated(tmp_path, blob, "gzip", checksum=checksum) == CONTENT


@pytest.mark.usefixtures("zlib_by")
def test_gzip_comes_in_bounded_chunks(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(bytes(50 << 20)))
    file = BlobFile(str(path), path.stat().st_size)
    assert max(map(len, inflate.inflated(file, "gzip"))) <= inflate.CHUNK
    file.close()


@pytest.mark.usefixtures("zlib_by")
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize(
    "blob",
    [
        b"",
        gzip.compress(CONTENT)[:-1],
        gzip.compress(CONTENT)[:50],
        gzip.compress(CONTENT)[:5],
        gzip_with(8, b"x" * 200_000),
        gzip_with(0x80, b""),
        b"no gzip at all",
    ],
)
def test_damaged_gzip(tmp_path, blob, checksum):
    with pytest.raises(inflate.Damaged):
        inflated(tmp_path, blob, "gzip", checksum=checksum)


@pytest.mark.usefixtures("zlib_by")
def test_the_checksum_of_gzip(tmp_path):
    wrong = gzip.compress(CONTENT)[:-8] + bytes(4) + len(CONTENT).to_bytes(4, "little")
    with pytest.raises(inflate.Damaged, match="damaged"):
        inflated(tmp_path, wrong, "gzip")
    assert inflated(tmp_path, wrong, "gzip", checksum=False) == CONTENT


def test_plain(tmp_path):
    assert inflated(tmp_path, CONTENT, "tar") == CONTENT


@pytest.mark.parametrize(
    "pack",
    [
        lambda parts: b"".join(map(zstd, parts)),
        lambda parts: b"".join(SKIPPED + zstd(part) for part in parts) + SKIPPED * 2,
        lambda parts: zstd(b"") + b"".join(zstd(part) + zstd(b"") for part in parts),
    ],
    ids=["frames", "with skippable ones", "with empty ones"],
)
@pytest.mark.parametrize(
    "parts", [[CONTENT], [CONTENT[:10], CONTENT[10:300_000], CONTENT[300_000:]]], ids=["one", "three"]
)
def test_zstd(tmp_path, zstd_by, pack, parts):
    """Frames one after the other, as zstd:chunked has them, are one stream (RFC 8878, section 3)."""
    assert inflated(tmp_path, pack(parts), "zstd") == CONTENT


@pytest.mark.parametrize(
    "spoil",
    [
        lambda blob: b"",
        lambda blob: blob[:-1],
        lambda blob: blob[: len(blob) // 2],
        lambda blob: blob + blob[:-5],
        lambda blob: blob[:8],
        lambda blob: blob[:3],
        lambda blob: blob + b"no frame at all",
        lambda blob: blob[:5000] + bytes(200) + blob[5200:],
        lambda blob: b"no zstd at all",
    ],
    ids=["nothing", "a byte", "half", "of two", "header", "magic", "garbage behind", "changed", "other"],
)
def test_damaged_zstd(tmp_path, zstd_by, spoil):
    with pytest.raises(inflate.Damaged, match="the zstd stream is"):
        inflated(tmp_path, spoil(zstd(CONTENT)), "zstd")


def test_zstd_comes_in_bounded_chunks(tmp_path, zstd_by):
    path = tmp_path / "bomb"
    path.write_bytes(zstd(bytes(50 << 20)))
    file = BlobFile(str(path), path.stat().st_size)
    assert max(map(len, inflate.inflated(file, "zstd"))) <= inflate.CHUNK
    file.close()


def test_zstd_by_nothing(tmp_path, monkeypatch):
    without(monkeypatch, "compression", "zstandard")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ImageError) as caught:
        inflated(tmp_path, b"\x28\xb5\x2f\xfd", "zstd")
    assert "Install the program zstd or the Python package zstandard" in str(caught.value)


TAR = b"name".ljust(257, b"\0") + b"ustar" + bytes(10_000)


OLD = b"the name in an archive that has no mark"


@pytest.mark.parametrize(
    ("content", "pack", "stated"),
    [
        *((content, bytes, stated) for content in (TAR, bytes(1024)) for stated in ("gzip", "zstd", "tar")),
        (OLD, bytes, "tar"),
        *((content, gzip.compress, stated) for content in (TAR, OLD) for stated in ("gzip", "zstd", "tar")),
        *((content, zstd, stated) for content in (TAR, OLD) for stated in ("gzip", "zstd", "tar")),
        (TAR, lambda content: SKIPPED + zstd(content), "zstd"),
    ],
)
def test_a_layer_is_what_it_is_whatever_it_is_called(tmp_path, content, pack, stated):
    path = tmp_path / "blob"
    path.write_bytes(pack(content))
    file = BlobFile(str(path), path.stat().st_size)
    assert b"".join(inflate.layer_content(file, stated)) == content
    file.close()


@pytest.mark.parametrize("stated", ["gzip", "zstd"])
@pytest.mark.parametrize("blob", [b"", b"\x1f", b"neither this nor that"])
def test_what_is_nothing_is_damaged(tmp_path, stated, blob):
    path = tmp_path / "blob"
    path.write_bytes(blob)
    file = BlobFile(str(path), len(blob))
    with pytest.raises(inflate.Damaged, match=stated):
        b"".join(inflate.layer_content(file, stated))
    file.close()


def test_a_blob_that_still_comes_in(tmp_path):
    blob = gzip.compress(CONTENT)
    partial = tmp_path / "partial"

    def write():
        with partial.open("wb", buffering=0) as file:
            for start in range(0, len(blob), 100_000):
                file.write(blob[start : start + 100_000])
                time.sleep(0.005)
        partial.rename(tmp_path / "whole")

    writer = threading.Thread(target=write)
    file = BlobFile(str(tmp_path / "whole"), len(blob), str(partial))
    chunks = inflate.layer_content(file, "tar")
    writer.start()
    assert b"".join(chunks) == CONTENT
    writer.join()
    file.close()


def test_sniff():
    assert inflate.sniff(gzip.compress(b"")) == "gzip"
    assert inflate.sniff(b"\x28\xb5\x2f\xfd...") == "zstd"
    assert inflate.sniff(b"name\0\0") == "tar"
