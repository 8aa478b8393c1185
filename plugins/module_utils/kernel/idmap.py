# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Id maps of user namespaces, and mounts seen through them (user_namespaces(7), mount_setattr(2)).

A map is a list of (first id inside, first id outside, how many).
"""

from __future__ import annotations

import os

from . import constants as c
from . import mounts, syscalls
from .beside import beside
from .errors import KernelError
from .files import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Map = Sequence[tuple[int, int, int]]
    Maps = tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]  # of uids, of gids


OVERFLOW = 65534  # proc_sys_kernel(5), overflowuid
NEEDS = "Id-mapped mounts need Linux 5.12 and a file system that allows them (mount_setattr(2), NOTES)"


def write_maps(pid: int, uids: Map, gids: Map) -> None:
    """Give the new user namespace of process *pid* its maps. Raises KernelError."""
    for name, entries in (("uid_map", uids), ("gid_map", gids)):
        lines = "".join(f"{inside} {outside} {size}\n" for inside, outside, size in entries)
        fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, lines.encode())  # the kernel takes a whole map in one write, or none
        except OSError as error:
            raise KernelError.of(error, f"the kernel refuses the {name} {lines.split()}", step="map") from error
        finally:
            os.close(fd)


def outside(identity: int, entries: Map) -> int:
    """What the id *identity* inside is outside; -1 when the map does not have it."""
    for inside, first, size in entries:
        if inside <= identity < inside + size:
            return first + identity - inside
    return -1


def inside(identity: int, entries: Map) -> int:
    """What the id *identity* outside is inside: :data:`OVERFLOW` when the map does not have it, as the kernel says."""
    for first, begins, size in entries:
        if begins <= identity < begins + size:
            return first + identity - begins
    return OVERFLOW


def read_maps(pid: int) -> Maps:
    """(uids, gids) of the user namespace of process *pid*, as seen from ours. Raises OSError."""
    uids, gids = (read_text(f"/proc/{pid}/{name}") for name in ("uid_map", "gid_map"))
    return parse(uids), parse(gids)


def parse(text: str) -> list[tuple[int, int, int]]:
    """The content of /proc/PID/uid_map, or of gid_map."""
    found = []
    for line in text.splitlines():
        inside, outside, size = (int(word) for word in line.split())
        found.append((inside, outside, size))
    return sorted(found)


def maps_of(userns: int) -> Maps:
    """(uids, gids) of the user namespace behind the descriptor *userns*: only a process in it shows them.

    Single-threaded callers. Raises OSError (EINVAL for our own namespace, or something else than one).
    """
    with beside(lambda: syscalls.setns(userns, c.CLONE_NEWUSER)) as pid:
        return read_maps(pid)


def user_namespace(uids: Map, gids: Map) -> int:
    """A descriptor of a user namespace with these maps; it lives as long as the descriptor. Single-threaded callers."""
    try:
        with beside(lambda: syscalls.unshare(c.CLONE_NEWUSER)) as pid:
            write_maps(pid, uids, gids)
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError.of(error, "cannot make a user namespace", step="userns") from error


def remap(path: str, userns: int) -> None:
    """Show the files below *path*, in this mount namespace, with the owners that *userns* maps them to.

    Needs Linux 5.12 and a file system that can be id-mapped (kernel Documentation/filesystems/idmappings).
    """
    tree = -1
    try:
        tree = syscalls.open_tree(c.AT_FDCWD, path, c.OPEN_TREE_CLONE)
        syscalls.mount_setattr(tree, c.MOUNT_ATTR_IDMAP, 0, userns=userns, recursive=False)
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if tree >= 0:
            os.close(tree)
        raise KernelError.of(
            error,
            f"cannot map the owners of {path}",
            step="idmap",
            hint="This needs Linux 5.19 and a file system that supports id-mapped mounts (ext4, xfs, btrfs, tmpfs 6.3)",
        ) from error
    try:
        mounts.attach(tree, place)
    finally:
        os.close(place)
