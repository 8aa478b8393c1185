# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import bundle, options, spec
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.container.userdb import User

ROOT = User(0, 0, [], "/root")
ALL = ["CAP_CHOWN", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"]
FUSE = ("c", 10, 229, 0o666, 0, 0)


def build(declared, user=ROOT, image=None, first=0, **given):
    document = spec.new_spec(
        "ab" * 32,
        "web",
        "2026-01-01T00:00:00Z",
        {"name": "img", "id": "sha256:1", "digest": "sha256:2", "config": image or {"Cmd": ["sh"]}},
        ["/layers/1"],
        options.without_defaults(options.normalise(declared)),
        first,
    )
    host = bundle.Host(
        ALL, {"/dev/fuse": FUSE}, "/etc-dir", {"/dev/kvm": ("c", 10, 232, 0o600, 0, 0)}, "x86_64", "6.1.0",
        places="/places", **given,
    )  # fmt: skip
    return bundle.build(document, user, host)


def mount(document, target):
    found = [entry for entry in document["mounts"] if entry["destination"] == target]
    assert len(found) == 1
    return found[0]


def namespaces(document):
    return {entry["type"] for entry in document["linux"]["namespaces"]}


def test_the_default_container():
    document = build({})
    process, linux = document["process"], document["linux"]
    assert process["args"] == ["sh"]
    assert process["cwd"] == "/"
    assert process["user"] == {"uid": 0, "gid": 0, "additionalGids": [0]}
    assert process["capabilities"]["bounding"] == process["capabilities"]["effective"] == sorted(bundle.CAPABILITIES)
    assert "inheritable" not in process["capabilities"]
    assert process["noNewPrivileges"] is False
    assert process["oomScoreAdj"] == 0
    assert process["env"] == [f"PATH={spec.PATH}", "HOSTNAME=abababababab", "HOME=/root"]
    assert document["hostname"] == "abababababab"
    assert document["root"] == {"path": "rootfs", "readonly": False}
    assert namespaces(document) == {"mount", "pid", "ipc", "uts", "network", "cgroup"}
    assert linux["cgroupsPath"] == "/agentless-oci/web-abababababab"
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert set(linux["resources"]) == {"devices"}
    assert "/proc/kcore" in linux["maskedPaths"]
    assert "/proc/sys" in linux["readonlyPaths"]
    assert "ro" in mount(document, "/sys")["options"]
    assert "ro" in mount(document, "/sys/fs/cgroup")["options"]
    assert mount(document, "/dev/shm")["options"][-1] == f"size={64 << 20}"
    assert mount(document, "/etc/hosts")["source"] == "/etc-dir/hosts"


def test_another_user_has_no_effective_capabilities():
    capabilities = build({}, User(1000, 1001, [5], "/home/app"))["process"]["capabilities"]
    assert capabilities["effective"] == capabilities["permitted"] == []
    assert "CAP_CHOWN" in capabilities["bounding"]


@pytest.mark.parametrize(
    ("declared", "has", "lacks"),
    [
        ({"capabilities": ["NET_ADMIN"]}, {"CAP_NET_ADMIN", "CAP_KILL"}, {"CAP_SYS_ADMIN"}),
        ({"cap_drop": ["KILL"]}, {"CAP_CHOWN"}, {"CAP_KILL"}),
        ({"cap_drop": ["ALL"]}, set(), set(bundle.CAPABILITIES)),
        ({"cap_drop": ["ALL"], "capabilities": ["NET_RAW"]}, {"CAP_NET_RAW"}, {"CAP_CHOWN"}),
        ({"capabilities": ["ALL"]}, set(ALL), {"CAP_SYS_TIME"}),
        ({"capabilities": ["ALL"], "cap_drop": ["NET_ADMIN"]}, {"CAP_SYS_ADMIN"}, {"CAP_NET_ADMIN"}),
        ({"privileged": True, "cap_drop": ["CHOWN"]}, set(ALL), set()),
    ],
)
def test_capabilities(declared, has, lacks):
    bounding = set(build(declared)["process"]["capabilities"]["bounding"])
    assert has <= bounding
    assert not lacks & bounding


@pytest.mark.parametrize(
    ("option", "namespace"),
    [
        ("pid_mode", "pid"),
        ("ipc_mode", "ipc"),
        ("uts", "uts"),
        ("network_mode", "network"),
        ("cgroupns_mode", "cgroup"),
    ],
)
def test_a_namespace_of_the_host(option, namespace):
    assert namespaces(build({option: "host"})) == namespaces(build({})) - {namespace}


def test_the_hosts_names_are_left_alone():
    document = build({"uts": "host"})
    assert "hostname" not in document
    assert not any(entry.startswith("HOSTNAME=") for entry in document["process"]["env"])


def test_the_hosts_ipc_brings_its_shared_memory():
    document = build({"ipc_mode": "host"})
    assert mount(document, "/dev/shm")["type"] == "bind"


def test_another_containers_ipc_brings_its_shared_memory():
    document = build({"ipc_mode": "container:db"}, joined={"ipc": "/proc/7/fd/9"})
    assert {"type": "ipc", "path": "/proc/7/fd/9"} in document["linux"]["namespaces"]
    assert mount(document, "/dev/shm")["source"] == "/places/shm"
    assert not any(entry["destination"] == "/dev/shm" for entry in build({"ipc_mode": "none"})["mounts"])


def test_process_options():
    document = build(
        {
            "env": {"PATH": "/x", "A": "1"},
            "working_dir": "/srv",
            "hostname": "db",
            "domainname": "example.org",
            "oom_score_adj": 500,
            "ulimits": ["nofile:10:20"],
            "security_opts": ["no-new-privileges"],
            "sysctls": {"net.core.somaxconn": 9},
            "read_only": True,
        },
        image={"Cmd": ["sh"], "Env": ["B=2"], "WorkingDir": "/image"},
    )
    process = document["process"]
    assert process["env"] == ["PATH=/x", "HOSTNAME=db", "HOME=/root", "B=2", "A=1"]
    assert process["cwd"] == "/srv"
    assert (document["hostname"], document["domainname"]) == ("db", "example.org")
    assert process["oomScoreAdj"] == 500
    assert process["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}]
    assert process["noNewPrivileges"] is True
    assert document["linux"]["sysctl"] == {"net.core.somaxconn": "9"}
    assert document["root"]["readonly"] is True


def test_mounts_of_all_kinds():
    document = build(
        {
            "volumes": ["/data:/srv/data/deep:ro"],
            "mounts": [
                {"target": "/srv", "source": "/host", "type": "bind", "read_only": False},
                {"target": "/cache", "type": "tmpfs", "tmpfs_size": "1m"},
            ],
            "tmpfs": ["/run:size=5m", "/dev/shm"],
        }
    )
    assert mount(document, "/srv/data/deep")["options"] == ["rbind", "rprivate", "ro"]
    assert mount(document, "/cache")["options"] == ["nosuid", "nodev", "noexec", "rw", "mode=1777", f"size={1 << 20}"]
    assert mount(document, "/run")["options"] == ["nosuid", "nodev", "noexec", "size=5m"]
    assert mount(document, "/dev/shm")["source"] == "tmpfs"  # the declared one, not the default
    targets = [entry["destination"] for entry in document["mounts"]]
    assert targets.index("/srv") < targets.index("/srv/data/deep")
    assert targets.index("/dev") < targets.index("/dev/shm")


def test_devices():
    document = build({"devices": ["/dev/fuse:/dev/fuse:rw"]})
    assert document["linux"]["devices"] == [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 0}
    ]
    assert document["linux"]["resources"]["devices"][-1] == {
        "allow": True,
        "type": "c",
        "major": 10,
        "minor": 229,
        "access": "rw",
    }


def test_a_user_namespace():
    document = build({"userns_mode": "private", "devices": ["/dev/fuse:/dev/x:rw"]}, first=1 << 20)
    assert "user" in namespaces(document)
    entries = [{"containerID": 0, "hostID": 1 << 20, "size": 65536}]
    assert document["linux"]["uidMappings"] == document["linux"]["gidMappings"] == entries
    # No mknod(2) there: a node is bound, also where it has another name.
    assert document["linux"]["devices"] == []
    assert mount(document, "/dev/x")["source"] == "/dev/fuse"
    assert document["linux"]["resources"]["devices"][-1]["access"] == "rw"


@pytest.mark.parametrize("user", [User(65536, 0, [], "/"), User(0, 65536, [], "/"), User(0, 0, [5, 1 << 17], "/")])
def test_a_user_namespace_does_not_have_every_id(user):
    with pytest.raises(ContainerError, match="only 0 to 65535"):
        build({"userns_mode": "private"}, user, first=1 << 20)


def test_privileged():
    linux = build({"privileged": True})["linux"]
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert [device["path"] for device in linux["devices"]] == ["/dev/kvm"]
    assert "maskedPaths" not in linux
    assert "readonlyPaths" not in linux


def test_for_another_runtime():
    document = build({"runtime": "runc", "domainname": "lan", "ulimits": ["core:0:-1"]})
    assert document["ociVersion"] == "1.0.2"
    assert "domainname" not in document
    assert document["linux"]["sysctl"] == {"kernel.domainname": "lan"}
    assert document["process"]["rlimits"] == [{"type": "RLIMIT_CORE", "soft": 0, "hard": (1 << 64) - 1}]


def allowed(document):
    entries = document["linux"]["seccomp"]["syscalls"]
    return {name for entry in entries if entry["action"] == "SCMP_ACT_ALLOW" for name in entry["names"]}


def test_a_seccomp_profile_that_granted_capabilities_widen():
    assert build({})["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert "mount" not in allowed(build({}))
    assert "mount" in allowed(build({"capabilities": ["SYS_ADMIN"]}))
    assert "chroot" in allowed(build({}))
    assert "chroot" not in allowed(build({"cap_drop": ["ALL"]}))


PROFILE = '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_ERRNO"}]}'


def test_seccomp_as_declared():
    assert "seccomp" not in build({"security_opts": ["seccomp=unconfined"]})["linux"]
    assert "seccomp" not in build({"privileged": True})["linux"]
    for more in ({}, {"privileged": True}):
        made = build({"security_opts": [f"seccomp={PROFILE}"], **more})["linux"]["seccomp"]
        assert made["defaultAction"] == "SCMP_ACT_ALLOW"
        assert made["syscalls"] == [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]


def test_limits_are_in_the_bundle():
    assert build({"memory": "1m", "cpus": 0.5})["linux"]["resources"]["memory"] == {"limit": 1 << 20}


def test_an_image_without_a_command():
    with pytest.raises(ContainerError, match=r"image img has no command to run\. Declare command or entrypoint"):
        build({}, image={"Env": []})


def test_what_few_containers_declare():
    document = build(
        {
            "umask": "0077",
            "annotations": {"org.example.x": "y"},
            "labels": {"l": "m"},
            "cgroup_parent": "batch.slice",
            "no_hosts": True,
            "device_cgroup_rules": ["c 42:* rmw", "b 8:1 r"],
        }
    )
    assert document["process"]["user"]["umask"] == 0o077
    assert document["annotations"]["org.example.x"] == "y"
    assert document["annotations"]["l"] == "m"
    assert document["linux"]["cgroupsPath"] == "/batch.slice/web-abababababab"
    assert "/etc/hosts" not in {entry["destination"] for entry in document["mounts"]}
    assert mount(document, "/etc/hostname")["source"] == "/etc-dir/hostname"
    assert document["linux"]["resources"]["devices"][1:] == [
        {"allow": True, "type": "b", "major": 8, "minor": 1, "access": "r"},
        {"allow": True, "type": "c", "major": 42, "access": "rwm"},
    ]


def test_paths_that_are_hidden_and_shown():
    linux = build({"security_opts": ["mask=/proc/cpuinfo", "unmask=/proc/kcore:/proc/sys"]})["linux"]
    assert "/proc/cpuinfo" in linux["maskedPaths"]
    assert "/proc/kcore" not in linux["maskedPaths"]
    assert "/proc/acpi" in linux["maskedPaths"]
    assert linux["readonlyPaths"] == ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"]
    linux = build({"security_opts": ["systempaths=unconfined"]})["linux"]
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])


def test_labels_of_security_modules():
    document = build({"security_opts": ["apparmor=web"]})
    assert document["process"]["apparmorProfile"] == "web"
    document = build({"security_opts": ["label=type:web_t", "label=level:s0:c1,c2"]})
    assert document["process"]["selinuxLabel"] == "system_u:system_r:web_t:s0:c1,c2"
    assert document["linux"]["mountLabel"] == "system_u:object_r:container_file_t:s0:c1,c2"
    assert "selinuxLabel" not in build({"security_opts": ["label=disable"]})["process"]
