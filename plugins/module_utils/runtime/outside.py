# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""create, the parent's half: the cgroup, the conversation with the child (init.py), its limits, its state.

The numbered steps match those in init.py.
"""

from __future__ import annotations

import os

from ..cgroup.hierarchy import UNIFIED
from ..kernel import capabilities, procfs
from ..kernel.errors import Error
from ..kernel.files import write_atomic
from ..kernel.lean import signal, suppress
from . import hooks, state
from .dismantle import dismantle
from .errors import RuntimeFault
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cgroup.api import Cgroup
    from ..cgroup.plan import Change
    from .channel import Channel
    from .config import Config
    from .netdevices import Handover


class Outside:
    """The creating process, from the fork of *child* on; *first*: that is the container's first process already."""

    def __init__(self, config: Config, channel: Channel, child: int, *, first: bool) -> None:
        self.config = config
        self.channel = channel
        self.child = child
        self.first = first
        self.handovers: list[Handover] = []  # what must be given back when it fails

    def create(self, container_id: str, run_dir: str, pid_file: str, *, systemd: bool) -> State:
        """The created container's state; arguments and errors as create.create has them."""
        claimed = None
        try:
            state.check_free(run_dir, container_id)
            created = _describe(self.config, container_id, systemd=systemd)
            state.make(run_dir, created)
            claimed = created
            if self.first:
                _meet(created, self.child)
            state.save_document(run_dir, container_id, self.config.content)
            self._bring_up(created, run_dir)
            if pid_file:
                write_atomic(os.path.abspath(pid_file), str(created.pid).encode(), 0o644, durable=False)
        except BaseException as error:
            for handover in self.handovers:
                handover.give_back()
            self._end_child()
            if claimed is None:
                raise
            known = died(claimed.cgroup()) if isinstance(error, BrokenPipeError) else error
            dismantle(run_dir, claimed)
            if known is not error:  # the child was killed while it waited for our answer
                raise known from error
            raise
        finally:
            self.channel.close()
            for handover in self.handovers:
                handover.close()
        if not self.first:
            os.waitpid(self.child, 0)
        return created

    def _bring_up(self, created: State, run_dir: str) -> None:
        cgroup, config, channel = created.cgroup(), self.config, self.channel
        cgroup.create(self.child)
        if cgroup.hierarchy.mode == UNIFIED and not created.foreign:
            from .delegation import delegate

            delegate(config, cgroup)
        made = {
            "directory": state.directory(run_dir, created.id),
            # Annotations may be of any size, and it has them.
            "state": {key: value for key, value in created.as_dict().items() if key != "annotations"},
            "cgroup": cgroup.paths(),
            "entrances": cgroup.entrances(unified=cgroup.needs_unified(config.resources)),
        }
        with suppress(BrokenPipeError):  # it has failed already, and its last message says why
            channel.send(made)  # sync 1
        # While the child is at work:
        limits = None if created.unit else cgroup.plan(config.resources)
        created.warnings += _warnings(config)
        while True:
            message = channel.receive()
            if message is None:
                raise died(cgroup)
            if "map" in message:  # sync 2
                from ..kernel import idmap

                idmap.write_maps(message["map"], config.uid_mappings, config.gid_mappings)
                channel.send({})
            elif "init" in message:  # sync 3
                _meet(created, message["init"])
            elif not created.pid:
                raise died(cgroup)  # the one that was to tell the pid was killed
            elif "network" in message:  # sync 4
                from .netdevices import Handover

                handover = Handover()
                self.handovers.append(handover)
                handover.move(config.network_devices, created.pid)
                channel.send({})
            elif "hooks" in message:  # sync 5
                for kind in ("prestart", "createRuntime"):
                    hooks.run_all(config.hooks[kind], created.as_dict(), config.bundle)
                channel.send({})
            elif "ready" in message:  # sync 6
                # It does not wait here, and may have failed meanwhile: then its last message says why.
                with suppress(BrokenPipeError, ProcessLookupError):
                    _limit(config, created, cgroup, limits)
                    channel.send({})
                    created.status = "created"  # as which nobody starts it before we say that it is
                    state.save(run_dir, created)
            elif "armed" in message:  # sync 7
                return

    def _end_child(self) -> None:
        """End and reap the child; it may have gone of its own accord already."""
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)


def _describe(config: Config, container_id: str, *, systemd: bool) -> State:
    """What is to be the container's state. Raises RuntimeFault for a cgroup in use."""
    created = State(container_id, config.bundle, config.cgroups_path or f"/{container_id}", _now())
    if systemd:
        from ..cgroup.systemd import place_unit

        created.cgroup_path, created.unit = place_unit(config.cgroups_path, container_id)
    created.annotations, created.rootfs = config.annotations, config.rootfs
    created.hooks = {kind: config.document["hooks"][kind] for kind in ("poststart", "poststop") if config.hooks[kind]}
    cgroup = created.cgroup()
    created.foreign = [directory for directory in cgroup.directories() if os.path.isdir(directory)]
    if created.foreign and cgroup.pids():
        raise RuntimeFault(
            f"the cgroup {created.cgroup_path} is in use by other processes", step="cgroup", obj=created.cgroup_path
        )
    created.parents = cgroup.missing_parents()
    if config.intel_rdt is not None:
        created.rdt_groups = config.intel_rdt.directories(container_id)
    return created


def _warnings(config: Config) -> list[str]:
    """What the container will not have of what is asked for, though it can be made."""
    found = [f"process.capabilities: {name} is unknown and not granted" for name in config.unknown_capabilities]
    found += _not_granted(config)
    if config.devices:
        from . import devices

        found += devices.warnings(config)
    if not config.own_mounts:
        from . import chrooting

        found += chrooting.warnings(config)
    return found


def _not_granted(config: Config) -> list[str]:
    """A warning for each set of which something cannot be granted (config.md, "capabilities")."""
    # Who enters a user namespace has all of them there.
    available = -1 if "user" in config.namespaces else capabilities.permitted()
    granted = capabilities.grantable(config.capabilities, available)
    return [
        f"process.capabilities.{name}: {', '.join(capabilities.names(wanted & ~granted[name]))} cannot be granted"
        for name, wanted in config.capabilities.items()
        if wanted & ~granted[name]
    ]


def _meet(created: State, pid: int) -> None:
    created.pid = pid
    with suppress(ProcessLookupError):  # dead already: its last message says why
        created.start_time = procfs.start_time(pid)


def _limit(config: Config, created: State, cgroup: Cgroup, wanted: list[Change] | None) -> None:
    """Limits now and not before: a small memory limit would have killed the interpreter half way."""
    if wanted is not None:
        cgroup.apply(wanted)
    elif config.resources:
        cgroup.set(config.resources)
    if config.rlimits:
        from .limits import set_rlimits

        set_rlimits(created.pid, config.rlimits)
    if config.scheduling is not None:
        config.scheduling.apply(created.pid)
    if config.intel_rdt is not None:
        config.intel_rdt.join(created.id, created.pid)


def died(cgroup: Cgroup) -> RuntimeFault:
    """The error of a container whose first process ended without having said why."""
    try:
        killed = cgroup.oom_kills()
    except Error:
        killed = 0
    if killed:
        return RuntimeFault(
            "the container was killed for lack of memory before its program ran",
            step="memory",
            hint="Declare a higher memory limit",
        )
    return RuntimeFault("the container's first process died before its program ran", step="create")


def _now() -> str:
    import time

    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"
