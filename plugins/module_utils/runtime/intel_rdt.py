# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``linux.intelRdt``: cache and memory bandwidth of a class of service (runtime-spec config-linux.md, "IntelRdt";
kernel Documentation/filesystems/resctrl).

A class is a directory of the resctrl file system. Several containers may share one that somebody has prepared; one
that create makes goes with delete.
"""

from __future__ import annotations

import os

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.files import read_text, write_control
from .errors import RuntimeFault
from .fields import get, strings, text, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROOT = "/sys/fs/resctrl"
_WHERE = "linux.intelRdt"


class ClassOfService:
    """``closID`` ("" for one named after the container), the lines of its ``schemata``, ``enableMonitoring``."""

    __slots__ = ("_monitored", "_name", "_root", "_schemata")

    def __init__(self, document: dict[str, Any], root: str = ROOT) -> None:
        self._name = text(document, f"{_WHERE}.closID", "")
        if self._name != "/" and ("/" in self._name or self._name in (".", "..", "info", "mon_groups", "mon_data")):
            raise wrong(f"{_WHERE}.closID", f"{self._name!r} cannot be the name of a class of service")
        self._schemata = _schemata(document)
        self._monitored: bool = get(document, f"{_WHERE}.enableMonitoring", bool, False)
        if not os.path.isdir(root) or syscalls.fs_type(root) != c.RDTGROUP_SUPER_MAGIC:
            raise wrong(
                _WHERE,
                f"this host has no resctrl file system on {root}",
                hint="It needs a CPU with RDT and 'mount -t resctrl resctrl /sys/fs/resctrl'",
            )
        self._root = root

    def directories(self, container_id: str) -> list[str]:
        """What :meth:`join` will make and delete must remove, the last first."""
        directory, name = self._directory(container_id), container_id
        made = [f"{directory}/mon_groups/{name}"] if self._monitored else []
        return made if os.path.isdir(directory) else [*made, directory]

    def join(self, container_id: str, pid: int) -> None:
        """Put process *pid* of the container into its class, which is made when missing. Raises RuntimeFault."""
        directory = self._directory(container_id)
        try:
            if not os.path.isdir(directory):
                if self._name and not self._schemata:
                    raise _fault(f"there is no class {self._name}, and no schema to make it of")
                os.mkdir(directory, 0o755)
                if self._schemata:
                    write_control(f"{directory}/schemata", "".join(f"{line}\n" for line in self._schemata))
            elif self._schemata:
                _compare(self._schemata, read_text(f"{directory}/schemata"), self._name or container_id)
            write_control(f"{directory}/tasks", str(pid))
            if self._monitored:
                monitor = f"{directory}/mon_groups/{container_id}"
                os.mkdir(monitor, 0o755)
                write_control(f"{monitor}/tasks", str(pid))
        except OSError as error:
            said = "info/last_cmd_status"
            why = read_text(f"{self._root}/{said}").strip() if os.path.exists(f"{self._root}/{said}") else ""
            raise _fault(
                f"{error.filename}: {error.strerror}" + (f" ({why})" if why and why != "ok" else "")
            ) from error

    def _directory(self, container_id: str) -> str:
        return self._root if self._name == "/" else f"{self._root}/{self._name or container_id}"


def _schemata(document: dict[str, Any]) -> list[str]:
    """The lines to write: ``schemata``, and those of ``l3CacheSchema`` and ``memBwSchema``, which wins for MB."""
    cache, bandwidth = (text(document, f"{_WHERE}.{key}", "") for key in ("l3CacheSchema", "memBwSchema"))
    if bandwidth and (not bandwidth.startswith("MB:") or "\n" in bandwidth):
        raise wrong(f"{_WHERE}.memBwSchema", f"{bandwidth!r} is not one line beginning with MB:")
    lines = [line for line in cache.splitlines() if line and not (bandwidth and line.startswith("MB:"))]
    lines += [bandwidth] if bandwidth else []
    for line in strings(document, f"{_WHERE}.schemata", []):
        if "\n" in line:
            raise wrong(f"{_WHERE}.schemata", f"{line!r} is more than one line")
        lines.append(line)
    for line in lines:
        if ":" not in line:
            raise wrong(_WHERE, f"{line!r} is not a schema such as L3:0=ff;1=ff")
    return lines


def _parsed(lines: list[str]) -> dict[tuple[str, str], int]:
    """(resource, domain) → value; masks are hexadecimal, bandwidth is decimal."""
    found = {}
    for line in lines:
        resource, _colon, domains = line.strip().partition(":")
        for entry in domains.split(";"):
            domain, _equals, value = entry.partition("=")
            try:
                number = int(value, 10 if resource.startswith("MB") else 16)
            except ValueError:
                raise wrong(_WHERE, f"{line!r} is not a schema such as L3:0=ff;1=ff") from None
            found[resource.strip(), domain.strip()] = number
    return found


def _compare(wanted: list[str], content: str, name: str) -> None:
    there = _parsed(content.splitlines())
    for (resource, domain), value in _parsed(wanted).items():
        if there.get((resource, domain)) != value:
            raise _fault(f"the class {name} exists with another schema for {resource}:{domain}")


def _fault(why: str) -> RuntimeFault:
    return RuntimeFault(f"{_WHERE}: {why}", step="intelRdt", obj=_WHERE)
