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

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry

IDLE = ["sh", "-c", 'trap "exit 0" TERM; sleep 1000 & wait']
BUSY = ["sh", "-c", "while :; do :; done"]


@pytest.fixture
def two(host):
    """A container that wants a CPU and gets a tenth of it, one that waits, and one that has ended."""
    host.run(name="busy", command=BUSY, cpus=0.1, memory="64m", pids_limit=20)
    host.run(name="idle", command=IDLE)
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
    """Others may want that CPU, too, and come between a look and its time: then the next look tells."""
    for _turn in range(40):
        found = looked(two.aoci("stats", "--no-stream", "--format", "json").stdout)
        assert found.keys() == {"busy", "idle"}
        busy = found["busy"]
        if 8 <= busy["cpu_percent"] <= 12 and busy["throttled_percent"] > 10:
            break
    assert 8 <= busy["cpu_percent"] <= 12
    assert busy["throttled_percent"] > 10
    assert busy["memory_limit"] == 64 << 20
    assert 0 < busy["memory_working_set"] <= busy["memory"] < 64 << 20
    assert (busy["pids"], busy["status"], busy["oom_kill"]) == (1, "running", 0)
    assert busy["cpu_throttled_usec"] > 50_000
    assert (busy["limits"]["cpus"], busy["limits"]["pids_limit"], busy["events"]["oom_kill"]) == (0.1, 20, 0)
    assert (busy["net_rx_bytes"], busy["net_tx_bytes"]) == (0, 0)
    assert found["idle"]["cpu_percent"] < 1


def test_json_goes_on_until_its_reader_leaves_or_the_container_is_removed(two):
    argv = [sys.executable, "-I", "-S", entry.__file__, "--root", two.root, "stats", "--format=json", "--interval=0.2"]
    process = subprocess.Popen([*argv, "idle"], stdout=subprocess.PIPE, text=True)
    seen = [json.loads(process.stdout.readline()) for _line in range(3)]
    assert [one["name"] for one in seen] == ["idle"] * 3
    two.task(name="idle", state="stopped")
    rest = (json.loads(line) for line in process.stdout)
    assert next(one for one in rest if one["status"] == "stopped")["memory"] is None
    two.task(name="idle", state="absent")
    process.communicate(timeout=120)
    assert process.returncode == 0
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(timeout=120), process.stderr.read()) == (0, "")
    process.stderr.close()


def test_on_a_terminal_it_is_redrawn_in_place_until_interrupted(two):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
    argv = [sys.executable, "-I", "-S", entry.__file__, "--root", two.root, "stats", "--interval", "0.2"]
    process = subprocess.Popen(argv, stdout=slave, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    shown = ""
    try:
        while shown.count("\x1b[3A") < 3:  # back up over what was drawn
            shown += os.read(master, 65536).decode()
        process.send_signal(signal.SIGINT)
        _out, complaint = process.communicate(timeout=120)
    finally:
        os.close(master)
    assert (process.returncode, complaint) == (0, b"")
    lines = re.sub(r"\x1b\[[0-9]*[A-Z]|\r", "", shown).splitlines()
    assert max(map(len, lines)) <= 69
    assert [line.split()[0] for line in lines[:6]] == ["NAME", "busy", "idle"] * 2
    assert lines[1].split()[2] == "-"  # nothing to compare with yet
    assert re.fullmatch(r"\d+\.\d\d%", lines[4].split()[2])
