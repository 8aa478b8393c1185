# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config.json: what is taken, what is ignored, and that every wrong value is an error naming its property."""

from __future__ import annotations

import copy
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.runtime import chrooting, labels
from ansible_collections.agentless.oci.plugins.module_utils.runtime.config import Config
from ansible_collections.agentless.oci.plugins.module_utils.runtime.errors import ConfigError

PLAIN = {
    "ociVersion": "1.3.0",
    "process": {"args": ["true"], "cwd": "/"},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "uts", "ipc", "network", "time")]},
}
BOTH = ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]
MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def plain(**changes):
    """PLAIN with values at dotted paths (``__`` for the dot)."""
    document = copy.deepcopy(PLAIN)
    for path, value in changes.items():
        *parents, last = path.split("__")
        where = document
        for key in parents:
            where = where.setdefault(key, {})
        where[last] = value
    return document


def namespaces(*kinds, **paths):
    return [{"type": kind} for kind in ("mount", *kinds)] + [{"type": k, "path": path} for k, path in paths.items()]


def test_the_least_there_can_be():
    config = Config(plain(), "/bundle")
    assert (config.args, config.cwd, config.rootfs) == (["true"], "/", "/bundle/rootfs")
    assert (config.uid, config.gid, config.groups, config.umask) == (0, 0, [], 0o022)
    assert set(config.capabilities.values()) == {0}  # what is not declared is not granted
    assert config.mounts == config.devices == config.rlimits == []
    for seldom in ("scheduling", "exec_affinity", "memory_policy", "personality", "clocks", "process_label"):
        assert getattr(config, seldom) is None, seldom
    assert (config.network_devices, config.intel_rdt, config.mount_label) == ({}, None, "")


NAMESPACED = {
    "kernel.shmmax": "ipc", "kernel.shmall": "ipc", "kernel.shmmni": "ipc", "kernel.shm_rmid_forced": "ipc",
    "kernel.msgmax": "ipc", "kernel.msgmnb": "ipc", "kernel.msgmni": "ipc", "kernel.sem": "ipc",
    "fs.mqueue.msg_max": "ipc", "kernel.domainname": "uts", "net.ipv4.ip_forward": "network",
}  # fmt: skip


@pytest.mark.parametrize("key", NAMESPACED)
def test_a_sysctl_needs_the_namespace_that_it_lies_in(key, tmp_path):
    kind = NAMESPACED[key]
    ours = f"/proc/{os.getpid()}/ns/{'net' if kind == 'network' else kind}"
    aside = tmp_path / "aside"
    aside.symlink_to(ours)  # the inode counts, whatever the path
    allowed = Config(plain(linux__sysctl={key: "1"}, linux__namespaces=namespaces(kind)), "/bundle")
    assert allowed.sysctl == {key.replace(".", "/"): "1"}
    for spaces in (namespaces(), namespaces(**{kind: ours}), namespaces(**{kind: str(aside)})):
        with pytest.raises(ConfigError, match=f"linux.sysctl: {key} without a {kind} namespace would change the host"):
            Config(plain(linux__sysctl={key: "1"}, linux__namespaces=spaces), "/bundle")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/7.forwarding", "net/ipv4/conf/eth0.7/forwarding"),
        ("net/ipv4/conf/eth0.7/forwarding", "net/ipv4/conf/eth0.7/forwarding"),
    ],
)
def test_the_separator_of_a_sysctl_is_the_first_one(key, path):
    assert Config(plain(linux__sysctl={key: "1"}), "/bundle").sysctl == {path: "1"}


@pytest.mark.parametrize(
    "key",
    ["net/../vm/swappiness", "net.//.vm.swappiness", "net..x", "net//x", "/net/x", "net/", "net", "vm/swappiness"],
)
def test_no_path_leads_a_sysctl_elsewhere(key):
    with pytest.raises(ConfigError, match=r"^linux\.sysctl: "):
        Config(plain(linux__sysctl={key: "1"}), "/bundle")


SHARED = [[], [{"type": "mount", "path": "/proc/1/ns/mnt"}]]
NEEDS_MOUNTS = {
    "mounts": [{"destination": "/x", "type": "tmpfs"}], "root.readonly": True, "process.terminal": True,
    "linux.maskedPaths": ["/x"], "linux.readonlyPaths": ["/x"], "linux.rootfsPropagation": "slave",
}  # fmt: skip


@pytest.mark.parametrize("spaces", SHARED, ids=["host", "joined"])
@pytest.mark.parametrize("path", NEEDS_MOUNTS)
def test_without_a_mount_namespace_of_its_own_nothing_is_mounted(path, spaces):
    chrooting.check(Config(plain(linux__namespaces=spaces), "/bundle"))
    with pytest.raises(ConfigError, match=f"^{path}: ") as caught:
        chrooting.check(
            Config(plain(linux__namespaces=spaces, **{path.replace(".", "__"): NEEDS_MOUNTS[path]}), "/bundle")
        )
    assert caught.value.obj == path


def test_the_hostname_is_no_sysctl():
    with pytest.raises(ConfigError, match="Use hostname"):
        Config(plain(linux__sysctl={"kernel.hostname": "x"}), "/bundle")


def test_unknown_properties_are_ignored():
    document = plain(
        moon={"phase": 1}, process__moon=[1], process__user={"uid": 0, "gid": 0, "moon": 1}, linux__moon=True,
        mounts=[{"destination": "/x", "type": "tmpfs", "moon": "full"}], windows={"layerFolders": []}, vm={},
    )  # fmt: skip
    assert Config(document, "/bundle").mounts[0].destination == "/x"


def test_null_is_absent():
    document = plain(
        hostname=None, mounts=None, hooks=None, annotations=None, process__env=None, process__capabilities=None,
        process__scheduler=None, process__ioPriority=None, process__execCPUAffinity=None, process__rlimits=None,
        linux__timeOffsets=None, linux__netDevices=None, linux__personality=None, linux__memoryPolicy=None,
        linux__intelRdt=None, linux__seccomp=None, linux__resources=None, linux__devices=None,
        process__apparmorProfile="", process__selinuxLabel="", linux__mountLabel="", linux__rootfsPropagation="",
    )  # fmt: skip
    assert Config(document, "/bundle").scheduling is None


def test_capabilities_nobody_knows_are_told_and_left_out():
    config = Config(plain(process__capabilities={"bounding": ["CAP_KILL", "CAP_MOON", "KILL"]}), "/bundle")
    assert config.capabilities["bounding"] == 1 << 5
    assert config.unknown_capabilities == ["CAP_MOON", "KILL"]


BAD = [
    (plain(ociVersion=1), "ociVersion"),
    (plain(ociVersion="2.0.0"), "ociVersion"),
    (plain(annotations={"": "x"}), "annotations"),
    (plain(annotations={"a": 1}), "annotations"),
    (plain(annotations=["a"]), "annotations"),
    (plain(hostname="x" * 65), "hostname"),
    (plain(hostname="a\0b"), "hostname"),
    (plain(domainname=7), "domainname"),
    (plain(hostname="x", linux__namespaces=namespaces("pid")), "hostname"),
    (plain(domainname="x", linux__namespaces=namespaces("pid")), "domainname"),
    (plain(root="rootfs"), "root.path"),
    (plain(root={}), "root.path"),
    (plain(root__readonly="yes"), "root.readonly"),
    (plain(process="true"), "process.args"),
    (plain(process__args=[]), "process.args"),
    (plain(process__args=["a\0b"]), "process.args"),
    (plain(process__args="true"), "process.args"),
    (plain(process__cwd="tmp"), "process.cwd"),
    (plain(process__cwd="/a\0b"), "process.cwd"),
    (plain(process__env=["NAME"]), "process.env"),
    (plain(process__env=[7]), "process.env"),
    (plain(process__terminal="yes"), "process.terminal"),
    (plain(process__terminal=True, process__consoleSize={"height": 70000, "width": 1}), "process.consoleSize.height"),
    (plain(process__terminal=True, process__consoleSize={"height": 1}), "process.consoleSize.width"),
    (plain(process__user={"uid": -1}), "process.user.uid"),
    (plain(process__user={"gid": 2**32 - 1}), "process.user.gid"),
    (plain(process__user={"uid": True}), "process.user.uid"),
    (plain(process__user={"additionalGids": ["5"]}), "process.user.additionalGids"),
    (plain(process__user={"umask": 0o1000}), "process.user.umask"),
    (plain(process__noNewPrivileges=1), "process.noNewPrivileges"),
    (plain(process__oomScoreAdj=1001), "process.oomScoreAdj"),
    (plain(process__oomScoreAdj="0"), "process.oomScoreAdj"),
    (plain(process__rlimits=[{"type": "NOFILE", "soft": 1, "hard": 1}]), "process.rlimits"),
    (plain(process__rlimits=[{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]), "process.rlimits"),
    (plain(process__rlimits=[{"type": "RLIMIT_NOFILE", "soft": 2**64 - 1, "hard": 1}]), "process.rlimits"),
    (plain(process__rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1}]), "process.rlimits.hard"),
    (plain(process__rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}] * 2), "process.rlimits"),
    (plain(process__capabilities={"bounding": "CAP_KILL"}), "process.capabilities.bounding"),
    (plain(process__capabilities=["CAP_KILL"]), "process.capabilities"),
    (plain(process__scheduler={}), "process.scheduler.policy"),
    (plain(process__scheduler={"policy": "SCHED_MOON"}), "process.scheduler.policy"),
    (plain(process__scheduler={"policy": "SCHED_OTHER", "nice": 20}), "process.scheduler.nice"),
    (plain(process__scheduler={"policy": "SCHED_OTHER", "priority": 1}), "process.scheduler.priority"),
    (plain(process__scheduler={"policy": "SCHED_FIFO"}), "process.scheduler.priority"),
    (plain(process__scheduler={"policy": "SCHED_RR", "priority": 100}), "process.scheduler.priority"),
    (plain(process__scheduler={"policy": "SCHED_BATCH", "runtime": 5}), "process.scheduler"),
    (plain(process__scheduler={"policy": "SCHED_DEADLINE", "runtime": 5}), "process.scheduler"),
    (
        plain(process__scheduler={"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": -1}),
        "process.scheduler.deadline",
    ),
    (
        plain(process__scheduler={"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": 9, "period": 7}),
        "process.scheduler",
    ),
    (plain(process__scheduler={"policy": "SCHED_OTHER", "flags": ["MOON"]}), "process.scheduler.flags"),
    (plain(process__ioPriority={"priority": 1}), "process.ioPriority.class"),
    (plain(process__ioPriority={"class": "IOPRIO_CLASS_MOON"}), "process.ioPriority.class"),
    (plain(process__ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 8}), "process.ioPriority.priority"),
    (plain(process__execCPUAffinity={"initial": "0-"}), "process.execCPUAffinity.initial"),
    (plain(process__execCPUAffinity={"final": "x"}), "process.execCPUAffinity.final"),
    (plain(process__execCPUAffinity={"final": 1}), "process.execCPUAffinity.final"),
    (plain(linux__namespaces=namespaces("moon")), "linux.namespaces"),
    (plain(linux__namespaces=namespaces("pid", "pid")), "linux.namespaces"),
    (plain(linux__namespaces=namespaces(pid="proc/1/ns/pid")), "linux.namespaces"),
    (plain(linux__namespaces=namespaces("user")), "linux.uidMappings"),
    (plain(linux__uidMappings=MAP), "linux.uidMappings"),
    (plain(linux__gidMappings=MAP), "linux.gidMappings"),
    (plain(linux__uidMappings=[{"containerID": 0, "size": 1}]), "linux.uidMappings[0].hostID"),
    (plain(linux__uidMappings=[{**MAP[0], "size": 0}]), "linux.uidMappings[0].size"),
    (plain(linux__uidMappings=[{**MAP[0], "containerID": -1}]), "linux.uidMappings[0].containerID"),
    (plain(linux__timeOffsets={"realtime": {"secs": 1}}), "linux.timeOffsets.realtime"),
    (plain(linux__timeOffsets={"monotonic": {"secs": "1"}}), "linux.timeOffsets.monotonic.secs"),
    (plain(linux__timeOffsets={"boottime": {"nanosecs": 10**9}}), "linux.timeOffsets.boottime.nanosecs"),
    (plain(linux__timeOffsets={"boottime": {"secs": 1}}, linux__namespaces=namespaces()), "linux.timeOffsets"),
    (
        plain(linux__timeOffsets={"boottime": {"secs": 1}}, linux__namespaces=namespaces(time="/proc/1/ns/time")),
        "linux.timeOffsets",
    ),
    (plain(linux__devices=[{"path": "/dev/x", "type": "d"}]), "linux.devices.type"),
    (plain(linux__devices=[{"path": "dev/x", "type": "p"}]), "linux.devices"),
    (plain(linux__devices=[{"path": "/dev/x", "type": "c", "major": 1}]), "linux.devices.minor"),
    (plain(linux__devices=[{"path": "/dev/x", "type": "p", "uid": -1}]), "linux.devices.uid"),
    (plain(linux__devices=[{"path": "/dev/x", "type": "p", "fileMode": "0666"}]), "linux.devices.fileMode"),
    (plain(linux__cgroupsPath=["/x"]), "linux.cgroupsPath"),
    (plain(linux__resources=[]), "linux.resources"),
    *(
        (plain(linux__resources=value), f"linux.resources.{name}")
        for value, name in (
            ({"memory": {"limit": "1g"}}, "memory.limit"),
            ({"memory": {"limit": True}}, "memory.limit"),
            ({"memory": {"swappiness": 101}}, "memory.swappiness"),
            ({"memory": {"disableOOMKiller": 1}}, "memory.disableOOMKiller"),
            ({"memory": 5}, "memory"),
            ({"cpu": {"cpus": 3}}, "cpu.cpus"),
            ({"cpu": {"shares": "many"}}, "cpu.shares"),
            ({"pids": 5}, "pids"),
            ({"devices": {"allow": True}}, "devices"),
            ({"devices": [{"type": "c"}]}, "devices[0].allow"),
            ({"devices": [{"allow": True}, 7]}, "devices[1]"),
            ({"devices": [{"allow": True, "type": "z"}]}, "devices[0].type"),
            ({"devices": [{"allow": True, "access": "rx"}]}, "devices[0].access"),
            ({"hugepageLimits": [{"limit": 1}]}, "hugepageLimits[0].pageSize"),
            ({"hugepageLimits": {"2MB": 1}}, "hugepageLimits"),
            ({"blockIO": {"throttleReadBpsDevice": "x"}}, "blockIO.throttleReadBpsDevice"),
            ({"blockIO": {"throttleWriteIOPSDevice": [{"major": 1}]}}, "blockIO.throttleWriteIOPSDevice[0].minor"),
            (
                {"blockIO": {"weightDevice": [{"major": 1, "minor": 2, "weight": 5000}]}},
                "blockIO.weightDevice[0].weight",
            ),
            ({"network": {"priorities": [{"name": "lo"}]}}, "network.priorities[0].priority"),
            ({"rdma": {"mlx5": {}}}, "rdma.mlx5"),
            ({"unified": {"memory.high": 1}}, "unified"),
        )
    ),
    (plain(linux__maskedPaths=["proc/kcore"]), "linux.maskedPaths"),
    (plain(linux__readonlyPaths=[1]), "linux.readonlyPaths"),
    (plain(linux__rootfsPropagation="moon"), "linux.rootfsPropagation"),
    (plain(linux__sysctl={"vm.swappiness": "1"}), "linux.sysctl"),
    (plain(linux__sysctl={"kernel.shmmax": 1}), "linux.sysctl"),
    (plain(linux__sysctl={"net.ipv4.ip_forward": "1"}, linux__namespaces=namespaces()), "linux.sysctl"),
    (
        plain(linux__sysctl={"net.x": "1"}, linux__namespaces=namespaces(network="/proc/self/ns/net")),
        "linux.sysctl",
    ),
    (plain(linux__seccomp={"defaultAction": "MOON"}), "linux.seccomp.defaultAction"),
    (plain(linux__personality={"domain": "MOON"}), "linux.personality.domain"),
    (plain(linux__personality={}), "linux.personality.domain"),
    (plain(linux__personality={"domain": "LINUX", "flags": ["MOON"]}), "linux.personality.flags"),
    (plain(linux__memoryPolicy={"nodes": "0"}), "linux.memoryPolicy.mode"),
    (plain(linux__memoryPolicy={"mode": "MPOL_MOON"}), "linux.memoryPolicy.mode"),
    (plain(linux__memoryPolicy={"mode": "MPOL_BIND"}), "linux.memoryPolicy.nodes"),
    (plain(linux__memoryPolicy={"mode": "MPOL_BIND", "nodes": "a"}), "linux.memoryPolicy.nodes"),
    (plain(linux__memoryPolicy={"mode": "MPOL_LOCAL", "nodes": "0"}), "linux.memoryPolicy.nodes"),
    (plain(linux__memoryPolicy={"mode": "MPOL_DEFAULT", "flags": ["MOON"]}), "linux.memoryPolicy.flags"),
    (plain(linux__memoryPolicy={"mode": "MPOL_BIND", "nodes": "0", "flags": BOTH}), "linux.memoryPolicy.flags"),
    (plain(linux__netDevices={"eth0": {}}, linux__namespaces=namespaces()), "linux.netDevices"),
    (plain(linux__netDevices={"eth0": "eth1"}), "linux.netDevices.eth0"),
    (plain(linux__netDevices={"a/b": {}}), "linux.netDevices.a/b"),
    (plain(linux__netDevices={"eth0": {"name": "x" * 16}}), "linux.netDevices.eth0.name"),
    (plain(linux__netDevices={"eth0": {"name": "e%dx"}}), "linux.netDevices.eth0.name"),
    (plain(linux__netDevices={"eth%d": {}}), "linux.netDevices.eth%d"),
    (plain(linux__netDevices={"a": {"name": "e"}, "b": {"name": "e"}}), "linux.netDevices.b.name"),
    (plain(linux__intelRdt={"closID": "a/b"}), "linux.intelRdt.closID"),
    (plain(linux__intelRdt={"memBwSchema": "L3:0=f"}), "linux.intelRdt.memBwSchema"),
    (plain(linux__intelRdt={"schemata": ["L3:0=f\nMB:0=10"]}), "linux.intelRdt.schemata"),
    (plain(linux__intelRdt={"enableMonitoring": "yes"}), "linux.intelRdt.enableMonitoring"),
    (plain(mounts=[{"type": "tmpfs"}]), "mounts[0].destination"),
    (plain(mounts=["/x"]), "mounts[0]"),
    (plain(mounts=[{"destination": ""}]), "mounts[0]"),
    (plain(mounts=[{"destination": "/x"}]), "mounts[0]"),
    (plain(mounts=[{"destination": "/x", "type": "tmpfs", "options": "ro"}]), "mounts[0].options"),
    (plain(mounts=[{"destination": "/x", "type": "proc", "options": ["tmpcopyup"]}]), "mounts[0].options"),
    (plain(mounts=[{"destination": "/x", "type": "tmpfs", "options": [1]}]), "mounts[0].options"),
    (plain(mounts=[{"destination": "/x", "options": ["bind"]}]), "mounts[0]"),
    (plain(mounts=[{"destination": "/x", "source": "/y", "options": ["bind", "idmap"]}]), "mounts[0]"),
    (plain(mounts=[{"destination": "/x", "type": "tmpfs", "options": ["idmap"]}]), "mounts[0]"),
    (
        plain(mounts=[{"destination": "/x", "source": "/y", "options": ["bind"], "uidMappings": MAP}]),
        "mounts[0].gidMappings",
    ),
    (plain(hooks={"prestart": [{"path": "true"}]}), "hooks.prestart[0].path"),
    (plain(hooks={"poststop": [{"path": "/true", "timeout": 0}]}), "hooks.poststop[0].timeout"),
    (plain(hooks=[]), "hooks"),
]


@pytest.mark.parametrize(("document", "names"), BAD, ids=[f"{index}-{case[1]}" for index, case in enumerate(BAD)])
def test_a_wrong_value_is_an_error_that_names_its_property(document, names):
    with pytest.raises(ConfigError) as caught:
        Config(document, "/bundle")
    assert caught.value.obj == names, str(caught.value)
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["process.apparmorProfile", "process.selinuxLabel", "linux.mountLabel"])
def test_labels_need_their_security_module(monkeypatch, tmp_path, name):
    monkeypatch.setattr(labels, "APPARMOR", str(tmp_path / "none"))
    monkeypatch.setattr(labels, "SELINUX", str(tmp_path))  # a directory, but no selinuxfs
    with pytest.raises(ConfigError) as caught:
        Config(plain(**{name.replace(".", "__"): "label"}), "/bundle")
    assert caught.value.obj == name
    assert "this host has no" in str(caught.value)


def test_an_apparmor_profile_where_there_is_apparmor(monkeypatch, tmp_path):
    (tmp_path / "enabled").write_text("Y\n")
    monkeypatch.setattr(labels, "APPARMOR", str(tmp_path / "enabled"))
    assert Config(plain(process__apparmorProfile="box"), "/bundle").process_label is not None
    (tmp_path / "enabled").write_text("N\n")
    with pytest.raises(ConfigError):
        Config(plain(process__apparmorProfile="box"), "/bundle")


def test_rdt_needs_resctrl():
    with pytest.raises(ConfigError, match=r"linux\.intelRdt: this host has no resctrl"):
        Config(plain(linux__intelRdt={"closID": "gold"}), "/bundle")


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(1, 2, (1, 2)), (2**64 - 1, 2**64 - 1, (-1, -1)), (-1, -1, (-1, -1)), (5, 2**64 - 1, (5, -1))],
)
def test_rlimits_and_infinity(soft, hard, expected):
    config = Config(plain(process__rlimits=[{"type": "RLIMIT_CORE", "soft": soft, "hard": hard}]), "/bundle")
    assert config.rlimits[0][1:] == expected


def test_mounts():
    entries = [
        {"destination": "relative", "type": "tmpfs", "options": ["size=1m", "ro"]},
        {"destination": "/b", "type": "none", "source": "/s", "options": ["rbind", "rro"]},
        {"destination": "/c", "type": "bind", "source": "/s"},
        {"destination": "/d", "source": "/s", "options": ["bind"], "uidMappings": MAP, "gidMappings": MAP},
        {"destination": "/e", "options": ["remount", "ro"]},
        {"destination": "/f", "options": ["bind", "remount", "ro"]},
        {"destination": "/g", "source": "in/../here", "options": ["bind"]},
    ]
    mounts = Config(plain(mounts=entries), "/bundle").mounts
    assert [mount.destination for mount in mounts] == ["/relative", "/b", "/c", "/d", "/e", "/f", "/g"]
    assert [mount.type for mount in mounts] == ["tmpfs", "bind", "bind", "bind", "", "bind", "bind"]
    assert [mount.source for mount in mounts[4:]] == ["", "", "/bundle/in/../here"]
    assert mounts[0].options.data == "size=1m"
    assert mounts[3].options.idmap == "idmap"
    assert mounts[3].maps == ([(0, 100000, 65536)], [(0, 100000, 65536)])
