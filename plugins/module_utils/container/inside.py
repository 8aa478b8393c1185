# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is inside a running container, from outside: its root directory, its users, a program to be run there.

The root directory is the container's own and hostile: nothing in it is reached but by kernel/safepath.py.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import posixpath

from ..kernel import procfs, safepath
from ..runtime import lifecycle
from ..runtime import state as states
from ..runtime.errors import NoSuchContainer
from . import records
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..runtime.state import State
    from ..statedir import StateDir
    from .records import Record

# What a lookup says of a path that is not there, or that no process in the container could follow.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def find(state: StateDir, name: str) -> Record:
    """The container called *name*, or whose id begins with it. Raises ContainerError."""
    record = records.load(state, name) if "/" not in name and not name.startswith(".") else None
    if record is None:
        every = (records.load(state, known) for known in records.names(state))
        found = [other for other in every if other is not None and other.id.startswith(name)]
        record = found[0] if name and len(found) == 1 else None
    if record is None:
        raise ContainerError(
            f"there is no container {name}", step="find", obj=name, hint="'aoci containers' lists them"
        )
    return record


def running(state: StateDir, record: Record) -> State:
    """The live state of the container of *record*. Raises ContainerError unless it runs, and is not paused."""
    found = live(state, record)
    if found.status == "running":
        return found
    raise ContainerError(f"container {record.name} is paused", step="running", obj=record.name, hint="Resume it first")


def live(state: StateDir, record: Record) -> State:
    """The same of one that may be paused. Raises ContainerError."""
    try:
        found = lifecycle.state(state.runtime, record.id)
    except NoSuchContainer:
        status = "stopped"
    else:
        status = found.status
        if status in ("running", "paused"):
            return found
    raise ContainerError(f"container {record.name} is {status}", step="running", obj=record.name, hint="Start it first")


def open_root(found: State) -> int:
    """An O_PATH descriptor of the root directory of the running container *found*. Raises ContainerError."""
    try:
        root = os.open(f"/proc/{found.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        root = -1
    if root < 0 or not procfs.alive(found.pid, found.start_time):  # or it may be another process's
        if root >= 0:
            os.close(root)
        raise ContainerError(f"container {found.id} has just ended", step="running", obj=found.id)
    return root


def process(
    state: StateDir,
    found: State,
    argv: Sequence[str],
    *,
    user: str = "",
    env: Mapping[str, str] | None = None,
    chdir: str = "",
    tty: bool = False,
) -> dict[str, Any]:
    """The ``process`` object that runs *argv* in the container *found*: as its own program, but for what is given.

    user   as the option ``user`` of a container; names are looked up in the container as it is now, and HOME is that
           user's unless *env* says otherwise
    Raises ContainerError for a user that the container does not know.
    """
    base: dict[str, Any] = states.load_document(state.runtime, found.id)["process"]
    described = {**base, "args": list(argv), "terminal": tty, "cwd": chdir or base["cwd"]}
    described.pop("consoleSize", None)
    environment = dict(entry.partition("=")[::2] for entry in base.get("env", ()))
    if user:
        from . import bundlefile, userdb

        root = open_root(found)
        try:
            who = userdb.resolve(user, [], *bundlefile.users_below(root))
        finally:
            os.close(root)
        described["user"] = {"uid": who.uid, "gid": who.gid, "additionalGids": [who.gid, *who.groups]}
        # As for the container's own program: only root keeps them across execve(2).
        bounding = base.get("capabilities", {}).get("bounding", [])
        effective = bounding if who.uid == 0 else []
        described["capabilities"] = {"bounding": bounding, "effective": effective, "permitted": effective}
        environment["HOME"] = who.home
    environment.update(env or {})
    described["env"] = [f"{name}={value}" for name, value in environment.items()]
    return described


def exists(root: int, pattern: str) -> bool:
    """Whether the absolute path *pattern*, in which ``*``, ``?`` and ``[`` stand for others, is below *root*.

    A symlink to nowhere is there, as for glob(7).
    """
    return _matches(root, "/", [part for part in posixpath.normpath(pattern).split("/") if part])


def _matches(root: int, directory: str, parts: list[str]) -> bool:
    plain = 0
    while plain < len(parts) and not any(sign in parts[plain] for sign in "*?["):
        plain += 1
    path = posixpath.join(directory, *parts[:plain])
    if plain == len(parts):
        fd = _open(root, path, os.O_PATH | os.O_NOFOLLOW)
        if fd >= 0:
            os.close(fd)
        return fd >= 0
    fd = _open(root, path, os.O_RDONLY | os.O_DIRECTORY)
    if fd < 0:
        return False
    try:
        names = [
            name
            for name in fnmatch.filter(os.listdir(fd), parts[plain])
            if not name.startswith(".") or parts[plain].startswith(".")
        ]
    finally:
        os.close(fd)
    return any(_matches(root, posixpath.join(path, name), parts[plain + 1 :]) for name in names)


def _open(root: int, path: str, flags: int) -> int:
    """A descriptor, or -1 for what is not there."""
    try:
        return safepath.open_in_root(root, path, flags)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return -1
