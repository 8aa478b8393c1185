# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending a container: its stop signal, its time, then SIGKILL for all that is in it."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from ..cgroup.api import open_cgroup, remove_empty
from ..kernel import procfs
from ..runtime import lifecycle
from ..runtime.errors import NoSuchContainer, WrongState
from . import records, runtimes, signals, spec
from .errors import ContainerError
from .observe import monitor_pid, supervised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.state import State
    from ..statedir import StateDir
    from .records import Record

_LAST_WORDS = 60.0  # seconds for the monitor to write the log's rest and clean up
CGROUP_PARENT = "/agentless-oci"


def stop(
    state: StateDir, record: Record, *, kill_signal: str = "", force: bool = False, seconds: float | None = None
) -> None:
    """Stop the container and wait until nothing of it runs, its monitor included. Stopped already is fine.

    force        do not ask: SIGKILL, or *kill_signal*, at once
    kill_signal  what *force* sends
    seconds      how long it has to end, instead of its stop_timeout
    Raises ContainerError when its process does not end.
    """
    records.request_stop(record)
    live = end_process(state, record, kill_signal=kill_signal, force=force, seconds=seconds)
    _wait_for_monitor(record)
    if records.unit(record):  # it records the end, or would start the container again
        from .service import end

        end(record)
    _bury(state, record, live)
    release_network(state, record)


def end_process(
    state: StateDir, record: Record, *, kill_signal: str = "", force: bool = False, seconds: float | None = None
) -> State | None:
    """Have the container's process end, and give what it was; None where there was none. As :func:`stop`."""
    live = _live(state, record)
    if live is None:
        return None
    if live.status == "paused":
        open_cgroup(live.cgroup_path).thaw()
    options = record.spec["options"]
    name = (kill_signal or "SIGKILL") if force else spec.stop_signal(options, record.spec["image"]["config"])
    with contextlib.suppress(WrongState, NoSuchContainer):  # it ended by itself just now
        lifecycle.kill(state.runtime, record.id, signals.number(name))
    patience = spec.setting(options, "stop_timeout") if seconds is None else seconds
    if not procfs.wait_exit(live.pid, live.start_time, float(patience)):
        with contextlib.suppress(WrongState, NoSuchContainer):
            lifecycle.kill(state.runtime, record.id, signal.SIGKILL, all_processes=True)
    return live


def _live(state: StateDir, record: Record) -> State | None:
    try:
        live = lifecycle.state(state.runtime, record.id)
    except NoSuchContainer:
        return None
    return live if live.status in ("created", "running", "paused") else None


def _wait_for_monitor(record: Record) -> None:
    """Wake the monitor, which may be waiting before a restart, and see it end."""
    pid = monitor_pid(record.path)
    if not pid:
        return
    try:
        started = procfs.start_time(pid)
        if monitor_pid(record.path) != pid:
            return
        procfs.send_signal(pid, started, signal.SIGHUP)
    except ProcessLookupError:
        return
    # The lock, not the process: with auto_remove the monitor becomes the program that removes the container.
    end = time.monotonic() + _LAST_WORDS
    while monitor_pid(record.path) == pid and not procfs.wait_exit(pid, started, 0.02):
        if time.monotonic() > end:
            raise ContainerError(
                f"the monitor of container {record.name} (process {pid}) does not end",
                step="stop",
                obj=record.name,
                hint="Look whether its disk still answers",
            )


def wait_for_end(record: Record) -> None:
    """Wait until the container has ended for good and nobody looks after it any more; without limit."""
    while True:
        pid = monitor_pid(record.path)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                started = procfs.start_time(pid)
                if monitor_pid(record.path) == pid:
                    procfs.wait_exit(pid, started, None)
        elif not _wait_for_unit(record):
            return


def _wait_for_unit(record: Record) -> bool:
    """Wait a while for the end of a container that systemd alone looks after; whether it still does."""
    if not supervised(record, 0):
        return False
    status = records.read_status(record)
    try:
        if status.get("status") == "running" and procfs.wait_exit(status["pid"], procfs.start_time(status["pid"]), 1.0):
            return True
    except ProcessLookupError:
        pass
    time.sleep(0.02)
    return True


def _bury(state: StateDir, record: Record, live: State | None) -> None:
    """Do what a monitor that was killed could not: remove what is left, and record the end."""
    runtime = runtimes.known(record.spec["options"], state.runtime)
    if not runtime.knows(record.id):
        return
    runtime.delete(record.id)
    if live is not None:  # the real exit code died with the monitor
        records.write_status(record, "exited", 0, 0, exit_code=128 + signal.SIGKILL, finished=time.time_ns())


def release_network(state: StateDir, record: Record) -> None:
    """Give back what an ended container has of networks; one that ended by itself has done that already."""
    if os.path.exists(os.path.join(record.path, "network.json")):
        from .networking import release

        release(state, record)


def clear_leftovers(state: StateDir, name: str, *, forget: bool) -> None:
    """Stop and remove what killed tasks left of containers of this name. Needs the name's lock.

    *forget*: their anonymous volumes go with them.
    """
    for path in records.leftovers(state, name):
        record = records.load_directory(path)
        if record is None:
            records.remove_half(path, name)
        elif records.owner(path) == name:  # else it was empty when we looked, and another task has gone on with it
            if forget:
                records.forget_volumes(record)
            destroy(state, record)


def destroy(state: StateDir, record: Record) -> None:
    """Kill the container and remove all of it: processes, monitor, cgroup, pin and directory."""
    from ..image.store import Store

    # The directory goes last: as long as it is there, whoever comes after us knows what is left to do.
    stop(state, record, force=True)
    records.unpublish(state, record)
    Store(state).pins.remove(record.id)
    if record.spec["options"].get("secrets"):
        from .secretfiles import withdraw

        withdraw(state, record)
    if record.spec.get("volumes"):
        from .volumes import release

        release(state, record)
    if "path" in record.spec["options"].get("log_options", {}):
        from . import loglink

        loglink.remove(state, record.name, loglink.path_of(record.spec["options"]))
    records.remove_directory(record.path)
    remove_empty(CGROUP_PARENT)
