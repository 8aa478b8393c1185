# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""create, the parent's side: from a bundle to a process that waits to be started.

The numbered steps match those in init.py.
"""

from __future__ import annotations

import errno
import os

from ..cgroup.hierarchy import UNIFIED
from ..kernel import idmap, procfs, selfexe
from ..kernel.errors import Error
from ..kernel.files import write_atomic
from ..kernel.lean import signal, suppress
from . import channel, hooks, programfile, state
from .channel import Channel
from .dismantle import dismantle
from .errors import RuntimeFault, Unprotected
from .fork import fork_inside, signals_blocked
from .state import SECCOMP_CACHE, START_SOCKET, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from ..cgroup.api import Cgroup
    from ..cgroup.plan import Change
    from .config import Config
    from .netdevices import Handover


def create(
    config: Config,
    container_id: str,
    run_dir: str,
    *,
    stdio: tuple[int, int, int] = (0, 1, 2),
    pid_file: str = "",
    console: _socket.socket | None = None,
    preserve_fds: int = 0,
    no_pivot: bool = False,
    systemd_cgroup: bool = False,
) -> State:
    """Create the container *container_id* from *config* and return its state; its program waits for start.

    console       a connected socket that gets the terminal's master; needed where process.terminal is set
    preserve_fds  how many inherited descriptors after stdio the program keeps
    no_pivot      see init.Inheritance
    systemd_cgroup  let systemd make the cgroup; linux.cgroupsPath is then slice:prefix:name

    The caller's process must be single-threaded. What is made is unmade when anything fails. Raises Unprotected when
    it has to run from a read-only executable (kernel/selfexe.py) and does not; RuntimeFault, CgroupError, KernelError.
    """
    check_caller()
    if not selfexe.is_protected() and not programfile.usable(config):
        raise Unprotected
    if config.namespaces.get("user"):
        from .namespaces import learn_maps

        learn_maps(config)
    if config.terminal != (console is not None):
        raise RuntimeFault(
            "process.terminal is set, but nobody waits for the terminal"
            if config.terminal
            else "a console socket was given, but process.terminal is not set",
            step="console",
            hint="Give --console-socket exactly where process.terminal is true",
        )
    if config.seccomp is not None:
        from . import seccomp

        config.seccomp_program = seccomp.compile(config.seccomp, os.path.join(run_dir, SECCOMP_CACHE))
    created = State(container_id, config.bundle, config.cgroups_path or f"/{container_id}", _now())
    if systemd_cgroup:
        from ..cgroup.systemd import place_unit

        created.cgroup_path, created.unit = place_unit(config.cgroups_path, container_id)
    created.annotations, created.rootfs = config.annotations, config.rootfs
    created.hooks = {kind: config.document["hooks"][kind] for kind in ("poststart", "poststop") if config.hooks[kind]}
    cgroup = created.cgroup()
    if cgroup.exists() and cgroup.pids():
        raise RuntimeFault(
            f"the cgroup {created.cgroup_path} is in use by other processes", step="cgroup", obj=created.cgroup_path
        )
    created.foreign = [directory for directory in cgroup.directories() if os.path.isdir(directory)]
    created.parents = cgroup.missing_parents()
    if config.intel_rdt is not None:
        created.rdt_groups = config.intel_rdt.directories(container_id)
    for name in config.unknown_capabilities:
        created.warnings.append(f"process.capabilities: {name} is unknown and not granted")
    if not config.own_mounts:
        from . import chrooting

        created.warnings += chrooting.warnings(config)
    state.make(run_dir, created)
    try:
        state.save_document(run_dir, container_id, config.document)
        given = {"stdio": stdio, "console": console, "preserve_fds": preserve_fds, "no_pivot": no_pivot}
        _create(config, created, cgroup, run_dir, given, pid_file)
    except BaseException:
        dismantle(run_dir, created)
        raise
    return created


def check_caller() -> None:
    """Raise RuntimeFault unless this process may fork others into containers."""
    if os.geteuid() != 0:
        raise RuntimeFault(
            "containers need root", step="create", errno=errno.EPERM, hint="Run it with become: true or sudo"
        )
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeFault("the runtime must be single-threaded to fork containers", step="create")


def _create(config: Config, created: State, cgroup: Cgroup, run_dir: str, given: dict[str, Any], pid_file: str) -> None:
    directory = state.directory(run_dir, created.id)
    listener = channel.listen(directory, START_SOCKET)
    ours, theirs = Channel.pair()
    alone = config.namespaces.get("pid") == "" and not created.unit and not {"user", "time"} & set(config.namespaces)
    with signals_blocked():
        child = fork_inside() if alone else os.fork()
        if child == 0:
            ours.close()
            from . import init  # by the child, while its parent makes the cgroup

            inherited = init.Inheritance(config, cgroup, theirs, listener, state=created.as_dict(), **given)
            init.run(inherited, first=alone)
    theirs.close()
    listener.close()
    handovers: list[Handover] = []
    try:
        if alone:
            _meet(created, child)
        cgroup.create()
        if cgroup.hierarchy.mode == UNIFIED and not created.foreign:
            from .delegation import delegate

            delegate(config, cgroup)
        ours.send({})  # sync 1
        _converse(config, created, cgroup, run_dir, ours, handovers)
        if pid_file:
            write_atomic(os.path.abspath(pid_file), str(created.pid).encode(), 0o644, durable=False)
    except BaseException as error:
        for handover in handovers:
            handover.give_back()
        _kill_child(child)
        if isinstance(error, BrokenPipeError):  # it was killed while it waited for our answer
            raise died(cgroup) from error
        raise
    finally:
        ours.close()
        for handover in handovers:
            handover.close()
    if not alone:
        os.waitpid(child, 0)


def _meet(created: State, pid: int) -> None:
    created.pid = pid
    with suppress(ProcessLookupError):  # dead already: its last message says why
        created.start_time = procfs.start_time(pid)


def _converse(
    config: Config, created: State, cgroup: Cgroup, run_dir: str, ours: Channel, handovers: list[Handover]
) -> None:
    """The parent's half of the conversation. *handovers* gets what must be given back when it fails."""
    limits = None if created.unit else cgroup.plan(config.resources)  # while the child is at work
    while True:
        message = ours.receive()
        if message is None:
            raise died(cgroup)
        if "map" in message:  # sync 2
            idmap.write_maps(message["map"], config.uid_mappings, config.gid_mappings)
            ours.send({})
        elif "init" in message:  # sync 3
            _meet(created, message["init"])
        elif not created.pid:
            raise died(cgroup)  # the one that was to tell the pid was killed
        elif "network" in message:  # sync 4
            from .netdevices import Handover

            handover = Handover()
            handovers.append(handover)
            handover.move(config.network_devices, created.pid)
            ours.send({})
        elif "hooks" in message:  # sync 5
            for kind in ("prestart", "createRuntime"):
                hooks.run_all(config.hooks[kind], created.as_dict(), config.bundle)
            ours.send({})
        elif "ready" in message:  # sync 6
            _limit(config, created, cgroup, limits)
            created.status = "created"
            state.save(run_dir, created)
            ours.send({})
        elif "armed" in message:  # sync 7
            return


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


def _kill_child(child: int) -> None:
    """End and reap the intermediate process; it may have gone of its own accord already."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _now() -> str:
    import time

    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"
