# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes, starts, kills and deletes a container again and again, in one process, and measures what stays behind.

usage: python3 -I -S tests/bench/cycles.py [--cycles N] ROOTFS

Prints a table; exit code 1 when memory, descriptors, mounts, cgroups or processes are more than after the first
tenth of the cycles.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
import time

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "plugins", "module_utils"), os.path.join(CHECKOUT, "hacking")]
import bundles  # noqa: E402
import entry  # noqa: E402

entry.register()
from aoci.cgroup.api import open_cgroup, remove_empty  # noqa: E402
from aoci.kernel import constants, selfexe, syscalls  # noqa: E402
from aoci.runtime import lifecycle  # noqa: E402
from aoci.runtime.config import Config  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36
MEMORY_SLACK = 512  # KiB: what an allocator may keep


def measure() -> dict[str, int]:
    with open("/proc/self/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = sum(1 for _line in file)
    groups = sum(len(names) for _path, names, _files in os.walk("/sys/fs/cgroup") if "aoci-cycles" in _path)
    return {
        "memory KiB": int(status["VmRSS"].split()[0]),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mounts": mounts,
        "cgroups": groups,
        "children": _children(),
    }


def _children() -> int:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return 0
    return 1


def cycle(bundle: str, run_dir: str, null: int) -> None:
    lifecycle.create(Config.load(bundle), "cycle", run_dir, stdio=(null, null, null))
    lifecycle.start(run_dir, "cycle")
    lifecycle.kill(run_dir, "cycle", signal.SIGKILL)
    lifecycle.delete(run_dir, "cycle", force=True)


def main(arguments: list[str]) -> int:
    cycles = int(arguments[arguments.index("--cycles") + 1]) if "--cycles" in arguments else 1000
    if not selfexe.is_protected():
        selfexe.exec_protected(["-I", "-S", os.path.abspath(__file__), *arguments], dict(os.environ))
    # What others mount on the machine meanwhile is not ours.
    syscalls.unshare(constants.CLONE_NEWNS)
    syscalls.mount(None, "/", None, constants.MS_REC | constants.MS_PRIVATE)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    directory = tempfile.mkdtemp(prefix="aoci-cycles-")
    group = f"/{os.path.basename(directory)}"
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        document = bundles.config(os.path.abspath(arguments[-1]), "sleep", "100")
        document["linux"]["cgroupsPath"] = f"{group}/cycle"
        document["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 20}}
        with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
            json.dump(document, file)
        run_dir = os.path.join(directory, "run")
        first: dict[str, int] = {}
        begin = time.monotonic()
        for number in range(cycles):
            cycle(directory, run_dir, null)
            if number == cycles // 10:
                first = measure()
        seconds = time.monotonic() - begin
        last = measure()
        left = os.listdir(run_dir)
    finally:
        open_cgroup(f"{group}/cycle").remove()
        remove_empty(group)
        shutil.rmtree(directory)
    print(f"{cycles} cycles in {seconds:.1f} s, {1000 * seconds / cycles:.1f} ms each")
    bad = [f"state {name}" for name in left if not name.startswith(".")]
    for name, before in first.items():
        print(f"{name:12} {before:8} {last[name]:8}")
        if last[name] > before + (MEMORY_SLACK if name == "memory KiB" else 0):
            bad.append(name)
    if bad:
        print("more than before: " + ", ".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
