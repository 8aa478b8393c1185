# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that make no sense anywhere, or not on this machine; told before anything is touched."""

from __future__ import annotations

from collections import namedtuple

from . import units
from .control import read_if_there
from .errors import CgroupError
from .limits import BY_OPTION, LIMITS, check_bounds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

Machine = namedtuple("Machine", "cpus mems")
Machine.__doc__ = """Which CPUs and memory nodes are online, as sets of numbers."""

MIN_MEMORY = 6 << 20
"""Below this not even the first process of a container starts; container engines draw the same line."""


def this_machine() -> Machine:
    """The machine we run on (Documentation/ABI/stable/sysfs-devices-node, sysfs-devices-system-cpu)."""
    cpus = read_if_there("/sys/devices/system/cpu/online") or "0"
    mems = read_if_there("/sys/devices/system/node/online") or "0"  # absent: a kernel without NUMA has node 0
    return Machine(units.parse_cpu_list(cpus), units.parse_cpu_list(mems))


def validate(resources: Mapping[str, Any], machine: Machine | None = None) -> None:
    """Raise CgroupError for OCI ``linux.resources`` that contradict themselves, the kernel's bounds or *machine*.

    *machine* is looked at only where a CPU or memory node is named; by default it is this one.
    """
    _memory(resources.get("memory") or {})
    cpu = resources.get("cpu") or {}
    _cpu(cpu)
    if machine is None and any(cpu.get(key) for key in ("cpus", "mems", "quota")):
        machine = this_machine()
    if machine is not None:
        _machine(cpu, machine)
    for limit in LIMITS:
        # As in the runtime spec 0 is not declared, unless it is a value; -1 is no limit.
        value = (resources.get(limit.section) or {}).get(limit.key) if limit.key else None
        if isinstance(value, int) and (value or limit.low == 0):
            check_bounds(limit, value)
    weights = BY_OPTION["blkio_weight"]
    for entry in (resources.get("blockIO") or {}).get("weightDevice") or ():
        if entry.get("weight"):
            check_bounds(weights, entry["weight"])


def _memory(memory: Mapping[str, Any]) -> None:
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    reservation = memory.get("reservation") or 0
    shown = units.format_bytes(limit)
    if 0 < limit < MIN_MEMORY:
        raise _error("memory", f"memory {shown} is below the smallest that works", "Declare at least 6m")
    for name, value in (("memory", limit), ("memory_swap", swap), ("memory_reservation", reservation)):
        if value < -1:
            raise _error("memory", f"{name} {value} is negative", "Declare a size, or -1 (max) for no limit")
    units.swap_to_v2(limit, swap)
    if 0 < limit < reservation:
        raise _error(
            "memory",
            f"memory_reservation {units.format_bytes(reservation)} is above memory {shown}",
            "Declare a memory_reservation up to memory",
        )


def _cpu(cpu: Mapping[str, Any]) -> None:
    quota = cpu.get("quota") or 0
    if 0 < quota < units.MIN_QUOTA or quota < -1:
        raise _error("cpu", f"cpu_quota {quota} is below what the kernel takes", f"Declare at least {units.MIN_QUOTA}")
    burst = cpu.get("burst") or 0
    if quota > 0 and burst > quota:
        raise _error("cpu", f"cpu_burst {burst} is above cpu_quota {quota}", "Declare a burst up to the quota")


def _machine(cpu: Mapping[str, Any], machine: Machine) -> None:
    quota, period = cpu.get("quota") or 0, cpu.get("period") or units.DEFAULT_PERIOD
    if quota > period * len(machine.cpus):
        cpus = f"{units.quota_to_cpus(quota, period):g}"
        raise _error(
            "cpu",
            f"cpus {cpus} is more than this machine has",
            f"Declare up to {len(machine.cpus)}, or max for no limit",
        )
    for name, key, online in (("cpuset_cpus", "cpus", machine.cpus), ("cpuset_mems", "mems", machine.mems)):
        absent = units.parse_cpu_list(cpu.get(key) or "", name) - online
        if absent:
            raise _error(
                "cpuset",
                f"{name} {cpu[key]}: {units.format_cpu_list(absent)} is not online on this machine",
                f"Online here: {units.format_cpu_list(online)}",
            )


def _error(step: str, message: str, hint: str) -> CgroupError:
    return CgroupError(message, step=step, hint=hint)
