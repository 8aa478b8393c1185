# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose turn it is with a container: one task changes it at a time, and nobody takes it from one that waits for it."""

from __future__ import annotations

import contextlib
import fcntl
import os

from ..kernel.files import locked_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..statedir import StateDir
    from .records import Record


def container_lock(state: StateDir, name: str) -> locked_with:
    """Hold the lock of the container *name*: one task at a time changes it, the next waits."""
    return locked_with(state.lock_path("container", name), os.path.join(state.containers, name))


@contextlib.contextmanager
def awaited(record: Record) -> Iterator[None]:
    """Say that a task waits for the container's end and will read what it wrote: no prune takes it away until then."""
    fd = os.open(record.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def is_awaited(record: Record) -> bool:
    """Whether a task says so. Raises FileNotFoundError when the container is gone."""
    fd = os.open(record.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
