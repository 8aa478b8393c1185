# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cgroup_limit on a host whose systemd has the controllers on cgroup v1, beside a v2 mount."""

from __future__ import annotations

import pytest
from limit_tasks import DROP_INS, begun

DEMO = "/system.slice/demo.service"


@pytest.fixture(scope="module")
def older(network):
    made = begun(network, "older", options="systemd.unified_cgroup_hierarchy=0")
    made.host.run("printf 'CPUWeight=200\\n' >> /etc/systemd/system/demo.service; sync; systemctl daemon-reload")
    yield made
    made.end()
    made.host.crash()


def found(older, *files, group=DEMO):
    """What the files of the group hold."""
    return [older.files(f"/{file.partition('.')[0]}{group}", file)[0] for file in files]


MEMORY, QUOTA, PERIOD, SHARES = "memory.limit_in_bytes", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"


def test_a_unit(older):
    assert older.host.run("findmnt -n -o FSTYPE /sys/fs/cgroup/memory").stdout == "cgroup\n"
    wanted = {"unit": "demo", "memory": "100m", "cpus": "0.333", "cpu_shares": 300, "pids_limit": "20"}
    foretold = older(check_mode=True, **wanted)
    assert older.host.run(DROP_INS).stdout == ""
    done = older(**wanted)
    assert done == foretold
    kept = [str(100 << 20), "34000", "100000", "300", "20"]
    assert found(older, MEMORY, QUOTA, PERIOD, SHARES, "pids.max") == kept
    assert not older(**wanted)["changed"]
    # What systemd writes whenever it looks at its units is the same, whatever the unit's own files say.
    older.host.run("systemctl daemon-reload")
    assert found(older, MEMORY, QUOTA, PERIOD, SHARES, "pids.max") == kept
    show = older.host.run("systemctl show demo.service -p MemoryMax,TasksMax,CPUQuotaPerSecUSec").stdout.split()
    assert sorted(show) == ["CPUQuotaPerSecUSec=340ms", f"MemoryMax={100 << 20}", "TasksMax=20"]
    older.host.run(f"echo 50M > /sys/fs/cgroup/memory{DEMO}/memory.limit_in_bytes")
    assert older(**wanted)["actions"] == ["set memory to 100m"]
    pid = int(older.host.run("systemctl show demo.service -p MainPID --value").stdout)
    by_pid = older(pid=pid, memory="100m")
    assert (by_pid["unit"], by_pid["changed"]) == ("demo.service", False)
    assert "boot with systemd.unified_cgroup_hierarchy=1" in older(unit="demo", memory_high="50m")["msg"]


def test_what_outlives_a_crash(older):
    path = {"path": "/night/reports", "memory": "64m", "cpus": "0.25", "device_cgroup_rules": ["c 1:3 rwm"]}
    older(**path, persistent=True)
    older(unit="demo", memory="120m", persistent=True)
    older.host.crash()
    older.end()
    older.host.start()
    older.host.run("systemctl start demo.service")
    assert found(older, MEMORY, QUOTA, group="/night/reports") == [str(64 << 20), "25000"]
    assert older.files("/devices/night/reports", "devices.list") == ["c 1:3 rwm"]
    assert not older(**path, persistent=True)["changed"]
    assert found(older, MEMORY) == [str(120 << 20)]
    assert found(older, "pids.max") != ["20"]

    gone = older(path="/night", state="absent")
    assert "removed agentless-oci-limits.service" in gone["actions"]
    assert not older.there("/sys/fs/cgroup/memory/night")
    assert older(unit="demo", state="absent")["limits"]["after"]["memory"] == 300 << 20
    assert found(older, MEMORY) == [str(300 << 20)]
    assert older.host.run(DROP_INS).stdout == ""
