# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that share what another container has: its processes or its IPC, with ``container:NAME``.

Imported for those alone. A namespace is held by a descriptor of whoever supervises the container, for as long as
that runs: so no other process that gets the number of one that has ended can be taken for it.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel import constants as c
from ..kernel import mounts, procfs, safepath, syscalls
from ..kernel.beside import beside
from ..runtime import state as runtime_state
from ..runtime.errors import NoSuchContainer
from . import places, records
from . import spec as specs
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..runtime.state import State
    from ..statedir import StateDir
    from .records import Record

# option → (the namespace's name in /proc/PID/ns, what the other has to share, what it has when it was started anew)
_SHARED = {
    "pid_mode": ("pid", "processes", "other processes"),
    "ipc_mode": ("ipc", "IPC", "other IPC"),
}


def find(state: StateDir, name: str, option: str) -> Record:
    """The container called *name*, or whose id begins so. Raises ContainerError that names *option*."""
    found = records.load(state, name) if "/" not in name and not name.startswith(".") else None
    if found is None:
        every = (records.load(state, known) for known in records.names(state))
        matching = [other for other in every if other is not None and other.id.startswith(name)]
        found = matching[0] if len(matching) == 1 else None
    if found is None:
        raise ContainerError(f"{option}: there is no container {name}", step=option, obj=name)
    return found


def running(state: StateDir, options: Mapping[str, Any], option: str, own_name: str) -> State:
    """The state of the container that *option* names. Raises ContainerError where it does not run, or not share."""
    target = find(state, options[option].partition(":")[2], option)
    if target.name == own_name:
        raise ContainerError(f"{option}: a container cannot join itself", step=option, obj=own_name)
    if option == "ipc_mode":
        specs.check_shares_ipc(target.name, target.spec["options"])
    with contextlib.suppress(NoSuchContainer):
        live = runtime_state.load(state.runtime, target.id)
        if live.status == "running":
            return live
    raise ContainerError(
        f"{option}: container {target.name} does not run, so it has no {_SHARED[option][1]} to share",
        step=option,
        obj=target.name,
        hint="Start it first",
    )


def join(state: StateDir, record: Record, keep: list[int]) -> dict[str, str]:
    """The paths of the namespaces to join, by their kind, each held by a descriptor that goes into *keep*.

    With another one's IPC comes its /dev/shm, which is mounted where the container's configuration looks for it.
    Raises ContainerError, OSError.
    """
    found = {}
    for option in specs.joined(record.spec["options"]):
        live = running(state, record.spec["options"], option, record.name)
        kind = _SHARED[option][0]
        keep.append(_namespace(live, kind, option, record.name))
        found[kind] = f"/proc/{os.getpid()}/fd/{keep[-1]}"
        if kind == "ipc":
            _share_memory(record, live)
    return found


def _namespace(live: State, kind: str, option: str, own_name: str) -> int:
    fd = os.open(f"/proc/{live.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    if not procfs.alive(live.pid, live.start_time):  # what was opened may be another's
        os.close(fd)
        raise ContainerError(
            f"{option}: the other container has just ended", step=option, obj=own_name, hint="Run the task again"
        )
    return fd


def _share_memory(record: Record, live: State) -> None:
    """Mount the other container's /dev/shm, in this mount namespace, in the place that the bundle binds it from."""
    place = places.path(os.path.join(record.path, places.NAME), places.SHM)
    os.makedirs(place, mode=0o700, exist_ok=True)
    with contextlib.suppress(OSError):  # EINVAL: there is none of a start before this one
        syscalls.umount2(place, c.MNT_DETACH)
    there = _namespace(live, "mnt", "ipc_mode", record.name)
    here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    copy = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)  # the number that the child's descriptor will have
    target = os.open(place, os.O_PATH | os.O_CLOEXEC)

    def enter() -> None:
        # A mount can be copied only by who is in its namespace; whatever lies on the way is the other container's.
        syscalls.setns(there, c.CLONE_NEWNS)
        root = os.open("/", os.O_PATH | os.O_DIRECTORY)
        found = safepath.open_in_root(root, "dev/shm", os.O_PATH | os.O_DIRECTORY, follow=False)
        os.dup2(syscalls.open_tree(found, "", c.OPEN_TREE_CLONE | c.AT_EMPTY_PATH), copy)
        syscalls.setns(here, c.CLONE_NEWNS)

    try:
        with beside(enter) as pid:
            mounts.attach(os.open(f"/proc/{pid}/fd/{copy}", os.O_PATH | os.O_CLOEXEC), target)
    except OSError as error:
        raise ContainerError.of(
            error,
            "ipc_mode: the other container's /dev/shm cannot be shared",
            step="ipc_mode",
            obj=record.name,
            hint="This needs Linux 5.2, and a /dev/shm in the other container",
        ) from error
    finally:
        for fd in (there, here, copy, target):
            os.close(fd)


def lost(state: StateDir, record: Record, pid: int) -> str:
    """Why process *pid* has to be started anew to share what the other container has; "" if it does not."""
    options = record.spec["options"]
    for option in specs.joined(options):
        kind, _shared, anew = _SHARED[option]
        try:
            live = running(state, options, option, record.name)
            same = os.path.samestat(os.stat(f"/proc/{live.pid}/ns/{kind}"), os.stat(f"/proc/{pid}/ns/{kind}"))
        except (ContainerError, OSError):
            continue  # the other one has ended, and so has, or will, what shares its processes
        if not same:
            return f"{options[option]} has {anew} now"
    return ""
