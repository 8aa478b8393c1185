# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``linux.timeOffsets``: the clocks of a new time namespace (runtime-spec config-linux.md, time_namespaces(7))."""

from __future__ import annotations

import errno
import os

from .errors import RuntimeFault
from .fields import get, number, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CLOCKS = ("monotonic", "boottime")
_INT64 = (1 << 63) - 1


class Clocks:
    """What is added to the host's clocks inside."""

    __slots__ = ("_lines",)

    def __init__(self, document: dict[str, Any], namespaces: dict[str, str]) -> None:
        where = "linux.timeOffsets"
        if namespaces.get("time") != "":
            raise wrong(where, "only a new time namespace has offsets to set", hint='Add {"type": "time"}')
        self._lines = ""
        for clock, offset in get(document, where, dict).items():
            place = f"{where}.{clock}"
            if clock not in _CLOCKS or not isinstance(offset, dict):
                raise wrong(place, f"not an object for one of the clocks {' and '.join(_CLOCKS)}")
            seconds = number(offset, "secs", -_INT64 - 1, _INT64, 0, where=place)
            self._lines += f"{clock} {seconds} {number(offset, 'nanosecs', 0, 999_999_999, 0, where=place)}\n"

    def open(self) -> int:
        """A descriptor for :meth:`set`. The kernel asks for the privilege of who opens it: do it as the host's root."""
        try:
            return os.open("/proc/self/timens_offsets", os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _refused(error, "This needs Linux 5.6 with CONFIG_TIME_NS") from error

    def set(self, fd: int) -> None:
        """Set the clocks of the namespace that our children will be in; before the first of them. Closes *fd*."""
        try:
            os.write(fd, self._lines.encode())
        except OSError as error:
            hint = (
                "No clock inside may be negative, or more than 146 years ahead" if error.errno == errno.ERANGE else ""
            )
            raise _refused(error, hint) from error
        finally:
            os.close(fd)


def _refused(error: OSError, hint: str) -> RuntimeFault:
    return RuntimeFault.of(
        error, "linux.timeOffsets: cannot set the clocks", step="timeOffsets", obj="linux.timeOffsets", hint=hint
    )
