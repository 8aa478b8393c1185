# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What procfs tells of processes, and capabilities by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import capabilities, procfs


def test_a_process_is_its_pid_and_its_start():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        started = procfs.start_time(process.pid)
        assert procfs.alive(process.pid, started)
        assert not procfs.alive(process.pid, started + 1)
        with pytest.raises(ProcessLookupError):
            procfs.send_signal(process.pid, started + 1, signal.SIGKILL)
        assert not procfs.wait_exit(process.pid, started, 0.01)
        procfs.send_signal(process.pid, started, signal.SIGKILL)
        assert procfs.wait_exit(process.pid, started, 10)
        assert not procfs.alive(process.pid, started)  # a zombie is not alive
    finally:
        process.kill()
        process.wait()
    with pytest.raises(ProcessLookupError):
        procfs.start_time(process.pid)


def test_whether_a_program_was_executed_is_known_until_the_parent_reaps():
    for executes in (True, False):
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            if executes:
                os.execv("/bin/true", ["true"])
            os.write(tell, b".")
            signal.pause()
        os.close(tell)
        started = procfs.start_time(pid)
        os.read(ready, 1)
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert procfs.has_executed(pid, started) is executes  # of a zombie
        assert procfs.has_executed(pid, started + 1) is None  # another process
        os.waitpid(pid, 0)
        assert procfs.has_executed(pid, started) is None


def test_writes_to_proc_cross_no_symlink():
    fd = procfs.open_proc()
    try:
        procfs.write_proc(fd, f"{os.getpid()}/comm", "renamed")
        with open("/proc/self/comm", encoding="ascii") as file:
            assert file.read() == "renamed\n"
        with pytest.raises(OSError):
            procfs.write_proc(fd, f"{os.getpid()}/root/tmp/x", "no")
    finally:
        os.close(fd)


def test_capability_masks():
    assert capabilities.mask([]) == 0
    assert capabilities.mask(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"]) == 1 | 1 << 21 | 1 << 40
    assert capabilities.names(1 | 1 << 21) == ["CAP_CHOWN", "CAP_SYS_ADMIN"]
    assert capabilities.mask(capabilities.names((1 << 41) - 1)) == (1 << 41) - 1
    with pytest.raises(KeyError):
        capabilities.mask(["CAP_FLY"])


def test_the_kernel_numbers_them_alike():
    with open("/proc/self/status", encoding="ascii") as file:
        bounding = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    assert capabilities.bounding() == bounding
