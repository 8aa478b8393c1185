# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module oci_volume between Ansible's parameters and results, and the look at volumes for people."""

from __future__ import annotations

from ..kernel.errors import answer
from ..statedir import StateDir
from . import driver, names, options, store
from .plan import plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def run(module: Any) -> None:
    """Do what *module* (an AnsibleModule) asks for and leave through its exit."""
    name = module.params["name"]
    answer(module, f"volume {name}", lambda: apply(module.params, check_mode=module.check_mode))


def apply(parameters: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises VolumeError, OSError."""
    state = StateDir(parameters["root"])
    given = options.declared(parameters)
    if check_mode:
        return _change(state, given, check_mode=True)
    with store.lock(state, [given["name"]]):
        return _change(state, given, check_mode=False)


def _change(state: StateDir, given: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    name = given["name"]
    known = store.load(state, name)
    users = list(store.users(state).get(name, {}).values())
    made = plan(given, known, names.present(state, name), users)
    record = None
    if made.labels is not None:
        fresh = known is None or made.remove
        record = store.new_record(name) if fresh else dict(known or {})
        record.update(labels=made.labels, driver_options=made.driver_options)
    if not check_mode:
        if made.remove:
            store.remove(state, name)
        if made.make and record is not None:
            store.ensure(state, record)
        if made.save and record is not None:
            store.save(state, record)
        if not made.actions and known is None:
            store.clear_leftovers(state, name)
    before, after = _shown(known), _shown(record)
    return {
        "changed": bool(made.actions),
        "actions": list(made.actions),
        "diff": {"before": before, "after": after} if made.actions else {"before": {}, "after": {}},
        "volume": describe(state, record, users) if record is not None else {},
    }


def _shown(record: Mapping[str, Any] | None) -> dict[str, Any]:
    if record is None:
        return {"state": "absent"}
    return {"state": "present", "labels": record["labels"], "driver_options": driver.shown(record["driver_options"])}


# -- for people ---------------------------------------------------------------------------------------------------


def describe(state: StateDir, record: Mapping[str, Any], users: list[str]) -> dict[str, Any]:
    """A volume in the words of ``docker volume inspect``, and who uses it."""
    return {
        "Name": record["name"],
        "Driver": driver.LOCAL,
        "Mountpoint": names.data(state, record["name"]),
        "CreatedAt": record["created"],
        "Labels": dict(record["labels"]),
        "Options": driver.shown(record["driver_options"]),
        "Scope": "local",
        "Anonymous": record["anonymous"],
        "Containers": sorted(users),
    }


def everything(state: StateDir) -> list[dict[str, Any]]:
    """:func:`describe` of all volumes. Raises VolumeError."""
    users = store.users(state)
    found = (store.load(state, name) for name in store.all_names(state))
    return [describe(state, record, list(users.get(record["name"], {}).values())) for record in found if record]
