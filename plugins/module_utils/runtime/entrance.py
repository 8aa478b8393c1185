# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroup that exec's process enters: the container's, or one below it."""

from __future__ import annotations

import errno
import os

from ..cgroup.errors import CgroupError
from ..cgroup.hierarchy import UNIFIED
from . import child
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..cgroup.api import Cgroup

    Entrances = list[tuple[str, str]]


def enter(cgroup: Cgroup, entrances: Entrances, proc: int, below: Mapping[str, str]) -> None:
    """Move the calling process in by *entrances*, or into the groups *below* them (controller, "" for all, → path).

    *proc* is a descriptor of /proc/PID of the container's first process. Raises RuntimeFault, CgroupError.
    """
    if below:
        entrances = _below(cgroup, entrances, below)
    try:
        child.join_cgroup(entrances)
    except CgroupError as error:
        if error.errno != errno.EBUSY or below or cgroup.hierarchy.mode != UNIFIED:
            raise
        # A program that has divided its group holds no process there itself (cgroup-v2.rst, No Internal Process).
        child.join_cgroup([(_group_of(cgroup, proc), "cgroup.procs")])


def _group_of(cgroup: Cgroup, proc: int) -> str:
    """The directory of the group, below *cgroup*, of the process behind *proc*. Raises RuntimeFault."""
    fd = os.open("cgroup", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        path = os.read(fd, 65536).decode("utf-8", "surrogateescape").strip().partition("::")[2]
    finally:
        os.close(fd)
    if not path.startswith(cgroup.path + "/"):
        raise RuntimeFault(f"the first process has left its cgroup {cgroup.path} for {path}", step="cgroup", obj=path)
    return cgroup.hierarchy.unified + path


def _below(cgroup: Cgroup, entrances: Entrances, below: Mapping[str, str]) -> Entrances:
    places = cgroup.paths()
    unknown = [name for name in below if name and (name not in places or cgroup.hierarchy.mode == UNIFIED)]
    if unknown:
        message = f"this machine has no cgroup hierarchy of {', '.join(unknown)}"
        raise RuntimeFault(message, step="cgroup", obj=unknown[0], hint="Name the group's path alone")
    found = []
    for directory, file in entrances:
        paths = [below[name] for name, place in places.items() if place == directory and name in below]
        path = (paths or [below.get("", "")])[0].strip("/")
        if path and not os.path.isdir(f"{directory}/{path}"):
            raise RuntimeFault(f"there is no cgroup {path} below {cgroup.path}", step="cgroup", obj=path)
        found.append((f"{directory}/{path}" if path else directory, file))
    return found


def parse(words: list[str]) -> dict[str, str]:
    """``PATH`` and ``CONTROLLER[,CONTROLLER]:PATH`` by controller, as :func:`enter` takes them. Raises RuntimeFault."""
    found: dict[str, str] = {}
    for word in words:
        controllers, colon, path = word.rpartition(":")
        if ".." in path.split("/"):
            raise RuntimeFault(f"--cgroup: {path} leads out of the container's cgroup", step="cgroup", obj=path)
        for name in controllers.split(",") if colon else [""]:
            found[name] = path
    return found
