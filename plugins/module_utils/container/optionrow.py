# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one row of the table of options says, and in which words."""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What a change of an option means for a container that exists.
RECREATE = "recreate"  # a new container takes its place
LIMITS = "limits"  # written to the running container's cgroup
RECORD = "record"  # only what is recorded changes: the next task that needs the value reads it there
MONITOR = "monitor"  # the monitor reads it again
NETWORK = "network"  # the running container is connected anew, and its /etc/hosts and resolv.conf are written

# How two canonical values compare under ``comparisons: {option: allow_more_present}``.
VALUE, LIST, SET, DICT = "value", "list", "set", "dict"


class Option(
    namedtuple("Option", "name type canonical update compare aliases choices elements default suboptions key")
):
    """One row of the table.

    canonical(value)  the canonical form; raises ValueError with the reason, without the option's name
    update            RECREATE, LIMITS, RECORD, MONITOR or NETWORK
    compare           VALUE, LIST (order matters), SET (of strings, or of dicts told apart by *key*) or DICT
    default           the canonical value that means the same as leaving the option out
    """

    __slots__ = ()


def option(
    name: str,
    type_: str,
    canonical: Callable[[Any], Any],
    update: str = RECREATE,
    compare: str = VALUE,
    *,
    aliases: tuple[str, ...] = (),
    choices: tuple[str, ...] = (),
    elements: str = "",
    default: Any = None,
    suboptions: dict[str, Any] | None = None,
    key: str = "",
) -> Option:
    return Option(name, type_, canonical, update, compare, aliases, choices, elements, default, suboptions, key)
