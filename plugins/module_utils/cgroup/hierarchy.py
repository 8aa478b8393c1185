# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this machine's cgroup hierarchies are mounted, and which controller lives where.

Three arrangements exist (systemd's names): *unified*, everything on cgroup v2; *legacy*, everything on v1;
*hybrid*, controllers on v1 with a v2 mount beside them that may carry the rest. All are one shape here: a
mount per v1 controller, and perhaps a v2 mount with the controllers it has.
"""

from __future__ import annotations

import errno
import os

from ..kernel.files import read_text
from ..kernel.procfs import unescape
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

UNIFIED = "unified"
HYBRID = "hybrid"
LEGACY = "legacy"

# cgroups(7), plus misc (5.13) and dmem (6.14). Whatever else stands in a v1 mount's options is an option.
_V1_CONTROLLERS = frozenset(
    ("cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "net_cls", "perf_event", "net_prio")
    + ("hugetlb", "pids", "rdma", "misc", "dmem")
)


class Hierarchy:
    """``mode``; ``v1``: controller → mount point (``name=systemd`` too); ``unified``: the v2 mount point or ``""``;
    ``v2_controllers``: what the v2 mount carries; ``mounts``: v1's mount points, and ``everywhere`` all of them."""

    __slots__ = ("everywhere", "mode", "mounts", "unified", "v1", "v2_controllers")

    def __init__(self, v1: Mapping[str, str], unified: str = "", v2_controllers: frozenset[str] = frozenset()) -> None:
        self.v1 = dict(v1)
        self.unified = unified
        self.v2_controllers = v2_controllers
        self.mode = (HYBRID if unified else LEGACY) if v1 else UNIFIED
        self.mounts = tuple(dict.fromkeys(self.v1.values()))  # co-mounted controllers share one
        self.everywhere = (*self.mounts, unified) if unified else self.mounts

    def __repr__(self) -> str:
        return f"Hierarchy({self.mode}, {self.v1!r}, {self.unified!r}, {sorted(self.v2_controllers)!r})"


def parse_mountinfo(text: str) -> tuple[dict[str, str], str]:
    """(v1 controller → mount point, v2 mount point or ``""``) from proc_pid_mountinfo(5).

    A bind of some part of a hierarchy does not count while a mount of the whole exists; of equals the last wins,
    as it covers the earlier ones.
    """
    v1: dict[str, tuple[bool, str]] = {}
    unified: tuple[bool, str] = (False, "")
    for line in text.split("\n"):
        if " - cgroup" not in line:
            continue
        left, _dash, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        found = (fields[3] == "/", unescape(fields[4]))
        if kind[0] == "cgroup2":
            if found[0] or not unified[0]:
                unified = found
            continue
        for option in kind[2].split(","):
            known = option in _V1_CONTROLLERS or option.startswith("name=")
            if known and (found[0] or not v1.get(option, (False, ""))[0]):
                v1[option] = found
    return {controller: mount for controller, (_whole, mount) in v1.items()}, unified[1]


_kept: list[Hierarchy] = []


def keep() -> None:
    """Look for the hierarchies now and take them for those of whatever is forked later, in its mount namespaces too.

    For a process that lives as long as a task at the most. Raises as :func:`detect`.
    """
    _kept[:] = [detect()]


def detect() -> Hierarchy:
    """The hierarchies of this process's mount namespace. Raises CgroupError where none is mounted."""
    if _kept:
        return _kept[0]
    v1, unified = parse_mountinfo(read_text("/proc/self/mountinfo"))
    if not v1 and not unified:
        raise CgroupError(
            "no cgroup file system is mounted on this machine",
            step="path",
            hint="Mount cgroup2 on /sys/fs/cgroup, as systemd and cgroupfs-mount do",
        )
    controllers = frozenset(read_text(os.path.join(unified, "cgroup.controllers")).split()) if unified else frozenset()
    return Hierarchy(v1, unified, controllers)


def membership(pid: int) -> dict[str, str]:
    """The groups that process *pid* is in, as :func:`parse_membership` gives them.

    Raises ProcessLookupError, for one that ends meanwhile, too.
    """
    try:
        text = read_text(f"/proc/{pid}/cgroup")
    except FileNotFoundError:
        raise ProcessLookupError(errno.ESRCH, "no such process", str(pid)) from None
    return parse_membership(text)


def parse_membership(text: str) -> dict[str, str]:
    """/proc/PID/cgroup (cgroups(7)) as controller → path; v2's is under ``""``."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found
