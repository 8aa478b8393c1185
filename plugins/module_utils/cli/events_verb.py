# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""events: what a container uses, and when the kernel kills in it for memory; JSON lines in the shape of runc's."""

from __future__ import annotations

import json
import sys
import time

from ..cgroup import usage
from ..cgroup.control import flat_keyed
from ..cgroup.info import used
from ..cgroup.snapshot import Reader
from ..kernel import procfs
from ..kernel.errors import Error
from ..runtime import lifecycle
from ..runtime.errors import WrongState
from .main import state_directory
from .words import Syntax, sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..cgroup.api import Cgroup
    from ..runtime.state import State

_SYNTAX = Syntax(("--interval",), ("--stats",))
_ALIVE = ("created", "running", "paused")
_UNITS = (("ms", 0.001), ("us", 0.000001), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("", 1.0))
_LOOK = 0.2  # seconds between two looks whether the kernel has killed
_NO_LIMIT = (1 << 64) - 1


def run(argv: list[str], root: str | None) -> int:
    """Carry out events; the exit code. Raises Error, WrongState for a container that does not run."""
    words = sort("events", _SYNTAX, argv[1:])
    run_dir, container_id = state_directory(root), words.arguments[0]
    interval = seconds(words.values.get("--interval", "5s"))
    found = lifecycle.state(run_dir, container_id)
    if found.status not in _ALIVE:
        raise WrongState(f"container {container_id} is {found.status}", step="events", obj=container_id)
    if "--stats" in words.flags:
        _tell("stats", found, stats(found.cgroup()))
    else:
        _follow(found, interval)
    return 0


def seconds(text: str) -> float:
    """``5s``, ``500ms``, ``1m`` in seconds. Raises Error."""
    unit, factor = next((unit, factor) for unit, factor in _UNITS if text.endswith(unit))
    try:
        value = float(text[: len(text) - len(unit)]) * factor
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1e9:
        raise Error(f"--interval takes a time above 0, as in 5s or 500ms, not {text!r}")
    return value


def _follow(found: State, interval: float) -> None:
    """Tell every *interval* seconds what it uses, and of every kill at once, until the container ends."""
    cgroup = found.cgroup()
    killed, due = cgroup.oom_kills(), time.monotonic()
    while True:
        now = cgroup.oom_kills()
        if now > killed:
            _tell("oom", found, None)
        killed = now
        if time.monotonic() >= due:
            _tell("stats", found, stats(cgroup))
            due = time.monotonic() + interval
        if procfs.wait_exit(found.pid, found.start_time, max(0.001, min(_LOOK, due - time.monotonic()))):
            if cgroup.oom_kills() > killed:
                _tell("oom", found, None)
            return


def _tell(kind: str, found: State, data: dict[str, Any] | None) -> None:
    event: dict[str, Any] = {"type": kind, "id": found.id}
    if data is not None:
        event["data"] = data
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def stats(cgroup: Cgroup) -> dict[str, Any]:
    """What the group uses, in nanoseconds and bytes."""
    with Reader(cgroup.hierarchy).snapshot(cgroup.path) as group:
        raw = group.text("memory", "memory.stat") or ""
        percpu = group.text("cpuacct", "cpuacct.usage_percpu") or ""
        amounts, events = used(group), usage.collect(usage.EVENTS, group.text)
    return shaped(amounts, events, cgroup.read(), flat_keyed(raw), percpu.split())


def shaped(
    amounts: dict[str, Any], events: dict[str, int], limits: dict[str, Any], raw: dict[str, int], percpu: list[str]
) -> dict[str, Any]:
    """The document of :func:`stats`, from what cgroup/usage.py calls things; pure."""
    memory, pids = limits.get("memory", {}), limits.get("pids", {})
    counted = [int(one) for one in percpu]  # exact, where user and kernel are told by the timer's ticks
    return {
        "cpu": {
            "usage": {
                "total": sum(counted) if counted else amounts.get("cpu_usec", 0) * 1000,
                "percpu": counted,
                "kernel": amounts.get("cpu_system_usec", 0) * 1000,
                "user": amounts.get("cpu_user_usec", 0) * 1000,
            },
            "throttling": {
                "periods": events.get("cpu_periods", 0),
                "throttledPeriods": events.get("cpu_throttled", 0),
                "throttledTime": events.get("cpu_throttled_usec", 0) * 1000,
            },
        },
        "memory": {
            "cache": amounts.get("memory_file", 0),
            "usage": {
                "limit": _limit(memory.get("limit")),
                "usage": amounts.get("memory", 0),
                "max": amounts.get("memory_peak", 0),
                "failcnt": events.get("memory_max", 0),
            },
            "swap": {"limit": _limit(memory.get("swap")), "usage": amounts.get("swap", 0)},
            "raw": raw,
        },
        "pids": {"current": amounts.get("pids", 0), "limit": max(pids.get("limit") or 0, 0)},
        "blkio": {
            "ioServiceBytesRecursive": _moved(amounts.get("io") or [], "bytes"),
            "ioServicedRecursive": _moved(amounts.get("io") or [], "ops"),
        },
        "hugetlb": {size: {"usage": count} for size, count in amounts.get("hugetlb", {}).items()},
    }


def _limit(value: int | None) -> int:
    return _NO_LIMIT if value is None or value < 0 else value


def _moved(devices: list[dict[str, Any]], unit: str) -> list[dict[str, Any]]:
    found = []
    for device in devices:
        major, _colon, minor = device["device"].partition(":")
        for way in ("Read", "Write"):
            value = device.get(f"{way.lower()}_{unit}", 0)
            found.append({"major": int(major), "minor": int(minor), "op": way, "value": value})
    return found
