# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten limits of a live group set at once, beside cgset and, where systemd is process 1, systemctl set-property.

usage: sudo python3 -I -S tests/bench/cgroups.py

All change every time but the memory nodes, of which most machines have one. Ours is what a task of cgroup_limit does,
Ansible left out: it reads what is there, decides, writes, and reads it all again. The programs are measured with their
start.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "plugins", "module_utils")]
import entry  # noqa: E402

entry.register()
from aoci.cgroup import info, module  # noqa: E402
from aoci.cgroup.api import open_cgroup  # noqa: E402
from aoci.cgroup.hierarchy import detect  # noqa: E402
from aoci.cgroup.limits import argument_spec  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/aoci-bench-cgroups"
UNIT = "aoci-bench-cgroups.service"
ROUNDS = 31
NOTHING = {"path": PATH, "state": "present", "kill": False}

# Two sets of values, to go from one to the other and back.
OURS = (
    {"cpus": "0.5", "cpu_period": 50000, "cpu_shares": 512, "cpu_burst": 10000, "memory": "64m",
     "memory_reservation": "32m", "pids_limit": "100", "cpuset_cpus": "0", "cpuset_mems": "0"},
    {"cpus": "0.8", "cpu_period": 100000, "cpu_shares": 2048, "cpu_burst": 20000, "memory": "128m",
     "memory_reservation": "48m", "pids_limit": "200", "cpuset_cpus": "0-1", "cpuset_mems": "0"},
)  # fmt: skip
ONE_VERSION = (
    ({"memory_swappiness": 10}, {"memory_swappiness": 20}),  # v1
    ({"memory_high": "60m"}, {"memory_high": "100m"}),  # v2
)
CGSET_V1 = (
    ["cpu.cfs_quota_us=25000", "cpu.cfs_period_us=50000", "cpu.shares=512", "memory.limit_in_bytes=64M",
     "memory.soft_limit_in_bytes=32M", "memory.swappiness=10", "pids.max=100", "cpuset.cpus=0", "cpuset.mems=0",
     "cpu.cfs_burst_us=10000"],
    ["cpu.cfs_quota_us=80000", "cpu.cfs_period_us=100000", "cpu.shares=2048", "memory.limit_in_bytes=128M",
     "memory.soft_limit_in_bytes=48M", "memory.swappiness=20", "pids.max=200", "cpuset.cpus=0-1", "cpuset.mems=0",
     "cpu.cfs_burst_us=20000"],
)  # fmt: skip
CGSET_V2 = (
    ["cpu.max=25000 50000", "cpu.weight=59", "memory.max=64M", "memory.low=32M", "memory.high=60M", "pids.max=100"],
    ["cpu.max=80000 100000", "cpu.weight=170", "memory.max=128M", "memory.low=48M", "memory.high=100M", "pids.max=200"],
)
PROPERTIES = (
    ["CPUQuota=50%", "CPUQuotaPeriodSec=50ms", "CPUWeight=59", "MemoryMax=64M", "MemoryLow=32M", "MemoryHigh=60M",
     "TasksMax=100", "IOWeight=50", "MemorySwapMax=64M", "AllowedCPUs=0"],
    ["CPUQuota=80%", "CPUQuotaPeriodSec=100ms", "CPUWeight=170", "MemoryMax=128M", "MemoryLow=48M", "MemoryHigh=100M",
     "TasksMax=200", "IOWeight=90", "MemorySwapMax=128M", "AllowedCPUs=0-1"],
)  # fmt: skip


def milliseconds(work: Callable[[int], None]) -> str:
    """Median and worst of ROUNDS calls, each with the other set of values than the one before."""
    work(0)
    work(1)
    found = []
    for turn in range(ROUNDS):
        begin = time.perf_counter()
        work(turn % 2)
        found.append((time.perf_counter() - begin) * 1000)
    return f"{statistics.median(found):8.2f} ms   worst {max(found):8.2f} ms"


def module_options() -> list[str]:
    """The names of all options, which a task has whether they are given or not."""
    return [*argument_spec(), "name", "unit", "pid", "processes", "persistent", "root"]


def limits() -> None:
    unified = detect().mode == "unified"
    given = [
        {**dict.fromkeys(module_options()), **NOTHING, **one, **other} for one, other in zip(OURS, ONE_VERSION[unified])
    ]
    # User-Mode Linux has no cpusets, no burst.
    group = open_cgroup(PATH)
    for file, option in (("cpuset.cpus", "cpuset_cpus"), ("cpuset.mems", "cpuset_mems")):
        if not group.has("cpuset", file):
            given = [{name: value for name, value in one.items() if name != option} for one in given]
    module.result(given[0], False)
    holder = subprocess.Popen(["sleep", "1000"])
    try:
        group.add(holder.pid)

        def ours(turn: int) -> None:
            module.result(given[turn], False)

        count = sum(value is not None for value in given[0].values()) - len(NOTHING)
        print(f"cgroup_limit, {count} limits     {milliseconds(ours)}")

        def again(_turn: int) -> None:
            module.result(given[1], False)

        ours(1)
        print(f"cgroup_limit, no change     {milliseconds(again)}")
        cgset(CGSET_V2 if unified else CGSET_V1)
    finally:
        holder.kill()
        holder.wait()
        group.remove()


def cgset(values: tuple[list[str], list[str]]) -> None:
    program = shutil.which("cgset")
    if program is None:
        print("cgset: skipped, needs the package cgroup-tools")
        return

    def work(turn: int) -> None:
        options = [word for value in values[turn] for word in ("-r", value)]
        subprocess.run([program, *options, PATH], check=True, stdin=subprocess.DEVNULL)

    print(f"cgset, {len(values[0])} limits            {milliseconds(work)}")


def set_property() -> None:
    if not os.path.isdir("/run/systemd/system"):
        print("systemctl set-property: skipped, systemd is not process 1")
        return
    subprocess.run(["systemd-run", "-q", f"--unit={UNIT}", "sleep", "1000"], check=True)
    try:

        def work(turn: int) -> None:
            subprocess.run(["systemctl", "set-property", "--runtime", UNIT, *PROPERTIES[turn]], check=True)

        print(f"systemctl set-property, {len(PROPERTIES[0])}  {milliseconds(work)}")
    finally:
        subprocess.run(["systemctl", "stop", UNIT], check=True)


def tree() -> None:
    """What cgroup_info does for a tree of 500 groups, Ansible left out: all of it, and what a monitoring asks for."""
    groups = [open_cgroup(f"{PATH}-tree/{number}") for number in range(500)]
    asked = {**dict.fromkeys(("name", "unit", "pid", "depth", "root")), "path": f"{PATH}-tree", "tree": True}
    try:
        for group in groups:
            group.create()
        for words, parts in (("all of 500 groups", None), ("usage, events of 500", ["usage", "events"])):

            def look(_turn: int, parts: list[str] | None = parts) -> None:
                info.result({**asked, "gather": parts})

            print(f"cgroup_info, {words:<21} {milliseconds(look)}")
    finally:
        open_cgroup(f"{PATH}-tree").remove()


def main() -> None:
    print("Limits of a live group")
    limits()
    set_property()
    print("A tree of groups")
    tree()


if __name__ == "__main__":
    main()
