# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process beside ours that stands in other namespaces, for us to look through its /proc/PID."""

from __future__ import annotations

import errno
import os

from .errors import Error, KernelError
from .lean import dumps, loads, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MESSAGE = 1 << 16  # bytes


class beside:
    """A process that has done *enter*, for the length of a with block; gives its pid as /proc has it.

    It ends with us, whatever ends us. Raises what *enter* raises there: OSError, and other errors of the core as
    KernelError with their words. Single-threaded callers.
    """

    __slots__ = ("_child", "_enter", "_hold")

    def __init__(self, enter: Callable[[], None]) -> None:
        self._enter = enter
        self._child = 0
        self._hold = -1

    def __enter__(self) -> int:
        tell, told = os.pipe()
        wait, self._hold = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(tell)
            os.close(self._hold)
            try:
                os.write(told, dumps(self._said()).encode()[:_MESSAGE])
                os.close(told)
                os.read(wait, 1)  # until we, who have the other end, are gone
            finally:
                os._exit(1)
        os.close(told)
        os.close(wait)
        try:
            said = loads(os.read(tell, _MESSAGE) or b'[0, 3, ""]')  # ESRCH
        finally:
            os.close(tell)
        pid, number, *words = said
        if pid:
            return int(pid)
        self.__exit__()
        if len(words) > 1:
            raise KernelError(words[0], step=words[1], obj=words[2], errno=number, hint=words[3])
        raise OSError(number, os.strerror(number), words[0] or None)

    def _said(self) -> list[int | str]:
        """In the child: [pid], or [0, errno, path of an OSError], or [0, errno, message, step, object, hint]."""
        try:
            self._enter()
            # Not our own word for it: we may stand in a new pid namespace, and before the old one's /proc.
            return [int(os.readlink("/proc/self")), 0]
        except Error as error:
            return [0, error.errno, error.message, error.step, error.obj, error.hint]
        except OSError as error:
            return [0, error.errno or errno.EIO, str(error.filename or "")]

    def __exit__(self, *_raised: object) -> None:
        os.close(self._hold)
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
