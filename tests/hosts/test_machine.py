# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts themselves: they lose their power, boot again, reach each other, and leave nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
KILLED = """
import os, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
import machine
network = machine.Network(sys.argv[2]).__enter__()
host = network.host("lost", mem="256M")

def die_when_it_boots():
    while not os.path.exists(host.console) or "systemd" not in open(host.console, errors="replace").read():
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=die_when_it_boots).start()
host.start()
"""


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
    subprocess.run([sys.executable, "-c", KILLED, HERE, str(tmp_path)], check=False, timeout=60)
    assert os.path.exists(tmp_path / "lost.cow")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and _processes(str(tmp_path)):
        time.sleep(0.2)
    assert _processes(str(tmp_path)) == []


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
