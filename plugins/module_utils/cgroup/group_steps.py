# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task about a group that is a container's or nobody's: made, limited, filled, kept for the next boot, removed."""

from __future__ import annotations

import errno
import os
import time

from . import bootunit, persist
from .control import pids_of, tree
from .errors import CgroupError
from .steps import Step, declared_limits, move_lines, set_lines
from .target import inside_unit
from .v2 import has_files
from .validate import validate
from .vocabulary import limits_of, resources_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..statedir import StateDir
    from .api import Cgroup

_KILL_SECONDS = 10.0


class GroupSteps:
    """What has to be done for *options* to hold for *group*. *core* is the host's copy of the core, ``""`` without one.

    All methods raise CgroupError.
    """

    def __init__(self, group: Cgroup, options: Mapping[str, Any], state: StateDir, core: str) -> None:
        self.group = group
        self.existed = group.exists()
        self._options = options
        self._state = state
        self._core = core
        self._absent = options["state"] == "absent"
        self._resources, self._raw = ({}, {}) if self._absent else resources_of(options, group)
        validate(self._resources)
        self._changes = [] if self._absent else group.plan(self._resources, self._raw)
        self._recorded = None if options["name"] else persist.read(state, group.path)
        self._record = self._new_record()

    def steps(self) -> list[Step]:
        """The plan; empty where *options* hold."""
        return self._removal() if self._absent else [*self._present(), *self._recording()]

    # ---- what is there

    def limits(self) -> dict[str, Any]:
        """The limits in force; empty where there is no group."""
        return limits_of(self.group, self._raw) if self.group.exists() else {}

    def foreseen(self) -> dict[str, Any]:
        """The limits once the steps are done."""
        return {} if self._absent else limits_of(self.group, self._raw, self._changes)

    def exists_after(self) -> bool:
        return not self._absent

    def persistent(self) -> tuple[Any, Any]:
        """What is recorded for the next boot before and after the steps; False for nothing."""
        before = False if self._recorded is None else self._recorded
        return before, False if self._record is None else self._record

    # ---- present

    def _present(self) -> list[Step]:
        group = self.group
        pids = [pid for pid in dict.fromkeys(self._options["processes"] or ()) if not group.holds(pid)]
        needed = [(change.controller, group.directory(change.controller)) for change in self._changes]
        missing = not all(has_files(group.hierarchy, path, controller) for controller, path in needed if path)
        making = not self.existed or (bool(pids) and not all(map(os.path.isdir, group.directories())))
        if (making or missing) and self._options["name"]:
            raise CgroupError(
                f"container {self._options['name']} has no cgroup {group.path}: it is not running{self._why_not()}",
                step="name",
                hint="Start it first, or declare its limits with oci_container",
            )
        if not (making or self._changes or pids):
            return []

        def carry_out() -> None:
            try:
                if making or missing:
                    group.create()
                    group.set(self._resources, self._raw)
                else:
                    group.apply(self._changes)
                group.keep()
                for pid in pids:
                    group.add(pid)
            except CgroupError:
                if not self.existed:  # what was made for it goes again
                    group.evacuate()
                    group.remove()
                raise

        made = [f"created cgroup {group.path}"] if making else []
        return [Step([*made, *set_lines(self._changes), *move_lines(pids, group.path)], carry_out)]

    def _why_not(self) -> str:
        """Why the container does not run, where that is for lack of memory."""
        from . import killed

        directory = os.path.join(self._state.containers, self._options["name"])
        kill = killed.of_directory(directory)
        return f", it was {killed.reason(killed.memory_of(directory))}" if kill and kill.ended else ""

    # ---- persistent

    def _new_record(self) -> dict[str, Any] | None:
        """The options to be recorded; None for no record."""
        old, declared = self._recorded, declared_limits(self._options)
        if self._absent or self._options["persistent"] is False:
            return None
        if self._options["persistent"]:
            unit = inside_unit(self.group.path)
            if unit:
                raise CgroupError(
                    f"{self.group.path} cannot be persistent: it comes and goes with {unit}",
                    step="persistent",
                    obj=self.group.path,
                    hint="Choose a path outside of systemd's units, such as /batch/reports",
                )
            persist.record_path(self._state, self.group.path)  # which must not be too long
            new = persist.merged(old or {}, declared)
        elif old is None:
            return None
        else:
            new = persist.updated(old, declared)
        return old if old is not None and self._same(old, new) else new

    def _same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether two records mean the same, however they are spelled."""
        if one == other:
            return True
        try:
            return resources_of(one, self.group) == resources_of(other, self.group)
        except CgroupError:  # what an older version recorded and this one does not take
            return False

    def _recording(self) -> list[Step]:
        state, path, record = self._state, self.group.path, self._record
        found = []
        if record is None and self._recorded is not None:
            found.append(Step([f"no longer recorded {path} for the next boot"], lambda: persist.forget(state, path)))
            found += self._unit_removal({path})
        elif record is not None:
            if record != self._recorded:
                line = f"recorded {path} for the next boot"
                found.append(Step([line], lambda: persist.write(state, path, record)))
            if bootunit.wanted(state, self._core):
                line = f"installed {bootunit.named(state)}"
                found.append(Step([line], lambda: bootunit.install(state, self._core)))
        return found

    def _unit_removal(self, gone: set[str]) -> list[Step]:
        """The end of what runs at boot, where *gone* are the last records."""
        if not bootunit.present(self._state) or not gone.issuperset(persist.recorded(self._state)):
            return []
        return [Step([f"removed {bootunit.named(self._state)}"], lambda: bootunit.remove(self._state))]

    # ---- absent

    def _removal(self) -> list[Step]:
        group, state = self.group, self._state
        records = persist.below(state, group.path)
        found = [
            Step([f"no longer recorded {path} for the next boot"], lambda path=path: persist.forget(state, path))
            for path in records
        ]
        if records:
            found += self._unit_removal(set(records))
        if not self.existed:
            return found
        pids = group.pids() if self._options["kill"] else []

        def carry_out() -> None:
            if pids:
                group.kill(9)
                _wait_empty(group)
            group.evacuate()
            group.remove()

        found.append(Step([*(f"killed process {pid}" for pid in pids), f"removed cgroup {group.path}"], carry_out))
        return found


def _wait_empty(group: Cgroup) -> None:
    """Wait until the killed processes of *group* are gone."""
    deadline = time.monotonic() + _KILL_SECONDS
    delay = 0.001
    while any(pids_of(member) for directory in group.directories() for member in tree(directory)):
        if time.monotonic() > deadline:
            raise CgroupError(
                f"processes in {group.path} are still there {_KILL_SECONDS:.0f} s after they were killed: "
                + " ".join(map(str, group.pids())),
                step="kill",
                errno=errno.ETIMEDOUT,
                hint="They wait in the kernel, perhaps for a dead disk or file server",
            )
        time.sleep(delay)
        delay = min(delay * 2, 0.05)
