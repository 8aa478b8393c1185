# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose limits are meant: a container's, those of a path, of a unit of systemd, of the group that a process is in.

systemd's rules (its CGROUP_DELEGATION.md): it alone writes to the groups of its units and makes groups below them,
except below a unit with Delegate=. So a path that is a unit's group means the unit; no group is made inside of a unit
that is not delegated; and elsewhere, where systemd has nothing, a path is ours.
"""

from __future__ import annotations

import json
import os

from .api import normal_path, open_cgroup
from .errors import CgroupError
from .hierarchy import UNIFIED, detect, membership
from .systemd import BOOTED
from .systemd_units import expand_slice, is_slice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..statedir import StateDir
    from .api import Cgroup
    from .hierarchy import Hierarchy
    from .systemd_bus import Bus
    from .unit_limits import UnitLimits

_KINDS = ("service", "scope", "slice", "socket", "mount", "swap")
"""The units that have a cgroup (systemd.resource-control(5))."""


def find(options: Mapping[str, Any], state: StateDir) -> Cgroup:
    """The group that *options* name, by ``name``, ``path``, ``unit`` or ``pid``; a UnitLimits for a unit's.

    Raises CgroupError where there is no such thing, and for a path that is systemd's to make.
    """
    hierarchy = detect()
    if options["name"]:
        return open_cgroup(container_path(state, options["name"]), owner="container", hierarchy=hierarchy)
    if options["unit"]:
        return _unit(unit_name(options["unit"]), hierarchy)
    if options["pid"]:
        return at_path(path_of(options["pid"], hierarchy), hierarchy, making=False)
    return at_path(normal_path(options["path"]), hierarchy, making=options["state"] == "present")


def container_path(state: StateDir, name: str) -> str:
    """The cgroup of container *name*, from its bundle. Raises CgroupError when there is no such container."""
    config = os.path.join(state.containers, name, "bundle", "config.json")
    try:
        with open(config, encoding="utf-8") as file:
            path = json.load(file)["linux"]["cgroupsPath"]
    except (FileNotFoundError, NotADirectoryError):
        raise CgroupError(
            f"there is no container {name!r} in {state.root}",
            step="name",
            hint="aoci containers lists them; for a cgroup that is not a container's use path",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise CgroupError(f"{config} does not tell the container's cgroup: {error!r}", step="name") from error
    return str(path)


def unit_name(text: str) -> str:
    """``nginx`` as ``nginx.service``, as systemctl has it. Raises CgroupError for a unit without a cgroup."""
    kind = text.rpartition(".")[2] if "." in text else ""
    if kind in _KINDS:
        return text
    if kind in ("timer", "target", "path", "device", "automount"):
        raise CgroupError(
            f"{text} has no cgroup: a {kind} runs no processes", step="unit", hint="Name the service that it starts"
        )
    return text + ".service"


def path_of(pid: int, hierarchy: Hierarchy) -> str:
    """The group that process *pid* is in. Raises CgroupError for the root, and where hierarchies (v1) disagree."""
    try:
        where = membership(pid)
    except ProcessLookupError:
        raise CgroupError(f"there is no process {pid}", step="pid", hint="It may have ended") from None
    booted = os.path.isdir(BOOTED)
    if hierarchy.mode == UNIFIED:
        found = {where.get("", "/")}
    elif booted:  # where systemd keeps account of its units, whatever controllers they have
        found = {where.get("name=systemd") or where.get("", "/")}
    else:
        found = {where[controller] for controller in hierarchy.v1 if controller in where} - {"/"}
    if len(found) > 1:
        raise CgroupError(
            f"process {pid} is in different groups of different controllers: {', '.join(sorted(found))}",
            step="pid",
            hint="Name the group with path",
        )
    if found <= {"/"}:
        raise CgroupError(
            f"process {pid} is in the root group, which has no limits",
            step="pid",
            hint="Name a group with path, and move the process into it with processes",
        )
    return normal_path(found.pop())


def at_path(path: str, hierarchy: Hierarchy, *, making: bool) -> Cgroup:
    """The group at *path*; with *making* one that may have to be made there. Raises CgroupError, see the module."""
    plain = open_cgroup(path, hierarchy=hierarchy)
    if not os.path.isdir(BOOTED):
        return plain
    from .systemd_bus import Bus

    bus = Bus()
    owner = bus.owner(path)
    if owner is not None and _group_of(bus, *owner) == path:
        return _limits(bus, *owner, path, hierarchy)
    if owner is not None and bus.property(owner[1], _kind(owner[0]), "Delegate"):
        return plain
    unit = path.rpartition("/")[2].lstrip("_")  # systemd puts a _ before names that the kernel would take for files
    if unit.rpartition(".")[2] in _KINDS and "." in unit:
        found = bus.load(unit)
        if _loaded(bus, found) and _place(bus, unit, found) == path:
            return _limits(bus, bus.property(found, "Unit", "Id"), found, path, hierarchy)
        if making and not plain.exists():
            raise CgroupError(
                f"there is no unit {unit} of systemd at {path}",
                step="path",
                obj=path,
                hint=f"systemctl status {unit} shows where it is, if anywhere; other groups need other names",
            )
    if owner is not None and making and not plain.exists():
        raise CgroupError(
            f"{path} lies in {owner[0]}, where systemd alone makes groups",
            step="path",
            obj=path,
            hint="Choose a path outside of systemd's units, such as /batch/reports, or a slice with unit, such as "
            f"batch-reports.slice; or set Delegate=yes for {owner[0]}",
        )
    return plain


def inside_unit(path: str) -> str:
    """The unit of systemd that the group *path* lies in and goes with; ``""`` for none."""
    if not os.path.isdir(BOOTED):
        return ""
    from .systemd_bus import Bus

    with Bus() as bus:
        owner = bus.owner(path)
    return owner[0] if owner else ""


def _unit(unit: str, hierarchy: Hierarchy) -> UnitLimits:
    if not os.path.isdir(BOOTED):
        raise CgroupError(
            f"systemd is not process 1 of this machine, so there is no unit {unit}",
            step="unit",
            hint="Name a group with path",
        )
    from .systemd_bus import Bus

    bus = Bus()
    found = bus.load(unit)
    if not _loaded(bus, found):
        state = bus.property(found, "Unit", "LoadState")
        raise CgroupError(
            f"systemd has no unit {unit} ({state})", step="unit", obj=unit, hint="systemctl list-units --all lists them"
        )
    name = bus.property(found, "Unit", "Id")
    place = _group_of(bus, name, found) or _place(bus, name, found)
    if place == "/":
        raise CgroupError(f"{unit} is the root group, which has no limits", step="unit", hint="Name another unit")
    return _limits(bus, name, found, place, hierarchy)


def _limits(bus: Bus, unit: str, found: bytes, path: str, hierarchy: Hierarchy) -> UnitLimits:
    from .unit_limits import UnitLimits

    return UnitLimits(unit, found, path, hierarchy, bus)


def _kind(unit: str) -> str:
    from .unit_limits import kind_of

    return kind_of(unit)


def _loaded(bus: Bus, found: bytes) -> bool:
    return bool(bus.property(found, "Unit", "LoadState") == "loaded")


def _group_of(bus: Bus, unit: str, found: bytes) -> str:
    """The cgroup of the unit, ``""`` while it does not run."""
    return str(bus.property(found, _kind(unit), "ControlGroup"))


def _place(bus: Bus, unit: str, found: bytes) -> str:
    """The cgroup that the unit has or will have."""
    if is_slice(unit):
        return expand_slice(unit)
    above = bus.property(found, _kind(unit), "Slice") or "system.slice"
    name = "_" + unit if unit.startswith(("_", ".")) else unit
    return f"{expand_slice(above).rstrip('/')}/{name}"
