# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting in tests for what others do: so long that no load of the machine matters, and no longer than it takes."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

SECONDS = 120.0


def until(condition: Callable[[], T], told: Callable[[], object] = str, *, seconds: float = SECONDS) -> T:
    """The first value of *condition* that is true. AssertionError with what *told* gives where none comes.

    Looking takes a third of the time at most: it may be what is waited for that has to wait for the processor.
    """
    end = time.monotonic() + seconds
    while True:
        begin = time.monotonic()
        found = condition()
        if found:
            return found
        now = time.monotonic()
        assert now < end, f"waited {seconds:g} s in vain: {told()}"
        time.sleep(min(max(0.02, 2 * (now - begin)), 1))


def group_runs(group: int) -> bool:
    """Whether there is still a process in the process group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
