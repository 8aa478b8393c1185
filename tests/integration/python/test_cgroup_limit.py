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
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import hierarchy, module
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup, remove_empty
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError

PARENT = "/agentless-oci-limit"
UNIFIED = hierarchy.detect().mode == hierarchy.UNIFIED


@pytest.fixture
def task(tmp_path):
    root = str(tmp_path / "state")
    path = f"{PARENT}/{uuid.uuid4().hex[:12]}"

    def run(check_mode=False, **options):
        names = ("name", "processes", "conf", "memory", "memory_swap", "memory_reservation", "memory_high", "cpus")
        names += ("cpu_quota", "cpu_period", "cpu_shares", "cpu_weight", "cpuset_cpus", "cpuset_mems", "pids_limit")
        names += ("blkio_weight", "io_weight", "root")
        names += ("unit", "pid", "persistent")
        given = {**dict.fromkeys(names), "path": path, "state": "present", "kill": False, "root": root, **options}
        return module.result(given, check_mode)

    run.group = open_cgroup(path)
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


def test_container_by_name(task, tmp_path):
    bundle = tmp_path / "containers" / "web" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps({"linux": {"cgroupsPath": task.group.path}}))
    with pytest.raises(CgroupError, match="it is not running"):
        task(name="web", path=None, root=str(tmp_path), memory="64m")
    task.group.create()
    result = task(name="web", path=None, root=str(tmp_path), memory="64m")
    assert result["limits"]["after"]["memory"] == 64 << 20


@pytest.mark.skipif(not UNIFIED, reason="needs cgroup v2")
def test_memory_high(task):
    assert task(memory_high="50m")["limits"]["after"]["memory_high"] == 50 << 20
    assert not task(memory_high="51200k")["changed"]


@pytest.mark.skipif(UNIFIED, reason="needs cgroup v1")
def test_memory_high_on_v1_says_what_to_do(task):
    with pytest.raises(CgroupError, match=r"cannot set memory_high .* boot with"):
        task(memory_high="50m")
    assert not task.group.exists()
