# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module oci_containers: the whole set of a host's containers, planned first and then worked on at once."""

from __future__ import annotations

import contextlib
import os
import time

from ..kernel.errors import Error, told
from ..statedir import StateDir
from . import fleetnetworks, fleetplan, netmode, records
from .errors import ContainerError
from .fleetplan import COMPLETED, HEALTHY, Member
from .fleetschedule import MET, NOT_YET, Job, Schedule
from .module import MAKING, Task
from .observe import supervised
from .options import argument_spec
from .wanted import Images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .observe import Observed
    from .plan import Plan
    from .wanted import WantedImage


def run(module: Any, entry: str) -> None:
    """Do what *module* (an AnsibleModule) asks for and leave through its exit; *entry* is the core's entry.py."""
    host = os.uname().nodename
    try:
        fleet = Fleet(module.params, entry, check_mode=module.check_mode, timed=module._verbosity >= 2)
        result = fleet.run()
    except (Error, OSError) as error:
        module.fail_json(msg=told("containers", error))
    for warning in result.pop("warnings"):
        module.warn(warning)
    reason = result.pop("reason")
    if reason:
        module.fail_json(msg=f"containers on {host}: {reason}", **result)
    module.exit_json(**result)


class MemberTask(Task):
    """The task on one container of a set.

    awaited    another one waits for it to be healthy
    completes  another one waits for it to do its work and end: then it is not started for that again
    volumes    the volumes that its plan makes, and that are made for all of the set at once
    """

    awaited = completes = False
    volumes: tuple[str, ...] = ()

    def look(self) -> tuple[Plan, Observed, WantedImage | None]:
        """The plan for the recorded container, without its lock: what :meth:`run` does where nobody comes between."""
        return self._plan()

    def result(self, made: Plan, observed: Observed, image: WantedImage | None) -> dict[str, Any]:
        """What the module tells of the container; *made* was not carried out."""
        return self._result(made, observed, image)

    def _plan(self) -> tuple[Plan, Observed, WantedImage | None]:
        made, observed, image = super()._plan()
        if self.awaited and image is not None:
            self._check_health(made, image)
        if self.completes and observed.status == "stopped" and self.record is not None:
            status = records.read_status(self.record)
            if status.get("status") == "exited" and status["exit_code"] == 0:
                made = fleetplan.without_rerun(made)
        self.volumes = tuple(fleetplan.new_volumes(made))
        return fleetplan.without_common(made), observed, image

    def _check_network(self, made: Plan, observed: Observed) -> None:
        if netmode.mode(made.options).partition("container:")[2] in self.peers:
            return  # which has a network only when it runs
        super()._check_network(made, observed)

    def _result(self, made: Plan, observed: Observed, image: WantedImage | None = None) -> dict[str, Any]:
        result = super()._result(made, observed, image)
        result["actions"] = [fleetplan.said(self.name, action) for action in made.actions]
        return result


class Fleet:
    """One task on a set of containers."""

    def __init__(
        self, parameters: dict[str, Any], entry: str = "", *, check_mode: bool = False, timed: bool = False
    ) -> None:
        """Check everything that can be checked before the host is looked at. Raises ContainerError."""
        self.parameters = parameters
        self.entry = entry
        self.check_mode = check_mode
        self.state = StateDir(parameters.get("root"))
        self.images = Images()
        if timed and not check_mode:
            from ..image.progress import Tracker

            self.images.progress = Tracker()
        project = parameters.get("project")
        if parameters.get("purge") and not project:
            raise ContainerError(
                "purge removes what belongs to a project, and none is named", step="options", obj="purge",
                hint="Give project",
            )  # fmt: skip
        if (parameters.get("parallel") or 1) < 1:
            raise ContainerError("parallel must be at least 1", step="options", obj="parallel")
        self.defaults = {name: row["default"] for name, row in argument_spec().items() if "default" in row}
        self.members = {member.name: member for member in fleetplan.members(parameters, self.defaults)}
        self.awaited = {item for member in self.members.values() for item in member.needs.items()}
        self.networks: dict[str, dict[str, Any]] = {}  # name → conflist of those that are to be made
        self.left: dict[str, list[str]] = {}  # name → directories that a killed task has left of it
        self.tasks: dict[str, MemberTask] = {}
        self.plans: dict[str, Plan] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.since: dict[str, float] = {}  # name → when it was first asked whether it is healthy

    def run(self) -> dict[str, Any]:
        """Plan and, unless in check mode, apply; the module's result, "reason" saying why it failed. Raises Error."""
        try:
            self.left = records.all_leftovers(self.state)
            self._declare_unwanted()
            self._look()
            common = [str(action) for made in self.images.plans.values() for action in made.actions]
            volumes = self._new_volumes()
            common += [f"created volume {name}" for name in volumes]
            common += [f"created network {name}" for name in self.networks]
            unwanted = self._unwanted_networks()
            schedule = None
            if not self.check_mode:
                jobs = self._jobs()
                self.images.bring(self.state)
                if volumes:
                    self._make_volumes(volumes)
                if self.networks:
                    fleetnetworks.make(self.state, self.parameters["project"], self.networks)
                schedule = self._work(jobs) if jobs else None
                if unwanted and (schedule is None or not (schedule.failed or schedule.untouched)):
                    fleetnetworks.remove(self.state, unwanted)
            return self._result(common, [f"removed network {name}" for name in unwanted], schedule)
        finally:
            self.images.close()

    # -- the plan -----------------------------------------------------------------------------------------------------

    def _declare_unwanted(self) -> None:
        """Make those that belong to the project, and are not declared any more, members that are to be removed.

        And those of which a killed task has left something, though they have their name no more.
        """
        if not self.parameters.get("purge"):
            return
        found = [(name, records.load(self.state, name)) for name in records.names(self.state)]
        found += [(name, records.load_directory(path)) for name, paths in self.left.items() for path in paths]
        for name, record in found:
            if name in self.members or (record is None and name not in self.left):
                continue
            labels = record.spec["options"].get("labels", {}) if record else {}
            if record is None or labels.get(fleetplan.PROJECT) == self.parameters["project"]:
                common = {"name": name, "state": "absent", "root": self.parameters.get("root")}
                self.members[name] = Member(name, {**self.defaults, **common}, {})

    def _task(self, member: Member, *, check_mode: bool) -> MemberTask:
        task = MemberTask(member.parameters, self.entry, check_mode=check_mode, images=self.images)
        task.awaited = (member.name, HEALTHY) in self.awaited
        task.completes = (member.name, COMPLETED) in self.awaited
        return task

    def _look(self) -> None:
        """Plan every container. Raises one ContainerError that names all that is wrong."""
        problems: dict[str, list[str]] = {}
        seen = {}
        known = {name: records.load(self.state, name) for name in self.members}
        paths = frozenset(record.path for record in known.values() if record is not None)
        for name, member in self.members.items():
            try:
                record = known[name]
                labels = record.spec["options"].get("labels", {}) if record else None
                fleetplan.with_project(member.parameters, self.parameters.get("project"), labels)
                task = self._task(member, check_mode=True)
                task.record, task.peers, task.leaving = record, frozenset(self.members), paths
                self.tasks[name] = task
            except Error as error:
                problems.setdefault(str(error), []).append(name)
        with self._networks_planned():
            for name, task in self.tasks.items():
                try:
                    seen[name] = task.look()
                    self.plans[name] = seen[name][0]
                except Error as error:
                    problems.setdefault(str(error), []).append(name)
        if problems:
            raise ContainerError(_listed([f"{', '.join(names)}: {why}" for why, names in problems.items()]))
        fleetplan.check_together(self.plans)
        for name, (made, observed, image) in seen.items():
            self.results[name] = self.tasks[name].result(made, observed, image)

    @contextlib.contextmanager
    def _networks_planned(self) -> Iterator[None]:
        """Plan the networks that the project lacks, and meanwhile have them there. Raises NetworkError."""
        project = self.parameters.get("project")
        present = [task for task in self.tasks.values() if task.request.state != "absent"]
        if project:
            wanted = fleetnetworks.named(task.request.declared for task in present)
            self.networks = fleetnetworks.new(self.state, project, wanted)
        if not self.networks:
            yield
            return
        from ..network import networks

        with networks.foreseen(self.networks):
            yield

    def _unwanted_networks(self) -> list[str]:
        """The project's networks that go with the containers that named them."""
        if not self.parameters.get("purge"):
            return []
        present = [name for name, member in self.members.items() if member.parameters["state"] != "absent"]
        wanted = fleetnetworks.named(self.plans[name].options for name in present)
        return fleetnetworks.unwanted(self.state, self.parameters["project"], wanted, self.members)

    def _jobs(self) -> list[Job]:
        """The containers that there is something to be done for: by the plan, after a killed task, or to wait for."""
        busy = [name for name in self.members if self._has_work(name)]
        removed = [name for name in busy if self.members[name].parameters["state"] == "absent"]
        recorded = {
            name: task.record.spec["options"] for name, task in self.tasks.items() if name in busy and task.record
        }
        handed = fleetplan.handovers({name: self.plans[name] for name in busy}, recorded)
        if fleetplan.find_cycle({name: {*handed.get(name, ()), *self.members[name].needs} for name in busy}):
            handed = {}
        jobs = []
        for name in busy:
            needs = self.members[name].needs
            if name in removed:
                jobs.append(Job(name, {other for other in removed if name in self.members[other].needs}, {}))
            elif self.members[name].parameters["state"] in fleetplan.RUNS:
                jobs.append(Job(name, {*removed, *handed.get(name, ())}, needs))
            else:
                jobs.append(Job(name, {*removed, *handed.get(name, ()), *needs}, {}))
        return jobs

    def _has_work(self, name: str) -> bool:
        if self.plans[name].actions or name in self.left:
            return True
        return self.members[name].parameters["state"] == "healthy" and self._condition(name, HEALTHY) != MET

    def _new_volumes(self) -> list[str]:
        """The volumes that are to be made, whoever of the set wants them."""
        return sorted({name for task in self.tasks.values() for name in task.volumes})

    # -- the work -----------------------------------------------------------------------------------------------------

    def _work(self, jobs: list[Job]) -> Schedule:
        # What the children need is loaded here: once for all of them.
        from . import apply, fleetwork, forkserver, launch, start, stop  # noqa: F401

        if any(self._connects(job.name) for job in jobs):
            from . import networking

            networking.load()
        if sum(self._makes(job.name) for job in jobs) > 1 and not launch.by_systemd():
            forkserver.begin_for(self.entry)

        parallel = fleetwork.at_once(self.parameters.get("parallel"))
        schedule = Schedule(jobs, parallel, stop=self.parameters.get("on_failure") != "continue")
        answers = fleetwork.work(schedule, self._apply, self._condition)
        for name, answer in answers.items():
            if "error" in answer:
                self.results[name].update(changed=False, failed=True, msg=answer["error"], actions=[])
            else:
                self.results[name] = answer
        for name, reason in schedule.untouched.items():
            self.results[name].update(changed=False, msg=f"left untouched: {reason}", actions=[])
        return schedule

    def _make_volumes(self, wanted: list[str]) -> None:
        """Make them as the first who declares more than a name says."""
        from ..volume.store import lock
        from . import mountset
        from .mountvalues import VOLUME
        from .volumes import make

        declared: dict[str, dict[str, Any]] = {}
        for name in self.members:
            options = self.plans[name].options
            for entry in mountset.declared(options):
                if entry["type"] == VOLUME and entry["source"] in wanted:
                    known = declared.setdefault(entry["source"], dict(entry))
                    known.update({key: entry[key] for key in ("labels", "driver_options") if key in entry})
        with lock(self.state, wanted):
            for name in wanted:
                make(self.state, name, declared.get(name, {}))

    def _connects(self, name: str) -> bool:
        """Whether the container is on networks, or is to be."""
        record = self.tasks[name].record
        declared = [record.spec["options"]] if record is not None else []
        if self.members[name].parameters["state"] != "absent":
            declared.append(self.plans[name].options)
        return any(netmode.kind(options) == netmode.NETWORKS for options in declared)

    def _makes(self, name: str) -> bool:
        """Whether a process comes of what is to be done."""
        return any(action.verb in MAKING for action in self.plans[name].actions)

    def _apply(self, name: str) -> dict[str, Any]:
        """What a child does."""
        return self._task(self.members[name], check_mode=False).run()

    def _condition(self, name: str, kind: str) -> str:
        """Whether the container *name* is healthy, or has completed (Schedule.ready)."""
        record = records.load(self.state, name)
        if record is None:
            return "is not there any more"
        alive = supervised(record)  # asked first: what was written before the end is read after it
        if kind == COMPLETED:
            status = records.read_status(record)
            if alive or status.get("status") != "exited":
                return NOT_YET if alive else "did not run"
            code = status["exit_code"]
            return f"ended with exit code {code}" if code else MET
        from . import health

        if not alive:
            return "does not run"
        if health.read(record).get("Status") == health.HEALTHY:
            return MET
        limit = float(self.members[name].parameters.get("healthy_wait_timeout") or 0)
        waited = time.monotonic() - self.since.setdefault(name, time.monotonic())
        return f"was not healthy within {limit:g} seconds" if limit and waited > limit else NOT_YET

    # -- the result ---------------------------------------------------------------------------------------------------

    def _result(self, first: list[str], last: list[str], schedule: Schedule | None) -> dict[str, Any]:
        actions = list(first)
        for name in fleetplan.ordered(self.members):
            actions += self.results[name]["actions"]
        reason = self._reason(schedule)
        actions += last if not reason else []
        listed: list[dict[str, Any]] = []
        warnings: list[str] = []
        before, after = {}, {}
        for name in self.members:
            entry = {"name": name, **self.results[name]}
            diff = entry.pop("diff")
            if entry["changed"]:
                before[name], after[name] = diff["before"], diff["after"]
            warnings += [f"{name}: {warning}" for warning in entry.pop("warnings")]
            listed.append(entry)
        timings = self.images.progress.timings() if self.images.progress else []
        return {
            "changed": bool(actions),
            "actions": actions,
            "containers": listed,
            "diff": {"before": before, "after": after},
            "warnings": warnings,
            "reason": reason,
            **({"timings": timings} if timings else {}),
        }

    def _reason(self, schedule: Schedule | None) -> str:
        """Why the task has failed, all of it in one sentence; "" if it has not."""
        if schedule is None or not (schedule.failed or schedule.untouched):
            return ""
        parts = [f"{name}: {self.results[name]['msg']}" for name in schedule.failed]
        reasons: dict[str, list[str]] = {}
        for name, why in schedule.untouched.items():
            reasons.setdefault(why, []).append(name)
        parts += [f"{', '.join(names)} left untouched: {why}" for why, names in reasons.items()]
        return _listed(parts)


def _listed(reasons: list[str]) -> str:
    """*reasons*, some of them sentences with a full stop, as one sentence."""
    return "; ".join([*(reason.rstrip(".") for reason in reasons[:-1]), reasons[-1]])
