# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container with a terminal: of its own, kept in the log, and there again after each restart."""

from __future__ import annotations

import os

import pytest

LOOK = "tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; stat -c %t:%T /dev/console; ps -o tty | tail -n 1"


@pytest.fixture(params=["", "runc", "crun"])
def runtime(request, usable_runtime):
    return {"runtime": usable_runtime(request.param)} if request.param else {}


def test_a_terminal(host, runtime):
    result = host.run(command=["sh", "-c", f"{LOOK}; exit 3"], tty=True, detach=False, **runtime)
    lines = result["stdout"].split("\r\n")
    assert lines[:2] == ["/dev/pts/0", "all"]
    assert lines[2].startswith("88:")  # of devpts
    assert (result["rc"], result["stderr"]) == (3, "")
    assert result["container"]["Config"]["Tty"] is True
    assert not [name for name in os.listdir(os.path.join(host.root, "run/runtime")) if name.endswith(".tty")]


def test_a_shell_waits_for_what_nobody_types(host, runtime):
    first = host.run(command=["sh"], tty=True, interactive=True, force_kill=True, **runtime)
    host.until(lambda: " stdout P " in host.log())  # its prompt
    again = host.run(command=["sh"], tty=True, interactive=True, force_kill=True, **runtime)
    assert again["actions"] == []
    assert again["container"]["State"]["Pid"] == first["container"]["State"]["Pid"]
    changed = host.run(check=True, command=["sh"], interactive=True, **runtime)
    assert changed["actions"] == ["replaced container web (tty)", "started"]


def test_a_terminal_after_a_restart(host, runtime):
    script = "echo begun; tty; sleep 0.2; echo ended; exit 1"
    host.run(command=["sh", "-c", script], tty=True, restart_policy="on-failure:2", **runtime)
    host.until(lambda: host.log().count("ended") == 3)
    assert host.log().count("/dev/pts/0") == host.log().count("begun") == 3
    host.ended()
    assert host.status()["ExitCode"] == 1


def test_a_program_that_closes_its_terminal_goes_on_and_may_come_back(host):
    script = "exec </dev/null >/dev/null 2>&1; sleep 0.3; echo back >/dev/console; sleep 1000"
    result = host.run(command=["sh", "-c", script], tty=True, force_kill=True)
    host.until(lambda: "back" in host.log())
    assert host.status()["Pid"] == result["container"]["State"]["Pid"]
    assert host.status()["Running"] is True


def test_a_terminal_of_the_first_container_of_all(host):
    """With nothing there that anything else would have made."""
    assert not os.path.exists(host.state.runtime)
    seen = host.shell("tty", tty=True, security_opts=["seccomp=unconfined"])
    assert seen.strip() == "/dev/pts/0"
