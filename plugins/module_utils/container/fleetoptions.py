# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of oci_containers: those of oci_container for each container, and what is said of all of them."""

from __future__ import annotations

from . import foreign, options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Of oci_container's options those that make no sense for one of many, and those of others' modules for one container.
LEFT_OUT = ("root", "detach", "cleanup", *foreign.TABLE)


def of_a_member() -> dict[str, dict[str, Any]]:
    """The options of one container. Without their defaults: what is left out may have been given for all."""
    spec = {
        name: {key: value for key, value in row.items() if key != "default"}
        for name, row in options.argument_spec().items()
        if name not in LEFT_OUT
    }
    return {**spec, "depends_on": {"type": "raw"}}


def argument_spec() -> dict[str, dict[str, Any]]:
    """What AnsibleModule takes."""
    member = of_a_member()
    shared = {name: row for name, row in member.items() if name not in ("name", "depends_on")}
    return {
        "containers": {"type": "list", "elements": "dict", "required": True, "options": member},
        "defaults": {"type": "dict", "options": shared},
        "project": {"type": "str"},
        "purge": {"type": "bool", "default": False},
        "on_failure": {"type": "str", "choices": ["stop", "continue"], "default": "stop"},
        "parallel": {"type": "int"},
        "root": {"type": "path"},
    }
