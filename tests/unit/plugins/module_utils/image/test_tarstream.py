# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tar reader against archives of Python's own tarfile, GNU tar, and damaged ones."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import tarstream


def read(data, chunk=1 << 20):
    """[(entry, content)] of the archive *data*, fed in pieces of *chunk* bytes."""
    source = tarstream.ByteSource(data[start : start + chunk] for start in range(0, len(data), chunk))
    found = []
    for entry in tarstream.entries(source):
        found.append((entry, source.exact(entry.size)))
    return found


def archive(members, kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as file:
        for info, content in members:
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def member(name, kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


LONG = "d" * 90 + "/" + "e" * 120 + "/f"


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("chunk", [1 << 20, 512, 7])
def test_all_kinds_of_members(kind, chunk):
    members = [
        (member("dir", tarfile.DIRTYPE, mode=0o1777, mtime=5), b""),
        (member("dir/file", mode=0o4755, uid=3_000_000, gid=7, mtime=1_700_000_000), b"x" * 1000),
        (member(LONG, mtime=-10), b"long"),
        (member("hard", tarfile.LNKTYPE, linkname="dir/file"), b""),
        (member("sym", tarfile.SYMTYPE, linkname="../" * 60 + "etc"), b""),
        (member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
        (member("disk", tarfile.BLKTYPE, devmajor=259, devminor=70000), b""),
        (member("pipe", tarfile.FIFOTYPE), b""),
        (member("empty"), b""),
    ]
    found = read(archive(members, kind), chunk)
    assert [content for _entry, content in found] == [content for _info, content in members]
    for (entry, _content), (info, _body) in zip(found, members):
        assert entry.name.rstrip(b"/") == info.name.encode()
        assert (entry.mode, entry.uid, entry.gid, entry.mtime) == (info.mode, info.uid, info.gid, info.mtime * 10**9)
        assert entry.linkname == info.linkname.encode()
        assert (entry.major, entry.minor) == (info.devmajor, info.devminor)
    kinds = b"".join(entry.type for entry, _content in found)
    assert kinds == b"500123460"


def test_ustar_prefix_and_octal_limits():
    data = archive([(member("p" * 100 + "/" + "n" * 80), b"1")], tarfile.USTAR_FORMAT)
    assert read(data)[0][0].name == b"p" * 100 + b"/" + b"n" * 80


def test_names_that_are_not_utf8():
    info = member(os.fsdecode(b"caf\xe9"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as file:
        file.addfile(info)
    entry = read(buffer.getvalue())[0][0]
    assert entry.name == b"caf\xe9"
    assert tarstream.printable(entry.name) == "caf\\xe9"


def test_pax_xattrs_times_and_size():
    info = member("f", pax_headers={"SCHILY.xattr.user.a": "b=c\n", "mtime": "12.000000345"})
    entry, content = read(archive([(info, b"abc")], tarfile.PAX_FORMAT))[0]
    assert entry.xattrs == {b"user.a": b"b=c\n"}
    assert entry.mtime == 12_000_000_345
    assert content == b"abc"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [(b"1", 10**9), (b"1.5", 1_500_000_000), (b"-2.25", -2_250_000_000), (b"0.1234567899", 123_456_789)],
)
def test_times(text, nanoseconds):
    assert tarstream.parse_time(text) == nanoseconds


def test_global_headers_are_ignored():
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x", "uid": "9"}
    ) as f:
        f.addfile(member("a"))
    assert read(buffer.getvalue())[0][0].uid == 0


@pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
@pytest.mark.parametrize(
    "options", [["--format=gnu"], *(["--format=pax", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))]
)
def test_sparse_files_of_gnu_tar(tmp_path, options):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for index in range(40):
            file.seek(index * 200_000)
            file.write(b"%05d" % index)
        file.truncate(10_000_000)
    data = subprocess.run(
        ["tar", "-C", tmp_path, "-c", "-S", *options, "sparse"], check=True, stdout=subprocess.PIPE
    ).stdout
    if len(data) > 5_000_000:
        pytest.skip("this file system has no holes")
    [(entry, content)] = read(data, 4096)
    whole = bytearray(entry.realsize)
    position = 0
    for offset, length in entry.sparse:
        whole[offset : offset + length] = content[position : position + length]
        position += length
    assert bytes(whole) == path.read_bytes()
    assert entry.name == b"sparse"


@pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
@pytest.mark.parametrize("kind", ["gnu", "posix", "oldgnu"])
@pytest.mark.parametrize("size", [(8 << 30) - 1, 8 << 30, 5 << 40])
def test_a_file_larger_than_a_header_can_say(tmp_path, kind, size):
    """Of GNU tar, without --sparse; its first blocks say enough."""
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(size)
    os.utime(tmp_path / "huge", (0, -5))
    with subprocess.Popen(["tar", "-C", tmp_path, "-c", f"--format={kind}", "huge"], stdout=subprocess.PIPE) as process:
        beginning = process.stdout.read(4096)
        process.kill()
    entry = next(tarstream.entries(tarstream.ByteSource(iter([beginning]))))
    assert (entry.name, entry.size, entry.realsize, entry.mtime) == (b"huge", size, size, -5 * 10**9)


def broken(data, offset, value):
    return data[:offset] + value + data[offset + len(value) :]


SMALL = archive([(member("f"), b"x" * 600)], tarfile.GNU_FORMAT)
PAX = archive([(member("f", pax_headers={"SCHILY.xattr.user.a": "b"}), b"x")], tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (broken(SMALL, 0, b"g"), "checksum is wrong"),
        (b"\x7fELF" + bytes(1000), "checksum is wrong"),
        (SMALL[:300], "cut off inside a header"),
        (PAX[:800], "cut off inside an extended header"),
        (PAX[:1024], "cut off inside a header"),
        (broken(PAX, 512, b"99"), "extended header of the archive is damaged"),
        (broken(PAX, 512, b"xx"), "extended header of the archive is damaged"),
    ],
)
def test_damaged_archives(data, said):
    with pytest.raises(tarstream.BadTar, match=said):
        read(data)


def test_a_file_that_is_cut_off():
    source = tarstream.ByteSource(iter([SMALL[:800]]))
    with pytest.raises(tarstream.BadTar, match="cut off inside a file"):
        for entry in tarstream.entries(source):
            source.skip(entry.size)


def test_claims_of_huge_headers_are_refused():
    info = member("f", pax_headers={"SCHILY.xattr.user.a": "b" * (2 << 20)})
    with pytest.raises(tarstream.BadTar, match="more than 1048576 are not accepted"):
        read(archive([(info, b"")], tarfile.PAX_FORMAT))
