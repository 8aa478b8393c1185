# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module oci_network between Ansible's parameters and results, and the look at networks for people."""

from __future__ import annotations

import os
import shutil

from ..kernel.errors import answer
from ..statedir import StateDir
from . import bridge, cni, conflist, networks, options, record
from .errors import NetworkError
from .sandbox import Sandbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def run(module: Any) -> None:
    """Do what *module* (an AnsibleModule) asks for and leave through its exit."""
    name = module.params["name"]
    answer(module, f"network {name}", lambda: apply(module.params, check_mode=module.check_mode))


def apply(parameters: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises NetworkError, OSError."""
    state = StateDir(parameters["root"])
    given = options.merged(parameters)
    options.check(given)
    if check_mode:
        return _change(state, given, check_mode=True)
    with networks.lock(state):
        return _change(state, given, check_mode=False)


def _change(state: StateDir, given: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    name = given["name"]
    existing = networks.load(state, name)
    wanted = None if given["state"] == "absent" else options.desired(state, given, existing)
    actions: list[str] = []
    if existing is not None and wanted is not None and _works_the_same(existing, wanted):
        if existing != wanted:
            actions.append(f"updated network {name} (labels)")
    elif existing != wanted:
        if wanted is not None:
            cni.check_plugins(wanted, cni.directories())
        if existing is not None:
            actions += _disconnect(state, existing, given, check_mode=check_mode)
            if not check_mode:
                _take_down(state, existing)
        verb = "removed" if wanted is None else "created" if existing is None else "changed"
        detail = f" ({', '.join(_differences(existing, wanted))})" if existing and wanted else ""
        actions.append(f"{verb} network {name}{detail}")
    if actions and not check_mode:
        if wanted is None:
            networks.remove(state, name)
        else:
            networks.save(state, wanted)
    absent = {"state": "absent"}
    changed = {"before": existing or absent, "after": wanted or absent} if actions else {"before": {}, "after": {}}
    return {
        "changed": bool(actions),
        "actions": actions,
        "diff": changed,
        "network": describe(state, wanted) if wanted is not None else {},
    }


def _works_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two conflists differ in nothing but labels."""
    return {**one, conflist.OURS: None} == {**other, conflist.OURS: None} and (
        conflist.is_internal(one) == conflist.is_internal(other)
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What of the network changes, for people."""
    old, new = _summary(before), _summary(after)
    return [name for name in new if new[name] != old[name]] or ["conflist"]


def _disconnect(
    state: StateDir, existing: Mapping[str, Any], given: Mapping[str, Any], *, check_mode: bool
) -> list[str]:
    """Take the containers off a network that is to change or to go. Raises NetworkError unless that is forced."""
    name = str(existing["name"])
    members = record.members(state, name)
    if members and not given["force"]:
        verb = "removed" if given["state"] == "absent" else "changed"
        raise NetworkError(
            f"it cannot be {verb} while containers are connected to it: {', '.join(sorted(members.values()))}",
            step="networks",
            obj=name,
            hint="Stop or disconnect them, or give force: true, which disconnects them",
        )
    for directory, member in members.items() if not check_mode else ():
        found = record.load(directory) or {}
        container_id = os.path.basename(directory)[1:]
        Sandbox(state, directory, container_id, member, found.get("names", [member])).disconnect(name)
    return [f"disconnected container {member}" for member in sorted(members.values())]


def _take_down(state: StateDir, existing: Mapping[str, Any]) -> None:
    """Remove what the plugins leave of a network that nobody is connected to: its bridge, its rules, its leases."""
    bridge.remove(existing)
    shutil.rmtree(os.path.join(state.leases, str(existing["name"])), ignore_errors=True)


# -- for people ---------------------------------------------------------------------------------------------------


def _summary(document: Mapping[str, Any]) -> dict[str, Any]:
    first, ours = document["plugins"][0], conflist.ours(document)
    ranges = conflist.ranges_of(document)
    return {
        "driver": ours.get("driver", first["type"]),
        "subnets": [entry["subnet"] for entry in ranges],
        "gateways": [entry.get("gateway", "") for entry in ranges],
        "ranges": [f"{entry['rangeStart']}-{entry['rangeEnd']}" for entry in ranges if "rangeStart" in entry],
        "internal": conflist.is_internal(document),
        "interface": conflist.bridge_of(document),
        "parent": str(first.get("master", "")),
        "mode": str(first.get("mode", "")),
        "vlan": first.get("vlan", 0),
        "mtu": first.get("mtu", 0),
    }


def describe(state: StateDir, document: Mapping[str, Any]) -> dict[str, Any]:
    """All that is known of a network, the containers that are connected to it among that."""
    name = str(document["name"])
    return {
        "name": name,
        **_summary(document),
        "labels": conflist.ours(document).get("labels", {}),
        "containers": sorted(record.members(state, name).values()),
        "path": networks.path_of(state, name),
        "conflist": dict(document),
    }


def everything(state: StateDir) -> list[dict[str, Any]]:
    """:func:`describe` of all networks. Raises NetworkError."""
    found = (networks.load(state, name) for name in networks.names(state))
    return [describe(state, document) for document in found if document is not None]
