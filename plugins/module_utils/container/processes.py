# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a container, as the host sees them, with the numbers that the container has for them."""

from __future__ import annotations

import os

from ..kernel import idmap, procfs
from ..kernel.files import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..runtime.state import State

_PTS = range(136, 144)  # major numbers of terminals below /dev/pts, Documentation/admin-guide/devices.txt


def processes(found: State) -> list[dict[str, Any]]:
    """The processes in the cgroup of the container *found*, by pid. Raises OSError.

    uid, pid, ppid  the host's numbers
    nsuid, nspid    the container's
    started         Unix time
    elapsed, time   seconds since then, and seconds on a processor
    tty             "pts/0" and the like, "?" without one
    cmd             the words of the command line; the name in brackets of one without
    """
    uids = idmap.read_maps(found.pid)[0]
    depth = len(_status(found.pid)["NSpid"])
    booted = _boot_time()
    described = []
    for pid in found.cgroup().pids():
        try:
            described.append(_describe(pid, uids, depth, booted))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return described


def _describe(pid: int, uids: list[tuple[int, int, int]], depth: int, booted: float) -> dict[str, Any]:
    fields, status = procfs.stat_fields(pid), _status(pid)
    ticks = os.sysconf("SC_CLK_TCK")
    uid = int(status["Uid"][1])  # the effective one, as ps(1) shows it
    numbers = status["NSpid"]
    words = [word for word in read_text(f"/proc/{pid}/cmdline").split("\0") if word]
    started = booted + int(fields[19]) / ticks
    return {
        "uid": uid,
        "nsuid": idmap.inside(uid, uids),
        "pid": pid,
        "nspid": int(numbers[depth - 1] if len(numbers) >= depth else numbers[-1]),
        "ppid": int(fields[1]),
        "started": started,
        "elapsed": max(_now() - int(fields[19]) / ticks, 0.0),
        "tty": terminal(int(fields[4])),
        "time": (int(fields[11]) + int(fields[12])) / ticks,
        "cmd": words or [f"[{status['Name'][0]}]"],
    }


def _status(pid: int) -> dict[str, list[str]]:
    """proc_pid_status(5). Raises ProcessLookupError."""
    lines = read_text(f"/proc/{pid}/status").splitlines()
    return {name: words.split() for name, _colon, words in (line.partition(":") for line in lines)}


def _now() -> float:
    """Seconds since the host has booted."""
    return float(read_text("/proc/uptime").split()[0])


def _boot_time() -> float:
    """The Unix time of that."""
    found = read_text("/proc/stat").partition("\nbtime ")[2].split(None, 1)
    return float(found[0])


def terminal(device: int) -> str:
    """The name of the terminal with the number *device* (proc_pid_stat(5), field 7), below /dev; "?" for none."""
    major, minor = device >> 8 & 0xFFF, (device & 0xFF) | (device >> 12 & 0xFFF00)
    if not device:
        return "?"
    if major in _PTS:
        return f"pts/{(major - _PTS[0]) * 256 + minor}"
    return f"tty{minor}" if major == 4 and minor < 64 else f"{major}:{minor}"
