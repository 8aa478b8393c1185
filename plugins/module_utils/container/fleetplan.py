# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of containers as it is declared: what each one's options are, and which of them depend on which.

Pure, as container/plan.py is for one container.
"""

from __future__ import annotations

from collections import namedtuple

from . import netmode, spellings
from . import spec as specs
from .errors import ContainerError
from .plan import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from .plan import Action, Plan

# The label that says which project a container belongs to.
PROJECT = "agentless.oci.project"

# What of a container another one can wait for; EXISTS is not for users: volumes_from needs no more.
STARTED, HEALTHY, COMPLETED, EXISTS = "started", "healthy", "completed", "exists"
CONDITIONS = (STARTED, HEALTHY, COMPLETED)

# One declared container. parameters: as oci_container takes them; needs: name → condition
Member = namedtuple("Member", "name parameters needs")

# The states in which a container is to run.
RUNS = ("started", "healthy")
# Of the set, not of a container.
_OWN = ("depends_on",)


def members(parameters: Mapping[str, Any], task_defaults: Mapping[str, Any]) -> list[Member]:
    """The containers of the module's *parameters*, in the order they are declared.

    task_defaults  what options of a task are where nobody gives them (options.argument_spec)
    Raises ContainerError.
    """
    shared = given(parameters.get("defaults") or {})
    found = []
    for container in parameters.get("containers") or ():
        own = {**task_defaults, **shared, **given(container), "root": parameters.get("root")}
        own = {name: value for name, value in own.items() if name not in _OWN}
        name = str(own["name"])
        try:
            own = spellings.folded(own)[0]  # of what is to be warned of each container's own task will
        except ContainerError as error:
            # It does not always know the error's base.  pylint: disable-next=bad-exception-cause
            raise _error(name, error.message, error.hint) from error
        if bool(own.get("username")) != bool(own.get("password")):
            raise _error(name, "username and password are needed together")
        found.append(Member(name, own, {**implied_needs(own), **needs(name, container.get("depends_on"))}))
    return _within(found)


def given(container: Mapping[str, Any]) -> dict[str, Any]:
    """The options that somebody has given: Ansible hands over None for every other one."""
    return {name: value for name, value in container.items() if value is not None}


def with_project(parameters: dict[str, Any], project: str | None, recorded: Mapping[str, str] | None = None) -> None:
    """Put the project's label into *parameters*, beside the labels that they, or else *recorded*, have.

    A declaration without labels and without an image leaves the recorded labels as they are.
    """
    if not project or parameters.get("state") == "absent":
        return
    labels = parameters.get("labels")
    if labels is None and not parameters.get("image"):
        labels = recorded
    parameters["labels"] = {**(labels or {}), PROJECT: project}


def needs(name: str, value: object) -> dict[str, str]:
    """The option ``depends_on``, name → condition, from a list of names or a dictionary. Raises ContainerError."""
    if value is None:
        return {}
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise _error(name, "depends_on: the list must be one of names")
        return dict.fromkeys(value, STARTED)
    if not isinstance(value, dict):
        raise _error(name, "depends_on must be a list of names, or a dictionary of names and conditions")
    found = {}
    for other, condition in value.items():
        if isinstance(condition, dict) and set(condition) == {"condition"}:  # as compose files have it
            condition = condition["condition"]
        word = str(STARTED if condition is None else condition)
        prefix, _underscore, rest = word.partition("_")
        word = {"completed_successfully": COMPLETED}.get(rest, rest) if prefix == "service" else word
        if word not in CONDITIONS:
            raise _error(name, f"depends_on: {other} must be {', '.join(CONDITIONS[:-1])} or {CONDITIONS[-1]}")
        found[str(other)] = word
    return found


def implied_needs(parameters: Mapping[str, Any]) -> dict[str, str]:
    """What a container needs by its other options: whose volumes, network, processes or IPC it has."""
    found = {}
    for item in parameters.get("volumes_from") or ():
        found[str(item).partition(":")[0]] = EXISTS
    for option in ("network_mode", "pid_mode", "ipc_mode"):
        mode = parameters.get(option)
        for item in mode if isinstance(mode, list) else [mode]:
            if isinstance(item, str) and item.startswith("container:"):
                found[item.partition(":")[2]] = STARTED
    return found


def _within(found: list[Member]) -> list[Member]:
    """*found*, checked as a whole; what was implied of containers outside the set is none of its business."""
    known: dict[str, Member] = {}
    for member in found:
        if member.name in known:
            raise _error(member.name, "it is declared twice")
        known[member.name] = member
    checked = []
    for member in found:
        declared = {
            name: condition
            for name, condition in member.needs.items()
            if name in known or name not in implied_needs(member.parameters)
        }
        for name, condition in declared.items():
            _check_need(member, name, condition, known)
        checked.append(member._replace(needs=declared))
    cycle = find_cycle({member.name: member.needs for member in checked})
    if cycle:
        raise ContainerError(
            f"depends_on: the containers wait for each other: {' → '.join(cycle)}", step="order", obj=cycle[0]
        )
    return checked


def _check_need(member: Member, name: str, condition: str, known: Mapping[str, Member]) -> None:
    other = known.get(name)
    if other is None:
        raise _error(
            member.name, f"depends_on: there is no container {name} among those of this task", "Declare it, too"
        )
    if member.parameters["state"] not in RUNS:
        return
    state = other.parameters["state"]
    if state not in RUNS and (condition != EXISTS or state == "absent"):
        raise _error(member.name, f"depends_on: it is to run and needs {name}, which is declared {state}")
    policy = other.parameters.get("restart_policy")
    if condition == COMPLETED and other.parameters.get("auto_remove"):
        raise _error(member.name, f"depends_on: {name} removes itself, so nobody can tell whether it has completed")
    if condition == COMPLETED and policy in ("always", "unless-stopped"):
        raise _error(member.name, f"depends_on: {name} is never completed, since its restart_policy is {policy}")


def find_cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Names that lead from one of them back to it; empty where there is no such way. Without recursion."""
    finished: set[str] = set()
    for start in graph:
        path: list[str] = []
        open_: list[Iterator[str]] = []
        here: str | None = start
        while here is not None:
            if here in path:
                return [*path[path.index(here) :], here]
            if here not in finished:
                path.append(here)
                open_.append(iter(graph.get(here, ())))
            here = None
            while open_ and here is None:
                here = next(open_[-1], None)
                if here is None:
                    open_.pop()
                    finished.add(path.pop())
    return []


def ordered(members: Mapping[str, Member]) -> list[str]:
    """The names in the order of the work: removals, then each after what it needs; else as they are declared."""
    gone = {name: member for name, member in members.items() if member.parameters["state"] == "absent"}
    before_removal: dict[str, list[str]] = {name: [] for name in gone}
    for name, member in gone.items():
        for other in member.needs:
            if other in gone:
                before_removal[other].append(name)
    needed = {name: list(member.needs) for name, member in members.items() if name not in gone}
    return [*_sorted(before_removal), *_sorted(needed)]


def _sorted(graph: Mapping[str, list[str]]) -> list[str]:
    """The names of *graph*, which has no cycle, each after those it leads to. Without recursion."""
    found: dict[str, None] = {}
    for start in graph:
        stack = [start]
        while stack:
            missing = [name for name in graph[stack[-1]] if name in graph and name not in found]
            if missing:
                stack.append(missing[0])
            else:
                found[stack.pop()] = None
    return list(found)


def check_together(plans: Mapping[str, Plan]) -> None:
    """Raise ContainerError where two containers of the set want the same port of the host, or the same address.

    And where one wants the IPC of another that keeps it to itself.
    """
    for name, made in plans.items():
        other = str(made.options.get("ipc_mode", "")).partition("container:")[2]
        if other in plans:
            try:
                specs.check_shares_ipc(other, plans[other].options)
            except ContainerError as error:
                # It does not always know the error's base.  pylint: disable-next=bad-exception-cause
                raise _error(name, error.message, error.hint) from error
    taken: dict[tuple[str, str], list[tuple[str, str]]] = {}
    addresses: dict[tuple[str, str], str] = {}
    for name, made in plans.items():
        for port in netmode.ports(made.options):
            if not port["host"].isdigit():
                continue
            holders = taken.setdefault((port["host"], port["protocol"]), [])
            for ip, other in holders:
                if other != name and (ip == port["ip"] or not ip or not port["ip"]):
                    raise _error(name, f"published_ports: {other} has port {port['host']}/{port['protocol']}, too")
            holders.append((port["ip"], name))
        for entry in made.options.get("networks", ()):
            for family in ("ipv4_address", "ipv6_address"):
                if family in entry and addresses.setdefault((entry["name"], entry[family]), name) != name:
                    other = addresses[entry["name"], entry[family]]
                    raise _error(name, f"networks: {other} has the address {entry[family]} in {entry['name']}, too")


def handovers(plans: Mapping[str, Plan], recorded: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Name → those that have, by their *recorded* options, a port of the host that it is to get, and must go first.

    Two that take turns find each other out when they are worked on.
    """
    having: dict[tuple[str, str], set[str]] = {}
    for name, options in recorded.items():
        for port in netmode.ports(options):
            having.setdefault((port["host"], port["protocol"]), set()).add(name)
    found: dict[str, set[str]] = {}
    for name, made in plans.items():
        for port in netmode.ports(made.options):
            found.setdefault(name, set()).update(having.get((port["host"], port["protocol"]), set()) - {name})
    return {name: others for name, others in found.items() if others}


def without_common(made: Plan) -> Plan:
    """*made* less what is done for its image and to have its volumes: in a set that is done once, for all."""
    return made._replace(actions=tuple(action for action in made.actions if action.verb not in ("pull", "volume")))


def new_volumes(made: Plan) -> list[str]:
    """The volumes that *made* makes."""
    return [str(action.object) for action in made.actions if action.verb == "volume"]


def without_rerun(made: Plan) -> Plan:
    """*made* for a container that has done its work, as the others wait for: it is not started for that again.

    What is new runs: a replaced one, or one with *restart*.
    """
    verbs = [action.verb for action in made.actions]
    if "start" not in verbs or "replace" in verbs or "create" in verbs:
        return made
    actions = tuple(action for action in made.actions if action.verb != "start")
    before, after = dict(made.before), dict(made.after)
    before.pop("state", None)
    after.pop("state", None)
    return made._replace(actions=actions, before=before, after=after)


def said(name: str, action: Action) -> str:
    """*action* for people, where it is one of many containers'."""
    words = text(action)
    if action.verb == "pull" or action.object == name:
        return words
    first, _space, rest = words.partition(" ")
    return f"{first} {name}" + (f" ({rest.strip('()')})" if rest else "")


def _error(name: str, message: str, hint: str = "") -> ContainerError:
    return ContainerError(f"{name}: {message}", step="options", obj=name, hint=hint)
