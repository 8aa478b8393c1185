# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor has to do with the host: small files, its own process. Imports modules written in C alone."""

from __future__ import annotations

import _signal
import errno
import posix

from .logsink import write

HEEDED = (_signal.SIGCHLD, _signal.SIGHUP, _signal.SIGTERM)
"""The signals that a monitor acts on; blocked where it is not there yet."""
_MOST = 65536  # bytes of a small file


def read_config(text: str) -> dict[str, str]:
    """The settings in a ``monitor.conf``."""
    return dict([line.split("=", 1) for line in text.split("\n") if "=" in line])


def count_oom_kills(text: str) -> int:
    """The number behind ``oom_kill`` in v1's memory.oom_control or v2's memory.events."""
    for line in text.split("\n"):
        if line.startswith("oom_kill "):
            return int(line[9:])
    return 0


def read(path: str) -> str:
    """The text of a small file; nothing when it is not there (a cgroup may vanish at any time, also once opened)."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return posix.read(fd, _MOST).decode("utf-8", "replace")
        finally:
            posix.close(fd)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return ""
        raise


def replace(path: str, text: str, *, durable: bool) -> None:
    """Put *text* into the file *path* in one step; on a full disk the old one stays."""
    temporary = path + ".tmp"
    try:
        fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            write(fd, text.encode())
            if durable:
                posix.fsync(fd)
        finally:
            posix.close(fd)
        posix.rename(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise


def prepare(kept: set[int]) -> None:
    """Nothing inherited but what was meant for us, and out of the OOM killer's sight where we may."""
    for fd in [int(name) for name in posix.listdir("/proc/self/fd")]:
        if fd > 2 and fd not in kept:
            try:
                posix.close(fd)
            except OSError as error:
                if error.errno != errno.EBADF:  # the descriptor of the listing itself
                    raise
    for fd in kept:
        if fd > 2:
            posix.set_inheritable(fd, False)
    posix.chdir("/")
    fd = posix.open("/proc/self/oom_score_adj", posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, b"-1000")
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM):
            raise
    finally:
        posix.close(fd)
