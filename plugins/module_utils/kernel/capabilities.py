# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities by name (capabilities(7)) and as the kernel's bit masks."""

from __future__ import annotations

import errno

from . import constants as c
from . import procfs, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# linux/capability.h: the position is the number.
NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
_NUMBERS = {"CAP_" + name: number for number, name in enumerate(NAMES)}


def mask(names: Iterable[str]) -> int:
    """The bit mask of ``CAP_*`` names. Raises KeyError with the first name that no kernel knows."""
    bits = 0
    for name in names:
        bits |= 1 << _NUMBERS[name]
    return bits


def names(bits: int) -> list[str]:
    """The ``CAP_*`` names of a bit mask, in the kernel's order; bits without a name are left out."""
    return ["CAP_" + name for number, name in enumerate(NAMES) if bits >> number & 1]


def bounding() -> int:
    """The calling process's bounding set, as far as this kernel knows capabilities."""
    return procfs.mask("CapBnd")


def permitted() -> int:
    """The calling thread's permitted set."""
    return syscalls.capget()[1]


def grantable(wanted: dict[str, int], available: int) -> dict[str, int]:
    """What of the five sets *wanted* (name → mask) execve(2)'s process can have that has *available* itself; pure.

    capabilities(7): what is effective must be permitted, what is inheritable in the bounding set, and what is ambient
    both permitted and inheritable.
    """
    granted = {name: bits & available for name, bits in wanted.items()}
    granted["effective"] &= granted["permitted"]
    granted["inheritable"] &= granted["bounding"]
    granted["ambient"] &= granted["permitted"] & granted["inheritable"]
    return granted


def drop_bounding(keep: int) -> None:
    """Drop every capability but *keep* from the bounding set; needs CAP_SETPCAP."""
    for number in range(64):
        if not keep >> number & 1:
            try:
                syscalls.prctl(c.PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                break


def set_ambient(bits: int) -> None:
    """Make the ambient set exactly *bits* (which must be permitted and inheritable)."""
    try:
        syscalls.prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError as error:
        if error.errno != errno.EINVAL or bits:  # a kernel without ambient capabilities has none to clear
            raise
    for number in range(64):
        if bits >> number & 1:
            syscalls.prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, number)
