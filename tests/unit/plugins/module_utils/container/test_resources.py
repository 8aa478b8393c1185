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


def test_what_cannot_be_lifted():
    assert resources.can_lift("memory")
    assert not resources.can_lift("cpuset_cpus")


@pytest.mark.parametrize(
    ("file", "option"), [("memory.limit_in_bytes", "memory"), ("cpu.max", "cpus"), ("hugetlb.x", "hugetlb.x")]
)
def test_a_drift_is_called_by_its_option(file, option):
    assert resources.option_of(file) == option
