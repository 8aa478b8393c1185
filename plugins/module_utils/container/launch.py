# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a container's monitor from a task: the side of the conversation that stays in the task.

The monitor prepares everything (mounts, user, cgroup, the waiting process) and reports; only then does the task
decide to let the program run. Until that moment the container that has the name now is untouched.

    task                     monitor (container/start.py)
    spawns it                mounts, builds the bundle, creates
                             {"created": pid} or {"error": …, "hint": …}
    "start"                  starts
                             {"started": pid} or {"error": …, "hint": …}
    closes                   becomes the light monitor
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import socket
import sys

from ..kernel import selfexe, syscalls
from ..runtime import programfile
from .bundle import PATH
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..runtime.config import Config
    from ..statedir import StateDir
    from .records import Record

# The descriptor on which the monitor finds its end of the conversation.
REPORT = 3
# What the monitor says when something happens that nobody foresaw.
TRACE = "log/monitor.log"


class Launch:
    """A created container that waits for :meth:`start`; leaving it unstarted unmakes it."""

    def __init__(self, state: StateDir, record: Record, entry: str, *, new: bool = False) -> None:
        """Let the monitor of *record* begin; :meth:`wait_created` tells how it goes."""
        config = None
        if _directly(record.spec["options"]):
            # What the child needs is loaded by us: once for all the containers of a task.
            from ..cgroup import devices, write  # noqa: F401
            from ..runtime import init, outside  # noqa: F401
            from . import start  # noqa: F401

            if new:
                config = _prepare(record, state.runtime)
        self.name = record.name
        self.trace = os.path.join(record.path, TRACE)
        self.channel, theirs = socket.socketpair()
        self.child = os.fork()
        if self.child == 0:
            _become_monitor(theirs.fileno(), state.root, record, entry, "new" if new else "again", config)
        theirs.close()

    def wait_created(self) -> None:
        """Return when the container is there. Raises ContainerError with the reason when it could not be made."""
        try:
            self._expect("created")
        except BaseException:
            self.abandon()
            raise

    def start(self, meanwhile: Callable[[], None] | None = None) -> int:
        """Let the program run; its pid. Raises ContainerError when it cannot be executed.

        *meanwhile* is called between the word and the answer.
        """
        try:
            self.channel.sendall(b"start\n")
            if meanwhile is not None:
                meanwhile()
            return self._expect("started")
        finally:
            self.channel.close()

    def abandon(self) -> None:
        """Unmake the created container, and wait until that is done."""
        self.channel.close()
        if self.child:
            os.waitpid(self.child, 0)
            self.child = 0

    def _expect(self, key: str) -> int:
        data = b""
        while not data.endswith(b"\n"):
            piece = self.channel.recv(65536)
            if not piece:
                raise ContainerError(
                    f"the monitor of container {self.name} died: {self._last_words()}", step=key, obj=self.name
                )
            data += piece
        message: dict[str, Any] = json.loads(data)
        if "error" in message:
            raise ContainerError(message["error"], step=message["step"], obj=self.name, hint=message["hint"])
        return int(message[key])

    def _last_words(self) -> str:
        try:
            with open(self.trace, encoding="utf-8", errors="replace") as file:
                return file.read().strip().rpartition("\n")[2] or "no word of why"
        except FileNotFoundError:
            return "no word of why"


def _directly(options: Mapping[str, Any]) -> bool:
    """Whether the forked task itself may create the container, without starting another interpreter first.

    For those of which runtime/programfile.py can say beforehand that the program cannot reach our executable.
    """
    if options.get("runtime") or options.get("pid_mode") == "host" or not programfile.supported():
        return False
    return not any(item.startswith("seccomp={") for item in options.get("security_opts", ()))


def _prepare(record: Record, run_dir: str) -> Config | None:
    """Write a new container's bundle and load it as the runtime does; None where the monitor must, with all mounted.

    Before the fork it costs a third: every page that the forked child writes to, it first has to copy.
    """
    from ..runtime import seccomp
    from ..runtime.config import Config
    from . import bundlefile, userns

    users = bundlefile.users_in_layers(record.spec["layers"])
    if users is None or userns.is_private(record.spec["options"]):
        return None
    try:
        bundlefile.write(record, users)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise ContainerError(
            f"cannot make the container:{where} {error.strerror}", step="bundle", obj=record.name
        ) from error
    config = Config.load(os.path.join(record.path, "bundle"))
    seccomp.prepare(config, run_dir)
    return config


def _become_monitor(report: int, root: str, record: Record, entry: str, kind: str, config: Config | None) -> None:
    """In the forked child: a session of its own, no terminal, no descriptor of the task's, and the core's program."""
    path, environment = record.path, {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    try:
        os.setsid()
        null = fcntl.fcntl(os.open(os.devnull, os.O_RDWR), fcntl.F_DUPFD, 10)  # out of the way of what follows
        os.dup2(report, REPORT, inheritable=True)
        for fd in range(3):
            os.dup2(null, fd, inheritable=True)
        trace = os.open(os.path.join(path, TRACE), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.dup2(trace, 2, inheritable=True)
        syscalls.close_on_exec(REPORT + 1)
        os.chdir("/")
        os.umask(0o022)
        if _directly(record.spec["options"]):
            from .start import run

            # The task's own end of our conversation, and its locks, must not live on in us.
            os.closerange(REPORT + 1, os.sysconf("SC_OPEN_MAX"))
            os.environ.clear()
            os.environ.update(environment)
            gc.disable()  # as in init.py; it is not for long
            run(["monitor-start", path, str(REPORT), kind], root, record, config)
        else:
            arguments = ["-I", "-S", entry, "--root", root, "monitor-start", path, str(REPORT), kind]
            selfexe.exec_protected(arguments, environment)
    except OSError as error:
        message = {"error": f"cannot start the monitor: {error.strerror}", "step": "monitor", "hint": ""}
        os.write(REPORT, json.dumps(message).encode() + b"\n")
    except BaseException:  # noqa: BLE001 - goes into the trace, and must not run the task's own code a second time
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
