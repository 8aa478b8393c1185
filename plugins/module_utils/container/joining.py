# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that share what another container has: its processes, with ``pid_mode: container:NAME``.

Imported for those alone. The namespace is held by a descriptor of whoever supervises the container, for as long as
that runs: so no other process that gets the number of one that has ended can be taken for it.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel import procfs
from ..runtime import state as runtime_state
from ..runtime.errors import NoSuchContainer
from . import records
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..runtime.state import State
    from ..statedir import StateDir
    from .records import Record

PREFIX = "container:"


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


def shares_processes(options: Mapping[str, Any]) -> bool:
    """Whether the container of canonical *options* has another one's processes."""
    return str(options.get("pid_mode", "")).startswith(PREFIX)


def running(state: StateDir, options: Mapping[str, Any], own_name: str) -> State:
    """The state of the container whose processes are shared. Raises ContainerError where it does not run."""
    target = find(state, options["pid_mode"][len(PREFIX) :], "pid_mode")
    if target.name == own_name:
        raise ContainerError("pid_mode: a container cannot join itself", step="pid_mode", obj=own_name)
    with contextlib.suppress(NoSuchContainer):
        live = runtime_state.load(state.runtime, target.id)
        if live.status == "running":
            return live
    raise ContainerError(
        f"pid_mode: container {target.name} does not run, so it has no processes to share",
        step="pid_mode",
        obj=target.name,
        hint="Start it first",
    )


def hold(state: StateDir, record: Record) -> int:
    """A descriptor of the pid namespace to join. Raises ContainerError, OSError."""
    live = running(state, record.spec["options"], record.name)
    fd = os.open(f"/proc/{live.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    if not procfs.alive(live.pid, live.start_time):  # what was opened may be another's
        os.close(fd)
        raise ContainerError(
            "pid_mode: the other container has just ended", step="pid_mode", obj=record.name, hint="Run the task again"
        )
    return fd


def lost(state: StateDir, record: Record, pid: int) -> str:
    """Why process *pid* has to be started anew to have the other container's processes; "" if it does not."""
    options = record.spec["options"]
    try:
        live = running(state, options, record.name)
        same = os.path.samestat(os.stat(f"/proc/{live.pid}/ns/pid"), os.stat(f"/proc/{pid}/ns/pid"))
    except (ContainerError, OSError):
        return ""  # the other one has ended, and so will this one
    return "" if same else f"{options['pid_mode']} has other processes now"
