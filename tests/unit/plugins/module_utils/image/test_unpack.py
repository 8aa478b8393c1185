# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking one layer: what comes out, and what hostile archives get. Devices, owners and trusted.* need root."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import resource
import stat
import struct
import subprocess
import tarfile
import threading

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import lower, unpack
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.rootdir import NeedsLower

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes device nodes and sets owners")


@pytest.fixture(autouse=True)
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def member(name, kind=tarfile.REGTYPE, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    info.size = len(content)
    return info, content


def directory(name, **fields):
    return member(name, tarfile.DIRTYPE, **fields)


def symlink(name, target):
    return member(name, tarfile.SYMTYPE, linkname=target)


def hardlink(name, target):
    return member(name, tarfile.LNKTYPE, linkname=target)


def tar(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
        for info, content in members:
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Place:
    """Unpacks layers below a directory, each on top of those before."""

    def __init__(self, path):
        self.path = path
        self.layers = []

    def raw(self, data, *, lowers=None, compression="tar", blob=None, diff_id=None, ahead=False):
        name = self.path / f"{len(os.listdir(self.path))}"
        source = self.path / f"{name.name}.blob"
        source.write_bytes(data if blob is None else blob)
        name.mkdir()
        layer = unpack.Layer(
            str(source),
            "sha256:0",
            source.stat().st_size,
            compression,
            diff_id or f"sha256:{hashlib.sha256(data).hexdigest()}",
            ahead=ahead,
        )
        unpacked = unpack.unpack(layer, str(name), lowers)
        self.depended, self.deleting = unpacked.depended, unpacked.deleting
        return name

    def layer(self, *members, lowers=None):
        return self.raw(tar(*members), lowers=lowers)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def opaque(path):
    return lower.OPAQUE in os.listxattr(path)


def whiteout(path):
    return lower.is_whiteout(os.lstat(path))


def test_everything_a_file_has(place):
    root = place.layer(
        directory("./", mode=0o711, mtime=1000),
        directory("bin/", mode=0o1777, uid=5, gid=6, mtime=2000),
        member(
            "bin/su", content=b"su", mode=0o4711, uid=1, gid=2, mtime=3000, pax_headers={"SCHILY.xattr.user.a": "b"}
        ),
        hardlink("bin/sudo", "bin/su"),
        symlink("sh", "bin/su"),
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("disk", tarfile.BLKTYPE, devmajor=8, devminor=1, uid=3),
        member("pipe", tarfile.FIFOTYPE, mode=0o600),
        member("caf\udce9", content=b"x"),
    )
    assert not place.depended
    status = os.stat(root)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o711, 1000)
    status = os.stat(root / "bin")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime) == (0o1777, 5, 6, 2000)
    status = os.stat(root / "bin/su")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime) == (0o4711, 1, 2, 3000)
    assert status.st_nlink == 2
    assert os.path.samefile(root / "bin/su", root / "bin/sudo")
    assert os.getxattr(root / "bin/su", "user.a") == b"b"
    assert os.readlink(root / "sh") == "bin/su"
    status = os.stat(root / "null")
    assert (stat.S_ISCHR(status.st_mode), status.st_rdev, stat.S_IMODE(status.st_mode)) == (
        True,
        os.makedev(1, 3),
        0o666,
    )
    assert stat.S_ISBLK(os.stat(root / "disk").st_mode)
    assert stat.S_ISFIFO(os.stat(root / "pipe").st_mode)
    assert b"caf\xe9" in os.listdir(os.fsencode(root))


def test_who_says_what_the_root_directory_is_like(place):
    """The topmost layer with an entry for it, whatever overlayfs shows."""
    base = place.layer(directory("./", mode=0o751, uid=3, mtime=0), member("a"))
    middle, top = place.layer(member("b"), lowers=[str(base)]), place.layer(member("c"), lowers=[str(base)])
    other = place.layer(member("d"), directory("./", mode=0o700), lowers=[str(base)])
    nobody = [str(place.layer(member("e"), lowers=[])), str(middle)]
    assert lower.root_of([str(base), str(middle), str(top)]) == str(base)
    assert lower.root_of([str(base), str(other), str(top)]) == str(other)
    assert lower.root_of(nobody) == nobody[-1]
    (place.path / "root").mkdir()
    lower.copy_root(str(base), str(place.path / "root"))
    status = os.stat(place.path / "root")
    assert (status.st_mode & 0o7777, status.st_uid, status.st_mtime_ns) == (0o751, 3, 0)


def test_capabilities_survive_the_owner(place):
    capability = b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12)
    info = member("ping", mode=0o755, uid=7, gid=7, pax_headers={"SCHILY.xattr.security.capability": "X" * 20})
    data = tar(info).replace(b"X" * 20, capability)
    root = place.raw(data)
    assert os.getxattr(root / "ping", "security.capability") == capability
    assert os.stat(root / "ping").st_uid == 7


# acl(5) as the kernel stores it: version 2, then tag, permissions, id: user::rwx, group::r-x, other::---
DEFAULT_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, 0xFFFFFFFF) for tag, permissions in ((1, 7), (4, 5), (32, 0))
)


def test_what_a_directory_hands_down_in_the_host_is_not_handed_down_in_the_image(place):
    headers = {"SCHILY.xattr.system.posix_acl_default": DEFAULT_ACL.decode("utf-8", "surrogateescape")}
    root = place.layer(
        directory("shared", mode=0o2775, gid=7, pax_headers=headers),
        member("shared/file", mode=0o646),
        directory("shared/below", mode=0o755),
        member("shared/missing/file"),
        lowers=[],
    )
    assert os.getxattr(root / "shared", "system.posix_acl_default") == DEFAULT_ACL
    for name, mode in (("file", 0o646), ("below", 0o755), ("missing", 0o755)):
        status = os.stat(root / "shared" / name)
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (mode, 0), name
        assert not os.listxattr(root / "shared" / name), name


def test_what_the_state_directory_hands_down_is_not_handed_down(tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    os.chown(outer, 0, 50)
    os.chmod(outer, 0o2755)
    os.setxattr(outer, "system.posix_acl_default", DEFAULT_ACL)
    root = Place(outer).layer(member("file"))
    for path, mode in ((root, 0o755), (root / "file", 0o644)):
        status = os.stat(path)
        assert (stat.S_IMODE(status.st_mode), status.st_gid, os.listxattr(path)) == (mode, 0, [])


def test_attributes_of_overlayfs_and_selinux_are_not_taken_over(place):
    headers = {"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.security.selinux": "x:y:z:s0"}
    root = place.layer(directory("d", pax_headers=headers))
    assert os.listxattr(root / "d") == ["trusted.overlay.overlay.opaque"]


def test_later_entries_win(place):
    root = place.layer(
        member("a", content=b"1"),
        member("a", content=b"22"),
        directory("d"),
        member("d/x"),
        directory("d", mode=0o700),
        directory("gone"),
        member("gone/below"),
        member("gone", content=b"file"),
        symlink("l", "d"),
        directory("l"),
        member("l/y"),
    )
    assert (root / "a").read_bytes() == b"22"
    assert (root / "d/x").exists()
    assert stat.S_IMODE(os.stat(root / "d").st_mode) == 0o700
    assert (root / "gone").read_bytes() == b"file"
    assert os.listdir(root / "d") == ["x"]
    assert os.listdir(root / "l") == ["y"]


def test_whiteouts_become_devices_and_opaque_marks(place):
    root = place.layer(
        member(".wh.top"),
        directory("d"),
        member("d/.wh.x"),
        directory("o"),
        member("o/.wh.before"),
        member("o/kept"),
        member("o/.wh..wh..opq"),
        member("o/.wh.after"),
        directory("o/sub"),
        member("o/sub/.wh.y"),
    )
    assert whiteout(root / "top")
    assert whiteout(root / "d/x")
    assert not opaque(root / "d")
    assert opaque(root / "o")
    assert sorted(os.listdir(root / "o")) == ["kept", "sub"]
    assert os.listdir(root / "o/sub") == []
    assert place.deleting == [b"d"], "the root is always one of several, and in an opaque directory nothing is deleted"


@pytest.mark.parametrize("first", [True, False])
def test_whiteouts_spare_their_own_layer(place, first):
    whiteouts = [member(".wh.f"), member(".wh.d")]
    entries = [member("f", content=b"new"), directory("d"), member("d/x")]
    root = place.layer(*(whiteouts + entries if first else entries + whiteouts))
    assert (root / "f").read_bytes() == b"new"
    assert os.listdir(root / "d") == ["x"]
    assert opaque(root / "d"), "what lies below d must not shine through"
    assert sorted(os.listdir(root)) == ["d", "f"]


def test_the_lowest_layer_has_nothing_to_delete(place):
    root = place.layer(directory("d"), member("d/.wh.x"), member("d/.wh..wh..opq"), lowers=[])
    assert place.depended
    assert os.listdir(root / "d") == []
    assert not opaque(root / "d")


def test_a_directory_in_place_of_a_file_hides_what_the_file_hid(place):
    base = place.layer(directory("d"), member("d/below"))
    root = place.layer(member("d"), directory("d"), member("d/own"), lowers=[str(base)])
    assert opaque(root / "d")


def test_a_file_copied_up_for_a_hard_link_is_no_entry(place):
    base = place.layer(directory("d"), member("d/a", content=b"a"), member("b", content=b"b"))
    root = place.layer(
        hardlink("one", "d/a"), hardlink("two", "b"), member("d/.wh..wh..opq"), member(".wh.b"), lowers=[str(base)]
    )
    assert (root / "one").read_bytes() == b"a"
    assert not (root / "d/a").exists()
    assert (root / "two").read_bytes() == b"b"
    assert whiteout(root / "b")


def test_a_parent_that_only_a_lower_layer_knows(place):
    base = place.layer(directory("a", mode=0o750, uid=9, mtime=77), directory("a/b", mode=0o711))
    with pytest.raises(NeedsLower):
        place.layer(member("a/b/c"))
    top = place.layer(member("a/b/c"), lowers=[str(base)])
    assert place.depended
    status = os.stat(top / "a")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_mtime) == (0o750, 9, 77)
    assert stat.S_IMODE(os.stat(top / "a/b").st_mode) == 0o711


def test_a_parent_nobody_knows_is_made(place):
    root = place.layer(member("a/b/c"), lowers=[])
    assert place.depended
    assert stat.S_IMODE(os.stat(root / "a/b").st_mode) == 0o755


def test_a_parent_that_is_a_symlink_below(place):
    base = place.layer(directory("usr"), directory("usr/lib", mode=0o700), symlink("lib", "usr/lib"))
    top = place.layer(member("lib/x"), lowers=[str(base)])
    assert sorted(os.listdir(top)) == ["usr"]
    assert os.listdir(top / "usr/lib") == ["x"]
    assert stat.S_IMODE(os.stat(top / "usr/lib").st_mode) == 0o700


def test_a_deleted_parent_is_not_taken_from_below(place):
    base = place.layer(directory("a", mode=0o700), member("a/old"))
    middle = place.layer(member(".wh.a"))
    top = place.layer(member("a/new"), lowers=[str(base), str(middle)])
    assert stat.S_IMODE(os.stat(top / "a").st_mode) == 0o755
    same = place.layer(member(".wh.a"), member("a/new"), lowers=[str(base)])
    assert opaque(same / "a")


def test_a_hard_link_to_a_lower_layer_copies_the_file_up(place):
    base = place.layer(directory("a"), member("a/f", content=b"data", mode=0o4750, uid=3, gid=4, mtime=5))
    with pytest.raises(NeedsLower):
        place.layer(hardlink("l", "a/f"))
    top = place.layer(hardlink("l", "a/f"), lowers=[str(base)])
    status = os.stat(top / "l")
    assert (top / "l").read_bytes() == b"data"
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime) == (0o4750, 3, 4, 5)
    assert os.path.samefile(top / "l", top / "a/f")


def test_symlinks_in_the_image_are_followed_inside_it(place):
    root = place.layer(
        directory("run"),
        directory("var"),
        symlink("var/run", "/run"),
        member("var/run/pid"),
        symlink("up", "var/../run/./"),
        member("up/two"),
    )
    assert sorted(os.listdir(root / "run")) == ["pid", "two"]


def test_names_that_start_at_the_root_or_go_up_stay_inside(place):
    root = place.layer(
        directory("tmp"),
        directory("/app"),
        member("//app/./x", content=b"x"),
        hardlink("/app/y", "/app/x"),
        member("app/../beside"),
        member("app/sub/../..//.wh.gone"),
        member(f"/{OUTSIDE}"),
    )
    assert os.path.samefile(root / "app/x", root / "app/y")
    assert (root / "beside").exists()
    assert whiteout(root / "gone")
    assert (root / OUTSIDE.lstrip("/")).exists()
    assert not os.path.exists(OUTSIDE)


OUTSIDE = "/tmp/agentless-oci-test-outside"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([member("../evil")], "the name ../evil in it leads out of the image's root"),
        ([member("a/../../evil")], "leads out of the image's root"),
        ([directory("a"), member("a/..")], "replaces the image's root"),
        ([member("/../evil")], "the name /../evil in it leads out of the image's root"),
        ([directory("a"), member("a/.././../evil")], "leads out of the image's root"),
        ([symlink("l", "../../../../.." + OUTSIDE), member("l/x")], "leads out of the image's root"),
        ([symlink("l", OUTSIDE), member("l/x")], "through a symlink to where the image has nothing"),
        ([symlink("a", "b"), symlink("b", "a"), member("a/x")], "through too many symlinks"),
        ([member("f"), member("f/x")], "f is not a directory"),
        ([hardlink("l", "../../etc/passwd")], "the hard link ../../etc/passwd in it leads out"),
        ([hardlink("l", "/etc/passwd")], "which the image does not have"),
        ([symlink("e", "/etc"), hardlink("l", "e/passwd")], "which the image does not have"),
        ([directory("d"), hardlink("l", "d")], "a hard link names the directory d"),
        ([symlink(".", OUTSIDE)], "replaces the image's root"),
        ([member("./", tarfile.REGTYPE)], "replaces the image's root"),
        ([member("x", tarfile.CHRTYPE, devmajor=0, devminor=0)], "takes for a deletion"),
        ([member("x", uid=2**32 - 1)], "impossible owner"),
        ([member(".wh.")], "names nothing"),
        ([member(".wh...")], "names nothing"),
        ([member("/".join(["d"] * 300))], "is too long"),
        ([member("x" * 300)], "File name too long"),
    ],
)
def test_hostile_layers(place, members, said):
    with pytest.raises(ImageError) as caught:
        place.layer(*members, lowers=[])
    assert said in str(caught.value)
    assert not list(place.path.parent.rglob("evil"))
    assert not os.path.lexists(OUTSIDE)


def test_a_symlink_as_leaf_is_replaced_not_followed(place, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    victim.chmod(0o600)
    root = place.layer(symlink("f", str(victim)), member("f", content=b"mine", mode=0o777, uid=4))
    assert (root / "f").read_bytes() == b"mine"
    assert victim.read_text() == "untouched"
    assert (stat.S_IMODE(victim.stat().st_mode), victim.stat().st_uid) == (0o600, 0)


def test_inflating_in_a_thread(place):
    content = os.urandom(9 << 20)
    data = tar(member("f", content=content), member("g", content=b"g"))
    root = place.raw(data, compression="gzip", blob=gzip.compress(data, 1), ahead=True)
    assert ((root / "f").read_bytes(), (root / "g").read_bytes()) == (content, b"g")


@pytest.mark.parametrize(
    ("members", "cut", "said"),
    [
        ([member("f", content=bytes(9 << 20)), member("g")], 5000, "cut off"),
        ([member("../f"), member("g", content=bytes(9 << 20))], None, "leads out"),
    ],
    ids=["its own failure", "a failure beside it"],
)
def test_a_thread_that_inflates_ends_with_the_unpacking(place, members, cut, said):
    data = tar(*members)
    before = set(threading.enumerate())
    with pytest.raises(ImageError, match=said):
        place.raw(data, compression="gzip", blob=gzip.compress(data, 1)[:cut], ahead=True)
    assert set(threading.enumerate()) <= before


def test_a_thread_that_waits_for_a_blob_ends_with_the_unpacking(place, tmp_path):
    data = tar(member("../f"), member("g", content=bytes(9 << 20)))
    partial = tmp_path / "partial"
    partial.write_bytes(data[:4096])
    (tmp_path / "layer").mkdir()
    layer = unpack.Layer(
        str(tmp_path / "whole"), "sha256:0", len(data), "tar", "sha256:" + "0" * 64, str(partial), ahead=True
    )
    before = set(threading.enumerate())
    with pytest.raises(ImageError, match="leads out"):
        unpack.unpack(layer, str(tmp_path / "layer"), [])
    assert set(threading.enumerate()) <= before


def test_a_wrong_diff_id(place):
    with pytest.raises(ImageError, match="not sha256:0000"):
        place.raw(tar(member("f")), diff_id="sha256:" + "0" * 64)


def test_a_bomb_is_stopped_by_its_header(place, monkeypatch):
    monkeypatch.setattr(unpack, "RATIO_FLOOR", 1 << 20)
    data = tar(member("zeros", content=bytes(20 << 20)))
    blob = gzip.compress(data, 9)
    with pytest.raises(ImageError, match=r"expands to more than .* MiB, the limit"):
        place.raw(data, compression="gzip", blob=blob)
    assert sum(path.stat().st_size for path in place.path.rglob("zeros")) == 0


def test_a_bomb_behind_the_archive_is_stopped(place, monkeypatch):
    monkeypatch.setattr(unpack, "RATIO_FLOOR", 1 << 20)
    data = tar(member("f")) + bytes(200 << 20)
    with pytest.raises(ImageError, match="decompression bomb"):
        place.raw(data, compression="gzip", blob=gzip.compress(data, 9))


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (lambda blob: blob[:-9], "gzip stream is cut off"),
        (lambda blob: blob[:100] + b"\xff" * 50 + blob[150:], "damaged"),
    ],
)
def test_damaged_blobs(place, cut, said):
    data = tar(member("f", content=os.urandom(5000)))
    with pytest.raises(ImageError, match=said):
        place.raw(data, compression="gzip", blob=cut(gzip.compress(data)))


@pytest.fixture
def few_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_many_small_files(place, few_descriptors):
    """In more directories than may be open, one after the other in another."""
    count = 100_000
    where = [f"d{number % 20}/e{number % 10}/f{number % 1000}" for number in range(1000)]
    parents = sorted({path.rsplit("/", depth)[0] for path in where for depth in (1, 2)} | set(where))
    root = place.layer(
        *map(directory, parents),
        *(member(f"{where[number % 1000]}/{number}", content=b"%d" % number) for number in range(count)),
    )
    found = 0
    for path, _directories, files in os.walk(root):
        for name in files:
            found += 1
            assert os.path.relpath(path, root) == where[int(name) % 1000]
            with open(os.path.join(path, name), "rb") as file:
                assert file.read() == name.encode()
    assert found == count


def test_a_huge_sparse_file(place, tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        for offset in range(0, 1 << 40, 1 << 36):
            file.seek(offset)
            file.write(b"data")
        file.truncate(1 << 40)
    for options in (["--format=gnu"], ["--format=posix"], ["--format=posix", "--sparse-version=0.1"]):
        made = subprocess.run(
            ["tar", "-cS", *options, "-C", str(tmp_path), "huge"], stdout=subprocess.PIPE, check=True
        ).stdout
        status = os.stat(place.raw(made) / "huge")
        assert (status.st_size, status.st_blocks * 512 < 1 << 20) == (1 << 40, True)


def test_no_space_left(place, tmp_path):
    import subprocess

    mounted = tmp_path / "small"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], check=True)
    try:
        small = Place(mounted)
        source = tmp_path / "blob"
        data = tar(member("big", content=os.urandom(3 << 20)))
        source.write_bytes(data)
        target = mounted / "layer"
        target.mkdir()
        layer = unpack.Layer(str(source), "sha256:0", len(data), "tar", f"sha256:{hashlib.sha256(data).hexdigest()}")
        with pytest.raises(ImageError, match="no space left: it needs more than the 1 MiB that are free"):
            unpack.unpack(layer, str(target), None)
        # Many small files: no single header claims too much.
        data = tar(*(member(f"f{index}", content=b"x" * 4000) for index in range(300)))
        source.write_bytes(data)
        layer = unpack.Layer(str(source), "sha256:0", len(data), "tar", f"sha256:{hashlib.sha256(data).hexdigest()}")
        (mounted / "second").mkdir()
        with pytest.raises(ImageError, match="no space left"):
            unpack.unpack(layer, str(mounted / "second"), None)
        assert small.layers == []
    finally:
        subprocess.run(["umount", mounted], check=True)
