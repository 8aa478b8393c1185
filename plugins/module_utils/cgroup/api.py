# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to cgroups: a group by its path, the same on v1, hybrid and v2.

    group = open_cgroup("/agentless-oci/web-0123456789ab")
    group.create()
    group.add(pid)
    group.apply(group.plan({"memory": {"limit": 100 << 20}}))
    group.remove()

Resources are the runtime spec's ``linux.resources``; numbers read back are in its units too.
"""

from __future__ import annotations

import errno
import os

from . import freezer, processes, v1, v2
from .control import attach, flat_keyed, keep, parents, pids_of, read_if_there, remove_parents, remove_tree, tree
from .errors import CgroupError
from .hierarchy import UNIFIED, detect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from typing import Any

    from .hierarchy import Hierarchy
    from .plan import Change
    from .resources import Row, Setting


def open_cgroup(path: str, *, unit: str = "", owner: str = "cgroup", hierarchy: Hierarchy | None = None) -> Cgroup:
    """The group at *path* below the root of the hierarchies; nothing is touched yet.

    *owner* is what messages call the thing that has the limits: ``"container"``. *hierarchy* is detected when
    not given. *unit* is the systemd unit whose group it is; without one the group is ours to make. Raises CgroupError
    for a path that cannot be a group's.
    """
    if unit:
        from .systemd import UnitCgroup

        return UnitCgroup(normal_path(path), unit, hierarchy or detect(), owner)
    return Cgroup(normal_path(path), hierarchy or detect(), owner)


def normal_path(path: str) -> str:
    """*path* with one leading slash and none behind. Raises CgroupError for the root and for ``..``."""
    names = path.strip("/").split("/")
    if any(name in ("", ".", "..") or name.startswith("cgroup.") or not name.isprintable() for name in names):
        raise CgroupError(
            f"{path!r} is not the path of a cgroup",
            step="path",
            hint="Write it from the root of the hierarchy, as in /batch/reports; the root itself has no limits",
        )
    return "/" + "/".join(names)


def remove_empty(path: str, hierarchy: Hierarchy | None = None) -> None:
    """rmdir the group *path* in every hierarchy where nothing is left in it."""
    group = open_cgroup(path, hierarchy=hierarchy)
    for directory in group.directories():
        try:
            os.rmdir(directory)
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY, errno.ENOENT):
                raise CgroupError.of(error, f"cannot remove cgroup {directory}") from error


class Cgroup:
    """One group in every hierarchy; made by :func:`open_cgroup`. All methods raise CgroupError."""

    __slots__ = ("hierarchy", "owner", "path")

    def __init__(self, path: str, hierarchy: Hierarchy, owner: str) -> None:
        self.path = path
        self.hierarchy = hierarchy
        self.owner = owner

    # ---- where it is

    def directories(self) -> list[str]:
        """Its directory in each hierarchy, whether it exists or not."""
        return [mount + self.path for mount in self.hierarchy.everywhere]

    def paths(self) -> dict[str, str]:
        """Controller → directory; the v2 directory is under ``""``."""
        found = {controller: mount + self.path for controller, mount in self.hierarchy.v1.items()}
        if self.hierarchy.unified:
            found[""] = self.hierarchy.unified + self.path
        return found

    def directory(self, controller: str) -> str | None:
        """Where *controller*'s files of this group lie: v1 where it is mounted there, else v2. None without either."""
        mount = self.hierarchy.v1.get(controller)
        if mount is None and (controller == "cgroup" or controller in self.hierarchy.v2_controllers):
            mount = self.hierarchy.unified or None
        return None if mount is None else mount + self.path

    def exists(self) -> bool:
        """Whether the group is there in any hierarchy."""
        return any(os.path.isdir(directory) for directory in self.directories())

    # ---- life

    def create(self, _pid: int = 0) -> None:
        """Make it and its parents in every hierarchy; what is there already stays as it is.

        *_pid* is the process that is to enter it first: systemd makes no group without one.
        """
        cpuset = self.hierarchy.v1.get("cpuset")
        for mount in self.hierarchy.mounts:
            v1.make(mount, self.path, cpuset=mount == cpuset)
        if self.hierarchy.unified:
            v2.make(self.hierarchy.unified, self.path)

    def delegate(self, uid: int) -> None:
        """Let user *uid* of the host divide it into groups of its own; v2 alone, v1 has no safe way to."""
        v2.delegate(self.hierarchy.unified + self.path, uid)

    def add(self, pid: int) -> None:
        """Move process *pid*, all threads of it, into the group in every hierarchy."""
        for directory in self.directories():
            attach(directory, pid)

    def join(self, *, unified: bool = True) -> None:
        """Move the calling process, which must be single-threaded, into the group in every hierarchy.

        Some milliseconds cheaper than :meth:`add`: a thread that moves itself through v1's ``tasks`` needs no lock
        over all processes of the machine, and the wait for that lock is what moving costs (since Linux 5.5). v2 has
        no such way; *unified* False leaves a hybrid's v2 mount out, see :meth:`needs_unified`.
        """
        for directory, file in self.entrances(unified=unified):
            attach(directory, 0, file=file)

    def entrances(self, *, unified: bool) -> list[tuple[str, str]]:
        """(directory, file) of each hierarchy by which :meth:`join` goes in, for a process that lacks this object."""
        found = [(mount + self.path, "tasks") for mount in self.hierarchy.mounts]
        if self.hierarchy.unified and (unified or not self.hierarchy.mounts):
            found.append((self.hierarchy.unified + self.path, "cgroup.procs"))
        return found

    def needs_unified(self, resources: Mapping[str, Any]) -> bool:
        """Whether a process must be in a hybrid's v2 mount too: *resources* use a controller of it, or systemd,
        which there keeps account of its units' processes, would count it to the unit it came from."""
        v2_limits = "hugetlb" in self.hierarchy.v2_controllers and resources.get("hugepageLimits")
        return bool(
            self.hierarchy.mode == UNIFIED
            or v2_limits
            or resources.get("unified")
            or self.hierarchy.v2_controllers - {"hugetlb"}
            or os.path.isdir("/run/systemd/system")
        )

    def missing_parents(self) -> list[str]:
        """The directories above it, in all hierarchies, that :meth:`create` would have to make first."""
        mounts = [directory[: -len(self.path)] for directory in self.directories()]
        return [above for mount in mounts for above in parents(mount, self.path) if not os.path.isdir(above)]

    def remove(self, keep: Collection[str] = (), made: Collection[str] = ()) -> None:
        """Remove it with its children in every hierarchy. Missing is fine, a process in it is not.

        *keep* are directories of it that somebody else has made, *made* the parents that were made for it: they go
        with their last child.
        """
        for directory in self.directories():
            if directory not in keep:
                remove_tree(directory)
            remove_parents(directory[: -len(self.path)], self.path, made)

    def keep(self) -> None:
        """It is somebody's own from now on, even if it was made as the parent of another."""
        for directory in self.directories():
            keep(directory)

    def pids(self) -> list[int]:
        """Every process in it or below it, in ascending order."""
        found: set[int] = set()
        for directory in self.directories():
            for group in tree(directory):
                found.update(pids_of(group))
        return sorted(found)

    def kill(self, signal: int) -> None:
        """Send *signal* to every process in it or below it, none left out: they stand still meanwhile."""
        processes.kill(self, signal)

    def holds(self, pid: int) -> bool:
        """Whether process *pid* is in it in every hierarchy. Raises CgroupError where there is no such process."""
        return processes.holds(self, pid)

    def evacuate(self) -> None:
        """Move every process in it or below it to the nearest group above that may hold processes."""
        processes.evacuate(self)

    # ---- freezing

    def freeze(self) -> None:
        """Stop every task in it and wait until all stand still."""
        where = self.freezer()
        if where is None:
            raise CgroupError(
                f"cannot freeze {self.path}: the group does not exist in a hierarchy with a freezer", step="freezer"
            )
        freezer.freeze(where[0], unified=where[1])

    def thaw(self) -> None:
        """Let them run again; what does not exist is not frozen."""
        where = self.freezer()
        if where is not None:
            freezer.thaw(where[0], unified=where[1])

    def frozen(self) -> bool:
        """Whether every task in it stands still."""
        where = self.freezer()
        return where is not None and freezer.frozen(where[0], unified=where[1])

    def freezer(self) -> tuple[str, bool] | None:
        """(directory, is it v2) of what can freeze this group; None where nothing can or the group is gone."""
        v1_mount = self.hierarchy.v1.get("freezer")
        directory = (v1_mount or self.hierarchy.unified) + self.path
        return (directory, v1_mount is None) if os.path.isdir(directory) else None

    # ---- limits

    def plan(self, resources: Mapping[str, Any], raw: Mapping[str, Any] | None = None) -> list[Change]:
        """What must be written for *resources* and the *raw* files to hold; nothing where they do.

        Raises CgroupError for a limit this machine cannot set, with the way out.
        """
        from .plan import MissingFile, changes, keep_weight

        try:
            found = list(changes(self._settings(resources, raw or {}), self._content))
            found = keep_weight(found, self.text_of)
        except MissingFile as error:
            from .explain import missing

            raise missing(self, error.args[0]) from None
        rules = resources.get("devices")
        if rules is not None:
            from .devices import device_change

            change = device_change(self, rules)
            if change is not None:
                found.append(change)
        # What stands still takes every other limit.
        return sorted(found, key=_freezes)

    def _settings(self, resources: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[Setting]:
        from .resources import check_kernel_memory, for_v2, huge_settings, rdma_settings, settings

        check_kernel_memory(resources)
        if self.hierarchy.mode == UNIFIED or "memory" in self.hierarchy.v2_controllers:
            resources = for_v2(resources)
        yield from settings(resources, self._table(), self.has)
        yield from huge_settings(resources, unified="hugetlb" not in self.hierarchy.v1)
        yield from rdma_settings(resources)
        unified = resources.get("unified") or {}
        if unified and self.hierarchy.mode != UNIFIED:
            stray = [file for file in unified if self.directory(file.partition(".")[0]) is None]
            if stray:
                raise CgroupError(
                    f"cannot set {', '.join(stray)}: this machine has cgroup v1 ({self.hierarchy.mode})",
                    step="unified",
                    hint="Raw v2 files need a machine booted with systemd.unified_cgroup_hierarchy=1",
                )
        if unified or raw:
            from .rawfiles import raw_settings

            yield from raw_settings({**unified, **raw})

    def _table(self) -> tuple[Row, ...]:
        """V2's rows for what the v2 mount carries, V1's for the rest; the kernel has each controller in one place."""
        from .resources import V1, V2

        if self.hierarchy.mode == UNIFIED:
            return V2
        on_v2 = self.hierarchy.v2_controllers
        return tuple(row for row in V1 if _V2_NAME.get(row.controller, row.controller) not in on_v2) + tuple(
            row for row in V2 if row.controller in on_v2
        )

    def has(self, controller: str, file: str) -> bool:
        """Whether this machine has *file* for a group, this one or one made."""
        directory = self.directory(controller)
        if directory is None:
            return False
        if os.path.exists(f"{directory}/{file}"):
            return True
        return not v2.has_files(self.hierarchy, directory, controller) and self._foreseen(directory, file)

    def _content(self, row: Row) -> str | None:
        directory = self.directory(row.controller)
        if directory is None:
            return None
        text = read_if_there(f"{directory}/{row.file}")
        if text is None and not v2.has_files(self.hierarchy, directory, row.controller):
            return self._expected(row, directory)
        return text

    def _expected(self, row: Row, directory: str) -> str | None:
        """What *row*'s file would hold if the group were made."""
        from .foresee import expected

        return expected(self.hierarchy, row, directory, directory[: -len(self.path)])

    def foreseen(self, file: str) -> bool:
        """Whether a group with the controller of *file* would have it on this machine."""
        directory = self.directory(file.partition(".")[0])
        return directory is not None and self._foreseen(directory, file)

    def _foreseen(self, directory: str, file: str) -> bool:
        """Whether a group made as *directory* would have *file*."""
        from .foresee import foreseen

        return foreseen(self.hierarchy, directory, directory[: -len(self.path)], file)

    def apply(self, wanted: Iterable[Change]) -> None:
        """Carry out what :meth:`plan` gave. When the kernel refuses one, the others are put back as they were."""
        from .plan import Change, settle

        done, failed, error = settle(wanted, self._write)
        if failed is None or error is None:
            return
        backwards = [Change(change.controller, change.file, change.after, change.before) for change in reversed(done)]
        _done, stuck, _error = settle(backwards, self._write)
        from .explain import refused

        raise refused(self, failed, error, stuck) from error

    def _write(self, change: Change) -> None:
        from .write import write

        write(self, change)

    def set(self, resources: Mapping[str, Any], raw: Mapping[str, Any] | None = None) -> None:
        """Make *resources* and the *raw* files hold: plan and apply in one."""
        self.apply(self.plan(resources, raw))

    # ---- what the kernel tells

    def read(self, pending: Iterable[Change] = ()) -> dict[str, Any]:
        """The limits in force, in OCI's ``linux.resources`` shape and units; -1 is no limit.

        With *pending* the limits after those changes; of a group that does not exist those a new one would have.
        """
        after = list(pending)

        def content(row: Row) -> str | None:
            return self._after(row, after)

        from .readback import read_limits

        return read_limits(self._table(), content)

    def read_raw(self, files: Iterable[str], pending: Iterable[Change] = ()) -> dict[str, str | None]:
        """The content of raw control *files* as the kernel tells it, *pending* changes included; None where missing."""
        from .rawfiles import rows_of

        after = list(pending)
        found: dict[str, str | None] = {}
        for file in files:
            row = rows_of(file)[0]
            text = self._after(row, after)
            found[file] = None if text is None or (not text and row.section == "conf") else text.strip()
        return found

    def _after(self, row: Row, pending: Iterable[Change]) -> str | None:
        """The content of *row*'s file after *pending* changes."""
        text = self._content(row)
        for change in pending:
            if change.file == row.file:
                from .plan import overlaid

                text = overlaid(row, text or "", change.after)
        return text

    def text_of(self, file: str) -> str | None:
        """The content of a control file, or what a new group's would be; None where there is none."""
        from .rawfiles import rows_of

        return self._content(rows_of(file)[0])

    def usage(self) -> dict[str, int]:
        """``memory``, ``memory_peak`` (bytes), ``pids``, ``cpu_usec``, ``throttled_usec``; what is not counted here
        is left out."""
        from .readback import read_usage

        return read_usage(self)

    def oom_kills(self) -> int:
        """How many processes in it the kernel killed for memory; 0 without a memory controller (or before 4.13)."""
        directory = self.directory("memory")
        file = "memory.oom_control" if "memory" in self.hierarchy.v1 else "memory.events"
        text = read_if_there(f"{directory}/{file}") if directory else None
        return flat_keyed(text).get("oom_kill", 0) if text else 0


def _freezes(change: Change) -> bool:
    return change.file in ("cgroup.freeze", "freezer.self_freezing")


_V2_NAME = {"blkio": "io"}
