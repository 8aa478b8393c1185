# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one control file says of another, which then need not be opened; pure.

Of each the kernel's source is the reason, and tests/integration/python/test_cgroup_snapshot.py compares.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NO_LIMIT = 1 << 62  # bytes: v1 tells the largest number of whole pages


def _not_idle(most: int) -> Callable[[str], str | None]:
    """What cpu.idle holds, by the weight beside it: the kernel gives an idle group one of *most* (WEIGHT_IDLEPRIO)."""
    return lambda weight: "0\n" if int(weight) > most else None


def _default(weights: str) -> str | None:
    """The weight for all devices, from the first line of those for each."""
    name, _space, weight = weights.splitlines()[0].partition(" ")
    return f"{weight}\n" if name == "default" else None


def _unlimited(stat: str) -> str | None:
    """The limit of memory of a group whose memory.stat knows none: that tells the least of its own and those above."""
    _before, _key, number = stat.partition("\nhierarchical_memory_limit ")
    number = number.partition("\n")[0]
    return f"{number}\n" if number.isdigit() and int(number) >= _NO_LIMIT else None


def _never(text: str) -> Callable[[str], str | None]:
    """*text* where the most that there ever were is none: nobody sets that back."""
    return lambda peak: text if peak == "0\n" else None


def _unthrottled(sums: str) -> str | None:
    """What a group has no numbers of, not even zeros, it has no settings for (blkcg_print_blkgs: one list for both)."""
    return "" if ":" not in sums else None


MOVED = ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")
_THROTTLES = [f"blkio.throttle.{way}_{unit}_device" for way in ("read", "write") for unit in ("bps", "iops")]
IMPLIED: dict[str, tuple[tuple[str, Callable[[str], str | None]], ...]] = {
    "cpu.idle": (("cpu.shares", _not_idle(3)), ("cpu.weight", _not_idle(1))),
    # Never less than the limit of memory alone (cgroup-v1/memory.rst, 2.4)
    "memory.memsw.limit_in_bytes": (("memory.limit_in_bytes", lambda text: text if int(text) >= _NO_LIMIT else None),),
    # Who has had no time has had none in the kernel either; a line of names comes before that of each CPU
    "cpuacct.usage_all": (("cpuacct.usage", lambda text: "cpu user system\n" if text == "0\n" else None),),
    "blkio.bfq.weight": (("blkio.bfq.weight_device", _default),),
    "memory.limit_in_bytes": (("memory.stat", _unlimited),),
    "pids.current": (("pids.peak", _never("0\n")),),
    "pids.events": (("pids.peak", _never("max 0\n")),),
    **{file: tuple((moved, _unthrottled) for moved in MOVED) for file in _THROTTLES},
}
"""File → others of its controller that may say what is in it, None where they do not."""
DEAR = frozenset(("memory.stat", *MOVED))  # not read for another's sake
