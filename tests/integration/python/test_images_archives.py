# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of images: what other tools write, we read, and the other way round, entry by entry of the root file system.

The image has one of everything, in two layers made by buildah. Its tree as podman mounts it and as umoci unpacks it is
what ours must equal.
"""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import random
import shutil
import subprocess

import moments
import pytest
import trees
from ansible_collections.agentless.oci.plugins.module_utils.image import inflate, media
from ansible_collections.agentless.oci.plugins.module_utils.image.digest import digest_of_file
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.load import open_archive
from ansible_collections.agentless.oci.plugins.module_utils.image.source import kind_of
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from docker_archive import NAME, new_docker, old_docker
from image_peers import Peers, call, same, view
from oci_layout import member, write_layout

TOOLS = ("buildah", "podman", "skopeo", "umoci")
AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(tool for tool in TOOLS if not shutil.which(tool))}"
)


def build(peers, parent, change):
    container = peers.buildah("from", parent)
    change(peers.buildah("mount", container))
    peers.buildah("config", "--cmd", "/bin/su", "--env", "A=b", container)
    name = "odd" if parent != "scratch" else "base"
    peers.buildah("commit", "-q", container, name)
    peers.buildah("rm", container)


@pytest.fixture(scope="module")
def peers():
    """With the image "odd", as archives in every form: the paths below are what the tests bring."""
    made = Peers()
    try:
        build(made, "scratch", trees.build_lower)
        build(made, "base", trees.change_upper)
        made.buildah("push", "-q", "odd", f"oci:{made.path('buildah-layout')}:odd")
        made.buildah("push", "-q", "odd", f"oci-archive:{made.path('buildah-oci.tar')}:{NAME}")
        made.buildah("push", "-q", "odd", f"docker-archive:{made.path('buildah-docker.tar')}:{NAME}")
        made.podman("save", "-q", "--format", "oci-archive", "-o", made.path("podman-oci.tar"), "localhost/odd")
        made.podman("save", "-q", "--format", "docker-archive", "-o", made.path("podman-docker.tar"), "localhost/odd")
        made.podman("save", "-q", "--format", "oci-dir", "-o", made.path("podman-layout"), "localhost/odd")
        source = f"oci:{made.path('buildah-layout')}:odd"
        for compression in ("zstd", "zstd:chunked", "gzip"):
            target = f"oci:{made.path('skopeo-' + compression.replace(':', '-'))}:odd"
            call("skopeo", "copy", "-q", "--dest-compress-format", compression, source, target)
        call("skopeo", "copy", "-q", "--dest-decompress", source, f"dir:{made.path('plain')}")
        call("skopeo", "copy", "-q", f"dir:{made.path('plain')}", f"oci-archive:{made.path('skopeo-plain.tar')}:odd")
        old_docker(made.path("buildah-docker.tar"), made.path("docker-old.tar"))
        source, target = (
            f"{kind}:{made.path(name)}"
            for kind, name in (("docker-archive", "docker-old.tar"), ("oci", "skopeo-miscalled"))
        )
        call("skopeo", "copy", "-q", "--dest-oci-accept-uncompressed-layers", source, f"{target}:odd")
        new_docker(made.path("buildah-layout"), made.path("buildah-docker.tar"), made.path("docker-new.tar"))
        for name in ("buildah-oci.tar", "docker-old.tar"):
            with open(made.path(name), "rb") as plain, gzip.open(made.path(f"{name}.gz"), "wb", 1) as packed:
                shutil.copyfileobj(plain, packed)
        if shutil.which("zstd"):
            call("zstd", "-q", made.path("docker-old.tar"))
        made.tree = made.podman_tree("odd")
        yield made
    finally:
        made.close()


@pytest.fixture
def store(state_dir):
    return Store(StateDir(state_dir))


def run(store, check=False, name=NAME, **options):
    """(actions, image) of one task."""
    made = plan(ImageRequest(name, **options), store)
    try:
        image = made.image if check else apply(made, store)
    finally:
        made.close()
    return [action.verb for action in made.actions], image


ARCHIVES = [
    "buildah-layout",
    "buildah-oci.tar",
    "buildah-oci.tar.gz",
    "buildah-docker.tar",
    "podman-oci.tar",
    "podman-docker.tar",
    "podman-layout",
    "skopeo-gzip",
    "skopeo-zstd",
    "skopeo-zstd-chunked",
    "skopeo-plain.tar",
    "skopeo-miscalled",
    "docker-old.tar",
    "docker-old.tar.gz",
    "docker-old.tar.zst",
    "docker-new.tar",
]


def test_the_two_peers_agree(peers):
    """What the others below are compared with has everything that was put in."""
    tree = peers.tree
    assert same(peers.umoci_tree(f"{peers.path('buildah-layout')}:odd"), tree) == []
    assert dict(tree[b"bin/serve"].xattrs)["security.capability"] == trees.CAPABILITY
    assert tree[b"bin/su"].links == (b"bin/su", b"bin/sudo", b"usr/bin/su")
    assert tree[b"edit/it"].links == (b"edit/again", b"edit/it")
    assert tree[b"etc/disk"].device == (259, 300)
    assert tree[b"home/one/file"].uid == 3_000_000
    assert {path for path in tree if path.startswith((b"opaque", b"gone", b"was-dir"))} == {
        b"opaque", b"opaque/new", b"gone", b"was-dir",
    }  # fmt: skip


def test_the_layers_are_compressed_as_they_are_called(peers):
    """What chunked zstd adds are frames that others skip, and annotations (containers/storage, pkg/chunked)."""
    found = {}
    for name in ("skopeo-gzip", "skopeo-zstd", "skopeo-zstd-chunked", "skopeo-miscalled", "plain"):
        layout = pathlib.Path(peers.path(name))
        if name == "plain":
            blobs, manifest = layout, json.loads((layout / "manifest.json").read_text())
            layers = [blobs / layer["digest"][7:] for layer in manifest["layers"]]
        else:
            blobs = layout / "blobs/sha256"
            index = json.loads((layout / "index.json").read_text())
            manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
            layers = [blobs / layer["digest"][7:] for layer in manifest["layers"]]
        chunked = all("io.containers.zstd-chunked.manifest-checksum" in str(layer) for layer in manifest["layers"])
        contents = [layer.read_bytes() for layer in layers]
        called = {media.layer_compression(layer["mediaType"], name) for layer in manifest["layers"]}
        assert (called == {inflate.sniff(content[:4]) for content in contents}) is (name != "skopeo-miscalled")
        found[name] = {inflate.sniff(content[:4]) for content in contents}, chunked
        # A skippable frame, which holds the table of contents (RFC 8878, 3.1.2).
        assert all((b"\x50\x2a\x4d\x18" in content) is chunked for content in contents)
    assert found == {
        "skopeo-gzip": ({"gzip"}, False),
        "skopeo-zstd": ({"zstd"}, False),
        "skopeo-zstd-chunked": ({"zstd"}, True),
        "skopeo-miscalled": ({"tar"}, False),
        "plain": ({"tar"}, False),
    }


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_others_write_we_read(peers, store, tmp_path, name):
    path = peers.path(name)
    if not os.path.exists(path):
        pytest.skip("needs the program zstd")
    source = {"path": path}
    foreseen = run(store, check=True, source=source)
    assert foreseen == (["imported image"], None)
    actions, image = run(store, source=source)
    assert actions == ["imported image"]
    assert image.config["config"]["Cmd"] == ["/bin/su"]
    assert same(view(store, image, tmp_path), peers.tree) == []
    assert run(store, source=source)[0] == []
    assert run(store, check=True, source=source)[0] == []


def test_what_umoci_writes_we_read(peers, store, tmp_path):
    layout = str(tmp_path / "layout")
    shutil.copytree(peers.path("buildah-layout"), layout)
    bundle = str(tmp_path / "bundle")
    call("umoci", "unpack", "--image", f"{layout}:odd", bundle)
    root = os.path.join(bundle, "rootfs")
    shutil.rmtree(os.path.join(root, "deep"))
    os.link(os.path.join(root, "bin/su"), os.path.join(root, "bin/third"))
    os.mkdir(os.path.join(root, "var/more"), 0o1750)
    os.mknod(os.path.join(root, "var/more/zero"), 0o020640, os.makedev(1, 5))
    os.utime(os.path.join(root, "var/more"), (1, 1_000_000_000))
    call("umoci", "repack", "--image", f"{layout}:new", bundle)
    theirs = peers.umoci_tree(f"{layout}:new")
    _actions, image = run(store, source={"path": layout, "image": "new"})
    assert same(view(store, image, tmp_path), theirs) == []
    assert theirs[b"bin/third"].links == (b"bin/su", b"bin/sudo", b"bin/third", b"usr/bin/su")


@pytest.fixture
def odd(peers, store):
    return run(store, source={"path": peers.path("buildah-oci.tar")})[1]


def readable(peers, kind, path):
    """The trees that others make of what we wrote."""
    transport = f"{kind}:{path}" if kind != "oci" else f"oci:{path}:{NAME}"
    copied = peers.path("copied")
    try:
        call("skopeo", "copy", "-q", transport, f"oci:{copied}:odd")
        found = [peers.umoci_tree(f"{copied}:odd")]
    finally:
        shutil.rmtree(copied, ignore_errors=True)
    if kind == "oci":
        found.append(peers.umoci_tree(f"{path}:{NAME}"))
        peers.podman("pull", "-q", transport)
    else:
        said = peers.podman("load", "-q", "-i", path)
        assert NAME in said
    [name] = [
        name
        for name in peers.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        if "localhost/o" not in name and "base" not in name
    ]
    found.append(peers.podman_tree(name))
    peers.podman("rmi", name)
    return found


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive", "oci"])
def test_what_we_write_others_read(peers, store, odd, tmp_path, kind):
    archive = {"path": str(tmp_path / "archive"), "format": kind}
    assert run(store, check=True, archive=archive)[0] == ["wrote archive"]
    assert not os.path.exists(archive["path"])
    assert run(store, archive=archive)[0] == ["wrote archive"]
    for tree in readable(peers, kind, archive["path"]):
        assert same(tree, peers.tree) == []
    assert run(store, archive=archive)[0] == []
    assert run(store, check=True, archive=archive)[0] == []


def test_its_files_as_a_directory(peers, store, odd, tmp_path):
    """As podman and umoci have them; and that directory is a source again."""
    archive = {"path": str(tmp_path / "tree"), "format": "rootfs-dir"}
    assert run(store, check=True, archive=archive)[0] == ["wrote archive"]
    assert not os.path.exists(archive["path"])
    assert run(store, archive=archive)[0] == ["wrote archive"]
    assert same(trees.read_tree(archive["path"]), peers.tree) == []
    assert run(store, archive=archive)[0] == []
    _actions, image = run(store, name="again:1", source={"rootfs": archive["path"]})
    assert trees.differences(view(store, image, tmp_path), trees.read_tree(archive["path"])) == []


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive", "oci"])
def test_an_archive_is_written_anew_only_if_it_differs(store, odd, tmp_path, kind):
    archive = {"path": str(tmp_path / "archive"), "format": kind}
    run(store, archive=archive)
    files = [path for path in [tmp_path / "archive", *(tmp_path / "archive").rglob("*")] if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    largest = max(files, key=lambda path: path.stat().st_size)
    with open(largest, "r+b") as file:
        file.seek(2000)
        byte = file.read(1)
        file.seek(2000)
        file.write(bytes([byte[0] ^ 1]))
    assert run(store, check=True, archive=archive)[0] == ["wrote archive"]
    assert run(store, archive=archive)[0] == ["wrote archive"]
    assert {path: path.read_bytes() for path in files} == before
    os.utime(largest)  # another time is no other content
    assert run(store, archive=archive)[0] == []
    with open(largest, "ab") as file:
        file.write(b"\0")
    assert run(store, archive=archive)[0] == ["wrote archive"]
    assert {path: path.read_bytes() for path in files} == before


def test_the_same_image_makes_the_same_bytes_everywhere(store, odd, tmp_path):
    for kind in ("oci-archive", "docker-archive"):
        paths = [str(tmp_path / f"{kind}{number}") for number in range(2)]
        for path in paths:
            run(store, archive={"path": path, "format": kind})
        contents = {pathlib.Path(path).read_bytes() for path in paths}
        assert len(contents) == 1
        actions, image = run(store, name="again:1", source={"path": paths[0]}, force=True)
        assert (actions, image.id) == (["imported image"], odd.id)


def test_a_layout_keeps_its_other_images(peers, store, odd, tmp_path):
    layout = str(tmp_path / "layout")
    shutil.copytree(peers.path("skopeo-zstd"), layout)
    archive = {"path": layout, "format": "oci"}
    assert run(store, archive=archive)[0] == ["wrote archive"]
    assert run(store, archive=archive)[0] == []
    assert call("umoci", "ls", "--layout", layout).split() == sorted(["odd", NAME])
    assert same(peers.umoci_tree(f"{layout}:{NAME}"), peers.tree) == []


def test_no_archive_in_the_place_of_something_else(store, odd, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("precious")
    os.mkfifo(tmp_path / "fifo")
    for path, kind, why in [
        ("full", "oci-archive", "it is no regular file"),
        ("fifo", "docker-archive", "it is no regular file"),
        ("full", "oci", "neither empty nor an OCI image layout"),
        ("full/file", "oci", "it is no directory"),
        ("nowhere/x", "oci-archive", "there is no directory"),
    ]:
        for check in (True, False):
            with pytest.raises(Exception, match=why):
                run(store, check, archive={"path": str(tmp_path / path), "format": kind})
    assert (tmp_path / "full/file").read_text() == "precious"


def aoci(*words, data=None):
    done = subprocess.run(["/usr/bin/python3", "-I", AOCI, *words], input=data, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def test_save_and_load(peers, state_dir, tmp_path):
    code, said, error = aoci("load", "-i", peers.path("docker-old.tar.gz"))
    assert (code, error) == (0, "")
    assert said.decode().startswith(f"loaded {NAME} sha256:")
    code, archive, error = aoci("save", "--format", "docker-archive", NAME)
    assert (code, error) == (0, "")
    assert aoci("save", "-o", str(tmp_path / "both.tar"), NAME, NAME) == (0, b"", "")
    assert aoci("rmi", NAME)[0] == 0
    code, again, error = aoci("load", data=archive)
    assert (code, again, error) == (0, said, "")
    code, _said, error = aoci("load", "-i", peers.path("buildah-layout"))
    assert code == 1
    assert "the image odd in " in error
    assert "has no name" in error
    code, named, _error = aoci("load", "-q", "-i", peers.path("buildah-layout"), "other:2")
    assert code == 0
    assert aoci("images")[1].decode().count("\n") == 3
    assert named.decode().startswith("sha256:")
    code, _said, error = aoci("save", "nosuch:1")
    assert (code, error) == (1, "aoci: there is no image nosuch:1. aoci images lists them.\n")


def whole(store, name):
    """Every blob of the image is what its digest says, and nothing half done is left."""
    image = store.find(name)
    for descriptor in [image.manifest["config"], *image.manifest["layers"]]:
        assert digest_of_file(store.blob_path(descriptor["digest"])) == descriptor["digest"]
    assert store.is_complete(image)
    assert os.listdir(store.partial) == []
    layers = os.path.join(store.state.layers, "sha256")
    assert [name for name in os.listdir(layers) if name.startswith(".")] == []
    return image


def start(path):
    return subprocess.Popen(
        ["/usr/bin/python3", "-I", AOCI, "load", "-i", path, NAME], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("archive", ["buildah-oci.tar", "docker-old.tar.gz"])
def test_killed_at_any_moment_the_next_run_goes_on(peers, store, tmp_path, archive):
    path = peers.path(archive)

    def whole_load():
        process = start(path)
        assert process.communicate() and process.returncode == 0

    killer = moments.Killer(archive, whole_load)
    for _round in killer.rounds(8):
        store.remove(NAME)
        killer.kill(start(path))
        if store.find(NAME) is None:
            process = start(path)
            assert process.communicate()[1] == b""
        image = whole(store, NAME)
    assert same(view(store, image, tmp_path), peers.tree) == []


def test_several_at_once(peers, store, tmp_path):
    processes = [start(peers.path(name)) for name in ("docker-old.tar", "docker-old.tar.gz", "docker-old.tar") * 2]
    said = [process.communicate() for process in processes]
    assert {error for _out, error in said} == {b""}
    assert len({out for out, _error in said}) == 1
    assert same(view(store, whole(store, NAME), tmp_path), peers.tree) == []


@pytest.mark.parametrize("size", ["1m", "3m"])  # too small for the blob, for the layer
def test_a_full_disk_leaves_nothing_wrong(tmp_path, size):
    disk = tmp_path / "disk"
    disk.mkdir()
    call("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(disk))
    try:
        store = Store(StateDir(str(disk)))
        incompressible = tmp_path / "layout"
        write_layout(incompressible, [[member("random", content=random.Random(1).randbytes(2_500_000))]])
        with pytest.raises(Exception, match=r"no space left.*Free some space"):
            run(store, source={"path": str(incompressible)})
        assert store.find(NAME) is None
        packed = str(tmp_path / "packed.tar.gz")
        call("tar", "-C", str(incompressible), "-czf", packed, ".")
        with pytest.raises(Exception, match=r"cannot import .*packed.tar.gz: no space left"):
            open_archive(kind_of(packed), store)
        call("mount", "-o", "remount,size=30m", str(disk))
        assert run(store, source={"path": str(incompressible)})[0] == ["imported image"]
        whole(store, NAME)
    finally:
        call("umount", str(disk))
