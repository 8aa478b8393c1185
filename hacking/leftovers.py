# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds, and sweeps away, what containers of a state directory left on this machine.

usage: python3 hacking/leftovers.py DIRECTORY            print what is there, one object a line; exit 1 if anything is
       python3 hacking/leftovers.py --sweep DIRECTORY    end, unmount and remove all of it, and DIRECTORY itself
       python3 hacking/leftovers.py --cgroups            print the cgroups of the collection that hold no process
       python3 hacking/leftovers.py --netns              print every named network namespace

Only what belongs to DIRECTORY is touched: processes that name it in their command line or environment or whose root
is an overlay in it, mounts in it, cgroups of its containers' ids and registries that serve from it. Zombies count for
nothing: where process 1 reaps nobody, every orphan stays one.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import shutil
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MNT_DETACH = 2


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # the process went away, or is a kernel thread's
        return b""


def _own_line() -> set[int]:
    """This process and its ancestors: they name the directory too."""
    pids, pid = set(), os.getpid()
    while pid > 0:
        pids.add(pid)
        stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        pid = int(stat[1]) if len(stat) > 1 else 0
    return pids


def processes(directory: str) -> dict[int, str]:
    """Pid → command of the processes that belong to *directory*."""
    wanted, spared, found = directory.encode(), _own_line(), {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in spared:
            continue
        stat = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()
        if not stat or stat[0] == b"Z":
            continue
        command = _read(f"/proc/{name}/cmdline")
        if _mentions(command, wanted) or _mentions(_read(f"/proc/{name}/environ"), wanted) or _roots_in(name, wanted):
            found[int(name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()[:120]
    return found


def _mentions(strings: bytes, wanted: bytes) -> bool:
    """Whether one of the NUL-separated *strings* holds *wanted* as a whole path, or as the front of one."""
    return any(wanted + b"/" in text + b"/" for text in strings.split(b"\0"))


def _roots_in(pid: str, wanted: bytes) -> bool:
    for line in _read(f"/proc/{pid}/mountinfo").splitlines():
        fields = line.split(b" ")
        if fields[4] == b"/" and wanted + b"/" in line:
            return True
    return False


def mounts(directory: str) -> list[str]:
    """Mount points below *directory* in this mount namespace, deepest first."""
    points = []
    for line in _read("/proc/self/mountinfo").splitlines():
        point = line.split(b" ")[4].decode("unicode_escape")
        if (point + "/").startswith(directory + "/"):
            points.append(point)
    return sorted(points, key=len, reverse=True)


def cgroups() -> list[str]:
    """Every cgroup directory of the collection's containers, in every hierarchy, children first."""
    found = []
    for top in glob.glob("/sys/fs/cgroup/agentless-oci*") + glob.glob("/sys/fs/cgroup/*/agentless-oci*"):
        for path, _directories, _files in os.walk(top, topdown=False):
            found.append(path)
    return sorted(found, key=len, reverse=True)


def abandoned_cgroups() -> list[str]:
    """Cgroups of the collection's with no process in them, still there after a moment: nobody will remove them."""
    empty = set(_without_processes())
    deadline = time.monotonic() + 10
    while empty and time.monotonic() < deadline:
        time.sleep(0.2)
        empty &= set(_without_processes())
    return sorted(empty)


def _without_processes() -> list[str]:
    groups = cgroups()
    # A process may sit in the group of one hierarchy and not of another (hybrid): what counts is the name.
    populated = {_group_name(path) + "/" for path in groups if _read(os.path.join(path, "cgroup.procs"))}
    return [path for path in groups if not any(used.startswith(_group_name(path) + "/") for used in populated)]


def _group_name(path: str) -> str:
    return path[path.index("/agentless-oci") :]


def cgroups_of(directory: str) -> list[str]:
    """Those of the containers whose ids *directory* holds (directories ``.<id>``, cgroups ``NAME-<id[:12]>``)."""
    ids = set()
    for path, directories, _files in os.walk(directory):  # which, unlike glob, follows no link
        if os.path.basename(path) == "containers":
            ids |= {name[1:13] for name in directories if name.startswith(".")}
        directories[:] = [name for name in directories if name not in ("layers", "blobs", "rootfs", "data")]
    return [path for path in cgroups() if any(part[-12:] in ids for part in path.split("/"))]


def network_namespaces() -> list[str]:
    """Named network namespaces (ip-netns(8))."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir("/run/netns"))
    return []


def settled(directory: str) -> list[str]:
    """What :func:`find` finds for longer than it takes a process that was just killed to die."""
    deadline = time.monotonic() + 30
    while True:
        found = list(find(directory))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def find(directory: str) -> Iterator[str]:
    """One line for each object that belongs to *directory*."""
    for pid, command in processes(directory).items():
        yield f"process {pid} {command}"
    for point in mounts(directory):
        yield f"mount {point}"
    for path in cgroups_of(directory):
        yield f"cgroup {path}"


def sweep(directory: str) -> list[str]:
    """Remove it all and *directory*; gives what was there."""
    directory = os.path.abspath(directory)
    found = list(find(directory))
    groups = cgroups_of(directory)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        running = processes(directory)
        if not running:
            break
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    libc = ctypes.CDLL(None, use_errno=True)
    for point in mounts(directory):
        libc.umount2(os.fsencode(point), MNT_DETACH)
    for path in groups:
        _remove_cgroup(path)
    shutil.rmtree(directory, ignore_errors=True)
    if os.path.exists(directory):
        found.append(f"directory {directory} cannot be removed")
    return found


def _remove_cgroup(path: str) -> None:
    for attempt in range(20):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:  # busy until the kernel has buried the last process
            time.sleep(0.01 * attempt)
        else:
            break
    with contextlib.suppress(OSError):  # the parent goes with its last child
        os.rmdir(os.path.dirname(path))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--cgroups"]:
        lines = abandoned_cgroups()
    elif arguments[:1] == ["--netns"]:
        lines = network_namespaces()
    elif arguments[:1] == ["--sweep"]:
        sweep(arguments[1])
        return 0
    else:
        lines = settled(os.path.abspath(arguments[0]))
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
