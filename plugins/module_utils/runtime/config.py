# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle's config.json, read and checked (runtime-spec 1.3, config.md and config-linux.md).

Everything is checked before anything is made: after :meth:`Config.load` what can still fail is the host's doing.
Properties that the specification does not know are ignored; wrong values and what this host cannot do are
errors that name the property. What only few containers have is parsed by modules of its own, imported for those.
"""

from __future__ import annotations

import os

from ..kernel import capabilities
from ..kernel import constants as c
from ..kernel.files import read_bytes
from ..kernel.lean import dumps, loads
from ..kernel.mounts import PROPAGATION, MountOptions
from . import hooks
from .errors import ConfigError
from .fields import check_id, choice, choices, get, mappings, number, strings, text, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .clocks import Clocks
    from .intel_rdt import ClassOfService
    from .labels import ProcessLabel
    from .memory_policy import MemoryPolicy
    from .scheduling import Affinity, Scheduling

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
_PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}  # linux/personality.h, PER_*
_INT64, _UINT32, _UINT64 = 1 << 63, (1 << 32) - 1, (1 << 64) - 1
_MINORS = (1 << 20) - 1  # linux/kdev_t.h, MINORMASK
_RLIMITS = {"RLIMIT_LOCKS": 10}  # asm-generic/resource.h; what Python's module has no name for


class Mount:
    """One entry of ``mounts``: ``destination``, ``type``, ``source``, the sorted options, and its own id maps.

    ``maps`` are (uids, gids) of ``uidMappings`` and ``gidMappings``; None where the container's are meant.
    """

    __slots__ = ("destination", "maps", "options", "source", "type")

    def __init__(self, destination: str, type_: str, source: str, options: MountOptions) -> None:
        self.destination = destination
        self.type = type_
        self.source = source
        self.options = options
        self.maps: tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]] | None = None


class Config:
    """The checked configuration; attributes are named after the specification's properties.

    ``document`` is what was checked, ``content`` the same as it lies in the bundle.
    """

    def __init__(self, document: dict[str, Any], bundle: str, content: bytes = b"") -> None:
        self.document = document
        self.content = content or dumps(document).encode()
        self.bundle = bundle
        _check_version(get(document, "ociVersion", str))
        self.annotations: dict[str, str] = get(document, "annotations", dict, {})
        for key, value in self.annotations.items():
            if not key or not isinstance(value, str):
                raise wrong("annotations", f"{key!r}: {value!r} is not a string under a name")
        self.init = self.annotations.get("agentless.oci.init") == "true"  # reaper.py
        self.hostname = _host_name(document, "hostname")
        self.domainname = _host_name(document, "domainname")
        self.rootfs = os.path.normpath(os.path.join(bundle, text(document, "root.path")))
        self.readonly: bool = get(document, "root.readonly", bool, False)
        self.hooks = hooks.parse(get(document, "hooks", dict, {}))
        self._process(document)
        self._linux(document)
        self._seldom(document)
        entries = get(document, "mounts", list, [])
        self.mounts = [_mount(entry, index, self.namespaces, bundle) for index, entry in enumerate(entries)]

    @classmethod
    def load(cls, bundle: str) -> Config:
        """Read ``config.json`` of the directory *bundle*. Raises ConfigError."""
        bundle = os.path.abspath(bundle)
        path = os.path.join(bundle, "config.json")
        try:
            content = read_bytes(path)
            document = loads(content)
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}", step="config", obj=path) from error
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON: {error}", step="config", obj=path) from error
        if not isinstance(document, dict):
            raise ConfigError(f"{path} does not hold a JSON object", step="config", obj=path)
        config = cls(document, bundle, content)
        if not config.own_mounts:
            from . import chrooting

            chrooting.check(config)
        if not config.namespaces.get("mount") and not os.path.isdir(config.rootfs):
            raise ConfigError(f"root.path: {config.rootfs} is not a directory", step="config", obj="root.path")
        return config

    def has_hooks(self, *kinds: str) -> bool:
        return any(self.hooks[kind] for kind in kinds)

    def _process(self, document: dict[str, Any]) -> None:
        self.args: list[str] = strings(document, "process.args")
        if not self.args:
            raise ConfigError("process.args is empty: there is nothing to run", step="config", obj="process.args")
        self.env = strings(document, "process.env", [])
        for entry in self.env:
            if "=" not in entry.lstrip("="):
                raise wrong("process.env", f"{entry!r} is not NAME=value")
        self.terminal: bool = get(document, "process.terminal", bool, False)
        self.console_size: tuple[int, int] | None = None
        if self.terminal and get(document, "process.consoleSize", dict, None):
            height, width = (number(document, f"process.consoleSize.{key}", 0, 65535) for key in ("height", "width"))
            self.console_size = (height, width)
        self.cwd = text(document, "process.cwd")
        if not self.cwd.startswith("/"):
            raise wrong("process.cwd", f"{self.cwd!r} is not absolute")
        self.uid = check_id(get(document, "process.user.uid", object, 0), "process.user.uid")
        self.gid = check_id(get(document, "process.user.gid", object, 0), "process.user.gid")
        self.groups = [
            check_id(value, "process.user.additionalGids")
            for value in get(document, "process.user.additionalGids", list, [])
        ]
        self.umask = number(document, "process.user.umask", 0, 0o777, 0o022)
        self.no_new_privileges: bool = get(document, "process.noNewPrivileges", bool, False)
        self.oom_score_adj: int | None = None
        if get(document, "process.oomScoreAdj", object, None) is not None:
            self.oom_score_adj = number(document, "process.oomScoreAdj", -1000, 1000)
        self.rlimits = [_rlimit(entry) for entry in get(document, "process.rlimits", list, [])]
        if len({kind for kind, _soft, _hard in self.rlimits}) < len(self.rlimits):
            raise wrong("process.rlimits", "one type is there twice")
        self.capabilities: dict[str, int] = {}  # by set; what is not declared is not granted
        self.unknown_capabilities: list[str] = []
        get(document, "process.capabilities", dict, None)
        for name in CAPABILITY_SETS:
            wanted = strings(document, f"process.capabilities.{name}", [])
            known = [cap for cap in wanted if cap.startswith("CAP_") and cap[4:] in capabilities.NAMES]
            self.unknown_capabilities += sorted(set(wanted) - set(known))
            self.capabilities[name] = capabilities.mask(known)

    def _linux(self, document: dict[str, Any]) -> None:
        self.namespaces: dict[str, str] = {}
        for entry in get(document, "linux.namespaces", list, []):
            kind, path = get(entry, "type", str, where="linux.namespaces"), text(entry, "path", "")
            if kind not in NAMESPACES:
                raise wrong("linux.namespaces", f"unknown type {kind!r}")
            if kind in self.namespaces:
                raise wrong("linux.namespaces", f"{kind} is named twice")
            if path and not path.startswith("/"):
                raise wrong("linux.namespaces", f"the path {path!r} of {kind} is not absolute")
            self.namespaces[kind] = path
        self.own_mounts = self.namespaces.get("mount") == ""
        self.uid_mappings = mappings(document, "linux.uidMappings")
        self.gid_mappings = mappings(document, "linux.gidMappings")
        if self.namespaces.get("user") == "" and not (self.uid_mappings and self.gid_mappings):
            raise wrong("linux.uidMappings", "a new user namespace needs uidMappings and gidMappings")
        for name, entries in (("uid", self.uid_mappings), ("gid", self.gid_mappings)):
            if entries and "user" not in self.namespaces:
                raise wrong(f"linux.{name}Mappings", "there is no user namespace to map ids for")
        for name, kind in ((self.hostname, "hostname"), (self.domainname, "domainname")):
            if name and "uts" not in self.namespaces:
                raise ConfigError(f"{kind} is set without a uts namespace", step="config", obj=kind)
        self.devices = [_device(entry) for entry in get(document, "linux.devices", list, [])]
        self.cgroups_path = text(document, "linux.cgroupsPath", "")
        self.resources: dict[str, Any] = get(document, "linux.resources", dict, {})
        if self.resources:
            from . import resources

            resources.check(self.resources)
            if self.resources.get("devices"):
                from .devices import with_defaults

                self.resources = with_defaults(self.resources)
        self.seccomp: dict[str, Any] | None = get(document, "linux.seccomp", dict, None)
        self.seccomp_program = b""  # compiled by whoever forks the process that it is for
        self.activated = 0  # how many descriptors the program gets by socket activation; whoever creates it knows
        if self.seccomp is not None:
            from . import seccomp

            seccomp.validate(self.seccomp)
            seccomp.check_usable(self.seccomp, no_new_privileges=self.no_new_privileges)
        self.masked_paths = _absolute(document, "linux.maskedPaths")
        self.readonly_paths = _absolute(document, "linux.readonlyPaths")
        self.sysctl: dict[str, str] = {}  # path below /proc/sys → value
        if get(document, "linux.sysctl", dict, None):
            from . import sysctls

            self.sysctl = sysctls.parse(document, self.namespaces)
        self.rootfs_propagation = ""
        if get(document, "linux.rootfsPropagation", object, "") != "":
            self.rootfs_propagation = choice(document, "linux.rootfsPropagation", PROPAGATION)

    def _seldom(self, document: dict[str, Any]) -> None:
        """What few containers have."""

        def given(*paths: str) -> bool:
            return any(get(document, path, object, None) not in (None, "") for path in paths)

        self.scheduling: Scheduling | None = None
        if given("process.scheduler", "process.ioPriority"):
            from .scheduling import Scheduling

            self.scheduling = Scheduling(document)
        self.exec_affinity: Affinity | None = None
        if given("process.execCPUAffinity"):
            from .scheduling import Affinity

            self.exec_affinity = Affinity(document)
        self.memory_policy: MemoryPolicy | None = None
        if given("linux.memoryPolicy"):
            from .memory_policy import MemoryPolicy

            self.memory_policy = MemoryPolicy(document)
        self.personality: int | None = None
        if given("linux.personality"):
            self.personality = _PERSONALITIES[choice(document, "linux.personality.domain", _PERSONALITIES)]
            choices(document, "linux.personality.flags", ())  # the specification knows none yet
        self.clocks: Clocks | None = None
        if get(document, "linux.timeOffsets", dict, None):
            from .clocks import Clocks

            self.clocks = Clocks(document, self.namespaces)
        self.process_label: ProcessLabel | None = None
        self.mount_label = ""
        if given("process.apparmorProfile", "process.selinuxLabel", "linux.mountLabel"):
            from . import labels

            self.process_label = labels.process_label(document)
            self.mount_label = labels.mount_label(document)
        self.network_devices: dict[str, str] = {}
        if get(document, "linux.netDevices", dict, None):
            from .netdevices import parse

            self.network_devices = parse(document, self.namespaces)
        self.intel_rdt: ClassOfService | None = None
        if given("linux.intelRdt"):
            from .intel_rdt import ClassOfService

            self.intel_rdt = ClassOfService(document)


def _check_version(version: str) -> None:
    if version.split(".")[0] != "1":
        raise ConfigError(f"ociVersion: {version!r} is not 1.x", step="config", obj="ociVersion")


def _host_name(document: dict[str, Any], path: str) -> str:
    name = text(document, path, "")
    if len(os.fsencode(name)) > 64:  # __NEW_UTS_LEN, linux/utsname.h
        raise wrong(path, f"{name!r} is longer than 64 bytes")
    return name


def _absolute(document: dict[str, Any], path: str) -> list[str]:
    found = strings(document, path, [])
    for entry in found:
        if not entry.startswith("/"):
            raise wrong(path, f"{entry!r} is not absolute")
    return found


def _rlimit(entry: Any) -> tuple[int, int, int]:
    import resource

    name = get(entry, "type", str, where="process.rlimits")
    kind = getattr(resource, name, _RLIMITS.get(name)) if name.startswith("RLIMIT_") else None
    if kind is None:
        raise wrong("process.rlimits", f"unknown type {name!r}")
    soft, hard = (number(entry, key, -1, _UINT64, where="process.rlimits") for key in ("soft", "hard"))
    soft, hard = (-1 if value == _UINT64 else value for value in (soft, hard))
    if max(soft, hard) >= _INT64 or (hard >= 0 and not 0 <= soft <= hard):
        raise wrong("process.rlimits", f"{name}: soft {soft} > hard {hard}, or too large")
    return kind, soft, hard


def _mount(entry: Any, index: int, namespaces: dict[str, str], bundle: str) -> Mount:
    path = f"mounts[{index}]"
    destination = text(entry, "destination", where=path)
    options = MountOptions(strings(entry, "options", [], where=path))
    type_, source = text(entry, "type", "", where=path), text(entry, "source", "", where=path)
    if not destination:
        raise wrong(path, "destination is empty")
    if not destination.startswith("/"):
        destination = "/" + destination  # config.md: relative ones are read as if from "/"
    remount = options.flags & c.MS_REMOUNT
    if options.is_bind or type_ == "bind":
        options.flags |= c.MS_BIND
        if not source and not remount:
            raise wrong(path, f"a bind mount on {destination} without source")
        source = os.path.join(bundle, source) if source else ""
    elif not type_ and not remount:
        raise wrong(path, f"the mount on {destination} has no type")
    if options.tmpcopyup and (options.is_bind or type_ != "tmpfs"):
        raise wrong(f"{path}.options", f"tmpcopyup on {destination} fills a tmpfs, and nothing else")
    mount = Mount(destination, "bind" if options.is_bind else type_, source, options)
    uids, gids = (mappings(entry, f"{kind}Mappings", where=path) for kind in ("uid", "gid"))
    if bool(uids) != bool(gids):
        raise wrong(f"{path}.{'gid' if uids else 'uid'}Mappings", "uidMappings and gidMappings go together")
    if uids:
        mount.maps = (uids, gids)
        options.idmap = options.idmap or "idmap"
    if options.idmap and (not options.is_bind or remount):
        raise wrong(path, f"{options.idmap} on {destination}: only bind mounts can be id-mapped")
    if options.idmap and not uids and "user" not in namespaces:
        raise wrong(path, f"{options.idmap} on {destination} without uidMappings, gidMappings or a user namespace")
    return mount


def _device(entry: Any) -> dict[str, Any]:
    where = "linux.devices"
    path, kind = text(entry, "path", where=where), choice(entry, "type", _DEVICE_TYPES, where=where)
    if not path.startswith("/"):
        raise wrong(where, f"the path {path!r} is not absolute")
    numbers = () if kind == "p" else (number(entry, key, 0, _MINORS, where=where) for key in ("major", "minor"))
    return {
        "path": path,
        "type": kind,
        "rdev": os.makedev(*numbers) if kind != "p" else 0,
        "mode": number(entry, "fileMode", 0, _UINT32, 0o666, where=where) & 0o7777,
        "uid": check_id(get(entry, "uid", object, 0, where=where), f"{where}.uid"),
        "gid": check_id(get(entry, "gid", object, 0, where=where), f"{where}.gid"),
    }
