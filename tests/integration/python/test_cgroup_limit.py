# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cgroup_limit decides and does on this machine's kernel, whatever its cgroup version; Ansible left out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import hierarchy, module, persist
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup, remove_empty
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from cgroup_tasks import NAMES

PARENT = "/agentless-oci-limit"
UNIFIED = hierarchy.detect().mode == hierarchy.UNIFIED


@pytest.fixture
def task(tmp_path):
    root = str(tmp_path / "state")
    path = f"{PARENT}/{uuid.uuid4().hex[:12]}"

    def run(check_mode=False, **options):
        given = {**dict.fromkeys(NAMES), "path": path, "state": "present", "kill": False, "root": root, **options}
        return module.result(given, check_mode)

    run.group = open_cgroup(path)
    run.state = StateDir(root)
    yield run
    run.group.kill(signal.SIGKILL)
    run.group.remove()
    remove_empty(PARENT)


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "300"])
    yield process.pid
    process.kill()
    process.wait()


STEPS = [
    {"memory": "64m", "cpus": "0.5", "pids_limit": "20"},
    {"memory": "100m", "memory_swap": "200m"},
    {"memory": "50m", "memory_swap": "60m", "memory_reservation": "40m"},
    {"cpu_weight": 33, "cpu_period": 50000, "cpu_quota": "20000"},
    {"cpu_shares": 512},
    {"cpus": "max", "memory": "max", "memory_swap": "max", "memory_reservation": "max", "pids_limit": "-1"},
]


def test_check_mode_foretells_and_a_second_run_changes_nothing(task):
    for step in STEPS:
        foretold = task(check_mode=True, **step)
        done = task(**step)
        assert done["changed"]
        assert done == foretold
        again = task(**step)
        assert not again["changed"]
        assert again["actions"] == []
        assert again["limits"] == {"before": done["limits"]["after"], "after": done["limits"]["after"]}
    assert done["limits"]["after"]["memory"] == -1
    assert done["limits"]["after"]["cpus"] == -1.0


def test_check_mode_makes_nothing(task):
    assert task(check_mode=True, memory="64m")["changed"]
    assert not task.group.exists()


def test_limit_changed_by_hand_is_put_back(task):
    task(pids_limit="20")
    with open(f"{task.group.directory('pids')}/pids.max", "w", encoding="utf-8") as file:
        file.write("50")
    result = task(pids_limit="20")
    assert result["actions"] == ["set pids_limit to 20"]
    assert result["diff"] == {"before": {"exists": True, "pids_limit": 50}, "after": {"exists": True, "pids_limit": 20}}


def test_processes_move_in_once_and_out_on_removal(task, sleeper):
    first = task(processes=[sleeper])
    assert first["actions"] == [
        f"created cgroup {task.group.path}",
        f"moved process {sleeper} into {task.group.path}",
    ]
    assert task.group.pids() == [sleeper]
    assert not task(processes=[sleeper])["changed"]
    assert task(state="absent")["actions"] == [f"removed cgroup {task.group.path}"]
    os.kill(sleeper, 0)
    assert not task.group.exists()
    assert not task(state="absent")["changed"]


def test_group_made_for_a_refused_limit_goes_again(task):
    with pytest.raises(CgroupError):
        task(pids_limit="20", conf={"cpu.idle": 7})
    assert not task.group.exists()


@pytest.mark.parametrize("frozen", ["", "/below"])
def test_what_stands_still_is_killed_as_well(task, sleeper, frozen):
    task(path=f"{task.group.path}/below", processes=[sleeper])
    task(path=task.group.path + frozen, frozen=True)
    done = task(state="absent", kill=True)
    assert done["actions"] == [f"killed process {sleeper}", f"removed cgroup {task.group.path}"]
    assert not task.group.exists()


def test_container_by_name(task, tmp_path):
    bundle = tmp_path / "containers" / "web" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps({"linux": {"cgroupsPath": task.group.path}}))
    with pytest.raises(CgroupError, match="it is not running"):
        task(name="web", path=None, root=str(tmp_path), memory="64m")
    task.group.create()
    result = task(name="web", path=None, root=str(tmp_path), memory="64m")
    assert result["limits"]["after"]["memory"] == 64 << 20


def test_a_running_container_until_its_next_task(task, host):
    """Its limits in force are changed; what it was declared with comes back, by the next task that declares it."""
    declared = {"memory": "64m", "pids_limit": 30, "cpus": 0.5}
    host.run(**declared)
    web = {"path": None, "name": "web", "root": host.root}
    other = {"memory": "48m", "pids_limit": "40", "cpus": "max", "frozen": True}
    foretold = task(check_mode=True, **web, **other)
    done = task(**web, **other)
    assert done == foretold
    assert done["limits"]["before"]["memory"] == 64 << 20
    assert not task(**web, **other)["changed"]
    found = open_cgroup(done["path"]).read()
    assert (found["memory"]["limit"], found["pids"]["limit"], found["cpu"]["quota"]) == (48 << 20, 40, -1)
    assert host.status()["Paused"]
    assert json.loads(host.aoci("stats", "--no-stream", "--format", "json").stdout)["status"] == "paused"
    pid = host.status()["Pid"]
    back = host.run(**declared, paused=False)
    assert back["actions"][-1] == "unpaused"
    assert not host.status()["Paused"]
    assert host.status()["Pid"] == pid
    after = task(**web)["limits"]["after"]
    assert (after["memory"], after["pids_limit"], after["cpus"]) == (64 << 20, 30, 0.5)
    assert host.run(**declared)["actions"] == []
    assert host.run(**declared, paused=True)["actions"] == ["paused"]
    assert host.run(**declared, paused=True)["actions"] == []
    with pytest.raises(CgroupError, match="kept with the container"):
        task(**web, memory="48m", persistent=True)


def test_limits_come_back_at_boot_until_they_are_removed(task):
    """What a reboot does to groups, and what the host's init calls."""
    task(memory="64m", cpus="0.5", persistent=True)
    task.group.remove()
    assert persist.apply_all(task.state) == []
    again = task(memory="64m", cpus="0.5", persistent=True)
    assert not again["changed"]
    assert again["limits"]["before"]["memory"] == 64 << 20
    assert task(state="absent")["actions"][0] == f"no longer recorded {task.group.path} for the next boot"
    assert persist.apply_all(task.state) == []
    assert not task.group.exists()


def test_a_group_whose_path_is_too_long_for_a_record(task):
    task(memory="64m", persistent=True)
    long = {"path": f"{task.group.path}/{'x' * 100}/{'y' * 100}/{'z' * 100}"}
    assert task(**long, memory="64m")["changed"]
    assert not task(**long, memory="64m")["changed"]
    with pytest.raises(CgroupError, match="too long to be kept over a reboot"):
        task(**long, memory="80m", persistent=True)
    assert task(**long)["limits"]["after"]["memory"] == 64 << 20


@pytest.mark.skipif(not UNIFIED, reason="needs cgroup v2")
def test_memory_high(task):
    assert task(memory_high="50m")["limits"]["after"]["memory_high"] == 50 << 20
    assert not task(memory_high="51200k")["changed"]


@pytest.mark.skipif(UNIFIED, reason="needs cgroup v1")
def test_memory_high_on_v1_says_what_to_do(task):
    with pytest.raises(CgroupError, match=r"cannot set memory_high .* boot with"):
        task(memory_high="50m")
    assert not task.group.exists()
