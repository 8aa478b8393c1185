# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a limit could not be set, in words that say what to do."""

from __future__ import annotations

import errno

from . import units
from .control import read_if_there
from .errors import CgroupError
from .hierarchy import UNIFIED
from .rawfiles import V2_FILES
from .v2 import PARTITION, enabled
from .vocabulary import option_of, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api import Cgroup
    from .plan import Change
    from .resources import Row

_MEMORY_LIMITS = ("memory.limit_in_bytes", "memory.max")


def missing(group: Cgroup, row: Row | Change) -> CgroupError:
    """The error for a limit whose control file is not there."""
    name = option_of(row.file)
    where = f"cannot set {name} of {group.path}"
    directory = group.directory(row.controller)
    hierarchy = group.hierarchy
    if directory is None:
        if hierarchy.mode == UNIFIED:
            have = " ".join(sorted(hierarchy.v2_controllers)) or "none"
            message = f"{where}: this kernel has no {row.controller} controller on cgroup v2 (it has: {have})"
            hint = f"Leave {name} out, or boot a kernel with the {row.controller} controller"
        elif row.file in V2_FILES:
            message = f"{where}: {row.file} exists only under cgroup v2 and this machine has v1 ({hierarchy.mode})"
            hint = f"Leave {name} out, or boot with systemd.unified_cgroup_hierarchy=1"
        else:
            message = f"{where}: the {row.controller} controller is not mounted (cgroup {hierarchy.mode})"
            hint = f"Mount it: mount -t cgroup -o {row.controller} cgroup /sys/fs/cgroup/{row.controller}"
    elif row.controller not in hierarchy.v1 and row.controller not in enabled(directory) and group.foreseen(row.file):
        message = f"{where}: the {row.controller} controller is not enabled for this group"
        hint = "A group above it holds processes, which keeps controllers from its children: move them to a child"
    else:
        version = "v1" if row.controller in hierarchy.v1 else "v2"
        message = f"{where}: this kernel's {row.controller} controller (cgroup {version}) has no {row.file}"
        hint = f"Leave {name} out"
        if row.file in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
            hint += ", or boot with swapaccount=1"
        elif row.file == "io.weight":
            hint += ", or declare blkio_weight for disks that are scheduled by bfq"
        elif row.file in V2_FILES and version == "v1":
            hint += ", or boot with systemd.unified_cgroup_hierarchy=1"
    return CgroupError(message, step=row.controller, obj=row.file, errno=errno.ENOENT, hint=hint)


def refused(group: Cgroup, change: Change, error: OSError, stuck: Change | None) -> CgroupError:
    """The error for a value the kernel did not take; *stuck* is what could not be put back, if anything."""
    if error.errno == errno.ENOENT and group.exists():
        return missing(group, change)
    name = option_of(change.file)
    reason, hint = error.strerror or str(error), ""
    if change.file in _MEMORY_LIMITS and error.errno == errno.EBUSY:
        usage = group.usage().get("memory", 0)
        refuses = (
            "the kernel (cgroup v1) refuses a limit below that"
            if "memory" in group.hierarchy.v1
            else "the kernel (cgroup v2) would kill processes in it"
        )
        reason = f"the {group.owner} uses {units.format_bytes(usage)} and {refuses}"
        hint = f"Stop the {group.owner} first, or declare at least {units.format_bytes(usage, up=True)}"
    elif change.file in _MEMORY_LIMITS and error.errno == errno.EINVAL:
        reason = "it is above the limit of memory and swap together"
        hint = "Declare memory_swap too"
    elif change.file in ("cpu.shares", "cpu.weight") and (group.text_of("cpu.idle") or "0").strip() == "1":
        reason, hint = "the group is idle (cpu.idle) and has no weight", "Declare cpu_idle: false too"
    elif change.file in ("cpuset.cpus", "cpuset.mems"):
        allowed = read_if_there(f"{(group.directory('cpuset') or '').rpartition('/')[0]}/{change.file}") or ""
        if allowed.strip():
            hint = f"The group above it allows {allowed.strip()}"
        if error.errno == errno.EBUSY:
            reason = "a group below it uses more than that"
    elif change.controller == "devices":
        if error.errno == errno.EPERM:
            reason, hint = "a group above it does not allow that", "Allow it there first, or leave it out"
        elif error.errno == errno.EINVAL:
            hint = "cgroup v1 changes the default of a group only while there is none below it"
    elif change.controller in ("blkio", "io") and error.errno == errno.EOPNOTSUPP:
        hint = "The disk has to be scheduled by bfq: echo bfq >/sys/block/DISK/queue/scheduler"
    elif change.controller in ("blkio", "io") and error.errno in (errno.ENODEV, errno.EINVAL):
        hint = "Name a whole disk, no partition; lsblk lists them"
    elif change.file == PARTITION:
        hint = "See cgroup-v2.rst, cpuset.cpus.partition: its CPUs must belong to the group above and to no other"
    elif error.errno == errno.EINVAL:
        hint = "A group above it, or another limit of this one, allows less"
    after = "Nothing was changed" if stuck is None else f"{stuck.file} could not be put back to {stuck.after}"
    return CgroupError(
        f"cannot set {name} to {shown(change)}: {reason}. {after}",
        step=change.controller,
        obj=str(error.filename or change.file),
        errno=error.errno or 0,
        hint=hint,
    )
