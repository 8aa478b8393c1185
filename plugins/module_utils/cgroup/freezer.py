# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping all tasks of a group at once: v1's freezer controller, or cgroup.freeze, which every v2 group has."""

from __future__ import annotations

import errno
import time

from ..kernel.files import write_control
from .control import read_if_there
from .errors import CgroupError

FREEZE = "cgroup.freeze"
"""What freezes a v2 group, and its own part of the frozen state."""
SELF_FREEZING = "freezer.self_freezing"
"""v1's own part of the frozen state; freezer.state tells what a group above has done, too."""
_SECONDS = 10.0
# (control file, what freezes, what thaws, file that tells, its line when all stand still), by "is it v2".
# freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze and cgroup.events.
_V1 = ("/freezer.state", "FROZEN", "THAWED", "/freezer.state", "FROZEN")
_V2 = ("/cgroup.freeze", "1", "0", "/cgroup.events", "frozen 1")


def freeze(directory: str, *, unified: bool) -> None:
    """Freeze the group and wait until every task stands. Thaws again and raises CgroupError after ten seconds."""
    control, on, off, _file, _line = _V2 if unified else _V1
    deadline = time.monotonic() + _SECONDS
    delay = 0.0001
    write_control(directory + control, on)
    while not frozen(directory, unified=unified):
        if time.monotonic() > deadline:
            write_control(directory + control, off)
            raise CgroupError(
                f"cgroup {directory} did not freeze within {_SECONDS:.0f} s",
                step="freezer",
                obj=directory,
                errno=errno.ETIMEDOUT,
                hint="A process in it waits in the kernel, perhaps for a dead disk or file server",
            )
        time.sleep(delay)
        delay = min(delay * 2, 0.02)
        # v1 can miss a task forked meanwhile; writing again makes it look once more.
        write_control(directory + control, on)


def thaw(directory: str, *, unified: bool) -> None:
    """Let the tasks of the group run."""
    control, _on, off, _file, _line = _V2 if unified else _V1
    write_control(directory + control, off)


def frozen(directory: str, *, unified: bool) -> bool:
    """Whether all tasks of the group stand still, by this group or one above it; of none that has gone."""
    _control, _on, _off, file, line = _V2 if unified else _V1
    return line in (read_if_there(directory + file) or "").splitlines()
