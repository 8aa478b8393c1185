# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a container's options to the runtime spec's ``linux.resources`` (config-linux.md, "Control groups")."""

from __future__ import annotations

from ..cgroup.units import DEFAULT_PERIOD, cpus_to_quota

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

UNLIMITED = -1

# What lifts a limit that is no longer declared, in the runtime spec's own terms. Options that are missing here
# have no such value (a cpuset's is its parent's, which may change): to take those away means a new container.
_LIFTED: dict[str, dict[str, dict[str, int]]] = {
    "memory": {"memory": {"limit": UNLIMITED}},
    "memory_reservation": {"memory": {"reservation": UNLIMITED}},
    "memory_swap": {"memory": {"swap": UNLIMITED}},
    "cpus": {"cpu": {"quota": UNLIMITED, "period": DEFAULT_PERIOD}},
    "cpu_quota": {"cpu": {"quota": UNLIMITED}},
    "cpu_period": {"cpu": {"period": DEFAULT_PERIOD}},
    "cpu_shares": {"cpu": {"shares": 1024}},
    "pids_limit": {"pids": {"limit": UNLIMITED}},
}

# The option that a change of one of a cgroup's files belongs to: a drift is reported by the option's name.
_FILES = {
    "memory.limit_in_bytes": "memory",
    "memory.max": "memory",
    "memory.memsw.limit_in_bytes": "memory_swap",
    "memory.swap.max": "memory_swap",
    "memory.soft_limit_in_bytes": "memory_reservation",
    "memory.low": "memory_reservation",
    "memory.swappiness": "memory_swappiness",
    "cpu.cfs_quota_us": "cpus",
    "cpu.cfs_period_us": "cpu_period",
    "cpu.max": "cpus",
    "cpu.shares": "cpu_shares",
    "cpu.weight": "cpu_shares",
    "cpuset.cpus": "cpuset_cpus",
    "cpuset.mems": "cpuset_mems",
    "pids.max": "pids_limit",
    "blkio.weight": "blkio_weight",
    "blkio.bfq.weight": "blkio_weight",
    "io.weight": "blkio_weight",
    "io.bfq.weight": "blkio_weight",
}


def resources(options: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that canonical *options* declare; nothing for an option left out."""
    memory = {
        "limit": options.get("memory"),
        "reservation": options.get("memory_reservation"),
        "swap": options.get("memory_swap"),
        "swappiness": options.get("memory_swappiness"),
    }
    cpu = {
        "shares": options.get("cpu_shares"),
        "quota": options.get("cpu_quota"),
        "period": options.get("cpu_period"),
        "cpus": options.get("cpuset_cpus"),
        "mems": options.get("cpuset_mems"),
    }
    if "cpus" in options:
        cpu["quota"], cpu["period"] = cpus_to_quota(options["cpus"]), DEFAULT_PERIOD
    groups = {
        "memory": memory,
        "cpu": cpu,
        "pids": {"limit": options.get("pids_limit")},
        "blockIO": {"weight": options.get("blkio_weight")},
    }
    result = {}
    for group, limits in groups.items():
        declared = {name: value for name, value in limits.items() if value is not None}
        if declared:
            result[group] = declared
    return result


def can_lift(name: str) -> bool:
    """Whether the limit *name* can be taken away from a running container."""
    return name in _LIFTED


def updated(desired: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """As :func:`resources` of *desired*, plus what lifts the limits that only *recorded* has."""
    result = resources(desired)
    for name, groups in _LIFTED.items():
        if name in recorded and name not in desired:
            for group, limits in groups.items():
                for limit, value in limits.items():
                    result.setdefault(group, {}).setdefault(limit, value)
    return result


def option_of(file: str) -> str:
    """The option behind a cgroup's *file*; the file's own name where no option is."""
    return _FILES.get(file, file)
