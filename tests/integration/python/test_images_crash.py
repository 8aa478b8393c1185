# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulls and removals that are killed, pulls that meet, disks that are full: the store must be right afterwards.

A proxy before the registry counts what is fetched: nothing that is whole, or came in before, is fetched twice.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import signal
import subprocess
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import pull
from ansible_collections.agentless.oci.plugins.module_utils.image.digest import digest_of_file
from ansible_collections.agentless.oci.plugins.module_utils.image.ensure import ImageRequest, apply, plan
from ansible_collections.agentless.oci.plugins.module_utils.image.media import host_platform
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from faulty_proxy import Fault
from oci_layout import directory, member, write_layout
from waiting import group_runs, until

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")

AOCI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "aoci")
FILES = 120
# What may have been on its way when a client died, for each time it did: what it reads at once, and what it is sent
# meanwhile.
IN_FLIGHT = 512 << 10


def layer(seed, size=20_000):
    numbers = random.Random(seed)
    members = [directory(f"layer{seed}"), member(f"layer{seed}/.wh.nothing")]
    for index in range(FILES):
        members.append(member(f"layer{seed}/{index}", content=numbers.randbytes(size)))
    return members


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, registry):
    """Three images that share two of their four layers: their names, without the registry's."""
    found = []
    architecture = host_platform(platform.machine()).architecture
    for index in range(3):
        path = tmp_path_factory.mktemp("layout")
        write_layout(path, [layer(0, 200_000), layer(1), layer(10 + index), layer(20 + index)], architecture)
        found.append(f"crash/image{index}:1")
        target = f"docker://{registry.address}/{found[-1]}"
        command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{path}:test", target]
        subprocess.run(command, check=True)
    return found


@pytest.fixture
def names(pushed, proxy):
    return [f"{proxy.address}/{name}" for name in pushed]


def start(*arguments):
    command = ["/usr/bin/python3", "-I", AOCI, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def pulls(name):
    return start("pull", "-q", name)


def ends_well(process):
    _out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def kill(process):
    """SIGKILL; its own children, which unpack, have to end by themselves."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: not group_runs(process.pid))


def blobs_are_whole(state_dir):
    """Nothing lies under a digest that it does not have; the number of blobs."""
    directory = os.path.join(state_dir, "images", "blobs", "sha256")
    names = os.listdir(directory) if os.path.isdir(directory) else []
    for name in names:
        if not name.startswith("."):
            assert digest_of_file(os.path.join(directory, name)) == f"sha256:{name}"
    return len(names)


def sizes(state_dir):
    """Digest → size of all layers and configs that are here."""
    images = Store(StateDir(str(state_dir))).images()
    return {
        descriptor["digest"]: descriptor["size"]
        for image in images
        for descriptor in [image.manifest["config"], *image.manifest["layers"]]
    }


def check(state_dir, name):
    """Everything about image *name* is whole."""
    store = Store(StateDir(state_dir))
    image = store.find(name)
    assert image is not None
    for descriptor in [image.manifest["config"], *image.manifest["layers"]]:
        assert digest_of_file(store.blob_path(descriptor["digest"])) == descriptor["digest"]
    paths = store.layer_paths(image)
    layers = [path for path in paths if not path.endswith(".underlay")]
    assert len(layers) == 4
    # The upper three delete something, so each has an underlay.
    assert sorted(set(paths) - set(layers)) == sorted(f"{path}.underlay" for path in layers[1:])
    for path in layers:
        [name_inside] = os.listdir(path)
        assert len(os.listdir(os.path.join(path, name_inside))) == FILES + (path != layers[0])
        if path != layers[0]:
            assert os.listdir(f"{path}.underlay") == [name_inside]


def unfinished(state_dir):
    """What is half done in the state directory."""
    found = os.listdir(os.path.join(state_dir, "images", "partial"))
    return found + [name for name in os.listdir(os.path.join(state_dir, "layers", "sha256")) if name.startswith(".")]


def eight_pull_at_once(names, state_dir):
    running = [pulls(names[index % 3]) for index in range(8)]
    for process in running:
        ends_well(process)
    for name in names:
        check(state_dir, name)
    assert unfinished(state_dir) == []


def test_eight_at_once_fetch_each_blob_once(names, proxy, state_dir):
    eight_pull_at_once(names, state_dir)
    known = sizes(state_dir)
    assert len(known) == 8 + 3
    for digest, size in known.items():
        assert [one.status for one in proxy.asked("GET", digest)] == [200], digest
        assert proxy.bytes_of(digest) == size
    assert len(proxy.asked("HEAD")) == 8


def test_one_image_by_four_names_at_once_comes_in_once(pushed, registry, proxy, state_dir):
    """Its config too; answers take so long that all have asked before the first comes, if they all do."""
    tags = [f"crash/image0:other{index}" for index in range(4)]
    for tag in tags:
        command = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
        source, target = (f"docker://{registry.address}/{name}" for name in (pushed[0], tag))
        subprocess.run([*command, source, target], check=True)
    proxy.rule = lambda seen: Fault(delay=0.7) if "/blobs/" in seen.path else None
    for process in [pulls(f"{proxy.address}/{tag}") for tag in tags]:
        ends_well(process)
    known = sizes(state_dir)
    assert len(known) == 4 + 1
    for digest in known:
        assert [one.status for one in proxy.asked("GET", digest)] == [200], digest


def test_eight_at_once_through_a_bad_network(names, proxy, state_dir):
    """Cuts, delays, refusals: every blob still comes in once, piece by piece."""
    numbers = random.Random(11)
    down = [Fault(status=503)] * 2  # no pull may meet a third in a row, at which it would rightly give up

    def rule(seen):
        if seen.method != "GET" or numbers.random() < 0.4:
            return Fault(delay=numbers.uniform(0, 0.1))
        if "/manifests/" in seen.path:
            return numbers.choice([None, None, Fault(cut=100), down.pop() if down else None])
        cut = Fault(cut=numbers.randrange(100_000, 4_000_000))
        return numbers.choice([cut, cut, cut, Fault(status=429, headers={"Retry-After": "1"})])

    proxy.rule = rule
    eight_pull_at_once(names, state_dir)
    for digest, size in sizes(state_dir).items():
        asked = proxy.asked("GET", digest)
        assert size <= proxy.bytes_of(digest) <= size + len(asked) * IN_FLIGHT


def test_killed_at_any_moment_the_next_run_goes_on(names, proxy, state_dir):
    moments = random.Random(7)
    proxy.rule = lambda seen: Fault(rate=12_000_000) if seen.method == "GET" else None
    rounds = 10
    for _round in range(rounds):
        process = pulls(names[0])
        time.sleep(moments.uniform(0.05, 0.8))
        kill(process)
        blobs_are_whole(state_dir)
        image = Store(StateDir(state_dir)).find(names[0])
        if image is not None:
            check(state_dir, names[0])
    ends_well(pulls(names[0]))
    check(state_dir, names[0])
    assert unfinished(state_dir) == []
    for digest, size in sizes(state_dir).items():
        assert size <= proxy.bytes_of(digest) <= size + rounds * IN_FLIGHT


def test_a_blob_of_which_a_power_cut_left_something_else_comes_in_again(names, proxy, state_dir, tmp_path, monkeypatch):
    """What is unpacked of it meanwhile is wrong, and that may be told when the blob is whole and right at last."""
    undisturbed = Store(StateDir(str(tmp_path / "undisturbed")))
    layer = apply(plan(ImageRequest(names[0]), undisturbed), undisturbed).manifest["layers"][0]
    with open(undisturbed.blob_path(layer["digest"]), "rb") as file:
        blob = bytearray(file.read())
    blob[1_000_000] ^= 255
    store = Store(StateDir(state_dir))
    os.makedirs(store.partial)
    with open(store.partial_path(layer["digest"]), "wb") as file:
        file.write(blob[:-1000])

    def unpacked():
        found = os.walk(os.path.join(state_dir, "layers"))
        return sum(len(files) for path, _directories, files in found if os.path.basename(path) == "layer0")

    def rule(seen):
        if seen.method == "GET" and layer["digest"] in seen.path:
            until(lambda: unpacked() > FILES // 2)  # the wrong byte is in one of the first

    proxy.rule = rule
    finished, late = pull._Work._finished, []

    def finished_late(work, worker):
        task = worker.busy
        until(lambda: task.blob == "whole")
        late.append((task.layer.digest, task.trusted))
        finished(work, worker)

    monkeypatch.setattr(pull._Work, "_finished", finished_late)
    apply(plan(ImageRequest(names[0]), store), store)
    assert [trusted for digest, trusted in late if digest == layer["digest"]] == [False, True]
    check(state_dir, names[0])
    assert unfinished(state_dir) == []


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def test_one_that_unpacks_is_killed(names, proxy, state_dir):
    """As the kernel does it where memory is short: the pull says so, and the next run goes on."""
    proxy.rule = lambda seen: Fault(rate=4_000_000) if seen.method == "GET" else None
    process = pulls(names[0])
    until(lambda: children(process.pid))
    os.kill(children(process.pid)[-1], signal.SIGKILL)
    _out, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert said.startswith("aoci: the process that unpacks layers died. Was the host out of memory?")
    blobs_are_whole(state_dir)
    assert Store(StateDir(state_dir)).find(names[0]) is None
    proxy.rule = lambda _seen: None
    ends_well(pulls(names[0]))
    check(state_dir, names[0])
    assert unfinished(state_dir) == []


def test_who_loses_patience_loses_nothing_else(names, proxy, state_dir):
    """Ctrl-C, which a terminal sends to all that was started: no word of it, and what came in stays."""
    proxy.rule = lambda seen: Fault(rate=8_000_000) if seen.method == "GET" else None
    for seconds in (0.1, 0.3, 0.5):
        asked = len(proxy.seen)
        process = pulls(names[0])
        until(lambda asked=asked: len(proxy.seen) > asked)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        _out, said = process.communicate(timeout=120)
        assert (process.returncode, said) == (130, "")
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        blobs_are_whole(state_dir)
    ends_well(pulls(names[0]))
    check(state_dir, names[0])
    assert unfinished(state_dir) == []
    for digest, size in sizes(state_dir).items():
        assert size <= proxy.bytes_of(digest) <= size + 3 * IN_FLIGHT


def test_some_of_a_crowd_are_killed(names, proxy, state_dir):
    """Who waited for a blob that another was fetching takes over where that one was killed."""
    moments = random.Random(9)
    proxy.rule = lambda seen: Fault(rate=12_000_000) if seen.method == "GET" else None
    running = [pulls(names[index % 3]) for index in range(8)]
    for process in running[:5]:
        time.sleep(moments.uniform(0.1, 0.5))
        kill(process)
    for process in running[5:]:
        ends_well(process)
    for index in {index % 3 for index in range(5, 8)}:
        check(state_dir, names[index])
    assert unfinished(state_dir) == []
    for digest, size in sizes(state_dir).items():
        assert size <= proxy.bytes_of(digest) <= size + 5 * IN_FLIGHT


def test_a_removal_killed_at_any_moment(names, state_dir):
    moments = random.Random(8)
    ends_well(pulls(names[1]))
    for _round in range(8):
        ends_well(pulls(names[0]))
        process = start("rmi", names[0])
        time.sleep(moments.uniform(0.02, 0.25))
        kill(process)
        blobs_are_whole(state_dir)
        check(state_dir, names[1])
    Store(StateDir(state_dir)).remove(names[0])
    Store(StateDir(state_dir)).collect()
    check(state_dir, names[1])
    assert blobs_are_whole(state_dir) == 4 + 2
    assert len(os.listdir(os.path.join(state_dir, "layers", "sha256"))) == 4 + 3


def test_removal_while_others_pull(names, state_dir):
    store = Store(StateDir(state_dir))
    apply(plan(ImageRequest(names[0]), store), store)
    running = [pulls(names[1]), pulls(names[2])]
    for _round in range(5):
        apply(plan(ImageRequest(names[0], state="absent"), store), store)
        apply(plan(ImageRequest(names[0]), store), store)
    apply(plan(ImageRequest(names[0], state="absent"), store), store)
    for process in running:
        ends_well(process)
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
    assert len(store.layer_paths(pinned)) == 4 + 3
    with open(os.path.join(store.pins.directory, ".c1.4711.tmp"), "wb"):
        pass  # as a task leaves it that is killed while it pins
    store.pins.remove("c1")
    assert os.listdir(store.pins.directory) == []
    store.collect()
    assert store.find(image.id) is None
    assert os.listdir(os.path.join(state_dir, "layers", "sha256")) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_full_disk_leaves_nothing_half_done_and_the_next_run_goes_on(names, proxy, tmp_path, seed):
    """Blobs and layers need 62 MiB; where the space ends is left to chance."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    size = random.Random(seed).randrange(256, 60 << 10)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", mounted], check=True)
    try:
        environment = {**os.environ, "AGENTLESS_OCI_ROOT": str(mounted)}
        command = ["/usr/bin/python3", "-I", AOCI, "pull", "-q", names[0]]
        failed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert failed.returncode == 1
        assert "no space left" in failed.stderr.lower() or "MiB free" in failed.stderr, failed.stderr
        assert "Traceback" not in failed.stderr
        blobs_are_whole(mounted)
        if os.path.isdir(mounted / "layers" / "sha256"):
            assert [name for name in unfinished(mounted) if name.startswith(".")] == []
        assert Store(StateDir(str(mounted))).find(names[0]) is None
        subprocess.run(["mount", "-o", "remount,size=120m", mounted], check=True)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        check(mounted, names[0])
        assert unfinished(mounted) == []
        for digest, length in sizes(mounted).items():
            if length > 1 << 20:
                # Two full sockets' worth may have been on its way when the disk was full (tcp_wmem and tcp_rmem).
                assert proxy.bytes_of(digest) <= length + (11 << 20)
    finally:
        subprocess.run(["umount", mounted], check=True)
