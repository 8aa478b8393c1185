# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same image unpacked by umoci and by us: type, mode, owner, time, attributes and links of every entry."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import lower
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from oci_layout import directory, member, write_layout

needs_umoci = pytest.mark.skipif(not shutil.which("umoci"), reason="needs umoci")
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")


LAYERS = [
    [
        directory("./", mode=0o755),
        directory("bin", mode=0o1777, mtime=1_500_000_000),
        member("bin/su", content=b"su", mode=0o4711, uid=1, gid=2, pax_headers={"SCHILY.xattr.user.a": "b"}),
        member("bin/sudo", tarfile.LNKTYPE, linkname="bin/su"),
        member("sh", tarfile.SYMTYPE, linkname="bin/su", uid=7),
        directory("dev"),
        member("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("dev/disk", tarfile.BLKTYPE, devmajor=8, devminor=1, mode=0o600),
        member("pipe", tarfile.FIFOTYPE, mode=0o640, gid=9),
        directory("gone"),
        member("gone/below"),
        directory("emptied", mode=0o700),
        member("emptied/old"),
        directory("usr"),
        directory("usr/lib", mode=0o711, uid=3, mtime=1_550_000_000),
        member("lib", tarfile.SYMTYPE, linkname="usr/lib"),
        member("replaced", content=b"file"),
        directory("swapped"),
        member("swapped/x"),
        member("a" * 90 + "b" * 60, content=b"long name"),
        member("caf\udce9", content=b"not utf-8"),
    ],
    [
        member(".wh.gone"),
        directory("emptied", mode=0o750),
        member("emptied/.wh..wh..opq"),
        member("emptied/new", content=b"new"),
        member("usr/lib/libx", content=b"x" * 5000),
        directory("replaced", mode=0o500),
        member("replaced/in"),
        member("swapped", content=b"now a file"),
        member("bin/link-below", tarfile.LNKTYPE, linkname="bin/su"),
    ],
]


def listing(root):
    """{path: everything that must be equal} of a tree."""
    root = os.fsencode(root)
    found = {}
    inodes = {}
    for parent, directories, files in os.walk(root):
        for name in [b"", *directories, *files] if parent == root else [*directories, *files]:
            path = os.path.join(parent, name) if name else root
            status = os.lstat(path)
            shown = os.path.relpath(path, root)
            kind = stat.S_IFMT(status.st_mode)
            content = b""
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).digest()
            elif kind == stat.S_IFLNK:
                content = os.readlink(path)
            attributes = {
                attribute: os.getxattr(path, attribute, follow_symlinks=False)
                for attribute in os.listxattr(path, follow_symlinks=False)
                if not attribute.startswith(("trusted.overlay.", "user.overlay.", "user.rootlesscontainers"))
            }
            if kind != stat.S_IFDIR:
                inodes.setdefault(status.st_ino, set()).add(shown)
            found[shown] = [
                stat.filemode(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
                status.st_rdev,
                content,
                attributes,
                status.st_ino,
            ]
    for entry in found.values():
        entry[-1] = sorted(inodes.get(entry[-1], ()))  # instead of the number: who shares it
    return found


class Overlay:
    """The image's layers mounted as a container would see them."""

    def __init__(self, place, layers):
        self.target = str(place / "merged")
        os.mkdir(self.target)
        lowers = ":".join(reversed(layers))
        empty = str(place / "empty")
        os.mkdir(empty)
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lowers}:{empty}", self.target], check=True
        )

    def __enter__(self):
        return self.target

    def __exit__(self, *_exception):
        subprocess.run(["umount", self.target], check=True)


@needs_umoci
@needs_skopeo
def test_same_tree_as_umoci(tmp_path, registry, state_dir):
    write_layout(tmp_path / "layout", LAYERS)
    subprocess.run(
        ["umoci", "unpack", "--image", f"{tmp_path}/layout:test", f"{tmp_path}/bundle"], check=True, capture_output=True
    )
    name = f"{registry.address}/peer/test:1"
    source, target = f"oci:{tmp_path}/layout:test", f"docker://{name}"
    subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", source, target], check=True)
    store = Store(StateDir(state_dir))
    image = apply(plan(ImageRequest(name, platform="linux/amd64"), store), store)
    layers = store.layer_paths(image)
    assert any("-" in os.path.basename(path) for path in layers), "the second layer depends on the first"
    assert lower.is_whiteout(os.lstat(os.path.join(layers[1], "gone")))
    with Overlay(tmp_path, layers) as merged:
        ours = listing(merged)
    theirs = listing(tmp_path / "bundle/rootfs")
    assert sorted(ours) == sorted(theirs)
    # umoci links to what lies below in place; overlayfs cannot link across layers, so the copy's links are its own.
    links = {b"bin/su", b"bin/sudo", b"bin/link-below"}
    for path, entry in theirs.items():
        compared = slice(0, -1 if path in links else None)
        # The times of a directory that a lower layer made and an upper one only touched are nobody's business.
        if path in (b".", b"bin"):
            entry[3] = ours[path][3] = 0
        assert ours[path][compared] == entry[compared], path
    assert ours[b"bin/su"][-1] == [b"bin/link-below", b"bin/su"]


@needs_skopeo
def test_peers_read_what_we_store(tmp_path, rootfs, state_dir):
    store = Store(StateDir(state_dir))
    request = ImageRequest("made/here:1", source={"rootfs": rootfs, "config": {"command": ["/bin/sh"]}})
    image = apply(plan(request, store), store)
    layout = f"{store.state.images}:docker.io/made/here:1"
    told = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{layout}"], check=True, stdout=subprocess.PIPE).stdout)
    assert told["Digest"] == image.digest
    copied = tmp_path / "copied"
    subprocess.run(["skopeo", "copy", "-q", f"oci:{layout}", f"oci:{copied}:x"], check=True)
    if shutil.which("umoci"):
        command = ["umoci", "unpack", "--image", f"{copied}:x", f"{tmp_path}/bundle"]
        subprocess.run(command, check=True, capture_output=True)
        theirs = listing(tmp_path / "bundle/rootfs")
        ours = listing(store.layer_paths(image)[0])
        assert ours == theirs
