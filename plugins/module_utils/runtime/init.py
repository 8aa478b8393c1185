# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's side of create and start: from fork(2) to execve(2).

It begins in the host's namespaces, opens what only the host's privilege can, and enters the new ones. A new pid
namespace has only its maker's children in it: unless our parent could make it for us, a second fork follows. The
numbered steps match those in create.py.
"""

from __future__ import annotations

import _socket
import gc
import os

from ..kernel import constants as c
from ..kernel import procfs, syscalls
from . import child, devices, home, hooks, mounting, namespaces, process, rootfs
from .channel import START_SOCKET, accept, listen
from .fork import unshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .channel import Channel
    from .config import Config


class Inheritance:
    """What the first processes have from the one that creates the container.

    channel       our end of the conversation
    stdio         descriptors to be 0, 1 and 2
    console       connected to whoever gets the terminal's master; None without a terminal
    preserve_fds  how many descriptors after stdio the program keeps
    no_pivot      move the root mount instead of pivot_root(2): a ramfs cannot be pivoted
    new_keyring   a session keyring of its own; False leaves it the caller's (keyrings(7))

    Told later, by sync 1:

    listener      the socket on which start reaches us
    state         the state document for hooks
    """

    __slots__ = (
        *("channel", "config", "console", "listener", "new_keyring", "no_pivot", "preserve_fds", "state", "stdio"),
    )

    def __init__(
        self,
        config: Config,
        channel: Channel,
        stdio: tuple[int, int, int],
        console: _socket.socket | None,
        preserve_fds: int,
        no_pivot: bool,
        new_keyring: bool,
    ) -> None:
        self.config = config
        self.channel = channel
        self.stdio = stdio
        self.console = console
        self.preserve_fds = preserve_fds
        self.no_pivot = no_pivot
        self.new_keyring = new_keyring
        self.listener: _socket.socket
        self.state: dict[str, Any]


def run(given: Inheritance, *, first: bool) -> None:
    """The forked child's whole life; never returns. *first*: it is the container's first process already."""
    step = child.Step()
    try:
        gc.disable()  # a collection would touch, and so copy, every page we share with the parent
        _outer(given, step, first=first)
    except BaseException as error:  # noqa: BLE001  whatever it is: report it, and never run the caller's clean-up
        given.channel.fail(error, step.name)
    finally:
        os._exit(1)


def _outer(given: Inheritance, step: child.Step, *, first: bool) -> None:
    config, channel = given.config, given.channel
    step.name = "stdio"
    child.leave_caller(config, given.stdio, given.preserve_fds)
    if not first:
        cgroups = _settle(given, step)
    step.name = "namespaces"
    joined = namespaces.open_joined(config)
    if "pid" in joined or "mount" in joined:
        syscalls.prctl(c.PR_SET_DUMPABLE, 0)  # others live there already and must not look into us
    trees = mounting.open_trees(config, joined)
    if not first:
        trees.open_cgroups(config, cgroups)
    os.chdir(config.rootfs if trees.namespace < 0 else "/")
    offsets = config.clocks.open() if config.clocks is not None else -1
    namespaces.enter(config, joined, channel, inside=("pid", "cgroup") if first else ())  # sync 2 in it
    if config.clocks is not None:
        config.clocks.set(offsets)
    if first:
        # What has nothing to ask of the parent on its way makes its namespaces while the parent makes the cgroup.
        trees.open_cgroups(config, _settle(given, step))
        step.name = "namespaces"
        if config.namespaces.get("cgroup") == "":
            unshare(("cgroup",))  # its root is the group that we are in
        _inner(given, trees, None, step)
    step.name = "fork"
    told = child.Told()
    pid = os.fork()  # only a child is inside a new pid namespace
    if pid:
        channel.send({"init": pid})  # sync 3: the parent learns the host's pid of the first process
        told.done()
        os._exit(0)
    _inner(given, trees, told, step)


def _settle(given: Inheritance, step: child.Step) -> dict[str, str]:
    """Enter the cgroup and listen for start; the cgroup's directories, as :meth:`Cgroup.paths` gives them."""
    step.name = "cgroup"
    made = given.channel.wait()  # sync 1: the parent has made the cgroup and the place of our state
    child.join_cgroup(made["entrances"])
    given.listener = listen(made["directory"], START_SOCKET)
    annotations = given.config.annotations
    given.state = {**made["state"], **({"annotations": annotations} if annotations else {})}
    paths: dict[str, str] = made["cgroup"]
    return paths


def _inner(given: Inheritance, trees: mounting.Trees, told: child.Told | None, step: child.Step) -> None:
    config, channel = given.config, given.channel
    step.name = "session"
    os.setsid()
    if given.new_keyring:
        child.new_keyring()
    procfd = procfs.open_proc()
    step.name = "network"
    if config.namespaces.get("network") == "":
        namespaces.loopback_up()
    if told is not None:
        told.wait()
    if config.network_devices:
        channel.ask({"network": True})  # sync 4: the parent moves devices of the host here

    step.name = "mounts"
    os.umask(0o022)
    if config.own_mounts:
        rootfd = rootfs.enter_root(config)
        mounting.mount_all(config, rootfd, trees)
        step.name = "devices"
        devices.make_devices(config, rootfd)
    else:
        from . import chrooting

        rootfd = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        step.name = "devices"
        chrooting.make_devices(config, rootfd)
    if given.console is not None:
        step.name = "console"
        from . import console

        terminal = console.open_pair(rootfd, config.uid, config.console_size)
        console.bind_console(rootfd, terminal[1])
        console.hand_over(terminal, given.console)
    step.name = "hooks"
    if config.has_hooks("prestart", "createRuntime"):
        channel.ask({"hooks": True})  # sync 5: the parent runs those that belong outside
    hooks.run_all(config.hooks["createContainer"], {**given.state, "pid": os.getpid()}, config.bundle)
    step.name = "masks"
    if config.own_mounts:
        if config.readonly:
            process.make_cwd_in(config, rootfd)
        rootfs.finish(config, rootfd)
    step.name = "sysctl"
    for path, value in config.sysctl.items():
        procfs.write_proc(procfd, f"sys/{path}", value)
    if config.hooks["startContainer"]:
        hooks.preload()
    if config.process_label is not None:
        step.name = "label"
        config.process_label.open(procfd)
    if config.init:
        from . import reaper

        reaper.check()
    if given.no_pivot:
        from . import nopivot
    step.name = "ready"
    channel.send({"ready": True})  # sync 6: the parent sets limits and rlimits
    step.name = "pivot_root"
    child.load_nothing_more()
    if config.own_mounts:
        if given.no_pivot:
            nopivot.enter(rootfd)
        else:
            rootfs.pivot(config, rootfd)
        os.close(rootfd)  # no way out, and no way around the root, is left open (CVE-2024-21626)
    else:
        chrooting.enter(config, rootfd, trees.namespace)
    os.close(procfd)
    step.name = "hostname"
    if config.hostname:
        _socket.sethostname(config.hostname)
    if config.domainname:
        syscalls.setdomainname(config.domainname)
    process.make_cwd(config)

    channel.wait()  # sync 6: it is done
    step.name = "user"
    syscalls.prctl(c.PR_SET_DUMPABLE, 0)
    last_capabilities = process.become(config)
    if config.no_new_privileges:
        syscalls.prctl(c.PR_SET_NO_NEW_PRIVS, 1)
    step.name = "program"
    home.complete(config)
    program = process.find_program(config)
    channel.send({"armed": True})  # sync 7: from here on only start can fail
    channel.close()

    step.name = "start"
    starter = accept(given.listener)
    try:
        if starter.receive() is None:
            os._exit(1)
        starter.send({"taken": True})  # whoever else asks is told nothing, and knows by that
        hooks.run_all(config.hooks["startContainer"], {**given.state, "status": "created", "pid": os.getpid()}, "/")
        if config.init:
            reaper.enter(config, last_capabilities, starter)  # goes on in a child
        process.execute(config, program, last_capabilities, starter)
    except BaseException as error:  # noqa: BLE001  the one who started us is the one to tell
        starter.fail(error, "exec")
        os._exit(127)
