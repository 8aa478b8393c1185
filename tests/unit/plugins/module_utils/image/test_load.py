# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images out of archives: whole ones, damaged ones, and those that are known already."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import sys
import tarfile
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import (
    ensure,
    imports,
    load,
    source,
)
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.media import parse_platform
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

CHECKOUT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 5))
sys.path.insert(0, os.path.join(CHECKOUT, "hacking"))

from docker_archive import LAYERS, write_archive, write_packed  # noqa: E402
from oci_layout import member, write_layout  # noqa: E402

AMD64 = parse_platform("linux/amd64")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: unpacks layers")


@pytest.fixture
def place(tmp_path):
    write_layout(tmp_path / "layout", LAYERS)
    return tmp_path / "layout"


@pytest.fixture
def store(tmp_path):
    return Store(StateDir(str(tmp_path / "state")))


def spoiled(place, what):
    """The layout with one thing wrong; what the error has to say."""
    blobs = place / "blobs/sha256"
    index = json.loads((place / "index.json").read_text())
    descriptor = index["manifests"][0]
    path = blobs / descriptor["digest"][7:]
    manifest = json.loads(path.read_text())
    config, layer = manifest["config"], manifest["layers"][0]
    if what == "manifest":
        path.write_text(path.read_text().replace("layers", "Layers"))
    elif what == "manifest size":
        descriptor["size"] += 1
    elif what == "config":
        data = (blobs / config["digest"][7:]).read_text()
        (blobs / config["digest"][7:]).write_text(data.replace("amd64", "arm64"))
    elif what == "layer":
        data = bytearray((blobs / layer["digest"][7:]).read_bytes())
        data[-1] ^= 1
        (blobs / layer["digest"][7:]).write_bytes(data)
    elif what == "layer cut":
        os.truncate(blobs / layer["digest"][7:], 20)
    elif what == "no layer":
        (blobs / layer["digest"][7:]).unlink()
    elif what in ("diff id", "one layer", "path", "artifact", "both"):
        if what == "one layer":
            manifest["layers"].pop()
        elif what == "path":
            layer["digest"] = "sha256:../../../secret"
        elif what == "artifact":
            config["mediaType"] = "application/vnd.example"
        elif what == "both":
            manifest["manifests"] = []
        else:
            document = json.loads((blobs / config["digest"][7:]).read_text())
            document["rootfs"]["diff_ids"][1] = "sha256:" + "0" * 64
            config.update(put(blobs, json.dumps(document)))
        descriptor.update(put(blobs, json.dumps(manifest)))
    elif what == "index":
        index = {"manifests": 7}
    elif what == "version":
        (place / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    elif what == "descriptor":
        descriptor["digest"] = "../secret"
    (place / "index.json").write_text(json.dumps(index))


def put(blobs, text):
    digest = hashlib.sha256(text.encode()).hexdigest()
    (blobs / digest).write_text(text)
    return {"digest": f"sha256:{digest}", "size": len(text)}


def bring(store, path, force=False, **options):
    unset = {"command": None, "env": None}  # as Ansible hands over what a task does not say
    request = ensure.ImageRequest("x:1", source={"path": str(path), "config": unset, **options}, force=force)
    made = ensure.plan(request, store)
    try:
        return [action.verb for action in made.actions], ensure.apply(made, store)
    finally:
        made.close()


@needs_root
@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("manifest", "does not have th"),
        ("manifest size", r"has \d+ bytes, not \d+ as stated"),
        ("config", "does not have th"),
        ("layer", "does not have th"),
        ("layer cut", r"has 20 bytes, not \d+ as stated"),
        ("no layer", "No such file or directory"),
        ("diff id", "as the image states"),
        ("one layer", "does not name as many layers"),
        ("path", "is no digest"),
        ("artifact", "is no container image but 'application/vnd.example'"),
        ("both", "manifest and index at once"),
        ("index", "is not as the image specification has it"),
        ("version", "it is a layout of version 2.0.0"),
        ("descriptor", "is no digest"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_layout_brings_nothing(place, store, tmp_path, what, why, packed):
    spoiled(place, what)
    path = place
    if packed:
        path = tmp_path / "layout.tar"
        with tarfile.open(path, "w") as file:
            file.add(place, ".")
        why = "it has no file blobs" if what == "no layer" else why
    with pytest.raises(ImageError, match=why):
        bring(store, path)
    assert store.images() == []
    partial = os.path.join(store.partial)
    assert not os.path.isdir(partial) or os.listdir(partial) == []
    blobs = os.path.join(store.state.images, "blobs/sha256")
    assert not os.path.isdir(blobs) or os.listdir(blobs) == []


@needs_root
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m, c: c["rootfs"]["diff_ids"].reverse(), "does not have the digest"),
        (lambda m, c: c["rootfs"]["diff_ids"].pop(), "does not name as many layers"),
        (lambda m, c: m.update(Config="0" * 64 + ".json"), "does not have the digest that its name says"),
        (lambda m, c: m["Layers"].__setitem__(0, "../../etc/passwd"), "it has no file ../../etc/passwd"),
        (lambda m, c: m["Layers"].__setitem__(0, 7), "is not one of docker save"),
        (lambda m, c: m.update(Layers="x"), "does not name as many layers|it has no file"),
        (lambda m, c: c.update(rootfs=None), "does not name as many layers"),
    ],
)
def test_a_damaged_docker_archive_brings_nothing(store, tmp_path, change, why):
    path = write_archive(tmp_path / "a.tar", change)
    with pytest.raises(ImageError, match=why):
        bring(store, path, format="docker-archive")
    assert store.images() == []
    blobs = os.path.join(store.state.images, "blobs/sha256")
    assert not os.path.isdir(blobs) or os.listdir(blobs) == []


@needs_root
def test_a_docker_archive_with_compressed_layers(store, tmp_path):
    plain = write_archive(tmp_path / "plain.tar")
    _actions, image = bring(store, plain)
    assert [layer["digest"] for layer in image.manifest["layers"]] == list(image.layers)
    path = write_packed(plain, tmp_path / "packed.tar")
    assert bring(store, path)[0] == []
    assert bring(Store(StateDir(str(tmp_path / "other"))), path)[1].id == image.id


@needs_root
def test_compressed_layers_are_checked_also_where_theirs_are_unpacked_already(store, tmp_path):
    """Else the store would hold, and push, blobs that are not the image's."""
    plain = write_archive(tmp_path / "plain.tar")
    bring(store, plain)
    path = write_packed(plain, tmp_path / "packed.tar", lambda content: content + bytes(512))
    with pytest.raises(ImageError, match="has the diff id"):
        bring(store, path, force=True)


def test_a_file_that_was_just_written_is_not_relied_on():
    """A second write within the clock's grain leaves the change time as it is."""
    assert not imports.is_settled(time.time())
    assert not imports.is_settled(time.time() + 100)
    assert imports.is_settled(time.time() - 3)


@needs_root
def test_a_compressed_archive_is_unpacked_once(store, tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "RACY", -10)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(pathlib.Path(write_archive(tmp_path / "a.tar")).read_bytes()))
    actions, image = bring(store, tmp_path / "a.tar.gz")
    assert (actions, image.names) == (["imported image"], ["docker.io/library/x:1"])

    def never(*_arguments):
        raise AssertionError("the archive was opened again")

    with monkeypatch.context() as patched:
        patched.setattr(load, "open_archive", never)
        patched.setattr(source, "kind_of", never)
        patched.setattr(load, "kind_of", never)
        assert bring(store, tmp_path / "a.tar.gz")[0] == []
        store.untag(image.names)
        with pytest.raises(AssertionError):
            bring(store, tmp_path / "a.tar.gz")
        os.utime(tmp_path / "a.tar.gz")
        with pytest.raises(AssertionError):
            bring(store, tmp_path / "a.tar.gz")
    assert bring(store, tmp_path / "a.tar.gz")[0] == ["imported image"]


@needs_root
@pytest.mark.parametrize("form", ["docker", "oci"])
def test_what_is_lost_is_brought_again_from_an_archive_that_is_known(place, store, tmp_path, monkeypatch, form):
    monkeypatch.setattr(imports, "RACY", -10)
    path = place if form == "oci" else write_archive(tmp_path / "a.tar")
    _actions, image = bring(store, path)
    shutil.rmtree(store.layer_paths(image)[0])
    [first, *_rest] = image.manifest["layers"]
    os.unlink(store.blob_path(first["digest"]))
    assert bring(store, path)[0] == ["imported image"]
    assert len(store.layer_paths(image)) == 2
    assert bring(store, path)[0] == []


@needs_root
def test_force_brings_again_what_is_damaged(place, store):
    _actions, image = bring(store, place)
    for descriptor in (image.manifest["config"], image.manifest["layers"][1]):
        path = pathlib.Path(store.blob_path(descriptor["digest"]))
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"!" if descriptor is not image.manifest["config"] else content + b" ")
        made = ensure.plan(ensure.ImageRequest("x:1", source={"path": str(place)}, force=True), store)
        ensure.apply(made, store)
        made.close()
        assert path.read_bytes() == content


@needs_root
def test_a_platform_in_an_index(store, tmp_path):
    manifests = []
    for architecture in ("arm64", "amd64", "s390x"):
        place = tmp_path / architecture
        write_layout(place, [[member("name", content=architecture.encode())]], architecture)
        [entry] = json.loads((place / "index.json").read_text())["manifests"]
        manifests.append({**entry, "platform": {"os": "linux", "architecture": architecture}, "annotations": {}})
        if architecture != "arm64":
            for path in (place / "blobs/sha256").iterdir():
                path.rename(tmp_path / "arm64/blobs/sha256" / path.name)
    index = {"schemaVersion": 2, "manifests": manifests}
    nested = {"mediaType": "application/vnd.oci.image.index.v1+json"}
    nested.update(put(tmp_path / "arm64/blobs/sha256", json.dumps({**index, **nested})))
    for entries in (manifests, [nested]):
        (tmp_path / "arm64/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
        request = ensure.ImageRequest("x:1", source={"path": str(tmp_path / "arm64")}, platform="linux/s390x")
        made = ensure.plan(request, store)
        image = ensure.apply(made, store)
        made.close()
        assert str(image.platform) == "linux/s390x"
        with pytest.raises(ImageError, match=r"it has linux/amd64, linux/arm64, linux/s390x"):
            request = ensure.ImageRequest("x:1", source={"path": str(tmp_path / "arm64")}, platform="linux/386")
            ensure.plan(request, store)


@needs_root
@pytest.mark.parametrize("form", ["oci", "docker"])
def test_any_damage_is_an_error_or_makes_no_difference(place, store, tmp_path, form):
    """Bytes changed, lost or doubled anywhere: the image is what it was, or there is one error and no image."""
    path = tmp_path / "a.tar"
    if form == "oci":
        with tarfile.open(path, "w") as file:
            file.add(place, ".")
    else:
        write_archive(path)
    whole = path.read_bytes()
    numbers = random.Random(form)
    _actions, image = bring(store, path)
    ends = {"error": 0, "same": 0, "rootfs": 0}
    for _round in range(150):
        data = bytearray(whole)
        start = numbers.randrange(len(data))
        kind = numbers.choice(("bit", "cut", "gone", "twice", "text"))
        if kind == "bit":
            data[start] ^= 1 << numbers.randrange(8)
        elif kind == "cut":
            del data[start:]
        elif kind == "gone":
            del data[start : start + numbers.choice((1, 512, 1024))]
        elif kind == "twice":
            data[start:start] = data[start : start + 512]
        else:
            quote = data.find(b'"', start)
            data[quote : quote + 1] = numbers.choice((b"7", b"[", b'"x":1,"', b"null"))
        path.write_bytes(data)
        try:
            with contextlib.closing(ensure.plan(ensure.ImageRequest("y:1", source={"path": str(path)}), store)) as made:
                after = ensure.apply(made, store)
        except ImageError:
            ends["error"] += 1
            assert store.find("y:1") is None
        else:
            if after.id != image.id:  # what is no archive of images may still be a tarball
                assert source.kind_of(str(path)).format == "rootfs" or form == "docker"
            ends["same" if after.id == image.id else "rootfs"] += 1
            store.remove("y:1")
    assert ends["error"] > 20
    assert ends["same"] > 20
    assert os.listdir(store.partial) == []


def test_source_options_that_contradict_each_other(place, store, tmp_path):
    for options, why in [
        ({"path": str(place), "config": {"command": ["x"]}}, "source.config is given"),
        ({"rootfs": str(place), "image": "x"}, "source.image is given"),
        ({"rootfs": str(place), "format": "oci"}, "source.format is oci"),
        ({"path": str(place), "format": "docker-archive"}, "it is a directory, and docker-archive is none"),
        ({"path": str(place), "image": "nosuch"}, "has no image nosuch; it holds test"),
    ]:
        with pytest.raises(ImageError, match=why):
            ensure.plan(ensure.ImageRequest("x:1", source=options), store)
    with pytest.raises(ImageError, match="it is for linux/amd64, not for linux/arm64"):
        ensure.plan(ensure.ImageRequest("x:1", source={"path": str(place)}, platform="arm64"), store)
    assert not os.path.exists(store.state.root)
