# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a volume: a pure function of what is declared, recorded and in use."""

from __future__ import annotations

from collections import namedtuple

from .driver import shown
from .errors import VolumeError
from .options import ALWAYS, CHANGED, NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# remove, make, save: whether the volume goes first, is made, is recorded anew. actions: for people. labels and
# driver_options: what it then has, None for no volume.
Plan = namedtuple("Plan", "remove make save actions labels driver_options")


def plan(given: Mapping[str, Any], known: Mapping[str, Any] | None, whole: bool, users: list[str]) -> Plan:
    """The plan for one volume.

    given  as options.declared() has it
    known  its record, None when there is no such volume
    whole  whether its directory of data is there
    users  the names of the containers that use it
    Raises VolumeError for what would take a container's data away, or cannot be changed as declared.
    """
    name = given["name"]
    if given["state"] == "absent":
        if known is None:
            return Plan(False, False, False, (), None, None)
        _check_unused(name, users, "removed")
        return Plan(True, False, False, (f"removed volume {name}",), None, None)
    if known is None:
        labels, driver_options = given["labels"] or {}, given["driver_options"] or {}
        return Plan(False, True, False, (f"created volume {name}",), labels, driver_options)
    labels = known["labels"] if given["labels"] is None else given["labels"]
    driver_options = known["driver_options"] if given["driver_options"] is None else given["driver_options"]
    differs = driver_options != known["driver_options"]
    if differs and given["recreate"] == NEVER:
        raise VolumeError(
            f"it is there with other driver options ({_shown(known['driver_options'])}); only a new one can have these",
            step="driver_options",
            obj=name,
            hint=f"Give recreate: {CHANGED}, which removes what is in it, or leave driver_options out",
        )
    if differs or given["recreate"] == ALWAYS:
        _check_unused(name, users, "replaced")
        why = "driver_options" if differs else "recreate"
        return Plan(True, True, False, (f"replaced volume {name} ({why})",), labels, driver_options)
    actions = []
    if not whole:
        actions.append(f"made the directory of volume {name} again")
    if labels != known["labels"]:
        actions.append(f"updated volume {name} (labels)")
    return Plan(False, not whole, labels != known["labels"], tuple(actions), labels, driver_options)


def _check_unused(name: str, users: list[str], verb: str) -> None:
    if users:
        raise VolumeError(
            f"it cannot be {verb} while containers use it: {', '.join(sorted(users))}",
            step="users",
            obj=name,
            hint="Remove them first",
        )


def _shown(options: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in sorted(shown(options).items())) or "none"
