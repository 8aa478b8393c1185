# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When and where a process runs: ``process.scheduler``, ``process.ioPriority`` and ``process.execCPUAffinity``
(runtime-spec config.md, "Linux Process"; sched_setattr(2), ioprio_set(2)).

The first two are set from outside, like resource limits: in a user namespace the privilege for them is missing.
"""

from __future__ import annotations

import errno
import os
import struct

from ..cgroup.errors import CgroupError
from ..cgroup.units import parse_cpu_list
from ..kernel import syscalls
from .errors import RuntimeFault
from .fields import choice, choices, get, number, text, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

# linux/sched.h
_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,  # reserved: every kernel so far refuses it
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
_REAL_TIME = ("SCHED_FIFO", "SCHED_RR")
_INT32, _UINT64 = (1 << 31) - 1, (1 << 64) - 1
# linux/ioprio.h
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_IOPRIO_CLASS_SHIFT = 13
_IOPRIO_WHO_PGRP = 2


class Scheduling:
    """``scheduler`` and ``ioPriority``, whichever of them is there."""

    __slots__ = ("_attributes", "_io_priority")

    def __init__(self, document: dict[str, Any]) -> None:
        self._attributes = b""
        if get(document, "process.scheduler", dict, None) is not None:
            self._attributes = _scheduler(document)
        self._io_priority: int | None = None
        if get(document, "process.ioPriority", dict, None) is not None:
            kind = _IO_CLASSES[choice(document, "process.ioPriority.class", _IO_CLASSES)]
            level = number(document, "process.ioPriority.priority", 0, 7, 0)
            self._io_priority = kind << _IOPRIO_CLASS_SHIFT | level

    def apply(self, pid: int) -> None:
        """Give them to process *pid*, the leader of its process group. Raises RuntimeFault naming the property."""
        if self._io_priority is not None:
            try:
                syscalls.ioprio_set(_IOPRIO_WHO_PGRP, pid, self._io_priority)
            except ProcessLookupError:
                raise  # it has ended, which is nothing about its priority
            except OSError as error:
                raise _refused("process.ioPriority", error) from error
        if self._attributes:
            try:
                syscalls.sched_setattr(pid, self._attributes)
            except ProcessLookupError:
                raise
            except OSError as error:
                hint = ""
                if error.errno == errno.EPERM:
                    hint = "A real-time policy needs CAP_SYS_NICE and, in a v1 cgroup, resources.cpu.realtimeRuntime"
                elif error.errno == errno.EBUSY:
                    hint = "The CPUs have no time left for such a deadline: see sched(7), admission"
                raise _refused("process.scheduler", error, hint) from error


def _scheduler(document: dict[str, Any]) -> bytes:
    """A struct sched_attr of the kernel's second version (linux/sched/types.h)."""
    where = "process.scheduler"
    policy = choice(document, f"{where}.policy", _POLICIES)
    nice = number(document, f"{where}.nice", -20, 19, 0)
    priority = number(document, f"{where}.priority", -_INT32 - 1, _INT32, 0)
    if policy in _REAL_TIME:
        if not 1 <= priority <= 99:
            raise wrong(f"{where}.priority", f"{policy} takes 1 to 99, not {priority}")
    elif priority:
        raise wrong(f"{where}.priority", f"{policy} has no priority: only {' and '.join(_REAL_TIME)} have one")
    times = [number(document, f"{where}.{key}", 0, _UINT64, 0) for key in ("runtime", "deadline", "period")]
    if policy == "SCHED_DEADLINE":
        runtime, deadline, period = times
        if not 0 < runtime <= deadline <= (period or deadline):
            raise wrong(where, f"runtime {runtime} <= deadline {deadline} <= period {period} does not hold")
    elif any(times):
        raise wrong(where, f"runtime, deadline and period belong to SCHED_DEADLINE, not to {policy}")
    flags = 0
    for flag in choices(document, f"{where}.flags", _FLAGS):
        flags |= _FLAGS[flag]
    return struct.pack("=IIQiIQQQII", 56, _POLICIES[policy], flags, nice, priority, *times, 0, 0)


class Affinity:
    """``execCPUAffinity``: the CPUs for joining the container's cgroup, and those for the program after it.

    Empty sets mean: as inherited, and whatever the cgroup allows.
    """

    __slots__ = ("_final", "_initial")

    def __init__(self, document: dict[str, Any]) -> None:
        self._initial, self._final = (_cpus(document, f"process.execCPUAffinity.{key}") for key in ("initial", "final"))

    def before_cgroup(self) -> None:
        """Bind the calling process to ``initial``. Raises RuntimeFault."""
        if self._initial:
            _bind(self._initial, "initial")

    def in_cgroup(self) -> None:
        """Bind the calling process to ``final``. Raises RuntimeFault."""
        if self._final:
            _bind(self._final, "final")


def _cpus(document: dict[str, Any], path: str) -> frozenset[int]:
    try:
        return parse_cpu_list(text(document, path, ""), path)
    except CgroupError as error:
        raise wrong(path, error.message.partition(": ")[2], hint=error.hint) from error


def _bind(cpus: Collection[int], name: str) -> None:
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise _refused(
            f"process.execCPUAffinity.{name}", error, "None of these CPUs is there for the process"
        ) from error


def _refused(path: str, error: OSError, hint: str = "") -> RuntimeFault:
    return RuntimeFault.of(error, f"{path}: the kernel refuses it", step="scheduling", obj=path, hint=hint)
