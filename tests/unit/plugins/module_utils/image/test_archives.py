# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of images: what they are, which image is meant, hostile ones, and the bytes of those we write."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
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
    archive,
    dockersave,
    ensure,
    imports,
    layout,
    layoutdir,
    load,
    offers,
    save,
    source,
    tarwrite,
)
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.media import parse_platform
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

CHECKOUT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 5))
sys.path.insert(0, os.path.join(CHECKOUT, "hacking"))

from oci_layout import directory, member, write_layout  # noqa: E402

AMD64 = parse_platform("linux/amd64")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: unpacks layers")


def tar_of(path, *members):
    with tarfile.open(path, "w") as file:
        for info, content in members:
            file.addfile(info, io.BytesIO(content))
    return str(path)


def opened(path):
    return archive.TarArchive(str(path), os.open(path, os.O_RDONLY))


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, kind, linkname=target)


# What it is.


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["oci-layout", "index.json"], "oci-archive"),
        (["./", "./blobs/", "./blobs/sha256/x", "./index.json", "./manifest.json", "./oci-layout"], "oci-archive"),
        (["manifest.json", "a" * 64 + ".json"], "docker-archive"),
        (["a" * 64 + "/", "a" * 64 + "/layer.tar", "b" * 64 + ".tar", "repositories"], "docker-archive"),
        (["manifest.json", "oci-layout"], "oci-archive"),
        (["sha256:" + "a" * 64, "b" * 64 + ".tar.gz", "manifest.json"], "docker-archive"),
        (["config.json", "manifest.json"], "docker-archive"),
        (["bin/", "bin/sh"], "rootfs"),
        (["./", "./etc/", "./oci-layout"], "rootfs"),
        (["etc/", "manifest.json"], "rootfs"),
        ([], "rootfs"),
        (["index.json"], "rootfs"),
    ],
)
def test_the_kind_of_a_tar_archive(tmp_path, names, kind):
    path = tar_of(tmp_path / "a", *(directory(name) if name.endswith("/") else member(name) for name in names))
    with open(path, "ab") as file:
        file.write(bytes(1024))  # an empty archive is one
    if names:
        assert source.kind_of(path).format == kind
    (tmp_path / "b").write_bytes(gzip.compress((tmp_path / "a").read_bytes()))
    found = source.kind_of(str(tmp_path / "b"))
    assert (found.format, found.compression) == (kind, "gzip")


def test_the_kind_of_a_directory(tmp_path):
    assert source.kind_of(str(tmp_path)).format == "rootfs"
    (tmp_path / "oci-layout").write_text("{}")
    assert source.kind_of(str(tmp_path)).format == "oci"
    assert source.kind_of(str(tmp_path), "rootfs").format == "rootfs"
    with pytest.raises(ImageError, match="it is a directory, and oci-archive is none"):
        source.kind_of(str(tmp_path), "oci-archive")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.write_text("hello"), "it is no tar archive, plain or compressed by gzip or zstd"),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(600)), "gzip stream is damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"hello" * 500)), "its checksum is wrong"),
        (lambda path: os.mkfifo(path), "it is neither a directory nor a file"),
    ],
)
def test_what_is_no_source(tmp_path, make, why):
    make(tmp_path / "x")
    with pytest.raises(ImageError, match=why) as raised:
        source.kind_of(str(tmp_path / "x"))
    assert str(tmp_path / "x") in str(raised.value)


def test_a_rootfs_is_recognised_by_its_first_name(tmp_path):
    """However large it is: nothing behind the first foreign name is read."""
    path = tar_of(tmp_path / "a", directory("./"), directory("./usr"))
    with open(path, "ab") as file:
        file.seek(1024)
        file.write(b"no header at all" * 100)
    assert source.kind_of(path).format == "rootfs"


# Which image.


def offer(*called, digest="1", platform=None):
    return offers.Offer(called, f"sha256:{digest * 64}", parse_platform(platform) if platform else None, {})


ONE = offer("example.com/shop/one:1", digest="1")
TWO = offer("redis:7", "latest", digest="2")
ARM, AMD = offer("multi", digest="3", platform="arm64"), offer("multi", digest="4", platform="amd64")


@pytest.mark.parametrize(
    ("given", "wanted", "name", "chosen"),
    [
        ([ONE], "", "other:3", ONE),
        ([ONE, TWO], "", "docker.io/library/redis:7", TWO),
        ([ONE, TWO], "example.com/shop/one:1", "x:1", ONE),
        ([ONE, TWO], "docker.io/library/redis:7", "x:1", TWO),
        ([ONE, TWO], "latest", "x:1", TWO),
        ([ONE, TWO], "sha256:" + "2" * 64, "x:1", TWO),
        ([ONE, TWO], "1" * 64, "x:1", ONE),
        ([ARM, AMD], "", "x:1", AMD),
        ([ONE, ARM, AMD], "multi", "x:1", AMD),
        ([ONE, offer("again:1", digest="1")], "sha256:" + "1" * 64, "x:1", ONE),
    ],
)
def test_choosing(given, wanted, name, chosen):
    assert offers.choose(given, wanted, name, AMD64, "/a.tar") is chosen


@pytest.mark.parametrize(
    ("given", "wanted", "name", "why"),
    [
        ([], "", "x:1", "holds no image"),
        ([ONE, TWO], "", "x:1", "holds several images; it holds example.com/shop/one:1; redis:7, latest"),
        ([ONE], "two", "x:1", "has no image two; it holds example.com/shop/one:1"),
        ([ONE], "one:1", "x:1", "has no image one:1"),
        ([TWO, offer("latest", digest="5")], "latest", "x:1", "has 2 images called latest"),
        ([ARM, offer("multi", digest="5", platform="s390x")], "", "x:1", "no image for the platform linux/amd64"),
        ([offer(digest="6")], "x", "", f"it holds sha256:{'6' * 64}"),
    ],
)
def test_no_choice(given, wanted, name, why):
    with pytest.raises(ImageError) as raised:
        offers.choose(given, wanted, name, AMD64, "/a.tar")
    assert why in str(raised.value)


def test_a_mere_tag_is_no_name():
    assert offer("latest").names == ()
    assert offer("example.com/UPPER:1").names == ()
    assert offer("example.com/x:1", "redis:7", "1").names == ("example.com/x:1", "docker.io/library/redis:7")


# Hostile archives.


def test_no_name_leads_out_of_a_tar_archive(tmp_path):
    (tmp_path / "secret").write_text("secret")
    path = tar_of(
        tmp_path / "a",
        member("../secret", content=b"1"),
        member(f"{tmp_path}/absolute", content=b"2"),
        member("a/../../b", content=b"3"),
        member("a/./b", content=b"4"),
        link("up", "../secret"),
        link("deep/up", "../../secret"),
        link("absolute", f"{tmp_path}/secret"),
        link("hard", "/secret", tarfile.LNKTYPE),
        link("loop", "loop2"),
        link("loop2", "loop"),
        link("good", "a/b"),
        link("x/also", "../good"),
        link("x/hard", "a/b", tarfile.LNKTYPE),
        directory("dir"),
    )
    found = opened(path)
    names = ("../secret", "secret", "b", "up", "deep/up", "absolute", "hard", "loop", "dir", "", "..", "a/../../secret")
    assert [name for name in names if found.has(name)] == []
    for name in ("a/b", "good", "x/also", "x/hard", "x/../a//b"):
        assert found.document(name) == b"4"
    with pytest.raises(ImageError, match="it has no file secret"):
        found.document("secret")
    found.close()


def test_a_directory_keeps_every_link_inside(tmp_path):
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (root / "in/file").write_text("inside")
    (root / "secret").write_text("not the secret")
    os.symlink("../secret", root / "up")
    os.symlink(str(tmp_path / "secret"), root / "absolute")
    os.symlink("in/file", root / "good")
    os.symlink("/in", root / "rooted")
    os.mkfifo(root / "fifo")
    found = archive.DirectoryArchive(str(root))
    assert found.document("good") == found.document("rooted/file") == b"inside"
    assert found.document("up") == b"not the secret"  # .. of the root is the root
    for name in ("absolute", "fifo", "in", "nowhere", "../secret/x"):
        with pytest.raises(ImageError, match="cannot read the archive"):
            found.document(name)
    found.close()


@pytest.mark.parametrize("name", ["index.json", "manifest.json", "oci-layout"])
def test_what_counts_is_there_once(tmp_path, name):
    path = tar_of(tmp_path / "a", member(name, content=b"1"), member(f"./{name}", content=b"2"))
    with pytest.raises(ImageError, match=f"{name} is in it twice"):
        opened(path)


def test_too_many_files_and_too_large_documents(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    monkeypatch.setattr(archive, "MAX_DOCUMENT", 10)
    path = tar_of(tmp_path / "a", member("1", content=b"x" * 11), member("2", content=b"x" * 10))
    found = opened(path)
    assert found.document("2") == b"x" * 10
    with pytest.raises(ImageError, match="1 has 11 bytes, more than 10 are not accepted"):
        found.document("1")
    with pytest.raises(ImageError, match="2 has 10 bytes, not 9 as stated"):
        found.document("2", 9)
    found.close()
    with pytest.raises(ImageError, match="more than 3 files"):
        opened(tar_of(tmp_path / "b", *(member(str(number)) for number in range(4))))


@pytest.mark.parametrize("length", [100, 600, 512 * 3 - 1])
def test_an_archive_that_is_cut_off(tmp_path, length):
    path = tar_of(tmp_path / "a", member("a", content=b"x" * 1000))
    os.truncate(path, length)
    with pytest.raises(ImageError, match="cut off"):
        opened(path)


LAYERS = [[directory("etc"), member("etc/a", content=b"a" * 3000)], [member("etc/b", content=b"b")]]


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


def saved(path, change=lambda manifest, config: None, layers=LAYERS, **config_names):
    """An archive of docker save, of the old form."""
    blobs = []
    for members in layers:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as file:
            for info, content in members:
                file.addfile(info, io.BytesIO(content))
        blobs.append(buffer.getvalue())
    diff_ids = [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in blobs]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "Config": "",
        "RepoTags": ["x:1"],
        "Layers": [f"{number:064x}/layer.tar" for number in range(len(blobs))],
    }
    change(manifest, config)
    raw = json.dumps(config).encode()
    manifest["Config"] = manifest["Config"] or f"{hashlib.sha256(raw).hexdigest()}.json"
    members = [member(f"{number:064x}/layer.tar", content=blob) for number, blob in enumerate(blobs)]
    members += [
        member(manifest["Config"], content=raw),
        member("manifest.json", content=json.dumps([manifest]).encode()),
    ]
    return tar_of(path, *members)


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
    path = saved(tmp_path / "a.tar", change)
    with pytest.raises(ImageError, match=why):
        bring(store, path, format="docker-archive")
    assert store.images() == []
    blobs = os.path.join(store.state.images, "blobs/sha256")
    assert not os.path.isdir(blobs) or os.listdir(blobs) == []


def packed(source_path, path, change=lambda content: content):
    """The archive of docker save *source_path* with its layers compressed, each content changed before."""
    with tarfile.open(source_path) as given, tarfile.open(path, "w") as made:
        for info in given.getmembers():
            content = given.extractfile(info).read()
            if info.name.endswith("/layer.tar"):
                content = gzip.compress(change(content))
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


@needs_root
def test_a_docker_archive_with_compressed_layers(store, tmp_path):
    plain = saved(tmp_path / "plain.tar")
    _actions, image = bring(store, plain)
    assert [layer["digest"] for layer in image.manifest["layers"]] == list(image.layers)
    path = packed(plain, tmp_path / "packed.tar")
    assert bring(store, path)[0] == []
    assert bring(Store(StateDir(str(tmp_path / "other"))), path)[1].id == image.id


@needs_root
def test_compressed_layers_are_checked_also_where_theirs_are_unpacked_already(store, tmp_path):
    """Else the store would hold, and push, blobs that are not the image's."""
    plain = saved(tmp_path / "plain.tar")
    bring(store, plain)
    path = packed(plain, tmp_path / "packed.tar", lambda content: content + bytes(512))
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
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(pathlib.Path(saved(tmp_path / "a.tar")).read_bytes()))
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
@pytest.mark.parametrize("make", [lambda tmp_path: saved(tmp_path / "a.tar"), lambda tmp_path: tmp_path / "layout"])
def test_what_is_lost_is_brought_again_from_an_archive_that_is_known(place, store, tmp_path, monkeypatch, make):
    monkeypatch.setattr(imports, "RACY", -10)
    path = make(tmp_path)
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
        saved(path)
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


# What we write.


def parts(tmp_path):
    blob = tmp_path / "blob"
    blob.write_bytes(gzip.compress(b"layer" * 1000))
    plain = f"sha256:{hashlib.sha256(b'layer' * 1000).hexdigest()}"
    packed = f"sha256:{hashlib.sha256(blob.read_bytes()).hexdigest()}"
    return [
        save.Part("manifest.json", b"[]"),
        save.Part("blobs/"),
        save.Part("as-it-is", blob=str(blob), digest=packed, size=blob.stat().st_size),
        save.Part("unpacked.tar", blob=str(blob), digest=plain, compression="gzip"),
        save.Part("exact", b"x" * 512),
    ]


def test_every_byte_of_an_archive_counts(tmp_path):
    wanted = parts(tmp_path)
    with open(tmp_path / "a.tar", "w+b") as file:
        save.write(file.fileno(), wanted)
        assert save.matches(file.fileno(), wanted)
        whole = (tmp_path / "a.tar").read_bytes()
        with tarfile.open(tmp_path / "a.tar") as read:
            assert read.extractfile("unpacked.tar").read() == b"layer" * 1000
            assert read.getmember("blobs").isdir()
        assert len(whole) % 512 == 0
        for position in range(0, len(whole), 7):
            os.pwrite(file.fileno(), bytes([whole[position] ^ 0x10]), position)
            assert not save.matches(file.fileno(), wanted), position
            os.pwrite(file.fileno(), whole[position : position + 1], position)
        for length in (*range(0, len(whole), 331), len(whole) - 1, len(whole) + 1):
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), (whole + b"\0")[:length], 0)
            assert not save.matches(file.fileno(), wanted), length


def test_a_damaged_blob_is_not_written(tmp_path):
    wanted = parts(tmp_path)
    (tmp_path / "blob").write_bytes(gzip.compress(b"other" * 1000))
    for part in wanted[2:4]:
        with pytest.raises(ImageError, match="is damaged"), layoutdir.replacing(str(tmp_path / "a.tar")) as fd:
            save.write(fd, [part])
    (tmp_path / "blob").unlink()
    with pytest.raises(ImageError, match="is not here"), layoutdir.replacing(str(tmp_path / "a.tar")) as fd:
        save.write(fd, wanted)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [0, 1, 0o77777777777, 0o77777777777 + 1, 1 << 40])
def test_any_size_fits_into_one_header(size):
    header = tarwrite.plain_header("x", size)
    assert len(header) == 512
    assert tarfile.TarInfo.frombuf(header, "utf-8", "strict").size == size
    assert save.stated_size(header) == size


@pytest.mark.parametrize("field", [b"", b"notanumber\0 ", b"0000000009\0\0", b"-0000000001\0"])
def test_what_is_no_size(field):
    assert save.stated_size(bytes(124) + field.ljust(12, b"\0")) == -1


def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "a"
    path.write_text("before")
    path.chmod(0o640)
    with layoutdir.replacing(str(path)) as fd:
        os.write(fd, b"after")
    assert (path.read_text(), path.stat().st_mode & 0o7777) == ("after", 0o640)
    assert os.listdir(tmp_path) == ["a"]


def test_offers_of_a_layout_are_images_only(place):
    index = json.loads((place / "index.json").read_text())
    [image] = index["manifests"]
    signature = {**image, "artifactType": "application/vnd.example", "annotations": {}}
    other = {**image, "mediaType": "application/vnd.example"}
    (place / "index.json").write_text(json.dumps({"manifests": [signature, other, image]}))
    found = archive.DirectoryArchive(str(place))
    assert [str(one) for one in layout.offers(found)] == ["test"]
    found.close()


def test_a_docker_archive_names_its_images(tmp_path):
    found = opened(saved(tmp_path / "a.tar"))
    [one] = dockersave.offers(found)
    assert one.names == ("docker.io/library/x:1",)
    assert one.digest == dockersave.SavedImage(found, one).image_id
    found.close()
