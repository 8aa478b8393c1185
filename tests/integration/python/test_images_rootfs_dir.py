# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's files as a directory: what umoci unpacks, put there in one step, never in the place of something else."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tarfile
import time

import pytest
import trees
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from bundles import config, detached
from image_layers import CAPABILITY, LAYERS
from image_peers import Peers, call
from oci_layout import directory, member
from rootfs_dirs import AOCI, IMAGES, Two, aoci, brought, ends_well, mounted, saves, task, tree_at


@pytest.fixture
def store(state_dir):
    return Store(StateDir(state_dir))


@pytest.fixture
def two(store, tmp_path):
    return Two(store, tmp_path)


@pytest.mark.skipif(not shutil.which("umoci"), reason="needs umoci")
def test_same_tree_as_umoci(tmp_path, store):
    """Entry by entry, hard links across layers among them; the times of what only umoci touches are as in the image."""
    brought(store, tmp_path, LAYERS)
    assert task(store, IMAGES[0], tmp_path / "tree", check=True) == (["wrote archive"], [])
    assert not (tmp_path / "tree").exists()
    assert task(store, IMAGES[0], tmp_path / "tree") == (["wrote archive"], [])
    peers = Peers()
    try:
        theirs = peers.umoci_tree(f"{tmp_path}/layout-1:test")
    finally:
        peers.close()
    ours = trees.read_tree(str(tmp_path / "tree"))
    touched = (b".", b"bin", b"kept", b"made", b"made/for")
    assert (
        trees.differences(
            {path: entry._replace(mtime=0) if path in touched else entry for path, entry in ours.items()},
            {path: entry._replace(mtime=0) if path in touched else entry for path, entry in theirs.items()},
        )
        == []
    )
    assert ours[b"bin/su"].links == (b"bin/link-below", b"bin/su", b"bin/sudo")
    assert ours[b"bin"].mtime == 1_500_000_000 * 10**9
    assert dict(ours[b"usr/lib/libx"].xattrs)["security.capability"] == trees.CAPABILITY
    assert ours[b"moment"].mtime % 10**9 == 123_456_789
    assert not any(name.startswith("trusted.overlay") for entry in ours.values() for name, _value in entry.xattrs)
    assert task(store, IMAGES[0], tmp_path / "tree") == ([], [])


def test_overlays_own_attributes_are_nothing_of_the_image(tmp_path, store):
    pax = {"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.trusted.mine": "z"}
    brought(store, tmp_path, [[directory("d", pax_headers=pax)], [directory("d", pax_headers=pax), member("d/.wh.x")]])
    task(store, IMAGES[0], tmp_path / "tree")
    assert os.listxattr(tmp_path / "tree/d") == ["trusted.mine"]
    assert os.listdir(tmp_path / "tree/d") == []


def test_there_and_back(tmp_path, store):
    """What was written is a source: the same layer comes of it, and of that the same tree."""
    root = tmp_path / "root"
    root.mkdir()
    trees.build_lower(str(root))
    source = {"rootfs": str(root), "config": {"command": ["/bin/su"]}}
    first = tmp_path / "first"
    assert task(store, IMAGES[0], first, source=source)[0] == ["imported image", "wrote archive"]
    assert trees.differences(trees.read_tree(str(first)), trees.read_tree(str(root))) == []
    assert task(store, IMAGES[0], first, source=source) == ([], [])
    second = tmp_path / "second"
    task(store, IMAGES[1], second, source={**source, "rootfs": str(first)})
    assert store.find(IMAGES[1]).id == store.find(IMAGES[0]).id
    assert trees.differences(trees.read_tree(str(second)), trees.read_tree(str(first))) == []


def test_another_image_takes_the_place_of_the_old_one(store, two):
    path, expected = two.path, two.expected
    path.mkdir()  # an empty directory is a place like none
    for turn in (0, 1, 0):
        assert task(store, IMAGES[turn], path, check=True) == (["wrote archive"], [])
        assert task(store, IMAGES[turn], path) == (["wrote archive"], [])
        assert tree_at(path) == expected[turn]
        assert os.listdir(path.parent) == ["tree"]
        for check in (True, False):
            assert task(store, IMAGES[turn], path, check=check) == ([], [])
    # The same files under another configuration are the same tree.
    image = store.find(IMAGES[0])
    assert task(store, image.id, path) == ([], [])


def test_what_is_changed_in_it_stays_until_another_image_comes(store, two):
    path, expected = two.path, two.expected
    task(store, IMAGES[0], path)
    before = path.stat().st_ino
    (path / "same").write_text("by hand")
    (path / "d/e/more").mkdir()
    (path / "d/e/new").write_text("by hand")
    (path / "d/1").unlink()
    says = f"d/e/more, d/e/new, link and 1 more in {path} changed since the image was written there"
    for check in (True, False):
        actions, [warning] = task(store, IMAGES[0], path, check=check)
        assert (actions, warning) == ([], f"{says}, and stay so; with force it is written anew.")
    assert path.stat().st_ino == before
    assert (path / "same").read_text() == "by hand"
    for check in (True, False):
        actions, [warning] = task(store, IMAGES[1], path, check=check)
        assert (actions, warning) == (["wrote archive"], f"{says}; that goes with the old files.")
    assert tree_at(path) == expected[1]
    os.chmod(path, 0o700)
    assert task(store, IMAGES[1], path)[1][0].startswith(f". in {path} changed")
    (path / "d/2").unlink()
    assert task(store, IMAGES[1], path)[1][0].startswith(f"d in {path} changed")
    source = {"path": str(path.parents[1] / "layout-2")}
    for check in (True, False):
        assert task(store, IMAGES[1], path, check=check, source=source, force=True)[0][-1] == "wrote archive"
    assert tree_at(path) == expected[1]


def refused(store, path, why, name=IMAGES[1]):
    """In check mode and without."""
    for check in (True, False):
        with pytest.raises(ImageError, match=re.escape(f"cannot write the directory {path}: {why}")) as caught:
            task(store, name, path, check=check)
        assert caught.value.hint


def test_never_in_the_place_of_something_else(store, two, tmp_path):
    path = two.path
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious").write_text("precious")
    (tmp_path / "link").symlink_to("full")
    (tmp_path / "theirs").symlink_to("place")
    os.lchown(tmp_path / "theirs", 4711, 4711)
    unknown = "the directory is not empty and was not written by this option"
    for place, why in [
        ("full", unknown),
        ("full/precious", "it is no directory"),
        ("link", "it is a symlink"),
        ("theirs/tree", "it leads through the symlink theirs of user 4711"),
        ("nowhere/tree", f"there is no directory {tmp_path}/nowhere"),
        ("full/precious/tree", f"there is no directory {tmp_path}/full/precious"),
    ]:
        refused(store, tmp_path / place, why)
    refused(store, "/", "it is the root directory or in the state directory")
    refused(store, f"{store.state.layers}/sha256/tree", "it is the root directory or in the state directory")
    assert (tmp_path / "full/precious").read_text() == "precious"
    with pytest.raises(ImageError, match=unknown):
        task(store, "tree/new:9", tmp_path / "full", source={"path": str(tmp_path / "layout-1")})
    assert store.find("tree/new:9") is None  # what cannot be written is not brought first
    # Ours, and then removed and made anew by somebody; moved away and back.
    task(store, IMAGES[0], path)
    path.rename(tmp_path / "aside")
    path.mkdir()
    (path / "x").write_text("x")
    refused(store, path, unknown)
    refused(store, tmp_path / "aside", unknown)
    shutil.rmtree(path)
    (tmp_path / "aside").rename(path)
    assert task(store, IMAGES[1], path)[0] == ["wrote archive"]
    own = tmp_path / "own"  # a symlink of root's in the way is root's business
    own.symlink_to("place")
    assert task(store, IMAGES[1], own / "another")[0] == ["wrote archive"]


def test_the_inode_number_alone_does_not_make_it_ours(store, two, tmp_path):
    """A file system gives a number to the next when a directory goes."""
    path = two.path
    disk = tmp_path / "disk"
    disk.mkdir()
    with open(tmp_path / "image", "wb") as file:
        file.truncate(16 << 20)
    call("mkfs.ext4", "-q", str(tmp_path / "image"))
    with mounted("-o", "loop", tmp_path / "image", disk):
        path = disk / "tree"
        task(store, IMAGES[0], path)
        number = path.stat().st_ino
        shutil.rmtree(path)
        made = []
        for index in range(200):
            made.append(disk / f"other{index}")
            made[-1].mkdir()
            if made[-1].stat().st_ino == number:
                break
        else:
            pytest.fail("the number did not come again")
        made[-1].rename(path)
        (path / "precious").write_text("precious")
        refused(store, path, "the directory is not empty and was not written by this option")
        assert (path / "precious").read_text() == "precious"


def test_not_while_it_is_in_use(store, two, tmp_path, rootfs):
    path = two.path
    task(store, IMAGES[0], path)
    elsewhere = tmp_path / "elsewhere with space"
    elsewhere.mkdir()
    with mounted("-t", "tmpfs", "tmpfs", path / "d"):
        refused(store, path, f"{path}/d is mounted in it")
        assert task(store, IMAGES[0], path)[0] == []  # nothing is to be written
    with mounted("--bind", path, path):
        refused(store, path, f"{path} is mounted")
    with mounted("--bind", path / "d", elsewhere):
        refused(store, path, f"it is mounted on {elsewhere}")
    with mounted("-t", "overlay", "overlay", "-o", f"ro,lowerdir={path}:{rootfs}", elsewhere):
        refused(store, path, f"the overlay on {elsewhere} shows it")
    pid = os.fork()
    if pid == 0:
        try:
            os.chroot(path / "d")
            signal.pause()
        finally:
            os._exit(0)
    try:
        end = time.monotonic() + 20
        while os.readlink(f"/proc/{pid}/root") == "/":
            assert time.monotonic() < end
        refused(store, path, f"it is the root directory of process {pid} (")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert task(store, IMAGES[1], path)[0] == ["wrote archive"]


def test_not_while_a_container_runs_in_it(store, tmp_path, runtime, rootfs):
    path = tmp_path / "tree"
    source = {"rootfs": rootfs}
    task(store, IMAGES[0], path, source=source)
    pid = detached(runtime, config(str(path), "sleep", "100"), "box")
    for check in (True, False):
        with pytest.raises(ImageError, match=f"it is the root directory of process {pid} .busybox."):
            task(store, IMAGES[0], path, source=source, force=True, check=check)
    assert runtime("delete", "--force", "box").returncode == 0
    assert task(store, IMAGES[0], path, source=source, force=True)[0][-1] == "wrote archive"


def test_the_command_line_writes_it_too(store, two):
    path, expected = two.path, two.expected
    for turn in (0, 1, 1):
        ends_well(saves(IMAGES[turn], path))
        assert tree_at(path) == expected[turn]
    assert task(store, IMAGES[1], path) == ([], [])
    process = aoci("save", "--format", "rootfs-dir", IMAGES[0])
    assert process.communicate()[1] == "aoci: the archive cannot be written to here. Give -o PATH.\n"
    process = aoci("save", "--format", "rootfs-dir", "-o", path, *IMAGES)
    assert "one root file system cannot be that of 2 images" in process.communicate()[1]


def test_a_file_system_without_what_it_takes(store, two, tmp_path):
    """One error that says what is missing; an image that does not need it is written there."""
    path, expected = two.path, two.expected
    name = "tree/odd:3"
    odd = [
        member("able", content=b"x", pax_headers=CAPABILITY),
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
    ]
    brought(store, tmp_path, [odd[1:], odd[:1]], name)
    with mounted("-t", "ramfs", "ramfs", path.parent):
        with pytest.raises(ImageError, match=r"has no extended attribute security\.capability") as caught:
            task(store, name, path)
        assert "It takes a file system with owners, modes, devices" in str(caught.value)
        assert os.listdir(path.parent) == []
        assert task(store, IMAGES[1], path)[0] == ["wrote archive"]
        assert tree_at(path) == expected[1]
        assert task(store, IMAGES[1], path) == ([], [])
    command = ["setpriv", "--bounding-set=-mknod", "/usr/bin/python3", "-I", AOCI, "save", "--format", "rootfs-dir"]
    done = subprocess.run([*command, "-o", str(path), name], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(
        r"aoci: cannot write .*/tree: layer sha256:\w+: Operation not permitted\. It takes .*\n", done.stderr
    )
    assert not path.exists()
