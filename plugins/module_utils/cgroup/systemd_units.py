# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's names for cgroups, and cgroup files as unit properties: pure.

Sources: systemd.unit(5), systemd.slice(5), systemd.resource-control(5), org.freedesktop.systemd1(5); the form
``slice:prefix:name`` of linux.cgroupsPath is the one that runc gave it (its docs/systemd.md).
"""

from __future__ import annotations

from . import units
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Property = tuple[str, str, Any]
    """(name, D-Bus signature, value) as StartTransientUnit and SetUnitProperties take it"""

DEFAULT_SLICE = "system.slice"
ROOT_SLICE = "-.slice"
PREFIX = "aoci"
INFINITY = (1 << 64) - 1
"""What stands for "no limit" in every property."""

_SLICE = ".slice"
_SCOPE = ".scope"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\")
_LONGEST = 255  # UNIT_NAME_MAX with its final NUL is 256


def place(cgroups_path: str, container_id: str) -> tuple[str, str]:
    """(cgroup from the root of the hierarchies, unit) for ``linux.cgroupsPath``, ``""`` for the default.

    ``slice:prefix:name`` is the scope ``prefix-name.scope`` in *slice* (``""``: system.slice), a name that ends in
    ``.slice`` that slice itself. Raises CgroupError for another form and for what cannot be a unit.
    """
    if not cgroups_path:
        return _scope(DEFAULT_SLICE, f"{PREFIX}-{container_id}{_SCOPE}")
    parts = cgroups_path.split(":")
    if len(parts) != 3:
        raise CgroupError(
            f"linux.cgroupsPath {cgroups_path!r} does not have the form slice:prefix:name",
            step="path",
            obj="linux.cgroupsPath",
            hint=f"Write it as in {DEFAULT_SLICE}:{PREFIX}:{container_id}, or leave out --systemd-cgroup",
        )
    above, prefix, name = parts
    if not name.endswith(_SLICE):
        return _scope(above or DEFAULT_SLICE, f"{prefix}-{name}{_SCOPE}")
    path = expand_slice(name)
    if above and expand_slice(above).rstrip("/") != path.rpartition("/")[0]:
        raise CgroupError(
            f"linux.cgroupsPath {cgroups_path!r}: {name} does not lie in {above}, systemd puts it at {path}",
            step="path",
            obj="linux.cgroupsPath",
            hint="The name of a slice tells where it lies: name the slice above it, or leave that out",
        )
    return path, name


def _scope(above: str, unit: str) -> tuple[str, str]:
    check_name(unit)
    return f"{expand_slice(above).rstrip('/')}/{unit}", unit


def check_name(unit: str) -> None:
    """Raise CgroupError unless *unit* may be a unit's name (systemd.unit(5))."""
    if not _NAME.issuperset(unit) or len(unit) > _LONGEST:
        raise CgroupError(
            f"{unit!r} cannot be the name of a systemd unit",
            step="path",
            obj="linux.cgroupsPath",
            hint=f"Use at most {_LONGEST} letters, digits and : - _ . \\ in linux.cgroupsPath or the container's id",
        )


def expand_slice(name: str) -> str:
    """Where slice ``a-b-c.slice`` lies: ``/a.slice/a-b.slice/a-b-c.slice``; ``-.slice`` is ``/`` (systemd.slice(5))."""
    check_name(name)
    if name == ROOT_SLICE:
        return "/"
    words = name[: -len(_SLICE)].split("-")
    if not name.endswith(_SLICE) or not all(words):
        raise CgroupError(
            f"{name!r} is not the name of a slice",
            step="path",
            obj="linux.cgroupsPath",
            hint="Write it as in machine.slice, or a-b.slice for a slice b in the slice a",
        )
    return "".join(f"/{'-'.join(words[: depth + 1])}{_SLICE}" for depth in range(len(words)))


def slice_of(path: str) -> str:
    """The slice that the unit at cgroup *path* lies in."""
    return path.split("/")[-2] or ROOT_SLICE


def unit_properties(unit: str, path: str, pid: int, *, unified: bool) -> list[Property]:
    """What the new *unit* at cgroup *path* starts with: a scope with process *pid* in it, a slice without any.

    Accounting is on from the beginning: a controller that joins later counts from then on only.
    """
    io = "IOAccounting" if unified else "BlockIOAccounting"
    found: list[Property] = [("Description", "s", f"OCI container {unit.rpartition('.')[0]}")]
    if is_slice(unit):
        found.append(("Wants", "as", [slice_of(path)]))
    else:
        found += [("Slice", "s", slice_of(path)), ("Delegate", "b", True), ("PIDs", "au", [pid])]
    found += [(name, "b", True) for name in ("CPUAccounting", "MemoryAccounting", "TasksAccounting", io)]
    found.append(("DefaultDependencies", "b", False))
    return found


def is_slice(unit: str) -> bool:
    return unit.endswith(_SLICE)


# Control file → its property, and the first systemd that knows it (0: all that run on our kernels).
_LIMITS = {
    "memory.max": ("MemoryMax", 0),
    "memory.high": ("MemoryHigh", 0),
    "memory.low": ("MemoryLow", 0),
    "memory.min": ("MemoryMin", 240),
    "memory.swap.max": ("MemorySwapMax", 0),
    "memory.limit_in_bytes": ("MemoryLimit", 0),
    "pids.max": ("TasksMax", 0),
    "cpu.shares": ("CPUShares", 0),
    "blkio.weight": ("BlockIOWeight", 0),
}
_SETS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}
_SETS_SINCE, _PERIOD_SINCE, _IDLE_SINCE = 244, 242, 252
_QUOTA_STEP = 10000  # systemd keeps hundredths of a CPU: microseconds per second
_V1_UNLIMITED = (1 << 63) - (1 << 20)  # memory.limit_in_bytes without a limit: LONG_MAX in whole pages


def limit_properties(files: Iterable[str], content: Callable[[str], str | None], version: int) -> list[Property]:
    """What systemd must be told of the limits in *files*, the control files that were written.

    ``content(file)`` is what a file holds now. Else systemd would put its own defaults back when it next looks at the
    unit. What has no property, or none in this *version*, is the kernel's alone. Raises CgroupError.
    """
    found: dict[str, Property] = {}
    for file in files:
        for name, signature, value, since in _of_file(file, content):
            if version >= since:
                found[name] = (name, signature, value)
    return list(found.values())


def _of_file(file: str, content: Callable[[str], str | None]) -> list[tuple[str, str, Any, int]]:
    if file in ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"):
        pair = (
            content("cpu.max") if file == "cpu.max" else f"{content('cpu.cfs_quota_us')} {content('cpu.cfs_period_us')}"
        )
        return _quota(pair or "max")
    text = (content("cpu.weight" if file == "cpu.idle" else file) or "").strip()
    if file in _SETS:
        return [(_SETS[file], "ay", bitmap(units.parse_cpu_list(text, file)), _SETS_SINCE)]
    if not text:
        return []
    if file in ("cpu.weight", "cpu.idle"):  # the kernel shows an idle group's weight as 0, and so does systemd
        return [("CPUWeight", "t", int(text), 0 if int(text) else _IDLE_SINCE)]
    if file == "io.weight":
        default = dict(line.split(" ", 1) for line in text.splitlines()).get("default")
        return [("IOWeight", "t", int(default), 0)] if default else []
    if file not in _LIMITS:
        return []
    name, since = _LIMITS[file]
    unlimited = text in ("max", "-1") or (name == "MemoryLimit" and int(text) >= _V1_UNLIMITED)
    return [(name, "t", INFINITY if unlimited else int(text), since)]


def _quota(pair: str) -> list[tuple[str, str, Any, int]]:
    """``"50000 100000"`` as CPU time per second, rounded up to whole percents so that children get what they ask."""
    quota, period = (pair.split() + [str(units.DEFAULT_PERIOD)])[:2]
    per_second = INFINITY
    if quota not in ("max", "-1"):
        per_second = -(-int(quota) * 1000000 // int(period))
        per_second = -(-per_second // _QUOTA_STEP) * _QUOTA_STEP
    return [("CPUQuotaPerSecUSec", "t", per_second, 0), ("CPUQuotaPeriodUSec", "t", int(period), _PERIOD_SINCE)]


def bitmap(numbers: Iterable[int]) -> bytes:
    """{0, 9} as b"\\x01\\x02": bit n of the little-endian whole is number n."""
    whole = sum(1 << number for number in numbers)
    return whole.to_bytes((whole.bit_length() + 7) // 8, "little")


def device_properties(
    default: bool, exceptions: Iterable[str], drivers: Mapping[tuple[str, str], str]
) -> list[Property]:
    """The device rules (devices.device_list) for systemd, which under v1 writes devices.* itself.

    *drivers* is (kind, major) → name of /proc/devices. What systemd cannot say (an exception from "all", one minor
    of all majors) is the kernel's alone.
    """
    if default:
        return [("DevicePolicy", "s", "auto"), ("DeviceAllow", "a(ss)", [])]
    allowed = []
    for line in exceptions:
        kind, numbers, access = line.split(" ")
        word = {"b": "block", "c": "char"}[kind]
        major, minor = numbers.split(":")
        if minor != "*" and major != "*":
            allowed.append((f"/dev/{word}/{major}:{minor}", access))
        elif major == "*" and minor == "*":
            allowed.append((f"{word}-*", access))
        elif (kind, major) in drivers and minor == "*":
            allowed.append((f"{word}-{drivers[kind, major]}", access))
    return [("DevicePolicy", "s", "strict"), ("DeviceAllow", "a(ss)", []), ("DeviceAllow", "a(ss)", allowed)]


def parse_drivers(text: str) -> dict[tuple[str, str], str]:
    """/proc/devices as (``"b"`` or ``"c"``, major) → name."""
    found: dict[tuple[str, str], str] = {}
    kind = ""
    for line in text.splitlines():
        if line.endswith("devices:"):
            kind = "b" if line.startswith("Block") else "c"
        elif line.strip():
            major, name = line.split(maxsplit=1)
            found[kind, major] = name
    return found
