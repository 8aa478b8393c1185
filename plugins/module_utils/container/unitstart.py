# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's service starts with, as ``entry.py --root ROOT unit-start DIRECTORY``: makes the container, leaves
it to systemd, lets its program run, and becomes its attendant where it needs one (container/service.py).

A task that has started the service talks to it. Without one systemd has started it again, after the container's end
(container/unitended.py), or an administrator has.

systemd sees the end of its own children alone, and takes for a service's main process only one that lives. So the
container waits, created, while we end and it becomes systemd's child; a child of ours goes on from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sys
import time

from ..cgroup.hierarchy import detect
from ..kernel import constants as c
from ..kernel import selfexe, syscalls
from ..kernel.errors import Error
from ..kernel.files import read_text, write_atomic, write_control
from ..runtime import channel
from ..statedir import StateDir
from . import netmode, records, restart, start, unit
from .begin import AGAIN, ENVIRONMENT, TRACE
from .launch import directly
from .monitorhost import read, read_config
from .service import SOCKET, path_of_pid
from .stop import release_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..runtime.state import State
    from .records import Record

_SUPERVISOR = "supervisor"
_LOOK = 0.1  # seconds between two looks whether a restart is still wanted


class Service(start.Keeper):
    """systemd looks after the container, perhaps with an attendant of ours.

    *told*: a task says when it is to start, which has seen that systemd has it.
    """

    program = "attendant"

    def __init__(self, record: Record, *, told: bool) -> None:
        self.record = record
        self.unit = records.unit(record)
        self.told = told
        self.mute = not unit.is_attended(record)
        self.lock = -1

    def created(self, created: State, lock: int) -> None:
        """End, and go on in a child, so that the container is systemd's before its program runs."""
        with contextlib.suppress(FileNotFoundError):  # of a start whose end nobody has judged
            os.unlink(os.path.join(self.record.path, restart.UNHEALTHY))
        path = path_of_pid(self.unit)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        write_atomic(path, b"%d\n" % created.pid, durable=False)
        if os.fork():
            os._exit(0)
        syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)  # for the programs of health checks (container/probe.py)
        self.lock = lock
        fcntl.lockf(lock, fcntl.LOCK_EX)  # our parent has it until it has gone
        if not self.told:
            unit.wait_adopted(self.unit, created.pid)

    def started(self) -> None:
        """Let systemd start us again from now on, and do not pass for an attendant that is none."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.record.path, SOCKET))
        if self.mute:
            fcntl.lockf(self.lock, fcntl.LOCK_UN)


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``["unit-start", DIRECTORY]``; the exit code: after 0 systemd looks for the container.

    Raises Error, OSError.
    """
    record = records.load_directory(argv[1])
    if record is None:
        return 1  # it has been removed
    if not directly(record.spec["options"]) and not selfexe.is_protected():
        entry = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "entry.py")
        where = ["--root", root] if root else []
        selfexe.exec_protected(["-I", "-S", entry, *where, *argv], ENVIRONMENT)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    _enter_group()
    state = StateDir(root)
    try:
        report = channel.connect(record.path, SOCKET).detach()
    except FileNotFoundError:
        return _alone(state, record)
    except ConnectionRefusedError:
        return 1  # the task was killed: what it wanted is for the next one to judge
    _redirect(record)
    _make(state, record, report, {}, told=True)
    return 1  # what went wrong has been told to the task


def _make(state: StateDir, record: Record, report: int, before: dict[str, Any], *, told: bool) -> None:
    """Make the container, and never come back; but where it could not be made, or is not wanted any more."""
    keeper = Service(record, told=told)
    argv = ["monitor-start", record.path, str(report), AGAIN]
    light = start.make(argv, state.root, record, before={**before, "mute": keeper.mute}, keeper=keeper)
    if light is None:
        return
    if keeper.mute:
        os._exit(0)
    os.execve(sys.executable, light.arguments, dict(os.environ))


def attend(argv: list[str], root: str | None) -> int:
    """Carry out ``["unit-attend", DIRECTORY]``: become the attendant of a container that has none. Raises Error."""
    record = records.load_directory(argv[1])
    if record is not None:
        os.environ.clear()
        os.environ.update(ENVIRONMENT)
        light = start.beside(StateDir(root), record, Service.program)
        if light is not None:
            os.execve(sys.executable, light.arguments, dict(os.environ))
    return 0


def _enter_group() -> None:
    """Leave the service's own group, which under v2 cannot have processes beside those of the container's below it."""
    path = next((line[3:] for line in read_text("/proc/self/cgroup").splitlines() if line.startswith("0::")), "")
    mount = detect().unified
    if not path or not mount or path.endswith("/" + _SUPERVISOR):
        return
    directory = f"{mount}{path}/{_SUPERVISOR}"
    os.makedirs(directory, exist_ok=True)
    write_control(os.path.join(directory, "cgroup.procs"), "0")


def _redirect(record: Record) -> None:
    """Have what nobody foresaw in the trace, where the task looks."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    trace = os.open(os.path.join(record.path, TRACE), flags, 0o600)
    os.dup2(trace, 2)
    os.close(trace)


# -- without a task -----------------------------------------------------------------------------------------------


def _alone(state: StateDir, record: Record) -> int:
    """Start the container again; the exit code. What it has recorded of the last end tells that it is to be."""
    status = records.read_status(record)
    before: dict[str, Any] = {}
    if unit.restarts(records.unit(record)) == 0:
        records.withdraw_stop(record)  # whoever starts the service wants the container
        status = {**status, "status": "restarting"}  # it is about to be there
        records.save_status(record, status)
    elif status.get("status") != "restarting":
        return 1  # nobody has judged its end yet: container/unitended.py does, and then we are started or not
    else:
        in_a_row = status.get("in_a_row", 0)
        if not _pause(record, restart.delay(in_a_row) - restart.FIRST_DELAY, again=bool(status.get("again"))):
            records.save_status(record, {**status, "status": "exited"})
            return 1
        before = {**status, "restart_count": status.get("restart_count", 0) + 1, "in_a_row": in_a_row + 1}
    # What it has of networks stays from one start to the next, unless that was what the last try failed with.
    reason = _start(state, record, before, connected=bool(before) and not status.get("failed"))
    if not records.stop_requested(record):
        sys.stderr.write(f"container {record.name}: {reason}\n")
    if before:
        kept = {name: before[name] for name in ("restart_count", "in_a_row")}
        records.save_status(record, {**status, **kept, "exit_code": status.get("exit_code") or 1, "failed": True})
    return 1


def _pause(record: Record, seconds: float, *, again: bool) -> bool:
    """Wait; False as soon as nobody wants the container started again (*again*: whatever its policy says)."""
    end = time.monotonic() + seconds
    while True:
        policy = read_config(read(os.path.join(record.path, "monitor.conf"))).get("policy", "no")
        if records.stop_requested(record) or (policy == "no" and not again):
            return False
        left = end - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, _LOOK))


def _start(state: StateDir, record: Record, before: dict[str, Any], *, connected: bool) -> str:
    """Start the container again, and never come back; but with the reason why that could not be."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"start\n")  # what a task would say
    try:
        if not connected:
            _connect(state, record)
    except Error as error:
        return str(error)
    _make(state, record, ours.detach(), before, told=False)
    theirs.setblocking(False)
    try:
        said = theirs.recv(65536).decode("utf-8", "replace").splitlines()
    except BlockingIOError:
        said = []
    return json.loads(said[-1]).get("error", said[-1]) if said else "it was asked to stop"


def _connect(state: StateDir, record: Record) -> None:
    release_network(state, record)
    kind = netmode.kind(record.spec["options"])
    if kind in (netmode.JOINED, netmode.NETWORKS):
        from . import networking

        networking.prepare(state, record)
        if kind == netmode.NETWORKS:
            networking.connect(state, record)
