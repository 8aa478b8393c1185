# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacked layers and their underlays: whatever a run is killed between, no layer is taken for whole that is not."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import layers
from ansible_collections.agentless.oci.plugins.module_utils.image.layers import LayerStore
from ansible_collections.agentless.oci.plugins.module_utils.image.rootdir import NeedsLower
from ansible_collections.agentless.oci.plugins.module_utils.image.unpack import Layer
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

CHECKOUT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 5))
sys.path.insert(0, os.path.join(CHECKOUT, "hacking"))

from oci_layout import directory, member  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes device nodes and sets owners")


class Killed(BaseException):
    pass


@pytest.fixture
def store(tmp_path):
    return LayerStore(StateDir(str(tmp_path / "state")))


def layer_of(blob, *members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
        for info, content in members:
            file.addfile(info, io.BytesIO(content))
    blob.write_bytes(buffer.getvalue())
    digest = f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}"
    return Layer(str(blob), digest, len(buffer.getvalue()), "tar", digest)


@pytest.fixture
def layer(tmp_path):
    members = [directory("d"), member("d/.wh.gone"), directory("d/e"), member("d/e/.wh.x")]
    return layer_of(tmp_path / "blob", *members)


@pytest.fixture
def killed_after(monkeypatch):
    """Die instead of a rename when so many are done; back to life with None."""

    def arm(left):
        def rename(source, target):
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            real(source, target)

        monkeypatch.setattr(layers.os, "rename", real if left is None else rename)

    real = os.rename
    yield arm
    arm(None)


def whole(store, layer):
    """Whether the layer is taken for unpacked; then it must be, with all that it needs."""
    path = store.find(layer.diff_id, "")
    if path is None:
        return False
    [underlay, top] = store.paths([layer.diff_id])
    assert (underlay, top) == (f"{path}.underlay", path)
    assert os.listdir(underlay) == ["d"]
    assert os.listdir(f"{underlay}/d") == ["e"]
    assert sorted(os.listdir(f"{top}/d")) == ["e", "gone"]
    return True


def left_over(store):
    directory = store._directory("sha256")
    return [name for name in os.listdir(directory) if name.startswith(".")] if os.path.isdir(directory) else []


def unpacked(store, layer):
    store.ensure(layer, "", None)
    assert whole(store, layer)


@pytest.mark.parametrize("renames", range(2))
def test_unpacking_that_dies(store, layer, killed_after, renames):
    killed_after(renames)
    with pytest.raises(Killed):
        store.ensure(layer, "", None)
    assert not whole(store, layer)
    killed_after(None)
    unpacked(store, layer)
    assert left_over(store) == []


@pytest.mark.parametrize("renames", range(4))
def test_replacing_that_dies(store, layer, killed_after, renames):
    unpacked(store, layer)
    killed_after(renames)
    with pytest.raises(Killed), store.unpacked_anew(layer, "", None) as (staging, path):
        store.replace(staging, path)
    killed_after(None)
    whole(store, layer)
    unpacked(store, layer)
    store.sweep()
    assert left_over(store) == []


@pytest.mark.parametrize("renames", range(2))
def test_removing_that_dies(store, layer, killed_after, renames):
    unpacked(store, layer)
    killed_after(renames)
    with pytest.raises(Killed):
        store.remove_except([])
    killed_after(None)
    whole(store, layer)
    store.remove_except([])
    assert os.listdir(store._directory("sha256")) == []


def test_what_somebody_unpacks_is_no_leftover(store, layer):
    with store.unpacked_anew(layer, "", None) as (staging, _path):
        store.sweep()
        store.remove_except([])
        assert os.path.isdir(staging)
        assert os.path.isdir(f"{staging}.underlay")


def test_a_layer_twice_in_a_stack_counts_once(store, layer):
    unpacked(store, layer)
    store.ensure(layer, layers.chain_ids([layer.diff_id] * 2)[1], None)
    assert store.paths([layer.diff_id] * 2) == store.paths([layer.diff_id])


def test_a_deletion_deeper_than_a_path_can_be(store, tmp_path):
    """From the layer's root it can; what leads there counts as well for open(2)."""
    names = ["n" * 200] * 20
    paths = ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]
    deep = layer_of(tmp_path / "blob", *map(directory, paths), member(f"{paths[-1]}/.wh.x"))
    store.ensure(deep, "", None)
    [underlay, _layer] = store.paths([deep.diff_id])
    found = [files for _root, _directories, files, _fd in os.fwalk(underlay)]
    assert found == [[]] * (1 + len(names))
    shutil.rmtree(store.state.root)


# Layers without entries for their parents.


@pytest.fixture
def base(store, tmp_path):
    """A layer that knows the parents: (itself, its directory, the chain id of what stands on it)."""
    acl = {"SCHILY.xattr.user.a": "b"}
    members = [directory("d", mode=0o2751, uid=3, gid=4, mtime=1000, pax_headers=acl), directory("d/e", mtime=2000)]
    made = layer_of(tmp_path / "base", *members, member("f"), member("to", tarfile.SYMTYPE, linkname="d"))
    return made, store.ensure(made, "", []), layers.chain_ids([made.diff_id] * 2)[1]


def guessed(store, layer, chain):
    with pytest.raises(NeedsLower) as caught:
        store.ensure(layer, chain, None, guess=True)
    return caught.value.guessed


def looks(path):
    status = os.stat(path)
    return oct(status.st_mode & 0o7777), status.st_uid, status.st_gid, status.st_mtime_ns // 10**9, os.listxattr(path)


@pytest.fixture
def parentless(tmp_path):
    return layer_of(tmp_path / "blob", member("d/e/x", uid=7), member("new/y"), member("d/.wh.z"))


@pytest.mark.parametrize("killed", [0, 1, 2, 3, 8])
def test_parents_are_guessed_and_mended(store, base, parentless, killed_after, killed):
    """Whatever of it dies, the next run has the same, and nothing is left."""
    _base, below, chain = base
    killed_after(killed)
    try:
        guesses = guessed(store, parentless, chain)
        assert guesses == {b"d": True, b"d/e": True, b"new": True}
        assert store.find(parentless.diff_id, chain) is None
        path = store.mend(parentless, chain, [below], guesses)
    except Killed:
        killed_after(None)
        path = store.ensure(parentless, chain, [below])
    else:
        assert killed == 8  # one more than there are renames
    assert store.find(parentless.diff_id, chain) == path
    assert os.path.basename(path).endswith(chain.partition(":")[2][:16])
    assert looks(f"{path}/d") == looks(f"{below}/d") == ("0o2751", 3, 4, 1000, ["user.a"])
    assert looks(f"{path}/d/e") == looks(f"{below}/d/e") == ("0o755", 0, 0, 2000, [])
    assert looks(f"{path}/new") == ("0o755", 0, 0, 0, [])
    assert looks(f"{path}/d/e/x")[1:3] == (7, 0)
    assert os.listdir(f"{path}.underlay") == ["d"]
    killed_after(None)
    store.sweep()
    assert left_over(store) == []


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ([member("to/x")], {b"to": True}),  # a symlink below
        ([member("f/x")], {b"f": True}),  # a file
        ([member("to/x"), directory("to")], {b"to": False}),  # in truth it replaces the symlink, and x lies elsewhere
        ([member("to/x"), member(".wh.to")], {b"to": True}),
        ([member("to/x"), member("to", tarfile.SYMTYPE, linkname="f")], {}),
        ([member("d/x"), member("y", tarfile.LNKTYPE, linkname="f")], {}),
        ([member("d/x"), member("y", tarfile.LNKTYPE, linkname="nowhere")], {}),
        ([member(f"{index}/x") for index in range(1001)], {}),
    ],
)
def test_wrong_guesses(store, base, tmp_path, members, found):
    _base, below, chain = base
    layer = layer_of(tmp_path / "blob", *members)
    guesses = guessed(store, layer, chain)
    assert guesses == found
    if guesses:
        assert store.mend(layer, chain, [below], guesses) is None
    assert left_over(store) == []
    assert store.find(layer.diff_id, chain) is None


def test_an_entry_that_comes_after_all_is_what_counts(store, base, tmp_path):
    _base, below, chain = base
    layer = layer_of(tmp_path / "blob", member("d/x"), directory("d", mode=0o700, mtime=7))
    guesses = guessed(store, layer, chain)
    assert guesses == {b"d": False}
    path = store.mend(layer, chain, [below], guesses)
    assert looks(f"{path}/d") == ("0o700", 0, 0, 7, [])


def test_what_waits_may_be_cleaned_up_by_anybody(store, base, parentless):
    _base, below, chain = base
    guesses = guessed(store, parentless, chain)
    digits = parentless.diff_id.partition(":")[2]
    assert sorted(left_over(store)) == [f".{digits}.waiting", f".{digits}.waiting.underlay"]
    store.sweep()
    assert left_over(store) == []
    assert store.mend(parentless, chain, [below], guesses) is None
    assert store.ensure(parentless, chain, [below])
