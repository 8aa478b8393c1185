# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking apart what create made, whole or in pieces: processes, cgroup, state; then the poststop hooks."""

from __future__ import annotations

import os

from ..kernel import procfs
from ..kernel.lean import signal, suppress
from . import hooks
from . import state as states
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .state import State

_KILL_WAIT = 10.0  # seconds until a process that ignores SIGKILL (in an uninterruptible sleep) is an error


def dismantle(run_dir: str, found: State) -> list[str]:
    """End what runs and remove everything of *found*. Gives a warning for each poststop hook that failed.

    runtime.md, "Lifecycle" steps 11 to 13. Raises RuntimeFault for a process that does not end, CgroupError.
    """
    cgroup = found.cgroup()
    cgroup.kill(signal.SIGKILL)
    if found.pid:
        with suppress(ProcessLookupError):  # the cgroup's kill was enough
            procfs.send_signal(found.pid, found.start_time, signal.SIGKILL)
        if not procfs.wait_exit(found.pid, found.start_time, _KILL_WAIT):
            raise RuntimeFault(
                f"container {found.id}: process {found.pid} does not end after SIGKILL",
                step="delete",
                obj=found.id,
                hint="It is probably waiting for a device or a network file system; try again later",
            )
    cgroup.remove(keep=found.foreign, made=found.parents)
    for group in found.rdt_groups:
        with suppress(FileNotFoundError):
            os.rmdir(group)
    states.forget(run_dir, found.id)
    warnings = []
    if found.hooks.get("poststop"):
        found.status = "stopped"
        for hook in hooks.parse(found.hooks)["poststop"]:
            try:
                hook.run(found.as_dict(), found.bundle)
            except RuntimeFault as error:
                warnings.append(str(error))
    return warnings
