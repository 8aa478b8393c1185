# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed, or out of something, at any step: one forced delete, and nothing is left and the id is free again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess

import pytest
from bundles import AOCI, CHECKOUT, cgroups, config

WALK = os.path.join(CHECKOUT, "tests", "integration", "fault_walk.py")
CORE = os.path.join(CHECKOUT, "plugins", "module_utils")


def limited(rootfs, *args, **resources):
    document = config(rootfs, *(args or ("sleep", "30")))
    document["linux"]["resources"] = resources or {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}}
    return document


def with_user_namespace(document):
    document["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        document["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    return document


def gone(runtime, container_id="x"):
    """One forced delete clears everything, and the same id works."""
    deleted = runtime("delete", "--force", container_id)
    assert deleted.returncode == 0, deleted.stderr
    assert os.listdir(runtime.run_dir) == []
    assert cgroups(runtime.prefix) == []
    assert runtime("run", "-d", "-b", runtime.bundle(runtime.plain), container_id, capture_output=False).returncode == 0
    assert runtime("delete", "--force", container_id).returncode == 0
    assert cgroups(runtime.prefix) == []


@pytest.fixture
def faulty(runtime, rootfs):
    runtime.plain = config(rootfs, "sleep", "30")
    return runtime


@pytest.mark.parametrize(
    ("operation", "role", "users", "at_least"),
    [
        ("start", "parent", "shared", 50),
        ("start", "parent", "own", 50),
        ("start", "outer", "shared", 150),  # the only one: our parent has made the pid namespace
        ("start", "outer", "own", 40),
        ("start", "inner", "own", 120),
        ("kill", "parent", "shared", 5),
        ("delete", "parent", "shared", 25),
    ],
)
def test_killed_at_every_step(runtime, rootfs, operation, role, users, at_least):
    document = limited(rootfs)
    if users == "own":
        with_user_namespace(document)
    bundle = runtime.bundle(document)
    os.makedirs(runtime.run_dir)
    arguments = [CORE, runtime.run_dir, bundle, document["linux"]["cgroupsPath"], operation, role]
    walked = subprocess.run(
        [*runtime.python, WALK, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert walked.returncode == 0, walked.stderr
    found = json.loads(walked.stdout)
    assert found["problems"] == []
    assert len(found["steps"]) >= at_least


def test_no_space_for_the_state(faulty, rootfs, tmp_path):
    os.makedirs(faulty.run_dir)
    bundle = faulty.bundle(limited(rootfs))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", faulty.run_dir], check=True)
    try:
        filler = os.path.join(faulty.run_dir, ".filler")
        for size in (16384, 12288, 8192):
            with open(filler, "wb", buffering=0) as file:
                file.write(b"x" * size)
            done = faulty("create", "-b", bundle, "x")
            assert done.returncode == 1
            assert "No space left on device" in done.stderr
            assert os.listdir(faulty.run_dir) == [".filler"]
            assert cgroups(faulty.prefix) == []
        os.unlink(filler)
        gone(faulty)
    finally:
        subprocess.run(["umount", faulty.run_dir], check=True)


def test_no_space_in_the_root(faulty, rootfs, tmp_path):
    """What has to be made in it, for a mount, a device or the working directory, cannot be."""
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=800", "tmpfs", str(full)], check=True)
    try:
        subprocess.run(["cp", "-a", rootfs, f"{full}/root"], check=True)
        with contextlib.suppress(OSError):
            for number in range(800):
                (full / str(number)).touch()
        for change, words in (
            (lambda d: d["mounts"].append({"destination": "/a/b/c", "type": "tmpfs"}), "cannot mount tmpfs on /a/b/c"),
            (lambda d: d["process"].update(cwd="/d/e/f"), "cannot enter the working directory /d/e/f"),
            (lambda d: d["linux"].update(devices=[{"path": "/g/h/i", "type": "p"}]), "cannot make the device /g/h/i"),
        ):
            document = limited(f"{full}/root", "true")
            change(document)
            done = faulty("create", "-b", faulty.bundle(document), "x")
            assert done.returncode == 1
            assert f"{words}: No space left on device" in done.stderr
            assert done.stderr.count("\n") == 1
            assert os.listdir(faulty.run_dir) == []
            assert cgroups(faulty.prefix) == []
        gone(faulty)
    finally:
        subprocess.run(["umount", str(full)], check=True)


def test_no_process_left_for_the_caller(faulty, rootfs):
    """The limit is that of the group that the runtime itself is in."""
    os.makedirs(faulty.run_dir)
    bundle = faulty.bundle(limited(rootfs))
    top = next(path for path in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.exists(path + "/cgroup.procs"))
    group = f"{top}/{faulty.prefix}-caller"
    os.mkdir(group)
    try:
        if not os.path.exists(f"{group}/pids.max"):
            pytest.skip("needs the pids controller")
        with open(f"{group}/pids.max", "w", encoding="ascii") as file:
            file.write("1")
        enter = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        command = [*enter, *faulty.python, AOCI, "--root", faulty.run_dir, "create", "-b", bundle, "x"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 1
        assert "cannot fork the container's first process: Resource temporarily unavailable" in done.stderr
        assert done.stderr.count("\n") == 1
        gone(faulty)
    finally:
        os.rmdir(group)


def test_no_memory_for_the_first_process(faulty, rootfs):
    done = faulty("create", "-b", faulty.bundle(limited(rootfs, memory={"limit": 4096})), "x")
    assert done.returncode == 1
    assert "memory" in done.stderr
    assert done.stderr.count("\n") == 1
    gone(faulty)


def test_no_process_for_the_first_one(faulty, rootfs):
    """A full limit of the group above: nothing can be forked in the new one."""
    document = limited(rootfs)
    with_user_namespace(document)  # then it takes a fork in the group
    bundle = faulty.bundle(document)
    top = next(path for path in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.exists(path + "/cgroup.procs"))
    parent = f"{top}/{faulty.prefix}"
    os.makedirs(parent)
    if not os.path.exists(parent + "/pids.max"):
        os.rmdir(parent)
        pytest.skip("needs the pids controller")
    with open(parent + "/pids.max", "w", encoding="ascii") as file:
        file.write("1")
    done = faulty("create", "-b", bundle, "x")
    assert done.returncode == 1
    assert "Resource temporarily unavailable" in done.stderr
    with open(parent + "/pids.max", "w", encoding="ascii") as file:
        file.write("max")
    gone(faulty)


def test_no_memory_for_the_runtime_itself(faulty, rootfs):
    """With a little more each time, from too little to begin with to enough: it ends anywhere between."""
    document = limited(rootfs, "true")
    document["hooks"] = {"createRuntime": [{"path": "/bin/true"}]}
    bundle = faulty.bundle(document)
    codes, words = [], set()
    for size in range(12_000, 200_000, 300):  # KiB
        limit = ["prlimit", f"--as={size * 1024}"]
        command = [*limit, *faulty.python, AOCI, "--root", faulty.run_dir, "run", "-b", bundle, "x"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        codes.append(done.returncode)
        words.add(done.stderr)
        if done.returncode == 0:
            break
        assert faulty("delete", "--force", "x").returncode == 0
        assert not os.path.isdir(faulty.run_dir) or os.listdir(faulty.run_dir) == []
        assert cgroups(faulty.prefix) == []
    assert codes[-1] == 0
    assert len(codes) > 5
    assert "aoci: there is not enough memory\n" in words


def test_killed_for_memory_where_it_is_itself(faulty, rootfs):
    """The caller's own group is full: the kernel kills the runtime, or its child, at some moment of create."""
    bundle = faulty.bundle(limited(rootfs, "true"))
    top = next(path for path in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") if os.path.exists(f"{path}/cgroup.procs"))
    group = f"{top}/{faulty.prefix}-caller"
    os.mkdir(group)
    try:
        names = [f"{group}/{name}" for name in ("memory.limit_in_bytes", "memory.max")]
        limit = next((name for name in names if os.path.exists(name)), "")
        if not limit:
            pytest.skip("needs the memory controller")
        killed = 0
        for megabytes in (1, 2, 3, 4, 5, 6, 8, 12, 64):
            with open(limit, "w", encoding="ascii") as file:
                file.write(str(megabytes << 20))
            enter = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
            command = [*enter, *faulty.python, AOCI, "--root", faulty.run_dir, "run", "-b", bundle, "x"]
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
            killed += done.returncode == -9
            assert faulty("delete", "--force", "x").returncode == 0
            assert not os.path.isdir(faulty.run_dir) or os.listdir(faulty.run_dir) == []
            assert cgroups(faulty.prefix) == []
        assert killed
        assert done.returncode == 0
    finally:
        os.rmdir(group)


@pytest.mark.parametrize("status", ["created", "running"])
def test_a_vanished_cgroup(faulty, rootfs, status):
    """Somebody moves the processes out and removes the group."""
    document = limited(rootfs, "sh", "-c", "sleep 31 & sleep 32")
    assert faulty("create", "-b", faulty.bundle(document), "x", capture_output=False).returncode == 0
    if status == "running":
        assert faulty("start", "x").returncode == 0
    pid = faulty.state("x")["pid"]
    for directory in cgroups(faulty.prefix):
        for _attempt in range(3):  # what it forks meanwhile
            with open(directory + "/cgroup.procs", encoding="ascii") as file:
                inside = file.read().split()
            for one in inside:
                with open(os.path.dirname(os.path.dirname(directory)) + "/cgroup.procs", "w", encoding="ascii") as file:
                    file.write(one)
        os.rmdir(directory)
    assert faulty.state("x")["status"] == status
    updated = faulty("update", "--memory", "100000000", "x")
    assert updated.returncode == 1
    assert updated.stderr.startswith("aoci: ")
    assert updated.stderr.count("\n") == 1
    assert faulty("kill", "x", "KILL").returncode == 0
    gone(faulty)
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_a_state_that_is_not_whole(faulty, rootfs):
    """A directory without a state, or with half of one, as a full disk or a killed writer leaves it."""
    for content in (None, b"", b'{"id": "x"', b"[]", b"{}"):
        directory = os.path.join(faulty.run_dir, "x")
        os.makedirs(directory)
        if content is not None:
            with open(os.path.join(directory, "state.json"), "wb") as file:
                file.write(content)
        shown = faulty("state", "x")
        assert shown.returncode == 1
        assert shown.stderr.count("\n") == 1, shown.stderr
        gone(faulty)


DAMAGES = {"cut": b'{"id": "x"', "empty": b"", "a list": b"[]", "an object": b"{}", "gone": None}


def damage(runtime, name, content):
    path = os.path.join(runtime.run_dir, name, "state.json")
    if content is None:
        os.unlink(path)
    else:
        with open(path, "wb") as file:
            file.write(content)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_state_hides_no_other_container(faulty, rootfs, tmp_path, kind):
    for name in ("first", "hurt", "third"):
        bundle = faulty.bundle(config(rootfs, "sleep", "30"))
        assert faulty("run", "-d", "-b", bundle, name, capture_output=False).returncode == 0
    damage(faulty, "hurt", DAMAGES[kind])
    for stray in ("a file", "file"):
        with open(os.path.join(faulty.run_dir, stray), "w", encoding="ascii"):
            pass
    log = str(tmp_path / "log")
    shown = faulty("--log", log, "list", "-q")
    assert (shown.returncode, shown.stdout) == (0, "first\nthird\n")  # 0, as runc
    assert shown.stderr.count("\n") == 1
    assert f"{faulty.run_dir}/hurt/state.json" in shown.stderr
    with open(log, encoding="utf-8") as file:
        assert "the state of container hurt" in file.read()
    for stray in ("a file", "file"):
        os.unlink(os.path.join(faulty.run_dir, stray))


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_forced_delete_finds_what_a_damaged_state_hides(faulty, rootfs, kind):
    assert faulty("run", "-d", "-b", faulty.bundle(limited(rootfs)), "x", capture_output=False).returncode == 0
    pid = faulty.state("x")["pid"]
    damage(faulty, "x", DAMAGES[kind])
    assert faulty("delete", "x").returncode == 1
    gone(faulty)
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_the_default_group_is_looked_for_as_well(faulty, rootfs):
    document = limited(rootfs)
    name = document["linux"]["cgroupsPath"] = faulty.prefix  # what create takes by default is the id
    bundle = faulty.bundle(document)
    assert faulty("run", "-d", "-b", bundle, name, capture_output=False).returncode == 0
    pid = faulty.state(name)["pid"]
    damage(faulty, name, b"")
    with open(os.path.join(faulty.run_dir, name, "config.json"), "w", encoding="ascii") as file:
        file.write("{")
    deleted = faulty("delete", "--force", name)
    assert deleted.returncode == 0
    assert "its cgroup is not known" in deleted.stderr
    assert os.listdir(faulty.run_dir) == []
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_a_name_alone_is_no_reason_to_kill(faulty, rootfs):
    """A directory that holds no configuration had no cgroup yet, whoever has one of that name."""
    document = limited(rootfs)
    document["linux"]["cgroupsPath"] = faulty.prefix
    assert faulty("run", "-d", "-b", faulty.bundle(document), "bystander", capture_output=False).returncode == 0
    os.makedirs(os.path.join(faulty.run_dir, faulty.prefix))
    assert faulty("delete", "--force", faulty.prefix).returncode == 0
    assert faulty.state("bystander")["status"] == "running"
    assert faulty("delete", "--force", "bystander").returncode == 0


def test_cycles_leave_the_machine_as_it_was(faulty, rootfs):
    """tests/bench/cycles.py does a thousand."""
    script = os.path.join(CHECKOUT, "tests", "bench", "cycles.py")
    done = subprocess.run(
        [*faulty.python, script, "--cycles", "100", rootfs], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
