# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_container_exec does: a program in a running container, its output and its exit code.

The program is started by a process of its own, ``entry.py exec``: whoever enters a container needs an executable that
it cannot write to (kernel/selfexe.py), and a module's python is not.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import posixpath
import selectors
import shlex
import subprocess
import sys

from ..kernel.errors import Error, told
from ..statedir import StateDir
from . import inside
from .errors import ContainerError
from .spec import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..runtime.state import State

_CHUNK = 1 << 16


def run(module: Any, entry: str) -> None:
    """Do what *module* (an AnsibleModule) asks for and leave through its exit; *entry* is the core's entry.py."""
    name = module.params["name"]
    try:
        result = perform(module.params, entry, check_mode=module.check_mode)
    except (Error, OSError) as error:
        module.fail_json(msg=told(name, error))
    if result.get("rc"):
        module.fail_json(msg=f"non-zero return code {result['rc']} in container {name}", **result)
    module.exit_json(**result)


def perform(params: dict[str, Any], entry: str, *, check_mode: bool = False) -> dict[str, Any]:
    """The result of a task with the module's options *params*. Raises Error for a program that could not be run."""
    argv = params["argv"] or _split(params["command"])
    if not argv:
        raise ContainerError("there is no command to run", step="command", hint="Give argv or command")
    state = StateDir(params["root"])
    result: dict[str, Any] = {"changed": True, "cmd": argv}
    try:
        record = inside.find(state, params["name"])
        found = inside.running(state, record)
    except ContainerError as error:
        if not check_mode:
            raise
        return {**result, **_would_run(params, f" ({error.message} now)")}
    described = inside.process(
        state,
        found,
        argv,
        user=params["user"] or "",
        env={name: str(value) for name, value in (params["env"] or {}).items()},
        chdir=params["chdir"] or "",
        tty=params["tty"],
    )
    why = _needless(found, params, described["cwd"])
    if why:
        text = f"Did not run command since {why}"
        return {"changed": False, "cmd": argv, "msg": text, "stdout": f"skipped, since {why}", "stderr": "", "rc": 0}
    if check_mode:
        return {**result, **_would_run(params, "")}
    begun = datetime.datetime.now()
    if params["detach"]:
        _program(state, found, described, entry, detach=True)
        return result
    stdin = None if params["stdin"] is None else params["stdin"] + ("\n" if params["stdin_add_newline"] else "")
    rc, stdout, stderr = _program(state, found, described, entry, stdin)
    end = datetime.datetime.now()
    if params["strip_empty_ends"]:
        stdout, stderr = stdout.rstrip("\r\n"), stderr.rstrip("\r\n")
    times = {"start": str(begun), "end": str(end), "delta": str(end - begun)}
    return {**result, "rc": rc, "stdout": stdout, "stderr": stderr, **times}


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ContainerError(f"command: {error}", step="command", hint="Give the words as a list, argv") from error


def _would_run(params: dict[str, Any], remark: str) -> dict[str, Any]:
    """As ansible.builtin.command says it: skipped unless ``creates`` or ``removes`` have told that it would run."""
    told = params["creates"] is not None or params["removes"] is not None
    said = {"msg": f"Command would have run if not in check mode{remark}", "rc": 0}
    return said if told else {**said, "changed": False, "skipped": True}


def _needless(found: State, params: dict[str, Any], cwd: str) -> str:
    """Why the program need not run, by ``creates`` and ``removes``; "" if it must."""
    if params["creates"] is None and params["removes"] is None:
        return ""
    root = inside.open_root(found)
    try:
        if params["creates"] is not None and inside.exists(root, posixpath.join(cwd, params["creates"])):
            return f"'{params['creates']}' exists"
        if params["removes"] is not None and not inside.exists(root, posixpath.join(cwd, params["removes"])):
            return f"'{params['removes']}' does not exist"
    finally:
        os.close(root)
    return ""


def _program(
    state: StateDir,
    found: State,
    described: dict[str, Any],
    entry: str,
    stdin: str | None = None,
    *,
    detach: bool = False,
) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of the program *described*. Raises ContainerError when it could not be started.

    What the starter is told (the process may hold secrets) and what it says of a failure goes by files that lie in
    memory alone; a pipe that nobody writes to tells its end, however long what it left behind keeps its output open.
    """
    with contextlib.ExitStack() as opened:
        told, said = (os.memfd_create(name) for name in ("process", "failure"))
        ended, theirs = os.pipe()
        for fd in (told, said, ended):
            opened.callback(os.close, fd)
        with open(told, "wb", closefd=False) as file:
            file.write(json.dumps(described).encode())
        words = ["exec", "--process", f"/proc/self/fd/{told}", *(["--detach"] if detach else []), found.id]
        log = ["--log", f"/proc/self/fd/{said}", "--log-format", "json"]
        output = subprocess.DEVNULL if detach else subprocess.PIPE
        try:
            starter = subprocess.Popen(
                [sys.executable, "-I", "-S", entry, "--root", state.runtime, *log, *words],
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(told, said, theirs),
                env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
                cwd="/",
            )
        finally:
            os.close(theirs)
        with starter:
            stdout, stderr = _converse(starter, (stdin or "").encode(), ended)
        failure = os.pread(said, _CHUNK, 0)
    if failure:
        raise ContainerError(json.loads(failure.splitlines()[-1])["msg"].rstrip("."), step="exec", obj=found.id)
    return starter.returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")


def _converse(starter: subprocess.Popen[bytes], stdin: bytes, ended: int) -> Sequence[bytes]:
    """(stdout, stderr), until the descriptor *ended* says that the program has come to its end."""
    outputs = [stream for stream in (starter.stdout, starter.stderr) if stream is not None]
    pieces: dict[int, list[bytes]] = {stream.fileno(): [] for stream in outputs}
    with selectors.DefaultSelector() as selector:
        selector.register(ended, selectors.EVENT_READ)
        for fd in pieces:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        if starter.stdin is not None:
            os.set_blocking(starter.stdin.fileno(), False)
            selector.register(starter.stdin, selectors.EVENT_WRITE)
        done = False
        while not done:
            for key, _events in selector.select():
                if key.fd == ended:
                    done = True
                elif key.fd in pieces:
                    if not _take(key.fd, pieces[key.fd]):
                        selector.unregister(key.fd)
                elif starter.stdin is not None:
                    stdin = _give(starter.stdin.fileno(), stdin)
                    if not stdin:
                        selector.unregister(starter.stdin)
                        starter.stdin.close()
                        starter.stdin = None
    for fd, taken in pieces.items():
        while _take(fd, taken) and len(taken[-1]) > 0:
            pass
    found = [b"".join(taken) for taken in pieces.values()]
    return found or (b"", b"")


def _take(fd: int, pieces: list[bytes]) -> bool:
    """Read what there is into *pieces*; whether more may come."""
    try:
        data = os.read(fd, _CHUNK)
    except BlockingIOError:
        return False
    pieces.append(data)
    return bool(data)


def _give(fd: int, data: bytes) -> bytes:
    """Write what fits; the rest. A program that reads no more gets no more."""
    try:
        return data[os.write(fd, data[:_CHUNK]) :] if data else b""
    except BrokenPipeError:
        return b""
