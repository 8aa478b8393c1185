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


def with_records(records, info=None):
    """An archive of one member whose extended header has these records, whatever they are."""
    body = b""
    for key, value in records:
        bare = len(key) + len(value) + 3
        length = next(bare + digits for digits in range(1, 9) if len(str(bare + digits)) == digits)
        body += b"%d %s=%s\n" % (length, key, value)
    extended = member("extended", tarfile.XHDTYPE)
    return archive([(extended, body), (info or member("f"), b"")], tarfile.USTAR_FORMAT)


HUGE = b"9" * 5000  # int() of as many digits is an error of Python's


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([(b"uid", HUGE)], "has no number as uid"),
        ([(b"size", b"%d" % (1 << 63))], "has no number as size"),
        ([(b"mtime", HUGE)], "has no number as mtime"),
        ([(b"mtime", b"1.5x")], "has no time as mtime"),
        ([(b"path", b"harmless\0/../../evil")], "extended header of the archive is damaged"),
        ([(b"linkpath", b"a\0b")], "extended header of the archive is damaged"),
        ([(b"SCHILY.xattr.user.a\0b", b"c")], "extended header of the archive is damaged"),
        ([(b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.size", HUGE)], "has no number as GNU.sparse.size"),
    ],
)
def test_records_that_say_what_cannot_be(records, said):
    with pytest.raises(tarstream.BadTar, match=said):
        read(with_records(records))


@pytest.mark.parametrize(("offset", "width", "what"), [(108, 8, "uid"), (124, 12, "size"), (136, 12, "mtime")])
def test_numbers_that_no_file_can_have(offset, width, what):
    block = bytearray(broken(SMALL, offset, b"\x80" + b"\x7f" * (width - 1))[:512])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    if width == 8:  # has room for no more than a file can have
        assert read(bytes(block) + SMALL[512:])[0][0].uid == int.from_bytes(b"\x7f" * 7, "big")
        return
    with pytest.raises(tarstream.BadTar, match=f"has an impossible {what}"):
        read(bytes(block) + SMALL[512:])


def test_an_empty_record_leaves_what_the_header_says():
    records = [(b"path", b""), (b"uid", b""), (b"mtime", b""), (b"SCHILY.xattr.user.empty", b"")]
    [(entry, _content)] = read(with_records(records, member("f", uid=7, mtime=9)))
    assert (entry.name, entry.uid, entry.mtime) == (b"f", 7, 9 * 10**9)
    assert entry.xattrs == {b"user.empty": b""}  # an attribute may well be empty


def sparse(pieces, size=None):
    """A file of GNU's format 1.0 in *pieces*; *size* of its map is stated only."""
    text = b"%d\n" % (len(pieces) if size is None else size)
    text += b"".join(b"%d\n%d\n" % piece for piece in pieces)
    content = text + bytes(-len(text) % 512) + bytes(sum(length for _offset, length in pieces))
    records = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % (1 << 40))]
    data = with_records(records)[:1024]
    return data + archive([(member("f"), content)], tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("count", [0, 1, 60_000])
def test_a_sparse_file_in_many_pieces(count):
    pieces = [(number << 20, 3) for number in range(count)]
    [(entry, content)] = read(sparse(pieces))
    assert (entry.sparse, len(content)) == (pieces, 3 * count)


@pytest.mark.parametrize(
    ("size", "said"), [(2, "a damaged map"), (10**12, "is in 1000000000000 pieces"), (10**30, "has no number as")]
)
def test_a_map_that_claims_too_much(size, said):
    with pytest.raises(tarstream.BadTar, match=said):
        read(sparse([(0, 1)], size))


def test_a_file_that_is_cut_off():
    source = tarstream.ByteSource(iter([SMALL[:800]]))
    with pytest.raises(tarstream.BadTar, match="cut off inside a file"):
        for entry in tarstream.entries(source):
            source.skip(entry.size)


def test_claims_of_huge_headers_are_refused():
    info = member("f", pax_headers={"SCHILY.xattr.user.a": "b" * (2 << 20)})
    with pytest.raises(tarstream.BadTar, match="more than 1048576 are not accepted"):
        read(archive([(info, b"")], tarfile.PAX_FORMAT))
