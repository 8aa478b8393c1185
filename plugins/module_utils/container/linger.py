# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moment between a container's start and its light monitor's, in a task that makes many.

Another interpreter costs as much of a CPU as all of the container. The monitor that has made one could start it at
once; but the task goes on to its next container, and both would share the CPUs. So it waits for as long as there is
nothing to do that only the light one can: by then the task is some dozens of containers further, or done.
"""

from __future__ import annotations

import os
import select

from ..kernel.files import read_text
from ..kernel.lean import signal, suppress
from .monitorhost import HEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TIME = 2.0  # seconds


def wait(streams: Iterable[int], seconds: float) -> None:
    """Come back when there is something to read from *streams*, when one of HEEDED comes, or after *seconds*.

    Those are blocked before and afterwards, and what has come is still to be delivered. Raises OSError.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    poller = select.poll()
    for fd in (reading, *streams):
        poller.register(fd, select.POLLIN)
    for number in HEEDED:
        signal.signal(number, _note)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
    try:
        poller.poll(seconds * 1000)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
        signal.set_wakeup_fd(-1)
        os.close(writing)
        with suppress(BlockingIOError):  # none has come
            for number in set(os.read(reading, 4096)):
                os.kill(os.getpid(), number)
        os.close(reading)


def _note(_number: int, _frame: object) -> None:
    """Being woken is all."""


def has_room() -> bool:
    """Whether a good part of the host's memory is free: until the light monitor is there, ours is twice its size."""
    return is_roomy(read_text("/proc/meminfo"))


def is_roomy(meminfo: str) -> bool:
    """Whether a quarter is available by the *meminfo* of proc_meminfo(5); what is not said is not there."""
    sizes = dict(line.split()[:2] for line in meminfo.splitlines() if line.startswith(("MemTotal:", "MemAvailable:")))
    return int(sizes.get("MemAvailable:", 0)) * 4 > int(sizes["MemTotal:"])
