# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cgroup_limit on a host whose process 1 is systemd: its units, groups beside them, reboots and power cuts."""

from __future__ import annotations

import time

import pytest
from limit_tasks import DROP_INS, begun


@pytest.fixture(scope="module")
def limits(network):
    made = begun(network, "limits")
    yield made
    made.end()
    made.host.crash()


def test_a_running_unit_until_the_reboot(limits):
    wanted = {"memory": "100m", "cpus": "0.333", "pids_limit": "20"}
    foretold = limits(check_mode=True, unit="demo", **wanted)
    assert limits.host.run(DROP_INS).stdout == ""
    done = limits(unit="demo", **wanted)
    assert done == foretold
    assert done["changed"]
    assert done["unit"] == "demo.service"
    assert done["limits"]["before"]["memory"] == 300 << 20
    group = "/system.slice/demo.service"
    # systemd counts in whole percents of a CPU
    assert limits.files(group, "memory.max", "cpu.max", "pids.max") == [str(100 << 20), "34000 100000", "20"]
    show = limits.host.run("systemctl show demo.service -p MemoryMax,TasksMax,CPUQuotaPerSecUSec").stdout.split()
    assert sorted(show) == ["CPUQuotaPerSecUSec=340ms", f"MemoryMax={100 << 20}", "TasksMax=20"]
    assert "/etc/" not in limits.host.run(DROP_INS).stdout
    assert not limits(unit="demo.service", **wanted)["changed"]
    # a path that is the unit's group means the unit; what was changed by hand goes back
    limits.host.run(f"echo 50M > /sys/fs/cgroup{group}/memory.max")
    assert limits(path=group, **wanted)["actions"] == ["set memory to 100m"]
    pid = int(limits.host.run("systemctl show demo.service -p MainPID --value").stdout)
    by_pid = limits(pid=pid, **wanted)
    assert (by_pid["unit"], by_pid["changed"]) == ("demo.service", False)
    # what only the kernel knew systemd would forget at its next look
    limits.host.run("systemctl set-property --runtime demo.service TasksMax=90")
    limits.host.run(f"echo 20 > /sys/fs/cgroup{group}/pids.max")
    assert limits(unit="demo", **wanted)["actions"] == ["told systemd of pids_limit"]


def test_what_systemd_has_no_property_for(limits):
    raw = {"unit": "demo", "conf": {"memory.oom.group": 1}}
    assert limits(**raw)["changed"]
    assert limits.files("/system.slice/demo.service", "memory.oom.group") == ["1"]
    assert not limits(**raw)["changed"]
    assert "systemd has no property for that" in limits(**raw, persistent=True)["msg"]
    assert "idle.service is not running" in limits(unit="idle", conf={"memory.oom.group": 1})["msg"]


def test_a_disk_of_a_unit(limits):
    assert limits(unit="demo", conf={"io.max": "98:0 rbps=1048576"})["changed"]
    assert limits.files("/system.slice/demo.service", "io.max") == ["98:0 rbps=1048576 wbps=max riops=max wiops=max"]
    shown = limits.host.run("systemctl show demo.service -p IOReadBandwidthMax --value").stdout.strip()
    assert shown.split()[-1] == "1048576"
    assert not limits(unit="demo", conf={"io.max": "98:0 rbps=1048576"})["changed"]


def test_a_unit_that_does_not_run_starts_with_its_limits(limits):
    wanted = {"unit": "idle", "memory": "64m", "cpus": "0.5", "cpu_weight": 50}
    foretold = limits(check_mode=True, **wanted)
    done = limits(**wanted)
    assert done == foretold
    assert done["limits"]["after"]["memory"] == 64 << 20
    assert not limits(**wanted)["changed"]
    limits.host.run("systemctl start idle.service")
    found = limits.files("/system.slice/idle.service", "memory.max", "cpu.max", "cpu.weight")
    assert found == [str(64 << 20), "50000 100000", "50"]
    assert not limits(**wanted)["changed"]
    limits.host.run("systemctl stop idle.service")


def test_a_memory_limit_below_what_a_unit_uses_is_refused(limits):
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=40; touch /dev/shm/full; sleep infinity"
    limits.host.run(f"systemd-run -q --unit=full -p MemorySwapMax=0 sh -c '{fill}'")
    limits.host.run("until [ -e /dev/shm/full ]; do sleep 0.1; done")
    refused = limits(unit="full", memory="8m", pids_limit="7")
    assert "the unit uses" in refused["msg"]
    assert limits.host.run("systemctl is-active full.service").stdout == "active\n"
    assert limits.files("/system.slice/full.service", "memory.max") == ["max"]
    assert "is transient" in limits(unit="full", pids_limit="7", persistent=True)["msg"]
    limits.host.run("systemctl stop full.service; rm /dev/shm/x /dev/shm/full")


def test_a_slice(limits):
    done = limits(unit="batch-reports.slice", memory="80m")
    assert done["path"] == "/batch.slice/batch-reports.slice"
    limits.host.run("systemd-run -q --slice=batch-reports.slice --unit=report sleep infinity")
    assert limits.files(done["path"], "memory.max") == [str(80 << 20)]
    assert not limits(path=done["path"], memory="80m")["changed"]
    assert "a slice holds units" in limits(unit="batch-reports.slice", processes=[1])["msg"]
    limits.host.run("systemctl stop report.service")


def test_where_systemd_alone_makes_groups(limits):
    assert "lies in system.slice" in limits(path="/system.slice/mine", memory="64m")["msg"]
    assert "there is no unit none.service" in limits(path="system.slice/none.service", memory="64m")["msg"]
    assert "systemd has no unit none.service (not-found)" in limits(unit="none", memory="64m")["msg"]
    assert "cannot be persistent" in limits(pid=_ssh(limits), persistent=True, conf={"memory.oom.group": 0})["msg"]
    run = "systemd-run -q --unit=open -p Delegate=yes sleep infinity"
    limits.host.run(run)
    inside = "/system.slice/open.service/part"
    limits(path=inside)
    assert limits.there(f"/sys/fs/cgroup{inside}")
    assert "comes and goes with open.service" in limits(path=inside, persistent=True)["msg"]
    limits(path=inside, state="absent")
    limits.host.run("systemctl stop open.service")


def _ssh(limits):
    return int(limits.host.run("systemctl show ssh.service -p MainPID --value").stdout)


def test_a_group_below_the_root_keeps_its_controllers(limits):
    assert limits(path="/plain", cpus="0.5")["changed"]
    # systemd needs the controller for a while, and then no longer
    limits.host.run("systemctl set-property --runtime ssh.service CPUWeight=50")
    limits.host.run("systemctl set-property --runtime ssh.service CPUWeight=; systemctl stop demo.service")
    assert limits.files("/plain", "cpu.max") == ["50000 100000"]
    # and what somebody has switched off all the same comes back
    limits.host.run("rmdir /sys/fs/cgroup/agentless-oci.controllers; echo -cpu > /sys/fs/cgroup/cgroup.subtree_control")
    assert not limits.there("/sys/fs/cgroup/plain/cpu.max")
    assert limits(path="/plain", cpus="0.5")["actions"] == ["set cpu_quota to 50000 100000"]
    assert limits.files("/plain", "cpu.max") == ["50000 100000"]
    pid = int(limits.host.run("sleep 1000 >/dev/null 2>&1 </dev/null & echo $!").stdout)
    assert limits(path="/plain", processes=[pid])["changed"]
    done = limits(path="/plain", state="absent", kill=True)
    assert done["actions"] == [f"killed process {pid}", "removed cgroup /plain"]
    assert not limits.there(f"/proc/{pid}")
    limits.host.run("systemctl start demo.service")


def test_limits_outlive_a_power_cut(limits):
    path = {"path": "/night/reports", "memory": "64m", "cpus": "0.25"}
    foretold = limits(check_mode=True, **path, persistent=True)
    done = limits(**path, persistent=True)
    assert done == foretold
    assert done["actions"][-1] == "installed agentless-oci-limits.service"
    assert not limits(**{**path, "memory": "65536k"}, persistent=True)["changed"]
    limits(path="/night/once", memory="32m")
    limits(unit="demo", memory="120m", persistent=True)
    limits(unit="demo", pids_limit="33")
    limits(unit="idle", memory="70m", persistent=True)
    # in the middle of another task
    limits.begin(path="/night/late", memory="16m", persistent=True)
    time.sleep(0.1)
    limits.host.crash()
    limits.end()
    limits.host.start()
    limits.host.run("systemctl start demo.service")

    assert limits.files("/night/reports", "memory.max", "cpu.max") == [str(64 << 20), "25000 100000"]
    assert not limits.there("/sys/fs/cgroup/night/once")
    before = "systemctl show agentless-oci-limits.service -p Result,Before --value"
    assert "sysinit.target" in limits.host.run(before).stdout
    assert not limits(**path, persistent=True)["changed"]
    assert limits.files("/system.slice/demo.service", "memory.max") == [str(120 << 20)]
    assert limits.files("/system.slice/demo.service", "pids.max") != ["33"]
    assert limits(unit="idle")["limits"]["after"]["memory"] == 70 << 20
    limits(path="/night/late", memory="16m", persistent=True)
    assert not limits(path="/night/late", memory="16m", persistent=True)["changed"]

    # without persistent, what comes back does so with its new value
    assert limits(**{**path, "memory": "48m"})["persistent"]
    limits.host.run("rmdir /sys/fs/cgroup/night/reports; systemctl start agentless-oci-limits.service")
    assert limits.files("/night/reports", "memory.max") == [str(48 << 20)]
    # and what no longer comes back stays in force
    kept = limits(unit="demo", persistent=False)
    assert kept["actions"] == ["no longer kept the limits of demo.service over a reboot"]
    assert "/etc/systemd/system.control/demo" not in limits.host.run(DROP_INS).stdout
    assert limits.files("/system.slice/demo.service", "memory.max") == [str(120 << 20)]
    assert not limits(unit="demo", persistent=False)["changed"]


def test_absent_takes_everything_back(limits):
    foretold = limits(check_mode=True, path="/night", state="absent")
    gone = limits(path="/night", state="absent")
    assert gone == foretold
    assert "no longer recorded /night/reports for the next boot" in gone["actions"]
    assert "removed agentless-oci-limits.service" in gone["actions"]
    assert not limits.there("/etc/systemd/system/agentless-oci-limits.service")
    assert not limits.there("/etc/systemd/system/sysinit.target.wants/agentless-oci-limits.service")
    assert not limits(path="/night", state="absent")["changed"]
    limits.host.run("systemctl set-property --runtime demo.service Description=kept")
    assert limits(unit="demo", state="absent")["limits"]["after"]["memory"] == 300 << 20
    assert not limits(unit="demo", state="absent")["changed"]
    assert limits.files("/system.slice/demo.service", "memory.max") == [str(300 << 20)]
    assert limits.host.run("systemctl is-active demo.service").stdout == "active\n"
    found = limits.host.run(DROP_INS).stdout.split()
    assert [name for name in found if "/demo.service.d/" in name] == [
        "/run/systemd/system.control/demo.service.d/50-Description.conf"
    ]
