# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups read fast say what their files say, on this machine's kernel, whatever its cgroup version."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import implied, info, snapshot
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup
from cgroup_tasks import HIERARCHY, V1, disk_number, made_task, shell_in
from waiting import until

IMPLIED = [(file, file.partition(".")[0]) for file in implied.IMPLIED]
DEAR = [(file, file.partition(".")[0]) for file in sorted(implied.DEAR)]  # at hand when others are asked for
V1_MEMORY = "memory" in HIERARCHY.v1
STATES = {
    "new": {},
    "idle": {"cpu_idle": True},
    "no longer idle": {"cpu_idle": False},
    "the least weight": {"cpu_shares": 2},
    "the weight of an idle group": {"cpu_shares": 3},
    "another weight": {"cpu_shares": 2048},
    "limited": {"memory": "32m"},
    "limited with swap": {"memory": "32m", "memory_swap": "64m"},
}


@pytest.fixture
def task():
    with made_task() as made:
        yield made


def texts(path, files, reader=None):
    with (reader or snapshot.Reader(HIERARCHY)).snapshot(path) as group:
        return {file: group.text(controller, file) for file, controller in files}


def plain(task, files):
    return {file: task.raw(file) if task.has(file) else None for file, _controller in files}


@pytest.mark.parametrize("state", STATES)
def test_what_one_file_implies_is_what_the_other_holds(task, state):
    task.group.create()
    if state == "no longer idle":
        task(cpu_idle=True)
    task(**STATES[state])
    assert_implied(task)


def assert_implied(task):
    """Gives the texts of the files that others may imply."""
    found = texts(task.path, [*DEAR, *IMPLIED])
    expected = plain(task, IMPLIED)
    if found["cpuacct.usage_all"]:  # its line for each CPU is left out where all are zero
        assert expected["cpuacct.usage_all"].startswith(found["cpuacct.usage_all"])
        expected["cpuacct.usage_all"] = found["cpuacct.usage_all"]
    assert any(expected.values())
    assert {file: found[file] for file in expected} == expected
    return expected


def test_a_limit_of_the_group_above_is_not_its_own(task):
    task.group.create()
    above = open_cgroup(os.path.dirname(task.path))
    above.set({"memory": {"limit": 64 << 20}})
    try:
        found = assert_implied(task)
        assert not V1_MEMORY or int(found["memory.limit_in_bytes"]) > 1 << 62
    finally:
        above.set({"memory": {"limit": -1}})


def test_processes_that_were_there_and_forks_that_failed_are_told(task):
    with shell_in(task) as run:
        task(pids_limit="3")
        assert run("sleep 1000 >/dev/null & sleep 1000 >/dev/null & sleep 0") != "0"  # it ends with the fork that fails
        found = assert_implied(task)
        assert int(found["pids.current"]) >= 3
        task.group.kill(signal.SIGKILL)
    until(lambda: task.text("pids.current") == "0")  # those that nobody has waited for yet count, too
    found = assert_implied(task)
    assert found["pids.current"] == "0\n"
    assert found["pids.events"].startswith("max ")
    assert "max 0" not in found["pids.events"].splitlines()


@V1
@pytest.mark.parametrize("option", ["device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops"])
def test_a_rate_for_a_disk_is_told_and_that_it_has_gone(task, option):
    disk = disk_number()
    task(**{option: [f"{disk}:1234567"]})
    assert any("1234567" in (text or "") for text in assert_implied(task).values())
    task(**{option: [f"{disk}:max"]})
    assert_implied(task)


@V1
def test_time_that_was_used_is_told(task):
    with shell_in(task) as run:
        assert run("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done") == "0"
        found = texts(task.path, [("cpuacct.usage_all", "cpuacct")])["cpuacct.usage_all"]
        cpus = [line.split() for line in found.splitlines()[1:]]
        assert sum(int(user) + int(system) for _cpu, user, system in cpus) > 0


def test_files_of_many_lines_are_read_whole(task):
    """Longer than the first piece."""
    count = snapshot._FEW // 4
    with shell_in(task) as run:
        assert run(f"i=0; while [ $i -lt {count} ]; do sleep 1000 & i=$((i+1)); done") == "0"
        controller = "memory" if "memory" in HIERARCHY.v1 else "cgroup"
        pids = texts(task.path, [("cgroup.procs", controller)])["cgroup.procs"].split()
        assert len(pids) == count + 1
        assert sorted(map(int, pids)) == sorted(task.group.pids())
        task.group.kill(signal.SIGKILL)
        until(lambda: not task.group.pids())


def test_a_group_that_differs_from_those_before_it_says_so(task):
    """The files of the first are read of all others, too, before anybody asks."""
    for number in range(4):
        open_cgroup(f"{task.path}/{number}").create()
    changed = open_cgroup(f"{task.path}/2")
    changed.set({"pids": {"limit": 77}, "memory": {"limit": 16 << 20}})
    found = info.read(snapshot.Reader(HIERARCHY), task.path, info.PARTS, None)
    limits = {os.path.basename(entry["path"]): entry["limits"] for entry in found[1:]}
    assert [limits[str(number)]["pids_limit"] for number in range(4)] == [-1, -1, 77, -1]
    assert [limits[str(number)]["memory"] for number in range(4)] == [-1, -1, 16 << 20, -1]
