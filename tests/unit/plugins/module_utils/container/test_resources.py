# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import resources


def test_only_what_is_declared():
    assert resources.resources({}) == {}
    assert resources.resources({"labels": {"a": "b"}}) == {}


def test_all_limits():
    options = {
        "memory": 100,
        "memory_reservation": 50,
        "memory_swap": -1,
        "memory_swappiness": 10,
        "cpus": 1.5,
        "cpu_shares": 512,
        "cpuset_cpus": "0-1",
        "cpuset_mems": "0",
        "pids_limit": 9,
        "blkio_weight": 300,
    }
    assert resources.resources(options) == {
        "memory": {"limit": 100, "reservation": 50, "swap": -1, "swappiness": 10},
        "cpu": {"shares": 512, "quota": 150000, "period": 100000, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 9},
        "blockIO": {"weight": 300},
    }


@pytest.mark.parametrize(
    ("desired", "recorded", "result"),
    [
        ({}, {"memory": 5}, {"memory": {"limit": -1}}),
        ({}, {"cpus": 1.0}, {"cpu": {"quota": -1, "period": 100000}}),
        ({"cpu_quota": 2000}, {"cpus": 1.0}, {"cpu": {"quota": 2000, "period": 100000}}),
        ({"memory": 7}, {"memory": 5, "pids_limit": 3}, {"memory": {"limit": 7}, "pids": {"limit": -1}}),
        ({}, {}, {}),
    ],
)
def test_limits_that_are_no_longer_declared_are_lifted(desired, recorded, result):
    assert resources.updated(desired, recorded) == result


SDA = {"path": "8:0", "rate": 5}
SDB = {"path": "8:16", "rate": 7}


@pytest.mark.parametrize(
    ("name", "desired", "recorded", "can"),
    [
        ("memory", {}, {"memory": 5}, True),
        ("oom_killer", {}, {"oom_killer": True}, True),
        ("cpuset_cpus", {}, {"cpuset_cpus": "0"}, False),
        ("cpuset_cpus", {"cpuset_cpus": "1"}, {"cpuset_cpus": "0"}, True),
        ("device_read_bps", {}, {"device_read_bps": [SDA]}, True),
        ("blkio_weight_device", {}, {"blkio_weight_device": [{"path": "8:0", "weight": 50}]}, False),
        (
            "blkio_weight_device",
            {"blkio_weight_device": [{"path": "8:0", "weight": 60}]},
            {"blkio_weight_device": [{"path": "8:0", "weight": 50}]},
            True,
        ),
        ("cgroup_conf", {"cgroup_conf": {"memory.high": "1"}}, {"cgroup_conf": {"memory.high": "2"}}, True),
        ("cgroup_conf", {"cgroup_conf": {"memory.high": "1"}}, {"cgroup_conf": {"memory.min": "2"}}, False),
    ],
)
def test_what_can_change_in_a_running_container(name, desired, recorded, can):
    assert resources.can_change(name, desired, recorded) is can


def test_limits_of_single_devices():
    assert resources.resources({"device_read_bps": [SDA], "device_write_iops": [SDB]}) == {
        "blockIO": {
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 7}],
        }
    }
    assert resources.updated({"device_read_bps": [SDB]}, {"device_read_bps": [SDA, SDB]}) == {
        "blockIO": {
            "throttleReadBpsDevice": [
                {"major": 8, "minor": 16, "rate": 7},
                {"major": 8, "minor": 0, "rate": 0},
            ]
        }
    }


def test_limits_that_few_have():
    assert resources.resources({"oom_killer": True, "cpu_rt_runtime": 5, "cgroup_conf": {"memory.high": "1m"}}) == {
        "memory": {"disableOOMKiller": True},
        "cpu": {"realtimeRuntime": 5},
        "unified": {"memory.high": "1m"},
    }


@pytest.mark.parametrize(
    ("file", "option"),
    [
        ("memory.limit_in_bytes", "memory"),
        ("cpu.max", "cpus"),
        ("blkio.throttle.read_bps_device", "device_read_bps"),
        ("hugetlb.x", "hugetlb.x"),
    ],
)
def test_a_drift_is_called_by_its_option(file, option):
    assert resources.option_of(file) == option
