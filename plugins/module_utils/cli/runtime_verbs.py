# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""create, run, start, state, kill, delete and list, as other OCI runtimes have them on their command lines."""

from __future__ import annotations

import _socket
import os
import sys

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.errors import Error
from ..kernel.lean import dumps, signal
from ..runtime import lifecycle
from ..runtime import state as states
from ..runtime.config import Config
from ..runtime.dismantle import dismantle
from ..runtime.errors import DamagedState, NoSuchContainer
from ..statedir import StateDir
from .words import Syntax, sort, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..runtime.state import State
    from .words import Words

_CREATE = ("--bundle", "--pid-file", "--console-socket", "--preserve-fds")
_CREATE_FLAGS = ("--no-pivot", "--no-new-keyring", "--systemd-cgroup")
_SHORT = {"-b": "--bundle", "-d": "--detach", "-a": "--all", "-f": "--force", "-q": "--quiet"}
_SYNTAX = {
    "create": Syntax(_CREATE, _CREATE_FLAGS, short=_SHORT),
    "run": Syntax(_CREATE, (*_CREATE_FLAGS, "--detach", "--keep"), short=_SHORT),
    "start": Syntax(),
    "state": Syntax(),
    "kill": Syntax(flags=("--all",), arguments=(1, 2), short=_SHORT),
    "delete": Syntax(flags=("--force",), short=_SHORT),
    "list": Syntax(("--format",), ("--quiet",), arguments=(0, 0), short={**_SHORT, "-f": "--format"}),
}


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``argv[0]``; *root* is the directory of the runtime's state. Returns the exit code."""
    verb = argv[0]
    words = sort(verb, _SYNTAX[verb], argv[1:])
    run_dir = state_directory(root)
    if verb == "list":
        return _list(run_dir, words)
    container_id = words.arguments[0]
    if verb == "create":
        _create(_config(words), run_dir, container_id, words)
    elif verb == "run":
        return _run(run_dir, container_id, words)
    elif verb == "start":
        lifecycle.start(run_dir, container_id)
    elif verb == "state":
        _show(lifecycle.state(run_dir, container_id).as_dict())
    elif verb == "kill":
        number = signal_number(words.arguments[1] if len(words.arguments) > 1 else "TERM")
        lifecycle.kill(run_dir, container_id, number, all_processes="--all" in words.flags)
    elif verb == "delete":
        warn(lifecycle.delete(run_dir, container_id, force="--force" in words.flags))
    return 0


def _show(document: dict[str, Any]) -> None:
    import json

    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def state_directory(root: str | None) -> str:
    """The directory of the runtime's own state: --root, or the one below the default state directory."""
    return os.path.abspath(root) if root else StateDir().runtime


def warn(warnings: list[str]) -> None:
    for warning in warnings:
        sys.stderr.write(f"aoci: warning: {warning}\n")


def preserved(words: Words) -> int:
    """How many descriptors the program keeps: as told, and those of socket activation (sd_listen_fds(3))."""
    return (words.number("--preserve-fds") or 0) + int(os.environ.get("LISTEN_FDS", "0"))


def _config(words: Words) -> Config:
    return Config.load(words.values.get("--bundle", "."))


def _create(
    config: Config, run_dir: str, container_id: str, words: Words, console: _socket.socket | None = None
) -> State:
    """lifecycle.create with what *words* say; *console* takes the terminal where no console socket is named."""
    path = words.values.get("--console-socket")
    if path:
        from ..runtime.console import connect

        console = connect(path)
    created = lifecycle.create(
        config,
        container_id,
        run_dir,
        pid_file=words.values.get("--pid-file", ""),
        console=console,
        preserve_fds=preserved(words),
        no_pivot="--no-pivot" in words.flags,
        systemd_cgroup="--systemd-cgroup" in words.flags,
    )
    warn(created.warnings)
    return created


def signal_number(name: str) -> int:
    """The number of a signal given as ``9``, ``KILL``, ``SIGKILL`` or ``RTMIN+3``. Raises Error."""
    if name.isdigit() and int(name) in range(1, signal.NSIG):
        return int(name)
    word = name.upper()
    word = word[3:] if word.startswith("SIG") else word
    if word.startswith("RTMIN+") and word[6:].isdigit():
        return signal.SIGRTMIN + int(word[6:])
    if word.startswith("RTMAX-") and word[6:].isdigit():
        return signal.SIGRTMAX - int(word[6:])
    found = getattr(signal, "SIG" + word, None)
    if isinstance(found, int) and not word.startswith("_"):
        return int(found)
    raise Error(f"unknown signal {name!r}")


def _run(run_dir: str, container_id: str, words: Words) -> int:
    config = _config(words)
    detach = "--detach" in words.flags
    if detach:
        ours, theirs = None, None
    else:
        syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)  # so that the container's process becomes ours to wait for
        ours, theirs = _own_console(config, words)
    created = _create(config, run_dir, container_id, words, theirs)
    if theirs is not None:
        theirs.close()
    try:
        if detach:
            lifecycle.start_found(run_dir, created)
            return 0
        from . import foreground

        code = foreground.follow(created.pid, ours, lambda: lifecycle.start_found(run_dir, created))
        if "--keep" not in words.flags:
            warn(dismantle(run_dir, created))
        return code
    except BaseException:
        warn(dismantle(run_dir, created))
        raise


def _own_console(config: Config, words: Words) -> tuple[_socket.socket, _socket.socket] | tuple[None, None]:
    """Both ends of a socket for a terminal that we show ourselves; none where there is no terminal to show."""
    if "--console-socket" in words.values or not config.terminal:
        return None, None
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)


def _list(run_dir: str, words: Words) -> int:
    found = []
    for container_id in states.ids(run_dir):
        try:
            found.append(lifecycle.state(run_dir, container_id))
        except (DamagedState, NoSuchContainer) as error:
            if os.path.isdir(states.directory(run_dir, container_id)):  # else it has been deleted meanwhile
                from .main import report

                report(error, "list")
    if "--quiet" in words.flags:
        sys.stdout.write("".join(state.id + "\n" for state in found))
    elif words.values.get("--format", "table") == "json":
        sys.stdout.write(dumps([state.as_dict() for state in found]) + "\n")
    else:
        rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED")]
        rows += [(s.id, str(s.as_dict()["pid"]), s.status, s.bundle, s.created) for s in found]
        sys.stdout.write(table(rows))
    return 0
