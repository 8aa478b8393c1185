# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits as users name them, and the runtime spec's ``linux.resources``: one to the other."""

from __future__ import annotations

from collections import namedtuple

from . import units
from .errors import CgroupError
from .resources import V1, V2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .api import Cgroup
    from .plan import Change

Limit = namedtuple("Limit", "option section key parse")
Limit.__doc__ = """An option of the module, its place in ``linux.resources``, and what its text means."""

LIMITS = (
    Limit("cpu_shares", "cpu", "shares", units.parse_count),
    Limit("cpu_period", "cpu", "period", units.parse_count),
    Limit("cpu_quota", "cpu", "quota", units.parse_count),
    Limit("cpuset_cpus", "cpu", "cpus", None),
    Limit("cpuset_mems", "cpu", "mems", None),
    Limit("memory", "memory", "limit", units.parse_bytes),
    Limit("memory_reservation", "memory", "reservation", units.parse_bytes),
    Limit("memory_swap", "memory", "swap", units.parse_bytes),
    Limit("pids_limit", "pids", "limit", units.parse_count),
    Limit("blkio_weight", "blockIO", "weight", units.parse_count),
)
CONTRADICTIONS = (
    ("cpus", "cpu_quota"),
    ("cpu_shares", "cpu_weight"),
    ("blkio_weight", "io_weight"),
)
"""Options that say the same in two ways."""
_OPTION = {(limit.section, limit.key): limit.option for limit in LIMITS}
_RAW_OPTION = {"memory.high": "memory_high", "io.weight": "io_weight"}  # not in linux.resources


def option_of(file: str) -> str:
    """What users call the value of a control *file*: ``memory.max`` is ``memory``; the file's own name otherwise."""
    if file in _RAW_OPTION:
        return _RAW_OPTION[file]
    for row in V1 + V2:
        if row.file == file and (row.section, row.key) in _OPTION:
            return str(_OPTION[row.section, row.key])
    return file


def shown(change: Change) -> str:
    """The value of *change* for people to read: sizes with their unit."""
    text = str(change.after)
    if change.controller == "memory" and text.isdigit() and int(text) >= 1024:
        return units.format_bytes(int(text))
    return text.replace("\n", ", ")


def resources_of(options: Mapping[str, Any], group: Cgroup) -> tuple[dict[str, Any], dict[str, str]]:
    """(``linux.resources``, raw control files) that *options* ask for; an option that is None asks for nothing.

    Raises CgroupError for what is no size, no number, or contradicts itself.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for one, other in CONTRADICTIONS:
        if one in given and other in given:
            raise CgroupError(f"{one} and {other} say the same in two ways", step=one, hint=f"Leave {other} out")
    resources: dict[str, Any] = {}
    for limit in LIMITS:
        if limit.option in given:
            value = given[limit.option]
            _put(resources, limit, limit.parse(value, limit.option) if limit.parse else str(value).strip())
    cpu = resources.setdefault("cpu", {})
    if "cpus" in given:
        cpu.setdefault("period", units.DEFAULT_PERIOD)
        cpu["quota"] = units.cpus_to_quota(units.parse_cpus(given["cpus"]), cpu["period"])
    if "cpu_weight" in given:
        cpu["shares"] = units.weight_to_shares(_weight("cpu_weight", given["cpu_weight"]))
    raw = {file: _text(value) for file, value in (given.get("conf") or {}).items()}
    if "memory_high" in given:
        high = units.parse_bytes(given["memory_high"], "memory_high")
        raw["memory.high"] = "max" if high < 0 else str(high)
    if "io_weight" in given:
        weight = _weight("io_weight", given["io_weight"])
        if group.has("io", "io.weight"):
            raw["io.weight"] = f"default {weight}"
        else:
            resources["blockIO"] = {"weight": units.io_to_blkio_weight(weight)}
    return {section: values for section, values in resources.items() if values}, raw


def _put(resources: dict[str, Any], limit: Limit, value: Any) -> None:
    if value == 0 or value == "":
        raise CgroupError(
            f"{limit.option}: {value!r} is no limit", step=limit.option, hint="Leave it out, or write max"
        )
    resources.setdefault(limit.section, {})[limit.key] = value


def _weight(option: str, value: Any) -> int:
    weight = units.parse_count(value, option)
    if not 1 <= weight <= 10000:
        raise CgroupError(f"{option} {weight} is out of range", step=option, hint="Declare 1 to 10000")
    return weight


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def limits_of(group: Cgroup, conf: Iterable[str], pending: Iterable[Change] = ()) -> dict[str, Any]:
    """The limits of *group* by option name, as the kernel tells them, *pending* changes included.

    Sizes in bytes, -1 for no limit; ``conf`` holds the raw files named by *conf*. What the machine does not have is
    left out.
    """
    pending = list(pending)
    found = group.read(pending)
    limits: dict[str, Any] = {}
    for limit in LIMITS:
        value = found.get(limit.section, {}).get(limit.key)
        if value is not None:
            limits[limit.option] = value
    if "cpu_quota" in limits and "cpu_period" in limits:
        limits["cpus"] = round(units.quota_to_cpus(limits["cpu_quota"], limits["cpu_period"]), 3)
    if "cpu_shares" in limits:
        limits["cpu_weight"] = units.shares_to_weight(limits["cpu_shares"])
    raw = group.read_raw(["memory.high", "io.weight", *conf], pending)
    high, weight = raw.pop("memory.high"), raw.pop("io.weight")
    if high is not None:
        limits["memory_high"] = units.UNLIMITED if high == "max" else int(high)
    if weight is not None:
        limits["io_weight"] = int(weight.splitlines()[0].split()[-1])
    elif "blkio_weight" in limits:
        limits["io_weight"] = units.blkio_to_io_weight(limits["blkio_weight"])
    return {**limits, **({"conf": raw} if raw else {})}
