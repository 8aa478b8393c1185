# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces that are kept by a mount on a file, as ip-netns(8) keeps them: they outlive their processes.

The directory they lie in is a shared mount: what is unmounted there goes from the mount namespaces of all monitors,
too, which began with a copy of the host's mounts. It goes with the last of them.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel import constants as c
from ..kernel import idmap, procfs, syscalls
from ..kernel.beside import beside
from ..kernel.files import locked
from ..kernel.rtnetlink import Rtnetlink
from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.idmap import Maps
    from ..statedir import StateDir

_LOOPBACK = 1  # its index, in every namespace


def path_of(state: StateDir, container_id: str) -> str:
    """Where the namespace of a container is kept."""
    return os.path.join(state.netns, container_id)


def owner_of(path: str) -> str:
    """Where the user namespace is kept that the network namespace at *path* belongs to, if it has one of its own."""
    return f"{path}.user"


def make(state: StateDir, path: str, maps: Maps | None = None) -> None:
    """Keep a new network namespace at *path*, its loopback interface up. Raises NetworkError, KernelError.

    With *maps* (of uids, of gids) it belongs to a new user namespace with these, which is kept beside it: only whoever
    joins both has power over the network.
    """
    flags = c.CLONE_NEWNET | (c.CLONE_NEWUSER if maps is not None else 0)

    def enter() -> None:
        syscalls.unshare(flags)
        Rtnetlink().set_up(_LOOPBACK)

    try:
        if maps is None and _made_here(state, path, enter):
            return
        with beside(enter) as pid:
            if maps is not None:
                idmap.write_maps(pid, *maps)
                _keep(state, owner_of(path), lambda place: _bind(f"/proc/{pid}/ns/user", place))
            _keep(state, path, lambda place: _bind(f"/proc/{pid}/ns/net", place))
    except OSError as error:
        raise NetworkError.of(error, "a network namespace cannot be made", step="namespace", obj=path) from error


def _made_here(state: StateDir, path: str, enter: Callable[[], None]) -> bool:
    """Whether it could be made by this process, there and back: a process beside it costs more than all the rest.

    It could not where we have no power over the namespace that we are in: there is no way back into that.
    """
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            syscalls.setns(here, c.CLONE_NEWNET)
        except PermissionError:
            return False
        try:
            enter()
            _keep(state, path, lambda place: _bind("/proc/thread-self/ns/net", place))
        finally:
            syscalls.setns(here, c.CLONE_NEWNET)
        return True
    finally:
        os.close(here)


def _bind(source: str, place: str) -> None:
    syscalls.mount(source, place, None, c.MS_BIND)


def keep(state: StateDir, path: str, source: str) -> None:
    """Keep the network namespace that *source* leads to at *path* as well. Raises NetworkError."""
    try:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NetworkError.of(error, f"network namespace {source}", step="namespace", obj=source) from error
    try:
        if syscalls.fs_type(fd) != c.NSFS_MAGIC:
            raise NetworkError(f"{source} is not a network namespace", step="namespace", obj=source)
        _keep(state, path, lambda place: _bind(f"/proc/self/fd/{fd}", place))
    finally:
        os.close(fd)


def remove(state: StateDir, path: str) -> None:
    """Let go of the namespace at *path*; none is fine."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        return
    with locked(_lock(state)):
        for kept in (path, owner_of(path)):
            _unmount(kept)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(kept)
        with contextlib.suppress(FileNotFoundError):
            if not os.listdir(directory):
                if procfs.is_mounted(directory):
                    syscalls.umount2(directory, c.MNT_DETACH)
                os.rmdir(directory)


def _lock(state: StateDir) -> str:
    return state.lock_path("netns", "directory")


def _keep(state: StateDir, path: str, mount: Callable[[str], None]) -> None:
    with locked(_lock(state)):
        state.ensure(state.netns)
        try:
            if not procfs.is_mounted(state.netns):
                syscalls.mount(state.netns, state.netns, None, c.MS_BIND)
                syscalls.mount(None, state.netns, None, c.MS_SHARED)
            _unmount(path)  # what a container had of which the record is lost
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            mount(path)
        except OSError as error:
            raise NetworkError.of(
                error, f"a network namespace cannot be kept at {path}", step="namespace", obj=path
            ) from error


def _unmount(path: str) -> None:
    with contextlib.suppress(OSError):  # nothing is mounted there, or nothing is there
        while True:
            syscalls.umount2(path, c.MNT_DETACH)
