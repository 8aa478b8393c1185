# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``linux.memoryPolicy``: from which NUMA nodes memory comes (runtime-spec config-linux.md, set_mempolicy(2))."""

from __future__ import annotations

from ..cgroup.errors import CgroupError
from ..cgroup.units import parse_cpu_list
from ..kernel import syscalls
from .errors import RuntimeFault
from .fields import choice, choices, text, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# linux/mempolicy.h
MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
FLAGS = {"MPOL_F_NUMA_BALANCING": 1 << 13, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_STATIC_NODES": 1 << 15}
_WITHOUT_NODES = ("MPOL_DEFAULT", "MPOL_LOCAL")
_NODES_OR_NOT = ("MPOL_PREFERRED",)


class MemoryPolicy:
    """The policy of the container's first process, which its children inherit."""

    __slots__ = ("_mode", "_nodes")

    def __init__(self, document: dict[str, Any]) -> None:
        where = "linux.memoryPolicy"
        name = choice(document, f"{where}.mode", MODES)
        try:
            self._nodes = parse_cpu_list(text(document, f"{where}.nodes", ""), where)
        except CgroupError as error:
            raise wrong(f"{where}.nodes", error.message.partition(": ")[2], hint=error.hint) from error
        if name in _WITHOUT_NODES and self._nodes:
            raise wrong(f"{where}.nodes", f"{name} takes no nodes")
        if name not in (*_WITHOUT_NODES, *_NODES_OR_NOT) and not self._nodes:
            raise wrong(f"{where}.nodes", f"{name} needs nodes")
        flags = choices(document, f"{where}.flags", FLAGS)
        if {"MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"} <= set(flags):
            raise wrong(f"{where}.flags", "nodes are either relative or static")
        self._mode = MODES[name]
        for flag in flags:
            self._mode |= FLAGS[flag]

    def apply(self) -> None:
        """Make it the calling process's. Raises RuntimeFault."""
        try:
            syscalls.set_mempolicy(self._mode, self._nodes)
        except OSError as error:
            raise RuntimeFault.of(
                error,
                "linux.memoryPolicy: the kernel refuses it",
                step="memoryPolicy",
                obj="linux.memoryPolicy",
                hint="The nodes must be online and among resources.cpu.mems; the mode may be newer than the kernel",
            ) from error
