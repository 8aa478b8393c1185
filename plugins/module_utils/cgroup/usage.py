# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a group has used and what has happened to it: the content of control files in one vocabulary; pure.

Sources: kernel Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst, cpuacct.rst, blkio-controller.rst,
pids.rst and hugetlb.rst; Documentation/scheduler/sched-bwc.rst.
"""

from __future__ import annotations

from ..kernel.lean import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

Source = namedtuple("Source", "controller file parse")
Source.__doc__ = """A control file and what its text says: ``parse(text)`` → values by our names."""


def number(name: str, divisor: int = 1) -> Callable[[str], dict[str, int]]:
    """For a file that holds one number."""

    def parse(text: str) -> dict[str, int]:
        return {name: int(text) // divisor}

    return parse


def picked(names: dict[str, str], divisor: int = 1) -> Callable[[str], dict[str, int]]:
    """For a flat keyed file: kernel's key → our name; what this kernel lacks is left out."""

    marks = [(f"\n{key} ", ours) for key, ours in names.items()]

    def parse(text: str) -> dict[str, int]:
        found = {}
        text = f"\n{text}\n"
        for mark, ours in marks:  # a few of what may be dozens of lines
            start = text.find(mark)
            if start >= 0:
                start += len(mark)
                value = text[start : text.find("\n", start)]
                if value.isdigit():
                    found[ours] = int(value) // divisor
        return found

    return parse


def cpu_v1(text: str) -> dict[str, int]:
    """v1's cpuacct.usage_all, counted in ticks: ``0 USER SYSTEM`` nanoseconds for each CPU, under a line of names."""
    user = system = 0
    for line in text.splitlines()[1:]:
        _cpu, in_user, in_system = line.split()
        user += int(in_user)
        system += int(in_system)
    return {"cpu_user_usec": user // 1000, "cpu_system_usec": system // 1000}


def shared_out(total: int, user: int, system: int) -> tuple[int, int]:
    """(user, system) of an exact *total*, in the proportion of what the timer's ticks have counted.

    As v2 tells it (kernel/sched/cputime.c, cputime_adjust): all is the user's where no tick met the system.
    """
    in_system = total * system // (user + system) if system else 0
    return total - in_system, in_system


_MEMORY = {"anon": "memory_anon", "file": "memory_file", "shmem": "memory_shmem", "kernel": "memory_kernel"}
_MEMORY_V2 = {**_MEMORY, "inactive_file": "memory_inactive_file"}
# v1's own numbers leave out the groups below; those with total_ have them, as all of v2's do.
_MEMORY_V1 = {
    "total_rss": "memory_anon",
    "total_cache": "memory_file",
    "total_shmem": "memory_shmem",
    "total_inactive_file": "memory_inactive_file",
    "total_swap": "swap",
}
_THROTTLED = {"nr_periods": "cpu_periods", "nr_throttled": "cpu_throttled"}

USAGE = (
    Source("cpuacct", "cpuacct.usage", number("cpu_usec", 1000)),  # exact, in nanoseconds
    Source("cpuacct", "cpuacct.usage_all", cpu_v1),
    Source(
        "cpu",
        "cpu.stat",
        picked({"usage_usec": "cpu_usec", "user_usec": "cpu_user_usec", "system_usec": "cpu_system_usec"}),
    ),
    Source("memory", "memory.usage_in_bytes", number("memory")),
    Source("memory", "memory.current", number("memory")),
    Source("memory", "memory.max_usage_in_bytes", number("memory_peak")),
    Source("memory", "memory.peak", number("memory_peak")),
    Source("memory", "memory.swap.current", number("swap")),
    Source("pids", "pids.current", number("pids")),
    Source("pids", "pids.peak", number("pids_peak")),
)
MEMORY_V1 = picked(_MEMORY_V1)
MEMORY_V2 = picked(_MEMORY_V2)

EVENTS = (
    Source(
        "memory",
        "memory.events",
        picked(
            {
                "low": "memory_low",
                "high": "memory_high",
                "max": "memory_max",
                "oom": "oom",
                "oom_kill": "oom_kill",
                "oom_group_kill": "oom_group_kill",
            }
        ),
    ),
    Source("memory", "memory.swap.events", picked({"max": "swap_max", "fail": "swap_fail"})),
    Source("memory", "memory.oom_control", picked({"oom_kill": "oom_kill"})),
    Source("memory", "memory.failcnt", number("memory_max")),
    Source("pids", "pids.events", picked({"max": "pids_max"})),
    Source("cpu", "cpu.stat", picked({**_THROTTLED, "throttled_usec": "cpu_throttled_usec"})),
    Source("cpu", "cpu.stat", picked({"throttled_time": "cpu_throttled_usec"}, 1000)),  # v1 counts nanoseconds
)


def collect(sources: Iterable[Source], text: Callable[[str, str], str | None]) -> dict[str, Any]:
    """The values of all *sources*; ``text(controller, file)`` is None for what is not there."""
    found: dict[str, Any] = {}
    for controller, file, parse in sources:
        content = text(controller, file)
        if content:
            found.update(parse(content))
    return found


def parse_io_stat(text: str) -> list[dict[str, Any]]:
    """v2's io.stat: ``[{"device": "8:0", "read_bytes": …, "write_bytes": …, "read_ops": …, "write_ops": …}]``."""
    ours = {"rbytes": "read_bytes", "wbytes": "write_bytes", "rios": "read_ops", "wios": "write_ops"}
    devices = []
    for line in text.splitlines():
        words = line.split()
        # Some kernels name a device that has nothing to tell, and go on in the same line with the next one.
        device = [word for word in words if "=" not in word][-1]
        values = dict(word.partition("=")[::2] for word in words if "=" in word)
        entry = {ours[name]: int(value) for name, value in values.items() if name in ours}
        if any(entry.values()):
            devices.append({"device": device, **entry})
    return devices


def parse_blkio(service_bytes: str, serviced: str) -> list[dict[str, Any]]:
    """v1's pair of files, ``8:0 Read 4096`` lines in both, in the shape of :func:`parse_io_stat`."""
    found: dict[str, dict[str, Any]] = {}
    for text, unit in ((service_bytes, "bytes"), (serviced, "ops")):
        for line in text.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in ("Read", "Write"):
                entry = found.setdefault(words[0], dict.fromkeys(_IO, 0))
                entry[f"{words[1].lower()}_{unit}"] = int(words[2])
    return [{"device": device, **entry} for device, entry in found.items() if any(entry.values())]


_IO = ("read_bytes", "write_bytes", "read_ops", "write_ops")


def total_io(devices: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The sums over all devices: ``io_read_bytes`` and so on."""
    totals = dict.fromkeys(_IO, 0)
    for entry in devices:
        for name in _IO:
            totals[name] += entry.get(name, 0)
    return {f"io_{name}": value for name, value in totals.items()}
