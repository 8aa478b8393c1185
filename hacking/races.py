# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attackers that swap what is being looked at, for tests of what is done between a look and a use."""

from __future__ import annotations

import ctypes
import os
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from unprotected import Build

AT_FDCWD, RENAME_EXCHANGE = -100, 2
RACE_SECONDS = 2.0
# Who attacks what is not defended wins at some time, and then it is over; late where the machine has much else to do.
WON_IN_SECONDS = 120.0


class Swapping:
    """A thread that exchanges two paths as fast as it can."""

    def __init__(self, first: str | PathLike[str], second: str | PathLike[str]) -> None:
        self.paths = (os.fsencode(first), os.fsencode(second))
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._swap)

    def _swap(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        while not self.over.is_set():
            assert libc.renameat2(AT_FDCWD, self.paths[0], AT_FDCWD, self.paths[1], RENAME_EXCHANGE) == 0
            time.sleep(0.0005)

    def __enter__(self) -> Swapping:
        self.thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.over.set()
        self.thread.join()


def rounds(build: Build, won: Callable[[], object]) -> Iterator[None]:
    """Turns of a race, until it is *won* or the time is over; what is to be won gets more of it."""
    end = time.monotonic() + seconds(build)
    while not won() and time.monotonic() < end:
        yield


def seconds(build: Build) -> float:
    """How long a race goes on at the most."""
    return RACE_SECONDS if build.defended else WON_IN_SECONDS
