# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups read fast, hundreds of them: every file once, none that is not there, and nothing changed.

A tree on a busy host is hundreds of groups with some dozens of files each, so what costs is the number of opens: which
files a group has is learnt from one group of its kind and not tried out at each.
"""

from __future__ import annotations

import errno
import os

from . import usage
from .api import Cgroup
from .hierarchy import UNIFIED
from .limits import LIMITS
from .vocabulary import limits_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .hierarchy import Hierarchy
    from .resources import Row

_TOLD = frozenset((limit.section, limit.key) for limit in LIMITS)
# What a file gives whose group has gone, or that is there while its feature is off (PSI after psi=0).
_GONE = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)
POOLS = "/sys/kernel/mm/hugepages"
"""A folder for each size of huge pages that the kernel has."""
_PAGE = 4096  # bytes: what most files have at the most; room for more costs more than another read
_SHORT = 2048  # a read shorter than this was the whole: the kernel fills a page, and no line is longer


def content(path: str, directory: int | None = None) -> str | None:
    """The text of a control file, None where there is none. Raises OSError for anything else.

    *directory* is the descriptor from which *path* is meant.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    try:
        data = os.read(fd, _PAGE)
        if len(data) >= _SHORT:
            while True:
                more = os.read(fd, 65536)
                if not more:
                    break
                data += more
    except OSError as error:
        if error.errno in _GONE:
            return None
        error.filename = path
        raise
    finally:
        os.close(fd)
    return data.decode("utf-8", "surrogateescape")


class Reader:
    """Reads groups of one machine. The files of a kind of group are listed once, so it is for one look only."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self.places = dict(hierarchy.v1)
        if hierarchy.unified:
            for controller in (*hierarchy.v2_controllers, "cgroup"):
                self.places.setdefault(controller, hierarchy.unified)
            if hierarchy.mode == UNIFIED:
                self.places.setdefault("cpu", hierarchy.unified)  # cpu.stat tells times without the controller, too
        self.pressure = bool(hierarchy.unified) and os.path.exists(hierarchy.unified + "/cpu.pressure")
        self._names: dict[str, frozenset[str]] = {}
        self._enabled: dict[str, str] = {}
        self._huge: dict[frozenset[str], tuple[str, ...]] = {}
        self._limits: dict[tuple[tuple[str, str], ...], dict[tuple[str | None, ...], dict[str, Any]]] = {}
        self._blkio: bool | None = None
        self._any_huge: bool | None = None
        self.rows: tuple[Row, ...] | None = None

    def snapshot(self, path: str) -> Snapshot:
        return Snapshot(path, self.hierarchy, self)

    def names(self, mount: str, path: str) -> frozenset[str]:
        """The names of the files that the group *path* has in the hierarchy at *mount*; none where it is not there."""
        if path == "/":
            kind = f"{mount} root"
        elif mount == self.hierarchy.unified:
            kind = self._controllers(mount, path)
        else:
            kind = mount  # on v1 all groups have the same files
        names = self._names.get(kind)
        if names is None:
            try:
                names = frozenset(os.listdir(mount + path))
            except FileNotFoundError:
                return frozenset()
            self._names[kind] = names
        return names

    def _controllers(self, mount: str, path: str) -> str:
        """What the group above has switched on for those below it: that decides which files they have."""
        above = path.rpartition("/")[0]
        enabled = self._enabled.get(above)
        if enabled is None:
            enabled = content(f"{mount}{above}/cgroup.subtree_control") or ""
            self._enabled[above] = enabled
        return f"{mount} {enabled}"

    def huge_pages(self, names: frozenset[str]) -> tuple[str, ...]:
        """Of a group's file *names* those that tell the use of huge pages, v1's or v2's."""
        found = self._huge.get(names)
        if found is None:
            wanted = (name for name in names if name.startswith("hugetlb.") and ".rsvd." not in name)
            found = tuple(sorted(name for name in wanted if name.endswith((".current", ".usage_in_bytes"))))
            self._huge[names] = found
        return found

    def has_huge_pages(self) -> bool:
        """Whether this machine has any: no group uses one where none is (hugetlbpage.rst, "nr_hugepages")."""
        if self._any_huge is None:
            pools = os.listdir(POOLS) if os.path.isdir(POOLS) else []
            counts = [content(f"{POOLS}/{pool}/nr_hugepages") for pool in pools]
            self._any_huge = not counts or counts != ["0\n"] * len(counts)
        return self._any_huge

    def counts_blkio(self) -> bool:
        """Whether any group of v1's blkio has moved a byte: the root group's sums have all of them."""
        if self._blkio is None:
            sums = content(f"{self.places['blkio']}/blkio.throttle.io_service_bytes_recursive")
            self._blkio = sums is None or ":" in sums
        return self._blkio

    def limits(self, group: Snapshot) -> dict[str, Any]:
        """The limits of *group* as the vocabulary has them.

        Most groups of a tree have the same: what files say is put into words once, for all groups where they say it.
        """
        for asked, known in self._limits.items():
            found = known.get(tuple(group.text(controller, file) for controller, file in asked))
            if found is not None:
                return found
        group.asked = []
        limits = limits_of(group, ())
        asked = tuple(dict.fromkeys(group.asked))
        texts = tuple(group.text(controller, file) for controller, file in asked)
        self._limits.setdefault(asked, {})[texts] = limits
        return limits


class Snapshot(Cgroup):
    """A group that reads each of its files at most once, until it is left: it is a context manager.

    Its directories are opened, for the way to a file costs as much as the file.
    """

    __slots__ = ("_opened", "_reader", "_texts", "asked")

    def __init__(self, path: str, hierarchy: Hierarchy, reader: Reader) -> None:
        super().__init__("" if path == "/" else path, hierarchy, "cgroup")
        self._reader = reader
        self._texts: dict[str, str | None] = {}
        self.asked: list[tuple[str, str]] = []
        self._opened: dict[str, tuple[int, frozenset[str]]] = {}

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_raised: object) -> None:
        for fd, _names in self._opened.values():
            if fd >= 0:
                os.close(fd)
        self._opened = {}

    def _at(self, mount: str) -> tuple[int, frozenset[str]]:
        """(descriptor of its directory in the hierarchy at *mount*, names of its files); (-1, none) where it is not."""
        found = self._opened.get(mount)
        if found is None:
            try:
                fd = os.open(mount + self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                found = (fd, self._reader.names(mount, self.path or "/"))
            except FileNotFoundError:  # on v1 a group need not be in every hierarchy
                found = (-1, frozenset())
            self._opened[mount] = found
        return found

    def text(self, controller: str, file: str) -> str | None:
        """The content of *file*, None where the group does not have it."""
        if file in self._texts:
            return self._texts[file]
        mount = self._reader.places.get(controller)
        found = None
        if mount is not None:
            directory, names = self._at(mount)
            if file in names:
                try:
                    found = content(file, directory)
                except OSError as error:
                    error.filename = f"{mount}{self.path}/{file}"
                    raise
        self._texts[file] = found
        return found

    def below(self) -> list[str]:
        """The paths of the groups directly below it, in any hierarchy, sorted."""
        names: set[str] = set()
        for mount in self.hierarchy.everywhere:
            directory, _names = self._at(mount)
            # Two links, its own and that from above: no groups below, and no need to look among the files.
            if directory < 0 or os.fstat(directory).st_nlink == 2:
                continue
            try:
                with os.scandir(mount + self.path) as entries:
                    names.update(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
            except FileNotFoundError:
                continue
        return [f"{self.path}/{name}" for name in sorted(names)]

    def files(self, controller: str) -> frozenset[str]:
        """The names of the files where *controller*'s are; none without that controller."""
        mount = self._reader.places.get(controller)
        return frozenset() if mount is None else self._at(mount)[1]

    def huge_pages(self) -> dict[str, int]:
        """How much is used of each size of huge pages, in bytes: ``{"2MB": 0}``."""
        names = self.files("hugetlb")
        found = {}
        for file in self._reader.huge_pages(names) if names else ():
            text = self.text("hugetlb", file) if self._reader.has_huge_pages() else "0"
            if text:
                found[file.split(".")[1]] = int(text)
        return found

    def pressure_text(self, resource: str) -> str | None:
        """A pressure file: it may be hidden in one group and not in another (cgroup.pressure), so it is tried."""
        if not self._reader.pressure:
            return None
        mount = self.hierarchy.unified
        directory, _names = self._at(mount)
        return content(f"{resource}.pressure", directory) if directory >= 0 else None

    def limits(self) -> dict[str, Any]:
        """The limits in force by option name, see vocabulary.py; not to be written to."""
        return self._reader.limits(self)

    def io(self) -> list[dict[str, Any]] | None:
        """What it has moved from and to each device; None where that is not counted."""
        text = self.text("io", "io.stat")
        if text is not None:
            return usage.parse_io_stat(text)
        if "blkio" not in self._reader.places:
            return None
        if not self._reader.counts_blkio():
            return []
        for suffix in ("_recursive", ""):  # the sums over the groups below came with Linux 5.2
            moved = self.text("blkio", f"blkio.throttle.io_service_bytes{suffix}")
            if moved is not None:
                serviced = self.text("blkio", f"blkio.throttle.io_serviced{suffix}") if ":" in moved else ""
                return usage.parse_blkio(moved, serviced or "")
        return None

    def _table(self) -> tuple[Row, ...]:
        """The rows that limits_of() has words for: of the others nothing would be told."""
        if self._reader.rows is None:
            self._reader.rows = tuple(row for row in super()._table() if (row.section, row.key) in _TOLD)
        return self._reader.rows

    def _noted(self, controller: str, file: str) -> str | None:
        self.asked.append((controller, file))
        return self.text(controller, file)

    def _content(self, row: Row) -> str | None:
        return self._noted(row.controller, row.file)

    def has(self, controller: str, file: str) -> bool:
        """See :meth:`Cgroup.has`; a group that is not there has nothing."""
        self.asked.append((controller, file))
        return file in self.files(controller)
