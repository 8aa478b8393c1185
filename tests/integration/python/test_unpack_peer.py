# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same image unpacked by umoci, by podman and by us: type, mode, owner, time, attributes, device numbers, content
and links of every entry.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tarfile

import pytest
import trees
from ansible_collections.agentless.oci.plugins.module_utils.image import lower
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from faulty_proxy import Fault
from image_layers import KEPT, LAYERS, LIB
from image_peers import Peers, call, view
from oci_layout import directory, member, write_layout

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("podman", "skopeo", "umoci"))), reason="needs podman, skopeo and umoci"
)

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
# What only umoci does as well as we: deletions that delete nothing (podman lists them, as names that nobody can open),
# deletions beside an entry of their own layer for the same name and links to a layer below (podman fails), and layers
# without entries for directories that a layer below has (podman makes them anew, of root, 0755).
TOO_MUCH = ("anew/.wh.nothing", "anew/deeper/.wh.nothing", "kept/.wh.before", "kept/.wh.after", "bin/link-below")
TOO_LITTLE = [directory("usr"), LIB, KEPT]
LOOSE = {
    "touched": (b"bin", b"kept", b"made", b"made/for"),
    "linked": (b"bin/su", b"bin/sudo", b"bin/link-below"),
}


@pytest.fixture(scope="module")
def peers():
    made = Peers()
    yield made
    made.close()


@pytest.fixture
def store(state_dir):
    return Store(StateDir(state_dir))


def read(store, layout, name="peer/test:1"):
    return apply(plan(ImageRequest(name, platform="linux/amd64", source={"path": str(layout)}), store), store)


def compared(tree, *, touched=(), linked=()):
    """*tree* without what is nobody's business: the times of directories that are only *touched*, by an upper layer or
    for want of an entry; and that files which both an upper and a lower layer have are still *linked*.
    """
    found = {}
    for path, entry in tree.items():
        if path == b"." or path in touched:
            entry = entry._replace(mtime=0)
        if path in linked:
            entry = entry._replace(links=())
        found[path] = entry
    return found


def from_1970_on(tree):
    """*tree* as podman knows times."""
    return {path: entry._replace(mtime=max(0, entry.mtime)) for path, entry in tree.items()}


def podman_tree(peers, *source):
    """What podman makes of an image that it pulls; but for the root, whose mode is 0555 whatever the image says."""
    peers.podman("pull", "-q", *source)
    [identity] = peers.podman("images", "-q").split()
    try:
        found = peers.podman_tree(identity)
    finally:
        peers.podman("rmi", identity)
    del found[b"."]
    return found


def test_same_tree_as_umoci(tmp_path, peers, registry, store):
    """From a registry; umoci removes what a layer deletes, wherever that is."""
    write_layout(tmp_path / "layout", LAYERS)
    name = f"{registry.address}/peer/test:1"
    source, target = f"oci:{tmp_path}/layout:test", f"docker://{name}"
    call("skopeo", "copy", "-q", "--dest-tls-verify=false", source, target)
    image = apply(plan(ImageRequest(name, platform="linux/amd64"), store), store)
    layers = store.layer_paths(image)
    assert any("-" in os.path.basename(path) for path in layers), "the second layer depends on the first"
    assert lower.is_whiteout(os.lstat(os.path.join(layers[-1], "gone")))
    ours = view(store, image, tmp_path)
    theirs = peers.umoci_tree(f"{tmp_path}/layout:test")
    assert trees.differences(compared(ours, **LOOSE), compared(theirs, **LOOSE)) == []
    # umoci links to what lies below in place; overlayfs cannot link across layers, so the copy's links are its own.
    assert ours[b"bin/su"].links == (b"bin/link-below", b"bin/su")
    assert dict(ours[b"usr/lib/libx"].xattrs)["security.capability"] == trees.CAPABILITY


def test_same_tree_as_podman(tmp_path, peers, store):
    base, top = LAYERS
    write_layout(tmp_path / "layout", [base, TOO_LITTLE + [entry for entry in top if entry[0].name not in TOO_MUCH]])
    theirs = podman_tree(peers, f"oci:{tmp_path}/layout:test")
    ours = view(store, read(store, tmp_path / "layout"), tmp_path)
    del ours[b"."]
    assert trees.differences(compared(from_1970_on(ours), **LOOSE), compared(theirs, **LOOSE)) == []


def test_what_gnu_tar_has_its_own_ways_for(tmp_path, peers, store):
    """Names and targets that are too long, numbers that are too large or negative."""
    name = "d" * 90 + "/" + "e" * 120
    far = {"uid": 3_000_000, "gid": 2_500_000, "mtime": 2**33}
    layers = [
        [directory("d" * 90), directory(name), member(f"{name}/f", content=b"f")],
        [
            directory("d" * 90),
            directory(name, mode=0o2750, mtime=-86_400),
            member(f"{name}/.wh.f"),
            member(f"{name}/g", content=b"g", **far),
            member(f"{name}/h", tarfile.LNKTYPE, linkname=f"{name}/g", **far),
            member("s", tarfile.SYMTYPE, linkname="../" * 60 + "etc"),
            member("caf\udce9" * 60, content=b"no UTF-8 and long"),
            member("disk", tarfile.BLKTYPE, devmajor=259, devminor=70_000),
        ],
    ]
    write_layout(tmp_path / "layout", layers, tar_format=tarfile.GNU_FORMAT)
    ours = view(store, read(store, tmp_path / "layout"), tmp_path)
    assert ours[f"{name}/g".encode()].uid == 3_000_000
    assert ours[name.encode()].mtime == -86_400 * 10**9
    assert trees.differences(compared(ours), compared(peers.umoci_tree(f"{tmp_path}/layout:test"))) == []
    theirs = podman_tree(peers, f"oci:{tmp_path}/layout:test")
    del ours[b"."]
    assert trees.differences(compared(from_1970_on(ours)), compared(theirs)) == []


def test_one_layer_in_several_stacks(tmp_path, peers, store):
    """A layer is unpacked once; what it deletes is there in one stack, its directory is in another, and not even that
    in a third, where a file or a deletion is in its place or in the fourth.
    """
    top = [directory("d"), member("d/.wh.a"), member("d/b", content=b"b"), directory("d/e"), member("d/e/.wh.x")]
    bases = [
        [[directory("d"), member("d/a"), directory("d/e"), member("d/e/x"), member("d/e/y")]],
        [[directory("d"), member("d/c")]],
        [[member("other")]],
        [[member("d", content=b"a file")]],
        [[directory("d"), member("d/a"), directory("d/e"), member("d/e/x")], [member(".wh.d")]],
        [[directory("d"), member("d/a"), directory("d/e")], [directory("d"), member("d/.wh..wh..opq")]],
    ]
    stacks = []
    for number, base in enumerate(bases):
        layout = tmp_path / f"layout{number}"
        write_layout(layout, [*base, top])
        image = read(store, layout, f"peer/test:{number}")
        ours = view(store, image, tmp_path)
        assert trees.differences(compared(ours), compared(peers.umoci_tree(f"{layout}:test"))) == []
        stacks.append(store.layer_paths(image)[-2:])
    assert all(stack == stacks[0] for stack in stacks)
    for number in range(len(bases)):
        assert all(map(os.path.isdir, stacks[0]))
        store.remove(f"peer/test:{number}")
    assert os.listdir(os.path.join(store.state.layers, "sha256")) == []


def store_of(store):
    """The environment in which aoci uses *store*."""
    return {**os.environ, "AGENTLESS_OCI_ROOT": store.state.root}


def tar_tree(archive, place):
    """What GNU tar unpacks of *archive* into the new directory *place*."""
    place.mkdir()
    flags = ["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-p", "--delay-directory-restore"]
    call("tar", "-x", *flags, "-C", str(place), "-f", str(archive))
    return trees.read_tree(str(place))


@pytest.fixture
def root(tmp_path):
    """A root file system with one of everything."""
    path = tmp_path / "root"
    path.mkdir(mode=0o755)
    trees.build_lower(str(path))
    return str(path)


def test_a_root_file_system_comes_out_as_it_went_in(tmp_path, peers, store, root):
    """Imported from a directory: here, and where others read our store."""
    original = trees.read_tree(root)
    request = ImageRequest("made/here:1", source={"rootfs": root, "config": {"command": ["/bin/sh"]}})
    image = apply(plan(request, store), store)
    assert trees.differences(view(store, image, tmp_path), original) == []
    layout = f"{store.state.images}:docker.io/made/here:1"
    assert json.loads(call("skopeo", "inspect", f"oci:{layout}"))["Digest"] == image.digest
    assert trees.differences(peers.umoci_tree(layout), original) == []
    theirs = podman_tree(peers, f"oci:{layout}")
    del original[b"."]
    assert trees.differences(theirs, original) == []


def test_files_come_out_as_they_went_in(tmp_path, store, root):
    """As a tarball: GNU tar unpacks it to the same tree, imported it is the same layer, twice it has the same bytes."""
    target = tmp_path / "root.tar"
    wish = {"path": str(target), "format": "rootfs"}
    request = ImageRequest("made/here:1", source={"rootfs": root}, archive=wish)
    image = apply(plan(request, store), store)
    assert trees.differences(tar_tree(target, tmp_path / "out"), trees.read_tree(root)) == []
    again = apply(plan(ImageRequest("made/again:1", source={"rootfs": str(target)}), store), store)
    assert again.layers == image.layers
    assert [str(action) for action in plan(request, store).actions] == []
    before = target.read_bytes()
    target.write_bytes(before[:-1] + b"x")
    assert [str(action) for action in plan(request, store).actions] == [f"wrote archive {target}"]
    apply(plan(request, store), store)
    assert target.read_bytes() == before


def test_what_layers_show_together_is_exported(tmp_path, store, peers):
    """Deletions, opaque directories and all: as umoci unpacks the image."""
    base = [directory("d"), member("d/a"), member("d/b"), directory("e"), member("e/x")]
    top = [member("d/.wh.a"), directory("e"), member("e/.wh..wh..opq"), member("e/y", mode=0o4755)]
    write_layout(tmp_path / "layout", [base, top])
    image = read(store, tmp_path / "layout")
    target = tmp_path / "root.tar"
    command = [sys.executable, AOCI, "save", "--format", "rootfs", image.id]
    call(*command, "-o", str(target), env=store_of(store))
    theirs = peers.umoci_tree(f"{tmp_path / 'layout'}:test")
    ours = tar_tree(target, tmp_path / "out")
    del ours[b"."], theirs[b"."]  # no layer says anything of it
    assert trees.differences(ours, theirs) == []
    done = subprocess.run(command, env=store_of(store), stdout=subprocess.PIPE, check=True)
    assert done.stdout == target.read_bytes()


def test_a_layer_without_its_parents_does_not_wait_for_those_below(tmp_path, peers, raw, registry, proxy, store):
    """It is unpacked while the base still comes in, and has what that says of them in the end."""
    base = [LIB, KEPT, member("large", content=random.Random(6).randbytes(3_000_000))]
    tops = [[member(f"usr/lib/{number}"), member("kept/deeper/x"), member("own/y", uid=3)] for number in range(2)]
    raw.image("peer/parents", [base, *tops], "1", where={"os": "linux", "architecture": "amd64"})
    large = max(raw.document("peer/parents", "1")["layers"], key=lambda layer: layer["size"])["digest"]
    proxy.rule = lambda seen: Fault(rate=3_000_000) if large in seen.path and seen.method == "GET" else None
    events, name = [], f"{proxy.address}/peer/parents:1"
    made = plan(ImageRequest(name, platform="linux/amd64"), store)
    try:
        image = apply(made, store, lambda digest, state, _done, _total: events.append((digest == large, state)))
    finally:
        made.close()
    came = events.index((True, "fetched"))
    assert events[:came].count((False, "unpacking")) == 2
    assert events[came:].count((False, "unpacking")) == 2  # no more than what was guessed
    assert events[came:].count((False, "unpacked")) == 2
    layout = f"{tmp_path}/copied:x"
    source = f"docker://{registry.address}/peer/parents:1"
    call("skopeo", "copy", "-q", "--src-tls-verify=false", source, f"oci:{layout}")
    ours, theirs = view(store, image, tmp_path), peers.umoci_tree(layout)
    touched = (b"kept", b"usr", b"usr/lib", b"kept/deeper", b"own")
    assert trees.differences(compared(ours, touched=touched), compared(theirs, touched=touched)) == []
    assert ours[b"usr/lib"].mtime == 1_550_000_000 * 10**9


def test_the_root_directory_is_as_the_last_layer_that_has_it_says(tmp_path, peers, host):
    """To a container, in a tarball and in a directory; umoci agrees. Where no layer says when it was changed: 1970."""
    with open(f"{host.rootfs}/bin/busybox", "rb") as file:
        program = [directory("bin"), member("bin/busybox", content=file.read(), mode=0o755)]
    said = directory("./", mode=0o1751, uid=3, gid=4, mtime=1_500_000_000, pax_headers={"SCHILY.xattr.trusted.a": "b"})
    store = Store(host.state)
    for number, base in enumerate(([said], [])):
        layout, tree = tmp_path / f"layout{number}", tmp_path / f"tree{number}"
        write_layout(layout, [[*base, *program], [member("upper")]])
        name = f"localhost/root:{number}"
        read(store, layout, name)
        archive = {"path": str(tree), "format": "rootfs-dir"}
        apply(plan(ImageRequest(name, archive=archive), store), store)
        ours = trees.read_tree(str(tree))
        archive = {"path": str(tmp_path / "root.tar"), "format": "rootfs"}
        apply(plan(ImageRequest(name, archive=archive), store), store)
        assert trees.differences(tar_tree(tmp_path / "root.tar", tmp_path / f"out{number}"), ours) == []
        command = ["/bin/busybox", "stat", "-c", "%a %u %g", "/"]
        printed = host.task(name="once", image=name, command=command, detach=False, auto_remove=True)["stdout"]
        root = ours[b"."]
        assert printed == f"{root.mode:o} {root.uid} {root.gid}\n"
        theirs = peers.umoci_tree(f"{layout}:test")[b"."]
        if base:
            assert theirs._replace(mtime=0) == root._replace(mtime=0, blocks=theirs.blocks)
            assert (root.mode, root.uid, root.mtime) == (0o1751, 3, 1_500_000_000 * 10**9)
            assert root.xattrs == (("trusted.a", b"b"),)
        else:
            assert (root.mode, root.uid, root.mtime, root.xattrs) == (0o755, 0, 0, ())


def test_what_we_push_others_pull(tmp_path, peers, registry, store, root):
    original = trees.read_tree(root)
    name = f"{registry.address}/made/pushed:1"
    image = apply(plan(ImageRequest(name, source={"rootfs": root}, push=True), store), store)
    told = call("skopeo", "inspect", "--tls-verify=false", f"docker://{name}")
    assert json.loads(told)["Digest"] == image.digest
    layout = f"{tmp_path}/copied:x"
    call("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"oci:{layout}")
    assert trees.differences(peers.umoci_tree(layout), original) == []
    theirs = podman_tree(peers, "--tls-verify=false", name)
    del original[b"."]
    assert trees.differences(theirs, original) == []


@pytest.mark.parametrize("userns", ["host", "private"])
def test_a_container_lists_no_name_that_it_cannot_open(tmp_path, host, userns):
    with open(f"{host.rootfs}/bin/busybox", "rb") as file:
        base = [directory("bin"), member("bin/busybox", content=file.read(), mode=0o755)]
    top = [directory("anew"), member("anew/.wh.nothing"), member("anew/there", uid=7)]
    write_layout(tmp_path / "layout", [base, top])
    read(Store(host.state), tmp_path / "layout", "localhost/peer:1")
    listed = host.task(
        name="once",
        image="localhost/peer:1",
        command=["/bin/busybox", "ls", "-ln", "/anew"],
        userns_mode=userns,
        detach=False,
        auto_remove=True,
    )
    assert (listed["rc"], listed["stderr"]) == (0, "")
    [(_mode, _links, owner, *_more, name)] = [line.split() for line in listed["stdout"].splitlines()[1:]]
    assert (owner, name) == ("7", "there")
