# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is touched, and what options mean."""

from __future__ import annotations

import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import (
    api,
    hierarchy,
    plan,
    steps,
    target,
    vocabulary,
)
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.validate import Machine, validate
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

MIB = 1 << 20
MACHINE = Machine(frozenset((0, 1)), frozenset((0,)))


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ({"memory": {"limit": 4 * MIB}}, "memory 4m is below .*at least 6m"),
        ({"memory": {"limit": -5}}, "negative"),
        ({"memory": {"limit": 64 * MIB, "swap": 32 * MIB}}, "memory_swap 32m is below memory 64m"),
        ({"memory": {"swap": 32 * MIB}}, "without memory"),
        ({"memory": {"limit": 64 * MIB, "reservation": 65 * MIB}}, "memory_reservation 65m is above memory 64m"),
        ({"memory": {"swappiness": 101}}, "memory_swappiness 101"),
        ({"cpu": {"quota": 300000, "period": 100000}}, "cpus 3 is more than this machine has.*up to 2"),
        ({"cpu": {"quota": 201000}}, "cpus 2.01 is more"),
        ({"cpu": {"quota": 500}}, "cpu_quota 500"),
        ({"cpu": {"period": 500}}, "cpu_period 500"),
        ({"cpu": {"period": 2000000}}, "cpu_period 2000000"),
        ({"cpu": {"shares": 1}}, "cpu_shares 1 "),
        ({"cpu": {"quota": 5000, "burst": 6000}}, "cpu_burst 6000"),
        ({"cpu": {"cpus": "0-3"}}, "cpuset_cpus 0-3: 2-3 is not online.*Online here: 0-1"),
        ({"cpu": {"mems": "1"}}, "cpuset_mems 1: 1 is not online"),
        ({"cpu": {"cpus": "x"}}, "cpuset_cpus: 'x' is not a list"),
        ({"pids": {"limit": 5000000}}, "pids_limit 5000000"),
        ({"blockIO": {"weight": 5}}, "blkio_weight 5 is out of range.*10 to 1000"),
        ({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 2000}]}}, "blkio_weight 2000"),
    ],
)
def test_refused(resources, says):
    with pytest.raises(CgroupError, match=says):
        validate(resources, MACHINE)


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"memory": {"limit": 6 * MIB, "swap": 6 * MIB, "reservation": 6 * MIB, "swappiness": 0}},
        {"memory": {"limit": -1, "swap": -1}},
        {"cpu": {"quota": 200000, "period": 100000, "cpus": "0-1", "mems": "0", "shares": 2}},
        {"cpu": {"quota": -1, "shares": 0}},
        {"pids": {"limit": -1}, "blockIO": {"weight": 1000}},
    ],
)
def test_accepted(resources):
    validate(resources, MACHINE)


def _group(tmp_path):
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "io.weight").write_text("default 100\n")
    return api.open_cgroup("/g", hierarchy=hierarchy.Hierarchy({}, str(tmp_path), frozenset(("io", "memory", "cpu"))))


@pytest.mark.parametrize(
    ("options", "resources", "raw"),
    [
        ({"memory": "512m", "cpus": None}, {"memory": {"limit": 512 * MIB}}, {}),
        ({"cpus": "1.5"}, {"cpu": {"period": 100000, "quota": 150000}}, {}),
        ({"cpus": "50%", "cpu_period": 20000}, {"cpu": {"period": 20000, "quota": 10000}}, {}),
        ({"cpus": "max"}, {"cpu": {"period": 100000, "quota": -1}}, {}),
        ({"cpu_weight": 100}, {"cpu": {"shares": 1024}}, {}),
        ({"cpuset_cpus": "0-1"}, {"cpu": {"cpus": "0-1"}}, {}),
        ({"memory_high": "1g"}, {}, {"memory.high": str(1 << 30)}),
        ({"memory_high": "max"}, {}, {"memory.high": "max"}),
        ({"io_weight": 50}, {}, {"io.weight": "default 50"}),
        ({"conf": {"cpu.idle": True, "io.max": ["8:0 rbps=1", "8:16 rbps=2"]}}, {},
         {"cpu.idle": "1", "io.max": "8:0 rbps=1\n8:16 rbps=2"}),
    ],
)  # fmt: skip
def test_options_mean(tmp_path, options, resources, raw):
    assert vocabulary.resources_of(options, _group(tmp_path)) == (resources, raw)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cpus": "1", "cpu_quota": "5000"}, "cpus and cpu_quota say the same"),
        ({"memory": "0"}, "memory: 0 is no limit"),
        ({"io_weight": 0}, "io_weight 0 is out of range"),
        ({"cpu_weight": 10001}, "Declare 1 to 10000"),
    ],
)
def test_options_refused(tmp_path, options, says):
    with pytest.raises(CgroupError, match=says):
        vocabulary.resources_of(options, _group(tmp_path))


@pytest.mark.parametrize(
    ("file", "option"),
    [
        ("memory.limit_in_bytes", "memory"),
        ("memory.max", "memory"),
        ("memory.swap.max", "memory_swap"),
        ("memory.high", "memory_high"),
        ("cpu.max", "cpu_quota"),
        ("cpu.weight", "cpu_shares"),
        ("io.bfq.weight", "blkio_weight"),
        ("cpu.idle", "cpu_idle"),
    ],
)
def test_option_of(file, option):
    assert vocabulary.option_of(file) == option


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (plan.Change("memory", "memory.max", "max", "67108864"), "memory to 64m"),
        (plan.Change("memory", "memory.limit_in_bytes", "67108864", "-1"), "memory to max"),
        (plan.Change("hugetlb", "hugetlb.2MB.max", "max", "4194304"), "hugetlb to 2MB 4m"),
        (plan.Change("hugetlb", "hugetlb.1GB.rsvd.limit_in_bytes", "0", "max"), "hugetlb to 1GB max"),
        (plan.Change("cgroup", "cgroup.freeze", "0", "1"), "frozen to true"),
        (plan.Change("io", "io.max", "", "8:0 rbps=5\n8:1 rbps=6"), "device_read_bps to 8:0 rbps=5, 8:1 rbps=6"),
    ],
)
def test_what_a_change_is_called(change, says):
    assert steps.set_lines([change, change]) == [f"set {says}"]


@pytest.mark.parametrize("given", [{}, {"pid": 0}, {"name": ""}, {"unit": ""}, {"path": ""}])
def test_no_group_is_named(given):
    options = {**dict.fromkeys(("name", "path", "unit", "pid")), "state": "present", "kill": False, **given}
    with pytest.raises(CgroupError, match="no group is named"):
        steps.check_options(options)


def test_container_path(tmp_path):
    bundle = tmp_path / "containers" / "web" / "bundle"
    bundle.mkdir(parents=True)
    state = StateDir(str(tmp_path))
    with pytest.raises(CgroupError, match="there is no container 'web'"):
        target.container_path(state, "web")
    (bundle / "config.json").write_text(json.dumps({"linux": {"cgroupsPath": "/agentless-oci/web-1"}}))
    assert target.container_path(state, "web") == "/agentless-oci/web-1"
    (bundle / "config.json").write_text("{}")
    with pytest.raises(CgroupError, match="does not tell the container's cgroup"):
        target.container_path(state, "web")
