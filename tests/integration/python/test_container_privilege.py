# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process of a container declared by options has: what was declared, and nothing of the task's or host's."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import capabilities

SCRIPT = """
cat /proc/self/status; echo ==; ls /proc/$$/fd; echo ==; tr '\\0' '\\n' < /proc/$$/environ; echo ==
cat /proc/self/mountinfo; echo ==; for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done; echo ==
cat /proc/self/oom_score_adj; ls /dev | wc -l; mknod /tmp/b b 7 0 2>/dev/null
head -c0 /tmp/b 2>/dev/null && echo loop || echo no-loop
"""
DOCKERS = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)
DEFAULT = capabilities.mask("CAP_" + name for name in DOCKERS)
ALL = capabilities.bounding()
NET_ADMIN, CHOWN = 1 << 12, 1
PRIVATE = {"cgroup", "ipc", "mnt", "net", "pid", "uts"}


@pytest.mark.parametrize(
    ("given", "bounding", "shared"),
    [
        ({}, DEFAULT, ()),
        ({"privileged": True}, ALL, ()),
        ({"read_only": True, "tmpfs": ["/tmp"]}, DEFAULT, ()),
        ({"network_mode": "host"}, DEFAULT, ("net",)),
        ({"pid_mode": "host"}, DEFAULT, ("pid",)),
        ({"ipc_mode": "host"}, DEFAULT, ("ipc",)),
        ({"uts": "host"}, DEFAULT, ("uts",)),
        ({"cgroupns_mode": "host"}, DEFAULT, ("cgroup",)),
        ({"user": "app"}, DEFAULT, ()),
        ({"capabilities": ["NET_ADMIN"], "cap_drop": ["CHOWN"]}, DEFAULT & ~CHOWN | NET_ADMIN, ()),
        ({"cap_drop": ["ALL"]}, 0, ()),
        ({"security_opts": ["no-new-privileges"]}, DEFAULT, ()),
        ({"security_opts": ["seccomp=unconfined"]}, DEFAULT, ()),
        ({"devices": ["/dev/full:/dev/mine"]}, DEFAULT, ()),
        ({"oom_score_adj": 500}, DEFAULT, ()),
    ],
    ids=lambda value: "-".join(value) or "default" if isinstance(value, dict) else "",
)
def test_a_container(host, given, bounding, shared, monkeypatch):
    monkeypatch.setenv("AOCI_SECRET", "of the task")
    with open("/etc/hostname", "rb") as leak:
        os.set_inheritable(leak.fileno(), True)
        text = host.shell(SCRIPT, **given)
    status, fds, environment, mounts, namespaces, rest = (part.strip().splitlines() for part in text.split("==\n"))
    process = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    effective = 0 if given.get("user") else bounding
    expected = {"CapInh": 0, "CapPrm": effective, "CapEff": effective, "CapBnd": bounding, "CapAmb": 0}
    assert {name: int(process[name], 16) for name in expected} == expected
    assert process["NoNewPrivs"] == str(int("no-new-privileges" in given.get("security_opts", ())))
    unfiltered = given.get("privileged") or "seccomp=unconfined" in given.get("security_opts", ())
    assert process["Seccomp"] == ("0" if unfiltered else "2")
    assert [int(process[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")] == [0] * 3
    assert fds == ["0", "1", "2"]
    names = {line.partition("=")[0] for line in environment}
    assert names == {"PATH", "HOME", "FROM_IMAGE", "HOSTNAME"} - ({"HOSTNAME"} if given.get("uts") else set())
    inside = dict(line.split(":", 1) for line in namespaces)
    for kind, value in inside.items():
        ours = os.readlink(f"/proc/self/ns/{kind}") == f"{kind}:{value}"
        assert ours is (kind in shared or kind not in PRIVATE), kind
    for line in mounts:
        fields = line.split(" ")
        assert not any(word.startswith("shared:") for word in fields[6 : fields.index("-")]), line
        # The overlay's own options tell where its directories lie, as mountinfo does of every bind's source.
        assert host.root not in line or fields[4] == "/" or fields[4].startswith("/etc/"), line
    assert rest[0] == str(given.get("oom_score_adj", 0))
    if not given.get("privileged"):
        assert int(rest[1]) <= 17
        assert rest[2] == "no-loop"
