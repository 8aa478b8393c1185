# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module cgroup_info returns: one group or a tree of them, read and not touched."""

from __future__ import annotations

from ..kernel.errors import answer
from ..statedir import StateDir
from . import usage
from .api import normal_path
from .errors import CgroupError
from .hierarchy import HYBRID, LEGACY, UNIFIED, detect
from .members import Members
from .snapshot import Reader
from .spread import spread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from .hierarchy import Hierarchy
    from .snapshot import Snapshot

PARTS = ("limits", "usage", "pressure", "events", "processes")
"""What ``gather`` chooses from."""

_CONTROLLERS = (("cpu",), ("memory",), ("io", "blkio"), ("pids",))
_WITHOUT = {
    LEGACY: "cgroup v1 does not count pressure by group; a host booted with systemd.unified_cgroup_hierarchy=1 does",
    HYBRID: "counted on this host's cgroup v2 mount alone, so only for groups with all their processes there, too",
    UNIFIED: "the kernel of this host does not count it (CONFIG_PSI, and psi=1 on its command line)",
}


def run(module: Any) -> None:
    """Return what *module* (an AnsibleModule) asks for, and exit it."""
    answer(module, _asked(module.params), lambda: {"changed": False, **result(module.params)})


def _asked(options: Mapping[str, Any]) -> str:
    if options["pid"] is not None:
        return f"the group of process {options['pid']}"
    return str(options["name"] or options["unit"] or options["path"] or "/")


def result(options: Mapping[str, Any]) -> dict[str, Any]:
    """``exists``, ``path``, ``cgroups``, ``hierarchy`` and ``missing``. Raises CgroupError, OSError."""
    depth = options["depth"]
    if depth is not None and depth < 0:
        raise CgroupError(f"depth {depth} is no depth", step="depth", hint="Declare 0 or more")
    hierarchy = detect()
    path = _path(options, hierarchy)
    reader = Reader(hierarchy)
    parts = frozenset(options["gather"] or PARTS)
    exists = path == "/" or reader.snapshot(path).exists()
    tree = options["tree"] or depth is not None
    return {
        "path": path,
        "exists": exists,
        "cgroups": read(reader, path, parts, depth if tree else 0) if exists else [],
        "hierarchy": {
            "mode": hierarchy.mode,
            "v1": sorted(name for name in hierarchy.v1 if not name.startswith("name=")),
            "v2": sorted(hierarchy.v2_controllers),
        },
        "missing": missing(hierarchy, counts_pressure=reader.pressure),
    }


def _path(options: Mapping[str, Any], hierarchy: Hierarchy) -> str:
    """The path of the group that is meant. Raises CgroupError for a container, unit or process that is not there."""
    if options["path"] is not None or not (options["name"] or options["unit"] or options["pid"] is not None):
        path = str(options["path"] or "/")
        return normal_path(path) if path.strip("/") else "/"
    if options["pid"] is not None:
        from .target import path_of

        return path_of(options["pid"], hierarchy)
    from .target import find

    return find({**options, "state": "info"}, StateDir(options["root"])).path


def missing(hierarchy: Hierarchy, *, counts_pressure: bool) -> dict[str, str]:
    """What this host cannot tell, and why; by part or by controller."""
    found = {}
    for names in _CONTROLLERS:
        if not any(name in hierarchy.v1 or name in hierarchy.v2_controllers for name in names):
            found[names[0]] = f"the kernel of this host has no {names[0]} controller, or does not use it"
    if not counts_pressure or hierarchy.mode == HYBRID:
        mode = UNIFIED if hierarchy.mode == HYBRID and not counts_pressure else hierarchy.mode
        found["pressure"] = _WITHOUT[mode]
    return found


def read(reader: Reader, path: str, parts: Collection[str], depth: int | None) -> list[dict[str, Any]]:
    """The group *path* and those below it to *depth* levels (None: all), in the order of a tree."""
    members = None
    if "processes" in parts or ("pressure" in parts and reader.pressure):
        members = Members(reader)

    def some(paths: list[str]) -> list[tuple[dict[str, Any], list[str]]]:
        found = []
        for one in paths:
            with reader.snapshot(one) as group:
                found.append((describe(group, parts, members), [] if left == 0 else group.below()))
        return found

    left = depth
    entries = []
    level = [path]
    while level:
        found = spread(some, level)
        entries += [entry for entry, _below in found]
        left = None if left is None else left - 1
        level = [one for _entry, below in found for one in below]
    return sorted(entries, key=_order)


def _order(entry: dict[str, Any]) -> list[str]:
    return str(entry["path"]).split("/")


def describe(group: Snapshot, parts: Collection[str], members: Members | None) -> dict[str, Any]:
    """One group: ``path`` and those of its *parts* that the kernel tells."""
    entry: dict[str, Any] = {"path": group.path or "/"}
    if "limits" in parts:
        entry["limits"] = group.limits()
    if "usage" in parts:
        entry["usage"] = used(group)
    if "pressure" in parts:
        counted = members is not None and members.counted(group.path)
        entry["pressure"] = group.pressure() if counted else {}
    if "events" in parts:
        entry["events"] = group.events()
    if "processes" in parts and members is not None:
        entry["processes"] = members.of(group)
    return entry


def used(group: Snapshot) -> dict[str, Any]:
    """What *group* uses and has used; see the module's documentation for names and units."""
    found = usage.collect(usage.USAGE, group.text)
    if "cpuacct" in group.hierarchy.v1 and {"cpu_usec", "cpu_user_usec"} <= found.keys():
        counted = (found["cpu_user_usec"], found["cpu_system_usec"])
        found["cpu_user_usec"], found["cpu_system_usec"] = usage.shared_out(found["cpu_usec"], *counted)
    stat = group.text("memory", "memory.stat")
    if stat:
        parse = usage.MEMORY_V1 if "memory" in group.hierarchy.v1 else usage.MEMORY_V2
        found.update(parse(stat))
    devices = group.io()
    if devices is not None:
        found["io"] = devices
        found.update(usage.total_io(devices))
    sizes = group.huge_pages()
    if sizes:
        found["hugetlb"] = sizes
    return found
