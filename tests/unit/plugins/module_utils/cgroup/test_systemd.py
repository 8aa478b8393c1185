# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's names and properties."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import systemd, systemd_bus
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import systemd_properties as properties
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import systemd_units as units
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError


@pytest.mark.parametrize(
    ("cgroups_path", "path", "unit"),
    [
        ("", "/system.slice/aoci-box.scope", "aoci-box.scope"),
        ("system.slice:runc:434234", "/system.slice/runc-434234.scope", "runc-434234.scope"),
        (":runc:1", "/system.slice/runc-1.scope", "runc-1.scope"),
        ("machine.slice:libpod:1", "/machine.slice/libpod-1.scope", "libpod-1.scope"),
        ("a-b-c.slice:p:n", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope", "p-n.scope"),
        ("-.slice:p:n", "/p-n.scope", "p-n.scope"),
        ("system.slice::n", "/system.slice/-n.scope", "-n.scope"),
        (":p:a-b.slice", "/a.slice/a-b.slice", "a-b.slice"),
        ("a.slice::a-b.slice", "/a.slice/a-b.slice", "a-b.slice"),
        ("-.slice::a.slice", "/a.slice", "a.slice"),
    ],
)
def test_place(cgroups_path, path, unit):
    assert units.place(cgroups_path, "box") == (path, unit)
    assert units.slice_of("/x.scope") == "-.slice"


@pytest.mark.parametrize(
    ("cgroups_path", "words"),
    [
        ("/a/b", "slice:prefix:name"),
        ("a:b", "slice:prefix:name"),
        ("a.slice:b:c:d", "slice:prefix:name"),
        ("a:p:n", "'a' is not the name of a slice"),
        ("a--b.slice:p:n", "not the name of a slice"),
        ("-a.slice:p:n", "not the name of a slice"),
        (".slice:p:n", "not the name of a slice"),
        ("a/b.slice:p:n", "cannot be the name of a systemd unit"),
        ("a.slice:p:../n", "cannot be the name of a systemd unit"),
        ("a.slice:p:n+", "cannot be the name of a systemd unit"),
        ("a.slice:p:" + "n" * 250, "at most 255"),
        ("system.slice:p:a-b.slice", "systemd puts it at /a.slice/a-b.slice"),
    ],
)
def test_no_place(cgroups_path, words):
    with pytest.raises(CgroupError, match=r"linux\.cgroupsPath|slice") as caught:
        units.place(cgroups_path, "box")
    assert words in str(caught.value)


def test_the_properties_of_a_scope_and_of_a_slice():
    scope = units.unit_properties("p-n.scope", "/a.slice/p-n.scope", 7, unified=True)
    assert {name: value for name, _signature, value in scope} == {
        "Description": "OCI container p-n",
        "Slice": "a.slice",
        "Delegate": True,
        "PIDs": [7],
        "CPUAccounting": True,
        "MemoryAccounting": True,
        "TasksAccounting": True,
        "IOAccounting": True,
        "DefaultDependencies": False,
    }
    slice_ = {
        name: value
        for name, _signature, value in units.unit_properties("a-b.slice", "/a.slice/a-b.slice", 7, unified=False)
    }
    assert slice_["Wants"] == ["a.slice"]
    assert slice_["BlockIOAccounting"] is True
    assert not {"PIDs", "Slice", "Delegate", "IOAccounting"} & set(slice_)


@pytest.mark.parametrize(
    ("files", "version", "told"),
    [
        ({"memory.max": "67108864\n"}, 239, {"MemoryMax": 67108864}),
        (
            {"memory.max": "max\n", "memory.high": "1", "memory.low": "2"},
            239,
            {"MemoryMax": properties.INFINITY, "MemoryHigh": 1, "MemoryLow": 2},
        ),
        ({"memory.swap.max": "0", "pids.max": "max"}, 239, {"MemorySwapMax": 0, "TasksMax": properties.INFINITY}),
        ({"memory.min": "5"}, 239, {}),
        ({"memory.min": "5"}, 240, {"MemoryMin": 5}),
        ({"cpu.weight": "59"}, 239, {"CPUWeight": 59}),
        ({"cpu.weight": "0", "cpu.idle": "1"}, 251, {}),
        ({"cpu.weight": "0", "cpu.idle": "1"}, 252, {"CPUWeight": 0}),
        ({"cpu.weight": "0", "cpu.idle": "0"}, 252, {"CPUWeight": 100}),
        ({"cpu.max": "50000 100000"}, 241, {"CPUQuotaPerSecUSec": 500000}),
        ({"cpu.max": "33333 100000"}, 242, {"CPUQuotaPerSecUSec": 340000, "CPUQuotaPeriodUSec": 100000}),
        ({"cpu.max": "1000 50000"}, 242, {"CPUQuotaPerSecUSec": 20000, "CPUQuotaPeriodUSec": 50000}),
        ({"cpu.max": "1 1000000"}, 242, {"CPUQuotaPerSecUSec": 10000, "CPUQuotaPeriodUSec": 1000000}),
        ({"cpu.max": "max 20000"}, 242, {"CPUQuotaPerSecUSec": properties.INFINITY, "CPUQuotaPeriodUSec": 20000}),
        (
            {"cpuset.cpus": "0-1,9", "cpuset.mems": "0"},
            244,
            {"AllowedCPUs": b"\x03\x02", "AllowedMemoryNodes": b"\x01"},
        ),
        ({"cpuset.cpus": "0"}, 243, {}),
        (
            {"io.weight": "default 200\n8:0 50"},
            239,
            {"IOWeight": 200, "IODeviceWeight": [("/dev/block/8:0", 50)]},
        ),
        (
            {"io.max": "8:0 rbps=1 wbps=max riops=7 wiops=max\n8:16 riops=8"},
            239,
            {
                "IOReadBandwidthMax": [("/dev/block/8:0", 1)],
                "IOWriteBandwidthMax": [],
                "IOReadIOPSMax": [("/dev/block/8:0", 7), ("/dev/block/8:16", 8)],
                "IOWriteIOPSMax": [],
            },
        ),
        ({"io.latency": "8:0 target=75"}, 240, {"IODeviceLatencyTargetUSec": [("/dev/block/8:0", 75)]}),
        ({"blkio.throttle.read_bps_device": "8:0 1024"}, 239, {"BlockIOReadBandwidth": [("/dev/block/8:0", 1024)]}),
        ({"hugetlb.2MB.max": "1", "memory.oom.group": "1"}, 252, {}),
        ({"cpu.idle": "1", "cpu.weight": "100"}, 252, {"CPUWeight": 0}),
        (
            {"memory.limit_in_bytes": "4096", "cpu.shares": "512", "blkio.weight": "300"},
            239,
            {
                "MemoryLimit": 4096,
                "MemoryMax": 4096,
                "CPUShares": 512,
                "CPUWeight": properties.INFINITY,
                "BlockIOWeight": 300,
            },
        ),
        (
            {"memory.limit_in_bytes": "9223372036854771712"},
            239,
            {"MemoryLimit": properties.INFINITY, "MemoryMax": properties.INFINITY},
        ),
        (
            {"cpu.cfs_quota_us": "25000", "cpu.cfs_period_us": "50000"},
            242,
            {"CPUQuotaPerSecUSec": 500000, "CPUQuotaPeriodUSec": 50000},
        ),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "50000"}, 239, {"CPUQuotaPerSecUSec": properties.INFINITY}),
    ],
)
def test_the_properties_of_limits(files, version, told):
    found = properties.limit_properties(files, files.get, version)
    assert {name: value for name, _signature, value in found} == told


def test_a_quota_alone_takes_the_period_that_is_there():
    held = {"cpu.cfs_quota_us": "25000", "cpu.cfs_period_us": "50000"}
    found = properties.limit_properties(["cpu.cfs_quota_us"], held.get, 242)
    assert found == [("CPUQuotaPerSecUSec", "t", 500000), ("CPUQuotaPeriodUSec", "t", 50000)]


def test_a_list_is_emptied_before_it_is_told_anew():
    found = properties.limit_properties(["io.latency"], {"io.latency": "8:0 target=75"}.get, 252)
    name = "IODeviceLatencyTargetUSec"
    assert found == [(name, "a(st)", []), (name, "a(st)", [("/dev/block/8:0", 75)])]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("memory.max", "max"),
        ("memory.max", "4096"),
        ("memory.low", "0"),
        ("pids.max", "50"),
        ("cpu.max", "max 100000"),
        ("cpu.max", "12500 50000"),
        ("cpu.cfs_quota_us", "-1"),
        ("cpu.weight", "100"),
        ("cpu.weight", "7"),
        ("cpu.idle", "0"),
        ("cpuset.cpus", "0-1,9"),
        ("cpuset.cpus", ""),
        ("io.weight", "default 100"),
        ("io.weight", "default 7\n8:0 9"),
        ("io.max", "8:0 rbps=1 riops=2\n8:16 wiops=3"),
        ("io.latency", "8:0 target=75"),
        ("memory.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", "4096"),
        ("cpu.shares", "512"),
        ("blkio.throttle.write_bps_device", "8:0 1024"),
    ],
)
def test_a_file_as_properties_and_back(file, text):
    held = {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "cpu.weight": "100", file: text}
    told = {name: value for name, _signature, value in properties.limit_properties([file], held.get, 252)}
    assert properties.file_text(file, told.get) == text


def test_a_property_that_is_not_set_is_what_a_new_group_has():
    assert properties.file_text("cpu.weight", {"CPUWeight": properties.INFINITY}.get) == "100"
    # v1's files where a unit's own say it in the newer words, and where systemd has those alone.
    assert properties.file_text("memory.limit_in_bytes", {"MemoryLimit": 1, "MemoryMax": 4096}.get) == "4096"
    assert (
        properties.file_text("memory.limit_in_bytes", {"MemoryLimit": 1, "MemoryMax": properties.INFINITY}.get) == "1"
    )
    assert properties.file_text("cpu.shares", {"CPUShares": 7, "CPUWeight": 50}.get) == "512"
    assert properties.file_text("cpu.shares", {"CPUWeight": properties.INFINITY}.get) is None
    assert properties.file_text("memory.low", {"MemoryLow": properties.INFINITY}.get) == "0"
    assert properties.file_text("io.weight", {"IOWeight": properties.INFINITY, "IODeviceWeight": []}.get) == (
        "default 100"
    )
    assert properties.file_text("memory.oom.group", {}.get) is None
    assert properties.file_text("memory.zswap.max", {}.get) is None


def test_equal_values_are_equal():
    device = {"/dev/sda": "8:0", "/dev/block/8:0": "8:0", "/dev/sdb": "8:16"}.get
    same = properties.canonical
    assert same("CPUWeight", properties.INFINITY, device) == same("CPUWeight", 100, device)
    assert same("AllowedCPUs", b"\1\0\0", device) == same("AllowedCPUs", b"\1", device)
    told = [("/dev/sda", 5), ("/dev/sdb", properties.INFINITY)]
    assert same("IOReadIOPSMax", told, device) == same("IOReadIOPSMax", [("/dev/block/8:0", 5)], device)


@pytest.mark.parametrize(
    ("file", "text", "after", "whole"),
    [
        ("memory.max", "max", "5", "5"),
        ("io.max", "", "8:0 rbps=1", "8:0 rbps=1"),
        ("io.max", "8:0 rbps=1 wbps=max\n8:16 riops=3", "8:0 wbps=2", "8:0 rbps=1 wbps=2\n8:16 riops=3"),
        ("io.weight", "default 100\n8:0 5", "default 50", "default 50\n8:0 5"),
    ],
)
def test_what_a_write_makes_of_a_file(file, text, after, whole):
    assert properties.overlay(file, text, after) == whole


def test_a_quota_in_whole_percents():
    assert [properties.round_quota(*pair) for pair in ((33333, 100000), (50000, 100000), (-1, 100000))] == [
        34000,
        50000,
        -1,
    ]
    assert "50-CPUQuota.conf" in properties.DROP_INS
    assert "50-MemoryMax.conf" in properties.DROP_INS


def test_devices_under_v1():
    drivers = units.parse_drivers("Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n")
    assert drivers == {("c", "1"): "mem", ("c", "136"): "pts", ("b", "8"): "sd"}
    rules = ["c 1:3 rwm", "c 136:* rw", "b *:* m", "c 77:* r", "c *:5 r"]
    assert units.device_properties(False, rules, drivers) == [
        ("DevicePolicy", "s", "strict"),
        ("DeviceAllow", "a(ss)", []),
        ("DeviceAllow", "a(ss)", [("/dev/char/1:3", "rwm"), ("char-pts", "rw"), ("block-*", "m")]),
    ]
    assert units.device_properties(True, [], drivers) == [("DevicePolicy", "s", "auto"), ("DeviceAllow", "a(ss)", [])]


@pytest.mark.parametrize(
    ("signature", "types"),
    [
        ("", []),
        ("sus", ["s", "u", "s"]),
        ("ssa(sv)a(sa(sv))", ["s", "s", "a(sv)", "a(sa(sv))"]),
        ("aas(ss)b", ["aas", "(ss)", "b"]),
    ],
)
def test_the_types_in_a_signature(signature, types):
    assert list(systemd_bus._types(signature)) == types


def test_without_systemd(monkeypatch, tmp_path):
    monkeypatch.setattr(systemd, "BOOTED", str(tmp_path / "not-there"))
    with pytest.raises(CgroupError, match="--systemd-cgroup was given, and systemd is not process 1") as caught:
        systemd.place_unit("", "box")
    assert "Leave out --systemd-cgroup" in str(caught.value)
