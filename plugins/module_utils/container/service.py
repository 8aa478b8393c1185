# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as a transient service of systemd, where systemd is process 1.

systemd starts the monitor (container/unitstart.py) as the service's main process, outside of the task's session; starts
it again when it was killed; and, before the host goes down, stops it, which stops the container as declared. The
monitor and the container lie in two groups below the service's own, which systemd has delegated:

    system.slice/aoci-NAME-ID.service/supervisor    the monitor
    system.slice/aoci-NAME-ID.service/container     the container, with its limits

With ``cgroup_parent`` it is another slice, or the container's group lies elsewhere: then the monitor alone ends it.

The conversation is the one of container/launch.py, by the socket ``launch.sock`` in the container's directory. The
socket is there from before the service is started until the program runs: a service that finds it and nobody at its
other end has lost its task, and starts nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time

from ..cgroup.bootunit import interpreter
from ..cgroup.hierarchy import UNIFIED, detect
from ..cgroup.systemd_bus import UNIT_EXISTS, Bus, SystemdError
from ..kernel.files import read_text
from ..runtime import channel
from . import records, spec
from .begin import ENVIRONMENT, TRACE
from .bundle import SLICE, slice_of
from .errors import ContainerError
from .launch import Launch
from .monitor import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..cgroup.systemd_units import Property
    from ..statedir import StateDir
    from .records import Record

SOCKET = "launch.sock"
_ANSWER_TIME = 60.0  # seconds until the service has come to our socket
_GONE_TIME = 10.0  # seconds for systemd to forget a service that has ended
_LONGEST_NAME = 200  # characters of the container's name in the unit's, whose limit is 255
_INFINITY = (1 << 64) - 1
_SECOND = 1_000_000


def unit_name(name: str, container_id: str) -> str:
    """The unit of container *name*; with its id, since at a replacement there are two of the name for a while."""
    return f"aoci-{name[:_LONGEST_NAME]}-{container_id[:12]}.service"


def properties(
    document: Mapping[str, Any], root: str, command: list[str], *, version: int, unified: bool
) -> list[Property]:
    """What the service of the container with spec *document* is started with; *version* is systemd's.

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
        ("Type", "s", "simple"),
        ("ExecStart", "a(sasb)", [(command[0], command, False)]),
        ("Environment", "as", [f"{key}={value}" for key, value in ENVIRONMENT.items()]),
        ("NotifyAccess", "s", "main"),
        ("Delegate", "b", True),
        ("TasksMax", "t", _INFINITY),
        *((accounted, "b", True) for accounted in accounting),
        # The monitor is told, and ends the container; what is left after that is killed.
        ("KillMode", "s", "mixed"),
        ("TimeoutStopUSec", "t", int((stop_timeout + GRACE) * _SECOND)),
        # The restart policy is the monitor's; systemd's is for a monitor that was killed.
        ("Restart", "s", "on-failure"),
        ("RestartUSec", "t", _SECOND),
        ("StartLimitIntervalUSec", "t", 0),
        ("CollectMode", "s", "inactive-or-failed"),
        ("After", "as", ["network.target", "network-online.target"]),
        ("RequiresMountsFor", "as", [root]),
    ]
    if version >= 243:  # else a container in which something is killed for lack of memory would be stopped
        found.append(("OOMPolicy", "s", "continue"))
    return found


class ServiceLaunch(Launch):
    """As its base class, the monitor being the main process of a service."""

    def __init__(self, state: StateDir, record: Record, entry: str) -> None:
        """Start the service; :meth:`wait_created` tells how it goes. Raises SystemdError."""
        self.name = record.name
        self.trace = os.path.join(record.path, TRACE)
        self.child = 0
        self._record = record
        self._unit = unit_name(record.name, record.id)
        records.write_unit(record, self._unit)
        _forget_socket(record)
        self._listener = channel.listen(record.path, SOCKET)
        where = ["--root", state.root]
        command = [interpreter(), "-I", "-S", entry, *where, "unit-start", record.path]
        try:
            _start(record, self._unit, state.root, command)
        except BaseException:
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

    def _answer(self) -> socket.socket:
        """The service's end of the conversation."""
        poller = select.poll()
        poller.register(self._listener.fileno(), select.POLLIN)
        if not poller.poll(_ANSWER_TIME * 1000):
            raise ContainerError(
                f"the service {self._unit} of container {self.name} does not answer",
                step="created",
                obj=self.name,
                hint=f"'journalctl -u {self._unit}' has what it said",
            )
        fd, _address = self._listener._accept()  # type: ignore[attr-defined]  # typeshed knows the public class only
        self._listener.close()
        return socket.socket(fileno=fd)

    def abandon(self) -> None:
        """Unmake the created container, and wait until that is done."""
        if self._listener.fileno() >= 0:  # nobody has waited for it yet: it will find nobody, and end
            self._listener.close()
        else:
            super().abandon()
        _forget_socket(self._record)
        end(self._record)


def _start(record: Record, unit: str, root: str, command: list[str]) -> None:
    """Have systemd start it, if need be against one of the name that has ended and is about to be forgotten."""
    until = time.monotonic() + _GONE_TIME
    unified = detect().mode == UNIFIED
    with Bus() as bus:
        wanted = properties(record.spec, root, command, version=bus.version(), unified=unified)
        while True:
            try:
                bus.start(unit, wanted)
                return
            except SystemdError as error:
                if error.name != UNIT_EXISTS or time.monotonic() > until:
                    raise
            time.sleep(0.02)


def end(record: Record) -> None:
    """See the container's service end and systemd forget it; not from within it. Raises SystemdError."""
    unit = records.unit(record)
    if f"/{unit}/" in read_text("/proc/self/cgroup"):
        return
    with Bus() as bus:
        bus.stop(unit)


def _forget_socket(record: Record) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(record.path, SOCKET))
