# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""exec: a program in a container that runs.

By the runtime's id it is what other OCI runtimes have on their command lines. By the name of one of the host's
containers it is what people know of docker and podman: -i for input, users by name, and their exit codes.
"""

from __future__ import annotations

import _socket
import errno
import json
import os

from ..corelock import hold
from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.errors import Error
from ..kernel.files import read_bytes, write_atomic
from ..kernel.lean import suppress
from ..runtime import entrance, lifecycle
from ..runtime import exec as runtime_exec
from ..runtime import state as states
from ..runtime.console import connect
from ..runtime.errors import NoSuchContainer, WrongState
from .create_verbs import preserved
from .main import state_directory
from .words import Syntax, sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..runtime.state import State
    from ..statedir import StateDir
    from .words import Words

FAILED = 255  # the exit code for "the program could not be run", as runc has it
# The same by name, as docker and podman have it: no such program, one that is none, anything else.
_FAILED_BY_NAME = {errno.ENOENT: 127, errno.EACCES: 126}
_FAILED_OTHERWISE = 125
_SYNTAX = Syntax(
    valued=(
        *("--console-socket", "--pid-file", "--process", "--user", "--cwd", "--preserve-fds"),
        *("--apparmor", "--process-label"),
    ),
    flags=("--tty", "--interactive", "--detach", "--no-new-privs", "--ignore-paused"),
    repeated=("--env", "--cap", "--additional-gids", "--cgroup"),
    arguments=(1, 1),
    command=True,
    short={
        "-t": "--tty",
        "-i": "--interactive",
        "-d": "--detach",
        "-e": "--env",
        "-c": "--cap",
        "-u": "--user",
        "-p": "--process",
        "-g": "--additional-gids",
        "-w": "--cwd",
        "--workdir": "--cwd",
    },
)


def run(argv: list[str], root: str | None) -> int:
    """Carry out exec; the program's exit code, 0 when detached, another when it could not be run."""
    from .main import report

    state = None
    with suppress(FileNotFoundError):  # the host's copy is to be there as long as the program runs
        hold(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    try:
        words = sort("exec", _SYNTAX, argv[1:])
        name, run_dir = words.arguments[0], state_directory(root)
        try:
            found = lifecycle.state(run_dir, name)
        except NoSuchContainer:
            state = _containers(root)
            if state is None:
                raise
            run_dir, found = state.runtime, _find(state, name)
        return _exec(words, found, state, run_dir)
    except (Error, OSError) as error:
        report(error, "exec")
        return _FAILED_BY_NAME.get(error.errno or 0, _FAILED_OTHERWISE) if state else FAILED


def _containers(root: str | None) -> StateDir | None:
    """The state directory, where there are or have been containers with names; the runtime alone makes none."""
    from ..statedir import StateDir

    state = StateDir(root)
    return state if os.path.isdir(state.containers) else None


def _find(state: StateDir, name: str) -> State:
    from ..container import inside

    return inside.running(state, inside.find(state, name))


def _exec(words: Words, found: State, state: StateDir | None, run_dir: str) -> int:
    if found.status == "paused" and "--ignore-paused" not in words.flags:
        message = f"cannot run a program in container {found.id}: it is paused"
        raise WrongState(message, step="exec", obj=found.id, hint="Resume it first")
    if state is None:
        described = _described(words, states.load_document(run_dir, found.id)["process"])
    else:
        described = _described_by_name(words, found, state)
        if "--interactive" not in words.flags:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    detach = "--detach" in words.flags
    receiver, ours = None, None
    if described.get("terminal"):
        path = words.values.get("--console-socket")
        if path:
            receiver = connect(path)
        elif detach:
            raise Error("a detached program with a terminal needs --console-socket")
        else:
            ours, receiver = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    if not detach:
        syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)
    stdio = (0, 1, 2)
    if detach and state is not None:  # nobody is there to read what it writes, nor may it keep our output open
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stdio = (null, null, null)
    pid, _started = runtime_exec.execute(
        run_dir,
        found,
        described,
        stdio=stdio,
        receiver=receiver,
        preserve_fds=preserved(words),
        below=entrance.parse(words.lists.get("--cgroup", [])),
    )
    if receiver is not None:
        receiver.close()
    if words.values.get("--pid-file"):
        write_atomic(os.path.abspath(words.values["--pid-file"]), str(pid).encode(), 0o644, durable=False)
    if detach:
        return 0
    from . import foreground

    return foreground.follow(pid, ours, lambda: None)


def _described_by_name(words: Words, found: State, state: StateDir) -> dict[str, Any]:
    from ..container import inside

    if not words.command:
        raise Error("exec needs a command")
    for option in ("--process", "--additional-gids"):
        if option in words.values or option in words.lists:
            raise Error(f"{option} is for the ids of the runtime, not for a container's name")
    given = dict(entry.partition("=")[::2] for entry in words.lists.get("--env", ()))
    user, cwd, tty = words.values.get("--user", ""), words.values.get("--cwd", ""), "--tty" in words.flags
    described = inside.process(state, found, words.command, user=user, env=given, chdir=cwd, tty=tty)
    return _with_privileges(words, described)


def _described(words: Words, base: dict[str, Any]) -> dict[str, Any]:
    """The ``process`` object: a file's, or the container's own with what the options change."""
    path = words.values.get("--process")
    if path:
        try:
            given = json.loads(read_bytes(path))
        except ValueError as error:
            raise Error(f"{path} is not JSON: {error}") from error
        if not isinstance(given, dict):
            raise Error(f"{path} does not hold a JSON object")
        return given
    if not words.command:
        raise Error("exec needs a command")
    described = {**base, "args": words.command, "terminal": "--tty" in words.flags}
    described.pop("consoleSize", None)
    described["env"] = [*base.get("env", []), *words.lists.get("--env", [])]
    if words.values.get("--cwd"):
        described["cwd"] = words.values["--cwd"]
    if words.values.get("--user"):
        described["user"] = _user(words.values["--user"], base.get("user", {}))
    if words.lists.get("--additional-gids"):
        gids = [_number(gid, "--additional-gids") for gid in words.lists["--additional-gids"]]
        described["user"] = {**described.get("user", {}), "additionalGids": gids}
    return _with_privileges(words, described)


def _with_privileges(words: Words, described: dict[str, Any]) -> dict[str, Any]:
    if "--no-new-privs" in words.flags:
        described["noNewPrivileges"] = True
    for option, name in (("--apparmor", "apparmorProfile"), ("--process-label", "selinuxLabel")):
        if option in words.values:
            described[name] = words.values[option]
    if words.lists.get("--cap"):
        described["capabilities"] = _with_capabilities(described.get("capabilities", {}), words.lists["--cap"])
    return described


def _user(text: str, base: dict[str, Any]) -> dict[str, Any]:
    uid, colon, gid = text.partition(":")
    return {**base, "uid": _number(uid, "--user"), "gid": _number(gid, "--user") if colon else base.get("gid", 0)}


def _number(text: str, option: str) -> int:
    if not text.isdigit():
        raise Error(f"{option} takes numbers, not {text!r}")
    return int(text)


def _with_capabilities(base: dict[str, list[str]], added: list[str]) -> dict[str, list[str]]:
    wanted = ["CAP_" + name.upper() if not name.upper().startswith("CAP_") else name.upper() for name in added]
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    return {kind: [*base.get(kind, []), *(wanted if kind not in ("inheritable", "ambient") else [])] for kind in kinds}
