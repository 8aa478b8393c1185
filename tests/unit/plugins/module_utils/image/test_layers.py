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
