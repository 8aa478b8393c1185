# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups and limits on this machine's kernel, whatever its cgroup version, proven by what processes feel."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import posix
import signal
import time
import uuid

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import hierarchy, snapshot, target
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup, remove_empty
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from ansible_collections.agentless.oci.plugins.module_utils.container import monitorhost
from waiting import until

PARENT = "/agentless-oci-pytest"
MIB = 1 << 20
CHILDREN: list[int] = []  # forked by the test that runs
HAS_CPUSET = {"cpuset"} & (set(hierarchy.detect().v1) | hierarchy.detect().v2_controllers)
UNIFIED = hierarchy.detect().mode == hierarchy.UNIFIED


@pytest.fixture
def group():
    one = open_cgroup(f"{PARENT}/{uuid.uuid4().hex[:12]}")
    one.create()
    yield one
    one.kill(signal.SIGKILL)
    while CHILDREN:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(CHILDREN.pop(), 0)
    one.remove()
    remove_empty(PARENT)


def child(group, work, *, join=False):
    """Fork a process that is in *group* before it calls *work*; its exit code is what *work* returns."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.close(write)
            if join:
                group.join()
            os.read(read, 1)
            code = work() or 0
        finally:
            os._exit(code)
    CHILDREN.append(pid)
    os.close(read)
    if not join:
        group.add(pid)
    os.close(write)
    return pid


def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def touch(size):
    block = bytearray(size)
    for offset in range(0, size, 4096):
        block[offset] = 1
    return block


def test_group_appears_and_vanishes_in_every_hierarchy(group):
    assert all(os.path.isdir(directory) for directory in group.directories())
    group.create()  # again is fine
    group.remove()
    assert not group.exists()
    group.remove()
    assert group.pids() == []


@pytest.mark.parametrize("join", [False, True])
def test_process_is_in_every_hierarchy(group, join):
    pid = child(group, lambda: time.sleep(60), join=join)
    until(lambda: group.holds(pid))
    assert group.pids() == [pid]
    assert not group.holds(os.getpid())


def test_limits_read_back_as_declared(group):
    declared = {"memory": {"limit": 64 * MIB + 1, "reservation": 32 * MIB}, "pids": {"limit": 17}}
    declared["cpu"] = {"shares": 512, "quota": 25000, "period": 50000}
    assert group.plan(declared)
    group.set(declared)
    found = group.read()
    assert found["memory"]["limit"] == 64 * MIB
    assert found["memory"]["reservation"] == 32 * MIB
    assert found["pids"]["limit"] == 17
    assert {key: found["cpu"][key] for key in ("quota", "period")} == {"quota": 25000, "period": 50000}
    assert group.plan(declared) == []
    assert group.plan({"cpu": {"shares": found["cpu"]["shares"]}}) == []
    lifted = {"memory": {"limit": -1, "swap": -1, "reservation": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}}
    group.apply(group.plan(lifted))
    found = group.read()
    assert (found["memory"]["limit"], found["memory"]["reservation"]) == (-1, -1)
    assert (found["cpu"]["quota"], found["pids"]["limit"]) == (-1, -1)
    assert group.plan(lifted) == []


def test_limits_foreseen_for_a_group_that_is_not_there(group):
    declared = {"memory": {"limit": 64 * MIB}, "cpu": {"quota": 50000, "shares": 512}, "pids": {"limit": 5}}
    other = open_cgroup(group.path + "/child")
    foreseen = other.read(other.plan(declared))
    assert not other.exists()
    other.create()
    try:
        other.set(declared)
        assert other.read() == foreseen
    finally:
        other.remove()


@pytest.mark.parametrize(("limit", "swap"), [(64, 128), (256, 300), (32, 32), (-1, -1), (48, 64)])
def test_memory_and_swap_move_together_in_either_direction(group, limit, swap):
    for first, second in ((100, 200), (limit, swap)):
        sizes = [size * MIB if size > 0 else size for size in (first, second)]
        group.apply(group.plan({"memory": {"limit": sizes[0], "swap": sizes[1]}}))
    found = group.read()["memory"]
    assert [found["limit"], found["swap"]] == sizes


def test_process_over_its_memory_is_killed(group):
    group.set({"memory": {"limit": 20 * MIB, "swap": 20 * MIB}})
    pid = child(group, lambda: len(touch(200 * MIB)) and 0)
    assert wait(pid) == -signal.SIGKILL
    assert group.oom_kills() >= 1


def test_process_within_its_memory_lives(group):
    group.set({"memory": {"limit": 60 * MIB, "swap": 60 * MIB}})
    assert wait(child(group, lambda: len(touch(10 * MIB)) and 7)) == 7
    assert group.oom_kills() == 0


def test_fork_stops_at_the_pids_limit(group):
    def work():
        made = 0
        try:
            for _turn in range(20):
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                made += 1
        except OSError as error:
            assert error.errno == errno.EAGAIN
        return made

    group.set({"pids": {"limit": 6}})
    assert wait(child(group, work)) == 5
    assert group.usage()["pids"] == 5


def test_busy_loop_gets_its_tenth_of_a_cpu(group):
    """By the kernel's count of periods and of those in which all of it was used: no clock of ours, which a machine with
    more to do than it can stops between two looks."""
    quota = 10_000
    group.set({"cpu": {"quota": quota, "period": 100_000}})

    def work():
        while True:
            pass

    def counted(name):
        with open(os.path.join(group.directory("cpu"), "cpu.stat"), encoding="ascii") as file:
            return int(dict(line.split() for line in file)[name])

    def used():
        return group.usage()["cpu_usec"]

    child(group, work)
    until(lambda: counted("nr_throttled") >= 2)
    first = (used(), counted("nr_throttled"), counted("nr_periods"), used())

    def since():
        """What it used at the least, in how many periods, and in how many of them all; what it used at the most."""
        last = (used(), counted("nr_periods"), counted("nr_throttled"), used())
        return last[0] - first[3], last[1] - first[2], last[2] - first[1], last[3] - first[0]

    def as_declared():
        inner, periods, throttled, outer = since()
        return throttled >= 15 and inner <= (periods + 3) * quota and outer >= (throttled - 2) * quota * 0.9

    # A process goes on until the next tick, which may be late; it pays that back in later periods.
    until(as_declared, since)
    assert group.usage()["throttled_usec"] > 0


def test_memory_below_usage_is_refused_and_nothing_changes(group):
    ready_read, ready_write = os.pipe()

    def work():
        kept = touch(30 * MIB)
        os.write(ready_write, b"x")
        time.sleep(60)
        return len(kept)

    before = {"memory": {"limit": 100 * MIB, "swap": 100 * MIB}, "pids": {"limit": 50}, "cpu": {"shares": 1024}}
    group.set(before)
    pid = child(group, work)
    os.read(ready_read, 1)
    os.close(ready_read)
    os.close(ready_write)
    wanted = {"cpu": {"shares": 300}, "pids": {"limit": 40}, "memory": {"limit": 8 * MIB, "swap": 8 * MIB}}
    with pytest.raises(CgroupError) as caught:
        group.apply(group.plan(wanted))
    text = str(caught.value)
    assert text.startswith("cannot set memory to 8m: the cgroup uses 3")
    assert "Nothing was changed. Stop the cgroup first, or declare at least 3" in text
    assert group.plan(before) == []
    os.kill(pid, 0)
    assert group.oom_kills() == 0


def test_refused_limit_leaves_the_others(group):
    """cpu.idle is 0 or 1: the limit written before it is put back."""
    group.set({"pids": {"limit": 10}})
    with pytest.raises(CgroupError) as caught:
        group.apply(group.plan({"pids": {"limit": 20}}, {"cpu.idle": "7"}))
    assert caught.value.errno == errno.EINVAL
    assert group.read()["pids"]["limit"] == 10


@pytest.mark.skipif(not HAS_CPUSET, reason="this kernel has no cpuset controller")
def test_cpuset_pins_and_spells_freely(group):
    group.set({"cpu": {"cpus": "0"}})
    assert group.plan({"cpu": {"cpus": "0-0"}}) == []
    assert wait(child(group, lambda: len(os.sched_getaffinity(0)) == 1 and min(os.sched_getaffinity(0)) + 40)) == 40


@pytest.mark.skipif(bool(HAS_CPUSET), reason="this kernel has a cpuset controller")
def test_controller_that_is_not_there_is_named(group):
    with pytest.raises(CgroupError, match=r"cpuset_cpus.*no cpuset controller on cgroup v2.*Leave cpuset_cpus out"):
        group.plan({"cpu": {"cpus": "0"}})


def test_kill_reaches_every_process(group):
    def work():
        for _turn in range(5):
            if os.fork() == 0:
                break
        time.sleep(60)

    child(group, work)
    until(lambda: len(group.pids()) == 6)
    group.kill(signal.SIGKILL)
    until(lambda: not group.pids())


def meanwhile(monkeypatch, module, file, action):
    """Have *action* done where a path that ends with *file* has been opened and nothing else done yet; what was."""
    opened, done = module.open, []

    def open_and_act(path, *arguments, **options):
        fd = opened(path, *arguments, **options)
        if str(path).endswith(file) and not done:
            done.append(path)
            action()
        return fd

    monkeypatch.setattr(module, "open", open_and_act)
    return done


def end(pid):
    os.kill(pid, signal.SIGKILL)
    CHILDREN.remove(pid)
    wait(pid)


@pytest.mark.parametrize("file", ["cgroup.kill", "freezer.state"])
def test_kill_meets_whoever_removes_the_group(group, monkeypatch, file):
    """The kernel says "No such device" to a file that was opened before its group went away."""
    pid = child(group, lambda: time.sleep(60))
    there = any(os.path.exists(f"{directory}/{file}") for directory in group.directories())

    def remove():
        end(pid)
        group.remove()

    removed = meanwhile(monkeypatch, os, file, remove)
    group.kill(signal.SIGKILL)
    until(lambda: not group.pids())
    assert bool(removed) is there


def test_a_monitor_reads_of_a_group_that_goes_away(group, monkeypatch):
    path = f"{group.directories()[0]}/cgroup.procs"
    assert meanwhile(monkeypatch, posix, path, group.remove) == []
    assert monitorhost.read(path) == ""
    assert not group.exists()
    assert monitorhost.read(path) == ""


def test_a_process_that_ends_while_its_group_is_looked_up_is_none(group, monkeypatch):
    for look, message in ((group.holds, "no such process"), (target.path_of, "there is no process")):
        pid = child(group, lambda: time.sleep(60))
        ended = meanwhile(monkeypatch, os, f"/proc/{pid}/cgroup", functools.partial(end, pid))
        with pytest.raises(CgroupError, match=message):
            look(*([pid] if look == group.holds else [pid, group.hierarchy]))
        assert ended
    pid = child(group, lambda: time.sleep(60))
    ended = meanwhile(monkeypatch, os, f"/proc/{pid}/cgroup", functools.partial(end, pid))
    assert snapshot.content(f"/proc/{pid}/cgroup") is None  # as all processes of the host are looked at
    assert ended


def test_frozen_processes_stand_still(group):
    def work():
        while True:
            pass

    child(group, work)
    group.freeze()
    assert group.frozen()
    used = group.usage()["cpu_usec"]
    time.sleep(0.3)
    assert group.usage()["cpu_usec"] - used < 20000
    group.thaw()
    assert not group.frozen()
    until(lambda: group.usage()["cpu_usec"] > used + 50000)


def test_signal_that_does_not_kill_reaches_and_leaves_running(group):
    def work():
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(5))
        while True:
            time.sleep(0.01)

    def caught():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            masks = dict(line.split(":") for line in file)
        return int(masks["SigCgt"], 16) & 1 << (signal.SIGUSR1 - 1)

    pid = child(group, work)
    until(caught)
    group.kill(signal.SIGUSR1)
    assert wait(pid) == 5


def test_evacuated_processes_go_on_above(group):
    inner = open_cgroup(group.path + "/a/b")
    inner.create()
    pid = child(inner, lambda: time.sleep(60))
    inner.evacuate()
    assert inner.pids() == []
    os.kill(pid, 0)
    os.kill(pid, signal.SIGKILL)
    wait(pid)


def test_remove_with_a_process_in_it_says_which(group):
    pid = child(group, lambda: time.sleep(60))
    with pytest.raises(CgroupError, match=rf"Processes still in it: {pid}"):
        group.remove()


@pytest.mark.parametrize("device", ["null", "zero"])
def test_devices_are_refused_unless_listed(group, device):
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}]
    try:
        group.set({"devices": rules})
    except CgroupError as error:
        if "CONFIG_CGROUP_BPF" in str(error):
            pytest.skip("this kernel has no BPF for cgroups")
        raise
    assert group.plan({"devices": rules}) == []

    def work():
        try:
            os.close(os.open(f"/dev/{device}", os.O_RDWR))
        except PermissionError:
            return 13
        return 0

    assert wait(child(group, work)) == (0 if device == "null" else 13)


@pytest.mark.skipif(not UNIFIED, reason="needs cgroup v2")
def test_raw_files_compare_as_the_kernel_tells_them(group):
    raw = {"memory.high": str(50 * MIB + 5), "memory.oom.group": "1"}
    assert len(group.plan({}, raw)) == 2
    group.set({}, raw)
    assert group.plan({}, raw) == []
    assert group.read_raw(raw) == {"memory.high": str(50 * MIB), "memory.oom.group": "1"}


@pytest.mark.skipif(UNIFIED, reason="needs cgroup v1")
def test_raw_v2_file_on_v1_is_an_error_with_a_way_out(group):
    with pytest.raises(CgroupError, match=r"systemd\.unified_cgroup_hierarchy=1"):
        group.plan({}, {"memory.high": "50m"})
