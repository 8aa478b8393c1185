# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small process that forks the monitors of a task which makes many containers.

Whatever a forked process writes to it first has to copy, and a task is large: Ansible is in it, and all that it has
read. That costs as much as the container itself. So a task that makes several containers starts a process of the
core's alone, and has the monitors of the others forked there. It ends with the task.

    task                                        fork server
    spawns it, and does not wait                loads what a monitor needs
                                                {"ready": true}
    what is wanted (begin.Order) and the        forks the monitor, which goes on as one that the task has forked
    monitor's end of their conversation         (container/launch.py)
    the container's configuration, for the
    monitor
"""

from __future__ import annotations

import _socket
import os
import sys

from ..kernel import descriptors
from ..kernel.errors import Error
from ..kernel.lean import dumps, loads, signal, suppress
from . import begin, records

VERB = "monitor-server"
_LIMIT = 1 << 16  # bytes of a request: two paths
_CHANNEL = 3  # the server's descriptor of it


class ForkServer:
    """The task's side. Forks of the task may use it too: a request is one message, and nobody answers it."""

    def __init__(self, entry: str) -> None:
        """Spawn it from the core's *entry* file. Raises OSError."""
        self._ready = False
        self._channel, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        argv = [sys.executable, "-I", "-S", entry, VERB]
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        actions = [
            *((os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)),  # stderr is where a fault of ours is seen
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), _CHANNEL),
        ]
        try:
            os.posix_spawn(argv[0], argv, begin.ENVIRONMENT, file_actions=actions)
        finally:
            os.close(null)
            theirs.close()

    def ready(self) -> bool:
        """Whether it takes requests; False while it starts, and when it is gone.

        What it says stays there for the task's other processes.
        """
        if not self._ready:
            try:
                self._ready = bool(self._channel.recv(_LIMIT, _socket.MSG_DONTWAIT | _socket.MSG_PEEK))
            except BlockingIOError:
                return False
            except ConnectionResetError:
                pass
        return self._ready

    def fork(self, order: begin.Order, report: int) -> bool:
        """Have the monitor that is wanted forked; False when the server is gone, and nothing was done.

        *report* is the monitor's end of the conversation.
        """
        message = dumps(order._asdict()).encode()
        try:
            descriptors.send(self._channel, message, report)
        except (BrokenPipeError, ConnectionResetError):
            self._ready = False
            return False
        return True


class _Process:
    """This process's server, and how many monitors it has forked without one."""

    server: ForkServer | None = None
    forked = 0


def begin_for(entry: str) -> None:
    """Begin the server: several containers are going to be made. Comes back before it is ready."""
    if _Process.server is None:
        _Process.server = ForkServer(entry)


def ready() -> ForkServer | None:
    """The server, where there is one and it takes requests."""
    server = _Process.server
    return server if server is not None and server.ready() else None


def begun() -> bool:
    """Whether this process makes several containers: it has a server, be it ready or not."""
    return _Process.server is not None


def forked_here(entry: str) -> None:
    """Say that this process has forked a monitor: after a second one, a third is not far."""
    _Process.forked += 1
    if _Process.forked > 1:
        begin_for(entry)


def run(argv: list[str], _root: str | None) -> int:
    """Carry out ``["monitor-server"]``: fork monitors until the task has gone."""
    channel = _socket.socket(fileno=_CHANNEL)
    os.set_inheritable(_CHANNEL, False)
    begin.detach()  # once for all of them
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    channel.send(dumps({"ready": True}).encode())
    while True:
        try:
            raw, report = descriptors.receive(channel, _LIMIT)
        except ConnectionResetError:  # the end, too: what we have said is never taken away there
            return 0
        if not raw:
            return 0
        _fork(begin.Order(**loads(raw)), report)
        os.close(report)


def _fork(order: begin.Order, report: int) -> None:
    """Fork the monitor of *order*; what is wrong with its record is said as the monitor would."""
    try:
        # What the child has not to read, it has not to copy pages for.
        record = records.load_directory(order.path) if order.kind == begin.HANDED else None
        if record is None or not begin.is_plain(record):
            from ..runtime import libseccomp  # noqa: F401
            from . import bundlefile  # noqa: F401
        if os.fork():
            return
    except Error as error:
        begin.tell_failure(report, error)
        return
    except OSError as error:
        begin.tell_failure(report, Error.of(error, "cannot fork the monitor", step="monitor"))
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    begin.become_monitor(order, report, here=True, detached=True, of_many=True, record=record)


def _load() -> None:
    """What a monitor needs until it becomes the light one: loaded once for all.

    No more than that: each child gets the pages of all of it, and a megabyte costs a container half a millisecond.
    """
    import gc

    from ..cgroup import devices, hierarchy, plan, write  # noqa: F401
    from ..runtime import init, outside, packing, seccomp  # noqa: F401
    from . import linger, stamps, start  # noqa: F401

    with suppress(Error):  # who needs it and lacks it will hear of it
        hierarchy.keep()
    gc.collect()
    gc.freeze()  # no child looks at it all, which would copy every page
