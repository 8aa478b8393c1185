# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the host's ids containers may have: what subuid(5) and subgid(5) say. Pure.

The user ``containers``, or else root, may have been given ranges: podman(1) takes those, too. Without any, ids are
taken from 1048576 on (above what useradd(8) hands out on a usual host), less what the two files give to others.
"""

from __future__ import annotations

from collections import namedtuple

from .errors import ContainerError
from .userns import SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DEFAULT = (16 * SIZE, 0xFFFF * SIZE)  # ids have 32 bits, and the last of them is none
_OWNERS = (("containers",), ("root", "0"))

# One line: ids first to end - 1 are name's.
Entry = namedtuple("Entry", "name first end")
# intervals: (first, end) of the ids there are; source: for messages
Pool = namedtuple("Pool", "intervals source")


def parse(text: str) -> list[Entry]:
    """The lines ``name:first:count`` that make sense."""
    found = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) == 3 and fields[0] and fields[1].isdigit() and fields[2].isdigit():
            found.append(Entry(fields[0], int(fields[1]), int(fields[1]) + int(fields[2])))
    return found


def pool(subuid: str, subgid: str) -> Pool:
    """What there is for containers, of the texts of the two files. Raises ContainerError where they disagree.

    A container has one range for users and groups alike: only ids that both files give count.
    """
    users, groups = parse(subuid), parse(subgid)
    for names in _OWNERS:
        ours = [[(entry.first, entry.end) for entry in entries if entry.name in names] for entries in (users, groups)]
        if any(ours):
            common = _common(*ours)
            source = f"/etc/subuid and /etc/subgid give to {names[0]}"
            if not any(end - first >= SIZE for first, end in common):
                raise ContainerError(
                    f"userns_mode: the ids that {source} have no {SIZE} in a row in common",
                    step="userns",
                    obj="userns_mode",
                    hint="Give it the same range in both, as 'usermod --add-subuids FIRST-LAST' does, or none",
                )
            return Pool(common, source)
    return Pool(
        _without([_DEFAULT], [(entry.first, entry.end) for entry in (*users, *groups)]), "there are on this host"
    )


def _common(ones: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found = [(max(one[0], other[0]), min(one[1], other[1], _DEFAULT[1])) for one in ones for other in others]
    return sorted((first, end) for first, end in found if first < end)


def _without(intervals: list[tuple[int, int]], taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """*intervals* without the ranges of SIZE ids, counted from 0, that *taken* has any of."""
    for first, end in taken:
        first, end = first // SIZE * SIZE, -(-end // SIZE) * SIZE
        intervals = (
            [
                part
                for begin, stop in intervals
                for part in ((begin, min(stop, first)), (max(begin, end), stop))
                if part[0] < part[1]
            ]
            if first < end
            else intervals
        )
    return intervals


def choose(used: Iterable[int], given: Pool) -> int:
    """The first id of the lowest range that overlaps none of *used* (first ids). Raises ContainerError."""
    taken = sorted(used)
    for begin, end in given.intervals:
        first = begin
        for other in taken:
            if other - SIZE < first < other + SIZE:
                first += -(-(other + SIZE - first) // SIZE) * SIZE
        if first + SIZE <= end:
            return int(first)
    raise ContainerError(
        f"userns_mode: no range of {SIZE} ids is free of those that {given.source}", step="userns", obj="userns_mode"
    )
