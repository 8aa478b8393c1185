# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's service runs as ``entry.py --root ROOT unit-start DIRECTORY``: makes the container, then becomes
its monitor (container/start.py).

A task that has started the service talks to it. Without one systemd has started it again, after the monitor was
killed, or an administrator has: then the container starts again as its restart policy has it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time

from ..cgroup.hierarchy import detect
from ..cgroup.systemd_bus import Bus
from ..kernel import selfexe
from ..kernel.errors import Error
from ..kernel.files import read_text, write_control
from ..runtime import channel
from ..statedir import StateDir
from . import netmode, records, restart, runtimes, spec, start
from .begin import AGAIN, ENVIRONMENT, TRACE
from .launch import directly
from .service import SOCKET
from .stamps import NEVER, timestamp
from .stop import release_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

_SUPERVISOR = "supervisor"
_NOTIFY = "NOTIFY_SOCKET"


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``["unit-start", DIRECTORY]``; the service's exit code. Raises Error, OSError."""
    record = records.load_directory(argv[1])
    if record is None:
        return 0  # it has been removed
    environment = dict(ENVIRONMENT)
    if _NOTIFY in os.environ:
        environment[_NOTIFY] = os.environ[_NOTIFY]  # for the monitor
    if not directly(record.spec["options"]) and not selfexe.is_protected():
        entry = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "entry.py")
        where = ["--root", root] if root else []
        selfexe.exec_protected(["-I", "-S", entry, *where, *argv], environment)
    os.environ.clear()
    os.environ.update(environment)
    _enter_group()
    try:
        report = channel.connect(record.path, SOCKET).detach()
    except FileNotFoundError:
        return _alone(StateDir(root), record)
    except ConnectionRefusedError:
        return 0  # the task was killed: what it wanted is for the next one to judge
    _redirect(record)
    _become_monitor(record, start.make(["monitor-start", record.path, str(report), AGAIN], root, record))
    return 0  # what went wrong has been told to the task


def _become_monitor(record: Record, light: start.Light | None) -> None:
    """Comes back only where there is no container to supervise."""
    if light is not None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(record.path, SOCKET))  # from now on systemd may start us again
        os.execve(sys.executable, light.arguments, dict(os.environ))


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
    """Start the container, or clean up after it, as its policy has it; the exit code."""
    status, tries = records.read_status(record), _tries(record)
    options = record.spec["options"]
    policy, retries = spec.setting(options, "restart_policy"), options.get("restart_retries", 0)
    before = {**status, "restart_count": status.get("restart_count", 0) + 1}
    if not restart.resumes(policy, retries, records.stop_requested(record), str(status.get("status")), tries > 0):
        return _clean_up(state, record, status)
    if tries == 0:
        records.withdraw_stop(record)  # whoever starts the service wants the container
        before = {}
    if status.get("status") == "running":
        died = {"pid": 0, "exit_code": restart.KILLED, "finished_at": timestamp(time.time_ns())}
        records.save_status(record, {**status, "status": "restarting", **died})
    reason = _start(state, record, before)
    if records.stop_requested(record):
        return _clean_up(state, record, records.read_status(record))
    sys.stderr.write(f"container {record.name}: {reason}\n")
    release_network(state, record)
    until = time.monotonic() + restart.delay(tries)
    while time.monotonic() < until and not records.stop_requested(record):
        time.sleep(0.1)
    return 1  # systemd starts us again


def _tries(record: Record) -> int:
    """How often systemd has started the service again by itself; 0 where an administrator has."""
    with Bus() as bus:
        return int(bus.property(bus.load(records.unit(record)), "Service", "NRestarts"))


def _start(state: StateDir, record: Record, before: Mapping[str, Any]) -> str:
    """Become the monitor of the container, started again; why that could not be."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"start\n")  # what a task would say
    try:
        release_network(state, record)
        if netmode.kind(record.spec["options"]) in (netmode.JOINED, netmode.NETWORKS):
            from . import networking

            networking.prepare(state, record)
            if netmode.kind(record.spec["options"]) == netmode.NETWORKS:
                networking.connect(state, record)
    except Error as error:
        return str(error)
    argv = ["monitor-start", record.path, str(ours.detach()), AGAIN]
    _become_monitor(record, start.make(argv, state.root, record, before=before))
    theirs.setblocking(False)
    try:
        said = theirs.recv(65536).decode("utf-8", "replace").splitlines()
    except BlockingIOError:
        said = []
    return json.loads(said[-1]).get("error", said[-1]) if said else "it was asked to stop"


def _clean_up(state: StateDir, record: Record, status: Mapping[str, Any]) -> int:
    """Do what the killed monitor could not: record the end, remove what is left of the container."""
    runtimes.known(record.spec["options"], state.runtime).delete(record.id)
    if status.get("status") != "exited":
        code = status.get("exit_code", 0) if status.get("status") == "restarting" else restart.KILLED
        ended = {"status": "exited", "pid": 0, "exit_code": code}
        if status.get("finished_at", NEVER) == NEVER:
            ended["finished_at"] = timestamp(time.time_ns())
        records.save_status(record, {**status, **ended})
    release_network(state, record)
    if records.removed_at_end(record) and not records.stop_requested(record):
        entry = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "entry.py")
        verb = ["containers", "--remove-ended", record.path]
        os.execve(sys.executable, [sys.executable, "-I", "-S", entry, "--root", state.root, *verb], dict(os.environ))
    return 0
