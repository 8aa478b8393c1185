# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Id maps of user namespaces, and mounts seen through them (user_namespaces(7), mount_setattr(2)).

A map is a list of (first id inside, first id outside, how many).
"""

from __future__ import annotations

import errno
import os

from . import constants as c
from . import mounts, syscalls
from .errors import KernelError
from .files import read_text
from .lean import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Map = Sequence[tuple[int, int, int]]
    Maps = tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]  # of uids, of gids


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
    tell, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            syscalls.setns(userns, c.CLONE_NEWUSER)
            os.write(told, b"0")
            signal.pause()
        except OSError as error:
            os.write(told, str(error.errno).encode())
        finally:
            os._exit(1)
    try:
        os.close(told)
        code = int(os.read(tell, 16) or errno.ESRCH)
        if code:
            raise OSError(code, os.strerror(code))
        return read_maps(child)
    finally:
        os.close(tell)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def user_namespace(uids: Map, gids: Map) -> int:
    """A descriptor of a user namespace with these maps; it lives as long as the descriptor. Single-threaded callers."""
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            syscalls.unshare(c.CLONE_NEWUSER)
            os.write(ready_write, b".")
            signal.pause()
        finally:
            os._exit(1)
    try:
        os.close(ready_write)
        if not os.read(ready_read, 1):
            raise KernelError("this host allows no user namespaces", step="userns", errno=errno.EPERM)
        write_maps(child, uids, gids)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready_read)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def remap(path: str, userns: int) -> None:
    """Show the files below *path*, in this mount namespace, with the owners that *userns* maps them to.

    Needs Linux 5.12 and a file system that can be id-mapped (kernel Documentation/filesystems/idmappings).
    """
    tree = syscalls.open_tree(c.AT_FDCWD, path, c.OPEN_TREE_CLONE)
    try:
        syscalls.mount_setattr(tree, c.MOUNT_ATTR_IDMAP, 0, userns=userns, recursive=False)
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
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
