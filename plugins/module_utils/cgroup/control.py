# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control files and group directories: the few file system operations both versions share."""

from __future__ import annotations

import errno
import os
import time

from ..kernel.files import read_text, write_control
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


GONE = (errno.ENOENT, errno.ENODEV)  # the latter where it went away between open and read or write


def read_if_there(path: str) -> str | None:
    """The content of a control file, None where the kernel or the group does not have it."""
    try:
        return read_text(path)
    except OSError as error:
        # EOPNOTSUPP: the file is there, its feature is off.
        if error.errno in (*GONE, errno.EOPNOTSUPP):
            return None
        raise


def flat_keyed(text: str) -> dict[str, int]:
    """``"usage_usec 5\\nnr_throttled 0"`` as numbers by key."""
    return {
        key: int(value) for key, _space, value in (line.partition(" ") for line in text.splitlines()) if value.isdigit()
    }


def tree(directory: str) -> Iterator[str]:
    """*directory* and all groups below it, children before parents. Nothing where it does not exist."""
    try:
        # Two links, its own and its parent's: no subdirectories among some dozens of files.
        if os.stat(directory).st_nlink == 2:
            yield directory
            return
        with os.scandir(directory) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for child in children:
        yield from tree(child)
    yield directory


def pids_of(directory: str) -> list[int]:
    """The processes directly in one group."""
    text = read_if_there(directory + "/cgroup.procs")
    # 0 stands for a process outside our pid namespace: it has no name we could use.
    return [int(pid) for pid in text.split() if pid != "0"] if text else []


def remove_tree(directory: str) -> None:
    """rmdir(2) *directory* and its children. What is gone already is fine.

    A group stays busy for some milliseconds after its last process died: ten tries, 1 ms doubling.
    """
    try:
        os.rmdir(directory)  # no children and no process: the common case
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise CgroupError.of(error, f"cannot remove cgroup {directory}") from error
    for group in tree(directory):
        _remove(group)


def _remove(group: str) -> None:
    delay = 0.001
    for attempt in range(10):
        try:
            os.rmdir(group)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or attempt == 9:
                pids = pids_of(group)
                hint = f"Processes still in it: {' '.join(map(str, pids))}; stop them first" if pids else ""
                raise CgroupError.of(error, f"cannot remove cgroup {group}", hint=hint) from error
        time.sleep(delay)
        delay *= 2


def parents(mount: str, path: str) -> Iterator[str]:
    """The directories between *mount* and the group *path*, deepest first."""
    above = os.path.dirname(path)
    while above != "/":
        yield mount + above
        above = os.path.dirname(above)


def make_group(directory: str) -> None:
    """mkdir(2). Raises OSError, FileExistsError too."""
    os.mkdir(directory, 0o755)


def make_parent(directory: str) -> None:
    """The same for a group that is only to hold others, marked so that the last of them takes it away."""
    make_group(directory)
    _set_mark(directory, _MADE)


def remove_parents(mount: str, path: str, made: Collection[str]) -> None:
    """rmdir(2) the groups above *path* that are empty and bear our mark, deepest first, to the first that is not.

    *made* are some that may lack the mark: whoever made them for this group can have been killed before it was set.
    """
    for directory in parents(mount, path):
        mark = _mark(directory)
        if mark == _KEPT or not (mark or directory in made):
            return
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
                return
            raise CgroupError.of(error, f"cannot remove cgroup {directory}") from error


def keep(directory: str) -> None:
    """Somebody wants this group for itself: it is no longer removed with what was made below it."""
    _set_mark(directory, _KEPT)


_MARK = "trusted.agentless-oci.group"  # xattr(7); kernfs keeps it in memory with the directory
_MADE, _KEPT = b"made", b"kept"


def _mark(directory: str) -> bytes:
    try:
        return os.getxattr(directory, _MARK)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT):
            return b""
        raise CgroupError.of(error, f"cannot read the attributes of cgroup {directory}") from error


def _set_mark(directory: str, mark: bytes) -> None:
    try:
        os.setxattr(directory, _MARK, mark)
    except OSError as error:
        # EPERM: only root of the host may; elsewhere an empty group is left.
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.EPERM):
            raise CgroupError.of(error, f"cannot mark cgroup {directory}") from error


def attach(directory: str, pid: int, *, file: str = "cgroup.procs") -> None:
    """Move process *pid* (0: the caller) with all its threads into the group; by v1's ``tasks`` one thread only."""
    for attempt in range(5):
        try:
            write_control(f"{directory}/{file}", str(pid))
            return
        except OSError as error:
            if error.errno == errno.EINVAL and attempt < 4:
                time.sleep(0.03)  # a task that is not yet running cannot be moved
                continue
            raise CgroupError.of(
                error, f"cannot move process {pid} into cgroup {directory}", step="path", hint=_attach_hint(error)
            ) from error


def _attach_hint(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return "Under cgroup v2 a group whose controllers serve its children cannot hold processes: choose a child"
    if error.errno == errno.ENOSPC:
        return "cpuset.cpus or cpuset.mems of the group is empty: declare them"
    if error.errno == errno.ESRCH:
        return "The process has ended"
    if error.errno == errno.EINVAL:
        return (
            "Threads of the kernel stay where they are; a realtime process needs cpu_rt_runtime in a group of cgroup v1"
        )
    return ""
