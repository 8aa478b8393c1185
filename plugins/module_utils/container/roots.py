# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root directory to copy from or to: of a container, running, paused or stopped, or of the host.

Of a container that runs it is reached through its first process and never by a path that the container could swap;
one that does not run has its file system mounted for us alone, and for as long as we look at it.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections import namedtuple

from ..kernel import idmap
from ..kernel.beside import beside
from ..kernel.files import locked
from ..runtime import lifecycle
from ..runtime.errors import NoSuchContainer
from . import inside, records, turns
from .errors import ContainerError
from .observe import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..statedir import StateDir
    from .records import Record

_EVERY_ID = [(0, 0, (1 << 32) - 1)]

# fd          O_PATH descriptor of the root directory
# uids, gids  id maps: what is a user's number there is outside()'s here
# where       for messages: "in container web", "on the host"
Root = namedtuple("Root", "fd uids gids where")


@contextlib.contextmanager
def of_host() -> Iterator[Root]:
    """The host's own."""
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Root(fd, _EVERY_ID, _EVERY_ID, "on the host")
    finally:
        os.close(fd)


@contextlib.contextmanager
def of_container(state: StateDir, record: Record, *, writes: bool) -> Iterator[Root]:
    """That of the container of *record*. Where nothing is to be written, nothing is.

    A container that does not run is not started until the block ends. Raises ContainerError for one that is just
    between two states, KernelError.
    """
    if _is_live(state, record):
        path = state.lock_path("copy", record.id)
        with locked(path):  # of two at once each would clear away the other's files
            try:
                yield from _of_process(state, record)
            finally:
                os.unlink(path)  # a waiter sees that, and takes a new one
        return
    with turns.container_lock(state, record.name):
        current = records.load(state, record.name)
        if current is None or current.id != record.id:
            raise ContainerError(f"there is no container {record.name} any more", step="find", obj=record.name)
        if _is_live(state, record):
            yield from _of_process(state, record)
            return
        observed = observe(state, record)
        if observed.status != "stopped" or observed.monitor:
            raise ContainerError(
                f"container {record.name} is {observed.status}: it is about to be started, or has just ended",
                step="running",
                obj=record.name,
                hint="Try again, or stop it first",
            )
        if record.spec.get("volumes") and writes:
            from . import volumes

            volumes.prepare(state, record)
        with locked(state.lock_path("layers", "mounts"), exclusive=False):
            helper = beside(functools.partial(_mount, record, writes))
            pid = helper.__enter__()
        try:
            yield from _of_mounted(record, pid)
        finally:
            helper.__exit__()


def _is_live(state: StateDir, record: Record) -> bool:
    try:
        return lifecycle.state(state.runtime, record.id).status in ("running", "paused")
    except NoSuchContainer:
        return False


def _of_process(state: StateDir, record: Record) -> Iterator[Root]:
    found = inside.live(state, record)
    uids, gids = idmap.read_maps(found.pid)
    fd = inside.open_root(found)  # which sees that the process is the same still
    try:
        yield Root(fd, uids, gids, f"in container {record.name}")
    finally:
        os.close(fd)


def _mount(record: Record, writes: bool) -> None:
    """In a process of its own, which stands in the root directory then."""
    from . import places, rootmount

    rootmount.mount(record, scratch=not writes)
    places.make(record)
    rootmount.mount_volumes(record)
    os.chdir(rootmount.place(record))


def _of_mounted(record: Record, pid: int) -> Iterator[Root]:
    from . import userns

    fd = os.open(f"/proc/{pid}/cwd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    maps = userns.mapping(record.spec) if userns.is_private(record.spec["options"]) else _EVERY_ID
    try:
        yield Root(fd, maps, maps, f"in container {record.name}")
    finally:
        os.close(fd)
