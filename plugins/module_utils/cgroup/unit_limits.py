# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of a unit that systemd has, running or not: set as ``systemctl set-property`` sets them.

systemd alone writes to the groups of its units, and writes what it was told once more whenever it looks at them. So
it is told, and keeps each property in a drop-in file of its own: below /run until the next boot, below /etc for
good. What has no property is written to the running unit's group, where systemd leaves it alone.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel.files import fsync_directory, read_bytes, write_atomic
from .api import Cgroup
from .control import attach, read_if_there
from .errors import CgroupError
from .plan import canon
from .resources import FLAT
from .systemd_properties import (
    DROP_INS,
    canonical,
    drop_in,
    file_text,
    limit_properties,
    overlay,
    properties_of,
    round_quota,
)
from .systemd_units import is_slice
from .v2 import has_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .hierarchy import Hierarchy
    from .plan import Change
    from .resources import Row
    from .systemd_bus import Bus
    from .systemd_units import Property

PERSISTENT = "/etc/systemd/system.control"
"""Where systemd keeps what was set for good (systemd.unit(5)), and where what was set until the next boot."""
RUNTIME = "/run/systemd/system.control"
_TRANSIENT = "/run/systemd/transient"


class UnitLimits(Cgroup):
    """The group of *unit*, whose object on *bus* is *path_of_object*; all methods raise CgroupError."""

    __slots__ = ("_bus", "_object", "_told", "running", "transient", "unit")

    def __init__(self, unit: str, object_path: bytes, group: str, hierarchy: Hierarchy, bus: Bus) -> None:
        super().__init__(group, hierarchy, "unit")
        self.unit = unit
        self._bus = bus
        self._object = object_path
        self._told: dict[str, Any] = {}
        self.transient = bool(bus.property(object_path, "Unit", "Transient"))
        # The property: systemd may make the group of a unit that it does not start, when it is told its limits.
        self.running = bus.property(object_path, "Unit", "ActiveState") not in ("inactive", "failed")

    # ---- where it is

    def directories(self) -> list[str]:
        """Those it has: under v1 systemd makes a unit's group only in the hierarchies that the unit needs."""
        return [directory for directory in super().directories() if self.running and os.path.isdir(directory)]

    def paths(self) -> dict[str, str]:
        return {controller: directory for controller, directory in super().paths().items() if os.path.isdir(directory)}

    def freezer(self) -> tuple[str, bool] | None:
        return super().freezer() if self.running else None

    def has(self, controller: str, file: str) -> bool:
        directory = self.directory(controller)
        if directory is None:
            return False
        return os.path.exists(f"{directory}/{file}") or self._foreseen(directory, file)

    # ---- limits

    def plan(self, resources: Mapping[str, Any], raw: Mapping[str, Any] | None = None) -> list[Change]:
        """As of any group, a unit without one compared by its properties. Quotas are in whole percents of a CPU."""
        found = super().plan(self._rounded(resources), raw)
        if not self.running:
            alone = [change.file for change in found if not properties_of(change.file)]
            if alone:
                raise CgroupError(
                    f"cannot set {', '.join(alone)}: {self.unit} is not running and systemd has no property for that",
                    step="unit",
                    obj=self.unit,
                    hint="Start the unit first: such a limit lies in its group alone, and goes with it",
                )
        return found

    def _rounded(self, resources: Mapping[str, Any]) -> Mapping[str, Any]:
        cpu = resources.get("cpu") or {}
        if not cpu.get("quota"):
            return resources
        period = cpu.get("period") or self.read().get("cpu", {}).get("period") or 0
        return {**resources, "cpu": {**cpu, "quota": round_quota(cpu["quota"], period)}} if period else resources

    def _content(self, row: Row) -> str | None:
        directory = self.directory(row.controller)
        if directory is None:
            return None
        text = read_if_there(f"{directory}/{row.file}") if self.running else None
        if text is not None:
            return text
        # The unit does not run, or its controller is off until systemd is told of a limit that needs it.
        text = file_text(row.file, self._tells)
        if text is not None:
            return text if self._foreseen(directory, row.file) else None
        if self.running and has_files(self.hierarchy, directory, row.controller):
            return None
        return self._expected(row, directory)

    def read_raw(self, files: Iterable[str], pending: Iterable[Change] = ()) -> dict[str, str | None]:
        found = super().read_raw(files, pending)
        known = {change.file for change in pending}
        for file in found.keys() - known:
            directory = self.directory(file.partition(".")[0])
            if directory and not (self.running and os.path.exists(f"{directory}/{file}")):
                found[file] = file_text(file, self._tells) if self._foreseen(directory, file) else None
        return found

    def _tells(self, name: str) -> Any:
        """What systemd holds for property *name*; None where it has no such property."""
        if name not in self._told:
            from .systemd_bus import UNKNOWN_PROPERTY, SystemdError

            try:
                self._told[name] = self._bus.property(self._object, kind_of(self.unit), name)
            except SystemdError as error:
                if error.name != UNKNOWN_PROPERTY:
                    raise
                self._told[name] = None
        return self._told[name]

    def wanted(self, resources: Mapping[str, Any], raw: Mapping[str, Any], changes: Iterable[Change]) -> list[Property]:
        """Every property of *resources* and *raw*, as they are to be after *changes*."""
        rows = {setting.row.file: setting.row for setting in self._settings(self._rounded(resources), raw)}
        after: dict[str, str] = {}
        for change in changes:
            row = rows.get(change.file)
            text = change.after if row is None or row.shape != FLAT else canon(row, change.after)
            now = after.get(change.file)
            if now is None:
                now = "" if row is None else self._content(row) or ""
            after[change.file] = overlay(change.file, now, text)

        def content(file: str) -> str | None:
            if file in after or file in rows:
                return after[file] if file in after else self._content(rows[file])
            directory = self.directory(file.partition(".")[0])
            text = read_if_there(f"{directory}/{file}") if directory and self.running else None
            return file_text(file, self._tells) if text is None else text

        found = limit_properties(rows, content, self._bus.version())
        return [one for one in found if self._tells(one[0]) is not None]

    def files(self, resources: Mapping[str, Any], raw: Mapping[str, Any]) -> list[str]:
        """The control files of *resources* and *raw*."""
        return list(dict.fromkeys(setting.row.file for setting in self._settings(resources, raw)))

    def untold(self, properties: Iterable[Property]) -> list[Property]:
        """Those of *properties* that systemd does not hold."""
        names = {
            name
            for name, value in {name: value for name, _signature, value in properties}.items()
            if canonical(name, self._tells(name), device_of) != canonical(name, value, device_of)
        }
        return [one for one in properties if one[0] in names]

    def tell(self, properties: Iterable[Property], *, persistent: bool) -> None:
        """Let systemd take *properties* over and write them to the group; durable where *persistent*."""
        told = list(properties)
        if told:
            self._bus.set_properties(self.unit, told, persistent=persistent)
            self._bus.version()  # answered after systemd has written to the group
            self._told.clear()
        if told and persistent:
            directory = os.path.dirname(_file(PERSISTENT, self.unit, ""))
            for name in {drop_in(name) for name, _signature, _value in told}:
                _sync(os.path.join(directory, name))
            for path in (directory, PERSISTENT, os.path.dirname(PERSISTENT)):
                fsync_directory(path)

    # ---- drop-ins

    def drop_ins(self, *where: str) -> list[str]:
        """The files of its limits that systemd keeps in *where*, everywhere by default."""
        found = []
        for top in where or (PERSISTENT, RUNTIME, _TRANSIENT):
            directory = f"{top}/{self.unit}.d"
            with contextlib.suppress(FileNotFoundError):
                found += [f"{directory}/{name}" for name in sorted(os.listdir(directory)) if name in DROP_INS]
        return found

    def persists(self, name: str) -> bool:
        """Whether property *name* was set for good."""
        return os.path.exists(_file(PERSISTENT, self.unit, drop_in(name)))

    def until_reboot(self) -> None:
        """What was set for good holds until the next boot from here on, not beyond it."""
        for path in self.drop_ins(PERSISTENT):
            target = _file(RUNTIME, self.unit, os.path.basename(path))
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            write_atomic(target, read_bytes(path), 0o644, durable=False)
        self.revert(PERSISTENT)

    def revert(self, *where: str) -> None:
        """Remove its drop-ins of limits in *where*, everywhere by default: what its own files say is in force again."""
        for path in self.drop_ins(*where):
            os.unlink(path)
            directory = os.path.dirname(path)
            fsync_directory(directory)
            with contextlib.suppress(OSError):  # other properties are kept there, too
                os.rmdir(directory)
        self._bus.reload()
        self._told.clear()

    def overridden(self, properties: Iterable[Property]) -> list[str]:
        """Drop-ins below /run of what was set for good: they would come to life again with the other's end."""
        names = {drop_in(name) for name, _signature, _value in properties if self.persists(name)}
        return [path for path in self.drop_ins(RUNTIME) if os.path.basename(path) in names]

    # ---- processes

    def add(self, pid: int) -> None:
        for directory in self.directories():
            attach(directory, pid)

    def check_takes_processes(self) -> None:
        """Raise CgroupError where the unit cannot hold processes that it did not start."""
        if is_slice(self.unit):
            raise CgroupError(
                f"cannot move processes into {self.unit}: a slice holds units, not processes",
                step="processes",
                obj=self.unit,
                hint=f"Start them in it, with systemd-run --slice={self.unit}, or move them into one of its units",
            )
        if not self.running:
            raise CgroupError(
                f"cannot move processes into {self.unit}: it is not running", step="processes", hint="Start it first"
            )


def kind_of(unit: str) -> str:
    """The D-Bus interface of *unit*: ``"Service"``."""
    return unit.rpartition(".")[2].capitalize()


def device_of(path: str) -> str:
    """``/dev/sda`` or ``/dev/block/8:0`` as ``8:0``."""
    name = path.rpartition("/")[2]
    if ":" in name:
        return name
    try:
        number = os.stat(path).st_rdev
    except FileNotFoundError:
        return path
    return f"{os.major(number)}:{os.minor(number)}"


def _file(top: str, unit: str, name: str) -> str:
    return f"{top}/{unit}.d/{name}"


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
