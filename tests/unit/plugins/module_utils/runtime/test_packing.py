# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration that another process has checked is the same as one that was checked here."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import begin
from ansible_collections.agentless.oci.plugins.module_utils.kernel.mounts import MountOptions
from ansible_collections.agentless.oci.plugins.module_utils.runtime import packing, seccomp
from ansible_collections.agentless.oci.plugins.module_utils.runtime.config import Config, Mount

NAMESPACES = [{"type": kind} for kind in ("mount", "pid", "uts", "ipc", "network", "user")]
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
DOCUMENT = {
    "ociVersion": "1.3.0",
    "hostname": "web",
    "annotations": {"agentless.oci.init": "true", "a": "é"},
    "process": {
        "args": ["sh", "-c", "true"],
        "env": ["A=1", "B=ü"],
        "cwd": "/srv",
        "terminal": True,
        "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 3, "gid": 4, "additionalGids": [5], "umask": 7},
        "noNewPrivileges": True,
        "oomScoreAdj": 100,
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}],
        "capabilities": {"bounding": ["CAP_CHOWN", "CAP_NEW"], "effective": ["CAP_KILL"]},
    },
    "root": {"path": "rootfs", "readonly": True},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/t", "type": "tmpfs", "options": ["nosuid", "size=1m", "mode=700", "tmpcopyup", "rshared"]},
        {
            "destination": "d",
            "source": "/srv",
            "options": ["rbind", "ro", "rro", "idmap"],
            "uidMappings": MAPS,
            "gidMappings": MAPS,
        },
    ],
    "linux": {
        "namespaces": NAMESPACES,
        "uidMappings": MAPS,
        "gidMappings": MAPS,
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}],
        "cgroupsPath": "/a/b",
        "resources": {"memory": {"limit": 1 << 40}, "devices": [{"allow": False, "access": "rwm"}]},
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
        "maskedPaths": ["/proc/keys"],
        "readonlyPaths": ["/proc/sys"],
        "sysctl": {"kernel.msgmax": "1"},
        "rootfsPropagation": "slave",
        "personality": {"domain": "LINUX32"},
    },
}


def plain(thing):
    """*thing* with our own objects as dictionaries of what they hold."""
    if isinstance(thing, (Mount, MountOptions)):
        return {name: plain(getattr(thing, name)) for name in thing.__slots__}
    if isinstance(thing, Config):
        return {name: plain(value) for name, value in vars(thing).items() if name != "document"}
    return [plain(item) for item in thing] if isinstance(thing, list) else thing


def made(**changes):
    config = Config({**DOCUMENT, **changes}, "/bundle")
    config.seccomp_program = bytes(range(256))
    return config


def test_all_of_it_arrives():
    config = made()
    config.seccomp_program = b""
    found = packing.unpack(packing.pack(config))
    assert plain(found) == plain(config)
    assert len(plain(config)) > 40
    assert found.mounts[2].options.is_bind


PROFILES = [
    {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": ["read", "execve", "close"], "action": "SCMP_ACT_ALLOW"}],
    },
    {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["close"], "action": "SCMP_ACT_ERRNO", "args": [{}]}]},
    {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]},
    {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": []},
    {
        "defaultAction": "SCMP_ACT_KILL",
        "syscalls": [
            {"names": ["execve", "write"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["execve", "execveat"], "action": "SCMP_ACT_TRACE"},
        ],
    },
]


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_left_of_a_compiled_filter_says_the_same(profile):
    config = made()
    config.seccomp = profile
    found = packing.unpack(packing.pack(config))
    assert found.seccomp_program == config.seccomp_program
    assert all("read" not in entry["names"] for entry in found.seccomp["syscalls"])
    for name in ("execve", "execveat", "close"):
        assert seccomp.allows(found.seccomp, name) is seccomp.allows(profile, name)
        assert seccomp.refuses(found.seccomp, name) is seccomp.refuses(profile, name)
    assert seccomp.notifies(found.seccomp) is seccomp.notifies(profile)
    assert seccomp.filter_flags(found.seccomp) == seccomp.filter_flags(profile)


@pytest.mark.parametrize(
    "changes",
    [
        {"hooks": {"poststart": [{"path": "/bin/true"}]}},
        {"process": {**DOCUMENT["process"], "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1}}},
        {"linux": {"namespaces": [{"type": "pid"}, {"type": "uts"}], "seccomp": DOCUMENT["linux"]["seccomp"]}},
    ],
)
def test_what_few_have_is_not_sent(changes):
    if "linux" in changes:
        changes = {**changes, "mounts": []}
    assert packing.pack(made(**changes)) == b""


def conversation():
    import socket

    return socket.socketpair()


def test_the_conversation_carries_it():
    task, monitor = conversation()
    with task, monitor:
        begin.hand_over(task, made())
        there, config = begin.handed(monitor.fileno())
        assert (there, plain(config)) == (True, plain(packing.unpack(packing.pack(made()))))
        begin.hand_over(task, None)
        assert begin.handed(monitor.fileno()) == (True, None)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 100])
def test_a_task_that_ends_in_the_middle_is_noticed(length):
    task, monitor = conversation()
    with monitor:
        with task:
            begin.hand_over(task, made())
            whole = monitor.recv(1 << 20)
            task.sendall(whole[:length])
        assert begin.handed(monitor.fileno()) == (False, None)


def test_a_monitor_that_has_gone_has_said_why():
    task, monitor = conversation()
    with task:
        monitor.close()
        begin.hand_over(task, made())
        assert task.recv(1) == b""
