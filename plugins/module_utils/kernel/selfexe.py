# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run this interpreter so that a container cannot overwrite it on the host.

Until it executes the container's program, the container's first process *is* the host's python; a hostile image
can make it run again as ``#!/proc/self/exe`` and keep a handle on the file (CVE-2019-5736). A process started here
has for its /proc/self/exe a file on a read-only mount that exists nowhere else, so the kernel refuses every write.
"""

from __future__ import annotations

import errno
import os

from . import constants as c
from . import syscalls

_answer: list[bool] = []


def is_protected() -> bool:
    """Whether this process's own executable lies on a read-only mount.

    /proc is asked once: to a forked child that has gone into a container it may be the image's.
    """
    if not _answer:
        _answer.append(bool(os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY))
    return _answer[0]


def exec_protected(arguments: list[str], environment: dict[str, str]) -> None:
    """Replace this process by ``python ARGUMENTS``, its executable read-only. Does not return; raises OSError."""
    interpreter = os.readlink("/proc/self/exe")
    argv = [interpreter, *arguments]
    try:
        fd = _detached_copy()
    except OSError as error:
        if error.errno != errno.ENOSYS:  # mount_setattr(2) came with Linux 5.12
            raise
        _bind_read_only(interpreter)
        os.execve(interpreter, argv, environment)
    os.execve(fd, argv, environment)


def _detached_copy() -> int:
    """The executable on a read-only copy of its mount that is attached nowhere."""
    fd = syscalls.open_tree(c.AT_FDCWD, "/proc/self/exe", c.OPEN_TREE_CLONE)
    try:
        syscalls.mount_setattr(fd, c.MOUNT_ATTR_RDONLY, 0, recursive=False)
    except OSError:
        os.close(fd)
        raise
    return fd


def _bind_read_only(interpreter: str) -> None:
    """The same for older kernels: a read-only bind mount in a mount namespace of our own."""
    syscalls.unshare(c.CLONE_NEWNS)
    syscalls.mount(None, "/", None, c.MS_REC | c.MS_SLAVE)
    syscalls.mount(interpreter, interpreter, None, c.MS_BIND)
    syscalls.mount(None, interpreter, None, c.MS_BIND | c.MS_REMOUNT | c.MS_RDONLY)
