# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what is recorded is what is desired, for each option as the task's ``comparisons`` say."""

from __future__ import annotations

from .errors import ContainerError
from .optionrow import DICT, LIST, SET, VALUE
from .options import TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def equal(name: str, desired: Any, recorded: Any, comparison: str = "strict") -> bool:
    """Whether *recorded* satisfies *desired* under one of ``strict``, ``ignore``, ``allow_more_present``.

    None stands for an option left out.
    """
    row = TABLE[name]
    desired = row.default if desired is None else desired
    recorded = row.default if recorded is None else recorded
    if comparison == "ignore" or desired == recorded:
        return True
    if comparison == "allow_more_present" and desired is not None and recorded is not None:
        if row.compare == DICT:
            return all(item in recorded and recorded[item] == value for item, value in desired.items())
        if row.compare == SET:
            return all(item in recorded for item in desired)
        if row.compare == LIST:
            rest = iter(recorded)
            return all(item in rest for item in desired)
    return False


def comparisons(declared: Mapping[str, Any] | None) -> dict[str, str]:
    """The comparison of every option, from the task's ``comparisons``; raises ContainerError for what makes no sense.

    ``"*"`` stands for every option that is not named.
    """
    chosen = dict(declared or {})
    aliases = {alias: row.name for row in TABLE.values() for alias in row.aliases}
    result = dict.fromkeys([*TABLE, "image"], "strict")
    wildcard = chosen.pop("*", "strict")
    if wildcard not in ("strict", "ignore"):
        raise ContainerError(f'comparisons: "*" must be strict or ignore, not {wildcard!r}', step="options")
    result = dict.fromkeys(result, wildcard)
    for given, how in chosen.items():
        name = aliases.get(given, given)
        if name not in result:
            raise ContainerError(f"comparisons: there is no option {given!r}", step="options", obj=str(given))
        if how not in ("strict", "ignore", "allow_more_present"):
            raise ContainerError(
                f"comparisons: {given} must be strict, ignore or allow_more_present, not {how!r}", step="options"
            )
        if how == "allow_more_present" and (name == "image" or TABLE[name].compare == VALUE):
            raise ContainerError(
                f"comparisons: {given} is a single value; allow_more_present is for lists and dictionaries",
                step="options",
                obj=str(given),
            )
        result[name] = how
    return result
