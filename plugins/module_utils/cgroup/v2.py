# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The v2 side: controllers enabled downwards, cgroup.kill, and lowering memory without a kill."""

from __future__ import annotations

import errno
import os

from ..kernel.files import read_text, write_control
from ..kernel.lean import suppress
from .control import GONE, make_group, make_parent, parents, read_if_there
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hierarchy import Hierarchy

# Why a group may not hand a controller to its children; each leaves the others to be tried alone.
_CANNOT_ENABLE = (errno.EBUSY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT)

_TRIES = 10

PARTITION = "cpuset.cpus.partition"

_SYSTEMD = "/run/systemd/system"  # sd_booted(3)
HOLDER = "/agentless-oci.controllers"
"""The empty group that keeps the root's controllers on, under systemd; it stays until the next boot."""


def make(mount: str, path: str) -> None:
    """mkdir(2) group *path* and its parents below *mount*, each parent's controllers enabled for its children.

    What cannot be enabled is left: a limit that needs it fails later, naming the controller.
    """
    for attempt in range(_TRIES):
        directory = mount
        try:
            for above in reversed(list(parents(mount, path))):
                _enable(directory)
                directory = above
                with suppress(FileExistsError):
                    make_parent(directory)
            _enable(directory)
            directory = mount + path
            with suppress(FileExistsError):
                make_group(directory)
            if path.count("/") == 1:
                _hold_controllers(mount)
            return
        except OSError as error:
            # A parent that was empty when we passed has been removed by the last of its former users.
            if error.errno in GONE and directory != mount and attempt < _TRIES - 1:
                continue
            raise CgroupError.of(error, f"cannot create cgroup {directory}", step="path") from error


def _enable(directory: str) -> None:
    """Enable every available controller for the children of *directory* (cgroup-v2.rst, Enabling and Disabling)."""
    control = directory + "/cgroup.subtree_control"
    missing = set(read_text(directory + "/cgroup.controllers").split()) - set(read_text(control).split())
    if not missing:
        return
    try:
        write_control(control, " ".join(f"+{name}" for name in sorted(missing)))
    except OSError as error:
        if error.errno not in _CANNOT_ENABLE:
            raise
        for name in sorted(missing):
            try:
                write_control(control, f"+{name}")
            except OSError as one:
                if one.errno not in _CANNOT_ENABLE:
                    raise


def _hold_controllers(mount: str) -> None:
    """Keep systemd from switching off controllers that a group right below the root needs.

    It switches off in the root's subtree_control what no unit of its own asks for, and the group's limits would go
    with the files. The kernel refuses that as long as any child of the root has a controller on for its children: an
    empty group that does is enough. (A group further down has such a parent.)
    """
    if os.path.isdir(_SYSTEMD):
        directory = mount + HOLDER
        with suppress(FileExistsError):
            make_group(directory)
        _enable(directory)


def enabled(directory: str) -> list[str]:
    """The controllers that the group has files of; none where it has gone."""
    return (read_if_there(directory + "/cgroup.controllers") or "").split()


def has_files(hierarchy: Hierarchy, directory: str, controller: str) -> bool:
    """Whether the group is there with the files of *controller*, which under v2 the group above may keep back."""
    if not os.path.isdir(directory):
        return False
    return controller in hierarchy.v1 or controller == "cgroup" or controller in enabled(directory)


def delegate(directory: str, uid: int) -> None:
    """Give the group to user *uid*, to make groups in it and move its processes among them, but not to change its
    limits (cgroups(7), "Cgroups delegation"; cgroup-v2.rst, Delegation). Raises CgroupError."""
    files = read_if_there("/sys/kernel/cgroup/delegate")  # Linux 4.15
    names = files.split() if files else ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]
    try:
        os.chown(directory, uid, -1)
        for name in names:
            with suppress(FileNotFoundError):  # one of a controller that the group does not have
                os.chown(f"{directory}/{name}", uid, -1)
    except OSError as error:
        raise CgroupError.of(error, f"cannot give cgroup {directory} to user {uid}", step="path") from error


def may_hold_processes(mount: str, directory: str) -> bool:
    """No group but the root has both processes and children with controllers (cgroup-v2.rst, No Internal Process)."""
    return directory == mount or not read_text(directory + "/cgroup.subtree_control").strip()


def kill_all(directory: str) -> bool:
    """SIGKILL the whole tree at once through cgroup.kill.

    False before Linux 5.14, which has no such file, and where somebody else is removing the group.
    """
    try:
        write_control(directory + "/cgroup.kill", "1")
    except OSError as error:
        if error.errno not in GONE:
            raise
        return False
    return True


def squeeze(directory: str, limit: int) -> int | None:
    """Reclaim the group down to *limit* bytes without killing; the usage that is left if that is more, else None.

    Lowering memory.max below the usage invokes the OOM killer (cgroup-v2.rst), lowering memory.high only reclaims.
    """
    current = int(read_text(directory + "/memory.current"))
    if current <= limit:
        return None
    high = read_if_there(directory + "/memory.high")
    if high is None:
        return current
    try:
        write_control(directory + "/memory.high", str(limit))
        current = int(read_text(directory + "/memory.current"))
    finally:
        write_control(directory + "/memory.high", high.strip())
    return current if current > limit else None
