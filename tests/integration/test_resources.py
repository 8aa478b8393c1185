# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every property of ``linux.resources`` by what the kernel has of it afterwards, on whichever cgroups the machine has;
what it cannot have is an error that names the property."""

from __future__ import annotations

import os

import pytest
from bundles import config, detached

MIB = 1 << 20


def disk():
    """(major, minor) of a whole disk; None where there is none."""
    for name in sorted(os.listdir("/sys/block")):
        if not name.startswith(("ram", "dm-")):
            with open(f"/sys/block/{name}/dev", encoding="ascii") as file:
                major, _colon, minor = file.read().strip().partition(":")
            return int(major), int(minor)
    return None


DISK = disk()


def rate(key):
    return {"blockIO": {key: [{"major": DISK[0], "minor": DISK[1], "rate": 1048576}]}} if DISK else {}


# Property, resources, and what one of these files has to hold (v1's, v2's): a whole text or a line of it.
ROWS = [
    ("memory.limit", {"memory": {"limit": 64 * MIB}},
     {"memory.limit_in_bytes": str(64 * MIB), "memory.max": str(64 * MIB)}),
    ("memory.reservation", {"memory": {"reservation": 32 * MIB}},
     {"memory.soft_limit_in_bytes": str(32 * MIB), "memory.low": str(32 * MIB)}),
    ("memory.swap", {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}},
     {"memory.memsw.limit_in_bytes": str(96 * MIB), "memory.swap.max": str(32 * MIB)}),
    ("memory.kernelTCP", {"memory": {"kernelTCP": MIB}}, {"memory.kmem.tcp.limit_in_bytes": str(MIB)}),
    ("memory.kernel", {"memory": {"kernel": MIB}}, {}),
    ("memory.swappiness", {"memory": {"swappiness": 7}}, {"memory.swappiness": "7"}),
    ("memory.disableOOMKiller", {"memory": {"disableOOMKiller": True}}, {"memory.oom_control": "oom_kill_disable 1"}),
    ("cpu.shares", {"cpu": {"shares": 512}}, {"cpu.shares": "512", "cpu.weight": "59"}),
    ("cpu.quota", {"cpu": {"quota": 20000}}, {"cpu.cfs_quota_us": "20000", "cpu.max": "20000 100000"}),
    ("cpu.period", {"cpu": {"quota": 5000, "period": 50000}},
     {"cpu.cfs_period_us": "50000", "cpu.max": "5000 50000"}),
    ("cpu.burst", {"cpu": {"quota": 20000, "burst": 3000}}, {"cpu.cfs_burst_us": "3000", "cpu.max.burst": "3000"}),
    ("cpu.idle", {"cpu": {"idle": 1}}, {"cpu.idle": "1"}),
    ("cpu.cpus", {"cpu": {"cpus": "0"}}, {"cpuset.cpus": "0"}),
    ("cpu.mems", {"cpu": {"mems": "0"}}, {"cpuset.mems": "0"}),
    ("pids.limit", {"pids": {"limit": 17}}, {"pids.max": "17"}),
    ("pids.limit", {"pids": {"limit": -1}}, {"pids.max": "max"}),
    ("blockIO.weight", {"blockIO": {"weight": 300}},
     {"blkio.weight": "300", "blkio.bfq.weight": "300", "io.bfq.weight": "default 300", "io.weight": "default 2930"}),
    ("blockIO.leafWeight", {"blockIO": {"leafWeight": 300}}, {"blkio.leaf_weight": "300"}),
    ("blockIO.throttleReadBpsDevice", rate("throttleReadBpsDevice"),
     {"blkio.throttle.read_bps_device": " 1048576", "io.max": " rbps=1048576 wbps=max riops=max wiops=max"}),
    ("blockIO.throttleWriteBpsDevice", rate("throttleWriteBpsDevice"),
     {"blkio.throttle.write_bps_device": " 1048576", "io.max": " rbps=max wbps=1048576 riops=max wiops=max"}),
    ("blockIO.throttleReadIOPSDevice", rate("throttleReadIOPSDevice"),
     {"blkio.throttle.read_iops_device": " 1048576", "io.max": " rbps=max wbps=max riops=1048576 wiops=max"}),
    ("blockIO.throttleWriteIOPSDevice", rate("throttleWriteIOPSDevice"),
     {"blkio.throttle.write_iops_device": " 1048576", "io.max": " rbps=max wbps=max riops=max wiops=1048576"}),
    ("hugepageLimits", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]},
     {"hugetlb.2MB.limit_in_bytes": str(4 * MIB), "hugetlb.2MB.max": str(4 * MIB)}),
    ("network.classID", {"network": {"classID": 0x100001}}, {"net_cls.classid": "1048577"}),
    ("network.priorities", {"network": {"priorities": [{"name": "lo", "priority": 3}]}},
     {"net_prio.ifpriomap": "lo 3"}),
    ("rdma", {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 9}}},
     {"rdma.max": "mlx5_1 hca_handle=3 hca_object=9"}),
    ("unified.memory.high", {"unified": {"memory.high": str(48 * MIB)}}, {"memory.high": str(48 * MIB)}),
    ("unified.hugetlb.2MB.max", {"unified": {"hugetlb.2MB.max": str(4 * MIB)}}, {"hugetlb.2MB.max": str(4 * MIB)}),
]  # fmt: skip


def found(document, files):
    """File → content, for those of *files* that the container's group has, in whatever hierarchy."""
    seen = {}
    mounts = [f"/sys/fs/cgroup/{name}" for name in os.listdir("/sys/fs/cgroup")]
    for directory in ("/sys/fs/cgroup", *sorted(mounts)):
        for name in files:
            path = directory + document["linux"]["cgroupsPath"] + "/" + name
            if os.path.isfile(path):
                with open(path, encoding="ascii") as file:
                    seen[name] = file.read()
    return seen


@pytest.mark.parametrize(("name", "resources", "files"), ROWS, ids=[f"{n}-{row[0]}" for n, row in enumerate(ROWS)])
def test_a_property(runtime, rootfs, name, resources, files):
    if not resources:
        pytest.skip("needs a disk")
    document = config(rootfs, "sleep", "30")
    document["linux"]["resources"] = resources
    bundle = runtime.bundle(document)
    with open(f"{runtime.directory}/errors", "w+", encoding="utf-8") as errors:  # no pipe: what waits would hold it
        done = runtime("create", "-b", bundle, "box", capture_output=False, stderr=errors)
        errors.seek(0)
        said = errors.read()
    if done.returncode:
        assert f"aoci: linux.resources.{name}: " in said, said
        assert said.count("\n") == 1
        plain = config(rootfs, "sleep", "30")
        detached(runtime, plain, "plain")
        assert found(plain, files) == {} or name.startswith("unified"), said  # there really is none
        return
    seen = found(document, files)
    assert seen, name
    for file, text in seen.items():
        wanted = files[file]
        matches = [line for line in text.splitlines() if line == wanted or (wanted[0] == " " and line.endswith(wanted))]
        assert matches, (file, text)
    assert runtime("start", "box").returncode == 0
