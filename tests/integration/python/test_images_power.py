# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts in the middle of pulls and removals: what has a name, or lies under its digest, is whole afterwards.

The state directory lies on an ext4 that is shut down as by a power cut, with all that is not yet on its disk lost
(FS_IOC_SHUTDOWN, as xfstests' godown does it), and is then mounted again.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import time

import pytest
import trees
from ansible_collections.agentless.oci.plugins.module_utils.image.check import check
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from faulty_proxy import Fault
from image_sources import pull, task
from oci_layout import directory, member
from waiting import group_runs, until

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2

pytestmark = pytest.mark.skipif(not shutil.which("mkfs.ext4"), reason="needs mkfs.ext4")


class Disk:
    """A small ext4 in a file, mounted; what is on it now and then loses its power."""

    def __init__(self, directory):
        self.file = str(directory / "disk")
        self.root = str(directory / "mounted")
        os.mkdir(self.root)
        with open(self.file, "wb") as file:
            file.truncate(160 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.file], check=True)
        self.mount()

    def mount(self):
        # Data written late and a journal that commits seldom: what nobody syncs is lost.
        subprocess.run(["mount", "-o", "loop,delalloc,commit=300", self.file, self.root], check=True)

    def unmount(self):
        subprocess.run(["umount", self.root], check=True)

    def come_back(self):
        """With what is on the disk, of which this is a copy: another mount namespace may still hold the dead one."""
        self.unmount()
        subprocess.run(["cp", "--sparse=always", self.file, f"{self.file}.copy"], check=True)
        os.rename(f"{self.file}.copy", self.file)
        self.mount()

    def cut_power(self):
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)


@pytest.fixture
def disk(tmp_path):
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("needs loop devices")
    made = Disk(tmp_path)
    yield made
    made.unmount()


@pytest.fixture
def name(raw, proxy):
    """An image of three layers, of which the middle one deletes and the last needs what lies below."""
    numbers = random.Random(3)
    base = [directory("etc"), member("etc/passwd", content=b"root:x:0:0::/:/bin/sh\n"), directory("data")]
    base += [member(f"data/{index}", content=numbers.randbytes(40_000)) for index in range(100)]
    middle = [directory("data"), member("data/.wh.7"), member("data/new", content=numbers.randbytes(3_000_000))]
    top = [member("copy", b"1", linkname="etc/passwd"), member("last", content=numbers.randbytes(500_000))]
    raw.image("power/app", [base, middle, top], "1", level=1)
    proxy.rule = lambda seen: Fault(rate=16_000_000) if seen.method == "GET" else None
    return f"{proxy.address}/power/app:1"


def start(root, *arguments):
    command = ["/usr/bin/python3", "-I", AOCI, *arguments]
    environment = {**os.environ, "AGENTLESS_OCI_ROOT": root}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def lose_power(disk, process, seconds):
    """Cut the power after that time, and come back."""
    time.sleep(seconds)
    disk.cut_power()
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not group_runs(process.pid))  # its own children end by themselves
    disk.come_back()


def layers_of(root):
    """Directories of the unpacked layers that have their names."""
    directory = os.path.join(root, "layers/sha256")
    return {name for name in os.listdir(directory) if name[0] != "."} if os.path.isdir(directory) else set()


def files_in(path):
    """Path below *path* → size of every file."""
    return {
        os.path.relpath(os.path.join(where, name), path): os.lstat(os.path.join(where, name)).st_size
        for where, _directories, names in os.walk(path)
        for name in names
    }


def whole(root, expected):
    """Nothing that has its name is not whole, layers that no image names among them."""
    store = Store(StateDir(root))
    assert [str(problem) for problem in check(store).problems] == []
    for layer in layers_of(root):
        assert files_in(os.path.join(root, "layers/sha256", layer)) == expected[layer], layer


def test_a_pull_and_a_removal_that_lose_their_power(disk, name, tmp_path):
    moments = random.Random(17)
    undisturbed = str(tmp_path / "undisturbed")
    began = time.monotonic()
    assert start(undisturbed, "pull", "-q", name).wait(60) == 0
    takes = time.monotonic() - began
    expected = {layer: files_in(os.path.join(undisturbed, "layers/sha256", layer)) for layer in layers_of(undisturbed)}
    assert len(expected) == 4  # one of them an underlay
    named = 0
    for each in range(6):
        lose_power(disk, start(disk.root, "pull", "-q", name), moments.uniform(0.2, 1.2) * takes)
        whole(disk.root, expected)
        pull(disk.root, name)
        whole(disk.root, expected)
        # What has just been named stays, although nobody but the pull has synced anything.
        lose_power(disk, start(disk.root, "rmi", name), moments.uniform(0, 0.3) if each % 2 else 0)
        whole(disk.root, expected)
        image = Store(StateDir(disk.root)).find(name)
        named += image is not None
        if image is not None:
            assert Store(StateDir(disk.root)).is_complete(image)
        store = Store(StateDir(disk.root))
        store.remove(name)
        store.collect()
        assert layers_of(disk.root) == set()
    assert named >= 3  # every other removal has not begun: there the pull's own syncs are all that there was


def test_a_directory_of_files_that_loses_its_power(disk, name, tmp_path):
    """There is a whole one, or the first was not finished; and what was finished is there, and known."""
    moments = random.Random(18)
    state, tree = os.path.join(disk.root, "state"), os.path.join(disk.root, "tree")
    words = ["save", "--format", "rootfs-dir", "-o"]
    pull(state, name)
    began = time.monotonic()
    assert start(state, *words, str(tmp_path / "undisturbed"), name).wait(60) == 0
    takes = time.monotonic() - began
    expected = trees.read_tree(str(tmp_path / "undisturbed"))
    assert expected[b"copy"].links == (b"copy", b"etc/passwd")
    for each in range(4):
        lose_power(disk, start(state, *words, tree, name), moments.uniform(0.5, 1.1) * takes)
        if each or os.path.isdir(tree):
            assert trees.differences(trees.read_tree(tree), expected) == []
        assert start(state, *words, tree, name).wait(60) == 0
        disk.cut_power()
        disk.come_back()
        assert trees.differences(trees.read_tree(tree), expected) == []
        assert sorted(os.listdir(disk.root)) == ["lost+found", "state", "tree"]
        made, _image = task(state, name, archive={"path": tree, "format": "rootfs-dir"})
        assert made.actions == []
