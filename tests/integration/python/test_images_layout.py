# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store as it lies in the state directory is an OCI image layout: skopeo and umoci read it by its names."""

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
