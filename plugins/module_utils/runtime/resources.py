# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of ``linux.resources`` (runtime-spec config-linux.md, "Control groups"): types and what is required.

What the values may be is the cgroup layer's to know; it counts on their types.
"""

from __future__ import annotations

from ..cgroup.errors import CgroupError
from .fields import choice, get, number, text, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_WHERE = "linux.resources"
_LOW, _HIGH = -(1 << 63), (1 << 64) - 1
_NUMBERS = {
    "memory": ("limit", "reservation", "swap", "kernel", "kernelTCP"),
    "cpu": ("shares", "quota", "burst", "period", "realtimeRuntime", "realtimePeriod", "idle"),
    "pids": ("limit",),
    "blockIO": ("weight", "leafWeight"),
    "network": ("classID",),
}
_FLAGS = {"memory": ("disableOOMKiller", "useHierarchy", "checkBeforeUpdate")}
_TEXTS = {"cpu": ("cpus", "mems")}
_SECTIONS = {
    "blkio": "blockIO",
    "cpu": "cpu",
    "cpuset": "cpu",
    "devices": "devices",
    "hugetlb": "hugepageLimits",
    "io": "blockIO",
    "memory": "memory",
    "net_cls": "network",
    "net_prio": "network",
    "pids": "pids",
    "rdma": "rdma",
    "unified": "unified",
}
_THROTTLES = tuple(f"throttle{way}{what}Device" for way in ("Read", "Write") for what in ("Bps", "IOPS"))


def check(resources: Any) -> None:
    """Raise ConfigError, naming the property, unless *resources* have the specification's shape."""
    if not isinstance(resources, dict):
        raise wrong(_WHERE, f"expected an object, found {resources!r}")
    for section, keys in _NUMBERS.items():
        where = f"{_WHERE}.{section}"
        found = get(resources, section, dict, {}, where=_WHERE)
        for key in keys:
            number(found, key, _LOW, _HIGH, 0, where=where)
        for key in _FLAGS.get(section, ()):
            get(found, key, bool, False, where=where)
        for key in _TEXTS.get(section, ()):
            text(found, key, "", where=where)
    memory = resources.get("memory") or {}
    number(memory, "swappiness", 0, 100, 0, where=f"{_WHERE}.memory")
    for entry, where in _entries(resources, "hugepageLimits"):
        text(entry, "pageSize", where=where)
        number(entry, "limit", 0, _HIGH, where=where)
    for entry, where in _entries(resources, "devices"):
        _device_rule(entry, where)
    for entry, where in _entries(resources.get("network") or {}, "priorities", f"{_WHERE}.network"):
        text(entry, "name", where=where)
        number(entry, "priority", 0, (1 << 32) - 1, where=where)
    _block_io(resources.get("blockIO") or {})
    for device, entry in get(resources, "rdma", dict, {}, where=_WHERE).items():
        where = f"{_WHERE}.rdma.{device}"
        if not isinstance(entry, dict) or not ("hcaHandles" in entry or "hcaObjects" in entry):
            raise wrong(where, "expected hcaHandles, hcaObjects or both")
        for key in ("hcaHandles", "hcaObjects"):
            number(entry, key, 0, (1 << 32) - 1, 0, where=where)
    for file, value in get(resources, "unified", dict, {}, where=_WHERE).items():
        if not isinstance(value, str):
            raise wrong(f"{_WHERE}.unified", f"{file}: {value!r} is not text")


def _entries(found: dict[str, Any], key: str, where: str = _WHERE) -> list[tuple[Any, str]]:
    entries = get(found, key, list, [], where=where)
    return [(entry, f"{where}.{key}[{index}]") for index, entry in enumerate(entries)]


def _device_rule(rule: Any, where: str) -> None:
    get(rule, "allow", bool, where=where)
    if get(rule, "type", str, "", where=where):
        choice(rule, "type", ("a", "b", "c"), where=where)
    for key in ("major", "minor"):
        number(rule, key, -1, (1 << 32) - 1, -1, where=where)
    access = text(rule, "access", "", where=where)
    if set(access) - set("rwm"):
        raise wrong(f"{where}.access", f"{access!r} is not made of r, w and m")


def _block_io(block: dict[str, Any]) -> None:
    where = f"{_WHERE}.blockIO"
    for key in ("weightDevice", *_THROTTLES):
        for entry, place in _entries(block, key, where):
            for part in ("major", "minor"):
                number(entry, part, 0, (1 << 32) - 1, where=place)
            if key == "weightDevice":
                for part in ("weight", "leafWeight"):
                    number(entry, part, 0, 1000, 0, where=place)
            else:
                number(entry, "rate", 0, _HIGH, where=place)


def naming_property(error: CgroupError, resources: Mapping[str, Any]) -> CgroupError:
    """*error* with the property of *resources* in front that it is about: the cgroup layer knows options and files."""
    file = error.obj.rpartition("/")[2]
    place = "memory.kernel" if file == "memory.kernel" else _property(file, resources) or _SECTIONS.get(error.step, "")
    if not place:
        return error
    full = f"{_WHERE}.{place}"
    return CgroupError(f"{full}: {error.message}", step=error.step, obj=full, errno=error.errno, hint=error.hint)


def _property(file: str, resources: Mapping[str, Any]) -> str:
    """Which of the declared properties the control *file* is of; "" where that cannot be told; pure."""
    from ..cgroup.resources import V1, V2

    if file in (resources.get("unified") or {}):
        return f"unified.{file}"
    for row in (*V1, *V2):
        if row.file == file and row.key in (resources.get(row.section) or {}):
            return f"{row.section}.{row.key}"
    return ""
