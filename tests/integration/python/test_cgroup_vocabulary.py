# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every limit of cgroup_limit on this machine's kernel, whatever its cgroup version; Ansible left out."""

from __future__ import annotations

import mmap
import os
import signal
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from cgroup_tasks import HIERARCHY, PARENT, UNIFIED, V1, Task, made_task, shell_in
from waiting import until


@pytest.fixture
def task():
    with made_task() as made:
        yield made


@pytest.fixture
def child(task):
    with shell_in(task) as run:
        yield run


def disks():
    found = []
    for name in sorted(os.listdir("/sys/block")):
        with open(f"/sys/block/{name}/dev", encoding="ascii") as file:
            number = file.read().strip()
        if os.path.exists(f"/dev/{name}"):
            found.append((f"/dev/{name}", number))
    return found


DISKS = disks()
DISK, NUMBER = DISKS[-1] if DISKS else ("/dev/none", "0:0")

# option, the file it needs (v1, v2; "" where there is none), two values, the second as the kernel tells it
WORDS = [
    ("cpu_burst", "cpu.cfs_burst_us", "cpu.max.burst", {"cpus": "0.5", "cpu_burst": 5000},
     {"cpu_burst": 20000}, 20000),
    ("cpu_idle", "cpu.idle", "cpu.idle", {"cpu_idle": True}, {"cpu_idle": False}, False),
    ("cpu_rt_period", "cpu.rt_period_us", "", {"cpu_rt_period": 500000}, {"cpu_rt_period": 800000}, 800000),
    ("cpuset_cpus", "cpuset.cpus", "cpuset.cpus", {"cpuset_cpus": "0"}, {"cpuset_cpus": "0,1"}, "0-1"),
    ("memory_swappiness", "memory.swappiness", "", {"memory_swappiness": 0}, {"memory_swappiness": 33}, 33),
    ("memory_min", "", "memory.min", {"memory_min": "16m"}, {"memory_min": "0"}, 0),
    ("memory_reservation", "memory.soft_limit_in_bytes", "memory.low", {"memory_low": None, "memory_reservation": "9m"},
     {"memory_reservation": "10485761"}, 10 << 20),
    ("memory_oom_group", "", "memory.oom.group", {"memory_oom_group": True}, {"memory_oom_group": False}, False),
    ("oom_killer", "memory.oom_control", "", {"oom_killer": True}, {"oom_killer": False}, False),
    ("io_latency", "", "io.latency", {"io_latency": [{"path": DISK, "target": "10ms"}]},
     {"io_latency": [f"{DISK}:75ms"]}, [{"path": NUMBER, "target": 75000}]),
    ("device_read_bps", "blkio.throttle.read_bps_device", "io.max",
     {"device_read_bps": [{"path": DISK, "rate": "1m"}]},
     {"device_read_bps": [f"{NUMBER}:2m"]}, [{"path": NUMBER, "rate": 2 << 20}]),
    ("device_write_iops", "blkio.throttle.write_iops_device", "io.max",
     {"device_write_bps": [f"{DISK}:1g"], "device_write_iops": [{"path": DISK, "rate": 100}]},
     {"device_write_iops": [{"path": NUMBER, "rate": "250"}]}, [{"path": NUMBER, "rate": 250}]),
    ("blkio_weight_device", "blkio.bfq.weight_device", "io.bfq.weight",
     {"blkio_weight_device": [{"path": DISK, "weight": 100}]},
     {"blkio_weight_device": [f"{DISK}:200"]}, [{"path": NUMBER, "weight": 200}]),
    ("hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max", {"hugetlb": {"2MB": "64m"}},
     {"hugetlb": {"2m": "33m"}}, {"2MB": 32 << 20}),
    ("device_cgroup_rules", "devices.list", "", {"device_cgroup_rules": ["c 1:3 rwm"]},
     {"device_cgroup_rules": ["c 1:3 rw", "c 1:5 r", "c 1:3 m", "b *:* m"]}, None),
    ("frozen", "freezer.self_freezing", "cgroup.freeze", {"frozen": True}, {"frozen": False}, False),
]  # fmt: skip


# What to write by hand to have the first values again, where the file does not take its own text
BY_HAND = {
    "memory.oom_control": ("memory.oom_control", "1"),
    "freezer.self_freezing": ("freezer.state", "FROZEN"),
    "devices.list": ("devices.allow", "c 1:9 r"),
}


@pytest.mark.parametrize(("option", "v1", "v2", "first", "second", "told"), WORDS, ids=[word[0] for word in WORDS])
def test_foretold_told_kept_and_put_back(task, option, v1, v2, first, second, told):
    task.group.create()
    on_v2 = UNIFIED or (option == "hugetlb" and "hugetlb" not in HIERARCHY.v1)
    file = v2 if on_v2 else v1
    if not file or not task.has(file):
        pytest.skip(f"this kernel has no {v2 or v1} here" if file else "not on this version of cgroup")
    texts = []
    for step in (first, second):
        foretold = task(check_mode=True, **step)
        try:
            done = task(**step)
        except CgroupError as error:
            if "scheduled by bfq" in str(error):
                pytest.skip(str(error))
            raise
        assert done["changed"]
        assert done == foretold
        again = task(**step)
        assert not again["changed"], again["actions"]
        texts.append(task.text(file))
    if told is not None:
        assert done["limits"]["after"][option] == told
    assert texts[0] != texts[1]
    task.write(*BY_HAND.get(file, (file, texts[0])))
    assert task.text(file) != texts[1]
    back = task(**second)
    assert back["changed"]
    assert back["limits"]["before"] != back["limits"]["after"] == done["limits"]["after"]
    assert task.text(file) == texts[1]


# What cannot be here: an error that names the controller or the version, and changes nothing
ELSEWHERE = [
    ("v1", {"memory_high": "50m"}, "memory.high exists only under cgroup v2|has no memory.high"),
    ("v1", {"memory_min": "50m"}, "boot with"),
    ("v1", {"memory_oom_group": True}, "boot with"),
    ("v1", {"cpuset_partition": "root"}, "cpuset controller .* has no cpuset.cpus.partition"),
    ("v1", {"io_latency": [{"path": "254:0", "target": "1ms"}]}, "io.latency exists only under cgroup v2"),
    ("v2", {"memory_swappiness": 5}, "vm.swappiness"),
    ("v2", {"oom_killer": True}, "OOM killer"),
    ("v2", {"net_cls_classid": "10:1"}, "net_cls.*nftables"),
    ("v2", {"net_prio_ifpriomap": {"lo": 1}}, "net_prio.*nftables"),
    ("v2", {"cpu_rt_runtime": 1000}, "realtime"),
    ("", {"rdma": {"mlx5_0": {"hca_handles": 1}}}, "rdma controller"),
    ("", {"misc": {"sev": 1}}, "misc controller|controller is not mounted|exists only under"),
    ("", {"hugetlb": {"3MB": "9m"}}, "hugetlb"),
    ("", {"device_read_bps": ["/dev/nothing:1m"]}, "there is no device /dev/nothing"),
    ("", {"device_read_bps": ["/dev/null:1m"]}, "/dev/null is no block device"),
    ("", {"conf": {"memory.reclaim": "1m"}}, "holds no limit"),
    ("", {"cpu_idle": True, "cpu_shares": 100}, "exclude each other"),
    ("", {"cpuset_cpus": "4000"}, "4000 is not online"),
]


@pytest.mark.parametrize(("version", "options", "says"), ELSEWHERE)
def test_what_cannot_be_is_told_before_anything_is_changed(task, version, options, says):
    if version and (version == "v2") != UNIFIED:
        pytest.skip(f"only on cgroup {version}")
    controllers = {"rdma": "rdma", "misc": "misc"}
    if HIERARCHY.v2_controllers & {controllers.get(name, "") for name in options}:
        pytest.skip("this kernel has that controller")
    task(pids_limit="20")
    before = task()["limits"]["after"]
    with pytest.raises(CgroupError, match=says):
        task(pids_limit="30", cpus="0.2", **options)
    assert task()["limits"]["after"] == before


TEN = {"cpus": "0.5", "cpu_period": 50000, "cpu_burst": 1000, "cpu_shares": 512, "memory": "64m",
       "memory_reservation": "32m", "pids_limit": "100", "cpuset_cpus": "0", "frozen": False}  # fmt: skip
OTHER = {"cpus": "0.8", "cpu_period": 100000, "cpu_burst": 2000, "cpu_shares": 2048, "memory_reservation": "4m",
         "pids_limit": "200", "cpuset_cpus": "0-1"}  # fmt: skip


def supported(task, options):
    lacking = {"cpuset_cpus": "cpuset.cpus", "cpu_burst": "cpu.max.burst" if UNIFIED else "cpu.cfs_burst_us"}
    return {name: value for name, value in options.items() if name not in lacking or task.has(lacking[name])}


def test_memory_below_what_is_used_leaves_all_others(task, child):
    task(**supported(task, TEN))
    used = mmap.mmap(-1, 24 << 20)
    pid = os.fork()
    if pid == 0:
        try:
            task.group.add(os.getpid())
            used.close()
            held = mmap.mmap(-1, 24 << 20)
            # Memory that cannot be reclaimed, on a machine with swap, either.
            held.write(os.urandom(24 << 20))
            time.sleep(60)
        finally:
            os._exit(0)
    try:
        until(lambda: task.group.usage()["memory"] >= 24 << 20)
        before = task()["limits"]["after"]
        with pytest.raises(CgroupError, match=r"cannot set memory to 8m: the cgroup uses .* Nothing was changed"):
            task(memory="8m", frozen=True, **supported(task, OTHER))
        assert task()["limits"]["after"] == before
        assert not task.group.frozen()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        used.close()


def test_an_idle_group_and_its_weight_before(task):
    if not task.has("cpu.idle"):
        pytest.skip("this kernel has no cpu.idle")
    task(cpu_weight=300)
    idle = task(cpu_idle=True)["limits"]["after"]
    assert idle["cpu_idle"] is True
    assert not {"cpu_weight", "cpu_shares"} & idle.keys()
    with pytest.raises(CgroupError, match=r"the group is idle .*Declare cpu_idle: false"):
        task(cpu_weight=200)
    assert task(cpu_idle=False, cpu_weight=300)["limits"]["after"]["cpu_weight"] == 300
    # A refusal after it brings the weight back, which the kernel had forgotten.
    with pytest.raises(CgroupError):
        task(cpu_idle=True, conf={"pids.max": "-7"})
    assert task()["limits"]["after"]["cpu_weight"] == 300
    assert not task(cpu_weight=300)["changed"]


def test_devices(task, child):
    assert child("true </dev/zero") == "0"
    try:
        task(device_cgroup_rules=["c 1:3 rwm"])
    except CgroupError as error:
        if "CONFIG_CGROUP_BPF" in str(error):
            pytest.skip("this kernel has no device programs")
        raise
    assert child("true </dev/zero") != "0"
    assert child("true </dev/null") == "0"
    task(device_cgroup_rules=["deny c 1:5 w"])
    assert child("true </dev/zero") == "0"
    assert child("true >/dev/zero") != "0"
    # cgroup v1 does not tell what it denies; a second run knows it all the same.
    assert not task(device_cgroup_rules=["deny c 1:5 w"])["changed"]
    assert task(device_cgroup_rules=["deny c 1:5 r"])["changed"]
    assert child("true </dev/zero") != "0"
    assert child("true >/dev/zero") == "0"
    assert task(device_cgroup_rules=["a *:* rwm"])["changed"]
    assert child("true </dev/zero") == "0"
    assert not task(device_cgroup_rules=["a *:* rwm"])["changed"]


@V1
def test_a_device_that_the_group_above_denies_leaves_the_rules(task):
    above = Task(PARENT)
    task.group.create()
    task.group.remove()
    above(device_cgroup_rules=["c 1:3 rwm", "c 1:5 rwm"])
    try:
        task(device_cgroup_rules=["c 1:5 rw"], pids_limit="10")
        with pytest.raises(CgroupError, match=r"device_cgroup_rules .* a group above it does not allow that\. Nothing"):
            task(device_cgroup_rules=["c 1:3 rw", "c 1:9 r"], pids_limit="20")
        assert task.text("devices.list") == "c 1:5 rw"
        assert task.text("pids.max") == "10"
    finally:
        task.group.remove()
        above.group.remove()


def test_frozen(task, child):
    task(frozen=True)
    with open(f"/proc/{child.pid}/stat", encoding="ascii") as file:
        assert file.read().rpartition(")")[2].split()[0] in ("D", "S")
    assert task.group.frozen()
    assert not task(frozen=True)["changed"]
    assert task(frozen=False)["actions"] == ["set frozen to false"]
    assert child("true") == "0"


def test_frozen_from_above_is_not_its_own(task):
    task(frozen=False)
    above = open_cgroup(PARENT)
    above.freeze()
    try:
        assert not task(frozen=False)["changed"]
        assert task()["limits"]["after"]["frozen"] is False
    finally:
        above.thaw()


def test_raw_files_in_any_spelling(task):
    task.group.create()
    cases = [("cpu.uclamp.max", "50", "50.0"), ("pids.max", "77", " 77 "), ("memory.oom.group", True, "1")]
    cases += [("cpu.max", "20000", "20000 100000"), ("cgroup.max.depth", "5", "5"), ("memory.high", "64m", "65536k")]
    cases += [("memory.limit_in_bytes", "64m", str((64 << 20) + 5)), ("cpu.shares", 300, "0300")]
    met = 0
    for file, one, other in cases:
        controller = file.partition(".")[0]
        if not task.group.has(controller, file):
            continue
        met += 1
        assert task(conf={file: one})["changed"]
        assert not task(conf={file: other})["changed"], file
    assert met >= 2
