# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor by its effects: log, exit code, restarts, and what is left when it has gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest
from waiting import until

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


def script(text):
    return ["sh", "-c", text]


def test_the_log_has_time_stream_and_text(host):
    host.run(command=script("echo one; echo two >&2; printf three"))
    host.ended()
    lines = [line.split(" ", 3) for line in host.log().splitlines()]
    assert sorted(line[1:] for line in lines) == [
        ["stderr", "F", "two"],
        ["stdout", "F", "one"],
        ["stdout", "P", "three"],
    ]
    year = time.strftime("%Y-", time.gmtime())
    assert all(line[0].startswith(year) and line[0].endswith("Z") and len(line[0]) == 30 for line in lines)


@pytest.mark.parametrize(
    ("text", "code"),
    # Process 1 of a pid namespace cannot kill itself: the signal goes to a child, whose code the shell passes on.
    [("exit 0", 0), ("exit 42", 42), ("sh -c 'kill -KILL $$'; exit $?", 137)],
)
def test_the_exit_code(host, text, code):
    host.run(command=script(text))
    host.ended()
    state = host.status()
    assert state["ExitCode"] == code
    assert state["FinishedAt"] > state["StartedAt"]
    assert not state["OOMKilled"]


def test_a_signal_from_outside_is_128_and_its_number(host):
    pid = host.run(command=WAIT)["container"]["State"]["Pid"]
    host.kill(pid)
    host.ended()
    assert host.status()["ExitCode"] == 137


def test_no_memory_left(host):
    host.run(command=script("head -c 100m /dev/zero | tail -c 60m >/dev/null; exit $?"), memory="20m")
    host.ended()
    assert host.status()["OOMKilled"] is True


def test_no_memory_left_for_process_1_itself(host):
    greedy = ["awk", 'BEGIN { text = "x"; while (1) text = text text }']
    host.run(command=greedy, memory="20m", memory_swap="20m")
    host.ended()
    state = host.status()
    assert (state["OOMKilled"], state["ExitCode"], state["Status"]) == (True, 137, "exited")
    host.run(command=["true"])
    host.ended()
    assert host.status()["OOMKilled"] is False


def test_much_output_is_all_there_and_rotated(host):
    host.run(
        command=script("i=0; while [ $i -lt 3000 ]; do echo line $i of many; i=$((i+1)); done"),
        log_options={"max-size": "40k", "max-file": 3},
    )
    host.ended()
    directory = os.path.join(host.root, "containers/web/log")
    files = sorted(name for name in os.listdir(directory) if name.startswith("container.log"))
    assert files == ["container.log", "container.log.1", "container.log.2"]
    assert all(os.path.getsize(os.path.join(directory, name)) <= 40960 for name in files)
    text = host.aoci("logs", "web").stdout
    numbers = [int(line.split()[1]) for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 3000))


def test_output_larger_than_the_pipe(host):
    done = host.run(command=script("head -c 3000000 /dev/zero | tr '\\0' x"), detach=False)
    assert len(done["stdout"]) == 3_000_000


@pytest.mark.parametrize(
    ("policy", "retries", "text", "count"),
    [
        ("no", None, "exit 1", 0),
        ("on-failure", 2, "exit 1", 2),
        ("on-failure", 2, "exit 0", 0),
    ],
)
def test_policies_that_come_to_an_end(host, policy, retries, text, count):
    host.run(command=script(f"echo started; {text}"), restart_policy=policy, restart_retries=retries)
    host.ended()
    assert host.log().count("started") == count + 1
    inspected = host.task(state="present", check=True)["container"]
    assert inspected["RestartCount"] == count


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_policies_without_end_stop_when_asked(host, policy):
    host.run(command=script("echo started; exit 0"), restart_policy=policy)
    host.until(lambda: host.log().count("started") >= 3)
    assert host.run(command=script("echo started; exit 0"), restart_policy=policy)["actions"] == []
    begun = time.monotonic()
    assert host.task(state="stopped")["actions"] == ["stopped"]
    assert time.monotonic() - begun < 60  # the longest time until a restart
    count = host.log().count("started")
    time.sleep(1)
    assert host.log().count("started") == count
    assert host.status()["Status"] == "exited"


@pytest.mark.parametrize("wait", [0.02 * step for step in range(12)])
def test_a_stop_in_the_middle_of_a_restart(host, wait):
    pid = host.run(command=WAIT, restart_policy="always")["container"]["State"]["Pid"]
    host.kill(pid)
    time.sleep(0.1 + wait)
    begun = time.monotonic()
    host.task(state="stopped")
    assert time.monotonic() - begun < 30
    assert host.status()["Status"] == "exited"


def test_a_container_that_cannot_start_again_says_so_and_is_tried_again(host):
    marker = os.path.join(host.root, "volume")
    with open(marker, "wb"):
        pass
    first = host.run(
        command=WAIT, restart_policy="always", mounts=[{"target": "/marker", "source": marker, "type": "bind"}]
    )
    os.unlink(marker)
    host.kill(first["container"]["State"]["Pid"])
    host.until(lambda: marker in host.log())
    with open(marker, "wb"):
        pass
    host.until(lambda: host.status()["Status"] == "running")


def test_a_stop_takes_the_signal_then_the_time_then_kills_all(host):
    stubborn = script("trap '' TERM; sleep 1000 & while :; do sleep 0.1; done")
    host.run(command=stubborn, stop_timeout=1)
    begun = time.monotonic()
    host.task(state="stopped")
    assert 1 <= time.monotonic() - begun < 10  # the default
    assert host.status()["ExitCode"] == 137
    ready = script("trap 'echo got USR1; exit 7' USR1; echo ready; while :; do sleep 0.05; done")
    host.run(command=ready, stop_signal="USR1")
    host.until(lambda: "ready" in host.log())
    host.task(state="stopped")
    assert host.status()["ExitCode"] == 7
    assert "got USR1" in host.log()


@pytest.mark.parametrize(("trapped", "code"), [("trap '' TERM; trap 'exit 7' USR1", 7), ("trap '' TERM USR1", 137)])
def test_a_monitor_that_is_told_to_end_ends_its_container(host, trapped, code):
    """As when the host goes down: by the stop signal, by force when the time is over, and for good."""
    made = host.run(
        command=script(f"{trapped}; echo ready; while :; do sleep 0.05; done"),
        stop_signal="USR1",
        stop_timeout=1,
        restart_policy="always",
    )
    host.until(lambda: "ready" in host.log())
    os.kill(made["container"]["State"]["MonitorPid"], signal.SIGTERM)
    host.ended()
    assert host.status()["ExitCode"] == code


def test_force_kill(host):
    host.run(command=script("trap '' TERM; while :; do sleep 0.1; done"), stop_timeout=1000)
    begun = time.monotonic()
    host.task(state="stopped", force_kill=True)
    assert time.monotonic() - begun < 500
    assert host.status()["ExitCode"] == 137


def test_it_removes_what_is_to_be_removed(host):
    host.run(command=script("exit 0"), auto_remove=True)
    host.until(lambda: host.clean() == [])


def test_processes_of_the_hosts_pid_namespace_end_too(host):
    host.run(command=script("sleep 1234 & sleep 1234 & exit 0"), pid_mode="host")
    host.ended()
    pid_list = [name for name in os.listdir("/proc") if name.isdigit()]
    commands = []
    for pid in pid_list:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                commands.append(file.read())
        except FileNotFoundError:
            continue
    assert b"sleep\0001234\0" not in commands


def test_it_holds_nothing_of_the_task(host, monkeypatch):
    """No descriptor, no environment, no working directory, no session of the task's."""
    monkeypatch.setenv("SECRET_OF_THE_TASK", "x")
    secret = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        pid = host.run(command=WAIT)["container"]["State"]["MonitorPid"]
    finally:
        os.close(secret)

    def told():
        targets = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed since
                targets.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        of_the_host = {path for path in targets if path.startswith("/") and not path.startswith(host.root)}
        with open(f"/proc/{pid}/environ", "rb") as file:
            return of_the_host, b"SECRET_OF_THE_TASK" in file.read()

    until(lambda: told() == ({"/dev/null"}, False), told)  # it begins as a fork of the task, and reads its own code
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) != os.getsid(0)


def test_interactive_keeps_standard_input_open(host):
    host.run(name="closed", command=script("cat; echo end"))
    host.ended("closed")
    host.run(name="open", command=script("cat; echo end"), interactive=True)
    time.sleep(0.3)
    assert host.status("open")["Running"]
