# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as services of systemd: what systemd does for them, and what is in memory besides."""

from __future__ import annotations

import pytest
from steps import SLEEP, Steps, only

QUIET = {"name": "quiet", "command": SLEEP, "log_driver": "none"}
LOG = "/var/lib/agentless-oci/containers/{}/log/container.log"
KILLED = 6  # more of them was tried; each takes seconds here
GROUP = "/sys/fs/cgroup/system.slice/aoci-{}-*"


@pytest.fixture(scope="module")
def steps(host):
    made = Steps(host)
    yield made
    made.end()


def processes(name):
    """Those in the groups of the container's service, and of the service that is perhaps beside it."""
    return {"sh": f"find {GROUP.format(name)} -name cgroup.procs -exec cat {{}} + | tr '\\n' ' '"}


def gone(name):
    """Wait until systemd has forgotten the container's services."""
    listed = f"systemctl list-units --all --plain --no-legend 'aoci-{name}-*'"
    return {"sh": f'for i in $(seq 600); do [ -z "$({listed})" ] && exit 0; sleep 0.1; done; exit 1'}


def written(word, times, name):
    """Wait until *word* is in the container's log so many *times*."""
    return {"sh": f"until grep -c {word} {LOG.format(name)} | grep -x {times}; do sleep 0.1; done"}


def lines(found):
    return [line.split(" ", 3)[3] for line in found["Log"].splitlines()]


def test_nothing_of_ours_is_in_memory(steps):
    made, first, _two, inside, nothing = steps(
        QUIET, {"look": "quiet"}, {"sh": f"until [ $({processes('quiet')['sh']} | wc -w) = 2 ]; do sleep 0.1; done"},
        processes("quiet"), QUIET,
    )  # fmt: skip
    assert (made, nothing) == (["created container quiet", "started"], [])
    assert (first["State"]["MonitorPid"], first["Unit"]["MainPID"]) == (0, str(first["State"]["Pid"]))
    assert (first["Parent"], first["State"]["Running"]) == (1, True)
    # Its program and the sleep that this has begun.
    mine = inside.split()
    assert mine[0] == str(first["State"]["Pid"])
    assert len(mine) == 2

    # A health check in place brings somebody who carries it out; the container is the same.
    checked = {**QUIET, "healthcheck": {"test": ["CMD", "true"], "interval": "1s"}}
    updated, again, healthy, ours, plain, _ended, _gone, left = steps(
        checked, checked, {"await": "quiet", "Healthy": True}, processes("quiet"), {**QUIET, "stop_timeout": 20},
        only("quiet", state="stopped"), gone("quiet"), {"look": "quiet"},
    )  # fmt: skip
    assert (updated, again) == (["updated healthcheck"], [])
    assert healthy["State"]["Pid"] == first["State"]["Pid"]
    assert str(healthy["State"]["MonitorPid"]) in ours.split()
    assert plain == ["updated stop_timeout, healthcheck"]
    assert (left["State"]["Status"], left["State"]["ExitCode"]) == ("exited", 0)

    # Nobody runs from the core that it was started from. It is called all the same, whatever came and went since.
    later = (
        "set -e; cd /var/lib/agentless-oci; old=$(readlink core); ln -sfn /nonexistent core;"
        f" kill -9 $(systemctl show -P MainPID 'aoci-quiet-*'); ({gone('quiet')['sh']}); ln -sfn $old core"
    )
    _started, _later, ended = steps(QUIET, {"sh": later}, {"look": "quiet"})
    assert (ended["State"]["Status"], ended["State"]["ExitCode"]) == ("exited", 137)

    # Where there is nobody who reads, a log needs a start; and who is to read is missed.
    *_quiet, heard, then, _killed, mended, removed = steps(
        QUIET, only("quiet", log_driver="json-file"), {"look": "quiet"},
        {"kill": "quiet", "of": "MonitorPid"}, only("quiet", state="started"), only("quiet", state="absent"),
    )  # fmt: skip
    assert heard == ["updated log_driver", "restarted (nobody could read what it wrote)"]
    assert then["State"]["MonitorPid"] > 0
    assert mended == ["restarted (nothing supervised it)"]
    assert removed == ["stopped", "removed container quiet"]


def test_the_restart_policy(steps):
    crash = {"name": "crash", "command": ["sh", "-c", "echo up; exit 5"], "restart_retries": 2}
    _made, ended, _gone, times = steps(
        {**crash, "restart_policy": "on-failure"}, {"await": "crash", "Status": "exited"}, gone("crash"),
        {"sh": f"cut -d' ' -f1 {LOG.format('crash')} | xargs -n1 date +%s.%3N -d"},
    )  # fmt: skip
    assert (ended["State"]["ExitCode"], ended["RestartCount"], lines(ended)) == (5, 2, ["up"] * 3)
    first, second, third = [float(moment) for moment in times.split()]
    assert second - first > 0.1
    assert third - second > 0.2

    # It waits longer and longer, and whoever wants to stop it then need not wait.
    status = "/var/lib/agentless-oci/containers/crash/status.json"
    waiting = {"sh": f"until grep -q 'restarting.*in_a_row\": 4' {status}; do sleep 0.1; done"}
    again, _waiting, stopped, then, _gone = steps(
        only("crash", restart_policy="always"), waiting, only("crash", state="stopped"), {"look": "crash"},
        gone("crash"),
    )  # fmt: skip
    assert again == ["updated restart_policy, restart_retries", "started"]
    assert stopped == ["stopped"]
    assert (then["State"]["Status"], then["State"]["ExitCode"]) == ("exited", 5)

    # Nor has a policy that is changed meanwhile to wait for the next end.
    _started, _waiting, changed, _gone, ended, removed = steps(
        only("crash", state="started"), waiting, only("crash", restart_policy="no"), gone("crash"),
        {"look": "crash"}, only("crash", state="absent"),
    )  # fmt: skip
    assert changed == ["updated restart_policy"]
    assert ended["State"]["Status"] == "exited"
    assert removed == ["removed container crash"]


def test_what_is_unhealthy(steps):
    check = {"test": ["CMD", "test", "!", "-e", "/sick"], "interval": "1s", "retries": 1}
    sick = {"name": "sick", "command": SLEEP, "healthcheck": check, "on_unhealthy": "restart"}
    *_made, back, changed, _sick, ended, _gone, removed = steps(
        sick, {"sh": "/root/oci/bin/aoci exec sick touch /sick"}, {"await": "sick", "RestartCount": 1},
        only("sick", on_unhealthy="stop"), {"sh": "rm -f /dev/null/none; true"}, {"await": "sick", "Status": "exited"},
        gone("sick"), only("sick", state="absent"),
    )  # fmt: skip
    assert back["RestartCount"] >= 1  # though it has no policy
    assert changed == ["updated on_unhealthy"]
    assert (ended["State"]["Health"]["Status"], ended["State"]["ExitCode"]) == ("unhealthy", 0)
    assert removed == ["removed container sick"]


def test_ends(steps):
    said = {"command": ["sh", "-c", "echo out; echo err >&2; exit 4"], "detach": False}
    eats = {"name": "eats", "command": ["sh", "-c", "x=a; while :; do x=$x$x; done"], "memory": "8m"}
    tree = {"name": "tree", "command": ["sh", "-c", "setsid sleep 4321 & sleep 1"], "pid_mode": "host"}
    told, told_last, _eats, killed, _tree, ended, _gone, processes_, *_removed, left = steps(
        {"name": "said", **said}, {"name": "last", "auto_remove": True, **said}, eats,
        {"await": "eats", "Status": "exited"}, tree, {"await": "tree", "Status": "exited"}, gone("tree"),
        {"sh": "ps -eo args"}, *(only(name, state="absent") for name in ("said", "eats", "tree")),
        {"sh": "ls /var/lib/agentless-oci/containers /run/agentless-oci; find /sys/fs/cgroup -name 'aoci-*'"},
    )  # fmt: skip
    assert told == told_last == ["out\n", "err\n", 4]
    assert (killed["State"]["ExitCode"], killed["State"]["OOMKilled"]) == (137, True)
    assert ended["State"]["ExitCode"] == 0
    assert "sleep 4321" not in processes_  # what had left its process group, and has no namespace to end with
    assert not any(name in left for name in ("said", "last", "eats", "tree", ".service"))


def test_what_an_administrator_does(steps):
    job = {"name": "job", "command": ["sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; sleep 10000 & wait"]}
    *_done, restarted, nothing, paused, _stopped, ended, started, _killed, back, _reread, _killed2, again = steps(
        {**job, "restart_policy": "always"}, written("up", 1, "job"), {"sh": "systemctl restart 'aoci-job-*'"},
        written("up", 2, "job"), {"look": "job"}, job | {"restart_policy": "always"},
        only("job", paused=True), {"sh": "systemctl stop 'aoci-job-*'"}, {"look": "job"},
        only("job", state="started"), {"kill": "job", "of": "Pid"}, {"await": "job", "RestartCount": 1},
        {"sh": "systemctl daemon-reload; systemctl daemon-reexec"}, {"kill": "job", "of": "Pid"},
        {"await": "job", "RestartCount": 2},
    )  # fmt: skip
    assert (lines(restarted), restarted["State"]["Status"]) == (["up", "bye", "up"], "running")
    assert (nothing, paused) == ([], ["paused"])
    assert (lines(ended)[-1], ended["State"]["Status"], ended["State"]["ExitCode"]) == ("bye", "exited", 3)
    assert started == ["started"]
    assert back["Unit"]["MainPID"] == str(back["State"]["Pid"])
    assert again["Unit"]["MainPID"] == str(again["State"]["Pid"])
    assert steps(only("job", state="absent"))[0][-1] == "removed container job"


def test_what_an_administrator_forbids(steps):
    """By a drop-in for all containers: the task sees that nothing can come of its service, and nothing is left."""
    directory = "/run/systemd/system/aoci-.service.d"
    steps({"sh": f"mkdir -p {directory}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{directory}/no.conf"})
    with pytest.raises(AssertionError, match=r"the service aoci-no-\w+\.service of container no has ended"):
        steps({"name": "no", "command": SLEEP, "restart_policy": "always"})
    _allowed, _gone, left = steps(
        {"sh": f"rm -r {directory}; systemctl daemon-reload"}, gone("no"),
        {"sh": "ls /var/lib/agentless-oci/containers /run/agentless-oci/runtime; find /sys/fs/cgroup -name 'aoci-no*'"},
    )  # fmt: skip
    assert "no" not in left.split()
    assert "aoci-no" not in left
    assert steps({"name": "no", "command": SLEEP}, only("no", state="absent"))[0] == ["created container no", "started"]


def test_a_terminal_and_a_group_elsewhere(steps):
    shell = {
        "name": "shell",
        "command": ["sh", "-c", "test -t 0 && echo tty; read x"],
        "tty": True,
        "interactive": True,
    }
    batch = {"name": "batch", "command": SLEEP, "cgroup_parent": "/batch", "restart_policy": "always"}
    *_begun, twice, _batch, placed, _killed, back, _removed, _removed2, left = steps(
        {**shell, "restart_policy": "always"},
        written("tty", 1, "shell"),
        {"kill": "shell", "of": "Pid"}, {"await": "shell", "RestartCount": 1, "Status": "running"},
        written("tty", 2, "shell"),
        batch, {"look": "batch"}, {"kill": "batch", "of": "Pid"},
        {"await": "batch", "RestartCount": 1, "Status": "running"},
        only("shell", state="absent", force_kill=True), only("batch", state="absent", force_kill=True),
        {"sh": "find /sys/fs/cgroup"},
    )  # fmt: skip
    assert twice.strip() == "2"
    assert placed["PidGroup"].startswith("0::/batch/batch-")
    assert placed["Unit"]["MainPID"] == str(placed["State"]["Pid"])
    assert back["Unit"]["MainPID"] == str(back["State"]["Pid"])
    assert "aoci-" not in left
    assert "batch" not in left


def test_whatever_is_killed_is_repaired(steps):
    """The task, what systemd runs for it, the container, its attendant, while they make, replace and end it."""
    victim = {"name": "victim", "command": SLEEP, "restart_policy": "always", "stop_timeout": 5}
    for seed in range(KILLED):
        given = {**victim, "memory": f"{20 + seed % 3}m", "recreate": seed % 3 == 1, "restart": seed % 3 == 2}
        steps({"harm": given, "seed": seed})
    _repaired, nothing, found, inside, removed, _gone, left = steps(
        victim, victim, {"await": "victim", "Status": "running"}, processes("victim"),
        only("victim", state="absent"), gone("victim"),
        {"sh": "ls -a /var/lib/agentless-oci/containers /run/agentless-oci /run/agentless-oci/runtime; ps -eo args"},
    )  # fmt: skip
    assert nothing == []
    assert (found["State"]["Status"], found["Unit"]["MainPID"]) == ("running", str(found["State"]["Pid"]))
    # Nothing else than its program, the sleep that this begins, and its attendant.
    assert {str(found["State"]["Pid"]), str(found["State"]["MonitorPid"])} <= set(inside.split())
    assert len(inside.split()) <= 3
    assert removed == ["stopped", "removed container victim"]
    assert found["Id"][:12] not in left
    assert "sleep 10000" not in left
