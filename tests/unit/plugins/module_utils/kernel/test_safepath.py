# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that must not leave their root, by openat2(2) and by the walk for kernels without it."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import safepath, syscalls


@pytest.fixture(params=["openat2", "walk"])
def root(request, tmp_path, monkeypatch):
    """A hostile tree: (descriptor, path) of its root; a secret lies beside it."""
    if request.param == "walk":

        def absent(*_arguments):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(syscalls, "openat2", absent)
    (tmp_path / "secret").write_text("outside")
    top = tmp_path / "root"
    (top / "dir" / "sub").mkdir(parents=True)
    (top / "dir" / "file").write_text("inside")
    (top / "secret").write_text("inside")
    for name, target in (
        ("absolute", "/secret"),
        ("relative", "../../../../secret"),
        ("to_dir", "dir/sub/.."),
        ("loop", "loop"),
        ("dangling", "/not/there"),
        ("chain", "to_dir/file"),
    ):
        (top / name).symlink_to(target)
    fd = os.open(str(top), os.O_PATH | os.O_DIRECTORY)
    yield fd, top
    os.close(fd)


@pytest.mark.parametrize("path", ["absolute", "relative", "/absolute", "../../secret", "dir/../../secret", "chain"])
def test_everything_stays_inside(root, path):
    assert safepath.read_in_root(root[0], path) == b"inside"


@pytest.mark.parametrize(
    ("path", "number"),
    [("loop", errno.ELOOP), ("dangling", errno.ENOENT), ("dir/file/x", errno.ENOTDIR), ("nowhere", errno.ENOENT)],
)
def test_errors_are_the_kernels(root, path, number):
    with pytest.raises(OSError) as caught:
        safepath.open_in_root(root[0], path)
    assert caught.value.errno == number


def test_no_symlink_at_all_when_asked(root):
    os.close(safepath.open_in_root(root[0], "dir/sub", follow=False))
    with pytest.raises(OSError) as caught:
        safepath.open_in_root(root[0], "to_dir/sub", follow=False)
    assert caught.value.errno == errno.ELOOP


def test_magic_links_are_refused(root):
    fd = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError) as caught:
            safepath.open_in_root(fd, f"{os.getpid()}/root/etc")
        assert caught.value.errno == errno.ELOOP
    finally:
        os.close(fd)


def test_mkdirs_through_symlinks_lands_inside(root):
    fd, top = root
    os.close(safepath.mkdirs_in_root(fd, "to_dir/a/b", 0o750))
    assert (top / "dir" / "a" / "b").is_dir()
    os.close(safepath.mkdirs_in_root(fd, "to_dir/a/b"))  # again is fine
    with pytest.raises(NotADirectoryError):
        safepath.mkdirs_in_root(fd, "dir/file/x")


def test_a_dangling_symlink_is_no_way_to_make_directories_outside(root, tmp_path):
    fd, top = root
    (top / "trap").symlink_to("../outside")
    os.close(safepath.mkdirs_in_root(fd, "trap/x"))
    assert sorted(os.listdir(tmp_path)) == ["root", "secret"]
    assert (top / "outside" / "x").is_dir()


def test_what_a_dangling_symlink_names_is_made(root):
    """As images have it: /etc/resolv.conf leads to a file that only a running system has."""
    fd, top = root
    (top / "dir" / "resolv.conf").symlink_to("../run/resolve/stub.conf")
    os.close(safepath.make_file_in_root(fd, "dir/resolv.conf"))
    assert stat.S_ISREG(os.lstat(str(top / "run" / "resolve" / "stub.conf")).st_mode)
    os.close(safepath.mkdirs_in_root(fd, "dangling/deeper"))
    assert (top / "not" / "there" / "deeper").is_dir()
    for first, second in (("ring", "rang"), ("rang", "/ring")):
        (top / first).symlink_to(second)
    for make in (safepath.mkdirs_in_root, safepath.make_file_in_root):
        with pytest.raises(OSError) as caught:
            make(fd, "ring")
        assert caught.value.errno == errno.ELOOP


def test_make_file(root):
    fd, top = root
    os.close(safepath.make_file_in_root(fd, "/new/deep/file"))
    assert stat.S_ISREG(os.lstat(str(top / "new" / "deep" / "file")).st_mode)
    os.close(safepath.make_file_in_root(fd, "absolute"))  # exists, inside
    assert (top / "secret").read_text() == "inside"


def test_a_fifo_does_not_stop_a_reader(root):
    fd, top = root
    os.mkfifo(str(top / "fifo"))
    with pytest.raises(OSError) as caught:
        safepath.read_in_root(fd, "fifo")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a symlink away")
def test_open_through_no_symlink_of_somebody_elses(tmp_path):
    place = tmp_path / "a" / "place"
    place.mkdir(parents=True)
    (tmp_path / "ours").symlink_to("a/../a/./place")
    (tmp_path / "absolute").symlink_to(tmp_path / "ours")
    (tmp_path / "theirs").symlink_to("ours")
    os.lchown(tmp_path / "theirs", 1000, 0)
    (tmp_path / "hidden").symlink_to("theirs")
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "file").write_text("")
    for name in ("a/place", "ours", "absolute", "a/../ours/."):
        fd = safepath.open_trusted(f"{tmp_path}/{name}")
        assert os.path.samestat(os.fstat(fd), os.stat(place))
        os.close(fd)
    for name, number in (
        ("theirs", errno.EPERM),
        ("hidden", errno.EPERM),
        ("theirs/..", errno.EPERM),
        ("ring", errno.ELOOP),
        ("file", errno.ENOTDIR),
        ("file/x", errno.ENOTDIR),
        ("nowhere/x", errno.ENOENT),
    ):
        before = os.listdir("/proc/self/fd")
        with pytest.raises(OSError) as caught:
            safepath.open_trusted(f"{tmp_path}/{name}")
        assert caught.value.errno == number, name
        assert len(os.listdir("/proc/self/fd")) == len(before)
