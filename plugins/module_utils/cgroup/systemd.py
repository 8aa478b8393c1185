# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cgroups that systemd makes: a transient scope or slice for each, known to it with its limits.

systemd alone may write to its tree, except below a unit that it has delegated (its CGROUP_DELEGATION.md). So it makes
the unit, and is told the limits, which it would otherwise take back at its next look; then the control files are
written too, for what it has no property for, and for the values that it rounds.
"""

from __future__ import annotations

import os

from ..kernel.files import read_text
from .api import Cgroup, open_cgroup
from .control import read_if_there
from .devices import device_list
from .errors import CgroupError
from .hierarchy import UNIFIED
from .plan import Change
from .systemd_properties import limit_properties
from .systemd_units import device_properties, is_slice, parse_drivers, place, unit_properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from .hierarchy import Hierarchy
    from .systemd_bus import Bus
    from .systemd_units import Property

BOOTED = "/run/systemd/system"
"""There where systemd is process 1 (sd_booted(3))."""


def place_unit(cgroups_path: str, container_id: str) -> tuple[str, str]:
    """(cgroup, unit) for a new container, see systemd_units.place. Raises CgroupError, also without systemd."""
    if not os.path.isdir(BOOTED):
        raise CgroupError(
            f"--systemd-cgroup was given, and systemd is not process 1 of this machine: there is no {BOOTED}",
            step="systemd",
            hint="Leave out --systemd-cgroup (--cgroup-manager systemd): the runtime then makes the cgroup itself",
        )
    return place(cgroups_path, container_id)


def find_unit(cgroups_path: str, container_id: str) -> tuple[str, str] | None:
    """(cgroup, unit) where :func:`place_unit` would have put the container, if there is such a group now; else None."""
    try:
        path, unit = place(cgroups_path, container_id)
    except CgroupError:
        return None
    return (path, unit) if open_cgroup(path).exists() else None


class UnitCgroup(Cgroup):
    """The cgroup of one unit; made by :func:`api.open_cgroup`. All methods raise CgroupError."""

    __slots__ = ("unit",)

    def __init__(self, path: str, unit: str, hierarchy: Hierarchy, owner: str) -> None:
        super().__init__(path, hierarchy, owner)
        self.unit = unit

    def create(self, pid: int = 0) -> None:
        """Let systemd start the unit around process *pid*; then make what it leaves to us.

        Those are v1's hierarchies whose controllers systemd does not manage. A slice it starts empty.
        """
        from .systemd_bus import UNIT_EXISTS, Bus, SystemdError

        properties = unit_properties(self.unit, self.path, pid, unified=self.hierarchy.mode == UNIFIED)
        with Bus() as bus:
            try:
                bus.start(self.unit, properties)
            except SystemdError as error:
                if error.name != UNIT_EXISTS:
                    raise
                if not is_slice(self.unit):  # a slice is there for many
                    error.hint = f"Stop it (systemctl stop {self.unit}), or choose another linux.cgroupsPath"
                    raise
        super().create()

    def set(self, resources: Mapping[str, Any], raw: Mapping[str, Any] | None = None) -> None:
        """Make *resources* and the *raw* files hold, in the kernel and for systemd; all or nothing."""
        wanted = self.plan(resources, raw)
        self.apply(wanted)  # first: a memory limit below what is used is refused here, systemd would kill
        try:
            self._tell(resources, raw or {})
        except CgroupError:
            self.apply([Change(done.controller, done.file, done.after, done.before) for done in reversed(wanted)])
            raise
        self.apply(self.plan(resources, raw))  # systemd has written rounded values

    def _tell(self, resources: Mapping[str, Any], raw: Mapping[str, Any]) -> None:
        """Tell systemd what now holds of *resources* and *raw*."""
        files = {setting.row.file: setting.row.controller for setting in self._settings(resources, raw)}
        devices: list[Property] = []
        if resources.get("devices") and "devices" in self.hierarchy.v1:
            devices = device_properties(*device_list(resources["devices"]), parse_drivers(read_text("/proc/devices")))
        if not files and not devices:
            return

        def content(file: str) -> str | None:
            directory = self.directory(files.get(file) or file.partition(".")[0])
            return read_if_there(f"{directory}/{file}") if directory else None

        from .systemd_bus import Bus

        with Bus() as bus:
            limits = limit_properties(files, content, bus.version())
            if limits:
                bus.set_properties(self.unit, limits)
            if devices:
                self._tell_devices(bus, devices)

    def _tell_devices(self, bus: Bus, devices: list[Property]) -> None:
        """systemd forbids all devices before it allows some (v1): nothing may run meanwhile."""
        freezing = not self.frozen()
        if freezing:
            self.freeze()
        try:
            bus.set_properties(self.unit, devices)
        finally:
            if freezing:
                self.thaw()

    def missing_parents(self) -> list[str]:
        """None: the slices above it are systemd's, and stay."""
        return []

    def remove(self, keep: Collection[str] = (), made: Collection[str] = ()) -> None:
        """Stop the unit and remove what is left of it; a slice that was there before (*keep*) stays.

        A unit of this name that lies elsewhere is somebody else's: then ours was never started.
        """
        slice_ = is_slice(self.unit)
        if not (slice_ and any(directory in keep for directory in self.directories())):
            from .systemd_bus import Bus

            with Bus() as bus:
                if bus.control_group(self.unit) in ("", self.path):
                    bus.stop(self.unit)
        super().remove(keep if slice_ else (), made)
