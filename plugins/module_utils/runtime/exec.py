# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""exec: one more process in a container that runs.

As in create, two processes: the first joins the container's cgroup and namespaces and forks; the second is inside
the pid namespace and becomes the program. The numbered steps stand on both sides.
"""

from __future__ import annotations

import errno
import gc
import os

from ..kernel import constants as c
from ..kernel import idmap, procfs, selfexe, syscalls
from ..kernel.lean import signal, suppress
from . import child, console, entrance, fork, home, limits, namespaces, process, seccomp
from . import state as states
from .channel import Channel
from .config import NAMESPACES, Config
from .create import check_caller
from .errors import RuntimeFault, Unprotected, WrongState

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping
    from typing import Any

    from ..cgroup.api import Cgroup
    from .state import State


def execute(
    run_dir: str,
    found: State,
    described: dict[str, Any],
    *,
    stdio: tuple[int, int, int] = (0, 1, 2),
    receiver: _socket.socket | None = None,
    preserve_fds: int = 0,
    below: Mapping[str, str] | None = None,
) -> tuple[int, int]:
    """Run the program that *described* (a ``process`` object) says in the container *found*; (pid, start time).

    Returns when execve(2) has succeeded; the process is then a child of the nearest subreaper. *receiver* gets the
    terminal's master where ``terminal`` is set; *below* names groups as entrance.enter() takes them. Raises
    WrongState, RuntimeFault, CgroupError.
    """
    check_caller()
    if not selfexe.is_protected():  # the container's processes can see us until the program runs
        raise Unprotected
    if found.status not in ("created", "running"):
        raise WrongState(
            f"cannot run a program in container {found.id}: it is {found.status}", step="exec", obj=found.id
        )
    config = Config({**states.load_document(run_dir, found.id), "process": described}, found.bundle)
    if config.terminal != (receiver is not None):
        raise RuntimeFault("a terminal needs a console socket, and a console socket a terminal", step="console")
    seccomp.prepare(config, run_dir)
    if config.namespaces.get("user"):
        config.uid_mappings, config.gid_mappings = idmap.read_maps(found.pid)
    proc = _open_process(found)
    cgroup = found.cgroup()
    ours, theirs = Channel.pair()
    try:
        with fork.signals_blocked():
            forked = os.fork()
            if forked == 0:
                ours.close()
                _run(config, cgroup, theirs, proc, stdio, receiver, preserve_fds, below or {})
        theirs.close()
        try:
            return _converse(config, found, ours)
        finally:
            with suppress(ProcessLookupError):
                os.kill(forked, signal.SIGKILL)  # it has ended already unless something went wrong
            os.waitpid(forked, 0)
    finally:
        ours.close()
        os.close(proc)


def _open_process(found: State) -> int:
    """/proc/PID of the container's first process; the descriptor never means another. Raises WrongState."""
    try:
        proc = os.open(f"/proc/{found.pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        proc = -1
    if proc < 0 or not procfs.alive(found.pid, found.start_time):
        if proc >= 0:
            os.close(proc)
        raise WrongState(f"cannot run a program in container {found.id}: it has just ended", step="exec", obj=found.id)
    return proc


def _converse(config: Config, found: State, ours: Channel) -> tuple[int, int]:
    pid = started = 0
    while True:
        message = ours.receive()
        if message is None:
            if started and procfs.has_executed(pid, started) is not False:
                return pid, started  # execve(2) has closed the other side, and not a death
            raise RuntimeFault("the process died before its program ran", step="exec", obj=found.id)
        if "init" in message:  # sync 1
            pid = message["init"]
            with suppress(ProcessLookupError):  # dead already: its last message says why
                started = procfs.start_time(pid)
        elif not pid:  # the one to tell it was killed
            raise RuntimeFault("the process died before its program ran", step="exec", obj=found.id)
        elif "ready" in message:  # sync 2
            limits.set_rlimits(pid, config.rlimits)
            if config.scheduling is not None:
                config.scheduling.apply(pid)
            ours.send({})
        elif "listener" in message:
            seccomp.hand_over(ours, message, pid, found.as_dict())


def _run(
    config: Config,
    cgroup: Cgroup,
    channel: Channel,
    proc: int,
    stdio: tuple[int, int, int],
    receiver: _socket.socket | None,
    preserve_fds: int,
    below: Mapping[str, str],
) -> None:
    """The forked child's whole life; never returns."""
    step = child.Step()
    try:
        gc.disable()
        step.name = "stdio"
        child.leave_caller(config, stdio, preserve_fds)
        step.name = "cgroup"
        if config.exec_affinity is not None:
            config.exec_affinity.before_cgroup()
        entrances = cgroup.entrances(unified=cgroup.needs_unified(config.resources))
        entrance.enter(cgroup, entrances, proc, below)
        if config.exec_affinity is not None:
            config.exec_affinity.in_cgroup()
        syscalls.prctl(c.PR_SET_DUMPABLE, 0)  # the container's processes must not look into us
        step.name = "namespaces"
        namespaces_there = _open_namespaces(proc)
        root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
        terminal = console.open_pair(root, config.uid, config.console_size) if receiver is not None else None
        procfd = procfs.open_proc()
        child.load_nothing_more()
        namespaces.join(namespaces_there)
        os.fchdir(root)
        os.chroot(".")
        os.close(root)
        os.close(proc)
        step.name = "fork"
        told = child.Told()
        pid = os.fork()
        if pid:
            channel.send({"init": pid})  # sync 1
            told.done()
            os._exit(0)
        step.name = "session"
        os.setsid()
        child.new_keyring()
        if terminal is not None and receiver is not None:
            console.hand_over(terminal, receiver)
        if config.process_label is not None:
            config.process_label.open(procfd)
        os.close(procfd)
        told.wait()
        channel.ask({"ready": True})  # sync 2: the parent sets rlimits
        step.name = "user"
        last_capabilities = process.become(config)
        if config.no_new_privileges:
            syscalls.prctl(c.PR_SET_NO_NEW_PRIVS, 1)
        step.name = "program"
        home.complete(config)
        process.execute(config, process.find_program(config), last_capabilities, channel)
    except BaseException as error:  # noqa: BLE001  whatever it is: report it, and never run the caller's clean-up
        channel.fail(error, step.name)
    finally:
        os._exit(1)


def _open_namespaces(proc: int) -> dict[str, int]:
    """The namespaces of the container that are not ours already, by kind."""
    found = {}
    for kind in NAMESPACES:
        file = {"mount": "mnt", "network": "net"}.get(kind, kind)
        try:
            fd = os.open(f"ns/{file}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        except OSError as error:
            if error.errno != errno.ENOENT:  # a kernel without time namespaces, for one
                raise
            continue
        if os.path.samestat(os.fstat(fd), os.stat(f"/proc/self/ns/{file}")):
            os.close(fd)
        else:
            found[kind] = fd
    return found
