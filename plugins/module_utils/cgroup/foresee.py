# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a group that does not exist yet would have: its control files, and what they would hold."""

from __future__ import annotations

import os

from . import v2
from .control import read_if_there, tree
from .plan import initial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hierarchy import Hierarchy
    from .resources import Row

_INHERITED = frozenset(("cpuset.cpus", "cpuset.mems", "memory.swappiness"))


def expected(hierarchy: Hierarchy, row: Row, directory: str, mount: str) -> str | None:
    """What *row*'s file would hold if the group were made: some values a v1 group takes from its parent."""
    if row.file in _INHERITED and row.controller in hierarchy.v1:
        return read_if_there(f"{_nearest(directory)}/{row.file}")
    return initial(row) if foreseen(hierarchy, directory, mount, row.file) else None


def foreseen(hierarchy: Hierarchy, directory: str, mount: str, file: str) -> bool:
    """Whether a group made as *directory* below *mount* would have *file*.

    The root lacks many: any group below it tells that has the controller, which under v2 need not be on everywhere.
    """
    controller = file.partition(".")[0]
    for model in (_nearest(directory), *tree(mount)):
        if model == mount:
            continue
        if controller == "cgroup" or mount != hierarchy.unified or controller in v2.enabled(model):
            return os.path.exists(f"{model}/{file}")
    # The very first group of this machine: these two files come with a feature that shows elsewhere.
    sign = {"io.weight": f"{mount}/io.cost.qos", "io.bfq.weight": "/sys/module/bfq"}.get(file)
    return sign is None or os.path.exists(sign)


def _nearest(directory: str) -> str:
    """The closest group above *directory* that exists."""
    above = os.path.dirname(directory)
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    return above
