# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on a host whose process 1 is systemd: their services, a reboot, a power cut, and what the journal has."""

from __future__ import annotations

import json

import pytest
from steps import SLEEP, SLOW, Steps, begun, only

CONTAINERS = [
    {"name": "always", "command": SLOW, "restart_policy": "always", "memory": "20m", "stop_signal": "USR1"},
    {
        "name": "unless",
        "command": SLEEP,
        "restart_policy": "unless-stopped",
        "log_driver": "journald",
        "volumes": ["data:/data"],
    },
    {"name": "stopped", "command": SLEEP, "restart_policy": "unless-stopped"},
    {"name": "once", "command": SLEEP},
]


SEALED = {
    "name": "sealed",
    "command": ["sh", "-c", "echo $(cat /run/secrets/key); exec sleep 10000"],
    "restart_policy": "always",
    "secrets": [{"name": "key", "content": "hunter2-ratatosk"}],
}


@pytest.fixture(scope="module")
def booting(network):
    host = network.host("booting", mem="512M")
    host.start()
    host.copy_checkout("/root/oci")
    host.run("python3 /root/oci/hacking/busybox_rootfs.py /root/rootfs")
    made = Steps(host)
    yield made
    made.end()
    host.crash()


def running(host):
    host.run("systemctl is-system-running --wait", check=False)
    listed = json.loads(host.run("/root/oci/bin/aoci containers --format json").stdout)
    return {one["Name"] for one in listed if one["State"]["Running"]}


def test_systemd_supervises(booting):
    web = {"name": "web", "command": SLOW, "restart_policy": "on-failure", "stop_signal": "USR1", "memory": "20m"}
    changed = {**web, "memory": "24m", "stop_timeout": 100}
    made, first, _begun, _killed, back, nothing, updated, then, _begun = booting(
        web, {"look": "web"}, begun("web"), {"kill": "web", "of": "Pid"},
        {"await": "web", "RestartCount": 1, "Status": "running"}, web, changed, {"look": "web"}, begun("web", 2),
    )  # fmt: skip
    assert made == ["created container web", "started"]
    state, unit = first["State"], first["Unit"]
    assert (unit["ActiveState"], unit["Delegate"], unit["TimeoutStopUSec"]) == ("active", "yes", "40s")
    # The container itself is what systemd supervises, and is its child.
    assert unit["MainPID"] == str(state["Pid"])
    assert first["Parent"] == 1
    assert int(unit["MemoryCurrent"]) > 100_000
    group = f"/system.slice/{unit['Id']}"
    assert unit["ControlGroup"] == group
    # Not those of the session.
    assert (first["MonitorPidGroup"], first["PidGroup"]) == (f"0::{group}/supervisor", f"0::{group}/container")
    assert first["Memory"] == str(20 << 20)

    # A container that is killed comes back by itself; changes in place go on.
    assert back["State"]["MonitorPid"] not in (0, state["MonitorPid"])
    assert back["State"]["Pid"] not in (0, state["Pid"])
    assert (back["PidGroup"], back["Memory"]) == (first["PidGroup"], str(20 << 20))
    assert (nothing, updated) == ([], ["updated memory, stop_timeout"])
    assert (then["Memory"], then["State"]["Pid"]) == (str(24 << 20), back["State"]["Pid"])

    # Stopped behind the task's back: as declared, recorded as it was, and repaired by the next run.
    _done, ended, started, again, _begun, done, stopped, _removed, left = booting(
        {"sh": f"systemctl stop {unit['Id']}"}, {"look": "web"}, changed, changed, begun("web", 3),
        only("web", state="stopped"), {"look": "web"}, only("web", state="absent"),
        {"sh": "ls /sys/fs/cgroup/system.slice /run/agentless-oci /run/agentless-oci/runtime"},
    )  # fmt: skip
    assert "goodbye" in ended["Log"]
    assert (ended["State"]["Status"], ended["State"]["ExitCode"], ended["State"]["MonitorPid"]) == ("exited", 7, 0)
    assert ended["State"]["FinishedAt"] > ended["State"]["StartedAt"]
    assert (started, again, done) == (["started"], [], ["stopped"])
    assert (ended["Unit"], stopped["Unit"]) == ({}, {})
    assert "web" not in left


def test_what_has_no_policy_stays_down(booting):
    job = {"name": "gone", "command": ["true"], "auto_remove": True}
    gone = (
        "for i in $(seq 600); do systemctl list-units --plain 'aoci-*' | grep aoci- || exit 0; sleep 0.1; done; exit 1"
    )
    _once, _gone, _killed, ended, _none, left, lost, _none, still, removed = booting(
        {"name": "once", "command": SLEEP}, job, {"kill": "once", "of": "Pid"},
        {"await": "once", "Status": "exited", "ExitCode": 137}, {"sh": gone},
        {"sh": "/root/oci/bin/aoci containers -q"}, {"lose": "once"}, {"sh": gone}, {"look": "once"},
        only("once", state="absent"),
    )  # fmt: skip
    assert lost == 9
    assert ended["State"]["FinishedAt"] > ended["State"]["StartedAt"]
    assert left.split() == ["once"]
    assert (still["State"]["Status"], still["Unit"]) == ("exited", {})
    assert removed == ["removed container once"]


def test_a_container_of_an_earlier_version_keeps_working(booting):
    old = {"name": "old", "command": SLEEP, "memory": "20m"}
    parts = {**old, "name": "sliced", "cgroup_parent": "test-a.slice"}
    _made, before, nothing, updated, then, _restarted, after, _sliced, sliced, *_removed, left = booting(
        {**old, "bare": True}, {"look": "old"}, old, {**old, "memory": "24m"}, {"look": "old"},
        only("old", restart=True), {"look": "old"}, parts, {"look": "sliced"}, only("old", state="absent"),
        only("sliced", state="absent"), {"sh": "find /sys/fs/cgroup"},
    )  # fmt: skip
    assert (before["Unit"], nothing, updated) == ({}, [], ["updated memory"])
    assert before["PidGroup"].startswith("0::/agentless-oci/old-")
    assert (then["State"]["Pid"], then["Memory"]) == (before["State"]["Pid"], str(24 << 20))
    assert (after["Unit"]["ActiveState"], after["Memory"]) == ("active", str(24 << 20))
    assert after["PidGroup"] == f"0::/system.slice/{after['Unit']['Id']}/container"
    assert sliced["PidGroup"] == f"0::/test.slice/test-a.slice/{sliced['Unit']['Id']}/container"
    assert "aoci-" not in left
    assert "old-" not in left


def test_what_is_to_come_back_does(booting):
    host = booting.host
    booting(*CONTAINERS, only("stopped", state="stopped"), begun("always"))
    assert running(host) == {"always", "unless", "once"}
    host.reboot()
    booting.end()
    assert running(host) == {"always", "unless"}
    assert host.run("systemctl is-active agentless-oci-containers.service").stdout.strip() == "active"
    *nothing, always = booting(*CONTAINERS[:2], {"look": "always"})
    assert nothing == [[], []]
    assert always["Memory"] == str(20 << 20)
    assert "goodbye" in always["Log"]  # it was stopped before the host went down

    booting(SEALED, {"sh": "/root/oci/bin/aoci exec unless sh -c 'echo kept > /data/file'"})
    assert running(host) == {"always", "unless", "sealed"}
    host.run("sync")
    host.crash()
    booting.end()
    host.start(degraded=True)
    assert running(host) == {"always", "unless"}
    assert host.run("/root/oci/bin/aoci exec unless cat /data/file").stdout == "kept\n"
    # Secrets are nowhere but in memory: the boot says so, and a task that has them brings them back.
    said = host.run("journalctl --quiet --output=cat -b -u agentless-oci-containers.service").stdout
    assert "sealed: secrets: key: the content is not on this host any more" in said
    assert host.run("grep -rl hunter2 /var/lib/agentless-oci --include=*.json", check=False).stdout == ""
    started, sealed = booting(SEALED, {"look": "sealed"})
    assert started == ["started"]
    assert "hunter2-ratatosk" in sealed["Log"]
    booting(only("sealed", state="absent", force_kill=True))
    journal = host.run("journalctl --quiet --output=cat CONTAINER_NAME=unless").stdout.split()
    assert journal.count("begun") >= 1
    assert sorted(host.run("/root/oci/bin/aoci logs unless 2>&1").stdout.split()) == sorted(journal)
    own = host.run("journalctl --quiet --output=cat -b -u 'aoci-unless-*' CONTAINER_NAME=unless").stdout
    assert "begun" in own.split()
    host.run("/root/oci/bin/aoci boot containers")  # by any init, any number of times
    assert running(host) == {"always", "unless"}
