# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import linger
from ansible_collections.agentless.oci.plugins.module_utils.container.monitorhost import HEEDED


def in_child(work):
    """The signals that are pending when *work* has returned in a child of its own; it has HEEDED blocked."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, HEEDED)
        work()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        os.write(writing, repr(sorted(map(int, signal.sigpending() & blocked))).encode())
        os._exit(0 if blocked == set(HEEDED) else 1)
    os.close(writing)
    try:
        said = os.read(reading, 1000).decode()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        os.close(reading)
    return said


@pytest.mark.parametrize("number", HEEDED)
def test_a_signal_ends_it_and_is_still_to_come(number):
    def work():
        os.kill(os.getpid(), number)
        linger.wait([], 20)

    assert in_child(work) == f"[{int(number)}]"


@pytest.mark.parametrize("number", HEEDED)
def test_a_signal_that_comes_while_it_waits(number):
    def work():
        waiting = os.getpid()
        if os.fork() == 0:
            time.sleep(0.1)
            os.kill(waiting, number)
            os._exit(0)
        linger.wait([], 20)

    assert str(int(number)) in in_child(work)


@pytest.mark.parametrize("said", [b"word", b""])
def test_a_stream_that_says_something_or_is_at_its_end(said):
    def work():
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.write(writing, said)
        os.close(writing)
        linger.wait([reading], 20)
        assert os.read(reading, 10) == said

    assert in_child(work) == "[]"


def test_a_stream_that_says_nothing():
    def work():
        reading, writing = os.pipe()
        linger.wait([reading], 0.01)
        os.close(writing)
        assert os.read(reading, 10) == b""

    assert in_child(work) == "[]"


def test_nothing_happens():
    before = len(os.listdir("/proc/self/fd"))

    def work():
        linger.wait([], 0.01)
        assert len(os.listdir("/proc/self/fd")) == before + 2

    assert in_child(work) == "[]"


@pytest.mark.parametrize(
    ("meminfo", "roomy"),
    [
        ("MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:  251 kB\n", True),
        ("MemTotal:  1000 kB\nMemFree: 900 kB\nMemAvailable:  250 kB\n", False),
        ("MemTotal:  1000 kB\nMemFree: 900 kB\n", False),  # before Linux 3.14
    ],
)
def test_room(meminfo, roomy):
    assert linger.is_roomy(meminfo) is roomy
