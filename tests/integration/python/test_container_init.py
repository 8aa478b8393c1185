# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option init by its effects: with the runtime's own process 1, and with a program of the host."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

# Counts the zombies there are once its grandchild, which nobody waits for, has ended.
ORPHAN = "sh -c 'sleep 0.1 & exit 0'; sleep 0.3; grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"


@pytest.fixture(params=["", "runc"])
def chosen(request, usable_runtime):
    return {"runtime": usable_runtime(request.param)} if request.param else {}


def test_zombies_are_reaped(host, chosen):
    sleeper = ["sh", "-c", "exec sleep 1000"]
    for init, zombies in ((False, 1), (True, 0)):
        made = host.run(command=sleeper, init=init, stop_timeout=0, **chosen)
        run = os.path.join(host.root, "run/runtime")
        counted = host.aoci("--root", run, "exec", made["container"]["Id"], "sh", "-c", ORPHAN).stdout
        assert int(counted) == zombies
        assert made["container"]["HostConfig"]["Init"] is init


def test_signals_and_exit_codes_are_passed_on(host, chosen):
    script = "trap 'echo got USR1; exit 7' USR1; trap '' TERM; echo ready; while :; do sleep 0.05; done"
    host.run(command=["sh", "-c", script], init=True, stop_signal="USR1", **chosen)
    host.until(lambda: "ready" in host.log())
    host.task(state="stopped")
    assert "got USR1" in host.log()
    assert host.status()["ExitCode"] == 7
    # A program that is process 1 cannot be ended by a signal that it does not handle; the child of one can.
    host.run(command=["sh", "-c", "echo ready; exec sleep 1000"], init=True, stop_timeout=60, **chosen)
    host.until(lambda: "ready" in host.log())
    host.task(state="stopped")
    assert host.status()["ExitCode"] == 143


def test_what_process_1_is(host):
    script = "echo $$; tr '\\0' ' ' </proc/1/cmdline; echo; grep -c . /proc/1/maps; id -u; grep Seccomp: /proc/1/status"
    shown = host.output("sh", "-c", script, init=True, user="7").splitlines()
    assert shown[0] == "2"
    assert shown[1].startswith("init -- sh -c echo")
    assert int(shown[2]) <= 6  # the segment, the stack and the kernel's own: nothing of the interpreter
    assert (shown[3], shown[4].split()) == ("7", ["Seccomp:", "2"])
    pid = host.run(command=["sleep", "1000"], init=True)["container"]["State"]["Pid"]
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip().split(":\t", 1) for line in file)
    assert int(status["VmRSS"].split()[0]) < 64  # kB
    assert status["CapEff"] == "00000000a80425fb"


def test_a_program_that_cannot_run_fails_the_task_as_without_init(host):
    with pytest.raises(Error, match="the image has no program nonsense"):
        host.run(command=["nonsense"], init=True)
    broken = os.path.join(host.root, "broken")
    with open(broken, "w", encoding="ascii") as file:
        file.write("#!/no/such/interpreter\n")
    os.chmod(broken, 0o755)
    with pytest.raises(Error, match="cannot execute /broken"):
        host.run(command=["/broken"], init=True, volumes=[f"{broken}:/broken"])


def test_without_a_pid_namespace_of_its_own(host):
    script = "sh -c 'sleep 0.1 & exit 0'; sleep 0.3; head -c 4 /proc/$PPID/cmdline; cat /proc/$PPID/task/$PPID/children"
    assert len(host.shell(script, init=True, pid_mode="host").removeprefix("init").split()) == 1
