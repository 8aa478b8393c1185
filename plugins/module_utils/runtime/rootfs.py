# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's root: a mount of its own, masks, and pivot_root.

Runs in the container's first process, inside its namespaces and before the pivot, while the host's /proc can still
be trusted. The image is hostile: every target is a descriptor pinned inside the root before anything is mounted on
it.
"""

from __future__ import annotations

import errno
import os
import stat

from ..kernel import constants as c
from ..kernel import mounts, safepath, syscalls
from ..kernel.mounts import PROPAGATION, MountOptions
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .config import Config

_BIND = ["rbind"]


def enter_root(config: Config) -> int:
    """Make the root file system, our working directory since before the namespaces, a mount of its own.

    Returns a descriptor of it. By working directory, since a mapped root may not be able to walk to it.
    """
    wanted = PROPAGATION.get(config.rootfs_propagation, 0)
    apart = c.MS_PRIVATE if wanted & (c.MS_PRIVATE | c.MS_UNBINDABLE) else c.MS_SLAVE
    # Never shared, or what we mount would be the host's too; pivot_root(2) refuses that as well.
    syscalls.mount(None, "/", None, apart | c.MS_REC)
    try:
        tree = syscalls.open_tree(c.AT_FDCWD, ".", c.OPEN_TREE_CLONE | c.AT_RECURSIVE)
        try:
            if not wanted & c.MS_SLAVE:  # a slave hears of the host's mounts
                syscalls.mount_setattr(tree, 0, 0, propagation=c.MS_PRIVATE, recursive=True)
            place = os.open(".", os.O_PATH | os.O_CLOEXEC)
            syscalls.move_mount(tree, place)
            os.close(place)
        except BaseException:
            os.close(tree)
            raise
        return tree
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
    return _enter_root_by_path(config, private=not wanted & c.MS_SLAVE)


def _enter_root_by_path(config: Config, *, private: bool) -> int:
    """The same before Linux 5.12, when only a path leads to a new mount."""
    syscalls.mount(".", ".", None, c.MS_BIND | c.MS_REC)
    try:
        if private:
            syscalls.mount(None, config.rootfs, None, c.MS_PRIVATE | c.MS_REC)
        return os.open(config.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError as error:
        raise RuntimeFault(
            f"root.path: root of the user namespace may not walk to {config.rootfs}",
            step="mounts",
            obj="root.path",
            errno=errno.EACCES,
            hint="Let others search (x) the directories above it; from Linux 5.12 on that is not needed",
        ) from error


def finish(config: Config, rootfd: int) -> None:
    """What makes things unreachable or read-only: after all that had to be written."""
    for entry in config.mounts:
        if entry.destination == "/dev" and entry.type == "tmpfs" and entry.options.flags & c.MS_RDONLY:
            dev = safepath.open_in_root(rootfd, "/dev", os.O_PATH | os.O_DIRECTORY)
            mounts.set_read_only(dev)
            os.close(dev)
    for path in config.readonly_paths:
        _cover(rootfd, path, _bind_read_only)
    if config.masked_paths:
        null = _verified_null()
        for path in config.masked_paths:
            _cover(rootfd, path, lambda target: _mask(target, null))
        os.close(null)
    if config.readonly:
        mounts.set_read_only(rootfd)


def _cover(rootfd: int, path: str, cover: Any) -> None:
    """Apply *cover* to *path*; what the container does not have needs no cover."""
    try:
        target = safepath.open_in_root(rootfd, path, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        cover(target)
    except OSError as error:
        raise RuntimeFault.of(error, f"cannot protect {path}", step="masks", obj=path) from error
    finally:
        os.close(target)


def _bind_read_only(target: int) -> None:
    mounts.bind(f"/proc/self/fd/{target}", target, MountOptions([*_BIND, "ro"]))


def _mask(target: int, null: int) -> None:
    if stat.S_ISDIR(os.fstat(target).st_mode):
        options = "nr_blocks=1,nr_inodes=1"
        syscalls.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", c.MS_RDONLY, options)
    else:
        syscalls.mount(f"/proc/self/fd/{null}", f"/proc/self/fd/{target}", None, c.MS_BIND)


def _verified_null() -> int:
    """The host's /dev/null, and really it: never a file that the container can swap (CVE-2025-31133)."""
    fd = os.open("/dev/null", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(fd)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != os.makedev(1, 3):
        os.close(fd)
        raise RuntimeFault("/dev/null of this host is not the null device", step="masks", obj="/dev/null")
    return fd


def pivot(config: Config, rootfd: int) -> None:
    """Make *rootfd* the root and let go of the old one, without a directory to put it (pivot_root(2), NOTES)."""
    old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(rootfd)
    syscalls.pivot_root(".", ".")
    os.fchdir(old)
    syscalls.mount(None, ".", None, c.MS_SLAVE | c.MS_REC)  # unmounting must not reach the host
    syscalls.umount2(".", c.MNT_DETACH)
    os.chdir("/")
    os.close(old)
    if config.rootfs_propagation:
        syscalls.mount(None, "/", None, PROPAGATION[config.rootfs_propagation])
