# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker itself: what it saves, we read, in both forms that it has written; what we save, it loads.

The tree that its own storage shows of the image is what ours has to be, and podman's and umoci's are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile

import docker_engine
import pytest
import trees
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from image_peers import Peers, call, same, view
from newer_package import NEWER, newer_program

pytestmark = pytest.mark.skipif(
    not all(map(os.path.exists, (docker_engine.DAEMON, docker_engine.CLIENT))), reason="needs docker.io"
)

NAME = "localhost/tests/odd:1"


@pytest.fixture(scope="module", params=["old form", "new form"])
def docker(request, tmp_path_factory):
    """With the image NAME, of two layers, saved as ``saved``."""
    daemon = docker_engine.DAEMON
    if request.param == "new form":
        try:
            daemon = newer_program("docker.io", docker_engine.DAEMON)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"needs the packages of Debian {NEWER}: {error}")
    engine = docker_engine.Engine(tempfile.mkdtemp(prefix="aoci-dk-", dir="/tmp"), daemon)
    try:
        lower = tmp_path_factory.mktemp("lower")
        trees.build_lower(str(lower))
        call("tar", "-C", str(lower), "--format=pax", "--xattrs", "--xattrs-include=*", "-cf", f"{lower}.tar", ".")
        engine("import", f"{lower}.tar", "base")
        engine("create", "--name", "changed", "base", "/bin/su")
        with engine.mounted("container", "changed") as root:
            trees.change_upper(root)
        engine("commit", "--change", 'CMD ["/bin/su"]', "changed", NAME)
        engine.saved = str(tmp_path_factory.mktemp("saved") / "saved.tar")
        engine("save", "-o", engine.saved, NAME)
        engine.form, engine.daemon = request.param, daemon
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def empty_docker(docker):
    """Another one that has no layer yet: Docker does not look at what it has."""
    engine = docker_engine.Engine(tempfile.mkdtemp(prefix="aoci-dk-", dir="/tmp"), docker.daemon)
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def peers():
    if not all(map(shutil.which, ("podman", "skopeo", "umoci"))):
        pytest.skip("needs podman, skopeo and umoci")
    made = Peers()
    yield made
    made.close()


@pytest.fixture
def store(state_dir):
    return Store(StateDir(state_dir))


def run(store, name=NAME, **options):
    made = plan(ImageRequest(name, **options), store)
    try:
        return apply(made, store)
    finally:
        made.close()


def test_it_has_the_form_and_all_that_was_put_in(docker):
    with tarfile.open(docker.saved) as file:
        names = file.getnames()
    assert ("oci-layout" in names) is (docker.form == "new form")
    assert "manifest.json" in names
    tree = docker.tree(NAME)
    assert dict(tree[b"bin/serve"].xattrs)["security.capability"] == trees.CAPABILITY
    assert tree[b"bin/su"].links == (b"bin/su", b"bin/sudo", b"usr/bin/su")
    assert tree[b"etc/disk"].device == (259, 300)
    assert b"opaque/old" not in tree
    assert tree[b"was-file"].kind == "directory"


def test_what_docker_saves_we_read(docker, peers, store, tmp_path):
    image = run(store, source={"path": docker.saved})
    assert image.config["config"]["Cmd"] == ["/bin/su"]
    assert f"sha256:{image.id.partition(':')[2]}" == docker("image", "inspect", "--format", "{{.Id}}", NAME)
    ours = view(store, image, tmp_path)
    assert same(ours, docker.tree(NAME)) == []
    peers.podman("load", "-q", "-i", docker.saved)
    try:
        assert same(ours, peers.podman_tree(NAME)) == []
    finally:
        peers.podman("rmi", NAME)
    layout = str(tmp_path / "layout")
    call("skopeo", "copy", "-q", f"docker-archive:{docker.saved}", f"oci:{layout}:odd")
    assert same(ours, peers.umoci_tree(f"{layout}:odd")) == []


@pytest.mark.parametrize("packed", [False, True])
def test_what_we_save_docker_loads(docker, empty_docker, store, tmp_path, packed):
    """Also of an image whose layers are compressed in our store."""
    expected = docker.tree(NAME)
    source = docker.saved
    if packed:
        source = str(tmp_path / "layout")
        call("skopeo", "copy", "-q", f"docker-archive:{docker.saved}", f"oci:{source}:odd")
    name = f"localhost/tests/back:{packed:d}"
    image = run(store, name, source={"path": source})
    archive = str(tmp_path / "archive.tar")
    run(store, name, archive={"path": archive, "format": "docker-archive"})
    empty_docker("load", "-i", archive)
    assert empty_docker("image", "inspect", "--format", "{{.Id}}", name) == image.id
    assert same(empty_docker.tree(name), expected) == []


def test_docker_and_we_meet_in_a_registry(docker, empty_docker, registry, store, tmp_path):
    """It pushes what we pull, and pulls what we push."""
    expected = docker.tree(NAME)
    theirs, ours = (f"{registry.address}/{docker.form.partition(' ')[0]}/{who}:1" for who in ("theirs", "ours"))
    docker("tag", NAME, theirs)
    docker("push", theirs)
    image = run(store, theirs)
    assert same(view(store, image, tmp_path), expected) == []
    run(store, theirs, tags=[ours], push=True)
    docker("rmi", theirs)
    empty_docker("pull", ours)
    assert same(empty_docker.tree(ours), expected) == []
