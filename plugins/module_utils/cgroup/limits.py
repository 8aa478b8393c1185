# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every limit by the name users know it: its place, what its text means, its bounds. One table, for any module.

Names are docker_container's where it has one, podman_container's are aliases. What they mean to users stands in
plugins/doc_fragments/limits.py.
"""

from __future__ import annotations

from ..kernel.lean import namedtuple
from . import spelling, units
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Limit = namedtuple(
    "Limit", "option type section key parse tell low high aliases", defaults=("str", "", "", None, None, None, None, ())
)
Limit.__doc__ = """One option.

type          Ansible's; of a list the elements are "raw"
section, key  its place in ``linux.resources``; under "unified" the key is the control file. "": more than one place,
              see vocabulary.py
parse, tell   see spelling.py; without tell the value tells itself
low, high     bounds of what parse gives; None is no bound. 0 and "" are refused where low is not 0
aliases       other names
"""

_BYTES, _COUNT = units.parse_bytes, units.parse_count
_MAX_PIDS = 4194304  # PID_MAX_LIMIT


def _raw(option: str, kind: str, file: str, parse: spelling.Parse, tell: Any = None, **more: Any) -> Limit:
    return Limit(option, kind, "unified", file, parse, tell, **more)


def _rate(option: str, key: str, parse: spelling.Parse) -> Limit:
    read, tell = spelling.per_device("rate", "rate", parse), spelling.told_per_device("rate", "rate")
    return Limit(option, "list", "blockIO", key, read, tell)


_WEIGHTS = spelling.per_device("weight", "weight", _COUNT), spelling.told_per_device("weight", "weight")

LIMITS = (
    Limit("cpus", tell=float),
    Limit("cpu_quota", "str", "cpu", "quota", _COUNT),
    Limit("cpu_period", "int", "cpu", "period", _COUNT, low=units.MIN_QUOTA, high=1000000),
    Limit("cpu_shares", "int", "cpu", "shares", _COUNT, low=2, high=262144),
    Limit("cpu_weight", "int", "cpu", "shares", spelling.shares, units.shares_to_weight),
    Limit("cpu_burst", "int", "cpu", "burst", _COUNT, low=0),
    Limit("cpu_idle", "bool", "cpu", "idle", spelling.flag, bool, low=0),
    Limit("cpu_rt_period", "int", "cpu", "realtimePeriod", _COUNT),
    Limit("cpu_rt_runtime", "int", "cpu", "realtimeRuntime", _COUNT),
    Limit("cpuset_cpus", "str", "cpu", "cpus", spelling.text),
    Limit("cpuset_mems", "str", "cpu", "mems", spelling.text),
    _raw("cpuset_partition", "str", "cpuset.cpus.partition", spelling.partition),
    Limit("memory", "str", "memory", "limit", _BYTES),
    Limit("memory_reservation", "str", "memory", "reservation", _BYTES, aliases=("memory_low",)),
    Limit("memory_swap", "str", "memory", "swap", _BYTES),
    Limit("memory_swappiness", "int", "memory", "swappiness", _COUNT, low=0, high=100),
    _raw("memory_high", "str", "memory.high", spelling.size_text, spelling.told_size),
    _raw("memory_min", "str", "memory.min", spelling.size_text, spelling.told_size, low=0),
    _raw("memory_oom_group", "bool", "memory.oom.group", spelling.flag_text, spelling.told_flag, low=0),
    Limit("oom_killer", "bool", "memory", "disableOOMKiller", spelling.truth, low=0, aliases=("oom_kill_disable",)),
    Limit("pids_limit", "str", "pids", "limit", _COUNT, high=_MAX_PIDS),
    Limit("blkio_weight", "int", "blockIO", "weight", _COUNT, low=10, high=1000),
    Limit("blkio_weight_device", "list", "blockIO", "weightDevice", *_WEIGHTS),
    Limit("io_weight", "int"),
    Limit("io_weight_device", "list"),
    _raw("io_latency", "list", "io.latency", spelling.latencies, spelling.told_latencies),
    _rate("device_read_bps", "throttleReadBpsDevice", _BYTES),
    _rate("device_write_bps", "throttleWriteBpsDevice", _BYTES),
    _rate("device_read_iops", "throttleReadIOPSDevice", _COUNT),
    _rate("device_write_iops", "throttleWriteIOPSDevice", _COUNT),
    Limit("hugetlb", "dict", "hugepageLimits", "", spelling.huge_pages, spelling.told_huge_pages),
    Limit("rdma", "dict", "rdma", "", spelling.rdma, spelling.told_rdma),
    _raw("misc", "dict", "misc.max", spelling.counts, spelling.told_counts),
    Limit("device_cgroup_rules", "list", "devices", "", spelling.device_rules, aliases=("device_cgroup_rule",)),
    Limit("net_cls_classid", "str", "network", "classID", spelling.class_id, spelling.told_class_id, low=0),
    Limit("net_prio_ifpriomap", "dict", "network", "priorities", spelling.priorities, spelling.told_priorities),
    Limit("frozen", "bool"),
)
BY_OPTION: dict[str, Limit] = {limit.option: limit for limit in LIMITS}

CONTRADICTIONS = (
    ("cpus", "cpu_quota"),
    ("cpu_shares", "cpu_weight"),
    ("blkio_weight", "io_weight"),
    ("blkio_weight_device", "io_weight_device"),
)
"""Options that say the same in two ways."""


def check_bounds(limit: Limit, value: int) -> None:
    """Raise CgroupError for a *value* (as parse gives it) that the kernel does not take anywhere."""
    unlimited = value == units.UNLIMITED and limit.low is None
    if unlimited or ((limit.low or 0) <= value and (limit.high is None or value <= limit.high)):
        return
    bounds = f"{limit.low} to {limit.high}" if limit.low is not None and limit.high is not None else ""
    hint = bounds or (f"at most {limit.high}" if limit.high is not None else f"at least {limit.low or 0}")
    raise CgroupError(f"{limit.option} {value} is out of range", step=limit.option, hint=f"Declare {hint}")


def argument_spec() -> dict[str, dict[str, Any]]:
    """The options as AnsibleModule takes them, ``conf`` among them."""
    spec: dict[str, dict[str, Any]] = {}
    for limit in LIMITS:
        entry = spec[limit.option] = {"type": limit.type}
        if limit.type == "list":
            entry["elements"] = "raw"
        if limit.aliases:
            entry["aliases"] = list(limit.aliases)
    spec["conf"] = {"type": "dict"}
    return spec
