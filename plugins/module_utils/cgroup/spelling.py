# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write for a limit as the runtime spec or a control file has it, and back.

A function that reads takes (value, option) and raises CgroupError; one that tells takes what the first one gives.
All are pure but for the number of a device node, which is asked of the node.
"""

from __future__ import annotations

import os
import stat

from . import units
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Parse = Callable[[Any, str], Any]

_MICROSECONDS = {"us": 1, "µs": 1, "ms": 1000, "s": 1000000}
_ACCESS = "rwm"


def text(value: Any, option: str) -> str:
    """Anything as the words it is written in."""
    return str(value).strip()


def flag(value: Any, option: str) -> int:
    return int(bool(value))


def truth(value: Any, option: str) -> bool:
    return bool(value)


def flag_text(value: Any, option: str) -> str:
    return str(int(bool(value)))


def told_flag(written: str) -> bool:
    return written == "1"


def partition(value: Any, option: str) -> str:
    """cpuset.cpus.partition (cgroup-v2.rst)."""
    if value not in ("member", "root", "isolated"):
        raise CgroupError(
            f"{option}: {value!r} is no kind of partition", step=option, hint="Write member, root or isolated"
        )
    return str(value)


def size_text(value: Any, option: str) -> str:
    """``"64m"`` as ``"67108864"``, no limit as ``"max"``: how cgroup v2 takes a size."""
    size = units.parse_bytes(value, option)
    return "max" if size < 0 else str(size)


def told_size(written: str) -> int:
    return units.UNLIMITED if written == "max" else int(written)


def microseconds(value: Any, option: str) -> int:
    """``"10ms"`` as 10000; a plain number counts microseconds."""
    written = str(value).strip().lower()
    digits = written.rstrip("usmµ")
    factor = _MICROSECONDS.get(written[len(digits) :].strip() or "us")
    whole, dot, fraction = digits.strip().partition(".")
    if factor is None or not (whole + fraction).isdigit() or not written[: len(digits)].isascii():
        raise CgroupError(
            f"{option}: {value!r} is not a time",
            step=option,
            hint="Write microseconds, or a unit as in 500us, 10ms or 1s",
        )
    return int(whole or "0") * factor + (int((fraction + "000000")[:6]) * factor // 10**6 if dot else 0)


# ---- devices


def device_number(path: Any, option: str) -> tuple[int, int]:
    """(major, minor) of block device *path*, or of ``"8:0"`` itself."""
    name = str(path).strip()
    major, colon, minor = name.partition(":")
    if colon and major.isdigit() and minor.isdigit():
        return int(major), int(minor)
    try:
        status = os.stat(name)
    except OSError as error:
        raise CgroupError(
            f"{option}: there is no device {name}: {error.strerror}",
            step=option,
            obj=name,
            errno=error.errno or 0,
            hint="lsblk lists the disks of the host",
        ) from error
    if not stat.S_ISBLK(status.st_mode):
        raise CgroupError(
            f"{option}: {name} is no block device", step=option, obj=name, hint="lsblk lists the disks of the host"
        )
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def _entries(value: Iterable[Any], option: str, field: str) -> Iterable[tuple[tuple[int, int], Any]]:
    """(device, what is written) of ``{path: /dev/sda, rate: 1m}`` or ``"/dev/sda:1m"``."""
    for entry in value:
        if isinstance(entry, dict):
            unknown = sorted(set(entry) ^ {"path", field})
            path, written = entry.get("path"), entry.get(field)
        else:
            path, _colon, written = str(entry).rpartition(":")
            unknown = []
        if unknown or not path or written in (None, ""):
            raise CgroupError(
                f"{option}: {entry!r} does not tell a device and its {field}",
                step=option,
                hint=f"Write {{path: /dev/sda, {field}: …}}; path may be MAJOR:MINOR",
            )
        yield device_number(path, option), written


def per_device(field: str, key: str, parse: Parse) -> Parse:
    """A list of ``{path, field}`` as OCI's list of ``{major, minor, key}``; no limit is 0 there."""

    def read(value: Iterable[Any], option: str) -> list[dict[str, int]]:
        return [
            {"major": major, "minor": minor, key: max(parse(written, option), 0)}
            for (major, minor), written in _entries(value, option, field)
        ]

    return read


def told_per_device(field: str, key: str) -> Callable[[Iterable[Mapping[str, Any]]], list[dict[str, Any]]]:
    def tell(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"path": f"{one['major']}:{one['minor']}", field: one[key]} for one in entries]

    return tell


def latencies(value: Iterable[Any], option: str) -> str:
    """A list of ``{path, target}`` as the lines of io.latency; no limit is 0 there."""
    lines = []
    for (major, minor), written in _entries(value, option, "target"):
        target = 0 if str(written) in ("max", "-1") else microseconds(written, option)
        lines.append(f"{major}:{minor} target={target}")
    return "\n".join(lines)


def told_latencies(written: str) -> list[dict[str, Any]]:
    """Targets in microseconds."""
    found = []
    for line in written.splitlines():
        path, _space, rest = line.strip().partition(" target=")
        if rest:
            found.append({"path": path, "target": int(rest)})
    return found


def weight_lines(value: Iterable[Any], option: str) -> str:
    """A list of ``{path, weight}`` as lines of io.weight."""
    return "\n".join(
        f"{major}:{minor} {weight(written, option)}" for (major, minor), written in _entries(value, option, "weight")
    )


def told_weight_lines(written: str) -> list[dict[str, Any]]:
    pairs = (line.strip().partition(" ") for line in written.splitlines())
    return [{"path": path, "weight": int(number)} for path, _space, number in pairs if ":" in path]


def weight(value: Any, option: str) -> int:
    """cgroup v2's weights."""
    found = units.parse_count(value, option)
    if not 1 <= found <= 10000:
        raise CgroupError(f"{option} {found} is out of range", step=option, hint="Declare 1 to 10000")
    return found


def shares(value: Any, option: str) -> int:
    return units.weight_to_shares(weight(value, option))


# ---- values by name


def huge_pages(value: Mapping[str, Any], option: str) -> list[dict[str, Any]]:
    """``{2m: 64m}`` as OCI's ``[{"pageSize": "2MB", "limit": 67108864}]``."""
    found = []
    for name, written in value.items():
        page = units.parse_bytes(name, option)
        found.append({"pageSize": page_name(page), "limit": units.parse_bytes(written, option)})
    return found


def page_name(page: int) -> str:
    """2097152 as ``"2MB"``, as the kernel names the files (mm/hugetlb_cgroup.c, mem_fmt())."""
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if page >= factor:
            return f"{page // factor}{unit}"
    return str(page)


def told_huge_pages(limits: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return {one["pageSize"]: one["limit"] for one in limits}


def rdma(value: Mapping[str, Any], option: str) -> dict[str, dict[str, int]]:
    """``{mlx5_0: {hca_handles: 2, hca_objects: max}}`` as OCI's."""
    found: dict[str, dict[str, int]] = {}
    for device, entry in value.items():
        known = entry if isinstance(entry, dict) else {}
        if not known or set(known) - {"hca_handles", "hca_objects"}:
            raise CgroupError(
                f"{option}: {device}: {entry!r} is no limit",
                step=option,
                hint="Write hca_handles and hca_objects, with numbers or max",
            )
        found[device] = {
            _camel(name): units.parse_count(written, f"{option}.{device}.{name}") for name, written in known.items()
        }
    return found


def _camel(name: str) -> str:
    return {"hca_handles": "hcaHandles", "hca_objects": "hcaObjects"}[name]


def told_rdma(limits: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {
        device: {name: entry[_camel(name)] for name in ("hca_handles", "hca_objects") if _camel(name) in entry}
        for device, entry in limits.items()
    }


def counts(value: Mapping[str, Any], option: str) -> str:
    """``{sev: 10}`` as the lines of misc.max."""
    lines = []
    for name, written in value.items():
        count = units.parse_count(written, f"{option}.{name}")
        lines.append(f"{name} {'max' if count < 0 else count}")
    return "\n".join(lines)


def told_counts(written: str) -> dict[str, int]:
    pairs = (line.split() for line in written.splitlines() if line.strip())
    return {name: told_size(number) for name, number in pairs}


# ---- network


def class_id(value: Any, option: str) -> int:
    """``"10:1"`` as tc(8) writes it, both numbers hexadecimal, ``0x100001`` or 1048577 as the number."""
    written = str(value).strip().lower()
    major, colon, minor = written.partition(":")
    try:
        number = int(major, 16) << 16 | int(minor or "0", 16) if colon else int(written, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise CgroupError(
            f"{option}: {value!r} is no class",
            step=option,
            hint="Write it as in 10:1 (hexadecimal, as tc), or 0x100001",
        )
    return number


def told_class_id(number: int) -> str:
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def priorities(value: Mapping[str, Any], option: str) -> list[dict[str, Any]]:
    """``{eth0: 5}`` as OCI's ``[{"name": "eth0", "priority": 5}]``."""
    return [
        {"name": str(name), "priority": units.parse_count(written, f"{option}.{name}")}
        for name, written in value.items()
    ]


def told_priorities(entries: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return {one["name"]: one["priority"] for one in entries}


# ---- device rules


def device_rules(value: Iterable[Any], option: str) -> list[dict[str, Any]]:
    """``["c 1:3 rwm", "deny b *:* w"]``, or OCI's own dictionaries, as OCI's ordered rules.

    What no rule names: denied where the first rule allows, allowed where the first rule denies.
    """
    rules = [dict(rule) if isinstance(rule, dict) else _device_rule(str(rule), option) for rule in value]
    if not rules:
        raise CgroupError(f"{option}: no rule", step=option, hint="Leave it out, or write 'a *:* rwm' to allow all")
    whole = rules[0].get("type") in (None, "a") and all(rules[0].get(key) in (None, -1) for key in ("major", "minor"))
    if whole and set(rules[0].get("access") or _ACCESS) == set(_ACCESS):
        return rules
    return [{"allow": not rules[0].get("allow"), "access": _ACCESS}, *rules]


def _device_rule(rule: str, option: str) -> dict[str, Any]:
    words = rule.split()
    allow = words[:1] != ["deny"]
    if words[:1] in (["allow"], ["deny"]):
        words = words[1:]
    if words == ["a"]:
        words = ["a", "*:*", _ACCESS]
    kind, node, access = words if len(words) == 3 else ("", "", "")
    major, colon, minor = node.partition(":")
    numbers = [None if part == "*" else int(part) if part.isdigit() else -1 for part in (major, minor)]
    if kind not in ("a", "b", "c", "u") or not colon or -1 in numbers or not access or set(access) - set(_ACCESS):
        raise CgroupError(
            f"{option}: {rule!r} is not a device rule",
            step=option,
            hint="Write [allow|deny] TYPE MAJOR:MINOR ACCESS, as in 'c 1:3 rwm' or 'deny b *:* w'",
        )
    return {"allow": allow, "type": kind, "major": numbers[0], "minor": numbers[1], "access": access}


def told_device_rules(lines: str) -> list[str]:
    """The lines of a group's list (devices.device_list), a denied one with ``!`` before it, as rules."""
    return [f"deny {line[1:]}" if line.startswith("!") else line for line in lines.splitlines()]
