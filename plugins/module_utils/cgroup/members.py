# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are in which groups, for many groups at once.

On v2 a group's cgroup.procs tells. On v1 a process can be in another group for every controller, so that each group
would have to be read in every hierarchy; there /proc/PID/cgroup (cgroups(7)) is read instead, once for each process.
"""

from __future__ import annotations

import os

from .hierarchy import HYBRID, UNIFIED
from .snapshot import content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .snapshot import Reader, Snapshot


class Members:
    """The processes of the machine's groups."""

    def __init__(self, reader: Reader) -> None:
        self.mode = reader.hierarchy.mode
        self.pids: dict[str, list[int]] = {}
        self.apart: frozenset[str] = frozenset()
        if self.mode != UNIFIED:
            self.pids, self.apart = sort_out(_memberships(), hybrid=self.mode == HYBRID)

    def of(self, group: Snapshot) -> list[int]:
        """The processes in *group* itself, none of groups below it, in ascending order."""
        if self.mode != UNIFIED:
            return self.pids.get(group.path or "/", [])
        text = group.text("cgroup", "cgroup.procs")
        # 0 stands for a process outside of our pid namespace.
        return sorted({int(pid) for pid in text.split() if pid != "0"}) if text else []

    def counted(self, path: str) -> bool:
        """Whether v2 counts all the processes that are in the group *path* or below it."""
        return (path or "/") not in self.apart


def _memberships() -> Iterable[tuple[int, str]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            text = content(f"/proc/{name}/cgroup")
            if text:
                yield int(name), text


def sort_out(memberships: Iterable[tuple[int, str]], *, hybrid: bool) -> tuple[dict[str, list[int]], frozenset[str]]:
    """(group → its pids, groups with a process in or below them that is elsewhere on the v2 mount).

    *memberships* are pids with the text of their /proc/PID/cgroup.
    """
    pids: dict[str, list[int]] = {}
    apart: set[str] = set()
    for pid, text in sorted(memberships):
        v1: set[str] = set()
        v2 = ""
        for line in text.splitlines():
            number, _controllers, path = line.split(":", 2)
            if number == "0":
                v2 = path
            else:
                v1.add(path)
        # A process that has ended and waits for its parent is in v1's root groups, and stays where it was on v2.
        for path in v1 | {v2} if v2 and v1 != {"/"} else v1:
            pids.setdefault(path, []).append(pid)
        if hybrid:
            for path in v1 - {v2, "/"}:
                while path and path not in apart:
                    apart.add(path)
                    path = path.rpartition("/")[0]
    return pids, frozenset(apart)
