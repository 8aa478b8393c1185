# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd forms of layers: sparse files in all of GNU tar's ways, and eStargz; against GNU tar, umoci and podman."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil

import pytest
import trees
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from image_peers import Peers, call, same, view
from oci_layout import directory, member, write_layout

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("podman", "umoci"))), reason="needs podman and umoci")


@pytest.fixture(scope="module")
def peers():
    made = Peers()
    yield made
    made.close()


@pytest.fixture
def store(state_dir):
    return Store(StateDir(state_dir))


def read(store, path):
    return apply(plan(ImageRequest("forms/test:1", platform="linux/amd64", source={"path": str(path)}), store), store)


@pytest.mark.parametrize("form", ["gnu", "pax", "oldgnu", "pax-0.0", "pax-0.1"])
def test_a_sparse_tarball_by_gnu_tar(peers, store, tmp_path, form):
    """Equal to what GNU tar itself unpacks, and podman where it can: the holes are there."""
    root, tarball = tmp_path / "root", str(tmp_path / "root.tar")
    root.mkdir()
    trees.build_lower(str(root))
    name, _dash, version = form.partition("-")
    options = ["--format", name, "--sparse", "--xattrs", "--xattrs-include=*"]
    if version:
        options.append(f"--sparse-version={version}")
    if name != "pax":  # GNU's own formats have no place for extended attributes
        options = options[:3]
    call("tar", "-C", str(root), *options, "-cf", tarball, ".")
    extracted = tmp_path / "extracted"
    extracted.mkdir()
    call("tar", "-C", str(extracted), "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf", tarball)
    original = trees.read_tree(str(extracted))
    image = read(store, tarball)
    ours = view(store, image, tmp_path)
    assert trees.has_less_holes(ours, original) == []
    assert ours[b"var/sparse"].blocks < 100
    assert trees.differences(whole_seconds(ours), whole_seconds(original)) == []
    if name == "pax":  # podman knows no other sparse files
        peers.podman("import", "-q", tarball, "imported")
        try:
            assert same(ours, peers.podman_tree("imported")) == []
        finally:
            peers.podman("rmi", "imported")


def whole_seconds(tree):
    """*tree* without blocks, and without the times' fractions, which an importer of tarballs may keep or not."""
    return {path: entry._replace(mtime=entry.mtime // 10**9, blocks=0) for path, entry in tree.items()}


def test_estargz_is_an_ordinary_layer(peers, store, tmp_path):
    """Each member a gzip member of its own, the table of contents the last, and a footer with an extra field
    (stargz-snapshotter, docs/estargz.md): to those who do not look for it, files like others.
    """
    layout = tmp_path / "layout"
    members = [
        directory("etc"),
        member("etc/a", content=b"a" * 5000, uid=5),
        member(".prefetch.landmark", content=b"\x0f"),
        member("etc/b", content=b"b", mode=0o4755),
        member("stargz.index.json", content=json.dumps({"version": 1, "entries": []}).encode(), mode=0o444),
    ]
    write_layout(layout, [members])
    index = json.loads((layout / "index.json").read_text())
    blobs = layout / "blobs/sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    plain = gzip.decompress((blobs / manifest["layers"][0]["digest"][7:]).read_bytes())
    cuts = [0]
    for info, _content in members[:-1]:
        cuts.append(cuts[-1] + 512 + info.size + -info.size % 512)
    pieces = [gzip.compress(plain[start:end]) for start, end in zip(cuts, [*cuts[1:], len(plain)])]
    extra = b"SG" + (22).to_bytes(2, "little") + b"%016xSTARGZ" % sum(map(len, pieces[:-1]))
    footer = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + len(extra).to_bytes(2, "little") + extra
    footer += b"\x01\x00\x00\xff\xff" + bytes(8)
    blob = b"".join([*pieces, footer])
    assert gzip.decompress(blob) == plain
    digest = hashlib.sha256(blob).hexdigest()
    (blobs / digest).write_bytes(blob)
    manifest["layers"][0].update(digest=f"sha256:{digest}", size=len(blob))
    raw = json.dumps(manifest).encode()
    (blobs / hashlib.sha256(raw).hexdigest()).write_bytes(raw)
    index["manifests"][0].update(digest=f"sha256:{hashlib.sha256(raw).hexdigest()}", size=len(raw))
    (layout / "index.json").write_text(json.dumps(index))
    image = read(store, layout)
    ours = view(store, image, tmp_path)
    assert {name for name in ours if b"/" not in name} == {b".", b"etc", b".prefetch.landmark", b"stargz.index.json"}
    assert same(ours, peers.umoci_tree(f"{layout}:test")) == []
    name = peers.podman("pull", "-q", f"oci:{layout}:test")
    try:
        assert same(ours, peers.podman_tree(name)) == []
    finally:
        peers.podman("rmi", name)
