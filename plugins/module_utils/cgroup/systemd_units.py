# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's names for cgroups, and what a new unit starts with: pure.

Sources: systemd.unit(5), systemd.slice(5), systemd.resource-control(5), org.freedesktop.systemd1(5); the form
``slice:prefix:name`` of linux.cgroupsPath is the one that runc gave it (its docs/systemd.md).
"""

from __future__ import annotations

from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Property = tuple[str, str, Any]
    """(name, D-Bus signature, value) as StartTransientUnit and SetUnitProperties take it"""

DEFAULT_SLICE = "system.slice"
ROOT_SLICE = "-.slice"
PREFIX = "aoci"

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
