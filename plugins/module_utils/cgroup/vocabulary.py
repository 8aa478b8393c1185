# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits as users name them, and ``linux.resources`` with raw control files: one to the other."""

from __future__ import annotations

import os

from . import spelling, units
from .devices import DEVICES_LIST, PROGRAM, rules_in_force
from .errors import CgroupError
from .freezer import FREEZE, SELF_FREEZING
from .limits import CONTRADICTIONS, LIMITS
from .resources import V1, V2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from .api import Cgroup
    from .limits import Limit
    from .plan import Change

_UNIFIED = "unified"
_OPTION: dict[tuple[str, str], str] = {}
for _limit in LIMITS:
    _OPTION.setdefault((_limit.section, _limit.key), _limit.option)
_FILES: dict[str, str] = {}
for _row in V1 + V2:
    if (_row.section, _row.key) in _OPTION:
        _FILES.setdefault(_row.file, _OPTION[_row.section, _row.key])
_FILES.update({limit.key: limit.option for limit in LIMITS if limit.section == _UNIFIED})
_FILES.update({"io.weight": "io_weight", "rdma.max": "rdma", FREEZE: "frozen", SELF_FREEZING: "frozen"})
_FILES.update(dict.fromkeys((DEVICES_LIST, PROGRAM), "device_cgroup_rules"))
_HUGE_PAGES = "/sys/kernel/mm/hugepages"  # a directory hugepages-2048kB for each size


def option_of(file: str) -> str:
    """What users call the value of a control *file*: ``memory.max`` is ``memory``; the file's own name otherwise."""
    return "hugetlb" if file.startswith("hugetlb.") else _FILES.get(file, file)


def shown(change: Change) -> str:
    """The value of *change* for people to read: sizes with their unit."""
    text = str(change.after)
    if option_of(change.file) in ("frozen", "cpu_idle", "memory_oom_group", "oom_killer"):
        return {"0": "false", "1": "true"}.get(text, text)
    if change.controller == "memory" and text == "-1":
        return "max"
    if change.controller in ("memory", "hugetlb") and text.isdigit() and int(text) >= 1024:
        text = units.format_bytes(int(text))
    if change.controller == "hugetlb":
        return f"{change.file.split('.')[1]} {text}"
    return text.replace("\n", ", ") or "nothing"


def resources_of(options: Mapping[str, Any], group: Cgroup) -> tuple[dict[str, Any], dict[str, str]]:
    """(``linux.resources``, raw control files) that *options* ask for; an option that is None asks for nothing.

    Raises CgroupError for what is no size, no number, or contradicts itself.
    """
    given = {name: value for name, value in options.items() if value is not None}
    _check_contradictions(given)
    resources: dict[str, Any] = {}
    raw: dict[str, str] = {}
    for limit in LIMITS:
        if limit.option in given and limit.parse:
            _put(limit, limit.parse(given[limit.option], limit.option), resources, raw)
    if "cpus" in given:
        cpu = resources.setdefault("cpu", {})
        cpu.setdefault("period", units.DEFAULT_PERIOD)
        cpu["quota"] = units.cpus_to_quota(units.parse_cpus(given["cpus"]), cpu["period"])
    _put_disk_weights(given, group, resources, raw)
    if "frozen" in given:
        raw[_freezing(group)] = spelling.flag_text(given["frozen"], "frozen")
    for file, value in (given.get("conf") or {}).items():
        if file in raw:
            raise CgroupError(
                f"{option_of(file)} and conf.{file} say the same in two ways", step="conf", hint=f"Leave {file} out"
            )
        raw[file] = _text(value)
    return resources, raw


def _check_contradictions(given: Mapping[str, Any]) -> None:
    for one, other in CONTRADICTIONS:
        if one in given and other in given:
            raise CgroupError(f"{one} and {other} say the same in two ways", step=one, hint=f"Leave {other} out")
    weight = next((name for name in ("cpu_shares", "cpu_weight") if name in given), None)
    if given.get("cpu_idle") and weight:
        raise CgroupError(
            f"cpu_idle and {weight} exclude each other", step="cpu_idle", hint=f"Leave {weight} out: idle is the least"
        )


def _put(limit: Limit, value: Any, resources: dict[str, Any], raw: dict[str, str]) -> None:
    if value == "" or (limit.low != 0 and not isinstance(value, (bool, str)) and value == 0):
        raise CgroupError(
            f"{limit.option}: {value!r} is no limit", step=limit.option, hint="Leave it out, or write max"
        )
    if limit.section == _UNIFIED:
        raw[limit.key] = value
    elif limit.key:
        resources.setdefault(limit.section, {})[limit.key] = value
    else:
        resources[limit.section] = value


def _put_disk_weights(given: Mapping[str, Any], group: Cgroup, resources: dict[str, Any], raw: dict[str, str]) -> None:
    """cgroup v2's weights in its file; elsewhere, and where only bfq has one, as the spec's."""
    lines = []
    if "io_weight" in given:
        lines.append(f"default {spelling.weight(given['io_weight'], 'io_weight')}")
    if "io_weight_device" in given:
        lines += spelling.weight_lines(given["io_weight_device"], "io_weight_device").splitlines()
    if not lines:
        return
    if group.has("io", "io.weight"):
        raw["io.weight"] = "\n".join(lines)
        return
    block = resources.setdefault("blockIO", {})
    for key, weight in (line.split(" ") for line in lines):
        converted = units.io_to_blkio_weight(int(weight))
        if key == "default":
            block["weight"] = converted
        else:
            major, _colon, minor = key.partition(":")
            entry = {"major": int(major), "minor": int(minor), "weight": converted}
            block.setdefault("weightDevice", []).append(entry)


def _freezing(group: Cgroup) -> str:
    return SELF_FREEZING if "freezer" in group.hierarchy.v1 or not group.hierarchy.unified else FREEZE


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def limits_of(group: Cgroup, conf: Iterable[str], pending: Iterable[Change] = ()) -> dict[str, Any]:
    """The limits of *group* by option name, as the kernel tells them, *pending* changes included.

    Sizes in bytes, -1 for no limit; ``conf`` holds those of the raw files *conf* that no option stands for. What the
    machine does not have is left out.
    """
    pending = list(pending)
    found = group.read(pending)
    freezing = _freezing(group)
    pages = _huge_files(group)
    others = [file for file in conf if file not in pages and file != freezing]
    raw = group.read_raw([*_RAW_FILES, freezing, *pages, *others], pending)
    _tell_raw(raw, found, pages)
    limits: dict[str, Any] = {}
    for limit in LIMITS:
        value = found.get(limit.section, {}).get(limit.key) if limit.key else found.get(limit.section)
        if value not in (None, [], {}) and limit.section:
            limits[limit.option] = limit.tell(value) if limit.tell else value
    _tell_idle(limits, pending)
    limits.update(_tell_others(limits, raw, freezing))
    rules = rules_in_force(group, pending)
    if rules is not None:
        limits["device_cgroup_rules"] = spelling.told_device_rules(rules)
    unknown = {file: raw[file] for file in others if file not in _RAW_FILES}
    return {**limits, **({"conf": unknown} if unknown else {})}


def _tell_idle(limits: dict[str, Any], pending: Iterable[Change]) -> None:
    """An idle group has no weight, whatever number the kernel shows; one that no longer is has that of a new group."""
    after = {change.file: change.after for change in pending}
    if limits.get("cpu_idle"):
        for name in ("cpu_shares", "cpu_weight"):
            limits.pop(name, None)
    elif after.get("cpu.idle") == "0" and not {"cpu.shares", "cpu.weight"} & after.keys():
        limits.update(cpu_shares=1024, cpu_weight=100)


_RAW_FILES = [*(limit.key for limit in LIMITS if limit.section == _UNIFIED), "io.weight", "rdma.max"]


def _tell_raw(raw: Mapping[str, str | None], found: dict[str, Any], pages: Mapping[str, str]) -> None:
    """Add to *found*, in the spec's places, what lies in raw files."""
    found[_UNIFIED] = {file: text for file, text in raw.items() if text}
    huge = [
        {"pageSize": page, "limit": spelling.told_size(text)}
        for page, text in _huge_limits(raw, pages)
        if text != "max"
    ]
    found["hugepageLimits"] = huge
    found["rdma"] = _rdma_limits(raw.get("rdma.max") or "")


def _huge_files(group: Cgroup) -> dict[str, str]:
    """Control file → page size, for each size of this machine."""
    suffix = "limit_in_bytes" if "hugetlb" in group.hierarchy.v1 else "max"
    if group.directory("hugetlb") is None:
        return {}
    try:
        names = sorted(os.listdir(_HUGE_PAGES))
    except FileNotFoundError:  # a kernel without huge pages
        return {}
    sizes = [spelling.page_name(units.parse_bytes(name.rpartition("-")[2])) for name in names]
    return {f"hugetlb.{size}.{suffix}": size for size in sizes}


def _huge_limits(raw: Mapping[str, str | None], pages: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for file, page in pages.items():
        text = raw.get(file)
        if text:
            # v1 tells no limit as the largest number of whole pages
            yield page, "max" if text.isdigit() and int(text) >= 1 << 62 else text


def _rdma_limits(text: str) -> dict[str, dict[str, int]]:
    found = {}
    for line in text.splitlines():
        device, _space, rest = line.strip().partition(" ")
        pairs = dict(pair.partition("=")[::2] for pair in rest.split())
        if {*pairs.values()} != {"max"}:
            found[device] = {
                key: spelling.told_size(pairs[name])
                for name, key in (("hca_handle", "hcaHandles"), ("hca_object", "hcaObjects"))
                if name in pairs
            }
    return found


def _tell_others(limits: Mapping[str, Any], raw: Mapping[str, str | None], freezing: str) -> dict[str, Any]:
    """The options that stand for more than one place."""
    found: dict[str, Any] = {}
    if "cpu_quota" in limits and "cpu_period" in limits:
        found["cpus"] = round(units.quota_to_cpus(limits["cpu_quota"], limits["cpu_period"]), 3)
    weights = raw["io.weight"]
    if weights is not None:
        found["io_weight"] = int(weights.splitlines()[0].split()[-1])
        devices = spelling.told_weight_lines(weights)
    else:
        if "blkio_weight" in limits:
            found["io_weight"] = units.blkio_to_io_weight(limits["blkio_weight"])
        devices = [
            {**one, "weight": units.blkio_to_io_weight(one["weight"])} for one in limits.get("blkio_weight_device", ())
        ]
    if devices:
        found["io_weight_device"] = devices
    if raw[freezing] is not None:
        found["frozen"] = raw[freezing] == "1"
    return found
