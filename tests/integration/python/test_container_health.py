# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks by their effects."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import oci_layout
import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup
from ansible_collections.agentless.oci.plugins.module_utils.image import ensure
from ansible_collections.agentless.oci.plugins.module_utils.image.store import Store
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import WAIT, alive

# Says "fine" where /ready is, and complains where it is not.
READY = {"test": ["CMD-SHELL", "[ -e /ready ] && echo fine || { echo not ready >&2; exit 3; }"]}
FAST = {"interval": "50ms", "timeout": "10s", "retries": 2}


def check(**changes):
    return {**READY, **FAST, **changes}


def shown(host, name="web"):
    return host.task(name=name, state="present", check=True)["container"]["State"].get("Health", {})


def inside(host, script, name="web"):
    record = os.path.basename(os.readlink(os.path.join(host.root, "containers", name)))[1:]
    host.aoci_run("exec", record, "sh", "-c", script)


@pytest.fixture
def host(host):
    run = os.path.join(host.root, "run/runtime")

    def aoci_run(*arguments):
        argv = [sys.executable, "-I", "-S", entry.__file__, "--root", run, *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120)

    host.aoci_run = aoci_run
    return host


def test_from_starting_to_healthy_to_unhealthy_and_back(host):
    host.run(command=WAIT, healthcheck=check(interval="100s"))
    host.until(lambda: shown(host).get("Status") == "starting")
    made = host.run(command=WAIT, healthcheck=check(interval="100ms"))
    assert made["container"]["Config"]["Healthcheck"]["Interval"] == 100_000_000
    host.until(lambda: shown(host)["Status"] == "unhealthy")
    found = shown(host)
    assert found["FailingStreak"] >= 2
    assert 2 <= len(found["Log"]) <= 5
    last = found["Log"][-1]
    assert (last["ExitCode"], last["Output"]) == (3, "not ready\n")
    assert last["End"] > last["Start"]
    inside(host, "touch /ready")
    done = host.task(name="web", state="healthy")  # one that is unhealthy may still become well
    assert done["actions"] == []
    assert done["container"]["State"]["Health"]["Status"] == "healthy"
    assert done["container"]["State"]["Health"]["FailingStreak"] == 0
    assert done["container"]["State"]["Health"]["Log"][-1]["Output"] == "fine\n"
    assert "running (healthy)" in host.aoci("containers").stdout
    inside(host, "rm /ready")
    host.until(lambda: shown(host)["Status"] == "unhealthy")
    host.until(lambda: len(shown(host)["Log"]) == 5)
    host.task(name="web", state="stopped")
    assert shown(host)["Status"] == "unhealthy"
    inside_again = host.task(name="web", state="started")
    assert inside_again["container"]["State"].get("Health", {"Status": "starting"})["Status"] == "starting"


def test_the_images_check_and_its_shell_user_and_environment(host, tmp_path):
    test = ["CMD-SHELL", 'echo "$FROM_IMAGE $X $(id -u) $(pwd) $-"']
    settings = {
        "Healthcheck": {"Test": test, "Interval": 50_000_000},
        "Env": ["PATH=/bin", "FROM_IMAGE=yes"],
        "Shell": ["/bin/sh", "-ec"],
    }
    oci_layout.write_layout(tmp_path / "layout", [oci_layout.members_of(host.rootfs)], settings=settings)
    store = Store(host.state)
    request = ensure.ImageRequest("localhost/tests/checked:1", source={"path": str(tmp_path / "layout")})
    ensure.apply(ensure.plan(request, store), store)
    done = host.task(
        image="localhost/tests/checked:1",
        command=WAIT,
        env={"X": "y"},
        user="7",
        working_dir="/tmp",
        state="healthy",
    )
    assert done["container"]["State"]["Health"]["Log"][-1]["Output"] == "yes y 7 /tmp ce\n"
    off = host.task(image="localhost/tests/checked:1", command=WAIT, healthcheck={"test": ["NONE"]}, env={"X": "y"})
    assert "Healthcheck" not in off["container"]["Config"]


def test_failures_in_the_start_period_do_not_count(host):
    host.run(command=WAIT, healthcheck=check(start_period="60s", start_interval="50ms", interval="60s"))
    host.until(lambda: len(shown(host).get("Log", [])) >= 3)
    assert (shown(host)["Status"], shown(host)["FailingStreak"]) == ("starting", 0)
    inside(host, "touch /ready")
    host.task(name="web", state="healthy")


def test_a_check_that_takes_too_long_is_killed_with_all_it_has_started(host):
    test = ["CMD-SHELL", "echo begun; sleep 4321 & sleep 4321; true"]
    host.run(command=WAIT, healthcheck={"test": test, "interval": "50ms", "timeout": "1s", "retries": 1})
    host.until(lambda: shown(host).get("Status") == "unhealthy")
    last = shown(host)["Log"][-1]
    assert last["ExitCode"] == -1
    assert last["Output"].startswith("begun\nthe check took longer than 1 s")
    host.task(name="web", healthcheck={"test": ["NONE"]})

    def sleeping():
        pids = open_cgroup(f"/agentless-oci/web-{host.status_id()[:12]}", owner="container").pids()
        return any(b"4321" in command(pid) for pid in pids)

    host.status_id = lambda: host.task(state="present", check=True)["container"]["Id"]
    host.until(lambda: not sleeping())


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_a_check_that_cannot_be_run_says_so(host):
    host.run(command=WAIT, healthcheck={"test": ["CMD", "/no/such"], **FAST})
    host.until(lambda: shown(host).get("Status") == "unhealthy")
    assert "/no/such" in shown(host)["Log"][-1]["Output"]
    assert shown(host)["Log"][-1]["ExitCode"] == -1


def test_much_output_is_cut_and_hinders_nothing(host):
    test = ["CMD-SHELL", "head -c 300000 /dev/zero | tr '\\0' x; sleep 0; exec >&- 2>&-; sleep 0.1"]
    host.run(command=WAIT, healthcheck={"test": test, **FAST}, state="healthy")
    assert shown(host)["Log"][-1]["Output"] == "x" * 4096


def test_a_paused_container_is_not_checked(host):
    made = host.run(command=WAIT, healthcheck=check(test=["CMD", "true"]), state="healthy")
    host.aoci_run("pause", made["container"]["Id"])
    try:
        host.until(lambda: shown(host)["Log"])
        before = shown(host)["Log"][-1]
        time.sleep(0.5)
        after = shown(host)["Log"][-1]
        assert (after["ExitCode"], shown(host)["FailingStreak"]) == (0, 0)
        assert after["Start"] <= before["End"] or after == before
    finally:
        host.aoci_run("resume", made["container"]["Id"])
    host.until(lambda: shown(host)["Log"][-1]["Start"] > after["End"])
    assert shown(host)["Status"] == "healthy"


def test_it_is_changed_in_place(host):
    made = host.run(command=WAIT, healthcheck=check(interval="60s"))
    pid, monitor = made["container"]["State"]["Pid"], made["container"]["State"]["MonitorPid"]
    done = host.run(command=WAIT, healthcheck=check(test=["CMD", "true"]), state="healthy")
    assert done["actions"] == ["updated healthcheck"]
    assert (done["container"]["State"]["Pid"], done["container"]["State"]["MonitorPid"]) == (pid, monitor)
    assert host.run(command=WAIT, healthcheck=check(test=["CMD", "true"]), state="healthy")["actions"] == []
    done = host.run(command=WAIT)
    assert done["actions"] == ["updated healthcheck"]
    assert "Health" not in done["container"]["State"]
    done = host.run(command=WAIT, healthcheck=check())
    host.until(lambda: shown(host).get("Status") == "unhealthy")


def test_waiting_fails_with_the_last_output(host):
    host.run(command=WAIT, healthcheck=check())
    host.until(lambda: shown(host).get("Log"))
    with pytest.raises(Error, match=r"not healthy within 1 seconds; the last check ended with exit code 3: not ready"):
        host.run(command=WAIT, healthcheck=check(), state="healthy", healthy_wait_timeout=1)
    with pytest.raises(Error, match="exit code 5 before it was healthy; no check has ended yet"):
        host.run(command=["sh", "-c", "exit 5"], healthcheck=check(interval="60s"), state="healthy")
    before = host.status()
    with pytest.raises(Error, match="has no health check to wait for"):
        host.run(command=WAIT, state="healthy")
    assert host.status() == before


def test_it_is_restarted_when_unhealthy(host):
    script = 'trap "echo asked; exit 0" TERM; touch /ready; echo started; while :; do sleep 0.05; done'
    made = host.run(command=["sh", "-c", script], healthcheck=check(), on_unhealthy="restart", state="healthy")
    inside(host, "rm /ready")
    host.until(lambda: host.log().count("started") == 2)
    assert host.log().count("asked") == 1
    done = host.task(name="web", state="healthy")["container"]
    assert done["RestartCount"] == 1
    assert done["State"]["Pid"] != made["container"]["State"]["Pid"]


def test_it_is_stopped_or_killed_when_unhealthy(host):
    stubborn = ["sh", "-c", "trap 'echo asked' TERM; touch /ready; while :; do sleep 0.05; done"]
    common = {"command": stubborn, "healthcheck": check(), "stop_timeout": 1, "restart_policy": "always"}
    pid = host.run(**common, on_unhealthy="stop", state="healthy")["container"]["State"]["Pid"]
    inside(host, "rm /ready")
    host.ended()
    assert not alive(pid)
    assert "asked" in host.log()
    assert (host.status()["ExitCode"], host.status()["Health"]["Status"]) == (137, "unhealthy")
    done = host.run(**{**common, "restart_policy": "no"}, on_unhealthy="kill", state="healthy")
    assert done["actions"] == ["updated on_unhealthy, restart_policy", "started"]
    count = host.log().count("asked")
    inside(host, "rm /ready")
    host.ended()
    assert host.status()["ExitCode"] == 137
    assert host.log().count("asked") == count


def test_a_monitor_stays_light_while_checks_run(host):
    made = [
        host.run(name=f"c{number}", command=["sleep", "1000"], healthcheck=check(test=["CMD", "true"], interval="1s"))
        for number in range(3)
    ]
    pids = [one["container"]["State"]["MonitorPid"] for one in made]
    for number in range(3):
        host.until(lambda number=number: len(shown(host, f"c{number}").get("Log", [])) >= 2)
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            private = sum(int(line.split()[1]) for line in file if line.startswith("Private"))
        assert private < 3500  # kB
