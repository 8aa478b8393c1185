# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers use at one moment, and what they have used between two."""

from __future__ import annotations

import os
import time
from collections import namedtuple

from ..cgroup.hierarchy import detect
from ..cgroup.info import describe
from ..cgroup.members import Members
from ..cgroup.snapshot import Reader, content
from ..runtime import state as runtime_state
from ..runtime.errors import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..statedir import StateDir
    from .records import Record

_PARTS = ("limits", "usage", "pressure", "events")

Sample = namedtuple("Sample", "at name id status pid limits usage pressure events network")
Sample.__doc__ = """One container at one moment.

at       seconds of the monotonic clock
status   running, paused or stopped; of one that is stopped all that follows is empty
pid      the host's pid of its first process, 0 when there is none
limits, usage, pressure, events   of its cgroup, as cgroup_info has them
network  (bytes received, bytes sent) by a network namespace of its own; None without one
"""


def take(state: StateDir, wanted: Iterable[Record]) -> list[Sample]:
    """Samples of the containers *wanted*, in their order."""
    reader = Reader(detect())
    members = Members(reader) if reader.pressure else None
    return [_sample(state, reader, members, record) for record in wanted]


def _sample(state: StateDir, reader: Reader, members: Members | None, record: Record) -> Sample:
    try:
        live = runtime_state.load(state.runtime, record.id)
    except NoSuchContainer:
        live = None
    if live is None or live.status != "running":
        return Sample(time.monotonic(), record.name, record.id, "stopped", 0, {}, {}, {}, {}, None)
    with reader.snapshot(live.cgroup_path) as read:
        group = describe(read, _PARTS, members)
    return Sample(
        time.monotonic(),
        record.name,
        record.id,
        "paused" if live.cgroup().frozen() else "running",
        live.pid,
        group["limits"],
        group["usage"],
        group["pressure"],
        group["events"],
        network(live.pid),
    )


def network(pid: int) -> tuple[int, int] | None:
    """(received, sent) bytes in the network namespace of process *pid*; None where that is ours, or it has ended."""
    try:
        if os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino:
            return None
    except FileNotFoundError:
        return None
    text = content(f"/proc/{pid}/net/dev")
    return None if text is None else count_network(text)


def count_network(text: str) -> tuple[int, int]:
    """(received, sent) bytes of all interfaces in /proc/PID/net/dev (proc_pid_net(5)) but the loopback."""
    received = sent = 0
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        if colon and name.strip() != "lo":
            numbers = rest.split()
            received += int(numbers[0])
            sent += int(numbers[8])
    return received, sent


def report(now: Sample, before: Sample | None, host_memory: int) -> dict[str, Any]:
    """*now* as a document: numbers by name, units in the names, None for what is not known; then ``limits``,
    ``pressure`` and ``events`` as cgroup_info has them.

    ``cpu_percent`` (100 is one CPU) is that since *before*, a sample of the same run of the container;
    ``throttled_percent`` how long it had to wait for its own limit since then, summed up over CPUs.
    ``memory_working_set`` leaves out the page cache that is given back first, ``memory_percent`` is its part of
    ``memory_limit``, which is *host_memory* where no lower one is set.
    """
    usage = now.usage
    memory, inactive = usage.get("memory"), usage.get("memory_inactive_file", 0)
    working = None if memory is None else max(memory - inactive, 0)
    limit = now.limits.get("memory", -1)
    limit = host_memory if limit < 0 else min(limit, host_memory)
    cpu = throttled = None
    if before is not None and (before.id, before.pid) == (now.id, now.pid) and now.at > before.at:
        cpu = _percent(before, now, "usage", "cpu_usec")
        if "cpu_throttled_usec" in now.events:
            throttled = _percent(before, now, "events", "cpu_throttled_usec")
    received, sent = now.network or (None, None)
    running = now.status != "stopped"
    return {
        "name": now.name,
        "id": now.id,
        "status": now.status,
        "pid": now.pid,
        "cpu_percent": cpu,
        "cpu_usec": usage.get("cpu_usec"),
        "cpu_throttled_usec": now.events.get("cpu_throttled_usec"),
        "throttled_percent": throttled,
        "memory": memory,
        "memory_working_set": working,
        "memory_limit": limit if running else None,
        "memory_percent": None if working is None else round(100 * working / limit, 2),
        "oom_kill": now.events.get("oom_kill"),
        "pids": usage.get("pids"),
        "io_read_bytes": usage.get("io_read_bytes"),
        "io_write_bytes": usage.get("io_write_bytes"),
        "net_rx_bytes": received,
        "net_tx_bytes": sent,
        "limits": now.limits,
        "pressure": now.pressure,
        "events": now.events,
    }


def _percent(before: Sample, now: Sample, part: str, name: str) -> float:
    """What was added to a number of microseconds between two samples, as a part of the time between them."""
    spent = getattr(now, part).get(name, 0) - getattr(before, part).get(name, 0)
    return float(round(max(spent, 0) / (now.at - before.at) / 10_000, 2))
