# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of directories that are written of images share."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager

import trees
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from image_peers import call
from oci_layout import directory, member, write_layout

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
IMAGES = ("tree/test:1", "tree/test:2")


def task(store, name, path, *, check=False, **options):
    """(actions, warnings) of a task that wants the files of *name* at *path*."""
    archive = {"path": str(path), "format": "rootfs-dir"}
    made = plan(ImageRequest(name, archive=archive, platform="linux/amd64", **options), store)
    try:
        if not check:
            apply(made, store)
    finally:
        made.close()
    return [action.verb for action in made.actions], made.warnings


def brought(store, tmp_path, layers, name=IMAGES[0]):
    layout = tmp_path / f"layout-{name[-1]}"
    write_layout(layout, layers)
    made = plan(ImageRequest(name, platform="linux/amd64", source={"path": str(layout)}), store)
    try:
        return apply(made, store)
    finally:
        made.close()


def image_of(number):
    """Layers of one of two small images, which differ in what they have and in what is deleted."""
    base = [directory("d"), directory("d/e"), member("d/e/old", content=b"old"), member("same", content=b"s" * 5000)]
    top = [member("d/e/.wh.old"), member(f"d/{number}", content=number.encode()), member("link", b"1", linkname="same")]
    return [base, [*top, directory("d", mode=0o700 + int(number))]]


class Two:
    """A place outside the state directory, and the trees that belong there by either of two images."""

    def __init__(self, store, tmp_path):
        self.place = tmp_path / "place"
        self.place.mkdir()
        self.path = self.place / "tree"
        self.expected = []
        for name in IMAGES:
            brought(store, tmp_path, image_of(name[-1]), name)
            assert task(store, name, tmp_path / "expected") == (["wrote archive"], [])
            self.expected.append(tree_at(tmp_path / "expected"))
        shutil.rmtree(tmp_path / "expected")
        assert self.expected[0][b"."].mtime == 0  # no layer says when the root directory was changed
        assert self.expected[0].keys() ^ self.expected[1].keys() == {b"d/1", b"d/2"}


def tree_at(path):
    """But for blocks, which another file system counts otherwise."""
    return {name: entry._replace(blocks=0) for name, entry in trees.read_tree(str(path)).items()}


@contextmanager
def mounted(*words):
    call("mount", *map(str, words))
    try:
        yield
    finally:
        call("umount", str(words[-1]))


def aoci(*words, **options):
    return subprocess.Popen(
        ["/usr/bin/python3", "-I", AOCI, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options,
    )  # fmt: skip


def saves(name, path):
    return aoci("save", "--format", "rootfs-dir", "-o", path, name)


def ends_well(process):
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out, said) == (0, "", "")
