# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as a transient service of systemd, where systemd is process 1.

The container's first process is the service's main process, a child of systemd's own: systemd sees how it ends, starts
it again as the restart policy has it, and stops it, as declared, before the host goes down. Nothing of ours stays in
memory for that:

    ExecStart     container/unitstart.py    makes the container, and leaves it to systemd before its program runs
    ExecStop      container/unitended.py    the stop signal and the time for it
    ExecStopPost  container/unitended.py    records the end, removes what is left, says whether to start it again

Where its output is to be read, or its health checked, an attendant (container/attendant.py) does that beside it. It
and the container lie in two groups below the service's own, which systemd has delegated:

    system.slice/aoci-NAME-ID.service/supervisor    the attendant
    system.slice/aoci-NAME-ID.service/container     the container, with its limits

With ``cgroup_parent`` it is another slice, or the container's group lies elsewhere.

The conversation is the one of container/launch.py, by the socket ``launch.sock`` in the container's directory. The
socket is there from before the service is started until the program runs: a service that finds it and nobody at its
other end has lost its task, and starts nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time

from .. import corelink
from ..cgroup.bootunit import interpreter
from ..cgroup.hierarchy import UNIFIED, detect
from ..cgroup.systemd_bus import UNIT_EXISTS, Bus, SystemdError
from ..kernel.files import read_text
from ..runtime import channel
from ..statedir import DEFAULT_RUN
from . import records, restart, spec
from .begin import ENVIRONMENT, TRACE
from .bundle import SLICE, slice_of
from .errors import ContainerError
from .launch import Launch
from .observe import monitor_pid
from .unit import lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..cgroup.systemd_units import Property
    from ..statedir import StateDir
    from .records import Record

SOCKET = "launch.sock"
GRACE = 30.0  # seconds for what is to be done after the container's end
_ANSWER_TIME = 60.0  # seconds until the service has come to our socket
_LOOK = 0.5  # seconds between two looks whether it still could
_GONE_TIME = 10.0  # seconds for systemd to forget a service that has ended
_LONGEST_NAME = 200  # characters of the container's name in the unit's, whose limit is 255
# The systemd that runs ExecStopPost in a group of its own: under v2 the service's has none but groups in it.
_CONTROL_GROUP = 240
_INFINITY = (1 << 64) - 1
_SECOND = 1_000_000


def unit_name(name: str, container_id: str) -> str:
    """The unit of container *name*; with its id, since at a replacement there are two of the name for a while."""
    return f"aoci-{name[:_LONGEST_NAME]}-{container_id[:12]}.service"


def commands(state: StateDir, record: Record) -> dict[str, list[str]]:
    """What systemd runs, by the property that says so."""
    core = _core(state, record)
    return {
        "ExecStart": [*core, "unit-start", record.path],
        # A container that has ended by itself needs nothing of that: a shell sees it in a thousandth of the time.
        "ExecStop": ["/bin/sh", "-c", 'test -z "$MAINPID" || exec "$0" "$@"', *core, "unit-stop", record.path],
        "ExecStopPost": [*core, "unit-ended", record.path],
    }


def _core(state: StateDir, record: Record) -> list[str]:
    """How the core is called that the container was started from, whatever versions others bring meanwhile."""
    return [interpreter(), "-I", "-S", os.path.join(record.path, corelink.NAME, "entry.py"), "--root", state.root]


def _link_core(record: Record, core: str) -> None:
    path = os.path.join(record.path, corelink.NAME)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(core, path)


def properties(
    document: Mapping[str, Any],
    root: str,
    started: Mapping[str, list[str]],
    pid_file: str,
    *,
    version: int,
    unified: bool,
) -> list[Property]:
    """What the service of the container with spec *document* is started with.

    *started* are its :func:`commands`, *version* is systemd's.
    Sources: systemd.service(5), systemd.kill(5), systemd.resource-control(5), org.freedesktop.systemd1(5).
    """
    stop_timeout = spec.setting(document["options"], "stop_timeout")
    accounting = (
        "CPUAccounting",
        "MemoryAccounting",
        "TasksAccounting",
        "IOAccounting" if unified else "BlockIOAccounting",
    )
    found: list[Property] = [
        ("Description", "s", f"OCI container {document['name']} ({document['image']['name']})"),
        ("Slice", "s", slice_of(document) or SLICE),
        # What ExecStart leaves behind when it has ended, and has said in the file, is the service then.
        ("Type", "s", "forking"),
        ("PIDFile", "s", pid_file),
        *((name, "a(sasb)", [(command[0], command, False)]) for name, command in started.items()),
        ("Environment", "as", [f"{key}={value}" for key, value in ENVIRONMENT.items()]),
        ("NotifyAccess", "s", "exec"),
        ("Delegate", "b", True),
        ("TasksMax", "t", _INFINITY),
        *((accounted, "b", True) for accounted in accounting),
        # Whatever else is in its groups: the attendant goes when it has read all, the rest is unitended.py's.
        ("KillMode", "s", "process"),
        ("TimeoutStartUSec", "t", _INFINITY),  # the time before a restart is part of it
        ("TimeoutStopUSec", "t", int((stop_timeout + GRACE) * _SECOND)),
        # Unless the command behind ExecStopPost says otherwise, which knows the policy.
        ("Restart", "s", "always"),
        ("RestartUSec", "t", int(restart.FIRST_DELAY * _SECOND)),
        # Never met by what waits before its restarts: the end of a loop in which the commands themselves fail.
        ("StartLimitIntervalUSec", "t", int(restart.STEADY * _SECOND)),
        ("StartLimitBurst", "u", 20),
        ("CollectMode", "s", "inactive-or-failed"),
        ("After", "as", ["network.target", "network-online.target"]),
        ("RequiresMountsFor", "as", [root]),
    ]
    if version >= 243:  # else a container in which something is killed for lack of memory would be stopped
        found.append(("OOMPolicy", "s", "continue"))
    return found


def launched(state: StateDir, record: Record, entry: str) -> Launch | None:
    """Start the container's service; None where systemd is too old for one. Raises SystemdError."""
    bus = Bus()
    if bus.version() < _CONTROL_GROUP and detect().mode == UNIFIED:
        bus.close()
        return None
    return ServiceLaunch(bus, state, record, entry)


class ServiceLaunch(Launch):
    """As its base class, the container being a service."""

    def __init__(self, bus: Bus, state: StateDir, record: Record, entry: str) -> None:
        """Start the service; :meth:`wait_created` tells how it goes. *bus* is ours from now on. Raises SystemdError."""
        self.name = record.name
        self.trace = os.path.join(record.path, TRACE)
        self.child = 0
        self._record = record
        self._unit = unit_name(record.name, record.id)
        records.write_unit(record, self._unit)
        _forget_socket(record)
        self._listener = channel.listen(record.path, SOCKET)
        self._bus = bus
        try:
            _link_core(record, os.path.dirname(entry))
            self._job = _start(self._bus, state, record, self._unit)
        except BaseException:
            self._bus.close()
            self._listener.close()
            _forget_socket(record)
            raise

    def wait_created(self) -> None:
        try:
            self.channel = self._answer()
        except BaseException:
            self.abandon()
            raise
        super().wait_created()
        try:
            self._bus.finish_start(self._unit, self._job)  # the container is systemd's now, before its program runs
        except BaseException:
            self.abandon()
            raise
        self._bus.close()

    def _answer(self) -> socket.socket:
        """The service's end of the conversation."""
        poller = select.poll()
        poller.register(self._listener.fileno(), select.POLLIN)
        until = time.monotonic() + _ANSWER_TIME
        while not poller.poll(_LOOK * 1000):
            gone = not lives(self._unit)
            if not gone and time.monotonic() < until:
                continue
            raise ContainerError(
                f"the service {self._unit} of container {self.name} {'has ended' if gone else 'does not answer'}",
                step="created",
                obj=self.name,
                hint=f"'journalctl -u {self._unit}' has what it said",
            )
        fd, _address = self._listener._accept()  # type: ignore[attr-defined]  # typeshed knows the public class only
        self._listener.close()
        return socket.socket(fileno=fd)

    def abandon(self) -> None:
        """Unmake the created container, and wait until that is done."""
        self._bus.close()
        if self._listener.fileno() >= 0:  # nobody has waited for it yet: it will find nobody, and end
            self._listener.close()
        else:
            super().abandon()
        end(self._record)
        _forget_socket(self._record)  # not before: while it is there the service knows that it was never wanted


def _start(bus: Bus, state: StateDir, record: Record, unit: str) -> str:
    """Have systemd start it, if need be when one of the name that has ended is forgotten; the job."""
    until = time.monotonic() + _GONE_TIME
    unified = detect().mode == UNIFIED
    started, pid_file = commands(state, record), path_of_pid(unit)
    wanted = properties(record.spec, state.root, started, pid_file, version=bus.version(), unified=unified)
    while True:
        try:
            return bus.begin_start(unit, wanted)
        except SystemdError as error:
            if error.name != UNIT_EXISTS or time.monotonic() > until:
                raise
        time.sleep(0.02)


def path_of_pid(unit: str) -> str:
    """The file that tells systemd which process *unit* is; systemd removes it.

    Wherever the state directory is: systemd distrusts what lies in directories of others than root.
    """
    return os.path.join(DEFAULT_RUN, f"{unit}.pid")


def attend(state: StateDir, record: Record) -> None:
    """Give the running container *record* an attendant, which it has not needed so far. Raises SystemdError."""
    unit = f"{records.unit(record)[: -len('.service')]}-attendant.service"
    command = [*_core(state, record), "unit-attend", record.path]
    wanted: list[Property] = [
        ("Description", "s", f"Health check of OCI container {record.name}"),
        ("Slice", "s", slice_of(record.spec) or SLICE),
        ("ExecStart", "a(sasb)", [(command[0], command, False)]),
        ("Environment", "as", [f"{key}={value}" for key, value in ENVIRONMENT.items()]),
        ("KillSignal", "i", int(signal.SIGKILL)),  # it heeds no other: by itself it ends with the container
        ("Restart", "s", "on-failure"),
        ("RestartUSec", "t", _SECOND),
        ("CollectMode", "s", "inactive-or-failed"),
    ]
    until = time.monotonic() + _ANSWER_TIME
    with Bus() as bus:
        bus.start(unit, wanted)
    while not monitor_pid(record.path) and lives(unit):
        if time.monotonic() > until:
            raise ContainerError(f"the service {unit} does not begin", step="health", obj=record.name)
        time.sleep(0.01)


def end(record: Record) -> None:
    """See the container's service end and systemd forget it; not from within it. Raises SystemdError."""
    unit = records.unit(record)
    if any(f"/{unit}/" in f"{line}/" for line in read_text("/proc/self/cgroup").splitlines()):
        return
    with Bus() as bus:
        bus.stop(unit)


def _forget_socket(record: Record) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(record.path, SOCKET))
