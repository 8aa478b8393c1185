# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images made of directories and tarballs: the bytes, the config, and what counts as a change."""

from __future__ import annotations

import gzip
import io
import json
import os
import pathlib
import socket
import tarfile
import zlib

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import deflate, importer, imports, tarwrite
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/su").write_bytes(b"su" * 1000)
    (root / "bin/su").chmod(0o4755)
    os.link(root / "bin/su", root / "bin/sudo")
    os.symlink("x" * 150, root / "link")
    os.mkfifo(root / "pipe", 0o600)
    deep = root / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"")
    (root / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    os.utime(root / "bin/su", (5, 1_700_000_000.9))
    return root


def layer(root):
    return b"".join(tarwrite.stream(os.fsencode(root)))


def test_python_reads_what_we_write(tree):
    with tarfile.open(fileobj=io.BytesIO(layer(tree)), errors="surrogateescape") as file:
        members = {member.name: member for member in file.getmembers()}
        assert file.extractfile("bin/su").read() == b"su" * 1000
    assert next(iter(members)) == "."
    assert (members["bin/su"].mode, members["bin/su"].mtime) == (0o4755, 1_700_000_000)
    assert members["bin/sudo"].islnk()
    assert members["bin/sudo"].linkname == "bin/su"
    assert members["link"].linkname == "x" * 150
    assert members["pipe"].isfifo()
    assert "d" * 90 + "/" + "e" * 90 + "/f" in members
    assert "caf\udce9" in members
    assert not any(member.uname for member in members.values())


def test_sockets_are_left_out(tree):
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(tree)
        one.bind("socket")
    with tarfile.open(fileobj=io.BytesIO(layer(tree)), errors="surrogateescape") as file:
        assert "socket" not in file.getnames()


def test_names_that_mean_deletions_are_refused(tree):
    (tree / ".wh.x").write_text("")
    with pytest.raises(ImageError, match=r"\.wh\.x cannot be part of an image"):
        layer(tree)


def test_large_numbers_go_into_extended_headers(tree):
    status = list(os.lstat(tree / "bin/su"))
    status[4], status[6], status[8] = 3_000_000, 9 << 30, -5
    node = tarwrite.Node(b"bin/su", os.stat_result(status), b"", b"")
    data = tarwrite.header(node, {b"user.a": b"1\n2"})
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1024))) as file:
        member = file.firstmember
    assert (member.uid, member.size, member.mtime) == (3_000_000, 9 << 30, -5)
    assert member.pax_headers["SCHILY.xattr.user.a"] == "1\n2"


@pytest.mark.parametrize("length", [0, 1, deflate.BLOCK - 1, deflate.BLOCK, 3 * deflate.BLOCK + 7])
def test_gzip_in_blocks_is_gzip(length):
    content = os.urandom(1000) * (length // 1000 + 1)
    content = content[:length]
    pieces = [content[start : start + 70_000] for start in range(0, length, 70_000)]
    blob = b"".join(deflate.gzipped(pieces))
    assert gzip.decompress(blob) == content
    assert blob == b"".join(deflate.gzipped([content]))
    assert zlib.decompressobj(31).decompress(blob) == content, "it is one member"


def test_config_section():
    assert importer.config_section(
        {
            "command": ["redis-server"],
            "entrypoint": ["/init"],
            "env": {"B": "2", "A": "1=x"},
            "exposed_ports": ["6379", "53/udp"],
            "labels": {"a": "b"},
            "user": "redis:redis",
            "volumes": ["/data"],
            "working_dir": "/data",
        }
    ) == {
        "Cmd": ["redis-server"],
        "Entrypoint": ["/init"],
        "Env": ["A=1=x", "B=2"],
        "ExposedPorts": {"6379/tcp": {}, "53/udp": {}},
        "Labels": {"a": "b"},
        "User": "redis:redis",
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
    }
    assert importer.config_section({"command": None, "env": {}}) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"env": {"A": 1}}, "Put it in quotes"),
        ({"env": {"A=B": "1"}}, "equals sign"),
        ({"labels": {"a": True}}, "no string but True"),
        ({"exposed_ports": ["http"]}, "is no port"),
        ({"exposed_ports": ["70000"]}, "is no port"),
        ({"volumes": ["data"]}, "volumes 'data' is no absolute path"),
        ({"exposed_ports": ["53/icmp"]}, "is no port"),
        ({"working_dir": "data"}, "no absolute path"),
    ],
)
def test_bad_config(options, said):
    with pytest.raises(ImageError, match=said):
        importer.config_section(options)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: unpacks with owners")


class Host:
    def __init__(self, path):
        self.store = Store(StateDir(str(path)))

    def run(self, source, check=False, config=None, **options):
        """Import once, as a task would; the actions and the image."""
        from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import apply, plan

        request = ImageRequest("made/here:1", source={"rootfs": str(source), "config": config or {}}, **options)
        made = plan(request, self.store)
        image = made.image if check else apply(made, self.store)
        self.prepared = made.prepared
        return [action.verb for action in made.actions], image


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path / "state")


@needs_root
def test_importing_twice_changes_nothing(host, tree):
    actions, first = host.run(tree)
    assert actions == ["imported image"]
    [path] = host.store.layer_paths(first)
    assert first.names == ["docker.io/made/here:1"]
    assert os.path.samefile(os.path.join(path, "bin/su"), os.path.join(path, "bin/sudo"))
    actions, second = host.run(tree)
    assert actions == []
    assert second.digest == first.digest


@needs_root
def test_a_fingerprint_spares_reading_and_a_change_is_seen(host, tree, monkeypatch):
    monkeypatch.setattr(imports, "RACY", -10)  # the tree is fresh
    _actions, first = host.run(tree)

    def never(_path):
        raise AssertionError("the files were read again")

    with monkeypatch.context() as patched:
        patched.setattr(importer, "diff_id_of", never)
        assert host.run(tree)[0] == []
        (tree / "bin/su").write_bytes(b"SU" * 1000)
        with pytest.raises(AssertionError):
            host.run(tree)
    assert host.run(tree, check=True)[0] == ["imported image"]
    assert host.prepared.image_id
    predicted = host.prepared.image_id
    actions, second = host.run(tree)
    assert (actions, second.id) == (["imported image"], predicted)
    assert second.id != first.id


@needs_root
def test_a_run_that_changes_nothing_remembers_for_the_next(host, tree, monkeypatch):
    host.run(tree)  # the tree is fresh: its fingerprint is worth nothing yet
    monkeypatch.setattr(imports, "RACY", -10)
    assert host.run(tree)[0] == []
    monkeypatch.setattr(importer, "diff_id_of", lambda _path: pytest.fail("the files were read again"))
    assert host.run(tree)[0] == []


@needs_root
def test_the_same_content_elsewhere_is_the_same_image(host, tree, tmp_path):
    _actions, first = host.run(tree)
    status = os.lstat(tmp_path)
    os.rename(tree, tmp_path / "moved")
    os.utime(tmp_path, ns=(status.st_atime_ns, status.st_mtime_ns))
    actions, second = host.run(tmp_path / "moved")
    assert (actions, second.id) == ([], first.id)


@needs_root
def test_a_changed_config_is_another_image_with_the_same_layer(host, tree):
    _actions, first = host.run(tree)
    actions, second = host.run(tree, config={"command": ["/bin/sh"]})
    assert actions == ["imported image"]
    assert second.layers == first.layers
    assert second.config["config"] == {"Cmd": ["/bin/sh"]}


@needs_root
@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress])
def test_a_tarball(host, tree, tmp_path, compress):
    path = tmp_path / "root.tar"
    path.write_bytes(compress(layer(tree)))
    actions, image = host.run(path)
    assert actions == ["imported image"]
    [unpacked] = host.store.layer_paths(image)
    assert (pathlib.Path(unpacked) / "bin/su").read_bytes() == b"su" * 1000
    assert host.run(path)[0] == []


@needs_root
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04 no tar", "is no tar archive"),
        (gzip.compress(b"x" * 600), "checksum is wrong"),
        (None, "No such file"),
    ],
)
def test_bad_sources_leave_nothing(host, tmp_path, content, said):
    path = tmp_path / "source"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        host.run(path)
    assert said in str(caught.value)
    assert host.store.images() == []
    left = [name for _dir, _subdirs, names in os.walk(tmp_path / "state") for name in names]
    assert [
        name for name in left if not name.startswith(("index-", "store-", "image-", "oci-layout", "index.json"))
    ] == []


@needs_root
def test_what_we_write_is_a_valid_layout(host, tree):
    _actions, image = host.run(tree)
    images = pathlib.Path(host.store.state.images)
    index = json.loads((images / "index.json").read_bytes())
    [descriptor] = index["manifests"]
    assert descriptor["annotations"]["org.opencontainers.image.ref.name"] == "docker.io/made/here:1"
    manifest = json.loads(images.joinpath("blobs", *descriptor["digest"].split(":")).read_bytes())
    assert manifest["config"]["digest"] == image.id
    for blob in [manifest["config"], *manifest["layers"]]:
        assert images.joinpath("blobs", *blob["digest"].split(":")).stat().st_size == blob["size"]
