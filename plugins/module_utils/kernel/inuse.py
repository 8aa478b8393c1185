# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who would miss a directory tree that is about to go: mounts in it and of it, and processes whose root it is."""

from __future__ import annotations

import os

from .files import read_text
from .procfs import escape, unescape

# Options of overlayfs that name directories (kernel Documentation/filesystems/overlayfs.rst).
_STACKED = ("lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir")


def reason(fd: int) -> str:
    """Why the directory *fd* must stay where it is, as a clause about "it"; "" where nothing speaks against.

    Seen are the mounts of this mount namespace, and the processes of this pid namespace. Needs a trusted /proc.
    """
    path = os.readlink(f"/proc/self/fd/{fd}")
    mount = read_text(f"/proc/self/fdinfo/{fd}").partition("mnt_id:")[2].split(None, 1)[0]
    return by_mounts(read_text("/proc/self/mountinfo"), path, mount) or by_processes(path, os.fstat(fd))


def by_mounts(mountinfo: str, path: str, mount: str) -> str:
    """The same by *mountinfo* (proc_pid_mountinfo(5)) alone: *path* is on the mount with the id *mount*; pure."""
    place = escape(path)
    lines = [line.partition(" - ") for line in mountinfo.splitlines()]
    mounts = [(before.split(" "), after.split(" ")) for before, _dash, after in lines]
    device = inside = ""
    for fields, _kind in mounts:
        if fields[0] == mount:
            below = place[len(fields[4].rstrip("/")) :]
            device, inside = fields[2], (fields[3].rstrip("/") + below).rstrip("/") or "/"
    for fields, kind in mounts:
        if _is_below(fields[4], place):
            return f"{unescape(fields[4])} is mounted" + ("" if fields[4] == place else " in it")
        if fields[2] == device and fields[0] != mount and _is_below(fields[3], inside):
            return f"it is mounted on {unescape(fields[4])}"
        for option in kind[-1].split(",") if kind[0] == "overlay" else ():
            name, _equals, value = option.partition("=")
            if name in _STACKED and any(_is_below(part, place) for part in value.split(":")):
                return f"the overlay on {unescape(fields[4])} shows it"
    return ""


def by_processes(path: str, status: os.stat_result) -> str:
    """The same by the processes that /proc lists; *status* is the directory's."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        root = f"/proc/{name}/root"
        try:
            if _is_below(os.readlink(root), path) or os.path.samestat(os.stat(root), status):
                found.append(f"{name} ({read_text(f'/proc/{name}/comm').strip()})")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is one of the kernel's own
    if not found:
        return ""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"it is the root directory of process {found[0]}{more}"


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
