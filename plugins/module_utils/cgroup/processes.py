# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a group: signalled all at once, found, moved out."""

from __future__ import annotations

import errno
import os

from . import freezer, v2
from .control import GONE, attach, pids_of, tree
from .errors import CgroupError
from .hierarchy import UNIFIED, membership

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api import Cgroup

_SIGKILL = 9  # everywhere; the module signal costs more to import than all of this layer


def kill(group: Cgroup, signal: int) -> None:
    """See :meth:`Cgroup.kill`. cgroup.kill where there is one, else freeze, signal, thaw."""
    present = group.pids()
    if not present:
        return
    unified_mount = group.hierarchy.unified
    where = group.freezer()
    if signal == _SIGKILL and unified_mount:
        v2_directory = unified_mount + group.path
        reached = {pid for member in tree(v2_directory) for pid in pids_of(member)}
        # A hybrid's v2 mount need not have every process that its v1 hierarchies have.
        if v2.kill_all(v2_directory) and (group.hierarchy.mode == UNIFIED or reached.issuperset(present)):
            if where is not None:
                _thaw_dying(*where)
            return
    if where is None:
        _signal(group, signal)
        return
    try:
        _signal_frozen(group, signal, *where)
    except OSError as error:
        if error.errno not in GONE:
            raise
        _signal(group, signal)  # somebody else has removed the group that was to stand still


def _signal_frozen(group: Cgroup, signal: int, directory: str, unified: bool) -> None:
    was_frozen = freezer.frozen(directory, unified=unified)
    freezer.freeze(directory, unified=unified)
    try:
        _signal(group, signal)
    finally:
        if not was_frozen:
            freezer.thaw(directory, unified=unified)
        if signal == _SIGKILL:
            _thaw_dying(directory, unified)


def _thaw_dying(directory: str, unified: bool) -> None:
    """A task that v1 has frozen, in the group or in one below it, does not even die before it is thawed."""
    if not unified:
        for member in tree(directory):
            try:
                freezer.thaw(member, unified=False)
            except OSError as error:
                if error.errno not in GONE:
                    raise


def _signal(group: Cgroup, signal: int) -> None:
    for pid in group.pids():
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            continue


def holds(group: Cgroup, pid: int) -> bool:
    """See :meth:`Cgroup.holds`."""
    try:
        where = membership(pid)
    except ProcessLookupError:
        raise CgroupError(
            f"cannot move process {pid} into {group.path}: there is no such process",
            step="processes",
            errno=errno.ESRCH,
            hint="Take it out of the list",
        ) from None
    return all(where.get(controller) == group.path for controller in group.paths())


def evacuate(group: Cgroup) -> None:
    """See :meth:`Cgroup.evacuate`."""
    unified = group.hierarchy.unified
    for directory in group.directories():
        above = os.path.dirname(directory)
        while unified and directory == unified + group.path and not v2.may_hold_processes(unified, above):
            above = os.path.dirname(above)
        for _look in range(10):  # what forks meanwhile is found by the next look
            pids = [pid for member in tree(directory) for pid in pids_of(member)]
            if not pids:
                break
            for pid in pids:
                _move(above, pid)


def _move(directory: str, pid: int) -> None:
    try:
        attach(directory, pid)
    except CgroupError as error:
        if error.errno != errno.ESRCH:
            raise
