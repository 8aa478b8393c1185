# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of images: what they are, which image is meant, and hostile ones."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tarfile

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import (
    archive,
    dockersave,
    layout,
    offers,
    source,
)
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.media import parse_platform

CHECKOUT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 5))
sys.path.insert(0, os.path.join(CHECKOUT, "hacking"))

from docker_archive import LAYERS, tar_of, write_archive  # noqa: E402
from oci_layout import directory, member, write_layout  # noqa: E402

AMD64 = parse_platform("linux/amd64")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: unpacks layers")


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
        (os.mkfifo, "it is neither a directory nor a file"),
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


def test_offers_of_a_layout_are_images_only(tmp_path):
    place = tmp_path / "layout"
    write_layout(place, LAYERS)
    index = json.loads((place / "index.json").read_text())
    [image] = index["manifests"]
    signature = {**image, "artifactType": "application/vnd.example", "annotations": {}}
    other = {**image, "mediaType": "application/vnd.example"}
    (place / "index.json").write_text(json.dumps({"manifests": [signature, other, image]}))
    found = archive.DirectoryArchive(str(place))
    assert [str(one) for one in layout.offers(found)] == ["test"]
    found.close()


def test_a_docker_archive_names_its_images(tmp_path):
    found = opened(write_archive(tmp_path / "a.tar"))
    [one] = dockersave.offers(found)
    assert one.names == ("docker.io/library/x:1",)
    assert one.digest == dockersave.SavedImage(found, one).image_id
    found.close()
