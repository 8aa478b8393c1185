# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a container's monitor from a task: the side of the conversation that stays in the task.

The monitor prepares everything (mounts, user, cgroup, the waiting process) and reports; only then does the task
decide to let the program run. Until that moment the container that has the name now is untouched.

    task                     monitor (container/start.py)
    spawns it                mounts
    builds the bundle,       (or builds it, where only the monitor can)
    hands it over            creates
                             {"created": pid} or {"error": …, "hint": …}
    "start"                  starts
                             {"started": pid} or {"error": …, "hint": …}
    closes                   becomes the light monitor
"""

from __future__ import annotations

import contextlib
import json
import os
import socket

from ..cgroup.systemd import BOOTED
from ..runtime import programfile
from . import begin, forkserver, records
from . import spec as specs
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..runtime.config import Config
    from ..statedir import StateDir
    from .records import Record


def by_systemd() -> bool:
    """Whether containers are services of systemd here."""
    return os.path.isdir(BOOTED)


def launched(state: StateDir, record: Record, entry: str, *, new: bool = False) -> Launch:
    """Let the monitor of *record* begin, under systemd as a service of its own; *new* says it has never been started.

    Raises ContainerError, SystemdError.
    """
    if by_systemd():
        from . import service

        launch = service.launched(state, record, entry)
        if launch is not None:
            return launch
    records.write_unit(record, "")
    return Launch(state, record, entry, new=new)


class Launch:
    """A created container that waits for :meth:`start`; leaving it unstarted unmakes it."""

    def __init__(self, state: StateDir, record: Record, entry: str, *, new: bool = False) -> None:
        """Let the monitor of *record* begin; :meth:`wait_created` tells how it goes."""
        self.name = record.name
        self.trace = os.path.join(record.path, begin.TRACE)
        self.child = 0
        kind = begin.NEW if new else begin.AGAIN
        order = begin.Order(state.root, record.path, entry, kind)
        server = forkserver.ready()
        self.channel, theirs = socket.socketpair()
        try:
            handing = begin.HANDED if new else kind
            served = server is not None and server.fork(order._replace(kind=handing), theirs.fileno())
            if not served:
                self._fork(order, theirs.fileno(), record, state.runtime)
        finally:
            theirs.close()
        if served and new:
            self._hand_over(record, state.runtime)

    def _hand_over(self, record: Record, run_dir: str) -> None:
        """Write the bundle while the monitor begins, and say to it what it does not have to read."""
        try:
            begin.hand_over(self.channel, _configuration(record, run_dir))
        except BaseException:
            self.abandon()
            raise

    def _fork(self, order: begin.Order, report: int, record: Record, run_dir: str) -> None:
        """Fork the monitor from this process."""
        config = None
        here = directly(record.spec["options"])
        if here:
            # What the child needs is loaded by us: once for all the containers of a task.
            from ..cgroup import devices, write  # noqa: F401
            from ..runtime import init, outside  # noqa: F401
            from . import stamps, start  # noqa: F401

            if order.kind == begin.NEW:
                config = _configuration(record, run_dir)
        self.child = os.fork()
        if self.child == 0:
            many = forkserver.begun()
            begin.become_monitor(order, report, here=here, of_many=many, record=record, config=config)
        forkserver.forked_here(order.entry)

    def wait_created(self) -> None:
        """Return when the container is there. Raises ContainerError with the reason when it could not be made."""
        try:
            self._expect("created")
        except BaseException:
            self.abandon()
            raise

    def start(self, meanwhile: Callable[[], None] | None = None) -> int:
        """Let the program run; its pid. Raises ContainerError when it cannot be executed.

        *meanwhile* is called between the word and the answer.
        """
        try:
            self.channel.sendall(b"start\n")
            if meanwhile is not None:
                meanwhile()
            pid = self._expect("started")
        except BaseException:
            self.abandon()
            raise
        self.channel.close()
        return pid

    def abandon(self) -> None:
        """Unmake the created container, and wait until that is done: its monitor has gone then."""
        if self.channel.fileno() >= 0:
            self.channel.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while self.channel.recv(65536):  # what it still says
                    pass
            self.channel.close()
        if self.child:
            os.waitpid(self.child, 0)
            self.child = 0

    def _expect(self, key: str) -> int:
        data = b""
        while not data.endswith(b"\n"):
            piece = self.channel.recv(65536)
            if not piece:
                raise ContainerError(
                    f"the monitor of container {self.name} died: {self._last_words()}", step=key, obj=self.name
                )
            data += piece
        message: dict[str, Any] = json.loads(data)
        if "error" in message:
            raise ContainerError(message["error"], step=message["step"], obj=self.name, hint=message["hint"])
        return int(message[key])

    def _last_words(self) -> str:
        try:
            with open(self.trace, encoding="utf-8", errors="replace") as file:
                return file.read().strip().rpartition("\n")[2] or "no word of why"
        except FileNotFoundError:
            return "no word of why"


def directly(options: Mapping[str, Any]) -> bool:
    """Whether the forked task itself may create the container, without starting another interpreter first.

    For those of which runtime/programfile.py can say beforehand that the program cannot reach our executable.
    """
    if options.get("runtime") or options.get("pid_mode", "private") != "private" or not programfile.supported():
        return False
    if specs.joined(options):  # of which another interpreter than the task's holds the namespaces
        return False
    return not any(item.startswith("seccomp={") for item in options.get("security_opts", ()))


def _configuration(record: Record, run_dir: str) -> Config | None:
    """Write a new container's bundle, and load it; None where the monitor must, with all mounted."""
    from . import bundlefile

    users = bundlefile.users_in_layers(record.spec["layers"]) if begin.is_plain(record) else None
    if users is None:
        return None
    try:
        bundlefile.write(record, users)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise ContainerError(
            f"cannot make the container:{where} {error.strerror}", step="bundle", obj=record.name
        ) from error
    return begin.prepare(record.path, run_dir)
