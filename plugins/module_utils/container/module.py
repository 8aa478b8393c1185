# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module oci_container between Ansible's parameters and results."""

from __future__ import annotations

import contextlib
import os

from ..cgroup import killed
from ..kernel.errors import Error, told
from ..statedir import StateDir
from . import (
    checks,
    comparing,
    logoptions,
    mountset,
    mountvalues,
    netmode,
    options,
    records,
    secretvalues,
    spellings,
    turns,
)
from . import spec as specs
from .errors import ContainerError
from .observe import ABSENT, observe
from .plan import Plan, Request, plan, text
from .updatevalues import START_FIRST, wishes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .observe import Observed
    from .records import Record
    from .wanted import Images, WantedImage

# The plan's verbs that a new process comes of.
MAKING = frozenset(("create", "replace", "start", "restart"))


def run(module: Any, entry: str) -> None:
    """Do what *module* (an AnsibleModule) asks for and leave through its exit; *entry* is the core's entry.py."""
    name = module.params["name"]
    try:
        task = Task(module.params, entry, check_mode=module.check_mode, timed=module._verbosity >= 2)
        result = task.run()
    except (Error, OSError) as error:
        module.fail_json(msg=told(name, error))
    for warning in result.pop("warnings"):
        module.warn(f"{name}: {warning}")
    why = result.pop("killed", "")
    if result.get("rc"):
        module.fail_json(
            msg=f"{name} on {os.uname().nodename}: the container ended with exit code {result['rc']}{why}", **result
        )
    module.exit_json(**result)


class Task:
    """One task on one container.

    leaving  directories of containers that will have given up their ports and addresses when it is this one's turn
    peers    the names of the set's containers as long as they are yet to be worked on
    """

    leaving: frozenset[str] = frozenset()
    peers: frozenset[str] = frozenset()

    def __init__(
        self,
        parameters: dict[str, Any],
        entry: str = "",
        *,
        check_mode: bool = False,
        timed: bool = False,
        images: Images | None = None,
    ) -> None:
        """Check everything that can be checked before the host is looked at. Raises ContainerError.

        With *timed* the result has the times of the layers that were pulled. *images* is what other tasks of a set have
        found out of images.
        """
        parameters, self.warnings = spellings.folded(parameters)
        self.parameters = parameters
        self.entry = entry
        self.check_mode = check_mode
        self.timed = timed
        self.images = images
        self.name = str(parameters["name"])
        checks.check_name(self.name)
        checks.check_task(parameters)
        self.request = Request(
            name=self.name,
            state=parameters["state"],
            image=parameters.get("image") or "",
            declared=options.normalise(parameters),
            comparisons=comparing.comparisons(parameters.get("comparisons")),
            recreate=bool(parameters.get("recreate")),
            restart=bool(parameters.get("restart")),
            paused=parameters.get("paused"),
            mismatch=parameters.get("image_name_mismatch") or "",
            keep_volumes=parameters.get("keep_volumes") is not False,
        )
        self.origins = secretvalues.separate(self.request.declared)
        self.secrets: dict[str, bytes] = {}  # the contents that the container is to have, as far as the task has them
        self.wishes = wishes(parameters.get("update"))
        if self.request.image:  # else what the task leaves out may be recorded, and all together is checked then
            checks.check_options(options.without_defaults(self.request.declared), detach=parameters.get("detach", True))
        self.state = StateDir(parameters.get("root"))
        self.record: Record | None = None
        self.settled: dict[str, dict[str, Any]] = {}  # by id, what _settle() has put together

    def run(self) -> dict[str, Any]:
        """Plan and, unless in check mode, apply; the module's result. Raises Error."""
        if self.check_mode:
            self.record = records.load(self.state, self.name)
            made, observed, image = self._plan()
            if image is not None:
                image.close()
            result = self._result(made, observed, image)
            result["warnings"] += self._kill_news(made).warnings
            return result
        with contextlib.ExitStack() as waiting:
            with turns.container_lock(self.state, self.name):
                self._clear_leftovers()
                self.record = records.load(self.state, self.name)
                made, observed, image = self._plan()
                news = self._kill_news(made)
                try:
                    if made.actions:
                        self._apply(made, observed, image)
                    elif image is not None:
                        image.settle()
                finally:
                    if image is not None:
                        image.close()
                result = self._result(made, observed, image)
                result["warnings"] += news.warnings
                news.told()
                waits = self.parameters.get("detach", True) is False
                if waits and self.record is not None:
                    waiting.enter_context(turns.awaited(self.record))
            if waits:
                result.update(self._wait())
                result["container"]["Output"] = result["stdout"] + result["stderr"]
            elif self.request.state == "healthy":
                result["container"] = self._wait_healthy()
        return result

    def _clear_leftovers(self) -> None:
        if records.leftovers(self.state, self.name):
            from .stop import clear_leftovers

            clear_leftovers(self.state, self.name, forget=not self.request.keep_volumes)

    def _plan(self) -> tuple[Plan, Observed, WantedImage | None]:
        observed = observe(self.state, self.record) if self.record else ABSENT
        recorded = self.record.spec if self.record else None
        if self.request.state == "absent":
            return plan(self.request, recorded, observed, None), observed, None
        if recorded is None and self.request.image:
            self._check_plugins()
        from .wanted import WantedImage

        image = WantedImage(self.state, self.parameters, recorded["image"] if recorded else None, self.images)
        if self.timed and not self.check_mode:
            from ..image.progress import Tracker

            image.progress = Tracker()
        request, observed, contents = self._sealed(recorded, observed)
        made = plan(request, recorded, observed, image.wanted, self._volumes(recorded))
        sealed = request.declared.get("secrets", ())
        self.secrets = secretvalues.usable(made.options.get("secrets", ()), contents, sealed)
        checks.check_options(made.options, detach=self.parameters.get("detach", True))
        if self.request.state == "healthy":
            self._check_health(made, image)
        verbs = {action.verb for action in made.actions}
        if verbs & {*MAKING, "update"}:
            self._check_network(made, observed)
        if verbs & {*MAKING, "update"}:
            checks.check_machine(made.options, _memory_total())
            logoptions.check_on_host(made.options)
            if "path" in made.options.get("log_options", {}):
                from . import loglink

                loglink.check(self.state, self.name, loglink.path_of(made.options))
        if verbs & MAKING:
            checks.check_makeable(made.options)
            self._check_joined(made)
            self._check_mounts(made)
            if made.options.get("secrets"):
                from .secretfiles import check as check_secrets

                check_secrets(self.record, made.options["secrets"], self.secrets)
        if self.record and {"replace", "start"} <= verbs and self.wishes.order == START_FIRST:
            from .update import check_side_by_side

            wanted = {**self.record.spec, "options": made.options}
            check_side_by_side(self.record.spec, wanted, ports_move=self._can_hand_over_ports(wanted))
        return made, observed, image

    def _check_health(self, made: Plan, image: WantedImage) -> None:
        """Whether there will be a health check to wait for; of an image that is yet to be pulled it cannot be known."""
        from .healthwait import require

        known = image.known_config()
        if known is None and self.record is not None and image.made is None:
            known = self.record.spec["image"]["config"]
        require(self.name, made.options, known)

    def _check_plugins(self) -> None:
        """Whether this host can have a new container's networks at all: before a registry is asked for its image."""
        if netmode.kind(self.request.declared) == netmode.NETWORKS:
            from .networking import check_plugins

            check_plugins(self.state, self.request.declared)

    def _can_hand_over_ports(self, spec: dict[str, Any]) -> bool:
        if netmode.kind(spec["options"]) != netmode.NETWORKS:
            return False
        from .networking import can_hand_over_ports

        return can_hand_over_ports(self.state, spec)

    def _check_network(self, made: Plan, observed: Observed) -> None:
        """Whether the container can be connected as it is to be, where it is to run: before anything is changed."""
        if netmode.kind(made.options) not in (netmode.JOINED, netmode.NETWORKS):
            return
        verbs = {action.verb for action in made.actions}
        if verbs & {"start", "restart", "create", "replace"} or observed.status in ("running", "paused"):
            from .networking import check

            known = self.record.spec if self.record else {"id": ""}
            check(self.state, {**known, "name": self.name, "options": made.options}, self.record, self.leaving)

    def _check_joined(self, made: Plan) -> None:
        """Whether those run that it is to share processes or IPC with; of a set's own that is seen to."""
        for option in specs.joined(made.options):
            if made.options[option].partition(":")[2] not in self.peers:
                from .joining import running

                running(self.state, made.options, option, self.name)

    def _sealed(
        self, recorded: dict[str, Any] | None, observed: Observed
    ) -> tuple[Request, Observed, dict[str, bytes]]:
        """The request as it can be compared and recorded, the contents of its secrets apart; read but now.

        What is observed, less what a task cannot put back that does not declare them.
        """
        if not self.origins:
            return self.request, observed._replace(drift=tuple(d for d in observed.drift if d[0] != "secrets")), {}
        contents = secretvalues.read(self.origins)
        before = (recorded or {}).get("options", {}).get("secrets", ())
        entries = secretvalues.sealed(self.request.declared["secrets"], contents, before)
        return self.request._replace(declared={**self.request.declared, "secrets": entries}), observed, contents

    def _volumes(self, recorded: dict[str, Any] | None) -> frozenset[str]:
        """The volumes that are there, of those that the task names or the container has."""
        wanted = {*mountset.named(self.request.declared), *(recorded or {}).get("volumes", ())}
        if recorded:
            wanted.update(mountset.named(recorded["options"]))
        if not wanted:
            return frozenset()
        from ..volume.names import present

        return frozenset(name for name in wanted if present(self.state, name))

    def _check_mounts(self, made: Plan) -> None:
        """Whether what is to be mounted is there: before anything is changed."""
        if mountset.declared(made.options) or made.options.get("volumes_from"):
            from .mountchecks import check

            check(
                self.state,
                made.options,
                self.peers,
                new=any(action.verb in ("create", "replace") for action in made.actions),
            )

    def _kill_news(self, made: Plan) -> killed.News:
        """What is to be told of the container that is there, unless an action tells it or it goes."""
        tells = any(action.verb == "start" and action.detail for action in made.actions)
        if self.record is None or tells or self.request.state == "absent":
            return killed.News("", None, 0)
        kill = killed.of_status(records.read_status(self.record))
        return killed.News(self.record.path, kill, self.record.spec["options"].get("memory", 0))

    def _apply(self, made: Plan, observed: Observed, image: WantedImage | None) -> None:
        from .apply import Apply

        def obtain() -> Any:
            if image is None:
                raise ContainerError(f"no image is planned for {self.name}", step="image", obj=self.name)
            return image.obtain()

        applying = Apply(
            self.state,
            self.request,
            self.record,
            observed,
            self.entry,
            obtain,
            kill_signal=self.parameters.get("kill_signal") or "",
            force_kill=bool(self.parameters.get("force_kill")),
            stop_time=self.parameters.get("stop_time"),
            wait=self.parameters.get("detach", True) is False,
            wishes=self.wishes,
            keep_volumes=self.request.keep_volumes,
            secrets=self.secrets,
            relabelled=mountvalues.relabelled(self.parameters.get("volumes") or ()),
            meanwhile=self._settle,
        )
        self.record = applying.run(made)
        self.warnings += applying.warnings

    def _settle(self, record: Record) -> None:
        """Put together what can be said of the new container while it starts."""
        from .inspect import settle

        self.settled = {record.id: settle(record, mask=True)}

    def _result(self, made: Plan, observed: Observed, image: WantedImage | None = None) -> dict[str, Any]:
        container: dict[str, Any] = {}
        if self.record is not None:
            from .inspect import inspect

            if made.actions and not self.check_mode:
                observed = observe(self.state, self.record, drift=False)
            container = inspect(self.record, observed, mask=True, settled=self.settled.get(self.record.id))
        timings = image.progress.timings() if image and image.progress else []
        return {
            "changed": bool(made.actions),
            "actions": [text(action) for action in made.actions],
            "diff": {"before": made.before, "after": made.after},
            "container": container,
            "warnings": [*(image.warnings if image else ()), *self.warnings],
            **({"timings": timings} if timings else {}),
        }

    def _wait_healthy(self) -> dict[str, Any]:
        """Wait for that; the container as it is then."""
        from .healthwait import wait_healthy
        from .inspect import inspect

        record = self.record
        if record is None:
            raise ContainerError(f"there is no container {self.name} to wait for", step="wait", obj=self.name)
        wait_healthy(record, float(self.parameters.get("healthy_wait_timeout") or 0))
        return inspect(record, observe(self.state, record), mask=True)

    def _wait(self) -> dict[str, Any]:
        """Wait for the container's end; what it wrote and its exit code. The lock is not held meanwhile."""
        from .logs import collect
        from .stop import destroy, wait_for_end

        record = self.record
        if record is None:
            raise ContainerError(f"there is no container {self.name} to wait for", step="wait", obj=self.name)
        wait_for_end(record)
        status = records.read_status(record)
        stdout, stderr = collect(record, status.get("started_at", ""))
        known = records.load(self.state, self.name)
        if not status or known is None or known.id != record.id:
            raise ContainerError(
                f"container {self.name} was removed by another task while this one waited for its end",
                step="wait",
                obj=self.name,
                hint="Run the task again",
            )
        if record.spec["options"].get("auto_remove"):
            records.forget_volumes(record)
            with turns.container_lock(self.state, self.name):
                destroy(self.state, record)
        limit = record.spec["options"].get("memory", 0)
        why = f", {killed.reason(limit)}" if status.get("oom_killed") else ""
        code = status["exit_code"]
        return {"stdout": stdout, "stderr": stderr, "rc": code, "status": code, "killed": why}


def _memory_total() -> int:
    """Bytes of memory the host has (proc_meminfo(5))."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
