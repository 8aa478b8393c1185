# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts themselves: they lose their power, boot again, reach each other, and leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import machine
from waiting import until

HERE = os.path.dirname(os.path.abspath(__file__))
KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
import machine
machine.Network(sys.argv[2]).__enter__().host("lost", mem="256M").start(600)
time.sleep(600)
"""
# What process 1 says of itself; the kernel's command line, which comes earlier, has systemd's name as well.
SYSTEMD_RUNS = "systemd[1]: "


def test_a_crash_and_a_reboot(host):
    host.run("echo kept > /root/synced; sync; echo lost > /root/fresh")
    booted = host.run("cat /proc/sys/kernel/random/boot_id").stdout
    host.crash()
    host.start()
    assert host.run("cat /root/synced").stdout == "kept\n"
    assert host.run("cat /root/fresh", check=False).stdout == ""
    host.run("echo kept > /root/fresh")
    host.reboot()
    assert host.run("cat /root/fresh").stdout == "kept\n"
    assert host.run("cat /proc/sys/kernel/random/boot_id").stdout != booted


def test_a_killed_test_leaves_nothing(network, tmp_path):
    machine.disk()  # not in the middle of its being made
    console = tmp_path / "lost.console"
    with open(tmp_path / "said", "wb") as said:
        killed = subprocess.Popen([sys.executable, "-c", KILLED, HERE, str(tmp_path)], stdout=said, stderr=said)
    try:
        until(lambda: killed.poll() is not None or SYSTEMD_RUNS in read(console), lambda: read(console))
        assert killed.poll() is None, (tmp_path / "said").read_text()
        assert any(machine.KERNEL in command for command in _processes(str(tmp_path)))
        assert os.path.exists(tmp_path / "lost.cow")
    finally:
        killed.kill()
        code = killed.wait()
    assert code == -signal.SIGKILL, (tmp_path / "said").read_text()
    until(lambda: not _processes(str(tmp_path)), lambda: _processes(str(tmp_path)))


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


def _processes(word):
    """The command lines of other processes that hold *word*."""
    found = []
    for pid in (name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in command:
            found.append(command)
    return found
