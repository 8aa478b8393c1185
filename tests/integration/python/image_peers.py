# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The field's own tools, and how the trees that they make of an image are compared with ours."""

from __future__ import annotations

import os
import shutil
import subprocess

import tempdirs
import trees


def call(*words, **options):
    done = subprocess.run(words, capture_output=True, timeout=120, check=False, **options)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.decode().strip()


class Peers:
    """buildah and podman with a storage of their own, and a place for files."""

    def __init__(self):
        self.base = base = tempdirs.make("aoci-arc-", "/tmp")  # podman wants short names
        storage = ["--root", f"{base}/root", "--runroot", f"{base}/run", "--storage-driver", "overlay"]
        self._buildah = ["buildah", *storage]
        self._podman = ["podman", *storage, "--tmpdir", f"{base}/tmp", "--runtime", "runc", "--events-backend", "none"]

    def path(self, name):
        return os.path.join(self.base, name)

    def buildah(self, *words):
        return call(*self._buildah, *words)

    def podman(self, *words):
        return call(*self._podman, *words)

    def podman_tree(self, name):
        try:
            return trees.read_tree(self.podman("image", "mount", name))
        finally:
            self.podman("image", "umount", name)

    def umoci_tree(self, image):
        bundle = self.path("bundle")
        try:
            call("umoci", "unpack", "--image", image, bundle)
            return trees.read_tree(os.path.join(bundle, "rootfs"))
        finally:
            shutil.rmtree(bundle, ignore_errors=True)

    def close(self):
        with open("/proc/self/mounts", encoding="utf-8") as file:
            for mount in reversed([line.split()[1] for line in file if self.base in line]):
                subprocess.run(["umount", mount], check=False)
        shutil.rmtree(self.base)


def view(store, image, tmp_path):
    """The tree that a container of *image* sees."""
    mount, empty = tmp_path / "view", tmp_path / "empty"
    for path in (mount, empty):
        path.mkdir(exist_ok=True)
    lowers = [*reversed(store.layer_paths(image)), str(empty)]
    call("mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={':'.join(lowers)}", str(mount))
    try:
        return trees.read_tree(str(mount))
    finally:
        call("umount", str(mount))


def without_root(tree):
    """The root directory itself has no entry in buildah's layers: each tool gives it what it likes."""
    return {path: entry for path, entry in tree.items() if path != b"."}


def same(ours, theirs):
    return trees.differences(without_root(ours), without_root(theirs)) + trees.has_less_holes(ours, theirs)
