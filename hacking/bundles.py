# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI bundles for tests of the runtime, and the command line that runs them."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from typing import Any

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AOCI = os.path.join(CHECKOUT, "bin", "aoci")
USERNS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
CAPS = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID"]


def config(rootfs: str, *args: str) -> dict[str, Any]:
    """A plain configuration: all namespaces but user, the usual mounts, few capabilities."""
    return {
        "ociVersion": "1.3.0",
        "process": {
            "args": list(args),
            "env": ["PATH=/bin:/usr/bin", "HELLO=wörld"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPS),
            "noNewPrivileges": True,
            "oomScoreAdj": 100,
        },
        "root": {"path": rootfs, "readonly": False},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755"],
            },
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666"],
            },
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev"]},
            {
                "destination": "/dev/mqueue",
                "type": "mqueue",
                "source": "mqueue",
                "options": ["nosuid", "noexec", "nodev"],
            },
            {
                "destination": "/sys",
                "type": "sysfs",
                "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"],
            },
            {
                "destination": "/sys/fs/cgroup",
                "type": "cgroup",
                "source": "cgroup",
                "options": ["nosuid", "noexec", "nodev", "ro"],
            },
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "uts", "ipc", "network", "cgroup")],
            "maskedPaths": ["/proc/timer_list", "/sys/firmware", "/proc/not-there"],
            "readonlyPaths": ["/proc/sys"],
        },
    }


def shell(rootfs: str, script: str) -> dict[str, Any]:
    """A configuration that runs *script*."""
    return config(rootfs, "sh", "-c", script)


class Runtime:
    """``aoci`` with a runtime state directory of its own; every id it makes is deleted by :meth:`clean`.

    *program* is run in the place of bin/aoci.
    """

    def __init__(self, directory: str, program: str = AOCI) -> None:
        self.directory = directory
        self.program = program
        self.run_dir = os.path.join(directory, "state")
        self.prefix = "aoci-test-" + uuid.uuid4().hex[:8]
        self.python = [os.environ.get("AOCI_TEST_PYTHON", "/usr/bin/python3"), "-I", "-S"]

    def bundle(self, document: dict[str, Any]) -> str:
        path = os.path.join(self.directory, "bundle-" + uuid.uuid4().hex[:8])
        os.makedirs(path)
        document["linux"].setdefault("cgroupsPath", f"/{self.prefix}/{os.path.basename(path)}")
        with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as file:
            json.dump(document, file)
        return path

    def __call__(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [*self.python, self.program, "--root", self.run_dir, *words]
        options.setdefault("capture_output", True)
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False, **options
        )
        return done

    def run(self, document: dict[str, Any], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run *document* in the foreground; stdout, stderr and the exit code."""
        return self("run", "--bundle", self.bundle(document), "c" + uuid.uuid4().hex[:8], **options)

    def state(self, container_id: str) -> dict[str, Any]:
        done = self("state", container_id)
        assert done.returncode == 0, done.stderr
        state: dict[str, Any] = json.loads(done.stdout)
        return state

    def clean(self) -> None:
        for container_id in os.listdir(self.run_dir) if os.path.isdir(self.run_dir) else ():
            self("delete", "--force", container_id)
        for controller in os.listdir("/sys/fs/cgroup"):
            path = os.path.join("/sys/fs/cgroup", controller, self.prefix)
            if os.path.isdir(path):
                os.rmdir(path)
        path = os.path.join("/sys/fs/cgroup", self.prefix)
        if os.path.isdir(path):
            os.rmdir(path)


def cgroups(prefix: str) -> list[str]:
    """Every cgroup directory below one named *prefix*."""
    found = []
    for directory, names, _files in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(directory, name) for name in names if os.path.basename(directory) == prefix]
    return found


def out(runtime: Runtime, document: dict[str, Any]) -> str:
    """What *document* prints; it has to end well."""
    done = runtime.run(document)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(runtime: Runtime, document: dict[str, Any]) -> str:
    """The one message of a container that cannot be made; nothing of it is left."""
    done = runtime.run(document)
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1
    assert not os.path.isdir(runtime.run_dir) or os.listdir(runtime.run_dir) == []
    return done.stderr


def without(document: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """*document* with the namespaces *kinds* left to the host."""
    spaces = document["linux"]["namespaces"]
    document["linux"]["namespaces"] = [entry for entry in spaces if entry["type"] not in kinds]
    if "uts" in kinds:
        del document["hostname"]
    return document


def in_user_namespace(document: dict[str, Any]) -> dict[str, Any]:
    document["linux"]["namespaces"].append({"type": "user"})
    document["linux"].update(uidMappings=USERNS, gidMappings=USERNS)
    return document


def detached(runtime: Runtime, document: dict[str, Any], name: str) -> int:
    """A running container *name*; the host's pid of its first process."""
    done = runtime("run", "-d", "-b", runtime.bundle(document), name, capture_output=False)
    assert done.returncode == 0
    return int(runtime.state(name)["pid"])


def bare(document: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """*document* in the host's mount namespace, without anything that would need a mount."""
    without(document, "mount", *kinds)
    document["mounts"] = []
    for name in ("maskedPaths", "readonlyPaths"):
        del document["linux"][name]
    return document


def joined(document: dict[str, Any], pid: int, *kinds: str) -> dict[str, Any]:
    """*document* in the mount namespace of process *pid*, and in its namespaces *kinds*."""
    bare(document, *kinds)
    files = {"mount": "mnt", "network": "net"}
    document["linux"]["namespaces"] += [
        {"type": kind, "path": f"/proc/{pid}/ns/{files.get(kind, kind)}"} for kind in ("mount", *kinds)
    ]
    return document
