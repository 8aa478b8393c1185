# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of an OCI runtime, as other runtimes have them on their command lines."""

from __future__ import annotations

import _socket
import json
import os
import signal
import sys

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.errors import Error
from ..runtime import lifecycle
from ..runtime import state as states
from ..runtime.config import Config
from ..runtime.console import connect, receive_master
from ..statedir import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.state import State

_CREATE = ("--bundle", "--pid-file", "--console-socket", "--preserve-fds")
# Verb → (options with a value, options without, fewest and most arguments); the first spelling names the option.
_VERBS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int, int]] = {
    "create": (_CREATE, ("--no-pivot",), 1, 1),
    "run": (_CREATE, ("--no-pivot", "--detach"), 1, 1),
    "start": ((), (), 1, 1),
    "state": ((), (), 1, 1),
    "kill": ((), ("--all",), 1, 2),
    "delete": ((), ("--force",), 1, 1),
    "list": (("--format",), ("--quiet",), 0, 0),
}
_SHORT = {"-b": "--bundle", "-d": "--detach", "-a": "--all", "-f": "--force", "-q": "--quiet"}


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``argv[0]``; *root* is the directory of the runtime's state. Returns the exit code."""
    verb = argv[0]
    options, arguments = _parse(verb, argv[1:])
    run_dir = os.path.abspath(root) if root else StateDir().runtime
    if verb == "list":
        return _list(run_dir, options)
    container_id = arguments[0]
    if verb == "create":
        _create(run_dir, container_id, options)
    elif verb == "run":
        return _run(run_dir, container_id, options)
    elif verb == "start":
        lifecycle.start(run_dir, container_id)
    elif verb == "state":
        sys.stdout.write(json.dumps(lifecycle.state(run_dir, container_id).as_dict(), indent=2) + "\n")
    elif verb == "kill":
        number = signal_number(arguments[1] if len(arguments) > 1 else "TERM")
        lifecycle.kill(run_dir, container_id, number, all_processes="--all" in options)
    elif verb == "delete":
        _warn(lifecycle.delete(run_dir, container_id, force="--force" in options))
    return 0


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        sys.stderr.write(f"aoci: warning: {warning}\n")


def _create(run_dir: str, container_id: str, options: dict[str, str], console: _socket.socket | None = None) -> State:
    """lifecycle.create with what *options* say; *console* takes the terminal where no console socket is named."""
    path = options.get("--console-socket")
    if path:
        console = connect(path)
    preserved = options.get("--preserve-fds", "0")
    if not preserved.isdigit():
        raise Error(f"--preserve-fds takes a number, not {preserved!r}")
    return lifecycle.create(
        options.get("--bundle", "."),
        container_id,
        run_dir,
        pid_file=options.get("--pid-file", ""),
        console=console,
        preserve_fds=int(preserved) + int(os.environ.get("LISTEN_FDS", "0")),
        no_pivot="--no-pivot" in options,
    )


def _parse(verb: str, argv: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options (value "" for a flag) and arguments of *verb*. Raises Error for what it does not take."""
    valued, flags, fewest, most = _VERBS[verb]
    options: dict[str, str] = {}
    arguments: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if name in flags and not equals:
            options[name] = ""
        elif name in valued:
            if not equals and not rest:
                raise Error(f"{verb}: {name} needs a value")
            options[name] = value if equals else rest.pop(0)
        else:
            raise Error(f"{verb} has no option {word}", hint="'aoci help' shows what it takes")
    if not fewest <= len(arguments) <= most:
        raise Error(f"{verb} takes {fewest} to {most} arguments, not {len(arguments)}", hint="'aoci help' shows them")
    return options, arguments


def signal_number(name: str) -> int:
    """The number of a signal given as ``9``, ``KILL`` or ``SIGKILL``. Raises Error."""
    if name.isdigit() and int(name) in range(1, signal.NSIG):
        return int(name)
    found = getattr(signal, name if name.startswith("SIG") else "SIG" + name, None)
    if isinstance(found, signal.Signals):
        return int(found)
    raise Error(f"unknown signal {name!r}")


def _run(run_dir: str, container_id: str, options: dict[str, str]) -> int:
    detach = "--detach" in options
    if detach:
        ours, theirs = None, None
    else:
        syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)  # so that the container's process becomes ours to wait for
        ours, theirs = _own_console(options)
    created = _create(run_dir, container_id, options, theirs)
    try:
        if detach:
            lifecycle.start(run_dir, container_id)
            return 0
        return _foreground(run_dir, created, ours)
    except BaseException:
        _warn(lifecycle.delete(run_dir, container_id, force=True))
        raise


def _own_console(options: dict[str, str]) -> tuple[_socket.socket, _socket.socket] | tuple[None, None]:
    """Both ends of a socket for a terminal that we show ourselves; none where there is no terminal to show."""
    if options.get("--console-socket") or not Config.load(options.get("--bundle", ".")).terminal:
        return None, None
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)


def _foreground(run_dir: str, created: State, console: _socket.socket | None) -> int:
    """Start, pass signals and the terminal on, wait, delete.

    The program's exit code, 128 + n for one that signal n ended.
    """

    def forward(number: int, _frame: object) -> None:
        os.kill(created.pid, number)  # our unreaped child: its pid cannot be another's

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, forward)
    if console is None:
        lifecycle.start(run_dir, created.id)
    else:
        from . import terminal

        master = receive_master(console)
        terminal.follow_size(0, master)
        with terminal.raw(0):
            lifecycle.start(run_dir, created.id)
            terminal.relay(0, 1, master)
    _pid, status = os.waitpid(created.pid, 0)
    _warn(lifecycle.delete(run_dir, created.id, force=True))
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _list(run_dir: str, options: dict[str, str]) -> int:
    found = [lifecycle.state(run_dir, container_id) for container_id in states.ids(run_dir)]
    if "--quiet" in options:
        sys.stdout.write("".join(state.id + "\n" for state in found))
    elif options.get("--format", "table") == "json":
        sys.stdout.write(json.dumps([state.as_dict() for state in found]) + "\n")
    else:
        rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED")]
        rows += [(s.id, str(s.as_dict()["pid"]), s.status, s.bundle, s.created) for s in found]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
            sys.stdout.write(line.rstrip() + "\n")
    return 0
