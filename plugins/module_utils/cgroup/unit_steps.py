# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task about a unit of systemd: its limits told to systemd, for good or until the next boot, or taken back."""

from __future__ import annotations

import os

from .errors import CgroupError
from .plan import Change
from .steps import Step, move_lines, set_lines
from .systemd_properties import DROP_INS, drop_in, properties_of
from .unit_limits import PERSISTENT
from .validate import validate
from .vocabulary import limits_of, option_of, resources_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .systemd_units import Property
    from .unit_limits import UnitLimits


# Option → others that are read from the same control file
_SAME = {"cpu_quota": ("cpus", "cpu_period"), "cpu_shares": ("cpu_weight",), "io_weight": ("blkio_weight",)}


class UnitSteps:
    """What has to be done for *options* to hold for *unit*. All methods raise CgroupError."""

    existed = True

    def __init__(self, unit: UnitLimits, options: Mapping[str, Any]) -> None:
        self.group = self._unit = unit
        self._options = options
        self._absent = options["state"] == "absent"
        if options["kill"]:
            raise CgroupError(
                f"kill would end {unit.unit}, which this module leaves alone",
                step="kill",
                hint="Stop it with ansible.builtin.systemd_service; absent only takes back its limits",
            )
        self._resources, self._raw = ({}, {}) if self._absent else resources_of(options, unit)
        validate(self._resources)
        if self._resources.get("devices") and not unit.running:
            raise CgroupError(
                f"cannot set the devices of {unit.unit}: it is not running", step="devices", hint="Start it"
            )
        self._changes = [] if self._absent else unit.plan(self._resources, self._raw)
        self._wanted = [] if self._absent else unit.wanted(self._resources, self._raw, self._changes)
        if options["persistent"]:
            self._check_persistent()
        self._kept = self._keep()

    def _check_persistent(self) -> None:
        unit = self._unit.unit
        if self._unit.transient:
            raise CgroupError(
                f"{unit} cannot have persistent limits: it is transient, and ends with the next reboot at the latest",
                step="persistent",
                obj=unit,
                hint="Leave persistent out, or limit the slice that it is started in",
            )
        told = {name for name, _signature, _value in self._wanted}
        alone = [file for file in self._unit.files(self._resources, self._raw) if told.isdisjoint(properties_of(file))]
        if self._resources.get("devices"):
            alone.append("devices")
        if alone:
            raise CgroupError(
                f"{', '.join(map(option_of, alone))} of {unit} cannot be persistent: systemd has no property for that",
                step="persistent",
                obj=unit,
                hint="Declare them in a task without persistent, to be run after a start of the unit",
            )

    def _keep(self) -> set[str]:
        """Which of the wanted properties are to be kept over a reboot."""
        names = {name for name, _signature, _value in self._wanted}
        if self._options["persistent"] is None:
            return {name for name in names if self._unit.persists(name)}
        return names if self._options["persistent"] else set()

    def steps(self) -> list[Step]:
        """The plan; empty where *options* hold."""
        return self._removal() if self._absent else self._present()

    # ---- what is there

    def limits(self) -> dict[str, Any]:
        """The limits in force; of a unit that does not run those that it will start with."""
        return limits_of(self._unit, self._raw)

    def foreseen(self) -> dict[str, Any]:
        """The limits once the steps are done; without those that go back to what we do not know."""
        found = limits_of(self._unit, self._raw, self._changes)
        gone = (
            {option_of(DROP_INS[os.path.basename(path)]) for path in self._unit.drop_ins()} if self._absent else set()
        )
        ways = {other for option in gone for other in _SAME.get(option, ())}
        return {name: value for name, value in found.items() if name not in gone | ways}

    def exists_after(self) -> bool:
        return True

    def persistent(self) -> tuple[Any, Any]:
        """The drop-ins kept over a reboot before and after the steps; False for none."""
        before = {os.path.basename(path) for path in self._unit.drop_ins(PERSISTENT)}
        staying = set() if self._absent or self._options["persistent"] is False else before
        return sorted(before) or False, sorted(staying | {drop_in(name) for name in self._kept}) or False

    # ---- present

    def _present(self) -> list[Step]:
        unit = self._unit
        found = []
        if self._options["persistent"] is False and unit.drop_ins(PERSISTENT):
            found.append(Step([f"no longer kept the limits of {unit.unit} over a reboot"], unit.until_reboot))
        untold = {name for name, _signature, _value in unit.untold(self._wanted)}
        # What has no file yet is set by telling systemd, whatever it holds.
        untold |= {name for change in self._changes if not self._there(change) for name in properties_of(change.file)}
        for_good = [one for one in self._wanted if one[0] in self._kept and self._lacks(one[0], untold)]
        for_now = [one for one in self._wanted if one[0] not in self._kept and one[0] in untold]
        overridden = unit.overridden(self._wanted)
        if self._changes or for_good or for_now or overridden:

            def carry_out() -> None:
                self._set(for_good, for_now)

            lines = set_lines(self._changes)
            changing = {name for change in self._changes for name in properties_of(change.file)}
            lines += [f"told systemd of {one}" for one in _options_of(for_now + for_good, untold - changing)]
            lines += [f"kept {one} over a reboot" for one in _options_of(for_good, self._kept - self._persisting())]
            lines += [f"removed {path}" for path in overridden]
            found.append(Step(lines, carry_out))
        if self._options["processes"]:
            found += self._moves()
        return found

    def _there(self, change: Change) -> bool:
        directory = self._unit.directory(change.controller)
        return directory is not None and self._unit.running and os.path.exists(f"{directory}/{change.file}")

    def _lacks(self, name: str, untold: set[str]) -> bool:
        return name in untold or not self._unit.persists(name)

    def _persisting(self) -> set[str]:
        return {name for name, _signature, _value in self._wanted if self._unit.persists(name)}

    def _set(self, for_good: list[Property], for_now: list[Property]) -> None:
        unit = self._unit
        direct = [change for change in self._changes if self._there(change)]
        unit.apply(direct)  # first: a memory limit below what is used is refused here, systemd would kill
        try:
            unit.tell(for_good, persistent=True)
            unit.tell(for_now, persistent=False)
        except CgroupError:
            unit.apply([Change(done.controller, done.file, done.after, done.before) for done in reversed(direct)])
            raise
        unit.apply(unit.plan(self._resources, self._raw))  # what lacked its file until systemd enabled the controller
        for path in unit.overridden(self._wanted):
            os.unlink(path)

    def _moves(self) -> list[Step]:
        unit = self._unit
        unit.check_takes_processes()
        pids = [pid for pid in dict.fromkeys(self._options["processes"]) if not unit.holds(pid)]

        def carry_out() -> None:
            for pid in pids:
                unit.add(pid)

        return [Step(move_lines(pids, unit.path), carry_out)] if pids else []

    # ---- absent

    def _removal(self) -> list[Step]:
        paths = self._unit.drop_ins()
        options = dict.fromkeys(option_of(DROP_INS[os.path.basename(path)]) for path in paths)
        lines = [f"took back {option} of {self._unit.unit}" for option in options]
        return [Step(lines, self._unit.revert)] if lines else []


def _options_of(properties: Iterable[Property], names: set[str]) -> list[str]:
    """What users call those of *properties* that are among *names*."""
    return list(
        dict.fromkeys(option_of(DROP_INS[drop_in(name)]) for name, _signature, _value in properties if name in names)
    )
