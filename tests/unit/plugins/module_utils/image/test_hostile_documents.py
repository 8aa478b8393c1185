# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a manifest, an index or a config says, it is taken or refused, and what is taken breaks nothing later."""

from __future__ import annotations

import copy
import hashlib
import json
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import media
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.filters import Filter
from ansible_collections.agentless.oci.plugins.module_utils.image.imageconfig import parse_config
from ansible_collections.agentless.oci.plugins.module_utils.image.info import wanted
from ansible_collections.agentless.oci.plugins.module_utils.image.load import offers_of, open_archive, read
from ansible_collections.agentless.oci.plugins.module_utils.image.module import describe
from ansible_collections.agentless.oci.plugins.module_utils.image.prune import prune
from ansible_collections.agentless.oci.plugins.module_utils.image.source import OCI, Kind
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PLATFORM = media.Platform("linux", "amd64")
LAYER = {"mediaType": media.layer_type("gzip"), "digest": "sha256:" + "a" * 64, "size": 7}
CONFIG = {
    "created": "2026-01-01T00:00:00Z",
    "os": "linux",
    "architecture": "amd64",
    "config": {"Cmd": ["sh"], "Labels": {"a": "b"}, "Env": ["A=b"], "ExposedPorts": {"80/tcp": {}}, "User": "0"},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "b" * 64]},
}
MANIFEST = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": {}, "layers": [LAYER]}
INDEX = {
    "schemaVersion": 2,
    "mediaType": media.OCI_INDEX,
    "manifests": [{"mediaType": media.OCI_MANIFEST, "platform": {"os": "linux", "architecture": "amd64"}}],
}
LISTED = {"annotations": {media.REF_NAME: "r.example/a:1"}}
GONE = object()
VALUES = [
    None, 0, -1, 1.5, True, 10**30, "", "x", "../../x", "a\0b", "\ud800", "99999-99-99T", "sha256:" + "0" * 64, [], {},
    [1], [None], ["x"], {"a": 1}, {"os": 5, "architecture": []}, GONE,
]  # fmt: skip


def places(document, at=()):
    """The ways to every value in *document*."""
    yield at
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from places(value, (*at, key))


def changed(document, where, value):
    document = copy.deepcopy(document)
    *way, last = list(places(document))[1:][where % (len(list(places(document))) - 1)]
    here = document
    for key in way:
        here = here[key]
    if value is GONE:
        del here[last]
    else:
        here[last] = value
    return document


class Layout:
    """A layout whose documents refer to each other whatever they say."""

    def __init__(self, path):
        self.path = path
        self.blobs = path / "blobs/sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, document):
        raw = json.dumps(document).encode()
        digits = hashlib.sha256(raw).hexdigest()
        (self.blobs / digits).write_bytes(raw)
        return {"digest": f"sha256:{digits}", "size": len(raw)}

    def write(self, which, change):
        def given(name, document):
            return change(document) if name == which else document

        config = self.blob(given("config", CONFIG))
        manifest = given("manifest", {**MANIFEST, "config": {"mediaType": media.OCI_CONFIG, **config}})
        index = copy.deepcopy(INDEX)
        index["manifests"][0].update(self.blob(manifest))
        nested = self.blob(given("index", index))
        listed = given("listed", {"manifests": [{**LISTED, **nested, "mediaType": media.OCI_INDEX}]})
        (self.path / "index.json").write_text(json.dumps(listed))


def taken(layout, store):
    """Read the image as an import does; (manifest, raw config) of one that would be stored."""
    kind = Kind(str(layout.path), OCI)
    archive = open_archive(kind, store)
    try:
        [found] = [read(archive, kind, offer, PLATFORM) for offer in offers_of(archive, kind)] or [None]
        if found is None:
            return None
        config = parse_config(found.raw_config, {"layers": found.layers}, "r.example/a:1")
        for layer in found.layers:
            media.layer_compression(str(layer.get("mediaType")), "r.example/a:1")
        media.Platform.of(config)
        return found._manifest, found.raw_config
    finally:
        archive.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("documents")


@given(
    which=st.sampled_from(["config", "manifest", "index", "listed"]),
    where=st.integers(0, 99),
    value=st.sampled_from(VALUES),
)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_document_is_taken_or_refused(place, which, where, value):
    layout, store = Layout(place / "layout"), Store(StateDir(str(place / "state")))
    layout.write(which, lambda document: changed(document, where, value))
    try:
        found = taken(layout, store)
    except ImageError:
        return
    if found is None:
        return
    store.prepare()
    store.add(*found, ["r.example/a:1"])
    params = dict.fromkeys(("name", "id", "label", "dangling"))
    assert [json.dumps(describe(image)) for image in wanted(store, {**params, "dangling": False})]
    wanted(store, {**params, "label": ["a=b"], "id": ["a"]})
    prune(store, Filter(until=time.time(), labels=["a=b"]), dangling=False, check_mode=True)
