# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for tests of networks: network and mount namespaces of its own, in which every task runs as a process.

Nothing of this machine's addresses, routes and rules is touched. Everything ends with :meth:`NetHost.end`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import uuid

import leftovers
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import Host

CORE = os.path.dirname(os.path.abspath(entry.__file__))
SETUP = """
ip link set lo up
echo ready
exec cat
"""
# Carries one task out and says what came of it; "network" tasks are oci_network's.
TASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.kernel.errors import Error
given = json.load(sys.stdin)
try:
    if given["kind"] == "set":
        from aoci.container.fleet import Fleet
        result = Fleet(given["parameters"], entry.__file__, check_mode=given["check"]).run()
        if result["reason"]:
            raise Error(result["reason"])
    elif given["kind"] == "network":
        from aoci.network.module import apply
        result = apply(given["parameters"], check_mode=given["check"])
    else:
        from aoci.container.module import Task
        result = Task(given["parameters"], entry.__file__, check_mode=given["check"]).run()
except Error as error:
    result = {"error": error.message, "hint": error.hint, "step": error.step}
print(json.dumps(result))
"""


# Answers on a port, and asks on one: address, port, tcp or udp, text.
SERVE = """
import socket, sys
port, kind, text = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
server.bind(("", port))
if kind == "tcp":
    server.listen(5)
while True:
    if kind == "udp":
        server.sendto(text, server.recvfrom(100)[1])
    else:
        with server.accept()[0] as connection:
            connection.sendall(text)
"""
ASK = """
import socket, sys
host, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as asking:
    asking.settimeout(2)
    try:
        asking.connect((host, port))
        asking.sendall(b"hello")
        print(asking.recv(1000).decode())
    except OSError:
        pass
"""


def missing() -> str:
    """Why this machine cannot have such a host; "" if it can."""
    for path, package in (
        ("/usr/lib/cni/bridge", "containernetworking-plugins"),
        ("/usr/sbin/iptables", "iptables"),
        ("/usr/bin/ip", "iproute2"),
    ):
        if not os.path.exists(path) and not shutil.which(os.path.basename(path)):
            return f"needs {package}"
    done = subprocess.run(
        [
            "unshare",
            "--net",
            "sh",
            "-c",
            "ip link add name br0 type bridge && ip link add name ve0 type veth peer name ve1",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    return f"needs bridges and veth: {done.stderr.strip()}" if done.returncode else ""


class NetHost(Host):
    """What a task sees, on a host of its own."""

    network_mode = None

    def __init__(self, root: str, rootfs: str) -> None:
        self.environment = {"PATH": os.environ["PATH"]}  # of every task
        self._boot(root)
        super().__init__(root, rootfs)

    def _boot(self, root: str) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", SETUP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},  # else it would be taken for what a container left
        )
        assert self.holder.stdout is not None
        said = self.holder.stdout.readline()
        assert said == b"ready\n", self.holder.stderr.read()

    def reboot(self):
        """Everything that runs ends at once; namespaces, interfaces, rules go; the next boot has another id."""
        for pid in leftovers.processes(self.root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.until(lambda: not leftovers.processes(self.root))
        self.end()
        for group in leftovers.cgroups_of(self.root):
            leftovers._remove_cgroup(group)
        shutil.rmtree(os.path.join(self.root, "run/netns"), ignore_errors=True)
        self._boot(self.root)
        number = os.path.join(self.root, "boot_id")
        with open(number, "w", encoding="ascii") as file:
            file.write(f"{uuid.uuid4()}\n")
        self.sh(f"mount --bind {number} /proc/sys/kernel/random/boot_id")

    def end(self):
        self.holder.stdin.close()
        self.holder.wait()
        for stream in (self.holder.stdout, self.holder.stderr):
            stream.close()

    def enter(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "--net", "--mount", *command]

    def sh(self, script, check=True):
        """What a shell on the host prints."""
        done = subprocess.run(self.enter("sh", "-c", script), capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start_task(self, kind, parameters, check=False):
        """The process of a task that has begun."""
        process = subprocess.Popen(
            self.enter(sys.executable, "-I", "-S", "-c", TASK, CORE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        process.stdin.write(json.dumps({"kind": kind, "parameters": parameters, "check": check}))
        process.stdin.close()
        return process

    def _result(self, process):
        with process:
            output = process.stdout.read()
        assert process.returncode == 0, output
        result = json.loads(output)
        if "error" in result:
            raise Error(result["error"], hint=result["hint"], step=result["step"])
        assert result["changed"] is bool(result["actions"])
        return result

    def task(self, *, check=False, **given):
        return self._result(self.start_task("container", self.parameters(**given), check))

    def network(self, name="back", *, check=False, **given):
        """The result of one task of oci_network; Error when it fails."""
        from ansible_collections.agentless.oci.plugins.module_utils.network.options import ARGUMENT_SPEC

        known = {option: spec.get("default") for option, spec in ARGUMENT_SPEC.items()}
        return self._result(self.start_task("network", {**known, "root": self.root, "name": name, **given}, check))

    def set(self, *containers, check=False, **given):
        """The result of one task of oci_containers on the project shop; Error when it fails."""
        known = {"root": self.root, "project": "shop", "purge": True, "containers": list(containers), **given}
        return self._result(self.start_task("set", known, check))

    def networks(self):
        """Name → subnets of each network."""
        names = sorted(name.rpartition(".")[0] for name in os.listdir(self.state.networks))
        return {name: self.network(name, check=True)["network"]["subnets"] for name in names}

    def inside(self, pid, script, check=True):
        """What a shell prints that runs in the container with process *pid*: its network, its files."""
        done = subprocess.run(
            ["nsenter", "-t", str(pid), "--all", "/bin/busybox", "sh", "-c", script],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def serving(self, pid, port, kind, text):
        """A program in the network of process *pid* that answers on *port* with *text*."""
        argv = ["nsenter", "-t", str(pid), "--net", sys.executable, "-I", "-S", "-c", SERVE, str(port), kind, text]
        with subprocess.Popen(argv, env={}) as process:
            try:
                yield
            finally:
                process.kill()

    def ask(self, address, port, kind="tcp"):
        """What the host is told at *address*; "" if nobody answers."""
        argv = self.enter(sys.executable, "-I", "-S", "-c", ASK, address, str(port), kind)
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout

    def pid(self, name="web"):
        return self.status(name)["Pid"]

    def address(self, name="web"):
        return self.settings(name)["IPAddress"]

    def settings(self, name="web"):
        return self.task(name=name, state="present", check=True)["container"]["NetworkSettings"]

    def traces(self):
        """What of containers' connections is on the host: veths, leases, rules, namespaces."""
        found = [line.split(":")[1].strip() for line in self.sh("ip -o link").splitlines() if "veth" in line]
        found += [line for line in self.sh("ip6tables-save; iptables-save").splitlines() if self._is_containers(line)]
        for directory, _below, names in os.walk(os.path.join(self.root, "run/leases")):
            found += [os.path.join(directory, name) for name in names if name[0].isdigit()]
        with open(f"/proc/{self.holder.pid}/mountinfo", encoding="utf-8") as file:
            found += [line for line in file if self.root in line and "boot_id" not in line]
        return found + self._below("run/netns")

    def _below(self, directory):
        path = os.path.join(self.root, directory)
        return os.listdir(path) if os.path.isdir(path) else []

    @staticmethod
    def _is_containers(line):
        return (
            "id:" in line or "CNI-DN-" in line or (line.startswith("-A CNI-FORWARD") and ("-s" in line or "-d" in line))
        )

    def clean(self):
        return [*super().clean(), *self.traces()]


__all__ = ["NetHost", "leftovers", "missing"]
