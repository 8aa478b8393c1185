# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module cgroup_limit does: plan from the options and the kernel, then carry the plan out."""

from __future__ import annotations

import json
import os
from collections import namedtuple

from ..kernel.errors import Error
from ..statedir import StateDir
from .api import open_cgroup
from .errors import CgroupError
from .validate import validate
from .vocabulary import limits_of, option_of, resources_of, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .api import Cgroup

Action = namedtuple("Action", "verb object detail")
Action.__doc__ = """One thing done to the host, printed as ``set memory to 512m``."""


class Plan(namedtuple("Plan", "create changes move remove")):
    """create: make the group · changes: limits to write · move: pids to move in · remove: empty it and take it away."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self.create or self.changes or self.move or self.remove)


def run(module: Any) -> None:
    """Run the task of *module* (AnsibleModule); ends in exit_json or fail_json."""
    options = module.params
    name = options["name"] or options["path"]
    try:
        module.exit_json(**result(options, module.check_mode))
    except Error as error:
        module.fail_json(msg=f"{name} on {os.uname().nodename}: {error}")
    except OSError as error:
        module.fail_json(msg=f"{name} on {os.uname().nodename}: {error.strerror}: {error.filename}")


def result(options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the task returns; changes the host unless *check_mode*. Raises CgroupError."""
    if options["name"]:
        group = open_cgroup(container_path(StateDir(options["root"]), options["name"]), owner="container")
    else:
        group = open_cgroup(options["path"])
    absent = options["state"] == "absent"
    resources, raw = ({}, {}) if absent else resources_of(options, group)
    validate(resources)
    plan = make_plan(group, options, resources, raw)
    existed = group.exists()
    before = limits_of(group, raw) if existed else {}
    after: dict[str, Any] = {}
    if not absent:
        after = limits_of(group, raw, plan.changes) if plan and check_mode else before
    if plan and not check_mode:
        carry_out(group, plan, resources, raw)
        if not absent:
            after = limits_of(group, raw)
    return {
        "changed": bool(plan),
        "path": group.path,
        "actions": [_describe(action) for action in actions(group, plan)],
        "limits": {"before": before, "after": after},
        "diff": {
            "before": _differing(before, after, existed),
            "after": _differing(after, before, not absent),
        },
    }


def container_path(state: StateDir, name: str) -> str:
    """The cgroup of container *name*, from its bundle. Raises CgroupError when there is no such container."""
    config = os.path.join(state.containers, name, "bundle", "config.json")
    try:
        with open(config, encoding="utf-8") as file:
            path = json.load(file)["linux"]["cgroupsPath"]
    except (FileNotFoundError, NotADirectoryError):
        raise CgroupError(
            f"there is no container {name!r} in {state.root}",
            step="name",
            hint="aoci containers lists them; for a cgroup that is not a container's use path",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise CgroupError(f"{config} does not tell the container's cgroup: {error!r}", step="name") from error
    return str(path)


def make_plan(group: Cgroup, options: Mapping[str, Any], resources: dict[str, Any], raw: dict[str, str]) -> Plan:
    """What has to be done for *options* to hold; an empty plan where they do."""
    if options["state"] == "absent":
        return Plan(False, [], [], group.exists())
    pids = [pid for pid in dict.fromkeys(options["processes"] or ()) if not group.holds(pid)]
    changes = group.plan(resources, raw)
    directories = group.directories() if pids else [group.directory(change.controller) for change in changes]
    create = not group.exists() or not all(os.path.isdir(directory) for directory in directories if directory)
    if create and options["name"]:
        raise CgroupError(
            f"container {options['name']} has no cgroup {group.path}: it is not running",
            step="name",
            hint="Start it first, or declare its limits with oci_container",
        )
    return Plan(create, changes, pids, False)


def carry_out(group: Cgroup, plan: Plan, resources: dict[str, Any], raw: dict[str, str]) -> None:
    """Do what *plan* says. What was made for it goes again when a limit is refused or a process cannot be moved."""
    if plan.remove:
        group.evacuate()
        group.remove()
        return
    existed = group.exists()
    try:
        if plan.create:
            group.create()
            group.set(resources, raw)
        else:
            group.apply(plan.changes)
        group.keep()
        for pid in plan.move:
            group.add(pid)
    except CgroupError:
        if not existed:
            group.evacuate()
            group.remove()
        raise


def actions(group: Cgroup, plan: Plan) -> list[Action]:
    """*plan* in the words of a report."""
    done = []
    if plan.create:
        done.append(Action("created", f"cgroup {group.path}", ""))
    done += [Action("set", option_of(change.file), f"to {shown(change)}") for change in plan.changes]
    done += [Action("moved", f"process {pid}", f"into {group.path}") for pid in plan.move]
    if plan.remove:
        done.append(Action("removed", f"cgroup {group.path}", ""))
    return done


def _describe(action: Action) -> str:
    return " ".join(part for part in action if part)


def _differing(these: dict[str, Any], others: dict[str, Any], exists: bool) -> dict[str, Any]:
    """The side of a diff: whether the group is there, and the limits that differ from *others*."""
    return {
        "exists": exists,
        **{key: value for key, value in these.items() if others.get(key) != value},
    }
