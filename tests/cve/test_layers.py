# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known attacks of layers on whoever unpacks them."""

from __future__ import annotations

import ctypes
import io
import os
import stat
import tarfile
import threading
import time

import pytest
from unprotected import attack

AT_FDCWD, RENAME_EXCHANGE = -100, 2
UNPACK = """
import hashlib, os
from aoci.image.unpack import Layer, unpack
from aoci.kernel.errors import Error
archive, destination = sys.argv[1:]
os.umask(0)
data = open(archive, "rb").read()
layer = Layer(archive, "sha256:0", len(data), "tar", "sha256:" + hashlib.sha256(data).hexdigest())
try:
    unpack(layer, destination, [])
except Error as error:
    print(error)
"""
# The library's own extraction, trusting the archive.
EXTRACTALL = """
def naive_run(self):
    import tarfile
    path = os.readlink("/proc/self/fd/%d" % self.root.root)
    with tarfile.open(os.path.join(os.path.dirname(path), "archive")) as file:
        file.extractall(path, filter="fully_trusted") if hasattr(tarfile, "data_filter") else file.extractall(path)

_Unpacker.run = naive_run
"""


def member(name, kind=tarfile.REGTYPE, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(content), 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def unpacked(build, tmp_path, *members):
    """What the unpacker says to the archive of *members*; its result is in tmp_path/layer."""
    with tarfile.open(tmp_path / "archive", "w", format=tarfile.PAX_FORMAT) as file:
        for info, content in members:
            file.addfile(info, io.BytesIO(content))
    (tmp_path / "layer").mkdir()
    done = build.python(UNPACK, str(tmp_path / "archive"), str(tmp_path / "layer"))
    if build.defended:
        assert done.returncode == 0, done.stderr
    return done.stdout


@attack(
    {
        "image/unpack.py": """
def naive_root_entry(self, entry):
    path = os.readlink("/proc/self/fd/%d" % self.root.root)
    os.rmdir(path)
    os.symlink(entry.linkname, path)
    self.root.root = os.open(path, os.O_RDONLY)

_Unpacker._root_entry = naive_root_entry
"""
    }
)
@pytest.mark.parametrize("name", [".", "./", "./.", "./../layer/."])
def test_cve_2021_29136_a_root_that_is_a_symlink(build, tmp_path, outside, name):
    said = unpacked(build, tmp_path, member(name, tarfile.SYMTYPE, linkname=str(outside)), member("x", content=b"x"))
    if build.defended:
        assert "root" in said
        assert not os.path.islink(tmp_path / "layer")
    assert os.listdir(outside) == ([] if build.defended or ".." in name else ["x"])


@attack(
    {
        "image/unpack.py": """
naive_symlink = _Unpacker._symlink

def naive_symlink_and_mode(self, fd, name, canonical, entry):
    naive_symlink(self, fd, name, canonical, entry)
    os.chmod(name, entry.mode, dir_fd=fd)

_Unpacker._symlink = naive_symlink_and_mode
"""
    }
)
def test_cve_2021_32760_the_mode_of_a_file_outside(build, tmp_path, outside):
    victim = outside / "victim"
    victim.write_text("")
    victim.chmod(0o600)
    unpacked(
        build,
        tmp_path,
        member("link", tarfile.SYMTYPE, linkname=str(victim), mode=0o777),
        member("hard", tarfile.LNKTYPE, linkname="link", mode=0o777),
    )
    assert (stat.S_IMODE(victim.stat().st_mode) == 0o600) is build.defended


@attack(
    {
        "image/rootdir.py": """
def naive_by_path(self, path, *, create=True):
    root = os.readlink("/proc/self/fd/%d" % self.root)
    if path:
        os.makedirs(os.path.join(os.fsencode(root), path), exist_ok=True)
    return os.open(os.path.join(os.fsencode(root), path), os.O_RDONLY), path

RootDir.directory = naive_by_path
"""
    }
)
def test_cve_2025_47290_a_directory_swapped_meanwhile(build, tmp_path, outside):
    """Somebody who can reach the layer swaps a directory of it for a symlink."""
    members = [member("d", tarfile.DIRTYPE), *[member(f"d/{number}") for number in range(2000)]]
    for turn in range(1 if build.defended else 10):
        directory = tmp_path / str(turn)
        directory.mkdir()
        (directory / "spare").symlink_to(outside)
        over = threading.Event()
        thread = threading.Thread(target=exchange, args=(over, directory / "layer" / "d", directory / "spare"))
        thread.start()
        try:
            unpacked(build, directory, *members)
        finally:
            over.set()
            thread.join()
        if os.listdir(outside):
            break
    assert (os.listdir(outside) == []) is build.defended


def exchange(over, first, second):
    """Swap two paths until it is *over*, once the unpacker is at work in the first."""
    libc = ctypes.CDLL(None)
    while not over.is_set() and not os.path.exists(first / "50"):
        time.sleep(0.0002)
    while not over.is_set():
        libc.renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE)
        time.sleep(0.0002)


@attack({"image/unpack.py": EXTRACTALL})
@pytest.mark.parametrize(
    "attacked",
    [
        "cve_2007_4559_dots",
        "cve_2024_12718_a_symlink_and_a_file_through_it",
        "cve_2025_4138_a_chain_of_symlinks",
        "cve_2025_4330_a_hard_link_to_a_symlink",
        "cve_2025_4517_a_path_too_long_to_resolve",
    ],
)
def test_tarfile(build, tmp_path, outside, attacked):
    """What tarfile's filter "data" was bypassed by; we do not extract with it."""
    name = "outside"
    deep = "/".join(["d" * 200] * 22)  # longer than PATH_MAX: realpath(3) gives up half way
    members = {
        "cve_2007_4559_dots": [member("../outside/x", content=b"x")],
        "cve_2024_12718_a_symlink_and_a_file_through_it": [
            member("s", tarfile.SYMTYPE, linkname=str(outside)),
            member("s/x", content=b"x"),
        ],
        "cve_2025_4138_a_chain_of_symlinks": [
            member("a", tarfile.DIRTYPE),
            member("a/up", tarfile.SYMTYPE, linkname=".."),
            member("b", tarfile.SYMTYPE, linkname="a/up/../" + name),
            member("b/x", content=b"x"),
        ],
        "cve_2025_4330_a_hard_link_to_a_symlink": [
            member("s", tarfile.SYMTYPE, linkname="../" + name + "/x"),
            member("h", tarfile.LNKTYPE, linkname="s"),
            member("s", content=b"x"),
            member("h2", tarfile.SYMTYPE, linkname="../" + name),
            member("h2/x", content=b"x"),
        ],
        "cve_2025_4517_a_path_too_long_to_resolve": [
            member(deep[:3000] + "/" + "l" * 40, tarfile.SYMTYPE, linkname="../" * 30 + str(outside)[1:]),
            member("e", tarfile.SYMTYPE, linkname="../" * 30 + str(outside)[1:]),
            member("e/x", content=b"x"),
        ],
    }[attacked]
    unpacked(build, tmp_path, *members)
    assert (os.listdir(outside) == []) is build.defended
