# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding images by name and by id."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.media import OCI_MANIFEST
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

ONE, OTHER = "ab" * 6 + "1" * 52, "ab" * 6 + "2" * 52
LONG = "ab" * 7 + "3" * 114


@pytest.fixture
def store(tmp_path):
    """Three images, whose ids begin alike; one has two names, one none, and the last an id by sha512."""
    made = Store(StateDir(str(tmp_path)))
    made.prepare()
    for image_id, names in (
        (f"sha256:{ONE}", ["r.example/a:1", "r.example/a:2"]),
        (f"sha256:{OTHER}", ["docker.io/library/deadbeef0123:1"]),
    ):
        add(made, image_id, names)
    return made


def add(store, image_id, names):
    path = store.blob_path(image_id)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"{}")
    raw = json.dumps({"config": {"digest": image_id, "size": 2}, "layers": []}).encode()
    store.set_names(store.put_blob(raw), OCI_MANIFEST, len(raw), names)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("r.example/a:1", ONE),
        ("r.example/a:3", None),
        (ONE, ONE),
        (f"sha256:{OTHER}", OTHER),
        (ONE[:13], ONE),
        (OTHER[:63], OTHER),
        ("ff" * 6, None),
        (LONG, None),
        ("deadbeef0123:1", OTHER),
    ],
)
def test_by_name_and_id(store, name, found):
    image = store.find(name)
    assert (image and image.id) == (found and f"sha256:{found}")


def test_an_id_that_several_have_begins_none(store):
    with pytest.raises(ImageError, match=f"several images have an id that starts with {ONE[:12]}"):
        store.find(ONE[:12])


def test_ids_by_sha512(store):
    add(store, f"sha512:{LONG}", ["r.example/long:1"])
    for name in (LONG, f"sha512:{LONG}", LONG[:14], LONG[:100]):
        assert store.find(name).id == f"sha512:{LONG}"


def test_a_name_that_looks_like_an_id_is_a_name_first(store):
    add(store, "sha256:" + "c" * 64, [f"docker.io/library/{ONE[:13]}:latest"])
    assert store.find(ONE[:13]).id == "sha256:" + "c" * 64
