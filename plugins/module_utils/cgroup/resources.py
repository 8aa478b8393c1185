# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI ``linux.resources`` as settings of control files: one table per cgroup version, one function that reads it.

Source: runtime-spec 1.3 config-linux.md, "Control groups"; kernel Documentation/admin-guide/cgroup-v1/ and
cgroup-v2.rst. A row says which key goes to which file of which controller, and how. Of several rows for one key
the first whose file exists counts (bfq's weight and iocost's).
"""

from __future__ import annotations

from ..kernel.lean import namedtuple
from . import kinds, units
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

FLAT = "flat"  # the file is the value
PAIR = "pair"  # two values in one line, the key says which: cpu.max
KEYED = "keyed"  # "key value" lines
NESTED = "nested"  # "key name=value name=value" lines
ANY = "*"  # as default: whatever is asked for is met where the file does not exist

Row = namedtuple(
    "Row", "section key controller file kind default shape name field zero", defaults=(FLAT, "", "", "unset")
)
Row.__doc__ = """One line of a table.

section, key  where the value stands in linux.resources
controller    whose directory holds *file*
kind          of kinds.py
default       what a new group has: a request for it is met where the file does not exist. None: always needs the file
shape, name   how the value lies in the file: *name* is the place (pair), the key (keyed) or the name (nested)
field         for a list of devices: which field of its entries is the value
zero          "unset" where OCI's 0 means "not declared", "value" where it is a value
"""

Setting = namedtuple("Setting", "row key text")
Setting.__doc__ = """One value to have: *text* as written, for *key* of a keyed or nested file (else "")."""


def _row(section: str, key: str, file: str, kind: kinds.Kind, default: str | None, **more: str) -> Row:
    return Row(section, key, file.split(".", 1)[0], file, kind, default, **more)


def _rate(key: str, file: str, name: str = "") -> Row:
    if name:
        return _row("blockIO", key, file, kinds.RATE_V2, "max", shape=NESTED, name=name, field="rate", zero="value")
    return _row("blockIO", key, file, kinds.INT, "0", shape=KEYED, field="rate", zero="value")


V1 = (
    _row("memory", "limit", "memory.limit_in_bytes", kinds.BYTES_V1, "-1"),
    _row("memory", "swap", "memory.memsw.limit_in_bytes", kinds.BYTES_V1, "-1"),
    _row("memory", "reservation", "memory.soft_limit_in_bytes", kinds.BYTES_V1, "-1"),
    _row("memory", "kernelTCP", "memory.kmem.tcp.limit_in_bytes", kinds.BYTES_V1, "-1"),
    _row("memory", "swappiness", "memory.swappiness", kinds.INT, "60", zero="value"),
    _row("memory", "disableOOMKiller", "memory.oom_control", kinds.OOM_V1, "0", zero="value"),
    _row("cpu", "shares", "cpu.shares", kinds.SHARES_V1, "1024"),
    _row("cpu", "period", "cpu.cfs_period_us", kinds.INT, "100000"),
    _row("cpu", "quota", "cpu.cfs_quota_us", kinds.QUOTA_V1, "-1"),
    _row("cpu", "burst", "cpu.cfs_burst_us", kinds.INT, "0", zero="value"),
    _row("cpu", "realtimePeriod", "cpu.rt_period_us", kinds.INT, "1000000"),
    _row("cpu", "realtimeRuntime", "cpu.rt_runtime_us", kinds.INT, "0"),
    _row("cpu", "idle", "cpu.idle", kinds.INT, "0", zero="value"),
    _row("cpu", "cpus", "cpuset.cpus", kinds.LIST, None),
    _row("cpu", "mems", "cpuset.mems", kinds.LIST, None),
    _row("pids", "limit", "pids.max", kinds.PIDS, "max"),
    _row("blockIO", "weight", "blkio.weight", kinds.INT, "500"),
    _row("blockIO", "weight", "blkio.bfq.weight", kinds.INT, "100"),
    _row("blockIO", "leafWeight", "blkio.leaf_weight", kinds.INT, "500"),
    _row("blockIO", "weightDevice", "blkio.weight_device", kinds.INT, "0", shape=KEYED, field="weight"),
    _row("blockIO", "weightDevice", "blkio.bfq.weight_device", kinds.INT, "0", shape=KEYED, field="weight"),
    _rate("throttleReadBpsDevice", "blkio.throttle.read_bps_device"),
    _rate("throttleWriteBpsDevice", "blkio.throttle.write_bps_device"),
    _rate("throttleReadIOPSDevice", "blkio.throttle.read_iops_device"),
    _rate("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"),
    _row("network", "classID", "net_cls.classid", kinds.INT, "0"),
    _row("network", "priorities", "net_prio.ifpriomap", kinds.INT, "0", shape=KEYED, field="priority"),
)

V2 = (
    _row("memory", "limit", "memory.max", kinds.BYTES_V2, "max"),
    _row("memory", "swap", "memory.swap.max", kinds.BYTES_V2, "max", zero="value"),
    _row("memory", "reservation", "memory.low", kinds.RESERVATION_V2, "0"),
    _row("cpu", "shares", "cpu.weight", kinds.SHARES_V2, "100"),
    _row("cpu", "quota", "cpu.max", kinds.QUOTA_V2, "max", shape=PAIR, name="0"),
    _row("cpu", "period", "cpu.max", kinds.INT, "100000", shape=PAIR, name="1"),
    _row("cpu", "burst", "cpu.max.burst", kinds.INT, "0", zero="value"),
    _row("cpu", "idle", "cpu.idle", kinds.INT, "0", zero="value"),
    _row("cpu", "cpus", "cpuset.cpus", kinds.LIST, ""),
    _row("cpu", "mems", "cpuset.mems", kinds.LIST, ""),
    _row("pids", "limit", "pids.max", kinds.PIDS, "max"),
    _row("blockIO", "weight", "io.bfq.weight", kinds.INT, "100", shape=KEYED, name="default"),
    _row("blockIO", "weight", "io.weight", kinds.IO_WEIGHT_V2, "100", shape=KEYED, name="default"),
    _row("blockIO", "weightDevice", "io.bfq.weight", kinds.INT, "default", shape=KEYED, field="weight"),
    _row("blockIO", "weightDevice", "io.weight", kinds.IO_WEIGHT_V2, "default", shape=KEYED, field="weight"),
    _rate("throttleReadBpsDevice", "io.max", "rbps"),
    _rate("throttleWriteBpsDevice", "io.max", "wbps"),
    _rate("throttleReadIOPSDevice", "io.max", "riops"),
    _rate("throttleWriteIOPSDevice", "io.max", "wiops"),
)

V1_ONLY = {
    ("memory", "swappiness"): "Cgroup v2 has no swappiness per group: set the sysctl vm.swappiness of the machine",
    ("memory", "disableOOMKiller"): "Cgroup v2 cannot switch the OOM killer off: declare more memory",
    ("memory", "kernelTCP"): "Cgroup v2 counts socket buffers as memory: declare memory",
    ("cpu", "realtimePeriod"): "Cgroup v2 has no realtime budget per group: leave it out",
    ("cpu", "realtimeRuntime"): "Cgroup v2 has no realtime budget per group: leave it out",
    ("blockIO", "leafWeight"): "Cgroup v2 has no leaf weight: declare the weight",
    ("network", "classID"): "Cgroup v2 has no net_cls: match the group itself, with nftables' socket cgroupv2",
    ("network", "priorities"): "Cgroup v2 has no net_prio: match the group itself, with nftables' socket cgroupv2",
}
"""What v2 gave up, and what to do instead."""


def check_kernel_memory(resources: Mapping[str, Any]) -> None:
    """Raise CgroupError for memory.kernel: since Linux 5.16 v1 limits nothing by it, and v2 never has."""
    if (resources.get("memory") or {}).get("kernel"):
        raise CgroupError(
            "memory.kernel limits nothing: the memory of the kernel counts as memory",
            step="memory",
            obj="memory.kernel",
            hint="Declare a limit of memory that has room for it",
        )


def settings(
    resources: Mapping[str, Any], table: tuple[Row, ...], has: Callable[[str, str], bool]
) -> Iterator[Setting]:
    """The settings of *table* that *resources* (OCI linux.resources) ask for, in the table's order.

    ``has(controller, file)`` tells whether the kernel offers a file; it chooses between rows for one key.
    Raises CgroupError for a value of the wrong type.
    """
    met: set[tuple[str, str]] = set()
    for index, row in enumerate(table):
        where = (row.section, row.key)
        value = (resources.get(row.section) or {}).get(row.key)
        if value is None or value in ("", []) or where in met or (row.zero == "unset" and value == 0):
            continue
        rivals = [later for later in table[index + 1 :] if (later.section, later.key) == where]
        if rivals and not has(row.controller, row.file):
            continue  # the next row offers the same under another name
        met.add(where)
        if row.field:
            for entry in value:
                if row.field in entry:  # an entry of weightDevice may carry a leafWeight alone
                    key = entry["name"] if "name" in entry else f"{entry['major']}:{entry['minor']}"
                    yield Setting(row, key, _encode(row, entry[row.field]))
        else:
            yield Setting(row, row.name if row.shape == KEYED else "", _encode(row, value))


def _encode(row: Row, value: Any) -> str:
    wanted, name = (str, "text") if row.kind is kinds.LIST else (int, "a whole number")
    if not isinstance(value, wanted):
        raise CgroupError(f"{row.section}.{row.key} must be {name}, not {value!r}", step=row.controller)
    text: str = row.kind.encode(value)
    return text


def huge_settings(resources: Mapping[str, Any], *, unified: bool) -> Iterator[Setting]:
    """hugepageLimits: each page size has files of its own."""
    suffix = "max" if unified else "limit_in_bytes"
    for entry in resources.get("hugepageLimits") or ():
        size = entry["pageSize"]
        kind = kinds.huge(units.parse_bytes(size, "pageSize"), unified=unified)
        # "rsvd" also counts pages reserved and not yet touched (5.7): without it a mapping succeeds and its use kills.
        for file in (f"hugetlb.{size}.{suffix}", f"hugetlb.{size}.rsvd.{suffix}"):
            default = ANY if ".rsvd." in file else None
            row = Row("hugepageLimits", size, "hugetlb", file, kind, default, zero="value")
            yield Setting(row, "", _encode(row, entry["limit"]))


def rdma_settings(resources: Mapping[str, Any]) -> Iterator[Setting]:
    """rdma: the same file and spelling on both versions."""
    for device, entry in (resources.get("rdma") or {}).items():
        for field, name in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object")):
            if field in entry:
                row = Row("rdma", device, "rdma", "rdma.max", kinds.COUNT, "max", NESTED, name)
                yield Setting(row, device, _encode(row, entry[field]))


def for_v2(resources: Mapping[str, Any]) -> Mapping[str, Any]:
    """*resources* with memory.swap as v2 counts it, after refusing what v2 does not have."""
    for (section, key), hint in V1_ONLY.items():
        value = (resources.get(section) or {}).get(key)
        if value or (key == "swappiness" and value is not None):
            raise CgroupError(f"{section}.{key} does not exist under cgroup v2", step=section, hint=hint)
    memory = resources.get("memory")
    if not memory:
        return resources
    memory = dict(memory)
    swap = units.swap_to_v2(memory.get("limit") or 0, memory.pop("swap", 0) or 0)
    if swap is not None:
        memory["swap"] = swap
    return {**resources, "memory": memory}
