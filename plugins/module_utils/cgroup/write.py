# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change written to the kernel, for the files to which writing the value is not all."""

from __future__ import annotations

import errno
import os

from ..kernel.files import read_text, write_control
from . import freezer, v2
from .errors import CgroupError
from .freezer import FREEZE, SELF_FREEZING
from .v2 import PARTITION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api import Cgroup
    from .plan import Change


def write(group: Cgroup, change: Change) -> None:
    """Carry out *change*. Raises OSError for what the kernel refuses; then everything is as it was."""
    directory = group.directory(change.controller) or ""
    if change.controller == "devices":
        _devices(group, directory, change)
    elif change.file in (FREEZE, SELF_FREEZING):
        _freeze(directory, change)
    else:
        if change.file == "memory.max" and change.after != "max":
            usage = v2.squeeze(directory, int(change.after))
            if usage is not None:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), f"{directory}/memory.max")
        # A value of nothing still is a write: a line without a word.
        write_control(f"{directory}/{change.file}", change.after or "\n")
        if change.file == PARTITION:
            _check_partition(directory, change)


def _devices(group: Cgroup, directory: str, change: Change) -> None:
    from .devices import PROGRAM, attach_program, write_devices

    if change.file == PROGRAM:
        attach_program(group.hierarchy.unified + group.path, change.after)
    else:
        write_devices(directory, change.before, change.after)


def _freeze(directory: str, change: Change) -> None:
    unified = change.file == FREEZE
    if change.after == "0":
        freezer.thaw(directory, unified=unified)
        return
    try:
        freezer.freeze(directory, unified=unified)
    except CgroupError as error:
        # It does not always know the error's base.  pylint: disable-next=bad-exception-cause
        raise OSError(error.errno or errno.EIO, str(error), directory) from error


def _check_partition(directory: str, change: Change) -> None:
    """The kernel takes every kind, and says afterwards when the group's CPUs cannot be one."""
    told = read_text(f"{directory}/{PARTITION}").strip()
    if " invalid" in told:
        write_control(f"{directory}/{PARTITION}", change.before.split(" ", 1)[0])
        reason = told.partition("(")[2].rstrip(")") or told
        raise OSError(errno.EINVAL, reason, f"{directory}/{PARTITION}")
