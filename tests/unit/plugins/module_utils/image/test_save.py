# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of the archives that we write."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import (
    layoutdir,
    save,
    tarwrite,
)
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.media import parse_platform

CHECKOUT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 5))
sys.path.insert(0, os.path.join(CHECKOUT, "hacking"))


AMD64 = parse_platform("linux/amd64")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: unpacks layers")


def parts(tmp_path):
    blob = tmp_path / "blob"
    blob.write_bytes(gzip.compress(b"layer" * 1000))
    plain = f"sha256:{hashlib.sha256(b'layer' * 1000).hexdigest()}"
    packed = f"sha256:{hashlib.sha256(blob.read_bytes()).hexdigest()}"
    return [
        save.Part("manifest.json", b"[]"),
        save.Part("blobs/"),
        save.Part("as-it-is", blob=str(blob), digest=packed, size=blob.stat().st_size),
        save.Part("unpacked.tar", blob=str(blob), digest=plain, compression="gzip"),
        save.Part("exact", b"x" * 512),
    ]


def test_every_byte_of_an_archive_counts(tmp_path):
    wanted = parts(tmp_path)
    with open(tmp_path / "a.tar", "w+b") as file:
        save.write(file.fileno(), wanted)
        assert save.matches(file.fileno(), wanted)
        whole = (tmp_path / "a.tar").read_bytes()
        with tarfile.open(tmp_path / "a.tar") as read:
            assert read.extractfile("unpacked.tar").read() == b"layer" * 1000
            assert read.getmember("blobs").isdir()
        assert len(whole) % 512 == 0
        for position in range(0, len(whole), 7):
            os.pwrite(file.fileno(), bytes([whole[position] ^ 0x10]), position)
            assert not save.matches(file.fileno(), wanted), position
            os.pwrite(file.fileno(), whole[position : position + 1], position)
        for length in (*range(0, len(whole), 331), len(whole) - 1, len(whole) + 1):
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), (whole + b"\0")[:length], 0)
            assert not save.matches(file.fileno(), wanted), length


def test_a_damaged_blob_is_not_written(tmp_path):
    wanted = parts(tmp_path)
    (tmp_path / "blob").write_bytes(gzip.compress(b"other" * 1000))
    for part in wanted[2:4]:
        with pytest.raises(ImageError, match="is damaged"), layoutdir.replacing(str(tmp_path / "a.tar")) as fd:
            save.write(fd, [part])
    (tmp_path / "blob").unlink()
    with pytest.raises(ImageError, match="is not here"), layoutdir.replacing(str(tmp_path / "a.tar")) as fd:
        save.write(fd, wanted)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [0, 1, 0o77777777777, 0o77777777777 + 1, 1 << 40])
def test_any_size_fits_into_one_header(size):
    header = tarwrite.plain_header("x", size)
    assert len(header) == 512
    assert tarfile.TarInfo.frombuf(header, "utf-8", "strict").size == size
    assert save.stated_size(header) == size


@pytest.mark.parametrize("field", [b"", b"notanumber\0 ", b"0000000009\0\0", b"-0000000001\0"])
def test_what_is_no_size(field):
    assert save.stated_size(bytes(124) + field.ljust(12, b"\0")) == -1


def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "a"
    path.write_text("before")
    path.chmod(0o640)
    with layoutdir.replacing(str(path)) as fd:
        os.write(fd, b"after")
    assert (path.read_text(), path.stat().st_mode & 0o7777) == ("after", 0o640)
    assert os.listdir(tmp_path) == ["a"]
