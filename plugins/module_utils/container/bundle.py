# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a container's canonical spec to a runtime-spec 1.3 ``config.json``.

Pure: what it needs of the host and of the image is given as :class:`Host` and :class:`userdb.User`.
"""

from __future__ import annotations

from collections import namedtuple

from . import mountset, mountvalues, netmode, places, userns
from . import spec as specs
from .errors import ContainerError
from .resources import device_rules, resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .userdb import User

# What the bundle depends on beside the spec:
#   capabilities  names of the capabilities this host's root has, for ``privileged`` and ``ALL``
#   devices       host path → (type "c" or "b", major, minor, mode, uid, gid) of every device named in the spec
#   etc           directory with the files hosts, hostname and resolv.conf
#   privileged_devices  the same tuples for all devices of the host, for ``privileged``
#   machine, release  of uname(2), for the seccomp profile
#   init          the program to be process 1, where one of the host is (container/initprogram.py)
#   netns         path of the network namespace to join; "" for a new one, or the host's
#   volumes       directory of all volumes
#   places        directory with what is mounted for this container alone (container/places.py)
#   joined        paths of the namespaces of other containers to join: "pid", "ipc"
#   secrets       directory with the files of its secrets (container/secretfiles.py)
#   unit          the service of systemd that supervises the container; "" without
Host = namedtuple(
    "Host",
    "capabilities devices etc privileged_devices machine release netns init volumes places secrets joined unit",
    defaults=("", "", "", "", "", {}, ""),
)

SLICE = "system.slice"

# Docker's default set.
CAPABILITIES = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID"),
    *("CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL"),
    "CAP_AUDIT_WRITE",
)

MASKED_PATHS = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap"),
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_INFINITY = (1 << 64) - 1  # RLIM_INFINITY, what -1 is in a number without sign (config.md, "rlimits")


def cgroups_path(spec: Mapping[str, Any], unit: str = "") -> str:
    """Where the container's cgroup lies, below the root of every hierarchy.

    That is in the group of its service *unit*, unless it is declared to lie where systemd makes none.
    """
    parent = specs.setting(spec["options"], "cgroup_parent")
    if unit and slice_of(spec):
        return f"{parent if parent.endswith('.slice') else '/' + SLICE}/{unit}/container"
    return f"{parent}/{spec['name']}-{spec['id'][:12]}"


def slice_of(spec: Mapping[str, Any]) -> str:
    """The slice of the container's service; "" where the container's cgroup is declared to lie outside of any."""
    if "cgroup_parent" not in spec["options"]:
        return SLICE
    name = str(spec["options"]["cgroup_parent"]).rpartition("/")[2]
    return name if name.endswith(".slice") else ""


def build(spec: Mapping[str, Any], user: User, host: Host) -> dict[str, Any]:
    """The ``config.json`` of the container that *spec* describes. Raises ContainerError where there is no command."""
    from .seccomp import for_container as seccomp_for

    options, image = spec["options"], spec["image"]["config"]
    privileged = options.get("privileged", False)
    args = specs.process_args(options, image)
    if not args:
        raise ContainerError(
            f"image {spec['image']['name']} has no command to run", step="command", hint="Declare command or entrypoint"
        )
    linux: dict[str, Any] = {
        "namespaces": _namespaces(options, host.netns, host.joined),
        "cgroupsPath": cgroups_path(spec, host.unit),
        "resources": {**resources(options), "devices": _device_rules(options, host)},
        "devices": _devices(options, host),
    }
    if userns.is_private(options):
        entries = [
            {"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in userns.mapping(spec)
        ]
        linux.update({"uidMappings": entries, "gidMappings": entries})
        _check_ids(user)
    if options.get("sysctls"):
        linux["sysctl"] = dict(options["sysctls"])
    if not privileged:
        linux["maskedPaths"], linux["readonlyPaths"] = _hidden(options)
    capabilities = effective_capabilities(options, host.capabilities)
    seccomp = seccomp_for(options, capabilities, host.machine, host.release)
    if seccomp is not None:
        linux["seccomp"] = seccomp
    document = {
        # Some runtimes refuse every version but the one they were written for, though minor ones only add.
        "ociVersion": "1.0.2" if options.get("runtime") else "1.3.0",
        "process": _process(spec, args, user, capabilities),
        "root": {"path": "rootfs", "readonly": bool(options.get("read_only"))},
        "mounts": _mounts(spec, host),
        "annotations": {
            **specs.labels(options, image),
            "org.opencontainers.image.ref.name": spec["image"]["name"],
            **options.get("annotations", {}),
        },
        "linux": linux,
    }
    _init(options, host, document)
    label(options, document)
    if options.get("uts") != "host":
        document["hostname"] = specs.hostname(spec)
        if "domainname" in options:
            if options.get("runtime"):  # which knows the older of the two ways at least
                linux.setdefault("sysctl", {})["kernel.domainname"] = options["domainname"]
            else:
                document["domainname"] = options["domainname"]
    return document


def _init(options: Mapping[str, Any], host: Host, document: dict[str, Any]) -> None:
    """The option ``init``: the runtime's own, or a program of the host bound into the container."""
    from . import initprogram

    document["annotations"].pop("agentless.oci.init", None)  # an image's label says nothing about that
    if initprogram.ours(options, host.machine):
        document["annotations"]["agentless.oci.init"] = "true"
    elif host.init:
        document["mounts"].append(_mount(initprogram.TARGET, "bind", host.init, ["bind", "ro"]))
        document["process"]["args"] = [initprogram.TARGET, "--", *document["process"]["args"]]


def _hidden(options: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(masked paths, read-only paths): the usual ones, as security_opts add to them and take from them."""
    opts = options.get("security_opts", ())
    shown = {item[len("unmask=") :] for item in opts if item.startswith("unmask=")}
    masked = [path for path in MASKED_PATHS if path not in shown and "ALL" not in shown]
    read_only = [path for path in READONLY_PATHS if path not in shown and "ALL" not in shown]
    return [*masked, *(item[len("mask=") :] for item in opts if item.startswith("mask="))], read_only


def label(options: Mapping[str, Any], document: dict[str, Any]) -> None:
    """AppArmor's profile or SELinux's context, where security_opts name one; the parts left out are podman's."""
    opts = options.get("security_opts", ())
    for item in opts:
        if item.startswith("apparmor="):
            document["process"]["apparmorProfile"] = item.partition("=")[2]
    parts = dict(item[len("label=") :].split(":", 1) for item in opts if item.startswith("label="))
    if parts:
        user, level = parts.get("user", "system_u"), parts.get("level", "s0")
        role, kind = parts.get("role", "system_r"), parts.get("type", "container_t")
        document["process"]["selinuxLabel"] = f"{user}:{role}:{kind}:{level}"
        document["linux"]["mountLabel"] = f"{user}:object_r:{parts.get('filetype', 'container_file_t')}:{level}"


def _check_ids(user: User) -> None:
    for kind, number in (("user", user.uid), *(("group", gid) for gid in (user.gid, *user.groups))):
        if number >= userns.SIZE:
            raise ContainerError(
                f"user: the container's user namespace has no {kind} {number}, only 0 to {userns.SIZE - 1}",
                step="user",
                obj=str(number),
                hint="Declare another user or userns_mode: host",
            )


def _process(spec: Mapping[str, Any], args: list[str], user: User, capabilities: list[str]) -> dict[str, Any]:
    options, image = spec["options"], spec["image"]["config"]
    environment = {"PATH": specs.PATH, "HOSTNAME": specs.hostname(spec), "HOME": user.home}
    if options.get("uts") == "host":
        del environment["HOSTNAME"]
    environment.update(specs.environment(options, image))
    # Only root keeps them across execve(2); another user has them in its bounding set, for set-uid programs.
    effective = capabilities if user.uid == 0 else []
    return {
        "terminal": bool(options.get("tty")),
        "args": args,
        "env": [f"{name}={value}" for name, value in environment.items()],
        "cwd": options.get("working_dir") or image.get("WorkingDir") or "/",
        # The primary group among them: a set-group-id program must not be able to shake it off (CVE-2022-36109).
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": [user.gid, *user.groups],
            **({"umask": int(options["umask"], 8)} if "umask" in options else {}),
        },
        # Inheritable and ambient stay empty (CVE-2022-24769).
        "capabilities": {"bounding": capabilities, "effective": effective, "permitted": effective},
        "noNewPrivileges": "no-new-privileges" in options.get("security_opts", ()),
        # Always said: the monitor that starts the container again has a value of its own, which would be inherited.
        "oomScoreAdj": options.get("oom_score_adj", 0),
        "rlimits": [
            {
                "type": f"RLIMIT_{limit['name'].upper()}",
                "soft": limit["soft"] & _INFINITY,
                "hard": limit["hard"] & _INFINITY,
            }
            for limit in options.get("ulimits", ())
        ],
    }


def effective_capabilities(options: Mapping[str, Any], available: list[str]) -> list[str]:
    """Docker's arithmetic: the default set, or all for ``privileged``; then what is added, then what is dropped."""
    added, dropped = options.get("capabilities", []), options.get("cap_drop", [])
    if options.get("privileged"):
        return list(available)
    base = set() if "ALL" in dropped else set(CAPABILITIES)
    if "ALL" in added:
        base = set(available)
    base |= set(added) - {"ALL"}
    base -= set(dropped) - set(added)
    return sorted(base)


def _namespaces(options: Mapping[str, Any], netns: str, joined: Mapping[str, str]) -> list[dict[str, str]]:
    shared = {
        "pid": options.get("pid_mode"),
        "ipc": options.get("ipc_mode"),
        "uts": options.get("uts"),
        "network": netmode.kind(options),
        "cgroup": options.get("cgroupns_mode"),
    }
    own = [{"type": "user"}] if userns.is_private(options) else []
    found = [{"type": "mount"}, *own, *({"type": kind} for kind, mode in shared.items() if mode != "host")]
    for namespace in found:
        if namespace["type"] in joined:
            namespace["path"] = joined[namespace["type"]]
    for namespace in found if netns else ():
        if namespace["type"] == "network":
            namespace["path"] = netns
        elif namespace["type"] == "user":  # which the network belongs to (network/namespace.py)
            namespace["path"] = f"{netns}.user"
    return found


def _mounts(spec: Mapping[str, Any], host: Host) -> list[dict[str, Any]]:
    options = spec["options"]
    nothing = ["nosuid", "noexec", "nodev"]
    access = "rw" if options.get("privileged") else "ro"
    mounts = {
        "/proc": _mount("/proc", "proc", "proc", nothing),
        "/dev": _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        "/dev/pts": _mount(
            "/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        ),
        "/sys": _mount("/sys", "sysfs", "sysfs", [*nothing, access]),
        "/sys/fs/cgroup": _mount("/sys/fs/cgroup", "cgroup", "cgroup", [*nothing, "relatime", access]),
    }
    # A new mqueue shows the queues of the namespace it is mounted in, the host's too.
    mounts["/dev/mqueue"] = _mount("/dev/mqueue", "mqueue", "mqueue", nothing)
    ipc = specs.setting(options, "ipc_mode")
    if ipc == "host":
        mounts["/dev/shm"] = _mount("/dev/shm", "bind", "/dev/shm", ["rbind", *nothing])
    elif "ipc_mode" in specs.joined(options):
        mounts["/dev/shm"] = _mount("/dev/shm", "bind", places.path(host.places, places.SHM), ["rbind", *nothing])
    elif ipc != "none":
        size = specs.setting(options, "shm_size")
        mounts["/dev/shm"] = _mount("/dev/shm", "tmpfs", "shm", [*nothing, "mode=1777", f"size={size}"])
    for name in ("hosts", "hostname", "resolv.conf") if not options.get("no_hosts") else ("hostname", "resolv.conf"):
        mounts[f"/etc/{name}"] = _mount(f"/etc/{name}", "bind", f"{host.etc}/{name}", ["rbind", "rprivate"])
    declared = [*_of_set(spec, host), *_device_mounts(options)]
    for mount in declared:
        mounts.pop(mount["destination"], None)  # a declared mount takes the place of a default one
    # Parents before what lies in them; the defaults keep their order.
    return [*mounts.values(), *sorted(declared, key=lambda mount: str(mount["destination"]).count("/"))]


def _mount(target: str, type_: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": type_, "source": source, "options": list(options)}


def _of_set(spec: Mapping[str, Any], host: Host) -> list[dict[str, Any]]:
    """The mounts of container/mountset.py."""
    return [_declared(entry, number, host) for number, entry in enumerate(mountset.everything(spec))]


def _declared(entry: Mapping[str, Any], number: int, host: Host) -> dict[str, Any]:
    access = "ro" if entry["read_only"] else "rw"
    if entry["type"] == mountvalues.TMPFS:
        options = ["nosuid", "nodev", "noexec"]
        if not entry.get("plain"):
            options += [access, f"mode={entry['mode']}", *([f"size={entry['size']}"] if entry["size"] else [])]
        return _mount(entry["target"], "tmpfs", "tmpfs", [*options, *entry.get("options", ())])
    if entry["type"] == mountset.SECRET:
        source = f"{host.secrets}/{entry['name']}"
        return _mount(entry["target"], "bind", source, ["bind", "rprivate", "ro", "nosuid", "nodev", "noexec"])
    source = entry["source"]
    if mountset.has_place(entry):
        source = places.path(host.places, number)
    elif entry["type"] == mountvalues.VOLUME:
        source = f"{host.volumes}/{source}/data"
    options = [
        "bind" if entry.get("recursive") is False else "rbind",
        entry.get("propagation", "rprivate"),
        "rro" if entry.get("rro") else access,
        *entry.get("flags", ()),
        *(["idmap"] if entry.get("idmap") else ()),
    ]
    return _mount(entry["target"], "bind", source, options)


def _device_mounts(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Devices where mknod(2) is not to be had: a runtime could bind the host's node in its own place only."""
    if not userns.is_private(options):
        return []
    return [_mount(entry["target"], "bind", entry["source"], ["bind"]) for entry in options.get("devices", ())]


def _devices(options: Mapping[str, Any], host: Host) -> list[dict[str, Any]]:
    if userns.is_private(options):
        return []
    chosen = {entry["target"]: host.devices[entry["source"]] for entry in options.get("devices", ())}
    if options.get("privileged"):
        chosen = {**host.privileged_devices, **chosen}
    return [
        {"path": path, "type": type_, "major": major, "minor": minor, "fileMode": mode, "uid": uid, "gid": gid}
        for path, (type_, major, minor, mode, uid, gid) in chosen.items()
    ]


def _device_rules(options: Mapping[str, Any], host: Host) -> list[dict[str, Any]]:
    """The device cgroup: all open for ``privileged``, else closed but for the declared ones.

    The default devices (config-linux.md, "Default Devices"), terminals and mknod(2) every runtime opens by itself.
    """
    if options.get("privileged"):
        return [{"allow": True, "access": "rwm"}]
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    for entry in options.get("devices", ()):
        type_, major, minor = host.devices[entry["source"]][:3]
        rules.append({"allow": True, "type": type_, "major": major, "minor": minor, "access": entry["permissions"]})
    return [*rules, *device_rules(options)]
