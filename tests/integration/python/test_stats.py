# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci stats`` beside running containers: once, as JSON, and live on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']
BUSY = ["sh", "-c", "while :; do :; done"]


@pytest.fixture
def two(host):
    """A container that wants a CPU and gets a quarter of it, one that waits, and one that has ended."""
    host.run(name="busy", command=BUSY, cpus=0.25, memory="64m", pids_limit=20)
    host.run(name="idle", command=WAIT)
    host.run(name="over", command=["true"])
    host.ended("over")
    return host


def looked(text):
    return {one["name"]: one for one in map(json.loads, text.splitlines())}


def test_once(two):
    lines = two.aoci("stats").stdout.splitlines()  # not a terminal
    assert lines[0].split("  ")[0] == "NAME"
    assert [line.split()[0] for line in lines[1:]] == ["busy", "idle"]
    assert re.search(r" / 64m +\d+\.\d\d% +1 ", lines[1])
    named = two.aoci("stats", "--no-stream", "over", "idle").stdout.splitlines()
    assert [line.split()[0] for line in named[1:]] == ["over", "idle"]
    assert len(two.aoci("stats", "--all", "--no-stream").stdout.splitlines()) == 4
    unknown = two.aoci("stats", "nobody", check=False)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no container nobody" in unknown.stderr


def test_json_tells_what_the_container_uses(two):
    found = looked(two.aoci("stats", "--no-stream", "--format", "json", "--interval", "2").stdout)
    assert found.keys() == {"busy", "idle"}
    busy = found["busy"]
    assert 10 <= busy["cpu_percent"] <= 40  # others may want that CPU, too, and look late
    assert busy["memory_limit"] == 64 << 20
    assert 0 < busy["memory_working_set"] <= busy["memory"] < 64 << 20
    assert (busy["pids"], busy["status"], busy["oom_kill"]) == (1, "running", 0)
    assert busy["cpu_throttled_usec"] > 0  # how much depends on who else wants that CPU
    assert busy["throttled_percent"] >= 0
    assert (busy["limits"]["cpus"], busy["limits"]["pids_limit"], busy["events"]["oom_kill"]) == (0.25, 20, 0)
    assert (busy["net_rx_bytes"], busy["net_tx_bytes"]) == (0, 0)
    assert found["idle"]["cpu_percent"] < 15


def test_json_goes_on_until_its_reader_leaves_or_the_container_is_removed(two):
    argv = [sys.executable, "-I", "-S", entry.__file__, "--root", two.root, "stats", "--format=json", "--interval=0.2"]
    process = subprocess.Popen([*argv, "idle"], stdout=subprocess.PIPE, text=True)
    seen = [json.loads(process.stdout.readline()) for _line in range(3)]
    assert [one["name"] for one in seen] == ["idle"] * 3
    two.task(name="idle", state="stopped")
    rest = (json.loads(line) for line in process.stdout)
    assert next(one for one in rest if one["status"] == "stopped")["memory"] is None
    two.task(name="idle", state="absent")
    process.communicate(timeout=20)
    assert process.returncode == 0
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(timeout=20), process.stderr.read()) == (0, "")
    process.stderr.close()


def test_on_a_terminal_it_is_redrawn_in_place_until_interrupted(two):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
    argv = [sys.executable, "-I", "-S", entry.__file__, "--root", two.root, "stats", "--interval", "0.2"]
    process = subprocess.Popen(argv, stdout=slave, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    shown = ""
    try:
        deadline = time.monotonic() + 30
        while shown.count("\x1b[3A") < 3 and time.monotonic() < deadline:  # back up over what was drawn
            shown += os.read(master, 65536).decode()
        process.send_signal(signal.SIGINT)
        _out, complaint = process.communicate(timeout=20)
    finally:
        os.close(master)
    assert (process.returncode, complaint) == (0, b"")
    lines = re.sub(r"\x1b\[[0-9]*[A-Z]|\r", "", shown).splitlines()
    assert max(map(len, lines)) <= 69
    assert [line.split()[0] for line in lines[:6]] == ["NAME", "busy", "idle"] * 2
    assert lines[1].split()[2] == "-"  # nothing to compare with yet
    assert re.fullmatch(r"\d+\.\d\d%", lines[4].split()[2])
