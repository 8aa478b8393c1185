# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminals: one of the container's own, handed over a socket or shown on ours."""

from __future__ import annotations

import fcntl
import os
import pty
import socket
import struct
import subprocess
import termios

from bundles import AOCI, config

SCRIPT = """
test -t 0 && test -t 1 && test -t 2 && echo is-a-tty
tty; stty size; stat -c %t:%T /dev/console; echo x > /dev/tty
"""


def with_terminal(rootfs, script=SCRIPT):
    document = config(rootfs, "sh", "-c", script)
    document["process"]["terminal"] = True
    document["process"]["consoleSize"] = {"height": 33, "width": 77}
    return document


def read_all(fd):
    data = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except OSError:  # EIO: the last user of the other side has gone
            return data.decode()
        if not piece:
            return data.decode()
        data += piece


def test_console_socket(runtime, rootfs, tmp_path):
    path = str(tmp_path / "console.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        bundle = runtime.bundle(with_terminal(rootfs))
        created = runtime("create", "-b", bundle, "--console-socket", path, "tty")
        assert created.returncode == 0, created.stderr
        connection, _address = server.accept()
        name, descriptors, _flags, _from = socket.recv_fds(connection, 100, 1)
    assert name == b"/dev/pts/0"
    assert runtime("start", "tty").returncode == 0
    lines = read_all(descriptors[0]).split()
    os.close(descriptors[0])
    assert lines == ["is-a-tty", "/dev/pts/0", "33", "77", "88:0", "x"]


def test_our_own_terminal(runtime, rootfs):
    """aoci run shows the container's terminal on ours, passes keys on, and leaves ours as it was."""
    bundle = runtime.bundle(with_terminal(rootfs, "stty size; read line; echo got:$line; exit 7"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 12, 34, 0, 0))
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [*runtime.python, AOCI, "--root", runtime.run_dir, "run", "-b", bundle, "own"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.write(master, b"hello\r")
    assert process.wait(30) == 7
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    shown = read_all(master)
    os.close(master)
    assert "12 34" in shown
    assert "got:hello" in shown


def test_a_terminal_needs_a_taker(runtime, rootfs):
    done = runtime("create", "-b", runtime.bundle(with_terminal(rootfs)), "x")
    assert "process.terminal is set, but nobody waits for the terminal" in done.stderr
    done = runtime("create", "-b", runtime.bundle(with_terminal(rootfs)), "--console-socket", "/no/such", "x")
    assert "cannot connect to the console socket /no/such: No such file" in done.stderr


def test_preserved_descriptors(runtime, rootfs):
    with open("/etc/hostname", "rb") as kept:
        bundle = runtime.bundle(config(rootfs, "sh", "-c", "cat <&3; ls /proc/self/fd"))
        command = [*runtime.python, AOCI, "--root", runtime.run_dir, "run", "--preserve-fds", "1", "-b", bundle, "x"]
        shell = ["bash", "-c", 'exec "$@" 3<&' + str(kept.fileno()), "sh", *command]
        done = subprocess.run(shell, pass_fds=[kept.fileno()], capture_output=True, text=True, check=False)
        expected = open("/etc/hostname", encoding="utf-8").read()  # noqa: SIM115
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(expected)
    assert done.stdout[len(expected) :].split() == ["0", "1", "2", "3", "4"]


def test_no_pivot(runtime, rootfs):
    done = runtime("run", "--no-pivot", "-b", runtime.bundle(config(rootfs, "ls", "/")), "x")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(os.listdir(rootfs))
