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

from ..kernel.descriptors import close_all
from ..kernel.lean import suppress
from . import pressure, usage
from .api import Cgroup
from .control import GONE
from .hierarchy import UNIFIED
from .implied import DEAR, IMPLIED, MOVED
from .limits import LIMITS
from .vocabulary import limits_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .hierarchy import Hierarchy
    from .resources import Row

_TOLD = frozenset((limit.section, limit.key) for limit in LIMITS)
_EVENTS = tuple(dict.fromkeys((source.controller, source.file) for source in usage.EVENTS))
# What a file gives whose group or whose process has gone, or that is there while its feature is off (PSI after psi=0).
_GONE = (*GONE, errno.ESRCH, errno.EOPNOTSUPP)
POOLS = "/sys/kernel/mm/hugepages"
"""A folder for each size of huge pages that the kernel has."""
_FEW = 448  # bytes: what most files have at the most, and Python has at hand without asking for memory
_PAGE = 4096  # bytes
_SHORT = 2048  # a read shorter than this was the last: the kernel fills a page, and no line is longer
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def content(path: str) -> str | None:
    """The text of a control file, None where there is none. Raises OSError for anything else."""
    opened: list[int] = []
    texts: dict[str, str | None] = {}
    try:
        take((path,), None, opened, texts)
    finally:
        close_all(opened)
    return texts[path]


def take(paths: Iterable[str], directory: int | None, opened: list[int], texts: dict[str, str | None]) -> None:
    """Put the texts of the control files *paths* into *texts*, None for one that is not there.

    Their descriptors are left to *opened*: many are closed by one call. *directory* is the descriptor from which paths
    are meant. Raises OSError, with its path.
    """
    for path in paths:
        try:
            fd = os.open(path, _FLAGS, dir_fd=directory)
            opened.append(fd)
            data = os.read(fd, _FEW)
            if len(data) == _FEW:
                data += _rest(fd)
        except OSError as error:
            if error.errno not in _GONE:
                error.filename = path
                raise
            texts[path] = None
        else:
            texts[path] = data.decode("utf-8", "surrogateescape")


def _rest(fd: int) -> bytes:
    data = b""
    while True:
        more = os.read(fd, _PAGE)
        data += more
        if len(more) < _SHORT:
            return data


def _list(directory: str) -> tuple[list[str], list[str]]:
    """The names of the files and of the groups in *directory*; none where it is not there."""
    files: list[str] = []
    groups: list[str] = []
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            (groups if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return files, groups


class _Kind:
    """Groups of one hierarchy that have the same files.

    names    of the files
    wanted   those of which every group of the kind is asked
    lacking  those of which it is asked as well, and that it does not have
    """

    __slots__ = ("lacking", "names", "wanted")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = frozenset(names)
        self.wanted: dict[str, None] = {}
        self.lacking: dict[str, None] = {}


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
        self._kinds: dict[str, _Kind] = {}
        self.listed: dict[str, list[str]] = {}  # directory → groups in it, where they have been seen already
        self._enabled: dict[str, str] = {}
        self._huge: dict[frozenset[str], tuple[str, ...]] = {}
        self._limits: dict[tuple[tuple[str, str], ...], dict[tuple[str | None, ...], dict[str, Any]]] = {}
        self._events: dict[tuple[str | None, ...], dict[str, Any]] = {}
        self._waited: dict[str, dict[str, Any]] = {}
        self._blkio: bool | None = None
        self._any_huge: bool | None = None
        self.rows: tuple[Row, ...] | None = None

    def snapshot(self, path: str) -> Snapshot:
        return Snapshot(path, self.hierarchy, self)

    def kind(self, mount: str, path: str) -> _Kind | None:
        """The kind of the group *path* in the hierarchy at *mount*; None where it is not there."""
        if path == "/":
            name = f"{mount} root"
        elif mount == self.hierarchy.unified:
            name = self._controllers(mount, path)
        else:
            name = mount  # on v1 all groups have the same files
        kind = self._kinds.get(name)
        if kind is None:
            files, self.listed[mount + path] = _list(mount + path)
            if not files:
                return None
            kind = self._kinds[name] = _Kind(files)
        return kind

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

    def waited(self, text: str) -> dict[str, Any]:
        """What the *text* of a pressure file says: the same for all groups whose processes have never waited."""
        found = self._waited.get(text)
        if found is None:
            found = self._waited[text] = pressure.parse(text)
        return found

    def limits(self, group: Snapshot) -> dict[str, Any]:
        """The limits of *group* as the vocabulary has them.

        Most groups of a tree have the same: what files say is put into words once, for all groups where they say it.
        """
        for asked, known in self._limits.items():
            found = known.get(group.texts(asked))
            if found is not None:
                return found
        group.asked = []
        limits = limits_of(group, ())
        asked = tuple(dict.fromkeys(group.asked))
        self._limits.setdefault(asked, {})[group.texts(asked)] = limits
        return limits

    def events(self, group: Snapshot) -> dict[str, Any]:
        """What has happened to *group*; said once for all to which the same has, as mostly nothing has."""
        texts = group.texts(_EVENTS)
        found = self._events.get(texts)
        if found is None:
            found = self._events[texts] = usage.collect(usage.EVENTS, group.text)
        return found


class Snapshot(Cgroup):
    """A group that reads each of its files at most once, until it is left: it is a context manager.

    Its directories are opened, for the way to a file costs as much as the file.
    """

    __slots__ = ("_directories", "_opened", "_reader", "_texts", "asked")

    def __init__(self, path: str, hierarchy: Hierarchy, reader: Reader) -> None:
        super().__init__("" if path == "/" else path, hierarchy, "cgroup")
        self._reader = reader
        self._texts: dict[str, str | None] = {}
        self.asked: list[tuple[str, str]] = []
        self._directories: dict[str, tuple[int, _Kind]] = {}
        self._opened: list[int] = []

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._directories = {}
        close_all(self._opened)

    def _at(self, mount: str) -> tuple[int, _Kind]:
        """(descriptor of its directory in the hierarchy at *mount*, its kind there); (-1, nothing) where it is not.

        With the directory comes what all groups of the kind are asked for.
        """
        found = self._directories.get(mount)
        if found is None:
            found = self._directories[mount] = self._open(mount)
            directory, kind = found
            self._texts.update(kind.lacking)
            self._take(kind.wanted, directory, mount)
        return found

    def _open(self, mount: str) -> tuple[int, _Kind]:
        try:
            directory = os.open(mount + self.path, _DIRECTORY)
        except FileNotFoundError:  # on v1 a group need not be in every hierarchy
            return -1, _Kind()
        self._opened.append(directory)
        return directory, self._reader.kind(mount, self.path or "/") or _Kind()

    def _take(self, files: Iterable[str], directory: int, mount: str) -> None:
        try:
            take(files, directory, self._opened, self._texts)
        except OSError as error:
            error.filename = f"{mount}{self.path}/{error.filename}"
            raise

    def text(self, controller: str, file: str, *, always: bool = True) -> str | None:
        """The content of *file*, None where the group does not have it.

        *always*: other groups will be asked for it, too, and may read it with the rest.
        """
        if file in self._texts:
            return self._texts[file]
        mount = self._reader.places.get(controller)
        if mount is None:
            return None
        _directory, kind = self._at(mount)
        if file in self._texts:
            return self._texts[file]
        if file not in kind.names:
            self._texts[file] = kind.lacking[file] = None
            return None
        found = self._implied(controller, file)
        if found is None:
            return self._read(mount, file, always=always and file not in IMPLIED)
        self._texts[file] = found
        return found

    def texts(self, asked: Iterable[tuple[str, str]]) -> tuple[str | None, ...]:
        """The contents of the files *asked*, each by its controller and name."""
        known = self._texts
        return tuple([known[file] if file in known else self.text(controller, file) for controller, file in asked])

    def _read(self, mount: str, file: str, *, always: bool) -> str | None:
        directory, kind = self._at(mount)
        self._take((file,), directory, mount)
        if always:
            kind.wanted[file] = None
        return self._texts[file]

    def _implied(self, controller: str, file: str) -> str | None:
        """The content of *file* as far as another says it."""
        for other, say in IMPLIED.get(file, ()):
            text = self._texts.get(other) if other in DEAR else self.text(controller, other)
            if text:
                return say(text)
        return None

    def below(self) -> list[str]:
        """The paths of the groups directly below it, in any hierarchy, sorted."""
        names: set[str] = set()
        for mount in self.hierarchy.everywhere:
            directory, _kind = self._at(mount)
            # Two links, its own and that from above: no groups below, and no need to look among the files.
            if directory < 0 or os.fstat(directory).st_nlink == 2:
                continue
            groups = self._reader.listed.pop(mount + (self.path or "/"), None)
            names.update(_list(mount + self.path)[1] if groups is None else groups)
        return [f"{self.path}/{name}" for name in sorted(names)]

    def files(self, controller: str) -> frozenset[str]:
        """The names of the files where *controller*'s are; none without that controller."""
        mount = self._reader.places.get(controller)
        return frozenset() if mount is None else self._at(mount)[1].names

    def huge_pages(self) -> dict[str, int]:
        """How much is used of each size of huge pages, in bytes: ``{"2MB": 0}``."""
        names = self.files("hugetlb")
        found = {}
        for file in self._reader.huge_pages(names) if names else ():
            text = self.text("hugetlb", file) if self._reader.has_huge_pages() else "0"
            if text:
                found[file.split(".")[1]] = int(text)
        return found

    def pressure(self) -> dict[str, Any]:
        """The pressure on its processes by resource, see pressure.py; not to be written to.

        A file may be hidden in one group and not in another (cgroup.pressure), so each is tried.
        """
        found: dict[str, Any] = {}
        mount = self.hierarchy.unified
        if not self._reader.pressure or self._at(mount)[0] < 0:
            return found
        for resource in pressure.RESOURCES:
            file = f"{resource}.pressure"
            text = self._texts[file] if file in self._texts else self._read(mount, file, always=True)
            if text:
                found[resource] = self._reader.waited(text)
        return found

    def limits(self) -> dict[str, Any]:
        """The limits in force by option name, see vocabulary.py; not to be written to."""
        return self._reader.limits(self)

    def events(self) -> dict[str, Any]:
        """What has happened to it, see usage.py; not to be written to."""
        return self._reader.events(self)

    def io(self) -> list[dict[str, Any]] | None:
        """What it has moved from and to each device; None where that is not counted."""
        text = self.text("io", "io.stat")
        if text is not None:
            return usage.parse_io_stat(text)
        if "blkio" not in self._reader.places:
            return None
        if not self._reader.counts_blkio():
            return []
        for file in MOVED:  # the sums over the groups below came with Linux 5.2
            moved = self.text("blkio", file)
            if moved is not None:
                if ":" not in moved:
                    return []
                serviced = self.text("blkio", file.replace("service_bytes", "serviced"), always=False)
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
