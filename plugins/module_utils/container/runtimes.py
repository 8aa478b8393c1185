# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime that makes a container: our own, or another program with runc's command line.

Another runtime is asked to create, start and delete. What it has made gets a state of our own runtime's form beside
its own: signals, limits, freezing, exec and the look at it are the same then, by process descriptor and cgroup,
whoever made the container. The other's state lies beside ours, in ``RUN/runtime-NAME``.
"""

from __future__ import annotations

import os
import stat
import time

from ..kernel import procfs
from ..kernel.files import read_bytes
from ..kernel.lean import loads, signal, suppress
from ..runtime import lifecycle
from ..runtime import state as states
from ..runtime.channel import START_SOCKET
from ..runtime.config import Config
from ..runtime.state import State
from .errors import ContainerError
from .spec import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Stdio = tuple[int, int, int]

_CREATIONS = 5  # tries, see OtherRuntime._create()
_EXECUTION = 1.0  # seconds from another runtime's start to execve(2), at the most


class OwnRuntime:
    """runtime/lifecycle.py on the state in *run_dir*."""

    program = ""

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir

    def create(self, bundle: str, container_id: str, stdio: Stdio, config: Config | None = None) -> State:
        """Create the container of *bundle*, whose configuration may be loaded already."""
        known = config or Config.load(bundle)
        console = None
        if known.terminal:
            from ..runtime.console import connect
            from .ttysocket import path

            console = connect(path(self.run_dir, container_id))
        return lifecycle.create(known, container_id, self.run_dir, stdio=stdio, console=console)

    def start(self, created: State) -> None:
        """Let the program of what :meth:`create` gave run."""
        lifecycle.start_found(self.run_dir, created)

    def delete(self, container_id: str) -> None:
        """Remove what is left of the container, running or not; nothing is fine."""
        lifecycle.delete(self.run_dir, container_id, force=True)

    def knows(self, container_id: str) -> bool:
        """Whether there is anything to delete."""
        return os.path.lexists(states.directory(self.run_dir, container_id))


class OtherRuntime(OwnRuntime):
    """The *program* (an absolute path) with the command line of runc 1.0.

    What it refuses is a ContainerError with its own words.
    """

    def __init__(self, run_dir: str, program: str) -> None:
        super().__init__(run_dir)
        self.program = program
        self.theirs = f"{run_dir}-{os.path.basename(program)}"

    def create(self, bundle: str, container_id: str, stdio: Stdio, _config: Config | None = None) -> State:
        bundle = os.path.abspath(bundle)
        os.makedirs(self.theirs, mode=0o700, exist_ok=True)
        text = read_bytes(os.path.join(bundle, "config.json"))
        document: dict[str, Any] = loads(text)
        created = State(container_id, bundle, document["linux"]["cgroupsPath"], _now())
        created.annotations = document.get("annotations", {})
        if document["linux"].get("uidMappings"):
            from ..runtime.child import own_stdio
            from . import userns

            # The other does this from inside the namespace, where it has no power over what is root's.
            own_stdio(stdio, userns.outside(document))
        states.make(self.run_dir, created)
        directory = states.directory(self.run_dir, container_id)
        try:
            states.save_document(self.run_dir, container_id, text)
            pid_file = os.path.join(directory, "pid")
            words = ["--bundle", bundle, "--pid-file", pid_file]
            if document["process"].get("terminal"):
                from .ttysocket import path

                words += ["--console-socket", path(self.run_dir, container_id)]
            self._create(["create", *words, container_id], stdio)
            with open(os.path.join(directory, START_SOCKET), "wb"):
                pass  # while it is there, the container counts as created
            created.pid = int(read_bytes(pid_file))
            with suppress(ProcessLookupError):  # dead already: start will say so
                created.start_time = procfs.start_time(created.pid)
            created.status = "created"
            states.save(self.run_dir, created)
        except BaseException:
            self.delete(container_id)
            raise
        return created

    def start(self, created: State) -> None:
        name = procfs.name(created.pid, created.start_time)
        self._run(["start", created.id])
        self._check_executed(created, name)
        with suppress(FileNotFoundError):  # it has ended, and is deleted, already
            os.unlink(os.path.join(states.directory(self.run_dir, created.id), START_SOCKET))

    def _check_executed(self, started: State, before: bytes) -> None:
        """Raise ContainerError where the process ended as what waited, called *before*, and not as the program.

        The other tells of what goes wrong up to the moment in which its process lets go of it, and not of execve(2).
        """
        end = time.monotonic() + _EXECUTION
        while before and procfs.name(started.pid, started.start_time) == before:
            if not procfs.alive(started.pid, started.start_time):
                if procfs.name(started.pid, started.start_time) != before:
                    return  # it ran, and ended, between the two looks
                name = os.path.basename(self.program)
                raise ContainerError(
                    f"{name} started the container, and its program could not be executed", step="runtime", obj=name
                )
            if time.monotonic() > end:
                return  # what has the pid is nothing that becomes the program: a virtual machine's monitor
            time.sleep(0.001)

    def delete(self, container_id: str) -> None:
        # Ours first: it ends every process and does not need the other program, which may have been removed.
        super().delete(container_id)
        if not os.path.lexists(self._their_state(container_id)):
            return
        try:
            self._run(["delete", "--force", container_id])
        except FileNotFoundError:
            import shutil

            shutil.rmtree(self._their_state(container_id))

    def knows(self, container_id: str) -> bool:
        return super().knows(container_id) or os.path.lexists(self._their_state(container_id))

    def _their_state(self, container_id: str) -> str:
        return os.path.join(self.theirs, container_id)

    def _create(self, arguments: list[str], stdio: Stdio) -> None:
        """Run the verb create, again where the group above all containers' has just gone with another's last one.

        The other runtime makes it and then its own below, and has failed when it goes in between.
        """
        for attempt in range(_CREATIONS):
            try:
                self._run(arguments, stdio)
                return
            except ContainerError as error:
                lost = "cgroup" in error.message and "no such file or directory" in error.message
                if not lost or attempt == _CREATIONS - 1:
                    raise
            _take_back(stdio[2])
            if os.path.lexists(self._their_state(arguments[-1])):
                self._run(["delete", "--force", arguments[-1]])

    def _run(self, arguments: list[str], stdio: Stdio | None = None) -> None:
        """Run one verb to its end. Raises ContainerError; FileNotFoundError when the program is not there."""
        log = os.path.join(self.theirs, f"{arguments[-1]}.log")
        argv = [self.program, "--root", self.theirs, "--log", log, "--log-format", "json", *arguments]
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            streams = stdio or (null, null, null)
            child = os.posix_spawn(
                self.program,
                argv,
                {"PATH": PATH, "LC_ALL": "C.UTF-8"},
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(streams)],
                # Python ignores these, and what is ignored stays so in the container.
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
                setsigmask=[],
            )
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code:
                name = os.path.basename(self.program)
                reason = _last_error(log) or f"it ended with {code} and gave no reason"
                raise ContainerError(f"{name} cannot {arguments[0]} the container: {reason}", step="runtime", obj=name)
        finally:
            os.close(null)
            with suppress(FileNotFoundError):
                os.unlink(log)


def _take_back(stderr: int) -> None:
    """Empty the pipe *stderr* of what a failed attempt has said: it is none of the container's words."""
    if not stat.S_ISFIFO(os.fstat(stderr).st_mode):
        return
    reading = os.open(f"/proc/self/fd/{stderr}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with suppress(BlockingIOError):
            while os.read(reading, 65536):
                pass
    finally:
        os.close(reading)


def of(options: Mapping[str, Any], run_dir: str) -> OwnRuntime:
    """The runtime that canonical *options* name. Raises ContainerError when it is not on this host."""
    program = find(options)
    return OtherRuntime(run_dir, program) if program else OwnRuntime(run_dir)


def known(options: Mapping[str, Any], run_dir: str) -> OwnRuntime:
    """As :func:`of`, but to delete only: a program that has been removed since is no hindrance."""
    name = options.get("runtime", "")
    try:
        return of(options, run_dir)
    except ContainerError:
        return OtherRuntime(run_dir, os.path.join("/nonexistent", os.path.basename(name)))


def find(options: Mapping[str, Any]) -> str:
    """The absolute path of the program that the option ``runtime`` names; "" for our own runtime."""
    name = str(options.get("runtime", ""))
    if not name:
        return ""
    places = [name] if name.startswith("/") else [os.path.join(directory, name) for directory in PATH.split(":")]
    for path in places:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise ContainerError(
        f"runtime: {name} is not a program on this host",
        step="runtime",
        obj=name,
        hint="Install it, or leave runtime out for the runtime that comes with this collection",
    )


def _last_error(path: str) -> str:
    """What the other runtime complained of last, in its log of JSON lines."""
    reason = ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    entry = loads(line)
                except ValueError:
                    continue  # cut short
                if isinstance(entry, dict) and entry.get("level") in ("error", "fatal", "panic"):
                    reason = str(entry.get("msg", ""))
    except FileNotFoundError:
        return ""
    return " ".join(reason.split())


def _now() -> str:
    from .stamps import timestamp

    return timestamp(time.time_ns())


def run(argv: list[str], _root: str | None) -> int:
    """Carry out the monitor's ``other-run PROGRAM RUN_DIR BUNDLE PID_FILE ID`` and ``other-delete PROGRAM RUN_DIR ID``.

    Raises ContainerError.
    """
    verb, program, run_dir = argv[:3]
    runtime, container_id = OtherRuntime(run_dir, program), argv[-1]
    if verb == "other-delete":
        runtime.delete(container_id)
        return 0
    bundle, pid_file = argv[3:5]
    created = runtime.create(bundle, container_id, (0, 1, 2))
    try:
        with open(pid_file, "w", encoding="ascii") as file:
            file.write(str(created.pid))
        runtime.start(created)
    except BaseException:
        runtime.delete(container_id)
        raise
    return 0
