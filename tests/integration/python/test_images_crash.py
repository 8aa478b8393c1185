# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulls that are killed, and pulls that meet: the store must be right afterwards, and each blob fetched once."""

from __future__ import annotations

import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.media import host_platform
from ansible_collections.agentless.oci.plugins.module_utils.image.digest import digest_of_file
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from oci_layout import directory, member, write_layout

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
FILES = 120


def layer(seed, size=20_000):
    numbers = random.Random(seed)
    members = [directory(f"layer{seed}")]
    for index in range(FILES):
        members.append(member(f"layer{seed}/{index}", content=numbers.randbytes(size)))
    return members


@pytest.fixture(scope="module")
def names(tmp_path_factory, registry):
    """Three images that share two of their four layers."""
    found = []
    architecture = host_platform(platform.machine()).architecture
    for index in range(3):
        path = tmp_path_factory.mktemp("layout")
        write_layout(path, [layer(0, 200_000), layer(1), layer(10 + index), layer(20 + index)], architecture)
        found.append(f"{registry.address}/crash/image{index}:1")
        command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{path}:test", f"docker://{found[-1]}"]
        subprocess.run(command, check=True)
    return found


def start(name):
    command = ["/usr/bin/python3", "-I", AOCI, "pull", "-q", name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(state_dir, name):
    """Everything about image *name* is whole."""
    store = Store(StateDir(state_dir))
    image = store.find(name)
    assert image is not None
    for descriptor in [image.manifest["config"], *image.manifest["layers"]]:
        assert digest_of_file(store.blob_path(descriptor["digest"])) == descriptor["digest"]
    paths = store.layer_paths(image)
    assert len(paths) == 4
    for path in paths:
        [name_inside] = os.listdir(path)
        assert len(os.listdir(os.path.join(path, name_inside))) == FILES


def unfinished(state_dir):
    """What is half done in the state directory."""
    found = os.listdir(os.path.join(state_dir, "images", "partial"))
    return found + [name for name in os.listdir(os.path.join(state_dir, "layers", "sha256")) if name.startswith(".")]


def test_eight_at_once_fetch_each_blob_once(names, registry, state_dir):
    log = os.path.join(registry.directory, "registry.log")
    before = os.path.getsize(log)
    running = [start(names[index % 3]) for index in range(8)]
    for process in running:
        _out, said = process.communicate()
        assert process.returncode == 0, said
    for name in names:
        check(state_dir, name)
    assert unfinished(state_dir) == []
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(before)
        fetched = re.findall(r'"GET /v2/\S+/blobs/(sha256:[0-9a-f]+)', file.read())
    store = Store(StateDir(state_dir))
    layers = {descriptor["digest"] for image in store.images() for descriptor in image.manifest["layers"]}
    counts = {digest: fetched.count(digest) for digest in layers}
    assert set(counts.values()) == {1}, json.dumps(counts)


def test_killed_at_any_moment_the_next_run_goes_on(names, state_dir):
    moments = random.Random(7)
    for _round in range(8):
        process = start(names[0])
        time.sleep(moments.uniform(0.1, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process = start(names[0])
    _out, said = process.communicate()
    assert process.returncode == 0, said
    check(state_dir, names[0])
    assert unfinished(state_dir) == []


def test_removal_while_others_pull(names, state_dir):
    store = Store(StateDir(state_dir))
    apply(plan(ImageRequest(names[0]), store), store)
    running = [start(names[1]), start(names[2])]
    for _round in range(5):
        apply(plan(ImageRequest(names[0], state="absent"), store), store)
        apply(plan(ImageRequest(names[0]), store), store)
    apply(plan(ImageRequest(names[0], state="absent"), store), store)
    for process in running:
        _out, said = process.communicate()
        assert process.returncode == 0, said
    check(state_dir, names[1])
    check(state_dir, names[2])
    for name in names[1:]:
        apply(plan(ImageRequest(name, state="absent"), store), store)
    assert os.listdir(os.path.join(state_dir, "layers", "sha256")) == []
    assert os.listdir(os.path.join(state_dir, "images", "blobs", "sha256")) == []


def test_what_a_container_pins_survives_the_removal_of_its_name(names, state_dir):
    store = Store(StateDir(state_dir))
    image = apply(plan(ImageRequest(names[0]), store), store)
    store.pin("c1", image)
    apply(plan(ImageRequest(names[0], state="absent"), store), store)
    assert store.find(names[0]) is None
    pinned = store.find(image.id)
    assert pinned is not None
    assert pinned.names == []
    assert len(store.layer_paths(pinned)) == 4
    store.unpin("c1")
    store.collect()
    assert store.find(image.id) is None
    assert os.listdir(os.path.join(state_dir, "layers", "sha256")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="mounts")
def test_a_full_disk_leaves_nothing_half_done_and_the_next_run_goes_on(names, tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=36m", "tmpfs", mounted], check=True)
    try:
        environment = {**os.environ, "AGENTLESS_OCI_ROOT": str(mounted)}
        command = ["/usr/bin/python3", "-I", AOCI, "pull", "-q", names[0]]
        failed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert "no space left" in failed.stderr
        assert "Free some space there" in failed.stderr
        assert [name for name in unfinished(mounted) if name.startswith(".")] == []
        blobs = mounted / "images" / "blobs" / "sha256"
        assert all(digest_of_file(str(blobs / name)) == f"sha256:{name}" for name in os.listdir(blobs))
        subprocess.run(["mount", "-o", "remount,size=120m", mounted], check=True)
        subprocess.run(command, env=environment, capture_output=True, check=True)
        check(mounted, names[0])
    finally:
        subprocess.run(["umount", mounted], check=True)
