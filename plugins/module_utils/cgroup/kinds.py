# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the value of a control file is written, compared and read back.

A *kind* has three functions: ``encode`` (OCI value → text to write), ``canon`` (any text, ours or the kernel's →
the one form in which equal values are equal text) and ``decode`` (canonical text → OCI value). The kernel rounds
and respells what it is given; ``canon`` does the same, so that a second run finds nothing to change.
"""

from __future__ import annotations

import os

from ..kernel.lean import namedtuple
from . import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Kind = namedtuple("Kind", "encode canon decode")

_PAGE = os.sysconf("SC_PAGE_SIZE")
# v1 spells "no limit" as the largest multiple of a page (or huge page) in 63 bits; no machine has half of that.
_NO_LIMIT = 1 << 62


def canon_bytes(text: str, unit: int = _PAGE) -> str:
    """Bytes rounded down to *unit*, as page_counter_memparse() does; ``"max"`` for no limit."""
    text = text.strip()
    count = units.UNLIMITED if text == "max" else int(text)
    return "max" if count < 0 or count >= _NO_LIMIT else str(count // unit * unit)


def canon_count(text: str) -> str:
    text = text.strip()
    return "max" if text in ("max", "-1") else str(int(text))


def canon_list(text: str) -> str:
    return units.format_cpu_list(units.parse_cpu_list(text))


def canon_text(text: str) -> str:
    """Words one space apart, numbers without zeros that say nothing: 07 is 7, 50.00 is 50."""
    return " ".join(_plain(word) for word in text.split())


def _plain(word: str) -> str:
    whole, dot, fraction = word.partition(".")
    if not whole.isdigit() or not word.isascii() or (dot and not fraction.isdigit()):
        return word
    fraction = fraction.rstrip("0")
    return str(int(whole)) + ("." + fraction if fraction else "")


def _canon_percent(text: str) -> str:
    """cpu.uclamp.*: hundredths of a percent, of which all are "max" (kernel/sched/core.c, capacity_from_percent())."""
    text = text.strip()
    return text if text == "max" else "max" if float(text) >= 100 else f"{float(text):.2f}"


def _canon_partition(text: str) -> str:
    """cpuset.cpus.partition: the kernel adds why a partition is invalid; that is not what was asked for."""
    word, _space, reason = text.strip().partition(" ")
    return f"{word} invalid" if reason else word


def _canon_int(text: str) -> str:
    return str(int(text))


def _canon_shares(text: str) -> str:
    """The scheduler keeps shares between 2 and 262144 (MIN_SHARES, MAX_SHARES)."""
    return str(min(max(int(text), 2), 262144))


def _canon_oom(text: str) -> str:
    """v1's memory.oom_control is written as a number and read as three lines."""
    first = text.split("\n", 1)[0]
    return first.rpartition(" ")[2].strip()


def _encode_limit_v1(value: int) -> str:
    return str(value) if value >= 0 else "-1"


def _encode_limit_v2(value: int) -> str:
    return str(value) if value >= 0 else "max"


def _encode_reservation(value: int) -> str:
    return str(max(value, 0))


def _decode_reservation(text: str) -> int:
    return units.UNLIMITED if text in ("max", "0") else int(text)


def _encode_pids(value: int) -> str:
    return str(value) if value > 0 else "max"


def _encode_quota(value: int) -> str:
    return str(value) if value > 0 else "-1"


def _encode_quota_v2(value: int) -> str:
    return str(value) if value > 0 else "max"


def _decode_limit(text: str) -> int:
    return units.UNLIMITED if text in ("max", "-1") else int(text)


def _encode_flag(value: Any) -> str:
    return str(int(value))


def _decode_flag(text: str) -> bool:
    return text == "1"


def _encode_shares(value: int) -> str:
    return str(units.shares_to_weight(value))


def _decode_shares(text: str) -> int:
    return units.weight_to_shares(int(text))


def _encode_io_weight(value: int) -> str:
    return str(units.blkio_to_io_weight(value))


def _decode_io_weight(text: str) -> int:
    return units.io_to_blkio_weight(int(text))


def huge(page: int, *, unified: bool) -> Kind:
    """Bytes in whole huge pages of *page* bytes."""

    def canon(text: str) -> str:
        return canon_bytes(text, page)

    return Kind(_encode_limit_v2 if unified else _encode_limit_v1, canon, _decode_limit)


INT = Kind(str, _canon_int, int)
SHARES_V1 = Kind(str, _canon_shares, int)
TEXT = Kind(str, canon_text, str)
PERCENT = Kind(str, _canon_percent, str)
PARTITION = Kind(str, _canon_partition, str)
LIST = Kind(str, canon_list, str)
FLAG = Kind(_encode_flag, _canon_int, _decode_flag)
COUNT = Kind(_encode_limit_v2, canon_count, _decode_limit)
PIDS = Kind(_encode_pids, canon_count, _decode_limit)
BYTES_V1 = Kind(_encode_limit_v1, canon_bytes, _decode_limit)
BYTES_V2 = Kind(_encode_limit_v2, canon_bytes, _decode_limit)
QUOTA_V1 = Kind(_encode_quota, _canon_int, int)
QUOTA_V2 = Kind(_encode_quota_v2, canon_count, _decode_limit)
OOM_V1 = Kind(_encode_flag, _canon_oom, _decode_flag)
RATE_V2 = Kind(_encode_pids, canon_count, _decode_limit)
"""A rate of 0 takes the rule away, as on v1."""
RESERVATION_V2 = Kind(_encode_reservation, canon_bytes, _decode_reservation)
"""v1's unlimited soft limit is no reservation at all: on v2 that is 0, and "max" would be the opposite."""
SHARES_V2 = Kind(_encode_shares, _canon_int, _decode_shares)
IO_WEIGHT_V2 = Kind(_encode_io_weight, _canon_int, _decode_io_weight)
