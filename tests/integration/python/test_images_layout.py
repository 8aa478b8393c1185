# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store as it lies in the state directory: an OCI image layout that skopeo and umoci read by its names, and layers
of which each is there once, whatever images have it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from image_sources import pull
from oci_layout import directory, member

BASE = [directory("etc"), member("etc/os-release", content=b"base"), member("etc/gone", content=b"x" * 5000)]
TOP = [directory("etc"), member("etc/.wh.gone"), member("etc/name", content=b"top")]


@pytest.fixture
def images(raw, registry, state_dir):
    """(the layout's directory, names): an image of two layers by two names, one without a name, half a pull."""
    raw.image("layout/app", [BASE], "1")
    name = f"{registry.address}/layout/app:1"
    pull(state_dir, name)
    raw.image("layout/app", [BASE, TOP], "1")
    image = pull(state_dir, name, pull="always", tags=["docker.io/library/other:2"])
    store = Store(StateDir(state_dir))
    assert len(store.images()) == 2  # the first has lost its name
    store.pin("c" * 64, image)
    with open(store.partial_path("sha256:" + "0" * 64), "wb") as file:
        file.write(b"half a blob")
    return store.state.images, [name, "docker.io/library/other:2"]


def said(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
def test_skopeo(images, tmp_path):
    layout, names = images
    for index, name in enumerate(names):
        known = json.loads(said("skopeo", "inspect", f"oci:{layout}:{name}"))
        assert len(known["Layers"]) == 2
        # A copy verifies every digest on its way.
        copy = tmp_path / str(index)
        said("skopeo", "copy", "-q", f"oci:{layout}:{name}", f"dir:{copy}")
        assert json.loads((copy / "manifest.json").read_text())["layers"][1]["digest"] == known["Layers"][1]


@pytest.mark.skipif(not shutil.which("umoci"), reason="needs umoci")
def test_umoci(images, tmp_path):
    layout, names = images
    assert sorted(said("umoci", "ls", "--layout", layout).split()) == sorted(names)
    for index, name in enumerate(names):
        bundle = tmp_path / str(index)
        said("umoci", "unpack", "--image", f"{layout}:{name}", str(bundle))
        assert sorted(os.listdir(bundle / "rootfs/etc")) == ["name", "os-release"]


def test_a_layer_is_there_once_whatever_lies_below_it_and_however_it_is_compressed(raw, proxy, state_dir):
    other, shared = (
        [directory("opt"), member("opt/other")],
        [directory("srv"), member("srv/data", content=b"d" * 90_000)],
    )
    raw.image("layout/one", [BASE, shared], "1")
    raw.image("layout/two", [other, shared], "1")
    raw.image("layout/three", [shared, other], "1", level=1)
    images = [pull(state_dir, f"{proxy.address}/layout/{name}:1") for name in ("one", "two", "three")]
    store = Store(StateDir(state_dir))
    assert len({layer for image in images for layer in image.layers}) == 3
    assert len(os.listdir(os.path.join(state_dir, "layers/sha256"))) == 3
    first, second, third = (store.layer_paths(image) for image in images)
    assert first[1] == second[1] == third[0]
    assert second[0] == third[1]
    # As blobs there are two of the shared one, compressed in two ways; each came in once.
    blobs = {image.manifest["layers"][index]["digest"] for image, index in zip(images, (1, 1, 0))}
    assert len(blobs) == 2
    for digest in blobs:
        assert len(proxy.asked("GET", digest)) == 1
    # It goes with the last image that has it.
    for image in images[:2]:
        store.remove(image.name)
    assert store.layer_paths(images[2]) == third
    store.remove(images[2].name)
    assert os.listdir(os.path.join(state_dir, "layers/sha256")) == []
