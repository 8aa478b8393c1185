# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of images' files whose writing is killed, or finds no space: the old one or the new is there, whole."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys

import moments
import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.kernel import syscalls
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from image_peers import call
from oci_layout import directory, member
from rootfs_dirs import IMAGES, Two, brought, ends_well, mounted, saves, task, tree_at


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A file system on which what is synced costs nothing."""
    path = tmp_path / "memory"
    path.mkdir()
    with mounted("-t", "tmpfs", "-o", "mode=700", "tmpfs", path):
        monkeypatch.setenv("AGENTLESS_OCI_ROOT", str(path / "state"))
        yield path


@pytest.fixture
def store(memory):
    return Store(StateDir(str(memory / "state")))


@pytest.fixture
def two(store, memory):
    return Two(store, memory)


def test_several_at_once(store, two):
    path, expected = two.path, two.expected
    for process in [saves(IMAGES[turn % 2], path) for turn in range(4)]:
        ends_well(process)
    assert tree_at(path) in expected
    assert os.listdir(path.parent) == ["tree"]


def test_killed_at_any_moment(store, two, tmp_path):
    """An image of many files, so that there are moments enough."""
    path, small = two.path, two.expected[0]
    numbers = random.Random(4)
    files = [member(f"many/{index}", content=numbers.randbytes(3000)) for index in range(1500)]
    many = "tree/many:3"
    brought(store, tmp_path, [[directory("many"), *files], [member("many/.wh.7"), member("many/new")]], many)
    task(store, many, path)
    large = tree_at(path)
    killer = moments.Killer(4, lambda: ends_well(saves(many, path)))
    for turn in killer.rounds(6):
        wanted, name = ((small, IMAGES[0]), (large, many))[turn % 2]
        killer.kill(saves(name, path))
        assert tree_at(path) in (small, large)
        ends_well(saves(name, path))
        assert tree_at(path) == wanted
        assert os.listdir(path.parent) == ["tree"]


# By the names of Python's functions and of ours; what is done to each file while a tree is made is left out.
STEPS = "mkdir rmdir rename unlink fsync flock syncfs renameat2".split()  # noqa: SIM905


def killed_before(step, work):
    """Do *work* in a process that ends as by SIGKILL before its system call number *step*; whether it came to that."""

    def watch(frame, event, argument):
        nonlocal step
        of_ours = event == "call" and frame.f_code.co_filename.endswith("kernel/syscalls.py")
        name = argument.__name__ if event == "c_call" else frame.f_code.co_name if of_ours else ""
        if name in STEPS:
            step -= 1
            if not step:
                os._exit(137)

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            sys.setprofile(watch)
            work()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 137)
    return code == 137


def no_exchange(*_arguments):
    raise OSError(22, "no such thing on this file system")


@pytest.mark.parametrize("case", ["nothing was there", "an old tree", "an old tree, and no exchange"])
def test_killed_at_every_step(store, two, monkeypatch, case):
    """In the place there is the old tree or the new one, whole, and after the next run nothing else."""
    path, expected = two.path, two.expected
    if case.endswith("exchange"):
        monkeypatch.setattr(syscalls, "renameat2", no_exchange)
    found = set()
    for step in range(1, 400):
        if case == "nothing was there":
            shutil.rmtree(path, ignore_errors=True)
        else:
            task(store, IMAGES[0], path)
        killed = killed_before(step, lambda: task(store, IMAGES[1], path))
        tree = tree_at(path) if path.exists() else None
        found.add("nothing" if tree is None else ("old", "new")[expected.index(tree)])
        written = task(store, IMAGES[1], path)[0] == ["wrote archive"]
        assert written is (tree != expected[1])
        assert tree_at(path) == expected[1]
        assert os.listdir(path.parent) == ["tree"], f"step {step}"
        assert task(store, IMAGES[1], path) == ([], [])
        if not killed:
            break
    assert not killed
    assert step > 20
    gone = {"nothing"} if case != "an old tree" else set()
    assert found == {"new"} | gone | ({"old"} if case != "nothing was there" else set())


def test_a_kill_between_two_renames_loses_no_tree(store, two, monkeypatch):
    """Even if the next run cannot write."""
    path, expected = two.path, two.expected
    task(store, IMAGES[0], path)
    monkeypatch.setattr(syscalls, "renameat2", no_exchange)
    for step in range(1, 400):
        killed_before(step, lambda: task(store, IMAGES[1], path))
        if not path.exists():
            break
        task(store, IMAGES[0], path)
    assert not path.exists()
    image = store.find(IMAGES[1])
    blob = store.blob_path(image.manifest["layers"][1]["digest"])
    os.rename(blob, f"{blob}-away")
    with pytest.raises(ImageError, match=r"is not here\. Pull or import the image again with force"):
        task(store, IMAGES[1], path)
    assert tree_at(path) == expected[0]
    assert os.listdir(path.parent) == ["tree"]


def test_a_full_disk(store, two, tmp_path):
    path, small = two.path, two.expected[0]
    name = "tree/large:3"
    brought(store, tmp_path, [[member("large", content=random.Random(5).randbytes(1_500_000))]], name)
    with mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", path.parent):
        task(store, IMAGES[0], path)
        for turn in range(2):
            with pytest.raises(ImageError, match=r"layer sha256.*no space left.*Free some space there: the old"):
                task(store, name, path)
            assert tree_at(path) == small, turn
            assert os.listdir(path.parent) == ["tree"]
        call("mount", "-o", "remount,size=4m", str(path.parent))
        assert task(store, name, path)[0] == ["wrote archive"]
        assert os.listdir(path) == ["large"]


def test_no_space_for_what_is_known_of_it(store, two, tmp_path):
    """The state directory is full: nothing is written that the next run could not tell apart."""
    path, expected = two.path, two.expected
    task(store, IMAGES[0], path)
    records = store.state.trees
    shutil.copytree(records, tmp_path / "records")
    with mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", records):
        shutil.copytree(tmp_path / "records", records, dirs_exist_ok=True)
        with open(os.path.join(records, "filler"), "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
        with pytest.raises(ImageError, match=r"No space left on device\. Free some space"):
            task(store, IMAGES[1], path)
        assert tree_at(path) == expected[0]
        os.unlink(os.path.join(records, "filler"))
        assert task(store, IMAGES[1], path)[0] == ["wrote archive"]
        assert os.listdir(path.parent) == ["tree"]
