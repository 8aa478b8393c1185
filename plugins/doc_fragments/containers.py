# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of each container of a set: those of oci_container, as its own documentation describes them."""

from __future__ import annotations

import importlib
import re
from typing import Any

import yaml
from ansible_collections.agentless.oci.plugins.module_utils.container.fleetoptions import LEFT_OUT
from ansible_collections.agentless.oci.plugins.modules.oci_container import DOCUMENTATION as OF_ONE

_FRAGMENTS = "ansible_collections.agentless.oci.plugins.doc_fragments"
_REFERENCE = re.compile(r"\bO\(([a-z_]+)(?![a-z_.]*#)")  # not those to another module's
_DEPENDS_ON = """
description:
  - Containers of this task that this one needs, as a list of names, or as a dictionary of names and conditions.
  - With V(started), and in a list, the other one must have been started.
  - With V(healthy) its health check must have succeeded, within its O(containers[].healthy_wait_timeout).
  - With V(completed) it must have ended with exit code 0. It is not started again as long as it is what the task
    declares; a changed one runs anew.
  - The conditions are waited for before this container is changed, and only if there is something to change. If one
    cannot be met, it is left untouched, and so are those that need it.
  - A container whose network, processes, IPC or volumes this one uses (O(containers[].network_mode),
    O(containers[].pid_mode), O(containers[].ipc_mode), O(containers[].volumes_from)) is needed without being named
    here.
type: raw
"""


def _documented() -> dict[str, Any]:
    """The options of oci_container, those of its fragments among them."""
    documentation = yaml.safe_load(OF_ONE)
    found: dict[str, Any] = {}
    for fragment in documentation["extends_documentation_fragment"]:
        name, _dot, part = fragment.split(".", 2)[2].partition(".")
        module = importlib.import_module(f"{_FRAGMENTS}.{name}")
        text = getattr(module.ModuleDocFragment, part.upper() or "DOCUMENTATION")
        found.update(yaml.safe_load(text).get("options") or {})
    found.update(documentation["options"])
    return {name: option for name, option in found.items() if name not in LEFT_OUT}


def _of_a_member(value: Any) -> Any:
    """*value* with the references to options as those of a set's container."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: match[0] if match[1] in LEFT_OUT else f"O(containers[].{match[1]}", value)
    if isinstance(value, list):
        return [_of_a_member(item) for item in value]
    if isinstance(value, dict):
        return {name: _of_a_member(item) for name, item in value.items()}
    return value


def _without_default(option: dict[str, Any]) -> dict[str, Any]:
    """What is left out may have been given for all containers: so the default is a sentence, and none of Ansible's."""
    found = dict(option)
    if "default" in found:
        default = yaml.safe_dump(found.pop("default")).split("\n")[0]
        found["description"] = [*found["description"], f"The default is V({default})."]
    return found


def _briefly(name: str, option: dict[str, Any]) -> dict[str, Any]:
    found = {**option, "description": [f"As O(containers[].{name})."]}
    if "suboptions" in found:
        found["suboptions"] = {
            inner: {**entry, "description": [f"As O(containers[].{name}.{inner})."]}
            for inner, entry in found["suboptions"].items()
        }
    return found


def _document() -> str:
    member = {name: _without_default(_of_a_member(option)) for name, option in _documented().items()}
    shared = {name: _briefly(name, option) for name, option in member.items() if name != "name"}
    described = {
        "containers": {
            "description": [
                "The containers, each with the options of M(agentless.oci.oci_container) and its O(containers[].name)."
            ],
            "type": "list",
            "elements": "dict",
            "required": True,
            "suboptions": {**member, "depends_on": yaml.safe_load(_DEPENDS_ON)},
        },
        "defaults": {
            "description": ["Options for every container that does not give them itself."],
            "type": "dict",
            "suboptions": shared,
        },
    }
    return yaml.safe_dump({"options": described}, sort_keys=False, width=1000)


class ModuleDocFragment:
    DOCUMENTATION: str


ModuleDocFragment.DOCUMENTATION = _document()  # in the class ansible-test reads nothing but texts
