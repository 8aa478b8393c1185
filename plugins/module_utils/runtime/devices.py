# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that every container may use, whatever its device rules (config-linux.md, "Default Devices")."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# (type, major, minor, access); None is any number. Making nodes is harmless: using them is what the rules decide.
_ALLOWED = (
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", 1, 3, "rwm"),  # null
    ("c", 1, 5, "rwm"),  # zero
    ("c", 1, 7, "rwm"),  # full
    ("c", 1, 8, "rwm"),  # random
    ("c", 1, 9, "rwm"),  # urandom
    ("c", 5, 0, "rwm"),  # tty
    ("c", 5, 2, "rwm"),  # ptmx
    ("c", 136, None, "rwm"),  # pts/*
)


def with_defaults(resources: dict[str, Any]) -> dict[str, Any]:
    """*resources* with the default devices behind its own device rules, as other runtimes add them.

    Without rules a container may use all devices already, and none are added.
    """
    rules = resources.get("devices")
    if not rules:
        return resources
    added = []
    for kind, major, minor, access in _ALLOWED:
        rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
        if major is not None:
            rule["major"] = major
        if minor is not None:
            rule["minor"] = minor
        added.append(rule)
    return {**resources, "devices": [*rules, *added]}
