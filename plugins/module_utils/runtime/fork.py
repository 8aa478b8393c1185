# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fork(2) towards a container: what guards it, and the namespaces that begin with it."""

from __future__ import annotations

import errno
import os

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.lean import signal
from .config import NAMESPACES
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


class signals_blocked:
    """For the fork: a signal meant for the parent must not end the child half way; execute() clears the mask."""

    __slots__ = ("_previous",)

    def __enter__(self) -> None:
        everything = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
        self._previous = signal.pthread_sigmask(signal.SIG_BLOCK, everything)

    def __exit__(self, *_raised: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._previous)


def unshare(kinds: Collection[str]) -> None:
    """unshare(2) the namespaces of these *kinds*. Raises RuntimeFault."""
    flags = 0
    for kind in kinds:
        flags |= NAMESPACES[kind]
    try:
        syscalls.unshare(flags)
    except OSError as error:
        hints = {
            errno.ENOSPC: "The host allows no more of them: see /proc/sys/user/max_*_namespaces",
            errno.EINVAL: "The kernel has not all of these kinds",
        }
        raise RuntimeFault.of(
            error,
            f"linux.namespaces: cannot make new namespaces ({', '.join(kinds)})",
            step="namespaces",
            obj="linux.namespaces",
            hint=hints.get(error.errno or 0, ""),
        ) from error


def fork_inside() -> int:
    """fork(2) a child that is the first process of a new pid namespace; as for fork, its pid, and 0 in it.

    Without a user namespace to be entered before there is no need of a second fork for that. Later children of ours
    are in our own namespace again (pid_namespaces(7)).
    """
    own = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(("pid",))
        try:
            child = os.fork()
        except BaseException:
            syscalls.setns(own, c.CLONE_NEWPID)
            raise
        if child:
            syscalls.setns(own, c.CLONE_NEWPID)
        return child
    finally:
        os.close(own)
