# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a container as it is now: nothing here changes anything."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections import namedtuple

from ..cgroup.api import open_cgroup
from ..runtime import state as runtime_state
from ..runtime.errors import NoSuchContainer
from . import netmode, records
from . import spec as specs
from .resources import option_of, resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..statedir import StateDir

# status   running, restarting (the monitor waits before the next start), paused, created or stopped
# pid      the host's pid of its first process, 0 when there is none
# monitor  pid of its monitor or attendant, 0 when there is none
# drift    limits that are not what was recorded: ((option, value now, value recorded) as the kernel writes them …)
# stopping whether a task asked it to stop and was killed before it saw the end: it may end any moment
# lost     why it has to be started anew to have its network, or its volumes, again; "" if it does not
# killed   whether it ended for lack of memory, where it has ended
# alone    whether it runs and somebody who should be looking after it does not
# mute     whether it runs and what it writes cannot be read by anybody (container/unitstart.py)
Observed = namedtuple(
    "Observed", "status pid monitor drift stopping lost killed alone mute", defaults=(False, "", False, False, False)
)

ABSENT = Observed("absent", 0, 0, ())

# How long (seconds) a monitor may take to notice the end of its container, and systemd to run what records it.
_JUST_ENDED, _SERVICE_ENDED = 2.0, 20.0

# struct flock of fcntl(2) where off_t has 64 bits: type, whence, start, length, pid.
_FLOCK = "hhqqi4x"


def observe(state: StateDir, record: records.Record, *, drift: bool = True) -> Observed:
    """How the container of *record* is; with *drift* also what of it is not as recorded, which takes longer.

    Raises CgroupError when its limits cannot be read.
    """
    begun = time.monotonic()
    while True:
        monitor = monitor_pid(record.path)
        try:
            live = runtime_state.load(state.runtime, record.id)
        except NoSuchContainer:
            live = None
        if live is not None and live.status == "running":
            status = "paused" if live.cgroup().frozen() else "running"
            if not drift:
                return Observed(status, live.pid, monitor, (), records.stop_requested(record))
            differs = _drift(record, live.cgroup_path)
            lost, connections = _network(state, record, live.pid)
            if not lost and record.spec.get("volumes"):
                from .volumes import lost as volume_lost

                lost = volume_lost(state, record, live.pid)
            differs += connections + _secrets(record) + _log_link(state, record)
            if not lost and specs.joined(record.spec["options"]):
                from .joining import lost as other_lost

                lost = other_lost(state, record, live.pid)
            alone, mute = _care(record, monitor)
            stopping = records.stop_requested(record)
            return Observed(status, live.pid, monitor, differs, stopping, lost, alone=alone, mute=mute)
        ended = records.read_status(record)
        said = ended.get("status")
        cared = said in ("running", "restarting") and supervised(record, monitor)
        if cared and said == "restarting":
            return Observed("restarting", 0, monitor, ())
        patience, pause = (_SERVICE_ENDED, 0.05) if records.unit(record) else (_JUST_ENDED, 0.01)
        if not cared or said != "running" or time.monotonic() > begun + patience:
            created = live is not None and live.status == "created"
            killed = bool(ended.get("oom_killed"))
            return Observed("created" if created else "stopped", 0, monitor, (), killed=killed)
        time.sleep(pause)  # it has just ended, and whoever supervises it is about to say whether it starts again


def supervised(record: records.Record, monitor: int | None = None) -> bool:
    """Whether somebody looks after the container, or after its end, or is about to start it again.

    *monitor* is its :func:`monitor_pid`, where that is known. Raises SystemdError.
    """
    if monitor_pid(record.path) if monitor is None else monitor:
        return True
    name = records.unit(record)
    if not name:
        return False
    from .unit import lives

    return lives(name)


def _care(record: records.Record, monitor: int) -> tuple[bool, bool]:
    """(alone, mute) of a container that runs."""
    if not records.unit(record):
        return not monitor, False
    mute = bool(records.read_status(record).get("mute"))
    if monitor:
        return False, mute
    from .unit import is_attended

    return is_attended(record), mute


def _drift(record: records.Record, cgroup_path: str) -> tuple[tuple[str, str, str], ...]:
    declared = resources(record.spec["options"])
    if not declared:
        return ()
    changes = open_cgroup(cgroup_path, owner="container").plan(declared)
    return tuple((option_of(change.file), str(change.before), str(change.after)) for change in changes)


def _secrets(record: records.Record) -> tuple[tuple[str, str, str], ...]:
    """Secrets that the container has, and would not have any more after a restart."""
    entries = record.spec["options"].get("secrets")
    if not entries:
        return ()
    from .secretfiles import missing

    lost = ", ".join(missing(record, entries, {}))
    return (("secrets", f"{lost} gone", "there"),) if lost else ()


def _network(state: StateDir, record: records.Record, pid: int) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """(why the container must be started anew, drift of its connections)."""
    options = record.spec["options"]
    if netmode.kind(options) not in (netmode.JOINED, netmode.NETWORKS):
        return "", ()
    from .networking import observe as observe_network

    lost, differs = observe_network(state, record, pid)
    wanted = ", ".join(entry["network"] for entry in netmode.wanted(record.spec))
    return lost, ((("networks", differs, wanted),) if differs else ())


def _log_link(state: StateDir, record: records.Record) -> tuple[tuple[str, str, str], ...]:
    if "path" not in record.spec["options"].get("log_options", {}):
        return ()
    from . import loglink

    path = loglink.path_of(record.spec["options"])
    return (("log_options", "no link", path),) if loglink.missing(state, record.name, path) else ()


def monitor_pid(path: str) -> int:
    """The pid of the monitor that holds the lock in the container's directory *path*; 0 when none does."""
    try:
        fd = os.open(os.path.join(path, "monitor.lock"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0))
    finally:
        os.close(fd)
    kind, _whence, _start, _length, pid = struct.unpack(_FLOCK, answer)
    return 0 if kind == fcntl.F_UNLCK else int(pid)
