# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle's config.json, read and checked (runtime-spec 1.3, config.md and config-linux.md).

Everything is checked before anything is made: after :meth:`Config.load` what can still fail is the host's doing.
Properties that the specification does not know are ignored; wrong values and what this runtime does not do yet are
errors that name the property.
"""

from __future__ import annotations

import json
import os
import resource

from ..kernel import capabilities
from ..kernel import constants as c
from ..kernel.files import read_bytes
from ..kernel.mounts import PROPAGATION, MountOptions
from . import devices, hooks, seccomp
from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

NAMESPACES = {
    "time": c.CLONE_NEWTIME,
    "mount": c.CLONE_NEWNS,
    "cgroup": c.CLONE_NEWCGROUP,
    "uts": c.CLONE_NEWUTS,
    "ipc": c.CLONE_NEWIPC,
    "user": c.CLONE_NEWUSER,
    "pid": c.CLONE_NEWPID,
    "network": c.CLONE_NEWNET,
}
CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
_DEVICE_TYPES = ("b", "c", "u", "p")
_MAX_ID = (1 << 32) - 2  # 2^32 - 1 means "no change" to setuid(2) (CVE-2024-40635)

# Refused rather than ignored: a container without what its author asked for is worse than none.
_NOT_YET = (
    "process.apparmorProfile",
    "process.selinuxLabel",
    "process.scheduler",
    "process.ioPriority",
    "process.execCPUAffinity",
    "linux.timeOffsets",
    "linux.personality",
    "linux.netDevices",
    "linux.intelRdt",
    "linux.mountLabel",
)

# Which sysctls live in a namespace, and in which one; all others would change the host.
_SYSCTL_NAMESPACES = (
    ("kernel.msg", "ipc"),
    ("kernel.sem", "ipc"),
    ("kernel.shm", "ipc"),
    ("fs.mqueue.", "ipc"),
    ("kernel.domainname", "uts"),
    ("net.", "network"),
)


class Mount:
    """One entry of ``mounts``: ``destination``, ``type``, ``source`` and the sorted options."""

    __slots__ = ("destination", "options", "source", "type")

    def __init__(self, destination: str, type_: str, source: str, options: MountOptions) -> None:
        self.destination = destination
        self.type = type_
        self.source = source
        self.options = options


class Config:
    """The checked configuration; attributes are named after the specification's properties."""

    def __init__(self, document: dict[str, Any], bundle: str) -> None:
        self.document = document
        self.bundle = bundle
        _check_version(_get(document, "ociVersion", str))
        for path in _NOT_YET:
            if _get(document, path, object, None):
                raise ConfigError(
                    f"{path} is set, and this version of the runtime cannot do that yet",
                    step="config",
                    obj=path,
                    hint=f"Remove {path} from config.json, or run the bundle with another runtime",
                )
        self.annotations: dict[str, str] = _get(document, "annotations", dict, {})
        self.hostname: str = _get(document, "hostname", str, "")
        self.domainname: str = _get(document, "domainname", str, "")
        self.rootfs = os.path.normpath(os.path.join(bundle, _get(document, "root.path", str)))
        self.readonly: bool = _get(document, "root.readonly", bool, False)
        self.hooks = hooks.parse(_get(document, "hooks", dict, {}))
        self._process(document)
        self._linux(document)
        self.mounts = [_mount(entry, index) for index, entry in enumerate(_get(document, "mounts", list, []))]

    @classmethod
    def load(cls, bundle: str) -> Config:
        """Read ``config.json`` of the directory *bundle*. Raises ConfigError."""
        bundle = os.path.abspath(bundle)
        path = os.path.join(bundle, "config.json")
        try:
            document = json.loads(read_bytes(path))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}", step="config", obj=path) from error
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON: {error}", step="config", obj=path) from error
        if not isinstance(document, dict):
            raise ConfigError(f"{path} does not hold a JSON object", step="config", obj=path)
        config = cls(document, bundle)
        if not os.path.isdir(config.rootfs):
            raise ConfigError(f"root.path: {config.rootfs} is not a directory", step="config", obj="root.path")
        return config

    def has_hooks(self, *kinds: str) -> bool:
        return any(self.hooks[kind] for kind in kinds)

    def _process(self, document: dict[str, Any]) -> None:
        self.args: list[str] = _strings(document, "process.args")
        if not self.args:
            raise ConfigError("process.args is empty: there is nothing to run", step="config", obj="process.args")
        self.env = _strings(document, "process.env", [])
        for entry in self.env:
            if "=" not in entry.lstrip("="):
                raise ConfigError(f"process.env: {entry!r} is not NAME=value", step="config", obj="process.env")
        self.terminal: bool = _get(document, "process.terminal", bool, False)
        self.console_size: tuple[int, int] | None = None
        if self.terminal and _get(document, "process.consoleSize", dict, None):
            rows, columns = (_get(document, f"process.consoleSize.{key}", int) for key in ("height", "width"))
            if not (0 <= rows < 1 << 16 and 0 <= columns < 1 << 16):
                message = f"process.consoleSize: {rows}x{columns} is not the size of a terminal"
                raise ConfigError(message, step="config", obj="process.consoleSize")
            self.console_size = (rows, columns)
        self.cwd: str = _get(document, "process.cwd", str)
        if not self.cwd.startswith("/"):
            raise ConfigError(f"process.cwd: {self.cwd!r} is not absolute", step="config", obj="process.cwd")
        self.uid = _id(document, "process.user.uid")
        self.gid = _id(document, "process.user.gid")
        self.groups = [
            _check_id(value, "process.user.additionalGids")
            for value in _get(document, "process.user.additionalGids", list, [])
        ]
        self.umask: int = _get(document, "process.user.umask", int, 0o022)
        self.no_new_privileges: bool = _get(document, "process.noNewPrivileges", bool, False)
        self.oom_score_adj: int | None = _get(document, "process.oomScoreAdj", int, None)
        if self.oom_score_adj is not None and not -1000 <= self.oom_score_adj <= 1000:
            raise ConfigError(
                f"process.oomScoreAdj: {self.oom_score_adj} is not between -1000 and 1000",
                step="config",
                obj="process.oomScoreAdj",
            )
        self.rlimits = [_rlimit(entry) for entry in _get(document, "process.rlimits", list, [])]
        self.capabilities: dict[str, int] | None = None
        self.unknown_capabilities: list[str] = []
        if _get(document, "process.capabilities", dict, None) is not None:
            self.capabilities = {}
            for name in CAPABILITY_SETS:
                wanted = _strings(document, f"process.capabilities.{name}", [])
                known = [cap for cap in wanted if cap.startswith("CAP_") and cap[4:] in capabilities.NAMES]
                self.unknown_capabilities += sorted(set(wanted) - set(known))
                self.capabilities[name] = capabilities.mask(known)

    def _linux(self, document: dict[str, Any]) -> None:
        self.namespaces: dict[str, str] = {}
        for entry in _get(document, "linux.namespaces", list, []):
            kind, path = _get(entry, "type", str), _get(entry, "path", str, "")
            if kind not in NAMESPACES:
                raise ConfigError(f"linux.namespaces: unknown type {kind!r}", step="config", obj="linux.namespaces")
            if kind in self.namespaces:
                raise ConfigError(f"linux.namespaces: {kind} is named twice", step="config", obj="linux.namespaces")
            self.namespaces[kind] = path
        if "mount" not in self.namespaces or self.namespaces["mount"]:
            raise ConfigError(
                "linux.namespaces: a container without a mount namespace of its own is not supported",
                step="config",
                obj="linux.namespaces",
                hint='Add {"type": "mount"}',
            )
        self.uid_mappings = _mappings(document, "linux.uidMappings")
        self.gid_mappings = _mappings(document, "linux.gidMappings")
        if self.namespaces.get("user") == "" and not (self.uid_mappings and self.gid_mappings):
            raise ConfigError(
                "linux.uidMappings: a new user namespace needs uidMappings and gidMappings",
                step="config",
                obj="linux.uidMappings",
            )
        for name, kind in ((self.hostname, "hostname"), (self.domainname, "domainname")):
            if name and "uts" not in self.namespaces:
                raise ConfigError(f"{kind} is set without a uts namespace", step="config", obj=kind)
        self.devices = [_device(entry) for entry in _get(document, "linux.devices", list, [])]
        self.cgroups_path: str = _get(document, "linux.cgroupsPath", str, "")
        self.resources: dict[str, Any] = devices.with_defaults(_get(document, "linux.resources", dict, {}))
        self.seccomp: dict[str, Any] | None = _get(document, "linux.seccomp", dict, None)
        self.seccomp_program = b""  # compiled by whoever forks the process that it is for
        if self.seccomp is not None:
            seccomp.validate(self.seccomp)
            seccomp.check_usable(self.seccomp, no_new_privileges=self.no_new_privileges)
        self.masked_paths = _strings(document, "linux.maskedPaths", [])
        self.readonly_paths = _strings(document, "linux.readonlyPaths", [])
        self.sysctl: dict[str, str] = _get(document, "linux.sysctl", dict, {})
        for key, value in self.sysctl.items():
            _check_sysctl(key, value, self.namespaces)
        self.rootfs_propagation: str = _get(document, "linux.rootfsPropagation", str, "")
        if self.rootfs_propagation and self.rootfs_propagation not in PROPAGATION:
            raise ConfigError(
                f"linux.rootfsPropagation: {self.rootfs_propagation!r} is none of {', '.join(sorted(PROPAGATION))}",
                step="config",
                obj="linux.rootfsPropagation",
            )


def _get(document: Any, path: str, kind: type, *default: Any) -> Any:
    """The value at the dotted *path*; without a *default* it is required. Raises ConfigError for a wrong type."""
    value = document
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        if default:
            return default[0]
        raise ConfigError(f"{path} is missing", step="config", obj=path)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{path}: expected {kind.__name__}, found {value!r}", step="config", obj=path)
    return value


def _strings(document: dict[str, Any], path: str, *default: list[str]) -> list[str]:
    values: list[str] = _get(document, path, list, *default)
    for value in values:
        if not isinstance(value, str) or "\0" in value:
            raise ConfigError(f"{path}: {value!r} is not a string without NUL", step="config", obj=path)
    return values


def _check_version(version: str) -> None:
    if version.split(".")[0] != "1":
        raise ConfigError(f"ociVersion: {version!r} is not 1.x", step="config", obj="ociVersion")


def _check_id(value: Any, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_ID:
        raise ConfigError(f"{path}: {value!r} is not a number from 0 to {_MAX_ID}", step="config", obj=path)
    return value


def _id(document: dict[str, Any], path: str) -> int:
    return _check_id(_get(document, path, object, 0), path)


def _rlimit(entry: Any) -> tuple[int, int, int]:
    name = _get(entry, "type", str)
    number = getattr(resource, name, None) if name.startswith("RLIMIT_") else None
    if number is None:
        raise ConfigError(f"process.rlimits: unknown type {name!r}", step="config", obj="process.rlimits")
    soft, hard = _get(entry, "soft", int), _get(entry, "hard", int)
    infinity = (1 << 64) - 1
    if soft > hard >= 0:
        raise ConfigError(f"process.rlimits: {name}: soft {soft} > hard {hard}", step="config", obj="process.rlimits")
    return number, -1 if soft == infinity else soft, -1 if hard == infinity else hard


def _mount(entry: Any, index: int) -> Mount:
    path = f"mounts[{index}]"
    destination = _get(entry, "destination", str)
    options = MountOptions(_get(entry, "options", list, []))
    type_, source = _get(entry, "type", str, ""), _get(entry, "source", str, "")
    if not destination.startswith("/"):
        destination = "/" + destination  # config.md: relative ones are read as if from "/"
    if options.is_bind or type_ == "bind":
        options.flags |= c.MS_BIND
        if not source:
            raise ConfigError(f"{path}: a bind mount on {destination} without source", step="config", obj=path)
    elif not type_:
        raise ConfigError(f"{path}: the mount on {destination} has no type", step="config", obj=path)
    if "idmap" in options.data.split(",") or "ridmap" in options.data.split(","):
        raise ConfigError(f"{path}: idmap is not supported yet", step="config", obj=path)
    return Mount(destination, "bind" if options.is_bind else type_, source, options)


def _device(entry: Any) -> dict[str, Any]:
    path, kind = _get(entry, "path", str), _get(entry, "type", str)
    if kind not in _DEVICE_TYPES or not path.startswith("/"):
        raise ConfigError(f"linux.devices: {path!r} of type {kind!r}", step="config", obj="linux.devices")
    numbers = () if kind == "p" else (_get(entry, "major", int), _get(entry, "minor", int))
    return {
        "path": path,
        "type": kind,
        "rdev": os.makedev(*numbers) if numbers else 0,
        "mode": _get(entry, "fileMode", int, 0o666),
        "uid": _get(entry, "uid", int, 0),
        "gid": _get(entry, "gid", int, 0),
    }


def _mappings(document: dict[str, Any], path: str) -> list[tuple[int, int, int]]:
    entries: Iterable[Any] = _get(document, path, list, [])
    return [(_id(e, "containerID"), _id(e, "hostID"), _get(e, "size", int)) for e in entries]


def _check_sysctl(key: str, value: str, namespaces: dict[str, str]) -> None:
    """Only what lies in a namespace of the container's own, and one line of it (CVE-2022-0811)."""
    if not isinstance(value, str) or "\n" in value or any(char in key for char in "+=/\n") or ".." in key:
        raise ConfigError(f"linux.sysctl: {key}={value!r} is malformed", step="config", obj="linux.sysctl")
    for prefix, kind in _SYSCTL_NAMESPACES:
        if key.startswith(prefix):
            if kind in namespaces:
                return
            raise ConfigError(
                f"linux.sysctl: {key} without a {kind} namespace would change the host",
                step="config",
                obj="linux.sysctl",
            )
    raise ConfigError(
        f"linux.sysctl: {key} belongs to the host, not to a container",
        step="config",
        obj="linux.sysctl",
        hint="Set it on the host itself",
    )
