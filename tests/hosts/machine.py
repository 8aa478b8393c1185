# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed hosts for tests: each with a kernel of its own (User-Mode Linux), systemd as process 1, and sshd.

    with Network(directory) as network:
        web = network.host("web", mem="512M")
        web.start()
        web.run("systemctl is-system-running")      # over SSH
        web.copy_checkout("/root/oci")
        web.crash()                                 # power lost: what was not synced is gone
        web.start()                                 # the same disk again
        network.run(["ansible-playbook", "-i", network.inventory(), ...])

A Network is a bridge in a network namespace without a name, at GATEWAY; hosts are beside it and reach each other and
whatever :meth:`Network.run` starts there, nothing else. Disks are copy-on-write over one that tests/hosts/disk makes
once. Everything ends with this process, even a killed one: each kernel in a process namespace that dies with its
parent, the network with the last of its processes. What is left are files in *directory*.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from typing import Any

import uml

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
KERNEL = uml.KERNEL
CACHE = os.path.join(CHECKOUT, ".venv", "cache")
GATEWAY = "10.77.0.1"
_BITS = 24
# Seconds for what takes a few, so that whoever waits for it in vain is told what there was.
PATIENCE = 300.0
_HALTED = "reboot: "  # how the kernel's last line begins, whatever it goes on with
_NEEDS = {
    KERNEL: "user-mode-linux",
    "/dev/net/tun": "a kernel with tun",
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/bin/ssh": "openssh-client",
}


class HostError(Exception):
    """A host did not do what it was told; the message has what it said."""


def missing() -> str:
    """Why this machine cannot have such hosts; ``""`` if it can."""
    if os.geteuid() != 0:
        return "needs root"
    return ", ".join(f"needs {what}" for path, what in _NEEDS.items() if not os.path.exists(path))


def refused() -> str:
    """Why such a kernel does not run here although all is there; ``""`` if it does. Takes a second.

    It needs ptrace(2), memory that may be executed, and a tap device, which a container may be denied.
    """
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"/dev/net/tun: {error.strerror}"
    with tempfile.TemporaryDirectory(prefix="aoci-trial-") as directory:
        console = os.path.join(directory, "console")
        command = [KERNEL, "mem=128M", f"uml_dir={directory}/", "root=/dev/none"]
        command += ["con=null", "con0=null,fd:1", "con1=null"]
        process = _boot(["setpriv", "--pdeathsig", "KILL", "unshare", "--net"], command, console)
        deadline = time.monotonic() + 120
        try:
            # Its file systems come late enough.
            while "VFS: " not in _text(console) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            said = _text(console)
        finally:
            _cut(process)
    if "VFS: " in said:
        return ""
    return f"User-Mode Linux does not run here: {' '.join(said.split())[-200:] or 'it said nothing'}"


def disk() -> str:
    """The disk that all hosts share; made when it is not there: a minute, and packages to fetch."""
    done = subprocess.run(
        [os.path.join(HERE, "disk"), CACHE],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise HostError(f"the disk of the hosts could not be made: exit code {done.returncode}")
    return done.stdout.strip()


class Network:
    """Hosts and what talks to them; a context manager. *directory* holds keys, disks and consoles."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.hosts: dict[str, Host] = {}
        self.key = os.path.join(directory, "key")
        self._namespace = -1

    def __enter__(self) -> Network:
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.key]
        subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
        holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            holder.stdin.write(b"\n")
            holder.stdin.flush()
            holder.stdout.read(1)  # cat runs, so it is in there
            self._namespace = os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            holder.communicate()
        self.run(["ip", "link", "set", "lo", "up"])
        self.run(["ip", "link", "add", "hosts", "type", "bridge"])
        self.run(["ip", "address", "add", f"{GATEWAY}/{_BITS}", "dev", "hosts"])
        self.run(["ip", "link", "set", "hosts", "up"])
        return self

    def __exit__(self, *_raised: object) -> None:
        for host in self.hosts.values():
            host.crash()
            host.forget()
        if self._namespace >= 0:
            os.close(self._namespace)

    def enter(self, command: list[str]) -> list[str]:
        """*command* as one that runs in the network, and ends with this process."""
        namespace = f"/proc/{os.getpid()}/fd/{self._namespace}"
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net={namespace}", *command]

    def run(self, command: list[str], *, timeout: float = PATIENCE, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run *command* in the network.

        Raises HostError with its output when it fails, unless ``check=False``, and when it takes too long.
        """
        check = options.pop("check", True)
        options.setdefault("stdin", subprocess.DEVNULL)
        try:
            done = subprocess.run(
                self.enter(command), capture_output=True, text=True, timeout=timeout, check=False, **options
            )
        except subprocess.TimeoutExpired as late:
            said = b"".join(part for part in (late.stdout, late.stderr) if part).decode(errors="replace")
            raise HostError(f"{' '.join(command)}: not done after {timeout:g} s\n{said}") from None
        if check and done.returncode:
            raise HostError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def host(self, name: str, *, mem: str = "512M", options: str = "") -> Host:
        """A new host *name*, not yet started, with *mem* of memory and *options* on its kernel's command line."""
        self.hosts[name] = Host(self, name, len(self.hosts) + 2, mem, options)
        return self.hosts[name]

    def inventory(self) -> str:
        """The path of an Ansible inventory of all hosts."""
        path = os.path.join(self.directory, "inventory")
        options = " ".join(ssh_options(self.key))
        with open(path, "w", encoding="utf-8") as file:
            for host in self.hosts.values():
                file.write(
                    f"{host.name} ansible_host={host.address} ansible_user=root ansible_ssh_pipelining=true"
                    f" ansible_python_interpreter=/usr/bin/python3 ansible_ssh_common_args='{options}'\n"
                )
        return path


def ssh_options(key: str) -> list[str]:
    """Only our key, no record of hosts that live for minutes, and one connection for all commands to a host.

    Ansible shares it. It ends with the host, and by itself a minute after the host's death: no sooner, since a
    host on a busy machine may be silent for a while.
    """
    settings = {
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "ControlMaster": "auto",
        "ControlPath": os.path.join(os.path.dirname(key), "%h"),
        "ControlPersist": "yes",
        "IdentitiesOnly": "yes",
        "IdentityFile": key,
        "LogLevel": "ERROR",
        "ServerAliveCountMax": "6",
        "ServerAliveInterval": "10",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
    }
    return ["-F", "none", *(f"-o{name}={value}" for name, value in settings.items())]


class Host:
    """One host, made by :meth:`Network.host`; the *number* is its address and its tap device's name."""

    def __init__(self, network: Network, name: str, number: int, mem: str, options: str) -> None:
        self.network = network
        self.name = name
        self.mem = mem
        self.options = options
        self.address = f"{GATEWAY.rpartition('.')[0]}.{number}"
        self.console = os.path.join(network.directory, f"{name}.console")
        self._tap = f"tap{number}"
        self._cow = os.path.join(network.directory, f"{name}.cow")
        self._own = os.path.join(network.directory, f"{name}.uml")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = PATIENCE, *, degraded: bool = False) -> None:
        """Boot it, and wait until systemd has started everything and SSH answers. Raises HostError.

        With *degraded* some unit is to have failed.
        """
        network = self.network
        if network.run(["ip", "link", "show", self._tap], check=False).returncode:
            network.run(["ip", "tuntap", "add", self._tap, "mode", "tap"])
            network.run(["ip", "link", "set", self._tap, "master", "hosts", "up"])
        with open(network.key + ".pub", encoding="utf-8") as file:
            key = file.read().split()[1]
        command = [KERNEL, f"mem={self.mem}", f"uml_dir={self._own}/"]
        command += [f"ubd0={self._cow},{disk()}", "root=/dev/ubda", "rw", "con=null", "con0=null,fd:1", "con1=null"]
        command += [f"vec0:transport=tap,ifname={self._tap},depth=128,gro=1", f"systemd.hostname={self.name}"]
        command += [f"host.address={self.address}/{_BITS}", f"host.gateway={GATEWAY}", f"host.key={key}"]
        command += self.options.split()
        os.makedirs(self._own, exist_ok=True)
        self._process = _boot(network.enter([]), command, self.console)
        self._wait_up(time.monotonic() + timeout, "degraded" if degraded else "running")

    def _wait_up(self, deadline: float, state: str = "running") -> None:
        while True:
            done = self.run("systemctl is-system-running --wait", check=False)
            if done.stdout.strip() == state:
                return
            if self._process is None or self._process.poll() is not None:
                raise HostError(f"{self.name} has ended:\n{self._last_words()}")
            if time.monotonic() > deadline:
                failed = self.run("systemctl --failed --no-legend", check=False).stdout
                said = f"{done.stdout}{done.stderr}{failed}{self._last_words()}"
                raise HostError(f"{self.name} did not come up in time:\n{said}")
            time.sleep(0.2)

    def _last_words(self) -> str:
        return _text(self.console)[-4000:]

    def ssh(self, command: str) -> list[str]:
        """What runs the shell's *command* on it, as root; to be entered into the network."""
        return ["ssh", *ssh_options(self.network.key), f"root@{self.address}", command]

    def run(self, command: str, *, timeout: float = PATIENCE, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run *command* on it over SSH. Raises HostError when it fails, unless ``check=False``."""
        return self.network.run(self.ssh(command), timeout=timeout, **options)

    def copy_checkout(self, target: str) -> None:
        """Copy the checkout, without what git ignores, to the folder *target* of it."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=CHECKOUT,
            capture_output=True,
            check=True,
        )
        names = [
            name
            for name in listed.stdout.split(b"\0")
            if name and os.path.exists(os.path.join(os.fsencode(CHECKOUT), name))
        ]
        packed = subprocess.Popen(
            ["tar", "-cz", "--null", "-T", "-"], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert packed.stdin is not None
        with packed:
            packed.stdin.write(b"\0".join(names))
            packed.stdin.close()
            self.run(f"mkdir -p {target} && tar -xzm --no-same-owner -C {target}", stdin=packed.stdout)

    def reboot(self, timeout: float = PATIENCE) -> None:
        """Let it shut down in order and boot again."""
        self.stop()
        self.start(timeout)

    def stop(self, timeout: float = PATIENCE) -> None:
        """Shut it down in order. Raises HostError if it does not go."""
        if self._process is None:
            return
        self.run("systemctl poweroff", check=False)
        deadline = time.monotonic() + timeout
        while self._process.poll() is None:
            # Sometimes the kernel does not end after its last line; by then all is on the disk.
            if _HALTED in self._last_words() or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        halted = _HALTED in self._last_words() or self._process.poll() is not None
        self.crash()
        if not halted:
            raise HostError(f"{self.name} did not shut down:\n{self._last_words()}")

    def crash(self) -> None:
        """Take its power away."""
        if self._process is None:
            return
        _cut(self._process)
        self._process = None
        ending = ["ssh", *ssh_options(self.network.key), "-O", "exit", self.address]
        self.network.run(ending, check=False)

    def forget(self) -> None:
        """Remove its disk and what its kernel left of itself."""
        for path in (self._cow, self.console):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        shutil.rmtree(self._own, ignore_errors=True)


def _boot(prefix: list[str], kernel: list[str], console: str) -> subprocess.Popen[bytes]:
    """Start the command *kernel*, what it says goes to the file *console*; *prefix* is a command to start it by.

    It has a process namespace of its own: when its first process ends, all of the kernel's do.
    """
    with open(console, "wb") as file:
        command = [*prefix, "unshare", "--pid", "--fork", "--kill-child", *kernel]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=uml.environment())


def _cut(process: subprocess.Popen[bytes]) -> None:
    """End what :func:`_boot` has started."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(_only_child(process.pid), signal.SIGKILL)  # its own parent waits for the end of all
    process.wait()


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _only_child(pid: int) -> int:
    """The child of process *pid*, or itself where it has none yet."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
    except FileNotFoundError:
        children = []
    return int(children[0]) if children else pid
