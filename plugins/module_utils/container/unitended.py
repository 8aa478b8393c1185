# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's service ends with, as ``entry.py --root ROOT unit-stop DIRECTORY`` and ``unit-ended DIRECTORY``
(container/service.py).

systemd starts the service again (Restart=always) unless the second of them has it stopped: so a container whose policy
wants it comes back though we were killed.
"""

from __future__ import annotations

import calendar
import os
import socket
import sys
import time

from ..cgroup.systemd_bus import Bus
from ..kernel.lean import signal, suppress
from ..runtime import state as runtime_state
from ..runtime.errors import NoSuchContainer
from ..statedir import StateDir
from . import records, restart, runtimes, signals, spec, start, unit
from .errors import ContainerError
from .monitorhost import count_oom_kills, read, read_config
from .service import GRACE, SOCKET
from .stamps import timestamp
from .stop import end_process, release_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

_LAST_WORDS = 20.0  # seconds for the attendant to write the log's rest
_REMOVAL = 3600.0  # seconds for the removal of a container, which may have written a lot


def stop(argv: list[str], root: str | None) -> int:
    """Carry out ``["unit-stop", DIRECTORY]``: end the container's process as declared. Raises Error."""
    record = records.load_directory(argv[1])
    if record is None:
        return 0
    # What is declared may have changed since the service was started.
    _ask_for_time(spec.setting(record.spec["options"], "stop_timeout") + GRACE)
    end_process(StateDir(root), record)
    return 0


def ended(argv: list[str], root: str | None) -> int:
    """Carry out ``["unit-ended", DIRECTORY]``: record the end, remove what is left, say what comes then.

    Raises Error.
    """
    record = records.load_directory(argv[1])
    name = records.unit(record) if record else ""
    if record is None or not name:
        return 0  # it has been removed, or has another supervisor since
    # A task that finds the lock taken may wake us as it would the monitor.
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    state = StateDir(root)
    with suppress(ContainerError):  # an attendant has it until it has written all; held until we end
        start.take_lock(record, _LAST_WORDS)
    with Bus() as bus:
        told = unit.is_told(bus, name)
        again, by_itself = _judge(state, record, told=told)
        if not again and not told:
            bus.begin_stop(name)
    if by_itself and records.removed_at_end(record):
        _ask_for_time(_REMOVAL)
        entry = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "entry.py")
        verb = ["containers", "--remove-ended", record.path]
        os.execve(sys.executable, [sys.executable, "-I", "-S", entry, "--root", state.root, *verb], dict(os.environ))
    return 0


def _ask_for_time(seconds: float) -> None:
    """Have systemd wait for us as long as that, whatever the service's TimeoutStopSec (sd_notify(3))."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if where:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            text = f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}"
            end.sendto(text.encode(), "\0" + where[1:] if where.startswith("@") else where)


def _judge(state: StateDir, record: Record, *, told: bool) -> tuple[bool, bool]:
    """(whether the container starts again, whether it has ended by itself), when all is recorded and removed."""
    runtime = runtimes.known(record.spec["options"], state.runtime)
    if os.path.exists(os.path.join(record.path, SOCKET)):  # its program never ran: there is a task, or was one
        runtime.delete(record.id)
        return False, False
    status = records.read_status(record)
    if status.get("status") == "running":
        status = _end(state, record, status)
    unhealthy = _take(os.path.join(record.path, restart.UNHEALTHY))
    stopped = records.stop_requested(record)
    again = status.get("status") == "restarting" and not told and not stopped and unhealthy != "stop"
    if again and unhealthy == "restart":
        status["again"] = True
    elif again:
        settings = read_config(read(os.path.join(record.path, "monitor.conf")))
        policy, retries = settings.get("policy", "no"), int(settings.get("retries", 0))
        again = restart.should_restart(policy, status.get("exit_code", 1), status.get("in_a_row", 0), retries, False)
    if unhealthy == "stop" and not stopped:
        records.request_stop(record)
    if status:
        records.save_status(record, {**status, "status": "restarting" if again else "exited"})
    runtime.delete(record.id)
    if not again:
        release_network(state, record)
    return again, not again and not stopped


def _end(state: StateDir, record: Record, status: Mapping[str, Any]) -> dict[str, Any]:
    """The status of the container that has just ended: as if it were to start again."""
    finished = time.time_ns()
    stamp = timestamp(finished)
    killed = False
    with suppress(NoSuchContainer):
        killed = count_oom_kills(read(start.oom_file(runtime_state.load(state.runtime, record.id)))) > 0
    counts = {"oom_ends": status.get("oom_ends", 0) + 1, "oom_at": stamp} if killed else {}
    steady = finished / 1e9 - _seconds(status["started_at"]) >= restart.STEADY
    in_a_row = {"in_a_row": 0} if steady else {}
    end = {
        "status": "restarting",
        "pid": 0,
        "exit_code": _exit_code(os.environ),
        "finished_at": stamp,
        "oom_killed": killed,
    }
    return {**status, **counts, **in_a_row, **end}


def _seconds(stamp: str) -> int:
    """The Unix time of *stamp*, without its fraction."""
    return calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


def _exit_code(environment: Mapping[str, str]) -> int:
    """How the service's main process ended, as systemd.exec(5) has it in the *environment*, in a shell's numbers."""
    how, value = environment.get("EXIT_CODE"), environment.get("EXIT_STATUS", "")
    if how == "exited":
        return int(value)
    if how in ("killed", "dumped"):
        return 128 + (int(value) if value.isdigit() else signals.number(f"SIG{value}"))
    return restart.KILLED


def _take(path: str) -> str:
    """The text of the small file *path*, which is gone then; "" where there is none."""
    said = read(path)
    with suppress(FileNotFoundError):
        os.unlink(path)
    return said
