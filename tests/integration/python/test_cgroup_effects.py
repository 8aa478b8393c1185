# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What limits do to processes, on this machine's kernel, whatever its cgroup version; more in test_cgroup_groups.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import info
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from cgroup_tasks import HIERARCHY, NAMES, PARENT, V1, V2, Task, made_task, shell_in
from waiting import until

MIB = 1 << 20
CONTROLLERS = HIERARCHY.v1.keys() | HIERARCHY.v2_controllers


@pytest.fixture
def task():
    with made_task() as made:
        yield made


@pytest.fixture
def child(task):
    with shell_in(task) as run:
        yield run


@pytest.fixture
def disk(tmp_path):
    """A block device of 8 MiB, its path."""
    backing = tmp_path / "disk"
    backing.write_bytes(bytes(8 * MIB))
    command = ["losetup", "--find", "--show", str(backing)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    path = done.stdout.strip()
    yield path
    subprocess.run(["losetup", "--detach", path], check=True)


@pytest.fixture
def forked(task):
    """``forked(work)`` gives the pid of a process in the group that does *work*, and ends with what it returns."""
    started = []

    def fork(work, group=task.group):
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                group.add(os.getpid())
                code = work() or 0
            finally:
                os._exit(code)
        started.append(pid)
        return pid

    task.group.create()
    yield fork
    for pid in started:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fill(size):
    """Write to every page of *size* bytes; by ourselves, since a system call would only fail for lack of memory."""
    block = bytearray(size)
    for offset in range(0, size, 4096):
        block[offset] = 1


def moved(task):
    """What cgroup_info tells of the group's devices."""
    asked = dict.fromkeys(("name", "unit", "pid", "depth", "root"))
    found = info.result({**asked, "path": task.path, "tree": False, "gather": ["usage"]})
    return {one["device"]: one for one in found["cgroups"][0]["usage"]["io"]}


def test_a_throttled_disk_is_slower(task, child, disk):
    """A direct write, which the kernel counts and slows where it comes from; 4 MiB at 2 MiB a second."""
    if not {"io", "blkio"} & CONTROLLERS or not (task.has("blkio.throttle.write_bps_device") or task.has("io.max")):
        pytest.skip("this kernel throttles no disks")

    runs = []

    def seconds(command):
        runs.append(command)
        begin = time.monotonic()
        assert child(command) == "0"
        return time.monotonic() - begin

    def goes_free(command):  # others may be in its way, but not each time
        until(lambda: seconds(command) < slow)

    write = f"dd if=/dev/zero of={disk} bs=1M count=4 oflag=direct"
    task(device_write_bps=[{"path": disk, "rate": "2m"}])
    slow = seconds(write)
    assert slow > 1.2
    # The other direction is as free as it was, until it is limited as well.
    read = f"dd if={disk} of=/dev/null bs=1M count=4 iflag=direct"
    goes_free(read)
    task(device_write_bps=[{"path": disk, "rate": "max"}], device_read_iops=[f"{disk}:4"])
    goes_free(write)
    assert seconds(read.replace("bs=1M count=4", "bs=4k count=8")) > 1.2
    number = os.stat(disk).st_rdev
    told = moved(task)[f"{os.major(number)}:{os.minor(number)}"]
    assert told["write_bytes"] == runs.count(write) * 4 * MIB
    assert told["read_bytes"] == runs.count(read) * 4 * MIB + (32 << 10)


@V1
def test_with_its_killer_off_a_process_waits_for_memory(task, forked):
    task(memory="20m", memory_swap="20m", oom_killer=True)
    pid = forked(lambda: fill(40 * MIB))
    until(lambda: "under_oom 1" in task.text("memory.oom_control"))
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    task(memory="100m", memory_swap="100m")
    assert ended(pid) == 0
    assert task.group.oom_kills() == 0


@V2
def test_lack_of_memory_ends_the_whole_group(task, forked):
    task(memory="30m", memory_swap="30m", memory_oom_group=True)
    waiting = forked(lambda: time.sleep(60))
    assert ended(forked(lambda: fill(60 * MIB))) == -signal.SIGKILL
    assert ended(waiting) == -signal.SIGKILL


@V2
def test_above_its_high_memory_a_process_goes_on_slowly(task, forked):
    task(memory_high="20m", memory_swap="max")
    forked(lambda: fill(60 * MIB))
    events = ["memory.events"]
    until(lambda: int(task.text(events[0]).split("high ")[1].split()[0]) > 0)
    assert task.group.oom_kills() == 0


def test_weights_share_a_cpu(task, forked):
    """Two that both want all of one CPU, for as long as they are looked at."""

    def busy():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        while True:
            pass

    heavy, light = Task(f"{task.path}/heavy"), Task(f"{task.path}/light")
    heavy(cpu_weight=400)
    light(cpu_weight=50)
    for one in (heavy, light):
        forked(busy, one.group)

    def used():
        return [one.group.usage()["cpu_usec"] for one in (heavy, light)]

    until(lambda: min(used()) > 20_000)
    before = used()
    until(lambda: sum(used()) - sum(before) > 600_000)
    more, less = (after - first for after, first in zip(used(), before))
    assert more > 2 * less


@V1
@pytest.mark.skipif(os.cpu_count() == 1, reason="needs two CPUs")
def test_a_cpu_that_the_group_above_does_not_have_is_refused_by_the_kernel(task):
    task.group.create()
    above = Task(PARENT)
    before = above.text("cpuset.cpus")
    try:
        task(cpuset_cpus="0", pids_limit="20")
        above.write("cpuset.cpus", "0")
        with pytest.raises(
            CgroupError, match=r"cannot set cpuset_cpus to 1: .* Nothing was changed.*above it allows 0"
        ):
            task(cpuset_cpus="1", pids_limit="30", memory="64m")
        after = task()["limits"]["after"]
        assert (after["cpuset_cpus"], after["pids_limit"], after["memory"]) == ("0", 20, -1)
    finally:
        above.write("cpuset.cpus", before)


NET = r"""
import json, os, socket, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import entry
entry.register()
from aoci.cgroup import module
def run(**given):
    return module.result({**dict.fromkeys(json.loads(sys.argv[3])), "path": sys.argv[2], "kill": False, **given}, False)
def sent():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            return one.sendto(b"x", ("127.0.0.1", 9))
        except PermissionError:
            return -1
found = []
wanted = {"net_cls_classid": "10:1", "net_prio_ifpriomap": {"lo": 5}}
try:
    found.append(sent())
    first = run(state="present", processes=[os.getpid()], **wanted)
    found.append(sent())
    again = run(state="present", **wanted)
    run(state="present", net_cls_classid="0x100002")
    found.append(sent())
    print(json.dumps({"after": first["limits"]["after"], "again": again["changed"], "sent": found}))
finally:
    run(state="absent")
"""


@V1
def test_packets_have_the_class_of_their_group(task, tmp_path):
    """In a network, and with mounts, of its own; the class is what a rule of the firewall sees."""
    if {"net_cls", "net_prio"} & HIERARCHY.v1.keys():
        pytest.skip("they are mounted, which the test wants to do itself")
    (tmp_path / "net_cls").mkdir()
    (tmp_path / "net_prio").mkdir()
    commands = [f"mount -t cgroup -o {name} cgroup {tmp_path}/{name}" for name in ("net_cls", "net_prio")]
    commands += ["ip link set lo up", "iptables -A OUTPUT -m cgroup --cgroup 0x100001 -j DROP"]
    # What is left in a hierarchy keeps it in everybody's /proc/PID/cgroup, mounted or not. The kernel lets go of what
    # has just been removed a moment later, and of the hierarchy a moment after its last unmount.
    above = [f"{tmp_path}/{name}{os.path.dirname(task.path)}" for name in ("net_cls", "net_prio")]
    commands += ['code=0; "$@" || code=$?', f"rmdir {' '.join(above)}", "sleep 0.5"]
    commands += [f"umount {tmp_path}/net_cls {tmp_path}/net_prio", "exit $code"]
    inside = [sys.executable, "-I", "-S", "-c", NET, entry.__file__, task.path, json.dumps(NAMES)]
    command = ["unshare", "--mount", "--net", "sh", "-ec", "\n".join(commands), "sh", *inside]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "net_cls" in done.stderr and "mount" in done.stderr:
        pytest.skip(f"this kernel has no net_cls: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    until(lambda: "net_" not in Path("/proc/self/cgroup").read_text())
    found = json.loads(done.stdout)
    assert found["sent"] == [1, -1, 1]
    assert not found["again"]
    assert found["after"]["net_cls_classid"] == "10:1"
    assert found["after"]["net_prio_ifpriomap"]["lo"] == 5


@V1
def test_net_cls_and_net_prio_where_they_are_not_mounted(task):
    if {"net_cls", "net_prio"} & HIERARCHY.v1.keys():
        pytest.skip("they are mounted")
    with pytest.raises(CgroupError, match=r"net_cls controller is not mounted.*mount -t cgroup -o net_cls"):
        task(net_cls_classid="10:1")
    with pytest.raises(CgroupError, match=r"net_prio controller is not mounted.*mount -t cgroup -o net_prio"):
        task(net_prio_ifpriomap={"lo": 3})
