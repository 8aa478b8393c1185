# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_volume_info does: the volumes that are here; nothing is changed."""

from __future__ import annotations

import fnmatch

from ..kernel.errors import answer
from ..statedir import StateDir
from .module import everything

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def run(module: Any) -> None:
    """Return the volumes that *module* (an AnsibleModule) asks for, and exit it."""
    answer(module, "volumes", lambda: _result(volumes(module.params)))


def _result(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"changed": False, "exists": bool(found), "volumes": found}


def volumes(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The dictionaries of the volumes for the options ``name``, ``label`` and ``dangling``, by name."""
    return [volume for volume in everything(StateDir(params["root"])) if _wanted(volume, params)]


def _wanted(volume: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    if params["name"] and not any(fnmatch.fnmatchcase(volume["Name"], name) for name in params["name"]):
        return False
    if params["dangling"] is not None and bool(volume["Containers"]) is params["dangling"]:
        return False
    return all(_labelled(volume["Labels"], label) for label in params["label"] or ())


def _labelled(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
