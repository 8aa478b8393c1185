# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminals: one of the container's own, handed over a socket or shown on ours."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios

import pytest
from bundles import AOCI, bare, config, in_user_namespace, without
from waiting import until

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
    assert process.wait(120) == 7
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


def test_socket_activation(runtime, rootfs):
    """sd_listen_fds(3): what was meant for us goes on to the program, and what was meant for another does not."""
    script = "echo $LISTEN_FDS $LISTEN_PID; ls /proc/self/fd; cat <&3 || echo none"
    for ours in (True, False):
        bundle = runtime.bundle(config(rootfs, "sh", "-c", script))
        command = [*runtime.python, AOCI, "--root", runtime.run_dir, "run", "-b", bundle, "x"]
        export = f'export LISTEN_FDS=1 LISTEN_PID={"$$" if ours else 1}; exec 3</etc/hostname; exec "$@"'
        done = subprocess.run(["sh", "-c", export, "sh", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if ours:
            with open("/etc/hostname", encoding="utf-8") as file:
                assert done.stdout == f"1 1\n0\n1\n2\n3\n4\n{file.read()}"
        else:
            assert done.stdout == "\n0\n1\n2\n3\nnone\n"


def test_signals_in_the_foreground(runtime, rootfs):
    """All that can be caught go on to the program, and its end is ours."""
    numbers = [signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGCONT, signal.SIGTSTP, signal.SIGRTMIN + 2]
    traps = "".join(f"trap 'echo {int(number)}' {int(number)}; " for number in numbers)
    bundle = runtime.bundle(config(rootfs, "sh", "-c", f"{traps} echo ready; while :; do sleep 0.05; done"))
    command = [*runtime.python, AOCI, "--root", runtime.run_dir, "run", "-b", bundle, "x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
            assert process.stdout.readline() == f"{int(number)}\n"
        assert runtime("kill", "x", "KILL").returncode == 0
        assert process.wait(120) == 128 + signal.SIGKILL


def test_orphans_in_the_foreground(runtime, rootfs):
    """Without a pid namespace they come to us, and none of them stays a zombie."""
    script = "for n in 1 2 3; do (sleep 0.1 & echo $!); done; sleep 0.5; echo over; while :; do sleep 0.05; done"
    bundle = runtime.bundle(without(config(rootfs, "sh", "-c", script), "pid"))
    command = [*runtime.python, AOCI, "--root", runtime.run_dir, "run", "-b", bundle, "x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        lines = [process.stdout.readline().strip() for _turn in range(4)]
        assert lines[3] == "over"
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in lines[:3]))
        assert runtime("kill", "x", "KILL").returncode == 0
        assert process.wait(120) == 128 + signal.SIGKILL


@pytest.mark.parametrize("keep", [False, True])
def test_what_run_leaves(runtime, rootfs, keep):
    bundle = runtime.bundle(config(rootfs, "sh", "-c", "exit 4"))
    done = runtime("run", *(["--keep"] if keep else []), "-b", bundle, "x")
    assert done.returncode == 4
    assert runtime("list", "-q").stdout == ("x\n" if keep else "")
    if keep:
        assert runtime.state("x")["status"] == "stopped"
        assert runtime("delete", "x").returncode == 0


@pytest.mark.skipif(not os.path.exists("/proc/keys"), reason="needs a kernel with keys")
def test_no_new_keyring(runtime, rootfs):
    """With it the program has the session keyring of the caller, keyrings(7); without, one of its own."""
    script = "import ctypes; libc = ctypes.CDLL(None); print(libc.syscall({}, 0, -3, 0) & 0xffffffff)"
    number = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)
    if number is None:
        pytest.skip("knows no number of keyctl(2) on this machine")
    show = [sys.executable, "-c", script.format(number)]  # KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING
    document = bare(config("/", *show), "pid", "network", "ipc", "uts", "cgroup")
    document["process"]["env"] = ["PATH=/usr/bin:/bin", "HOME=/"]
    ours = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    seen = [runtime("run", *more, "-b", runtime.bundle(document), "x").stdout for more in (["--no-new-keyring"], [])]
    assert [text == ours for text in seen] == [True, False], (ours, seen)


@pytest.mark.parametrize("users", ["shared", "own"])
def test_no_pivot(runtime, rootfs, users):
    document = config(rootfs, "ls", "/")
    done = runtime("run", "--no-pivot", "-b", runtime.bundle(_users(document, users)), "x")
    _skip_where_it_cannot(done)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(os.listdir(rootfs))


def _skip_where_it_cannot(done):
    if "may not walk to" in done.stderr:
        pytest.skip(f"somebody has a proc mounted where only root gets: {done.stderr}")


def _users(document, users):
    return in_user_namespace(document) if users == "own" else document


@pytest.mark.parametrize("users", ["shared", "own"])
@pytest.mark.parametrize("options", [[], ["--no-pivot"]], ids=["pivot", "no pivot"])
def test_nothing_behind_the_root_undoes_a_mask(runtime, rootfs, options, users):
    """The kernel gives a user namespace a proc of its own where it sees a whole one: the host's must not be left."""
    try_it = "unshare -U -r -m {} mount -t {} none /m && echo whole-{}; "
    script = try_it.format("-p -f", "proc", "proc") + try_it.format("-n", "sysfs", "sysfs") + "id -u"
    document = _users(config(rootfs, "sh", "-c", script), users)
    document["process"]["user"] = {"uid": 1000, "gid": 1000}
    document["mounts"].append({"destination": "/m", "type": "tmpfs"})
    done = runtime("run", *options, "-b", runtime.bundle(document), "x")
    _skip_where_it_cannot(done)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1000\n"
    assert done.stderr.count("permission denied") == 2, done.stderr
