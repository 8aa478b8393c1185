# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is beside a container that systemd supervises, here beside any process of ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import attendant, logs, restart, start

FOLDER = os.path.dirname(os.path.abspath(attendant.__file__))
BOOT = start._BOOT.format("attendant")
OLD_KERNEL = "import posix; del posix.pidfd_open; "


@pytest.fixture
def beside(tmp_path):
    """Runs a shell's *script* with an attendant; (what became of the attendant, the script's process, its log)."""
    running = []

    def run(script, *, boot=BOOT, settings="", late=False):
        (tmp_path / "log").mkdir()
        (tmp_path / "monitor.conf").write_text(settings, encoding="utf-8")
        pipes = [*os.pipe(), *os.pipe()]
        program = subprocess.Popen(
            ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=pipes[1], stderr=pipes[3], start_new_session=True
        )
        running.append(program)
        if late:
            program.wait(60)
        null = os.open(os.devnull, os.O_RDWR)
        strings = [str(tmp_path), "0" * 64, "/nonexistent", "/nonexistent", "/nonexistent", "", "", "0 0 never"]
        numbers = [program.pid, time.time_ns(), null, null, *pipes]
        argv = [sys.executable, "-I", "-S", "-c", boot, FOLDER, *strings, *(str(number) for number in numbers)]
        made = subprocess.Popen(argv, stderr=subprocess.PIPE, pass_fds=[null, *pipes], start_new_session=True)
        running.append(made)
        for fd in (null, *pipes):
            os.close(fd)
        return made, program, tmp_path

    yield run
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what the script has left behind
        process.communicate()


def written(directory):
    return [
        (entry.stream, entry.text)
        for entry in sorted(logs.Reader(str(directory / "log")).new(), key=lambda entry: entry.time)
    ]


@pytest.mark.parametrize("boot", [BOOT, OLD_KERNEL + BOOT], ids=["pidfd", "old-kernel"])
@pytest.mark.parametrize("late", [False, True], ids=["beside", "too-late"])
def test_it_reads_all_and_ends_with_the_container(beside, boot, late):
    made, program, directory = beside("echo first; sleep 0.2; echo second >&2; exit 3", boot=boot, late=late)
    assert program.wait(60) == 3
    assert made.wait(60) == 0, made.stderr.read()
    assert sorted(written(directory)) == [("stderr", b"second"), ("stdout", b"first")]


@pytest.mark.parametrize("boot", [BOOT, OLD_KERNEL + BOOT], ids=["pidfd", "old-kernel"])
def test_it_outlives_what_asks_it_to_end(beside, boot):
    made, program, directory = beside("trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait", boot=boot)
    while not written(directory):
        time.sleep(0.01)
    made.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        made.wait(0.3)
    program.terminate()
    assert made.wait(60) == 0, made.stderr.read()
    assert written(directory) == [("stdout", b"up"), ("stdout", b"bye")]


@pytest.mark.parametrize("boot", [BOOT, OLD_KERNEL + BOOT], ids=["pidfd", "old-kernel"])
@pytest.mark.parametrize(
    ("action", "said", "code"),
    [("kill", None, -9), ("restart", "restart", 7), ("stop", "stop", 7), ("none", None, None)],
)
def test_what_it_does_to_the_unhealthy(beside, boot, action, said, code):
    # There is no core's program: the check cannot even be begun, which makes it one that failed.
    settings = f"on_unhealthy={action}\nstop_signal=10\nhealth=1\nhealth_interval=10000000\nhealth_timeout=1000000000\n"
    settings += "health_start_period=0\nhealth_start_interval=0\nhealth_retries=2\n"
    script = "trap 'exit 7' USR1; sleep 1000 & wait" if code is not None else "trap '' USR1; sleep 1; exit 5"
    made, program, directory = beside(script, boot=boot, settings=settings)
    assert program.wait(60) == (5 if code is None else code)
    assert made.wait(60) == 0, made.stderr.read()
    unhealthy = directory / restart.UNHEALTHY
    assert (unhealthy.read_text(encoding="utf-8") if unhealthy.exists() else None) == said
    assert '"Status": "unhealthy"' in (directory / "health.json").read_text(encoding="utf-8")
