# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""exec: a program in a container that runs, as other OCI runtimes have it on their command lines."""

from __future__ import annotations

import _socket
import json
import os

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.errors import Error
from ..kernel.files import read_bytes, write_atomic
from ..runtime import exec as runtime_exec
from ..runtime import lifecycle
from ..runtime import state as states
from ..runtime.console import connect
from ..runtime.errors import WrongState
from .create_verbs import preserved
from .main import state_directory
from .words import Syntax, sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .words import Words

FAILED = 255  # the exit code for "the program could not be run", as runc has it
_SYNTAX = Syntax(
    valued=("--console-socket", "--pid-file", "--process", "--user", "--cwd", "--preserve-fds", "--cgroup"),
    flags=("--tty", "--detach", "--no-new-privs", "--ignore-paused"),
    repeated=("--env", "--cap", "--additional-gids"),
    arguments=(1, 1),
    command=True,
    short={
        "-t": "--tty",
        "-d": "--detach",
        "-e": "--env",
        "-c": "--cap",
        "-u": "--user",
        "-p": "--process",
        "-g": "--additional-gids",
    },
)


def run(argv: list[str], root: str | None) -> int:
    """Carry out exec; the program's exit code, 0 when detached, FAILED when it could not be run."""
    from .main import report

    try:
        return _exec(argv, state_directory(root))
    except (Error, OSError) as error:
        report(error, "exec")
        return FAILED


def _exec(argv: list[str], run_dir: str) -> int:
    words = sort("exec", _SYNTAX, argv[1:])
    found = lifecycle.state(run_dir, words.arguments[0])
    if found.status == "paused" and "--ignore-paused" not in words.flags:
        message = f"cannot run a program in container {found.id}: it is paused"
        raise WrongState(message, step="exec", obj=found.id, hint="Resume it first")
    described = _described(words, states.load_document(run_dir, found.id)["process"])
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
    pid, _started = runtime_exec.execute(run_dir, found, described, receiver=receiver, preserve_fds=preserved(words))
    if receiver is not None:
        receiver.close()
    if words.values.get("--pid-file"):
        write_atomic(os.path.abspath(words.values["--pid-file"]), str(pid).encode(), 0o644, durable=False)
    if detach:
        return 0
    from . import foreground

    return foreground.follow(pid, ours, lambda: None)


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
    if "--no-new-privs" in words.flags:
        described["noNewPrivileges"] = True
    if words.lists.get("--cap"):
        described["capabilities"] = _with_capabilities(base.get("capabilities", {}), words.lists["--cap"])
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
