# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a created container (runtime-spec runtime.md, "Operations")."""

from __future__ import annotations

import errno
import os

from ..kernel import procfs
from ..kernel.lean import signal, suppress
from . import channel, hooks
from . import state as states
from .channel import START_SOCKET
from .create import create
from .dismantle import dismantle
from .errors import DamagedState, NoSuchContainer, RuntimeFault, WrongState
from .outside import died
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["create", "delete", "kill", "pause", "resume", "start", "state", "update"]


def state(run_dir: str, container_id: str) -> State:
    """The container's state, its status looked up now. Raises NoSuchContainer."""
    found = states.load(run_dir, container_id)
    if found.status in ("created", "running") and found.cgroup().frozen():
        found.status = "paused"
    return found


def start(run_dir: str, container_id: str) -> None:
    """Let a created container's program run; returns when execve(2) has succeeded.

    Raises WrongState unless it is in status created, RuntimeFault with the reason when the program cannot be run. Of
    a container whose startContainer or poststart hook has failed nothing is left then.
    """
    start_found(run_dir, state(run_dir, container_id))


def start_found(run_dir: str, found: State) -> None:
    """:func:`start` by whoever has its state already: just loaded, or from create; its warnings are added there."""
    container_id = found.id
    if found.status != "created":
        raise WrongState(
            f"cannot start container {container_id}: it is {found.status}, not created",
            step="start",
            obj=container_id,
        )
    directory = states.directory(run_dir, container_id)
    try:
        starter = channel.connect(directory, START_SOCKET)
    except OSError as error:
        raise RuntimeFault.of(
            error,
            f"cannot reach the waiting process of container {container_id}",
            step="start",
            obj=container_id,
        ) from error
    try:
        taken = None
        with suppress(BrokenPipeError):
            starter.send({"start": True})
            taken = starter.receive()
        if taken is None:
            raise WrongState(
                f"cannot start container {container_id}: it ended, or somebody else has just started it",
                step="start",
                obj=container_id,
            )
        message = starter.receive()  # ends when execve(2) closes the other side, or raises what went wrong
        if message is not None:
            from . import seccomp

            seccomp.hand_over(starter, message, found.pid, found.as_dict())
            starter.receive()
        # A death closes it just as well. One that ended and was reaped before we look has most likely run.
        if procfs.has_executed(found.pid, found.start_time) is False:
            raise died(found.cgroup())
        if found.hooks.get("poststart"):
            found.status = "running"
            hooks.run_all(hooks.parse(found.hooks)["poststart"], found.as_dict(), found.bundle)
    except RuntimeFault as error:
        if error.step in ("startContainer", "poststart"):
            # runtime.md, "Lifecycle" steps 7 and 9: such a hook takes the container to the end, steps 12 and 13.
            found.warnings += dismantle(run_dir, found)
        raise
    finally:
        starter.close()
        with suppress(FileNotFoundError):  # a program that ends at once may be deleted already
            os.unlink(os.path.join(directory, START_SOCKET))


def kill(run_dir: str, container_id: str, number: int, *, all_processes: bool = False) -> None:
    """Send signal *number* to the container's first process, or to all. Raises WrongState when it is not alive.

    SIGKILL is for all where the kernel would not see to that: without a pid namespace of the container's own.
    """
    found = state(run_dir, container_id)
    if found.status not in ("created", "running", "paused") and not all_processes:
        raise WrongState(
            f"cannot send a signal to container {container_id}: it is {found.status}", step="kill", obj=container_id
        )
    if all_processes:
        found.cgroup().kill(number)
        return
    sweep = number == signal.SIGKILL and not states.has_own_pids(run_dir, container_id)  # asked while all is there
    try:
        procfs.send_signal(found.pid, found.start_time, number)
    except ProcessLookupError:
        raise WrongState(
            f"cannot send a signal to container {container_id}: its process has just ended",
            step="kill",
            obj=container_id,
            errno=errno.ESRCH,
        ) from None
    if sweep:
        found.cgroup().kill(number)
    elif number == signal.SIGKILL and found.status == "paused":
        found.cgroup().thaw()  # a frozen process dies only when it runs again


def pause(run_dir: str, container_id: str) -> None:
    """Freeze every process of a running container. Raises WrongState."""
    found = state(run_dir, container_id)
    if found.status not in ("created", "running"):
        raise WrongState(f"cannot pause container {container_id}: it is {found.status}", step="pause", obj=container_id)
    found.cgroup().freeze()


def resume(run_dir: str, container_id: str) -> None:
    """Let a paused container run on. Raises WrongState."""
    found = state(run_dir, container_id)
    if found.status != "paused":
        message = f"cannot resume container {container_id}: it is {found.status}, not paused"
        raise WrongState(message, step="resume", obj=container_id)
    found.cgroup().thaw()


def delete(run_dir: str, container_id: str, *, force: bool = False) -> list[str]:
    """Remove what create made: processes that are left, the cgroup, the state. Gives warnings of poststop hooks.

    Raises WrongState unless the container is stopped or *force* is set, NoSuchContainer and DamagedState unless
    *force*. What a create that was killed has left is still "creating". Of a container whose state is damaged goes
    what its kept configuration tells: the processes of its cgroup, the cgroup, the directory; no hook is run.
    """
    try:
        found = state(run_dir, container_id)
    except NoSuchContainer:
        if not force:
            raise
        states.forget(run_dir, container_id)  # a directory that was not yet, or no longer, the container's
        return []
    except DamagedState:
        if not force:
            raise
        salvaged, warnings = states.salvage(run_dir, container_id)
        if salvaged is None:
            states.forget(run_dir, container_id)
            return []
        return warnings + dismantle(run_dir, salvaged)
    if found.status != "stopped" and not force:
        raise WrongState(
            f"cannot delete container {container_id}: it is {found.status}",
            step="delete",
            obj=container_id,
            hint="Stop it first, or use --force",
        )
    return dismantle(run_dir, found)


def update(run_dir: str, container_id: str, resources: dict[str, Any]) -> None:
    """Apply runtime-spec ``linux.resources`` to a live container; all of them or, on an error, none."""
    found = state(run_dir, container_id)
    if found.status not in ("created", "running", "paused"):
        raise WrongState(
            f"cannot update container {container_id}: it is {found.status}", step="update", obj=container_id
        )
    from .devices import with_defaults
    from .resources import check

    check(resources)
    found.cgroup().set(with_defaults(resources))
