# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of cgroup_limit have in common, whatever they are about."""

from __future__ import annotations

from collections import namedtuple

from .errors import CgroupError
from .vocabulary import option_of, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .plan import Change

Step = namedtuple("Step", "lines do")
Step.__doc__ = (
    """A part of a plan: what it does, in the words of a report, and the function without arguments that does it."""
)

_TARGETS = ("name", "path", "unit", "pid")
_NO_LIMITS = frozenset((*_TARGETS, "state", "processes", "kill", "persistent", "root"))


def declared_limits(options: Mapping[str, Any]) -> dict[str, Any]:
    """The limits among the module's *options*, those that are declared."""
    return {name: value for name, value in options.items() if value is not None and name not in _NO_LIMITS}


def set_lines(changes: Iterable[Change]) -> list[str]:
    """``set memory to 2g`` for each; what takes two files is said once."""
    return list(dict.fromkeys(f"set {option_of(change.file)} to {shown(change)}" for change in changes))


def move_lines(pids: Iterable[int], path: str) -> list[str]:
    return [f"moved process {pid} into {path}" for pid in pids]


def check_options(options: Mapping[str, Any]) -> None:
    """Raise CgroupError for options that name no group, or contradict each other."""
    if not any(options[name] for name in _TARGETS):
        raise CgroupError(
            "no group is named: name, path, unit and pid are empty", step="path", hint="Declare one of them"
        )
    if options["state"] == "absent" and options["pid"]:
        raise CgroupError(
            "pid names the group that a process is in, and the next run would find it in the group above",
            step="pid",
            hint="Name the group to remove with path",
        )
    if options["kill"] and options["state"] != "absent":
        raise CgroupError(
            "kill is about the end of a group", step="kill", hint="Declare state: absent, or leave it out"
        )
    if options["name"] and options["persistent"]:
        raise CgroupError(
            "a container's limits are kept with the container",
            step="persistent",
            hint="Declare them with oci_container",
        )
    if options["name"] and options["state"] == "absent":
        raise CgroupError(
            "a container's group goes with the container", step="state", hint="Remove it with oci_container"
        )
