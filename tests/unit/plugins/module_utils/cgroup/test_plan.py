# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From resources to changes, on directories of plain files: what is planned, and what a refusal leaves."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import api, hierarchy, plan, write
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError

MIB = 1 << 20
V1_FILES = {
    "memory": {
        "memory.limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712",
        "memory.soft_limit_in_bytes": "9223372036854771712",
        "memory.swappiness": "60",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
        "memory.usage_in_bytes": str(11744051),
    },
    "cpu": {"cpu.shares": "1024", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1", "cpu.cfs_burst_us": "0"},
    "cpuset": {"cpuset.cpus": "0-3", "cpuset.mems": "0"},
    "pids": {"pids.max": "max", "pids.current": "2"},
    "blkio": {
        "blkio.bfq.weight": "100",
        "blkio.bfq.weight_device": "",
        "blkio.throttle.read_bps_device": "8:0 1048576\n",
        "blkio.throttle.write_iops_device": "",
    },
    "hugetlb": {"hugetlb.2MB.limit_in_bytes": "9223372036852678656"},
    "devices": {"devices.list": "a *:* rwm"},
}
V2_FILES = {
    "cgroup.controllers": "cpu cpuset io memory pids hugetlb",
    "memory.max": "max",
    "memory.high": "max",
    "memory.low": "0",
    "memory.swap.max": "max",
    "memory.current": str(11744051),
    "memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n",
    "cpu.weight": "100",
    "cpu.max": "max 100000",
    "cpu.max.burst": "0",
    "cpu.stat": "usage_usec 5000\nnr_throttled 1\nthrottled_usec 70\n",
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "pids.max": "max",
    "pids.current": "2",
    "io.weight": "default 100\n8:16 50\n",
    "io.max": "8:0 rbps=1048576 wbps=max riops=max wiops=max\n",
    "hugetlb.2MB.max": "max",
}


def _write(directory, files):
    os.makedirs(directory)
    for name, content in files.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(content + "\n")


@pytest.fixture
def v1(tmp_path):
    for controller, files in V1_FILES.items():
        _write(tmp_path / controller / "g", files)
    return api.open_cgroup("/g", hierarchy=hierarchy.Hierarchy({name: str(tmp_path / name) for name in V1_FILES}))


@pytest.fixture
def v2(tmp_path):
    _write(tmp_path / "g", V2_FILES)
    controllers = frozenset(V2_FILES["cgroup.controllers"].split())
    return api.open_cgroup("/g", owner="container", hierarchy=hierarchy.Hierarchy({}, str(tmp_path), controllers))


def _throttle(kind, rate):
    return {"blockIO": {f"throttle{kind}Device": [{"major": 8, "minor": 0, "rate": rate}]}}


CASES = [
    # resources, v1 changes (file, before, after), v2 changes
    ({"memory": {"limit": 100 * MIB}}, [("memory.limit_in_bytes", "9223372036854771712", "104857600")],
     [("memory.max", "max", "104857600")]),
    ({"memory": {"limit": 100 * MIB, "swap": 150 * MIB}},
     [("memory.limit_in_bytes", "9223372036854771712", "104857600"),
      ("memory.memsw.limit_in_bytes", "9223372036854771712", "157286400")],
     [("memory.max", "max", "104857600"), ("memory.swap.max", "max", "52428800")]),
    ({"memory": {"limit": -1, "swap": -1, "reservation": -1}}, [], []),
    ({"memory": {"limit": 0, "swap": 0}}, [], []),
    ({"memory": {"reservation": 50 * MIB}}, [("memory.soft_limit_in_bytes", "9223372036854771712", "52428800")],
     [("memory.low", "0", "52428800")]),
    ({"memory": {"disableOOMKiller": False}}, [], []),
    ({"cpu": {"shares": 1024}}, [], []),
    ({"cpu": {"shares": 512}}, [("cpu.shares", "1024", "512")], [("cpu.weight", "100", "59")]),
    ({"cpu": {"shares": 0}}, [], []),
    ({"cpu": {"quota": 50000}}, [("cpu.cfs_quota_us", "-1", "50000")], [("cpu.max", "max 100000", "50000 100000")]),
    ({"cpu": {"quota": 50000, "period": 20000}},
     [("cpu.cfs_period_us", "100000", "20000"), ("cpu.cfs_quota_us", "-1", "50000")],
     [("cpu.max", "max 100000", "50000 20000")]),
    ({"cpu": {"period": 20000}}, [("cpu.cfs_period_us", "100000", "20000")], [("cpu.max", "max 100000", "max 20000")]),
    ({"cpu": {"quota": -1, "period": 100000}}, [], []),
    ({"cpu": {"burst": 500}}, [("cpu.cfs_burst_us", "0", "500")], [("cpu.max.burst", "0", "500")]),
    ({"cpu": {"cpus": "0,1,2,3"}}, [], [("cpuset.cpus", "", "0,1,2,3")]),
    ({"cpu": {"cpus": "1", "mems": "0"}}, [("cpuset.cpus", "0-3", "1")],
     [("cpuset.cpus", "", "1"), ("cpuset.mems", "", "0")]),
    ({"pids": {"limit": 20}}, [("pids.max", "max", "20")], [("pids.max", "max", "20")]),
    ({"pids": {"limit": -1}}, [], []),
    ({"pids": {"limit": 0}}, [], []),
    ({"blockIO": {"weight": 500}}, [("blkio.bfq.weight", "100", "500")],
     [("io.weight", "default 100", "default 4950")]),
    ({"blockIO": {"weightDevice": [{"major": 8, "minor": 16, "weight": 1000}]}},
     [("blkio.bfq.weight_device", "8:16 0", "8:16 1000")], [("io.weight", "8:16 50", "8:16 10000")]),
    (_throttle("ReadBps", 1048576), [], []),
    (_throttle("ReadBps", 2097152), [("blkio.throttle.read_bps_device", "8:0 1048576", "8:0 2097152")],
     [("io.max", "8:0 rbps=1048576", "8:0 rbps=2097152")]),
    (_throttle("ReadBps", 0), [("blkio.throttle.read_bps_device", "8:0 1048576", "8:0 0")],
     [("io.max", "8:0 rbps=1048576", "8:0 rbps=max")]),
    (_throttle("WriteIOPS", 100), [("blkio.throttle.write_iops_device", "8:0 0", "8:0 100")],
     [("io.max", "8:0 wiops=max", "8:0 wiops=100")]),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": 3 * MIB}]},
     [("hugetlb.2MB.limit_in_bytes", "9223372036852678656", "3145728")],
     [("hugetlb.2MB.max", "max", "3145728")]),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": -1}]}, [], []),
]  # fmt: skip


def _changes(group, resources, raw=None):
    return [(change.file, change.before, change.after) for change in group.plan(resources, raw)]


@pytest.mark.parametrize(("resources", "expected"), [(case[0], case[1]) for case in CASES])
def test_v1(v1, resources, expected):
    assert _changes(v1, resources) == expected


@pytest.mark.parametrize(("resources", "expected"), [(case[0], case[2]) for case in CASES])
def test_v2(v2, resources, expected):
    assert _changes(v2, resources) == expected


@pytest.mark.parametrize(
    ("resources", "version", "says"),
    [
        ({"memory": {"swappiness": 0}}, "v2", "vm.swappiness"),
        ({"memory": {"disableOOMKiller": True}}, "v2", "cannot switch the OOM killer off"),
        ({"network": {"classID": 5}}, "v2", "nftables"),
        ({"network": {"classID": 5}}, "v1", "net_cls controller is not mounted"),
        ({"blockIO": {"leafWeight": 500, "weight": 100}}, "v2", "no leaf weight"),
        ({"blockIO": {"leafWeight": 300}}, "v1", "has no blkio.leaf_weight"),
        ({"cpu": {"idle": 1}}, "v1", "has no cpu.idle"),
        ({"rdma": {"mlx5_0": {"hcaHandles": 2}}}, "v2", "no rdma controller on cgroup v2"),
        ({"hugepageLimits": [{"pageSize": "1GB", "limit": 0}]}, "v1", "has no hugetlb.1GB.limit_in_bytes"),
        ({"unified": {"memory.high": "1"}}, "v1", "no memory.high"),
        ({"unified": {"io.latency": "8:0 target=5"}}, "v1", "this machine has cgroup v1"),
        ({"memory": {"limit": "100m"}}, "v1", "memory.limit must be a whole number"),
        ({"cpu": {"cpus": 3}}, "v2", "cpu.cpus must be text"),
        ({"memory": {"limit": 100, "swap": 50}}, "v2", "below memory"),
    ],
)
def test_what_cannot_be_is_told(request, resources, version, says):
    with pytest.raises(CgroupError, match=says):
        request.getfixturevalue(version).plan(resources)


def test_missing_swap_file_matters_only_for_a_limit(v1):
    os.unlink(v1.paths()["memory"] + "/memory.memsw.limit_in_bytes")
    assert _changes(v1, {"memory": {"swap": -1}}) == []
    with pytest.raises(CgroupError, match=r"cannot set memory_swap .*swapaccount=1"):
        v1.plan({"memory": {"limit": 10 * MIB, "swap": 10 * MIB}})


def test_controller_not_enabled_for_the_group(v2):
    path = v2.paths()[""]
    os.unlink(path + "/pids.max")
    with open(path + "/cgroup.controllers", "w", encoding="utf-8") as file:
        file.write("cpu memory\n")
    wanted = v2.plan({"pids": {"limit": 5}})  # making the group once more may enable it
    assert [(change.before, change.after) for change in wanted] == [("max", "5")]
    with pytest.raises(CgroupError, match="pids controller is not enabled for this group"):
        v2.apply(wanted)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"memory.high": "9999999"}, [("memory.high", "max", "9999999")]),
        ({"memory.high": "max"}, []),
        ({"memory.high": "64m"}, [("memory.high", "max", "67108864")]),
        ({"memory.max": "1g"}, [("memory.max", "max", "1073741824")]),
        ({"io.max": "8:0 rbps=1048576 wiops=max"}, []),
        ({"io.max": "8:0 rbps=5 wiops=9"}, [("io.max", "8:0 rbps=1048576", "8:0 rbps=5"),
                                            ("io.max", "8:0 wiops=max", "8:0 wiops=9")]),
        ({"io.weight": "default 100"}, []),
        ({"io.weight": "8:16 60"}, [("io.weight", "8:16 50", "8:16 60")]),
        ({"cpu.max": "max 100000"}, []),
        ({"cpu.max": "5000 10000"}, [("cpu.max", "max 100000", "5000 10000")]),
    ],
)  # fmt: skip
def test_raw_files(v2, raw, expected):
    assert _changes(v2, {}, raw) == expected
    assert _changes(v2, {"unified": raw}) == expected


@pytest.mark.parametrize(
    ("file", "value", "says"),
    [
        ("memory.high", "lots", "is not a size"),
        ("cpu.weight", "heavy", "is not a number"),
        ("pids.max", "x", "pids.max"),
    ],
)
def test_raw_value_that_is_none(v2, file, value, says):
    with pytest.raises(CgroupError, match=says):
        v2.plan({}, {file: value})


@pytest.mark.parametrize("file", ["memory", "../memory.max", "/etc/passwd", ".max", "memory."])
def test_what_is_no_control_file(v2, file):
    with pytest.raises(CgroupError, match="is not the name of a control file"):
        v2.plan({}, {file: "1"})


def test_applied_resources_read_back_v2(v2, monkeypatch):
    def write_control(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")

    monkeypatch.setattr(write, "write_control", write_control)
    declared = {"memory": {"limit": 100 * MIB, "swap": 150 * MIB, "reservation": 10 * MIB}, "pids": {"limit": 9}}
    declared["cpu"] = {"shares": 512, "quota": 5000, "period": 10000, "cpus": "0-1"}
    foreseen = v2.read(v2.plan(declared))
    v2.apply(v2.plan(declared))
    found = v2.read()
    assert found == foreseen
    assert found["memory"] == {"limit": 100 * MIB, "swap": 150 * MIB, "reservation": 10 * MIB}
    assert {key: found["cpu"][key] for key in ("quota", "period", "cpus")} == {
        "quota": 5000,
        "period": 10000,
        "cpus": "0-1",
    }
    assert found["pids"] == {"limit": 9}
    assert v2.plan(declared) == []


def test_read_v1(v1):
    found = v1.read()
    assert found["memory"] == {
        "limit": -1,
        "swap": -1,
        "reservation": -1,
        "swappiness": 60,
        "disableOOMKiller": False,
    }
    assert found["cpu"]["quota"] == -1
    assert found["blockIO"] == {
        "weight": 100,
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1048576}],
    }


def test_what_the_kernel_counts(v1, v2):
    assert v1.oom_kills() == 3
    assert v2.oom_kills() == 2
    assert v1.usage() == {"memory": 11744051, "pids": 2}
    assert v2.usage() == {"memory": 11744051, "pids": 2, "cpu_usec": 5000, "throttled_usec": 70}


def _change(file, before="old", after="new"):
    return plan.Change(file.split(".")[0], file, before, after)


def _writer(refuses, log):
    def write(change):
        log.append((change.file, change.after))
        code = refuses(change, log)
        if code:
            raise OSError(code, os.strerror(code))

    return write


def test_a_write_that_depends_on_another_is_tried_after_it():
    log = []

    def refuses(change, log):
        return errno.EINVAL if change.file == "memory.limit" and ("memory.memsw", "new") not in log else 0

    done, failed, _error = plan.settle([_change("memory.limit"), _change("memory.memsw")], _writer(refuses, log))
    assert failed is None
    assert [change.file for change in done] == ["memory.memsw", "memory.limit"]


def test_writes_that_never_succeed_are_not_tried_for_ever():
    log = []
    wanted = [_change("a.1"), _change("b.1"), _change("c.1")]
    done, failed, error = plan.settle(wanted, _writer(lambda change, log: errno.EINVAL * (change.file != "b.1"), log))
    assert [change.file for change in done] == ["b.1"]
    assert (failed.file, error.errno) == ("a.1", errno.EINVAL)
    assert len(log) == 5


def test_a_refused_limit_puts_the_others_back(v2, monkeypatch):
    log = []

    def write_control(path, text):
        log.append((os.path.basename(path), text))
        if path.endswith("pids.max"):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(write, "write_control", write_control)
    with pytest.raises(CgroupError, match=r"cannot set pids_limit to 5: Permission denied\. Nothing was changed"):
        v2.apply(v2.plan({"memory": {"limit": 100 * MIB}, "cpu": {"shares": 512}, "pids": {"limit": 5}}))
    assert log == [
        ("memory.max", "104857600"),
        ("cpu.weight", "59"),
        ("pids.max", "5"),
        ("cpu.weight", "100"),
        ("memory.max", "max"),
    ]


def test_memory_below_usage_speaks_like_a_person(v1, monkeypatch):
    def write_control(path, text):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)

    monkeypatch.setattr(write, "write_control", write_control)
    with pytest.raises(CgroupError) as caught:
        v1.apply(v1.plan({"memory": {"limit": 4 * MIB}}))
    assert str(caught.value) == (
        "cannot set memory to 4m: the cgroup uses 11.2m and the kernel (cgroup v1) refuses a limit below that. "
        "Nothing was changed. Stop the cgroup first, or declare at least 12m."
    )


@pytest.mark.parametrize(
    ("path", "normal"), [("/a/b", "/a/b"), ("a/b/", "/a/b"), ("system.slice/x.service", "/system.slice/x.service")]
)
def test_paths(path, normal):
    assert api.normal_path(path) == normal


@pytest.mark.parametrize("path", ["", "/", "/a/../b", "..", "/a//b", "/a/./b", "/a\nb", "/cgroup.procs"])
def test_what_is_no_path(path):
    with pytest.raises(CgroupError, match="is not the path of a cgroup"):
        api.normal_path(path)
