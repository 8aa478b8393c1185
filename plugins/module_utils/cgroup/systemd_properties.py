# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control files as properties of units, and properties as control files: pure.

Sources: systemd.resource-control(5), org.freedesktop.systemd1(5); names of drop-ins and what systemd writes to the
kernel: its src/core/dbus-cgroup.c and src/core/cgroup.c.
"""

from __future__ import annotations

from . import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from .systemd_units import Property

INFINITY = (1 << 64) - 1
"""What stands for "no limit" and for "not set" in every property."""

# Control file → its property, the first systemd that knows it (0: all that run on our kernels), what a new group has.
_LIMITS = {
    "memory.max": ("MemoryMax", 0, "max"),
    "memory.high": ("MemoryHigh", 0, "max"),
    "memory.low": ("MemoryLow", 0, "0"),
    "memory.min": ("MemoryMin", 240, "0"),
    "memory.swap.max": ("MemorySwapMax", 0, "max"),
    "memory.zswap.max": ("MemoryZSwapMax", 253, "max"),
    "memory.limit_in_bytes": ("MemoryLimit", 0, "-1"),
    "pids.max": ("TasksMax", 0, "max"),
    "cpu.weight": ("CPUWeight", 0, "100"),
    "cpu.shares": ("CPUShares", 0, "1024"),
    "blkio.weight": ("BlockIOWeight", 0, "500"),
}
# v1's files have an older property each; where the newer one is set, by the unit's own files, systemd takes that.
_NEWER = {"memory.limit_in_bytes": "MemoryMax", "cpu.shares": "CPUWeight"}
_SETS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}
# Files of one line per device: (the value's name in the line, property, first systemd)
_DEVICES = {
    "io.max": (
        ("rbps", "IOReadBandwidthMax", 0),
        ("wbps", "IOWriteBandwidthMax", 0),
        ("riops", "IOReadIOPSMax", 0),
        ("wiops", "IOWriteIOPSMax", 0),
    ),
    "io.latency": (("target", "IODeviceLatencyTargetUSec", 240),),
    "io.weight": (("", "IODeviceWeight", 0),),
    "blkio.throttle.read_bps_device": (("", "BlockIOReadBandwidth", 0),),
    "blkio.throttle.write_bps_device": (("", "BlockIOWriteBandwidth", 0),),
    "blkio.weight_device": (("", "BlockIODeviceWeight", 0),),
}
_QUOTA_FILES = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")
_QUOTA, _PERIOD = "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec"
_SETS_SINCE, _PERIOD_SINCE, _IDLE_SINCE = 244, 242, 252
_QUOTA_STEP = 10000  # systemd keeps hundredths of a CPU: microseconds per second
_V1_UNLIMITED = (1 << 63) - (1 << 20)  # memory.limit_in_bytes without a limit: LONG_MAX in whole pages
# Where a property that is not set means a number rather than no limit
_UNSET = {"CPUWeight": 100, "CPUShares": 1024, "IOWeight": 100, "BlockIOWeight": 500, _PERIOD: units.DEFAULT_PERIOD}
_DROP_IN = {_QUOTA: "CPUQuota", _PERIOD: "CPUQuotaPeriodSec"}


def limit_properties(files: Iterable[str], content: Callable[[str], str | None], version: int) -> list[Property]:
    """What systemd must be told of the limits in *files*, the control files that were written.

    ``content(file)`` is what a file holds. Else systemd would put its own defaults back when it next looks at the
    unit. What has no property, or none in this *version*, is the kernel's alone. Raises CgroupError.
    """
    found: dict[str, list[Property]] = {}
    for file in files:
        for name, signature, value, since in _of_file(file, content):
            if version >= since:
                # A list is added to the one that systemd has: it is emptied first.
                empty: list[Property] = [(name, signature, [])] if signature == "a(st)" and value else []
                found[name] = [*empty, (name, signature, value)]
    return [one for several in found.values() for one in several]


def _of_file(file: str, content: Callable[[str], str | None]) -> Iterator[tuple[str, str, Any, int]]:
    """(property, signature, value, first systemd) for each that *file* stands for."""
    if file in _QUOTA_FILES:
        pair = (
            content("cpu.max") if file == "cpu.max" else f"{content('cpu.cfs_quota_us')} {content('cpu.cfs_period_us')}"
        )
        yield from _quota(pair or "max")
        return
    if file in ("cpu.weight", "cpu.idle"):
        yield from _weight((content("cpu.weight") or "").strip(), (content("cpu.idle") or "").strip())
        return
    text = (content(file) or "").strip()
    if file in _SETS:
        yield _SETS[file], "ay", bitmap(units.parse_cpu_list(text, file)), _SETS_SINCE
    elif file in _DEVICES:
        yield from _devices(file, text)
    elif text and file in _LIMITS:
        name, since, _default = _LIMITS[file]
        unlimited = text in ("max", "-1") or (name == "MemoryLimit" and int(text) >= _V1_UNLIMITED)
        value = INFINITY if unlimited else int(text)
        yield name, "t", value, since
        if file in _NEWER:  # CPUWeight has other numbers: it is unset
            yield _NEWER[file], "t", value if file == "memory.limit_in_bytes" else INFINITY, 0


def _quota(pair: str) -> Iterator[tuple[str, str, Any, int]]:
    """``"50000 100000"`` as CPU time per second, rounded up to whole percents so that children get what they ask."""
    quota, period = (pair.split() + [str(units.DEFAULT_PERIOD)])[:2]
    unlimited = quota in ("max", "-1")
    yield _QUOTA, "t", INFINITY if unlimited else _per_second(int(quota), int(period)), 0
    yield _PERIOD, "t", int(period), _PERIOD_SINCE


def _weight(weight: str, idle: str) -> Iterator[tuple[str, str, Any, int]]:
    """An idle group has the weight 0, in the kernel's words and in systemd's."""
    # One that is idle until this is carried out will have the default.
    if idle == "0" and weight == "0":
        weight = str(_UNSET["CPUWeight"])
    if idle == "1" or weight == "0":
        yield "CPUWeight", "t", 0, _IDLE_SINCE
    elif weight:
        yield "CPUWeight", "t", int(weight), 0


def _per_second(quota: int, period: int) -> int:
    per_second = -(-quota * 1000000 // period)
    return -(-per_second // _QUOTA_STEP) * _QUOTA_STEP


def round_quota(quota: int, period: int) -> int:
    """The quota of a *period* that systemd makes of *quota*: whole percents of a CPU; no limit stays as it is."""
    return quota if quota <= 0 else _per_second(quota, period) * period // 1000000


def _devices(file: str, text: str) -> Iterator[tuple[str, str, Any, int]]:
    lines = _keyed(text)
    if file == "io.weight" and "default" in lines:
        yield "IOWeight", "t", int(lines["default"]), 0
    for word, name, since in _DEVICES[file]:
        entries = []
        for key, value in lines.items():
            number = _pairs(value).get(word, "max") if word else value
            if ":" in key and number not in ("max", "default"):
                entries.append((f"/dev/block/{key}", int(number)))
        yield name, "a(st)", entries, since


def _keyed(text: str) -> dict[str, str]:
    return {key: value for key, _space, value in (line.strip().partition(" ") for line in text.splitlines()) if value}


def _pairs(text: str) -> dict[str, str]:
    return {name: value for name, equals, value in (pair.partition("=") for pair in text.split()) if equals}


def bitmap(numbers: Iterable[int]) -> bytes:
    """{0, 9} as b"\\x01\\x02": bit n of the little-endian whole is number n."""
    whole = sum(1 << number for number in numbers)
    return whole.to_bytes((whole.bit_length() + 7) // 8, "little")


def overlay(file: str, text: str, after: str) -> str:
    """The content of *file*, now *text*, after one write of *after*."""
    if file not in _DEVICES:
        return after
    lines = _keyed(text)
    key, _space, value = after.strip().partition(" ")
    if "=" in value:
        value = " ".join("=".join(pair) for pair in {**_pairs(lines.get(key, "")), **_pairs(value)}.items())
    return "\n".join(f"{name} {words}" for name, words in {**lines, key: value}.items())


def properties_of(file: str) -> list[str]:
    """The properties that stand for *file*; none where it is the kernel's alone."""
    if file in _QUOTA_FILES:
        return [_QUOTA, _PERIOD]
    if file in _SETS:
        return [_SETS[file]]
    found = ["CPUWeight"] if file == "cpu.idle" else [_LIMITS[file][0]] if file in _LIMITS else []
    found += [_NEWER[file]] if file in _NEWER else []
    found += ["IOWeight"] if file == "io.weight" else []
    return found + [name for _word, name, _since in _DEVICES.get(file, ())]


def file_text(file: str, told: Callable[[str], Any]) -> str | None:
    """What *file* would hold by the properties, ``told(name)``; None for a file, or a systemd, without them."""
    names = properties_of(file)
    values = {name: told(name) for name in names}
    newer = values.pop(_NEWER[file]) if file in _NEWER else None
    if newer not in (None, INFINITY):
        return str(newer if file == "memory.limit_in_bytes" else newer * 1024 // 100)  # as systemd converts it
    if not names or None in values.values():
        return None
    first = values[names[0]]
    if file in _QUOTA_FILES:
        period = _UNSET[_PERIOD] if values[_PERIOD] == INFINITY else values[_PERIOD]
        quota = -1 if first == INFINITY else first * period // 1000000
        shown = "max" if quota < 0 else str(quota)
        return {"cpu.max": f"{shown} {period}", "cpu.cfs_quota_us": str(quota)}.get(file, str(period))
    if file in _SETS:
        whole = int.from_bytes(first, "little")
        return units.format_cpu_list({bit for bit in range(whole.bit_length()) if whole >> bit & 1})
    if file == "cpu.idle":
        return str(int(first == 0))
    if file in _DEVICES:
        return _device_lines(file, values)
    return _LIMITS[file][2] if first == INFINITY else str(first)


def _device_lines(file: str, values: Mapping[str, Any]) -> str:
    lines: dict[str, list[str]] = {}
    if file == "io.weight":
        weight = values["IOWeight"]
        lines["default"] = [str(_UNSET["IOWeight"] if weight == INFINITY else weight)]
    for word, name, _since in _DEVICES[file]:
        for path, number in values[name]:
            if number != INFINITY:
                lines.setdefault(path.rpartition("/")[2], []).append(f"{word}={number}" if word else str(number))
    return "\n".join(f"{key} {' '.join(words)}" for key, words in lines.items())


def canonical(name: str, value: Any, device: Callable[[str], str]) -> Any:
    """*value* of property *name* in the one form in which equal values are equal.

    ``device(path)`` is what tells a disk from others.
    """
    if isinstance(value, bytes):
        return value.rstrip(b"\0")
    if isinstance(value, list):
        return {device(path): number for path, number in value if number != INFINITY}
    return _UNSET.get(name, value) if value == INFINITY else value


def drop_in(name: str) -> str:
    """The file in which systemd keeps property *name* after SetUnitProperties, in a directory of the unit's."""
    return f"50-{_DROP_IN.get(name, name)}.conf"


DROP_INS = {
    drop_in(name): file
    for file in (*_QUOTA_FILES[::-1], *_DEVICES, *_SETS, *reversed(_LIMITS))
    for name in properties_of(file)
}
"""All that hold a limit, and the control file of v2 that it is in."""
