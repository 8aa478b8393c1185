# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs as ``entry.py monitor-start DIRECTORY FD``: makes the container, then becomes its monitor.

The overlay is mounted in a mount namespace of this process's own: it goes when the monitor and the container have
gone, whatever ended them, and the host never sees it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import sys
import time

from ..cgroup.api import open_cgroup
from ..cgroup.errors import CgroupError
from ..corelock import hold
from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.errors import Error
from ..kernel.files import locked
from ..kernel.lean import namedtuple, signal, suppress
from ..runtime import state as runtime_state
from ..runtime.errors import NoSuchContainer, RuntimeFault
from ..statedir import StateDir
from . import begin, records, rootmount, runtimes
from . import spec as specs
from .errors import ContainerError
from .monitorhost import HEEDED, read, read_config
from .stamps import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..runtime.config import Config
    from ..runtime.state import State
    from .ttysocket import Terminal

_OTHERS_TIME = 10.0  # seconds
# This folder as a package, without what the core's packages above it would bring along.
_BOOT = (
    'import sys; light = sys.modules["light"] = type(sys)("light"); light.__path__ = [sys.argv[1]];'
    " from light import {0}; {0}.main(sys.argv[2:])"
)


Light = namedtuple("Light", "arguments streams")
Light.__doc__ = """The light monitor's command line, and the reading ends of the container's output."""


class Keeper:
    """Who looks after the container when it has been made: its creator does, as its monitor, or somebody else.

    program  the light program that it becomes
    mute     nobody will read what the container writes
    """

    program = "monitor"
    mute = False

    def created(self, created: State, lock: int) -> None:
        """The container waits for its start; *lock* is the monitor's."""

    def started(self) -> None:
        """Its program runs, and that is recorded."""


def run(
    argv: list[str],
    root: str | None,
    record: records.Record | None = None,
    config: Config | None = None,
    *,
    of_many: bool = False,
) -> int:
    """Carry out ``["monitor-start", DIRECTORY, FD, KIND]`` (begin.py). Comes back only where it could not be made.

    *record* and *config* are what the task that forked us has in its memory already; *of_many*, there are others to be
    made after this one.
    """
    light = make(argv, root, record, config)
    if light is not None:
        if of_many:
            from . import linger

            checked = "health" in read_config(read(os.path.join(argv[1], "monitor.conf")))
            if not checked and linger.has_room():
                linger.wait(light.streams, linger.TIME)
        os.execve(sys.executable, light.arguments, dict(os.environ))
    return 1


def make(
    argv: list[str],
    root: str | None,
    record: records.Record | None = None,
    config: Config | None = None,
    before: Mapping[str, Any] | None = None,
    keeper: Keeper | None = None,
) -> Light | None:
    """Make the container and talk about it on FD; what becomes of us, None where it could not be made.

    Beside :func:`run`'s arguments *before* is the status of the start before this one, whose counts go on.
    """
    report = int(argv[2])
    os.set_inheritable(report, False)
    # A task that finds us while ours was killed may wake us; we end by ourselves. A handler, since what is ignored
    # would be so in the container too.
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    try:
        known = record or _recorded(argv[1])
        return _make(StateDir(root), known, report, config, argv[3], before or {}, keeper or Keeper())
    except Error as error:
        begin.tell_failure(report, error)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        begin.tell_failure(report, Error(f"cannot make the container:{where} {error.strerror}", step="start"))
    return None


def _recorded(path: str) -> records.Record:
    record = records.load_directory(path)
    if record is None:
        raise ContainerError(f"there is no container in {path}", step="start", obj=path)
    return record


def _make(
    state: StateDir,
    record: records.Record,
    report: int,
    config: Config | None,
    kind: str,
    before: Mapping[str, Any],
    keeper: Keeper,
) -> Light | None:
    """Create and start the container; what becomes of us. None when the task has gone away."""
    new = kind != begin.AGAIN  # of which nothing can be there: its id is of this moment
    syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)
    lock = take_lock(record)
    if records.stop_requested(record) or _is_alone(report):
        return None  # our task was killed, and the next one may have begun to clear away what it left
    runtime = runtimes.of(record.spec["options"], state.runtime)
    if not new:
        runtime.delete(record.id)  # what a killed monitor left
        _remove_cgroup(record)
    with locked(state.lock_path("layers", "mounts"), exclusive=False):  # of which none is replaced meanwhile (check.py)
        rootmount.mount(record)
        if record.spec.get("volumes") or record.spec.get("images"):
            from . import places

            places.make(record)
    if record.spec.get("volumes"):
        from . import volumes

        volumes.fill(state, record)
    stdin, keep = _stdin(record)
    if kind == begin.HANDED:
        there, config = begin.handed(report)
        if not there:
            return None
    if config is None:
        from . import bundlefile

        joined = {}
        if specs.joined(record.spec["options"]):
            from . import joining

            joined = joining.join(state, record, keep)
        bundlefile.write(record, bundlefile.users_inside(record), joined)
    out_read, out = os.pipe()
    err_read, err = os.pipe()
    if keeper.mute:
        out = err = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(record.path, "health.json"))  # whoever waits must not take what was for what is
    started = time.time_ns()
    console = _console(state, record)
    try:
        created = _create(runtime, record, (stdin, out, err), config, new=new)
    finally:
        if console is not None:
            out_read, out = console.receive(), err
    try:
        keeper.created(created, lock)
        begin.tell(report, {"created": created.pid})
        held = _hold_core()  # while the task puts the name to it
        counting = oom_file(created)
        if os.read(report, 64) != b"start\n":
            runtime.delete(record.id)
            return None
        started = time.time_ns()
        runtime.start(created)
    except ContainerError as error:
        runtime.delete(record.id)
        said = _last_line(err_read)
        if not said:
            raise
        # It does not always know the error's base.  pylint: disable-next=bad-exception-cause
        raise ContainerError(f"{error.message}: {said}", step=error.step, obj=error.obj, hint=error.hint) from error
    except BaseException:
        runtime.delete(record.id)
        raise
    light = _light(
        state,
        record,
        keeper.program,
        (created.pid, started, lock, stdin, out_read, out, err_read, err, *keep, *held),
        before,
        counting,
        runtime.program,
    )
    records.write_status(record, "running", created.pid, started, before=before)
    # From now on a task may send them: they wait for the light monitor.
    signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
    keeper.started()
    begin.tell(report, {"started": created.pid})
    return light


def beside(state: StateDir, record: records.Record, program: str) -> Light | None:
    """What becomes of us where we are to be beside a container that runs, with nobody to read its output.

    None where it has ended. Raises ContainerError for one that has somebody beside it.
    """
    try:
        live = runtime_state.load(state.runtime, record.id)
    except NoSuchContainer:
        return None
    status = records.read_status(record)
    if live.status != "running" or status.get("pid") != live.pid:
        return None
    syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)  # as above
    lock = take_lock(record)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out_read, out = os.pipe()
    err_read, err = os.pipe()
    numbers = (live.pid, 0, lock, null, out_read, out, err_read, err, *_hold_core())
    return _light(state, record, program, numbers, status, oom_file(live), "")


def _light(
    state: StateDir,
    record: records.Record,
    program: str,
    numbers: Sequence[int],
    before: Mapping[str, Any],
    counting: str,
    runtime: str,
) -> Light:
    """The light *program* with its arguments (container/monitor.py); of *numbers* all but two are its descriptors."""
    for fd in numbers[2:]:
        os.set_inheritable(fd, True)
    here = os.path.dirname(os.path.realpath(__file__))
    strings = [
        record.path,
        record.id,
        state.root,
        state.runtime,
        os.path.join(os.path.dirname(here), "entry.py"),
        counting,
        runtime,
        f"{before.get('restart_count', 0)} {before.get('oom_ends', 0)} {before.get('oom_at', NEVER)}",
    ]
    arguments = [sys.executable, "-I", "-S", "-c", _BOOT.format(program), here, *strings]
    return Light([*arguments, *(str(number) for number in numbers)], (numbers[4], numbers[6]))


def _last_line(pipe: int) -> str:
    """What another runtime's process has said last on the container's stderr."""
    os.set_blocking(pipe, False)
    try:
        said = os.read(pipe, 65536)
    except BlockingIOError:
        return ""
    return said.decode("utf-8", "replace").strip().rpartition("\n")[2]


def _create(
    runtime: runtimes.OwnRuntime,
    record: records.Record,
    stdio: tuple[int, int, int],
    config: Config | None,
    *,
    new: bool,
) -> State:
    """Create the container, if need be against a start that a monitor had begun before it was killed."""
    end = time.monotonic() + _OTHERS_TIME
    while True:
        try:
            return runtime.create(os.path.join(record.path, "bundle"), record.id, stdio, config)
        except (RuntimeFault, CgroupError) as error:
            if new or not is_anothers(error) or time.monotonic() > end:
                raise
        time.sleep(0.05)
        runtime.delete(record.id)
        _remove_cgroup(record)


def is_anothers(error: Error) -> bool:
    """Whether somebody else is at the same container: its id or its group is in use, or the group has just gone."""
    taken_away = error.step == "path" and error.errno in (errno.ENOENT, errno.ENODEV)
    return error.step == "cgroup" or error.errno == errno.EEXIST or taken_away


def _remove_cgroup(record: records.Record) -> None:
    """Remove a group that nobody accounts for any more: the runtime would take it for somebody else's, and leave it."""
    from . import bundle

    for unit in dict.fromkeys(("", records.unit(record))):  # it may have been another supervisor's before
        group = open_cgroup(bundle.cgroups_path(record.spec, unit), owner="container")
        if group.exists():
            group.kill(signal.SIGKILL)
            group.remove()


def take_lock(record: records.Record, patience: float = _OTHERS_TIME) -> int:
    """The record lock that says this container has a monitor (fcntl(2): kept over execve, not over fork).

    Raises ContainerError where another holds it for *patience* seconds.
    The file is there already: nothing is made in a directory that is perhaps being removed. Another that holds it is
    one that has lost its task and is about to end.
    """
    fd = os.open(os.path.join(record.path, "monitor.lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > end:
                raise ContainerError(
                    f"container {record.name} has a monitor already", step="monitor", obj=record.name
                ) from None
            time.sleep(0.02)


def _is_alone(report: int) -> bool:
    """Whether the task at the other end of the conversation has gone."""
    poller = select.poll()
    poller.register(report, select.POLLIN)
    return any(event & select.POLLHUP for _fd, event in poller.poll(0))


def _hold_core() -> list[int]:
    """A shared lock on the host's copy of the core, so that it stays while we run from it (core.py)."""
    try:
        return [hold(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))]
    except FileNotFoundError:
        return []  # a checkout


def _console(state: StateDir, record: records.Record) -> Terminal | None:
    """With ``tty`` what the terminal is sent to, which is the program's standard streams."""
    if not record.spec["options"].get("tty"):
        return None
    from .ttysocket import Terminal

    state.ensure(state.runtime)  # of a host's first container it is not there yet
    return Terminal(state.runtime, record.id)


def _stdin(record: records.Record) -> tuple[int, list[int]]:
    """Standard input: empty, or with ``interactive`` a pipe that nobody ever closes."""
    if record.spec["options"].get("interactive"):
        reading, writing = os.pipe()
        return reading, [writing]
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), []


def oom_file(created: State) -> str:
    """The file that counts OOM kills; "" where no memory controller is."""
    directory = created.cgroup().directory("memory")
    if directory is None:
        return ""
    old = os.path.join(directory, "memory.oom_control")
    return old if os.path.exists(old) else os.path.join(directory, "memory.events")
