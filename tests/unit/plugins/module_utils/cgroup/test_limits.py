# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of limits: what text means, what is told, and that one is the other's way back."""

from __future__ import annotations

import os

import pytest
import yaml
from ansible_collections.agentless.oci.plugins.doc_fragments.limits import ModuleDocFragment
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import api, hierarchy, limits, spelling, vocabulary
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError

MIB = 1 << 20


def _device(**more):
    return {"major": 8, "minor": 0, **more}


# option, what people write, what parse gives, what is told of that
TABLE = [
    ("cpu_quota", "50000", 50000, 50000),
    ("cpu_quota", "max", -1, -1),
    ("cpu_period", 20000, 20000, 20000),
    ("cpu_shares", 512, 512, 512),
    ("cpu_weight", 100, 1024, 100),
    ("cpu_weight", 1, 2, 1),
    ("cpu_weight", 10000, 262144, 10000),
    ("cpu_burst", 0, 0, 0),
    ("cpu_idle", True, 1, True),
    ("cpu_rt_runtime", 950000, 950000, 950000),
    ("cpuset_cpus", " 0-2,4 ", "0-2,4", "0-2,4"),
    ("cpuset_partition", "isolated", "isolated", "isolated"),
    ("memory", "512m", 512 * MIB, 512 * MIB),
    ("memory", "1.5GiB", 1536 * MIB, 1536 * MIB),
    ("memory", "max", -1, -1),
    ("memory_reservation", 4096, 4096, 4096),
    ("memory_swap", "-1", -1, -1),
    ("memory_swappiness", 0, 0, 0),
    ("memory_high", "64m", "67108864", 64 * MIB),
    ("memory_high", "unlimited", "max", -1),
    ("memory_min", "0", "0", 0),
    ("memory_oom_group", True, "1", True),
    ("memory_oom_group", False, "0", False),
    ("oom_killer", True, True, True),
    ("pids_limit", "max", -1, -1),
    ("blkio_weight", 500, 500, 500),
    ("blkio_weight_device", [{"path": "8:0", "weight": 300}, "8:0:20"],
     [_device(weight=300), _device(weight=20)], [{"path": "8:0", "weight": 300}, {"path": "8:0", "weight": 20}]),
    ("io_latency", [{"path": "8:0", "target": "10ms"}, "8:16:1.5s", {"path": "8:32", "target": "max"}],
     "8:0 target=10000\n8:16 target=1500000\n8:32 target=0",
     [{"path": "8:0", "target": 10000}, {"path": "8:16", "target": 1500000}, {"path": "8:32", "target": 0}]),
    ("device_read_bps", [{"path": "8:0", "rate": "20mb"}], [_device(rate=20 * MIB)],
     [{"path": "8:0", "rate": 20 * MIB}]),
    ("device_write_bps", ["8:0:max"], [_device(rate=0)], [{"path": "8:0", "rate": 0}]),
    ("device_read_iops", [{"path": "8:0", "rate": 500}], [_device(rate=500)], [{"path": "8:0", "rate": 500}]),
    ("device_write_iops", [{"path": "8:0", "rate": "max"}], [_device(rate=0)], [{"path": "8:0", "rate": 0}]),
    ("hugetlb", {"2m": "64m", "1GB": "max", "64KB": 0},
     [{"pageSize": "2MB", "limit": 64 * MIB}, {"pageSize": "1GB", "limit": -1}, {"pageSize": "64KB", "limit": 0}],
     {"2MB": 64 * MIB, "1GB": -1, "64KB": 0}),
    ("rdma", {"mlx5_0": {"hca_handles": 2, "hca_objects": "max"}, "mlx5_1": {"hca_handles": 0}},
     {"mlx5_0": {"hcaHandles": 2, "hcaObjects": -1}, "mlx5_1": {"hcaHandles": 0}},
     {"mlx5_0": {"hca_handles": 2, "hca_objects": -1}, "mlx5_1": {"hca_handles": 0}}),
    ("misc", {"sev": 10, "sev_es": "max"}, "sev 10\nsev_es max", {"sev": 10, "sev_es": -1}),
    ("net_cls_classid", "10:1", 0x100001, "10:1"),
    ("net_cls_classid", "0x100001", 0x100001, "10:1"),
    ("net_cls_classid", 1048577, 0x100001, "10:1"),
    ("net_prio_ifpriomap", {"eth0": 5}, [{"name": "eth0", "priority": 5}], {"eth0": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("option", "written", "parsed", "told"), TABLE)
def test_there_and_back(option, written, parsed, told):
    limit = limits.BY_OPTION[option]
    assert limit.parse(written, option) == parsed
    assert (limit.tell(parsed) if limit.tell else parsed) == told
    assert limit.parse(told, option) == parsed


def test_every_limit_with_a_place_is_in_the_table():
    placed = {limit.option for limit in limits.LIMITS if limit.parse}
    assert placed - {row[0] for row in TABLE} == {"cpu_rt_period", "cpuset_mems", "device_cgroup_rules"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["c 1:3 rwm"], [{"allow": False, "access": "rwm"}, (True, "c", 1, 3, "rwm")]),
        (["allow c 1:* r", "deny b 8:0 w"],
         [{"allow": False, "access": "rwm"}, (True, "c", 1, None, "r"), (False, "b", 8, 0, "w")]),
        (["deny b *:* w"], [{"allow": True, "access": "rwm"}, (False, "b", None, None, "w")]),
        (["a *:* rwm"], [(True, "a", None, None, "rwm")]),
        (["deny a"], [(False, "a", None, None, "rwm")]),
        ([{"allow": False, "access": "rwm"}, "c 5:0 rw"], [{"allow": False, "access": "rwm"}, (True, "c", 5, 0, "rw")]),
    ],
)  # fmt: skip
def test_device_rules(rules, expected):
    names = ("allow", "type", "major", "minor", "access")
    dictionaries = [one if isinstance(one, dict) else dict(zip(names, one)) for one in expected]
    assert spelling.device_rules(rules, "device_cgroup_rules") == dictionaries


REFUSED = [
    ("memory", "lots", "is not a size"),
    ("cpu_weight", 0, "cpu_weight 0 is out of range.*Declare 1 to 10000"),
    ("cpuset_partition", "exclusive", "Write member, root or isolated"),
    ("io_latency", ["8:0:soon"], "is not a time"),
    ("io_latency", [{"path": "8:0", "rate": 5}], "does not tell a device and its target"),
    ("device_read_bps", ["/dev/no-such-disk:1m"], "there is no device /dev/no-such-disk"),
    ("device_read_bps", ["/dev/null:1m"], "/dev/null is no block device"),
    ("device_read_bps", ["1m"], "does not tell a device and its rate"),
    ("device_read_iops", ["8:0:1.5"], "is not a whole number"),
    ("hugetlb", {"big": "64m"}, "hugetlb: 'big' is not a size"),
    ("rdma", {"mlx5_0": {"handles": 2}}, "Write hca_handles and hca_objects"),
    ("rdma", {"mlx5_0": 2}, "Write hca_handles and hca_objects"),
    ("misc", {"sev": "x"}, "misc.sev: 'x' is not a whole number"),
    ("device_cgroup_rules", ["c 1:3"], "is not a device rule"),
    ("device_cgroup_rules", ["c 1 rwm"], "is not a device rule"),
    ("device_cgroup_rules", ["x 1:3 rwm"], "is not a device rule"),
    ("device_cgroup_rules", [], "no rule"),
    ("net_cls_classid", "10:g", "is no class"),
    ("net_cls_classid", "0x100000000", "is no class"),
    ("net_prio_ifpriomap", {"eth0": "high"}, "net_prio_ifpriomap.eth0"),
]


@pytest.mark.parametrize(("option", "written", "says"), REFUSED)
def test_refused(option, written, says):
    with pytest.raises(CgroupError, match=says):
        limits.BY_OPTION[option].parse(written, option)


def test_options_are_documented_as_they_are():
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    spec = limits.argument_spec()
    assert documented.keys() == spec.keys()
    for name, entry in spec.items():
        assert {key: value for key, value in documented[name].items() if key != "description"} == entry


# ---- options of a group that is not there, by files that a v1 or v2 group has

V1 = ("blkio", "cpu", "cpuset", "devices", "freezer", "memory", "net_cls", "net_prio", "pids")


@pytest.fixture
def v1(tmp_path):
    for name in V1:
        os.makedirs(tmp_path / name / "g")
    return api.open_cgroup("/g", hierarchy=hierarchy.Hierarchy({name: str(tmp_path / name) for name in V1}))


V2_FILES = {
    "cgroup.controllers": "cpu cpuset io memory misc pids rdma",
    "cgroup.freeze": "0",
    "cpu.weight": "100",
    "cpu.idle": "0",
    "cpu.uclamp.max": "max",
    "cpuset.cpus": "",
    "cpuset.cpus.partition": "member",
    "memory.high": "max",
    "memory.min": "0",
    "memory.low": "0",
    "memory.oom.group": "0",
    "io.latency": "8:16 target=75",
    "io.weight": "default 100\n8:16 50",
    "io.max": "",
    "misc.max": "sev max\nsev_es 5",
    "rdma.max": "mlx5_0 hca_handle=max hca_object=max",
}


@pytest.fixture
def v2(tmp_path):
    (tmp_path / "g").mkdir()
    for name, content in V2_FILES.items():
        (tmp_path / "g" / name).write_text(content + "\n", encoding="utf-8")
    controllers = frozenset(V2_FILES["cgroup.controllers"].split())
    return api.open_cgroup("/g", hierarchy=hierarchy.Hierarchy({}, str(tmp_path), controllers))


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"memory_min": "16m"}, [("memory.min", "0", "16777216")]),
        ({"memory_min": "0"}, []),
        ({"memory_oom_group": True}, [("memory.oom.group", "0", "1")]),
        ({"cpuset_partition": "root"}, [("cpuset.cpus.partition", "member", "root")]),
        ({"cpuset_partition": "member"}, []),
        ({"cpu_idle": True}, [("cpu.idle", "0", "1")]),
        ({"frozen": True}, [("cgroup.freeze", "0", "1")]),
        ({"frozen": True, "cpu_shares": 512}, [("cpu.weight", "100", "59"), ("cgroup.freeze", "0", "1")]),
        ({"io_latency": ["8:16:75us"]}, []),
        ({"io_latency": ["8:0:1ms", "8:16:max"]},
         [("io.latency", "8:0 target=0", "8:0 target=1000"), ("io.latency", "8:16 target=75", "8:16 target=0")]),
        ({"io_latency": ["8:0:max"]}, []),
        ({"io_weight": 100, "io_weight_device": ["8:16:50"]}, []),
        ({"io_weight": 20, "io_weight_device": ["8:0:70"]},
         [("io.weight", "default 100", "default 20"), ("io.weight", "8:0 default", "8:0 70")]),
        ({"device_read_bps": ["8:0:1m"], "device_write_iops": ["8:0:9"]},
         [("io.max", "8:0 rbps=max", "8:0 rbps=1048576"), ("io.max", "8:0 wiops=max", "8:0 wiops=9")]),
        ({"device_read_bps": ["8:0:max"]}, []),
        ({"misc": {"sev": 3, "sev_es": 5}}, [("misc.max", "sev max", "sev 3")]),
        ({"rdma": {"mlx5_0": {"hca_handles": 0, "hca_objects": "max"}}},
         [("rdma.max", "mlx5_0 hca_handle=max", "mlx5_0 hca_handle=0")]),
        ({"conf": {"cpu.uclamp.max": 100}}, []),
        ({"conf": {"cpu.uclamp.max": "50.0"}}, [("cpu.uclamp.max", "max", "50.0")]),
        ({"conf": {"memory.low": "max"}}, [("memory.low", "0", "max")]),
        ({"conf": {"io.weight": 100}}, []),
        ({"conf": {"io.weight": 30}}, [("io.weight", "default 100", "default 30")]),
    ],
)  # fmt: skip
def test_changes_on_v2(v2, options, changes):
    planned = v2.plan(*vocabulary.resources_of(options, v2))
    assert [(change.file, change.before, change.after) for change in planned] == changes


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ({"memory_min": "16m"}, {"memory_min": 16 * MIB}),
        ({"memory_high": "9000"}, {"memory_high": 8192}),
        ({"memory_oom_group": True}, {"memory_oom_group": True}),
        ({"cpu_idle": True}, {"cpu_idle": True}),
        ({"frozen": True}, {"frozen": True}),
        ({"io_latency": ["8:0:1ms"]},
         {"io_latency": [{"path": "8:16", "target": 75}, {"path": "8:0", "target": 1000}]}),
        ({"io_weight": 20, "io_weight_device": ["8:0:70"]},
         {"io_weight": 20, "io_weight_device": [{"path": "8:16", "weight": 50}, {"path": "8:0", "weight": 70}]}),
        ({"device_read_bps": ["8:0:1m"], "device_write_iops": ["8:0:9"]},
         {"device_read_bps": [{"path": "8:0", "rate": MIB}], "device_write_iops": [{"path": "8:0", "rate": 9}]}),
        ({"misc": {"sev": 3}}, {"misc": {"sev": 3, "sev_es": 5}}),
        ({"rdma": {"mlx5_0": {"hca_handles": 1}}}, {"rdma": {"mlx5_0": {"hca_handles": 1, "hca_objects": -1}}}),
        ({"conf": {"cpu.uclamp.max": "50.0"}}, {"conf": {"cpu.uclamp.max": "50.00"}}),
    ],
)  # fmt: skip
def test_what_will_be_told_on_v2(v2, options, after):
    resources, raw = vocabulary.resources_of(options, v2)
    told = vocabulary.limits_of(v2, options.get("conf", ()), v2.plan(resources, raw))
    assert {name: told[name] for name in after} == after


@pytest.mark.parametrize(
    ("options", "resources", "raw"),
    [
        ({"io_weight": 100}, {"blockIO": {"weight": 20}}, {}),
        ({"io_weight_device": ["8:0:10000"]}, {"blockIO": {"weightDevice": [_device(weight=1000)]}}, {}),
        ({"frozen": False}, {}, {"freezer.self_freezing": "0"}),
        ({"oom_killer": True}, {"memory": {"disableOOMKiller": True}}, {}),
        ({"net_cls_classid": "10:1"}, {"network": {"classID": 0x100001}}, {}),
    ],
)
def test_meaning_on_v1(v1, options, resources, raw):
    assert vocabulary.resources_of(options, v1) == (resources, raw)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"memory_high": "1g", "conf": {"memory.high": "1g"}}, "memory_high and conf.memory.high say the same"),
        ({"cpu_idle": True, "cpu_weight": 5}, "cpu_idle and cpu_weight exclude each other"),
        ({"blkio_weight_device": ["8:0:9"], "io_weight_device": ["8:0:9"]}, "say the same in two ways"),
        ({"cpuset_cpus": ""}, "cpuset_cpus: '' is no limit"),
    ],
)
def test_contradictions(v2, options, says):
    with pytest.raises(CgroupError, match=says):
        vocabulary.resources_of(options, v2)


@pytest.mark.parametrize("file", ["cgroup.procs", "devices.allow", "memory.reclaim", "freezer.state"])
def test_files_that_hold_no_limit(v2, file):
    with pytest.raises(CgroupError, match=f"{file} holds no limit"):
        v2.plan({}, {file: "1"})


def test_an_idle_group_ends_its_weight_first(v2):
    (directory,) = v2.directories()
    with open(f"{directory}/cpu.weight", "w", encoding="ascii") as file:
        file.write("300\n")
    planned = v2.plan(*vocabulary.resources_of({"cpu_idle": True}, v2))
    assert [(change.file, change.before, change.after) for change in planned] == [
        ("cpu.weight", "300", "100"),
        ("cpu.idle", "0", "1"),
    ]


@pytest.mark.parametrize("enabled", [True, False])
def test_what_the_kernel_lacks_on_v2_is_not_a_matter_of_booting_or_enabling(v2, tmp_path, enabled):
    """A second group tells what this kernel's controllers have."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cgroup.controllers").write_text("io\n", encoding="ascii")
    (directory,) = v2.directories()
    os.unlink(f"{directory}/io.latency")
    if not enabled:
        with open(f"{directory}/cgroup.controllers", "w", encoding="ascii") as file:
            file.write("cpu\n")
    with pytest.raises(CgroupError, match=r"io controller \(cgroup v2\) has no io\.latency\. Leave io_latency out\.$"):
        v2.plan(*vocabulary.resources_of({"io_latency": ["8:0:1ms"]}, v2))
