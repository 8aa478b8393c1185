# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people, the OCI runtime spec, cgroup v1 and cgroup v2 write them; pure conversions between those.

Everywhere below -1 is "no limit". Sources: kernel Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst, the
runtime spec's config-linux.md, and for the conversions from v1 to v2 the formulas OCI runtimes agreed on.
"""

from __future__ import annotations

from .errors import CgroupError

UNLIMITED = -1
DEFAULT_PERIOD = 100000
"""The kernel's CFS period, microseconds."""
MIN_QUOTA = 1000
"""The smallest CFS quota and period the kernel takes, microseconds (min_cfs_quota_period)."""

_FACTORS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_NO_LIMIT = ("max", "unlimited", "infinity")


def parse_bytes(value: str | int, name: str = "size") -> int:
    """``"512m"``, ``"1.5g"``, ``"64KiB"``, ``4096`` as bytes; ``"max"``, ``"unlimited"`` and -1 as -1.

    Units are powers of 1024 in either case, with or without ``b`` or ``ib``. *name* is what the error calls it.
    """
    text = str(value).strip().lower()
    if text in _NO_LIMIT or text == "-1":
        return UNLIMITED
    digits = text.rstrip("bikmgtp")
    unit = text[len(digits) :]
    for suffix in ("ib", "b"):
        if len(unit) > 1 and unit.endswith(suffix):
            unit = unit[: -len(suffix)]
            break
    number = _decimal(digits.rstrip())
    if number is None or unit not in _FACTORS:
        raise CgroupError(
            f"{name}: {value!r} is not a size",
            step=name,
            hint="Write a number of bytes or a number with a unit, such as 512m or 1.5g, or max for no limit",
        )
    whole, thousandths = number
    return whole * _FACTORS[unit] + thousandths * _FACTORS[unit] // 10**9


def parse_cpus(value: str | float | int, name: str = "cpus") -> float:
    """``"1.5"``, ``2`` or ``"50%"`` as a number of CPUs; ``"max"`` and -1 as -1.0."""
    text = str(value).strip().lower()
    if text in _NO_LIMIT or text in ("-1", "-1.0"):
        return -1.0
    percent = text.endswith("%")
    number = _decimal(text[:-1].rstrip() if percent else text)
    if number is None or number == (0, 0):
        raise CgroupError(
            f"{name}: {value!r} is not a number of CPUs",
            step=name,
            hint="Write a number above 0, such as 0.5 or 2, a percentage of one CPU such as 50%, or max for no limit",
        )
    cpus = number[0] + number[1] / 10**9
    return cpus / 100 if percent else cpus


def parse_count(value: str | int, name: str = "count") -> int:
    """``"100"`` as 100; ``"max"``, ``"unlimited"`` and -1 as -1."""
    text = str(value).strip().lower()
    if text in _NO_LIMIT or text == "-1":
        return UNLIMITED
    if not (text.isascii() and text.isdigit()):
        raise CgroupError(
            f"{name}: {value!r} is not a whole number", step=name, hint="Write a number, or max for no limit"
        )
    return int(text)


def _decimal(text: str) -> tuple[int, int] | None:
    """``"1.5"`` as (1, 500000000): the whole part and billionths. None for anything else."""
    whole, dot, fraction = text.partition(".")
    if not (whole + fraction).isdigit() or not text.isascii() or (dot and not fraction):
        return None
    return int(whole or "0"), int((fraction + "000000000")[:9])


def format_bytes(count: int, *, up: bool = False) -> str:
    """11744051 as ``"11.2m"``; with *up* the next whole unit above, ``"12m"``. -1 is ``"max"``."""
    if count < 0:
        return "max"
    for unit, factor in (("t", 1 << 40), ("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)):
        if count >= factor:
            if up:
                return f"{-(-count // factor)}{unit}"
            return f"{count / factor:.1f}".removesuffix(".0") + unit
    return str(count)


def parse_cpu_list(text: str, name: str = "cpuset_cpus") -> frozenset[int]:
    """``"0-2,4"`` as {0, 1, 2, 4} (cpuset(7), list format)."""
    numbers: set[int] = set()
    for part in text.replace("\n", "").split(","):
        first, dash, last = part.strip().partition("-")
        if not part.strip():
            continue
        if not (first.isdigit() and (last.isdigit() if dash else True)) or not part.isascii():
            raise _bad_list(text, name)
        low, high = int(first), int(last) if dash else int(first)
        if high < low or high > 65535:
            raise _bad_list(text, name)
        numbers.update(range(low, high + 1))
    return frozenset(numbers)


def _bad_list(text: str, name: str) -> CgroupError:
    return CgroupError(f"{name}: {text!r} is not a list", step=name, hint="Write numbers and ranges, such as 0-2,4")


def format_cpu_list(numbers: frozenset[int] | set[int]) -> str:
    """{0, 1, 2, 4} as ``"0-2,4"``: the form in which the kernel shows it."""
    parts: list[str] = []
    ordered = sorted(numbers)
    index = 0
    while index < len(ordered):
        last = index
        while last + 1 < len(ordered) and ordered[last + 1] == ordered[last] + 1:
            last += 1
        parts.append(str(ordered[index]) if last == index else f"{ordered[index]}-{ordered[last]}")
        index = last + 1
    return ",".join(parts)


def cpus_to_quota(cpus: float, period: int = DEFAULT_PERIOD) -> int:
    """1.5 CPUs as 150000 microseconds per *period*; -1 stays -1. Raises CgroupError below what the kernel takes."""
    if cpus < 0:
        return UNLIMITED
    quota = round(cpus * period)
    if quota < MIN_QUOTA:
        raise CgroupError(
            f"cpus {cpus:g} is below what the kernel takes",
            step="cpu",
            hint=f"Declare at least {MIN_QUOTA / period:g} (a quota of {MIN_QUOTA} microseconds in {period})",
        )
    return quota


def quota_to_cpus(quota: int, period: int) -> float:
    """150000 of 100000 microseconds as 1.5; -1.0 for no limit."""
    return -1.0 if quota <= 0 else quota / period


def shares_to_weight(shares: int) -> int:
    """cpu.shares (2 … 262144) as cpu.weight (1 … 10000); 1024 is 100. 0 (unset) stays 0."""
    if shares == 0:
        return 0
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    import math

    power = math.log2(shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def weight_to_shares(weight: int) -> int:
    """The largest cpu.shares whose weight is *weight*: ``shares_to_weight(weight_to_shares(w)) == w``."""
    if weight == 0:
        return 0
    import math

    target = math.log10(min(max(weight, 1), 10000)) + 7 / 34
    shares = int(2 ** ((math.sqrt(125 * 125 + 4 * 612 * target) - 125) / 2) + 1e-6)
    # Floating point may land one beside the edge.
    while shares_to_weight(shares) > weight:
        shares -= 1
    while shares < 262144 and shares_to_weight(shares + 1) <= weight:
        shares += 1
    return shares


def blkio_to_io_weight(weight: int) -> int:
    """blkio weight (10 … 1000) as io.weight (1 … 10000). 0 (unset) stays 0."""
    return 0 if weight == 0 else 1 + (weight - 10) * 9999 // 990


def io_to_blkio_weight(weight: int) -> int:
    """The smallest blkio weight whose io.weight is at least *weight*."""
    return 0 if weight == 0 else min(1000, 10 - (-(weight - 1) * 990 // 9999))


def swap_to_v2(limit: int, swap: int) -> int | None:
    """v1's memory+swap limit as v2's memory.swap.max; None for "leave as it is".

    *limit* and *swap* are OCI's ``memory.limit`` and ``memory.swap``, 0 for unset, -1 for no limit.
    """
    if swap == 0:
        return UNLIMITED if limit == UNLIMITED else None
    if swap == UNLIMITED:
        return UNLIMITED
    if limit == UNLIMITED:
        raise CgroupError(
            f"memory_swap {format_bytes(swap)} with unlimited memory",
            step="memory",
            hint="memory_swap is memory and swap together: declare memory, or leave memory_swap out",
        )
    if limit == 0:
        raise CgroupError(
            f"memory_swap {format_bytes(swap)} without memory",
            step="memory",
            hint="memory_swap is memory and swap together: declare memory too",
        )
    if swap < limit:
        raise CgroupError(
            f"memory_swap {format_bytes(swap)} is below memory {format_bytes(limit)}",
            step="memory",
            hint="memory_swap is memory and swap together: declare at least as much as memory",
        )
    return swap - limit
