# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan. What is to be done is decided already; here it is only done, in an order that a crash at any
moment leaves something the next run can repair.
"""

from __future__ import annotations

import contextlib
import os
import time

from ..kernel.errors import Error
from . import netmode, provide, records
from .errors import ContainerError
from .updatevalues import DEFAULT, ROLLBACK, START_FIRST, STOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..image.store import Image
    from ..statedir import StateDir
    from .launch import Launch
    from .observe import Observed
    from .plan import Plan, Request
    from .records import Record
    from .updatevalues import Wishes


class Apply:
    """One run of a plan. The caller holds the container's lock.

    entry        path of the core's entry.py, for the monitor
    image        gives the image to make a container from, pulled where the plan says so
    stop_time    seconds that a container has to end in, instead of its own stop_timeout
    wait         the task waits for the container's end: it removes it itself then
    wishes       how the container is replaced
    keep_volumes the anonymous volumes of a container that goes stay
    secrets      the contents of the secrets that the task declares
    relabelled   paths of the host that SELinux is to let containers use
    meanwhile    is called with a new container's record while that starts: what can be done without its answer
    """

    def __init__(
        self,
        state: StateDir,
        request: Request,
        record: Record | None,
        observed: Observed,
        entry: str,
        image: Callable[[], Image],
        *,
        kill_signal: str = "",
        force_kill: bool = False,
        stop_time: float | None = None,
        wait: bool = False,
        wishes: Wishes = DEFAULT,
        keep_volumes: bool = True,
        secrets: Mapping[str, bytes] | None = None,
        relabelled: Sequence[str] = (),
        meanwhile: Callable[[Record], None] = lambda _record: None,
    ) -> None:
        self.state = state
        self.request = request
        self.record = record
        self.observed = observed
        self.entry = entry
        self.image = image
        self.kill_signal = kill_signal
        self.force_kill = force_kill
        self.stop_time = stop_time
        self.wait = wait
        self.wishes = wishes
        self.keep_volumes = keep_volumes
        self.secrets = secrets or {}
        self.relabelled = relabelled
        self.meanwhile = meanwhile
        self.warnings: list[str] = []
        self.created: Launch | None = None
        self.running = False  # what "start" has to do is done already

    def run(self, plan: Plan) -> Record | None:
        """Carry out all actions of *plan*; the container's record afterwards. Raises Error."""
        verbs = {
            "pull": lambda _plan: self.image(),
            "volume": lambda _plan: None,  # made with the container, under the same locks
            "create": self._create,
            "replace": self._replace,
            "update": self._update,
            "start": self._start,
            "stop": lambda _plan: self._stop(),
            "restart": self._restart,
            "pause": lambda _plan: self._pause(True),
            "unpause": lambda _plan: self._pause(False),
            "remove": self._remove,
        }
        try:
            for action in plan.actions:
                verbs[action.verb](plan)
        finally:
            if self.created is not None:
                self.created.abandon()
        if self.record is not None and "path" in self.record.spec["options"].get("log_options", {}):
            from . import loglink

            loglink.put(self.state, self.record.name, loglink.path_of(self.record.spec["options"]))
        if self.record is not None and self.record.spec["options"].get("restart_policy", "no") != "no":
            from . import boot

            if boot.comes_back(self.record.spec["options"]):
                boot.keep(self.state, self.entry)
        return self.record

    @property
    def _known(self) -> Record:
        if self.record is None:
            raise ContainerError(f"there is no container {self.request.name}", step="apply", obj=self.request.name)
        return self.record

    # -- new containers -----------------------------------------------------------------------------------------------

    def _make(self, plan: Plan) -> tuple[Record, Launch]:
        """A new container of the planned options, created but not started, and without the name."""
        from ..image.store import Store
        from . import idranges
        from .launch import launched
        from .spec import new_spec
        from .stamps import timestamp

        image = self.image()
        store = Store(self.state)
        description = {
            "name": self.request.image or self._known.spec["image"]["name"],
            "id": image.id,
            "digest": image.digest,
            "config": image.config.get("config") or {},
        }
        container_id = os.urandom(32).hex()
        created = timestamp(time.time_ns())
        with contextlib.ExitStack() as until_pinned:
            until_pinned.enter_context(store.locked())  # nobody removes what is mounted before the pin says so
            layers = store.layer_paths(image)
            old = self.record.spec if self.record else None
            volumes = provide.chosen_volumes(self.state, plan.options, description["config"], old)
            with idranges.reserved(self.state, plan.options) as first_id:
                spec = new_spec(
                    container_id, self.request.name, created, description, layers, plan.options, first_id, volumes
                )
                record = records.make(self.state, spec)
            records.forget_volumes(record)  # until it has its name: of one that never gets it nobody wants anything
            launch = None
            try:
                records.write_monitor_config(record, remove_at_end=not self.wait)
                provide.provide(self.state, record, self.secrets, self.relabelled, self.record)
                self._prepare_network(record)
                launch = launched(self.state, record, self.entry, new=True)
                # Meanwhile the monitor is at work.
                store.pin(
                    container_id, image, [path for one in volumes.get("images", {}).values() for path in one["layers"]]
                )
                until_pinned.close()
                records.settle(record)
                launch.wait_created()
                return record, launch
            except BaseException:
                if launch is not None:
                    launch.abandon()
                self._destroy(record)
                raise

    def _destroy(self, record: Record, *, forget: bool = False) -> None:
        """With *forget* its anonymous volumes go as well, unless another container has them by now."""
        from .stop import destroy

        if forget:
            records.forget_volumes(record)
        destroy(self.state, record)

    def _publish(self, record: Record) -> None:
        """Give the name to the new container; what it writes into its anonymous volumes is wanted from now on."""
        records.remember_volumes(record)
        records.publish(self.state, record)

    def _create(self, plan: Plan) -> None:
        record, self.created = self._make(plan)
        self._publish(record)
        self.record = record
        if not any(action.verb == "start" for action in plan.actions):
            self._abandon()
            records.persist(self.state)

    def _abandon(self) -> None:
        """A container that was created to see whether it can be, and is not to run yet."""
        if self.created is not None:
            self.created.abandon()
            self.created = None
            self._release_network(self._known)

    # -- its network: nothing of that is imported for a container without one ------------------------------------------

    def _prepare_network(self, record: Record) -> None:
        if netmode.kind(record.spec["options"]) in (netmode.JOINED, netmode.NETWORKS):
            from .networking import prepare

            prepare(self.state, record)

    def _connect(self, record: Record, *, silent: bool = False) -> None:
        """Connect a container that has been made and does not run yet; *silent*, nothing is to lead to it for now."""
        if netmode.kind(record.spec["options"]) == netmode.NETWORKS:
            from .networking import connect

            connect(self.state, record, silent=silent)

    def _publish_ports(self, old: Record, new: Record) -> None:
        if netmode.ports(new.spec["options"]) or new.spec["options"].get("publish_all_ports"):
            from .networking import publish

            publish(self.state, old, new)

    def _hand_over(self, old: Record, new: Record) -> None:
        """Have the others find the new container instead of the old one, which is about to end."""
        if netmode.NETWORKS in (netmode.kind(old.spec["options"]), netmode.kind(new.spec["options"])):
            from .networking import hand_over

            hand_over(self.state, old, new)

    def _release_network(self, record: Record) -> None:
        from .stop import release_network

        release_network(self.state, record)

    def _replace(self, plan: Plan) -> None:
        old = self._known
        record, launch = self._make(plan)  # the old one is untouched until this has worked
        begins = any(action.verb == "start" for action in plan.actions)
        old_runs_on = begins and self.wishes.order == START_FIRST
        try:
            if not begins:
                launch.abandon()
                self._release_network(record)
            if not old_runs_on:
                self._stop()
            if begins:
                # Now that the old one's ports and addresses are free, or are not wanted.
                self._connect(record, silent=old_runs_on)
                launch.start()
                self.running = True
        except Error as error:
            launch.abandon()
            self._put_back(old, record, error, stopped=not old_runs_on)
            raise
        failure = self._proved(record) if begins else None
        if failure is not None and self.wishes.on_failure == ROLLBACK:
            self._put_back(old, record, failure, stopped=not old_runs_on)
            raise failure
        if old_runs_on:
            try:
                self._publish_ports(old, record)
            except Error as error:
                self._put_back(old, record, error, stopped=False)
                raise
        self._publish(record)
        records.persist(self.state)
        self.record = record
        if old_runs_on:
            self._hand_over(old, record)
            self._stop(old)
        self._destroy(old, forget=not self.keep_volumes)
        if failure is not None and self.wishes.on_failure == STOP:
            failure.message += "; it stays in the place of the one before it, as update.on_failure: stop says"
            raise failure
        if failure is not None:
            self.warnings.append(f"{failure.message}; it stays, as update.on_failure: continue says")

    def _proved(self, record: Record) -> Error | None:
        """Why the new container is not what the task wants to see; None when it is."""
        if not self.wishes.seconds:
            return None
        from .update import prove

        try:
            prove(record, self.wishes.seconds)
        except Error as error:
            return error
        return None

    def _put_back(self, old: Record, new: Record, reason: Error, *, stopped: bool) -> None:
        """Remove the new container, and start the old one again where it was *stopped*.

        *reason* says so then, or that it failed.
        """
        self._destroy(new)
        if self.observed.status not in ("running", "paused", "restarting"):
            return
        if not stopped:
            reason.message += "; the container before it was not touched"
            return
        from .stop import stop

        try:
            stop(self.state, old)  # whatever state the failure left it in
            records.withdraw_stop(old)
            self._run_again(old)
        except Error as error:
            reason.message += f"; the container before it could not be started again either: {error.message}"
        else:
            reason.message += "; the container before it runs again"

    def _run_again(self, record: Record) -> None:
        """Create and start a container that has been here before. Raises ContainerError."""
        from .launch import launched

        provide.provide(self.state, record, self.secrets, self.relabelled)
        self._prepare_network(record)
        launch = launched(self.state, record, self.entry)
        launch.wait_created()
        try:
            self._connect(record)
        except BaseException:
            launch.abandon()
            self._release_network(record)
            raise
        launch.start()

    # -- containers that stay -----------------------------------------------------------------------------------------

    def _update(self, plan: Plan) -> None:
        from .inplace import update

        record = self._known
        image = self.request.image if "image" in plan.changed else ""
        update(self.state, record, self.observed, plan, image=image, remove_at_end=not self.wait)
        if any(option == "secrets" for option, _now, _declared in self.observed.drift):
            provide.deliver_secrets(self.state, record, self.secrets)

    def _start(self, _plan: Plan) -> None:
        if self.running:
            return
        record = self._known
        if self.created is None:
            from .stop import stop

            stop(self.state, record)  # what a killed monitor left, or one that is just about to end
            records.withdraw_stop(record)
            records.write_monitor_config(record, remove_at_end=not self.wait)
            self._run_again(record)
            return
        launch, self.created = self.created, None
        try:
            self._connect(record)
            launch.start(meanwhile=lambda: self._begins(record))
        except Error:
            launch.abandon()
            self._destroy(record)
            self.record = None
            raise

    def _begins(self, record: Record) -> None:
        records.persist(self.state)
        self.meanwhile(record)

    def _stop(self, record: Record | None = None) -> None:
        from .stop import stop

        known = record or self._known
        stop(self.state, known, kill_signal=self.kill_signal, force=self.force_kill, seconds=self.stop_time)

    def _restart(self, plan: Plan) -> None:
        self._stop()
        self._start(plan)

    def _pause(self, paused: bool) -> None:
        from ..runtime import lifecycle

        (lifecycle.pause if paused else lifecycle.resume)(self.state.runtime, self._known.id)

    def _remove(self, _plan: Plan) -> None:
        self._destroy(self._known, forget=not self.keep_volumes)
        self.record = None
