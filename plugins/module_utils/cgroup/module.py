# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module cgroup_limit does: plan from the options and the kernel, then carry the plan out."""

from __future__ import annotations

import contextlib
import os

from ..kernel.errors import answer
from ..kernel.files import locked
from ..statedir import StateDir
from .group_steps import GroupSteps
from .killed import News, memory_of, of_directory
from .steps import check_options
from .target import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .unit_steps import UnitSteps


def run(module: Any) -> None:
    """Run the task of *module* (AnsibleModule); ends in exit_json or fail_json."""
    options = module.params
    name = options["name"] or options["path"] or options["unit"] or f"the group of process {options['pid']}"
    answer(module, name, lambda: result(options, module.check_mode))


def result(options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the task returns; changes the host unless *check_mode*. Raises CgroupError, OSError."""
    check_options(options)
    state = StateDir(options["root"])
    with contextlib.ExitStack() as stack:
        # Records and the unit that applies them are read, and written by what was read.
        if not check_mode and not options["name"]:
            stack.enter_context(locked(state.lock_path("limits", "all")))
        news = _kill_news(options, state)
        found = _result(_task(options, state), check_mode)
        if not check_mode:
            news.told()
        return {**found, **({"warnings": news.warnings} if news.warnings else {})}


def _kill_news(options: Mapping[str, Any], state: StateDir) -> News:
    """What is to be told of a container that was killed for lack of memory since a task has started it."""
    if not options["name"]:
        return News("", None, 0)
    directory = os.path.join(state.containers, options["name"])
    kill = of_directory(directory)
    return News(directory, kill, memory_of(directory) if kill else 0)


def _task(options: Mapping[str, Any], state: StateDir) -> GroupSteps | UnitSteps:
    from .unit_limits import UnitLimits

    group = find(options, state)
    if isinstance(group, UnitLimits):
        from .unit_steps import UnitSteps

        return UnitSteps(group, options)
    return GroupSteps(group, options, state, _core(state))


def _core(state: StateDir) -> str:
    """The host's copy of the core that this runs from; ``""`` from elsewhere: in check mode, in tests."""
    copy = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return copy if os.path.dirname(copy) == state.lib else ""


def _result(task: GroupSteps | UnitSteps, check_mode: bool) -> dict[str, Any]:
    steps = task.steps()
    before = task.limits()
    kept_before, kept_after = task.persistent()
    after = task.foreseen() if steps and check_mode else before
    if steps and not check_mode:
        for step in steps:
            step.do()
        after = task.limits()
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}

    def side(limits: dict[str, Any], exists: bool, kept: Any) -> dict[str, Any]:
        """One of a diff: whether the group is there, and what differs."""
        shown = {"exists": exists, **{name: value for name, value in limits.items() if name in differing}}
        return {**shown, "persistent": kept} if kept_before != kept_after else shown

    unit = getattr(task.group, "unit", None)
    return {
        "changed": bool(steps),
        "path": task.group.path,
        **({"unit": unit} if unit else {}),
        "actions": [line for step in steps for line in step.lines],
        "limits": {"before": before, "after": after},
        "persistent": bool(kept_after) or kept_after == {},
        "diff": {
            "before": side(before, task.existed, kept_before),
            "after": side(after, task.exists_after(), kept_after),
        },
    }
