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
    "oom_killer": {"memory": {"disableOOMKiller": False}},
}

# Limits of single devices: their place in blockIO, and whether a rate of 0 takes one away.
_DEVICES = {
    "blkio_weight_device": ("weightDevice", "weight", False),
    "device_read_bps": ("throttleReadBpsDevice", "rate", True),
    "device_write_bps": ("throttleWriteBpsDevice", "rate", True),
    "device_read_iops": ("throttleReadIOPSDevice", "rate", True),
    "device_write_iops": ("throttleWriteIOPSDevice", "rate", True),
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
    "blkio.weight_device": "blkio_weight_device",
    "blkio.bfq.weight_device": "blkio_weight_device",
    "blkio.throttle.read_bps_device": "device_read_bps",
    "blkio.throttle.write_bps_device": "device_write_bps",
    "blkio.throttle.read_iops_device": "device_read_iops",
    "blkio.throttle.write_iops_device": "device_write_iops",
    "memory.oom_control": "oom_killer",
    "cpu.rt_period_us": "cpu_rt_period",
    "cpu.rt_runtime_us": "cpu_rt_runtime",
}
# io.max of cgroup v2 has all rates of a device in one line.
_RATES = "io.max"


def resources(options: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that canonical *options* declare; nothing for an option left out.

    Looks at the nodes of the devices that have limits of their own, if any. Raises CgroupError.
    """
    memory = {
        "limit": options.get("memory"),
        "reservation": options.get("memory_reservation"),
        "swap": options.get("memory_swap"),
        "swappiness": options.get("memory_swappiness"),
        "disableOOMKiller": options.get("oom_killer"),
    }
    cpu = {
        "shares": options.get("cpu_shares"),
        "quota": options.get("cpu_quota"),
        "period": options.get("cpu_period"),
        "cpus": options.get("cpuset_cpus"),
        "mems": options.get("cpuset_mems"),
        "realtimePeriod": options.get("cpu_rt_period"),
        "realtimeRuntime": options.get("cpu_rt_runtime"),
    }
    if "cpus" in options:
        cpu["quota"], cpu["period"] = cpus_to_quota(options["cpus"]), DEFAULT_PERIOD
    groups = {
        "memory": memory,
        "cpu": cpu,
        "pids": {"limit": options.get("pids_limit")},
        "blockIO": {"weight": options.get("blkio_weight"), **_of_devices(options)},
        "unified": options.get("cgroup_conf", {}),
    }
    result = {}
    for group, limits in groups.items():
        declared = {name: value for name, value in limits.items() if value is not None}
        if declared:
            result[group] = declared
    return result


def _of_devices(options: Mapping[str, Any]) -> dict[str, list[dict[str, int]]]:
    found: dict[str, list[dict[str, int]]] = {}
    for name, (key, field, _lifted) in _DEVICES.items():
        for entry in options.get(name, ()):
            from ..cgroup.spelling import device_number

            major, minor = device_number(entry["path"], name)
            found.setdefault(key, []).append({"major": major, "minor": minor, field: entry[field]})
    return found


def device_rules(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What ``device_cgroup_rules`` adds to the rules that a container has by its devices; nothing to all of them."""
    rules: list[dict[str, Any]] = []
    for rule in () if options.get("privileged") else options.get("device_cgroup_rules", ()):
        type_, numbers, access = rule.split(" ")
        named = dict(zip(("major", "minor"), numbers.split(":")))
        numbered = {key: int(number) for key, number in named.items() if number != "*"}
        rules.append({"allow": True, "type": type_, **numbered, "access": access})
    return rules


def can_change(name: str, desired: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether the limit *name* can become in a running container what *desired* says of it, or its absence."""
    if name in _DEVICES and not _DEVICES[name][2]:
        kept = {entry["path"] for entry in desired.get(name, ())}
        return all(entry["path"] in kept for entry in recorded.get(name, ()))
    if name == "cgroup_conf":
        return set(recorded.get(name, {})) <= set(desired.get(name, {}))
    return name in desired or name in _LIFTED or name in _DEVICES or name == "device_cgroup_rules"


def updated(desired: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """As :func:`resources` of *desired*, plus what lifts the limits that only *recorded* has."""
    result = resources({**desired, **{name: _with_lifted(name, desired, recorded) for name in _DEVICES}})
    for name, groups in _LIFTED.items():
        if name in recorded and name not in desired:
            for group, limits in groups.items():
                for limit, value in limits.items():
                    result.setdefault(group, {}).setdefault(limit, value)
    return result


def _with_lifted(name: str, desired: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The limits of devices that *desired* has, and 0 for those that only *recorded* has."""
    wanted: list[dict[str, Any]] = desired.get(name, [])
    kept = {entry["path"] for entry in wanted}
    field, lifted = _DEVICES[name][1:]
    gone = [{"path": entry["path"], field: 0} for entry in recorded.get(name, ()) if entry["path"] not in kept]
    return [*wanted, *(gone if lifted else ())]


def option_of(file: str) -> str:
    """The option behind a cgroup's *file*; the file's own name where no option is."""
    return _FILES.get(file, "device_read_bps" if file == _RATES else file)
