# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random stacks of layers: what overlayfs shows of our unpacked layers is what the model of the image-spec says, and
what we make of them in one directory.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import os
import shutil
import struct
import subprocess
import sys
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.flatten import flatten
from ansible_collections.agentless.oci.plugins.module_utils.image.layers import LayerStore, chain_ids
from ansible_collections.agentless.oci.plugins.module_utils.image.rootdir import NeedsLower
from ansible_collections.agentless.oci.plugins.module_utils.image.unpack import Layer
from ansible_collections.agentless.oci.plugins.module_utils.kernel.mounts import mount_overlay
from ansible_collections.agentless.oci.plugins.module_utils.kernel.syscalls import umount2
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import changesets
from changesets import Entry

EXAMPLES = int(os.environ.get("AGENTLESS_OCI_LAYER_STACKS", "1000"))

# acl(5) as the kernel stores it: version 2, then tag, permissions, id: user::rwx group::r-x other::---
DEFAULT_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, 0xFFFFFFFF) for tag, permissions in ((1, 7), (4, 5), (32, 0))
)
# capabilities(7): version 2, effective, cap_net_bind_service
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)

NAMES = ("a", "b", "l" * 130, "caf\udce9")  # the third is too long for a header by itself
KINDS = ("dir", "file", "symlink", "fifo", "device", "hardlink", "hardlink", "whiteout", "whiteout", "opaque", "dir")
MODES = {"dir": (0o755, 0o700, 0o2775, 0o1777), "file": (0o644, 0o755, 0, 0o4755, 0o2755)}
TARGETS = ("a", "/b", f"b/{NAMES[2]}", f"../{NAMES[2]}", "./a", "/", "nowhere")
OWNERS = ((0, 0), (0, 0), (5, 0), (0, 7), (5, 7))
XATTRS = {
    "dir": ({}, {}, {"user.a": b"1"}, {"trusted.b": b"2", "system.posix_acl_default": DEFAULT_ACL}),
    "file": ({}, {}, {"user.a": b"1"}, {"security.capability": CAPABILITY}),
}

number = st.integers(0, 999)
choices = st.tuples(st.sampled_from(KINDS), number, number, number)
stack_choices = st.lists(st.lists(choices, min_size=1, max_size=9), min_size=1, max_size=4)


def entry_of(kind, where, what, how, tree):
    """The entry that numbers stand for: most are anew, over, below or against something that *tree* has."""
    flat = tree.flat()
    known = sorted(flat)
    directories = [(), *(path for path in known if flat[path][0][0] == "dir")]
    files = [path for path in known if flat[path][0][0] != "dir"] or known or [("a",)]
    where, form = divmod(where, 4)
    if form == 0 and known:
        path = known[where % len(known)]
    elif form == 3:
        path = tuple(NAMES[where // 4**depth % 4] for depth in range(1 + where % 3))
    else:
        path = (*directories[where // 4 % len(directories)], NAMES[where % 4])
    uid, gid = OWNERS[how % 5]
    common = {"uid": uid, "gid": gid, "mtime": (0, 1_000_000_000, 1_600_000_000)[how // 5 % 3]}
    if kind in MODES:
        common["mode"] = MODES[kind][what % len(MODES[kind])]
        common["xattrs"] = XATTRS[kind][how // 15 % 4]
    if kind == "dir" and what == 999:
        path = ()
    if kind == "file":
        return Entry(kind, path, b"x" * (what % 3), **common)
    if kind == "symlink":
        return Entry(kind, path, TARGETS[what % len(TARGETS)], **common)
    if kind == "device":
        return Entry(kind, path, (1, 3), 0o666, **common)
    if kind == "hardlink":
        return Entry(kind, path, files[what % len(files)])
    if kind == "opaque":
        return Entry(kind, directories[where % len(directories)] if how % 10 else path)
    return Entry(kind, path, **common)


def stack_of(chosen):
    """Layers, base first. One that has to be refused comes last, and not often."""
    tree, layers = changesets.Tree(), []
    for index, layer in enumerate(chosen):
        layers.append([])
        for kind, where, what, how in layer:
            entry = entry_of(kind, where, what, how, tree)
            after = copy.deepcopy(tree)
            try:
                after.apply([entry], index)
            except changesets.Refused:
                if how % 10:
                    continue
                layers[-1].append(entry)
                return layers
            tree = after
            layers[-1].append(entry)
    return layers


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tmpfs: overlayfs takes it, and writing is free."""
    path = tmp_path_factory.mktemp("stacks")
    subprocess.run(["mount", "-t", "tmpfs", "stacks", str(path)], check=True)
    before = os.umask(0)
    yield str(path)
    os.umask(before)
    subprocess.run(["umount", str(path)], check=True)


class Stack:
    """Layers unpacked one by one, as a pull does it: alone where that is possible, by a guess where that will do."""

    def __init__(self, place):
        self.place = place
        self.store = LayerStore(StateDir(os.path.join(place, "state")))
        self.diff_ids = []
        self.layers = []

    def add(self, data):
        """Unpack one more layer. Raises ImageError."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blob = os.path.join(self.place, f"blob{len(self.layers)}")
        with open(blob, "wb") as file:
            file.write(data)
        layer = Layer(blob, digest, len(data), "tar", digest)
        parent = chain_ids([*self.diff_ids, digest])[-1]
        try:
            self.store.ensure(layer, parent, None if self.diff_ids else [], guess=True)
        except NeedsLower as needed:
            lowers = self.store.paths(self.diff_ids)
            if not needed.guessed or not self.store.mend(layer, parent, lowers, needed.guessed):
                self.store.ensure(layer, parent, lowers)
        self.diff_ids.append(digest)
        self.layers.append(layer)

    def shown(self):
        """What a container of these layers would see."""
        target, upper, work = (os.path.join(self.place, name) for name in ("merged", "upper", "work"))
        for path in (target, upper, work):
            os.mkdir(path, 0o755)
        mount_overlay(target, self.store.paths(self.diff_ids), upper, work)
        try:
            return changesets.on_disk(target)
        finally:
            umount2(target, 0)

    def together(self):
        """What a plain directory of them all has."""
        target = os.path.join(self.place, "flat")
        os.mkdir(target)
        flatten(self.layers, target, target)
        return changesets.on_disk(target)


def compare(place, stack, prefix, tar_format):
    for name in os.listdir(place):
        path = os.path.join(place, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    tree = changesets.Tree()
    ours = Stack(place)
    for number, layer in enumerate(stack):
        try:
            tree.apply(layer, number)
        except changesets.Refused:
            with pytest.raises(ImageError):
                ours.add(changesets.as_tar(layer, prefix, tar_format))
            return
        ours.add(changesets.as_tar(layer, prefix, tar_format))
    assert ours.shown() == tree.flat()
    assert ours.together() == tree.flat(linked=True)


@given(
    chosen=stack_choices,
    prefix=st.sampled_from(["", "./", "/"]),
    tar_format=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_stacks(place, chosen, prefix, tar_format):
    stack = stack_of(chosen)
    if tar_format == tarfile.GNU_FORMAT:  # which has no place for extended attributes
        for entry in itertools.chain(*stack):
            entry.xattrs = {}
    note(stack)
    compare(place, stack, prefix, tar_format)
