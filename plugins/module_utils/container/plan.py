# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a container: a pure function of what is desired, recorded and observed.

Nothing here touches the host, and nothing is decided later: container/apply.py carries the actions out in order.
"""

from __future__ import annotations

from collections import namedtuple

from ..cgroup import killed
from . import mountset, netmode, secretvalues
from .comparing import equal
from .errors import ContainerError
from .optionrow import LIMITS, MONITOR, NETWORK, RECREATE
from .options import TABLE
from .resources import can_change
from .spec import desired_options, setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .observe import Observed

# What the task wants. ``declared`` canonical options, ``image`` the name it gives ("" for none), ``comparisons`` of
# every option (comparing.comparisons), ``paused`` None where it does not say, ``mismatch`` what another name of the
# same image means: "recreate", "ignore", or "" to record it, ``keep_volumes`` whether the anonymous volumes of a
# container that is removed stay.
Request = namedtuple(
    "Request",
    "name state image declared comparisons recreate restart paused mismatch keep_volumes",
    defaults=(None, "", True),
)

# The image the container shall be made from, as far as it is known before it is pulled: name as declared, id and
# digest ("" while unknown), actions what has to be done to have it (texts).
Wanted = namedtuple("Wanted", "name id digest actions")

# verb: pull, volume, create, replace, update, stop, start, restart, pause, unpause, remove. object: what it is done to.
# detail: why, for people.
Action = namedtuple("Action", "verb object detail")

# actions to carry out, options the container then has, what changed of them (names), before and after for the diff
Plan = namedtuple("Plan", "actions options changed before after")

_PAST = {
    "volume": "created volume",
    "create": "created container",
    "replace": "replaced container",
    "update": "updated",
    "stop": "stopped",
    "start": "started",
    "restart": "restarted",
    "pause": "paused",
    "unpause": "unpaused",
    "remove": "removed container",
}
_RUNNING = ("running", "paused", "restarting")
MASK = "********"


def text(action: Action) -> str:
    """The action for people, in the past tense: ``updated memory``, ``replaced container web (command)``."""
    if action.verb == "pull":
        return str(action.object)
    words = f"{_PAST[action.verb]} {action.object}".strip()
    return f"{words} ({action.detail})" if action.detail else words


def plan(
    request: Request,
    recorded: Mapping[str, Any] | None,
    observed: Observed,
    wanted: Wanted | None,
    volumes: frozenset[str] = frozenset(),
) -> Plan:
    """The plan for one container.

    recorded  its spec, None when there is no such container
    observed  how it is now
    wanted    the image named by the task; None when it names none
    volumes   those that are there, of the ones that the task names or the container has

    Raises ContainerError where the request cannot be met from what there is.
    """
    if request.state == "absent":
        return _absent(request, recorded, observed)
    if recorded is None:
        return _new(request, wanted, volumes)
    options, stays_alone = _desired(request, recorded, whole=wanted is not None)
    changed = [
        name
        for name in TABLE
        if not equal(name, options.get(name), recorded["options"].get(name), request.comparisons[name])
        and not (stays_alone and name == "network_mode")
    ]
    if observed.mute and setting(options if "log_driver" in changed else recorded["options"], "log_driver") == "none":
        observed = observed._replace(mute=False)  # as it shall be
    running = observed.status in _RUNNING
    run = {"started": True, "healthy": True, "stopped": False}.get(request.state, running)
    pulls = [Action("pull", action, "") for action in wanted.actions] if wanted else []
    reasons = [name for name in changed if _needs_new(name, options, recorded["options"])]
    named_anew = _name_differs(request, recorded["image"], wanted)
    if _image_differs(request, recorded["image"], wanted) or (named_anew and request.mismatch == "recreate"):
        reasons.insert(0, "image")
    if request.recreate:
        reasons.append("recreate")
    if stays_alone and reasons and request.comparisons["network_mode"] != "ignore":
        reasons.append("network_mode")
        changed.append("network_mode")
    before, after = _changes(changed, recorded["options"], options)
    if wanted is not None and ("image" in reasons or named_anew):
        before, after = _image_changes(before, after, recorded["image"], wanted)
    pausing = _pausing(request, observed, run, bool(reasons))
    if pausing:
        before["paused"], after["paused"] = observed.status == "paused", pausing[0].verb == "pause"
    _state_changes(before, after, observed.status, "running" if run else "stopped" if running else "")
    if reasons:
        actions = [*pulls, *_made(mountset.missing(options, None, volumes))]
        actions.append(Action("replace", request.name, ", ".join(reasons)))
        if run:
            actions.append(Action("start", "", ""))
        return Plan((*actions, *pausing), options, tuple(changed), before, after)
    kept = {**recorded["options"], **{name: options[name] for name in changed if name in options}}
    for name in changed:
        if name not in options:
            del kept[name]
    if named_anew:
        changed.insert(0, "image")
    updates = _updates(changed, observed, request)
    if not run and "networks" in updates and "networks" not in changed:
        updates.remove("networks")  # what is to stop need not be connected first
    for option, now, declared in observed.drift:
        if option in updates and option not in changed:
            before[option], after[option] = now, declared
    actions = list(pulls)
    if updates:
        actions.append(Action("update", ", ".join(updates), ""))
    life = _life(request, observed, run, recorded["options"].get("memory", 0))
    if any(action.verb in ("start", "restart") for action in life):
        actions += _made(mountset.missing(options, recorded, volumes))
    actions += life
    actions += pausing
    return Plan(tuple(actions), kept, tuple(changed), before, after)


def _desired(request: Request, recorded: Mapping[str, Any], *, whole: bool) -> tuple[dict[str, Any], bool]:
    """(the options that the container shall have, whether all the same it stays without a network for now).

    One that has none because none was the default is not replaced for a default: but once it is replaced, or a task
    says something of its network, it is what a new one would be.
    """
    known = recorded["options"]
    if not netmode.unsaid(request.declared, recorded):
        return desired_options(request.declared, known, whole=whole), False
    if not whole and netmode.wants_one(request.declared):
        known = {name: value for name, value in known.items() if name != "network_mode"}
    options = desired_options(request.declared, known, whole=whole)
    return options, whole and not netmode.wants_one(options)


def _absent(request: Request, recorded: Mapping[str, Any] | None, observed: Observed) -> Plan:
    if recorded is None:
        return Plan((), {}, (), {"state": "absent"}, {"state": "absent"})
    forgotten = not request.keep_volumes and recorded.get("anonymous")
    actions = [Action("remove", request.name, "and its anonymous volumes" if forgotten else "")]
    if observed.status in _RUNNING:
        actions.insert(0, Action("stop", "", ""))
    before = {"state": observed.status, "image": recorded["image"]["name"]}
    return Plan(tuple(actions), {}, (), before, {"state": "absent"})


def _new(request: Request, wanted: Wanted | None, volumes: frozenset[str]) -> Plan:
    if wanted is None:
        raise ContainerError(
            f"there is no container {request.name}, and the task names no image to make one from",
            step="image",
            obj=request.name,
            hint="Give image",
        )
    options = desired_options(request.declared, {}, whole=True)
    actions = [Action("pull", action, "") for action in wanted.actions]
    actions += _made(mountset.missing(options, None, volumes))
    actions.append(Action("create", request.name, ""))
    if request.state in ("started", "healthy"):
        actions.append(Action("start", "", ""))
        actions += [Action("pause", "", "")] if request.paused else []
    after = {"state": "running" if request.state in ("started", "healthy") else "created", "image": wanted.name}
    after.update({name: _shown(name, value) for name, value in options.items()})
    return Plan(tuple(actions), options, tuple(options), {"state": "absent"}, after)


def _made(volumes: list[str]) -> list[Action]:
    return [Action("volume", name, "") for name in volumes]


def _needs_new(name: str, options: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether a change of *name* needs a new container: some limits can be set, but not lifted, in place."""
    update = TABLE[name].update
    if name == "ipc_mode":  # the container's own either way: another one may join it, or may not
        return not {setting(options, name), setting(recorded, name)} <= {"shareable", "private"}
    return bool(update == RECREATE or (update == LIMITS and not can_change(name, options, recorded)))


def _image_differs(request: Request, recorded: Mapping[str, Any], wanted: Wanted | None) -> bool:
    if wanted is None or request.comparisons["image"] == "ignore":
        return False
    if wanted.id:
        return bool(wanted.id != recorded["id"])
    return not wanted.digest or wanted.digest != recorded["digest"]


def _name_differs(request: Request, recorded: Mapping[str, Any], wanted: Wanted | None) -> bool:
    """Whether the image goes by another name, and that is not to be ignored."""
    if wanted is None or request.comparisons["image"] == "ignore" or request.mismatch == "ignore":
        return False
    return bool(wanted.name != recorded["name"])


def _updates(changed: list[str], observed: Observed, request: Request) -> list[str]:
    """The options to update in place: what changed, the image's name among it, and what drifted."""
    updates = list(changed)
    for option, _now, _declared in observed.drift:
        if option not in updates and request.comparisons.get(option) != "ignore":
            updates.append(option)
    return updates


def _life(request: Request, observed: Observed, run: bool, memory: int) -> list[Action]:
    """What starts, stops or restarts a container that stays; *memory* is the limit that it has had."""
    running = observed.status in _RUNNING
    if not run:
        return [Action("stop", "", "")] if running else []
    if not running:
        return [Action("start", "", f"it had been {killed.reason(memory)}" if observed.killed else "")]
    if request.restart:
        return [Action("restart", "", "")]
    if observed.lost:
        return [Action("restart", "", observed.lost)]
    if observed.stopping:
        return [Action("restart", "", "a stop was under way")]
    if observed.alone:
        return [Action("restart", "", "nothing supervised it")]
    if observed.mute:
        return [Action("restart", "", "nobody could read what it wrote")]
    return []


def _pausing(request: Request, observed: Observed, run: bool, replaced: bool) -> list[Action]:
    """What comes last where the task says whether the container is to stand still."""
    if request.paused is None or not run:
        return []
    begins = replaced or any(action.verb in ("start", "restart") for action in _life(request, observed, run, 0))
    stands = observed.status == "paused" and not begins
    if request.paused:
        return [Action("pause", "", "")] if not stands and (begins or observed.status == "running") else []
    return [Action("unpause", "", "")] if stands else []


# -- the diff -----------------------------------------------------------------------------------------------------


def _changes(
    changed: list[str], recorded: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    before, after = {}, {}
    for name in changed:
        old, new = recorded.get(name), options.get(name)
        if name == "mounts":
            old, new = mountset.shown(old or []), mountset.shown(new or [])
        if name == "secrets":
            old, new = secretvalues.shown(old or [], [], MASK), secretvalues.shown(new or [], old or [], MASK)
        if name == "env":
            old, new = _masked(old or {}, new or {}), _masked(new or {}, old or {}, " (changed)")
        before[name], after[name] = old, new
    return before, after


def _shown(name: str, value: Any) -> Any:
    if name == "secrets":
        return secretvalues.shown(value, [], MASK)
    if name == "mounts":
        return mountset.shown(value)
    return dict.fromkeys(value, MASK) if name == "env" else value


def _masked(env: Mapping[str, str], other: Mapping[str, str], mark: str = "") -> dict[str, str]:
    """The names of *env*; *mark* behind the value of one that *other* has differently."""
    return {
        name: MASK + (mark if name in other and other[name] != value else "") for name, value in sorted(env.items())
    }


def _image_changes(
    before: dict[str, Any], after: dict[str, Any], recorded: Mapping[str, Any], wanted: Wanted
) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = recorded["name"], wanted.name
    if wanted.id != recorded["id"] and (not wanted.digest or wanted.digest != recorded["digest"]):
        old = f"{old} ({recorded['digest'] or recorded['id']})"
        new = f"{new} ({wanted.digest or wanted.id or 'to be pulled'})"
    if old != new:
        return {"image": old, **before}, {"image": new, **after}
    return before, after


def _state_changes(before: dict[str, Any], after: dict[str, Any], now: str, then: str) -> None:
    if then and now != then and not (then == "running" and now in _RUNNING):
        before["state"], after["state"] = now, then


def monitor_reads(changed: tuple[str, ...]) -> bool:
    """Whether the monitor has to read its settings again after *changed* options were recorded."""
    return any(name in ("auto_remove", "labels", "image") or TABLE[name].update == MONITOR for name in changed)


def network_changes(options: Iterable[str]) -> bool:
    """Whether one of *options* is a matter of the container's connections."""
    return any(name in TABLE and TABLE[name].update == NETWORK for name in options)
