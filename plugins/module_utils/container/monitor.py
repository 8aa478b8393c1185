# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor of one container: what stays in memory beside it.

It is the container's parent (a subreaper), drains its output into the log, records how it ended and starts it again
where the restart policy says so. It runs for as long as the container may, on every host many times over: so it
imports modules written in C alone, and what needs more (deleting, starting) runs as a process of its own.

Files in the container's directory that belong to it:

    monitor.conf   policy, retries, max_size, max_file, remove as ``key=value`` lines; read at the start, and again
                   at SIGHUP
    monitor.lock   has a record lock of fcntl(2) on it for as long as the monitor lives: unlike flock(2)'s it is not
                   inherited by children, and tells who holds it
    stop           exists while somebody wants the container stopped
    status.json    status (running, restarting, exited), pid, exit_code, started_at, finished_at, oom_killed,
                   restart_count
    log/           container.log, container.log.1 … : lines ``TIME stdout|stderr F|P TEXT``
"""

from __future__ import annotations

import _signal
import errno
import posix
import select
import sys
import time

if __package__:
    from . import restart
else:  # started by container/start.py: this file's folder is on the path, its package is not loaded
    import restart  # type: ignore[import-not-found, no-redef, unused-ignore]

CHUNK = 65536
MAX_SIZE = 10 << 20
MAX_FILE = 5
NEVER = "0001-01-01T00:00:00Z"  # how Docker writes the time of what has not happened


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, in UTC."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 1_000_000_000))
    return f"{whole}.{nanoseconds % 1_000_000_000:09d}Z"


def log_lines(data: bytes, stream: bytes, when: bytes) -> bytes:
    """*data* as lines of the log; a piece that does not end in a newline is marked P (partial)."""
    head = when + b" " + stream
    lines = data.split(b"\n")
    last = lines.pop()
    text = b"".join([head + b" F " + line + b"\n" for line in lines])
    return text + head + b" P " + last + b"\n" if last else text


def read_config(text: str) -> tuple[str, int, int, int, bool]:
    """(policy, retries, max_size, max_file, remove) of a ``monitor.conf``."""
    found = dict([line.split("=", 1) for line in text.split("\n") if "=" in line])
    return (
        found.get("policy", "no"),
        int(found.get("retries", 0)),
        int(found.get("max_size", MAX_SIZE)),
        int(found.get("max_file", MAX_FILE)),
        found.get("remove") == "1",
    )


def count_oom_kills(text: str) -> int:
    """The number behind ``oom_kill`` in v1's memory.oom_control or v2's memory.events."""
    for line in text.split("\n"):
        if line.startswith("oom_kill "):
            return int(line[9:])
    return 0


def _read(path: str) -> str:
    """The text of a small file; nothing when it is not there (a cgroup may vanish at any time)."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return ""
        raise
    try:
        return posix.read(fd, CHUNK).decode("utf-8", "replace")
    finally:
        posix.close(fd)


def _exists(path: str) -> bool:
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    return True


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[posix.write(fd, data) :]


class Log:
    """container.log with rotation by size. What a full disk refuses is lost; the container goes on."""

    def __init__(self, directory: str, max_size: int, max_file: int) -> None:
        self.path = directory + "/container.log"
        self.max_size = max_size
        self.max_file = max_file
        self._open()

    def _open(self) -> None:
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW
        self.fd = posix.open(self.path, flags, 0o600)
        self.size = posix.fstat(self.fd).st_size

    def write(self, data: bytes) -> None:
        """Append *data*, whole lines, beginning new files between lines where one is full."""
        try:
            while data:
                piece = data
                if self.max_size and self.size + len(data) > self.max_size:
                    end = data.rfind(b"\n", 0, max(0, self.max_size - self.size)) + 1
                    if not end and self.size:
                        self._rotate()
                        continue
                    piece = data[: end or data.index(b"\n") + 1]  # a line longer than a file has one to itself
                _write(self.fd, piece)
                self.size += len(piece)
                data = data[len(piece) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise

    def _rotate(self) -> None:
        """container.log becomes .1, .1 becomes .2 …; what would be the file number ``max_file`` goes."""
        number = 0
        while _exists(self._numbered(number)):
            number += 1
        for index in range(number - 1, -1, -1):
            if index + 1 >= self.max_file:
                posix.unlink(self._numbered(index))
            else:
                posix.rename(self._numbered(index), self._numbered(index + 1))
        old = self.fd
        self._open()
        posix.close(old)

    def _numbered(self, number: int) -> str:
        return f"{self.path}.{number}" if number else self.path

    def sync(self) -> None:
        try:
            posix.fsync(self.fd)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise


class Monitor:
    """The loop. Its arguments come from container/start.py: the container's directory and id, the state directory,
    the runtime's state directory, entry.py, the file that counts OOM kills, the other runtime's program ("" for our
    own); then numbers: the container's pid, when it
    started (nanoseconds since the epoch) and descriptors: lock, stdin, reading and writing end of stdout, of stderr,
    and any others that are only to be kept open.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.directory, self.container_id, self.root, self.run_dir, self.entry, self.oom_file, self.runtime = arguments[
            :7
        ]
        numbers = [int(argument) for argument in arguments[7:]]
        self.pid, self.started, self.lock, self.stdin, out_read, self.out, err_read, self.err = numbers[:8]
        self.streams = {out_read: b"stdout", err_read: b"stderr"}
        self.log = Log(self.directory + "/log", MAX_SIZE, MAX_FILE)
        self.restarts = 0  # in a row: what the policy counts
        self.restart_count = 0  # since the task started it: what inspect shows
        self.ended: dict[int, int] = {}  # pid → wait status, of children nobody has asked for yet
        self.wake_read, wake_write = posix.pipe()
        for fd in (self.wake_read, wake_write):
            posix.set_blocking(fd, False)
        _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (_signal.SIGCHLD, _signal.SIGHUP, _signal.SIGTERM):
            _signal.signal(number, self._on_signal)
        # What happened before there were handlers: changed settings are in the file, an end is to be waited for.
        self.configure()
        posix.write(wake_write, b"\0")
        self.poll = select.poll()
        for fd in (self.wake_read, *self.streams):
            posix.set_blocking(fd, False)
            self.poll.register(fd, select.POLLIN)

    def configure(self) -> None:
        text = _read(self.directory + "/monitor.conf")
        self.policy, self.retries, self.log.max_size, self.log.max_file, self.remove = read_config(text)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == _signal.SIGHUP:
            self.configure()
        elif number == _signal.SIGTERM:  # the host goes down: the container with it, and it stays down
            self.policy = "no"
            if self.pid:
                posix.kill(self.pid, _signal.SIGTERM)

    # -- output and children --------------------------------------------------------------------------------------

    def _turn(self, timeout: float | None = None) -> None:
        """Wait for output, for the end of a child or for a signal, and take it in."""
        for fd, _event in self.poll.poll(None if timeout is None else max(0, int(timeout * 1000) + 1)):
            if fd == self.wake_read:
                posix.read(fd, CHUNK)
            else:
                self._drain(fd, once=True)
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.pid in (0, pid):  # else an orphan of the container that came to us: it is not ours to judge
                self.ended[pid] = status

    def _drain(self, fd: int, once: bool = False) -> None:
        while True:
            try:
                data = posix.read(fd, CHUNK)
            except BlockingIOError:
                return
            self.log.write(log_lines(data, self.streams[fd], timestamp(time.time_ns()).encode()))
            if once:
                return

    def _drain_all(self) -> None:
        for fd in self.streams:
            self._drain(fd)

    def _wait(self, pid: int) -> int:
        """The exit code of child *pid*: its own, or 128 plus the number of the signal that ended it."""
        while pid not in self.ended:
            self._turn()
        status = self.ended.pop(pid)
        code = posix.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def _run(self, arguments: list[str]) -> int:
        """Run a verb of the core to its end, the container's streams for its own; its exit code."""
        argv = [sys.executable, "-I", "-S", self.entry, "--root", self.run_dir, *arguments]
        streams = [(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((self.stdin, self.out, self.err))]
        return self._wait(posix.posix_spawn(argv[0], argv, posix.environ, file_actions=streams))

    # -- the container's life -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the container has ended for good."""
        exit_code, oom_killed, finished = 0, False, 0
        while True:
            if self.pid:
                exit_code = self._wait(self.pid)
                finished = time.time_ns()
                self.pid = 0
                oom_killed = count_oom_kills(_read(self.oom_file)) > 0
                if finished - self.started >= restart.STEADY * 1e9:
                    self.restarts = 0
                self._drain_all()
                self.log.sync()
            again = restart.should_restart(self.policy, exit_code, self.restarts, self.retries, self.stopped())
            self._record("restarting" if again else "exited", finished, exit_code, oom_killed)
            self._delete()
            self._drain_all()
            if not again:
                return
            if not self._pause(restart.delay(self.restarts)):
                self._record("exited", finished, exit_code, oom_killed)
                return
            self.restarts += 1
            self.restart_count += 1
            exit_code = self._start() or exit_code
            if self.pid:
                self._record("running", 0, 0, False)
            else:
                finished = time.time_ns()

    def stopped(self) -> bool:
        return _exists(self.directory + "/stop")

    def _pause(self, seconds: float) -> bool:
        """Wait; False as soon as somebody wants the container stopped."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if self.policy == "no" or self.stopped():
                return False
            if left <= 0:
                return True
            self._turn(left)

    def _start(self) -> int:
        """Create and start the container again from its bundle; 0, or the exit code of what failed."""
        pid_file = self.directory + "/pid"
        self.started = time.time_ns()
        self.ended.clear()
        bundle = self.directory + "/bundle"
        if self.runtime:
            code = self._run(["other-run", self.runtime, self.run_dir, bundle, pid_file, self.container_id])
        else:
            code = self._run(["run", "-d", "--bundle", bundle, "--pid-file", pid_file, self.container_id])
        if code == 0 and self.stopped():  # asked for while there was nothing yet that could have been stopped
            self._delete()
        elif code == 0:
            self.pid = int(_read(pid_file))
        return code

    def _delete(self) -> None:
        if self.runtime:
            self._run(["other-delete", self.runtime, self.run_dir, self.container_id])
        else:
            self._run(["delete", "--force", self.container_id])

    def _record(self, status: str, finished: int, exit_code: int, oom_killed: bool) -> None:
        """Write status.json, durable when the container has ended; on a full disk the old one stays."""
        text = (
            f'{{"status": "{status}", "pid": {self.pid}, "exit_code": {exit_code},'
            f' "started_at": "{timestamp(self.started)}",'
            f' "finished_at": "{timestamp(finished) if finished else NEVER}",'
            f' "oom_killed": {"true" if oom_killed else "false"}, "restart_count": {self.restart_count}}}\n'
        )
        path = self.directory + "/status.json"
        temporary = path + ".tmp"
        try:
            fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
            try:
                _write(fd, text.encode())
                if status == "exited":
                    posix.fsync(fd)
            finally:
                posix.close(fd)
            posix.rename(temporary, path)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise


def _give_back_network(monitor: Monitor) -> None:
    """Let the core give back what the ended container has of networks; whoever waits for our end sees it done."""
    argv = [sys.executable, "-I", "-S", monitor.entry, "--root", monitor.root, "network-release", monitor.directory]
    posix.waitpid(posix.posix_spawn(argv[0], argv, posix.environ), 0)


def _prepare(kept: set[int]) -> None:
    """Nothing inherited but what was meant for us, and out of the OOM killer's sight where we may."""
    for fd in [int(name) for name in posix.listdir("/proc/self/fd")]:
        if fd > 2 and fd not in kept:
            try:
                posix.close(fd)
            except OSError as error:
                if error.errno != errno.EBADF:  # the descriptor of the listing itself
                    raise
    for fd in kept:
        if fd > 2:
            posix.set_inheritable(fd, False)
    posix.chdir("/")
    fd = posix.open("/proc/self/oom_score_adj", posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, b"-1000")
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM):
            raise
    finally:
        posix.close(fd)


def main(arguments: list[str]) -> None:
    _prepare({int(argument) for argument in arguments[9:]})
    monitor = Monitor(arguments)
    monitor.run()
    if monitor.remove and not monitor.stopped():
        posix.close(monitor.lock)
        verb = ["containers", "--remove-ended", monitor.directory]
        posix.execve(
            sys.executable,
            [sys.executable, "-I", "-S", monitor.entry, "--root", monitor.root, *verb],
            posix.environ,
        )
    if _exists(monitor.directory + "/network.json"):
        _give_back_network(monitor)
