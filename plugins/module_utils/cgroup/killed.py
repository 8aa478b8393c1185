# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that were killed for lack of memory: what their monitors have recorded, and that it is told once.

``status.json`` (container/monitor.py) says how often since a task started the container it ended so, and when last;
the file ``oom_told`` beside it which of these ends a task has told of.
"""

from __future__ import annotations

import json
import os

from ..kernel.files import read_bytes, write_atomic
from ..kernel.lean import namedtuple
from .units import format_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

Kill = namedtuple("Kill", "at times ended")
Kill.__doc__ = (
    """The last end for lack of memory: when (RFC 3339), the how manieth, whether nothing has started it since."""
)

_TOLD = "oom_told"


def of_status(status: Mapping[str, Any]) -> Kill | None:
    """What *status*, the content of status.json, says; None where the container never ended so."""
    if not status.get("oom_ends"):
        return None
    return Kill(status["oom_at"], status["oom_ends"], status["status"] == "exited")


def of_directory(directory: str) -> Kill | None:
    """The same of the container whose directory it is; None also where there is none."""
    try:
        return of_status(json.loads(read_bytes(os.path.join(directory, "status.json"))))
    except FileNotFoundError:
        return None


def memory_of(directory: str) -> int:
    """The limit that the container's bundle has, bytes; 0 for none."""
    try:
        document = json.loads(read_bytes(os.path.join(directory, "bundle", "config.json")))
    except FileNotFoundError:
        return 0
    memory = (document["linux"].get("resources") or {}).get("memory") or {}
    return int(memory.get("limit") or 0)


def reason(limit: int) -> str:
    """``killed for lack of memory: 64m`` for a container with *limit* bytes, 0 for no limit of its own."""
    return f"killed for lack of memory: {format_bytes(limit) if limit > 0 else 'it has no limit of its own'}"


def sentence(kill: Kill, limit: int) -> str:
    """*kill* for a warning."""
    when = kill.at.partition(".")[0] + "Z"
    bound = f"its limit is {format_bytes(limit)}" if limit > 0 else "it has no limit of its own"
    if kill.ended:
        return f"it was killed for lack of memory at {when} ({bound})"
    often = "once" if kill.times == 1 else f"{kill.times} times"
    return f"it has been killed for lack of memory {often} and restarted by its policy, last at {when} ({bound})"


class News:
    """What a task has to tell of *kill*, an end of the container in *directory*: nothing if one has told it already."""

    def __init__(self, directory: str, kill: Kill | None, limit: int) -> None:
        """*kill* None: there is nothing to tell; *limit* in bytes, 0 for none."""
        self._directory = directory
        self._kill = None if kill is None or _is_told(directory, kill) else kill
        self.warnings = [sentence(self._kill, limit)] if self._kill else []

    def told(self) -> None:
        """The task tells it, so that none has to again. A container that has gone meanwhile needs no mark."""
        if self._kill is not None and os.path.isdir(self._directory):
            write_atomic(os.path.join(self._directory, _TOLD), self._kill.at.encode(), durable=False)


def _is_told(directory: str, kill: Kill) -> bool:
    try:
        return bool(read_bytes(os.path.join(directory, _TOLD)).decode() == kill.at)
    except FileNotFoundError:
        return False
