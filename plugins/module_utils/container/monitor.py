# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor of one container: what stays in memory beside it.

It is the container's parent (a subreaper), drains its output into the log, records how it ended and starts it again
where the restart policy says so. It runs for as long as the container may, on every host many times over: so it
imports modules written in C alone, and what needs more (deleting, starting) runs as a process of its own.

Files in the container's directory that belong to it:

    monitor.conf   policy, retries, remove, health… (container/health.py), on_unhealthy, stop_signal, stop_timeout,
                   max_size, max_file, log_driver, log_extra, log_socket (container/logoptions.py) as ``key=value``
                   lines; read at the start, and again at SIGHUP
    monitor.lock   has a record lock of fcntl(2) on it for as long as the monitor lives: unlike flock(2)'s it is not
                   inherited by children, and tells who holds it
    stop           exists while somebody wants the container stopped
    status.json    status (running, restarting, exited), pid, exit_code, started_at, finished_at, oom_killed,
                   restart_count, oom_ends and oom_at (cgroup/killed.py)
    health.json    how the health check stands (container/probe.py)
    log/           container.log, container.log.1 … (container/logsink.py)
"""

from __future__ import annotations

import _signal
import posix
import select
import sys
import time

from . import restart
from .logsink import MAX_FILE, MAX_SIZE, Log, Nothing, exists
from .monitorhost import HEEDED, count_oom_kills, prepare, read, read_config, replace
from .stamps import NEVER, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .logsink import Sink
    from .probe import Probe
    from .ttysocket import Terminal

CHUNK = 65536


class Monitor:
    """The loop. Its arguments come from container/start.py: the container's directory and id, the state directory,
    the runtime's state directory, entry.py, the file that counts OOM kills, the other runtime's program ("" for our
    own), the counts of restarts and of ends for lack of memory and when the last of those was; then numbers: the
    container's pid, when it started (nanoseconds since the epoch) and descriptors: lock, stdin, reading and writing end
    of stdout, of stderr, and any others that are only to be kept open.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.directory, self.container_id, self.root, self.run_dir, self.entry = arguments[:5]
        self.oom_file, self.runtime, counts = arguments[5:8]
        numbers = [int(argument) for argument in arguments[8:]]
        self.pid, self.started, self.lock, self.stdin, out_read, self.out, err_read, self.err = numbers[:8]
        self.streams = {out_read: b"stdout", err_read: b"stderr"}
        self.log: Sink = Nothing()
        self.log_settings: list[str] = []
        self.restarts = 0  # in a row: what the policy counts
        # Since the task started it: what inspect shows; how often it ended for lack of memory, and when last.
        restart_count, oom_ends, self.oom_at = counts.split(" ")
        self.restart_count, self.oom_ends = int(restart_count), int(oom_ends)
        self.ended: dict[int, int] = {}  # pid → wait status, of children nobody has asked for yet
        self.probe: Probe | None = None  # the health check
        self.on_unhealthy = ""
        self.again = False  # it is being stopped to be started again, whatever the policy says
        self.gave_up = False  # it is being stopped by ourselves, for good
        self.stop_signal = int(_signal.SIGTERM)
        self.stop_timeout = 0.0
        self.kill_at = 0.0  # when patience with a stop of our own is over, 0 where there is none
        self.down = False  # the host goes down
        self.changed = True  # the settings are to be read
        self.poll = select.poll()
        self.wake_read, wake_write = posix.pipe()
        for fd in (self.wake_read, wake_write):
            posix.set_blocking(fd, False)
        _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in HEEDED:
            _signal.signal(number, self._on_signal)
        # What happened before there were handlers: changed settings are in the file, an end is to be waited for.
        posix.write(wake_write, b"\0")
        for fd in (self.wake_read, *self.streams):
            posix.set_blocking(fd, False)
            self.poll.register(fd, select.POLLIN)
        self.terminal: list[int] = []  # with tty, both sides of it
        self.configure()
        if self.tty:
            self._take_terminal(out_read)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, HEEDED)

    def configure(self) -> None:
        """Read the settings, if they may have changed."""
        if not self.changed:
            return
        self.changed = False
        found = read_config(read(self.directory + "/monitor.conf"))
        self.policy, self.retries = found.get("policy", "no"), int(found.get("retries", 0))
        self.remove = found.get("remove") == "1"
        self.tty = found.get("tty") == "1"
        self._configure_log(found)
        self.on_unhealthy = found.get("on_unhealthy", "")
        self.stop_signal = int(found.get("stop_signal", _signal.SIGTERM))
        self.stop_timeout = float(found.get("stop_timeout", 10))
        if "health" in found:
            if self.probe is None:
                self.probe = self._new_probe()
            self.probe.configure(found)
        elif self.probe is not None:
            self.probe.abandon()
            self.probe = None

    def _configure_log(self, found: dict[str, str]) -> None:
        names = ("log_driver", "log_extra", "log_socket", "max_size", "max_file")
        settings = [found.get(name, "") for name in names]
        if settings == self.log_settings:
            return
        driver, extra, socket, max_size, max_file = settings
        made: Sink
        if driver == "none":
            made = Nothing()
        elif driver == "journald":
            from .journalsink import Journal

            made = Journal(socket, bytes.fromhex(extra))
        else:
            marks = bytes.fromhex(extra) if driver == "json-file" else None
            made = Log(self.directory + "/log", int(max_size or MAX_SIZE), int(max_file or MAX_FILE), marks)
        if self.log_settings:
            self.log.end()
            self.log.close()
        self.log, self.log_settings = made, settings

    def _new_probe(self) -> Probe:
        from .probe import Probe

        argv = [sys.executable, "-I", "-S", self.entry, "--root", self.run_dir, "health-run"]
        return Probe(self.directory, argv, self.poll)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == _signal.SIGHUP:
            self.changed = True
        elif number == _signal.SIGTERM:  # the host goes down: the container with it, and it stays down
            self.down = True
            self._end()

    def _kill(self, number: int) -> None:
        if self.pid and self.pid not in self.ended:  # until then it is our child, dead or not, and no other
            posix.kill(self.pid, number)

    # -- output and children --------------------------------------------------------------------------------------

    def _turn(self, timeout: float | None = None) -> None:
        """Wait for output, for the end of a child or for a signal, and take it in."""
        for fd, _event in self.poll.poll(None if timeout is None else max(0, int(timeout * 1000) + 1)):
            if fd == self.wake_read:
                posix.read(fd, CHUNK)
            elif fd in self.streams:
                self._drain(fd, once=True)
            else:
                self._other(fd)
        self.configure()
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.pid in (0, pid) or (self.probe is not None and self.probe.awaits(pid)):
                self.ended[pid] = status  # else an orphan of the container that came to us: it is not ours to judge

    def _other(self, _fd: int) -> None:
        if self.probe is not None:
            self.probe.read()

    def _drain(self, fd: int, once: bool = False) -> None:
        while True:
            try:
                data = posix.read(fd, CHUNK)
            except BlockingIOError:
                return
            self.log.add(self.streams[fd], data, time.time_ns())
            if once:
                return

    def _drain_all(self) -> None:
        for fd in self.streams:
            self._drain(fd)

    def _wait(self, pid: int) -> int:
        """The exit code of child *pid*: its own, or 128 plus the number of the signal that ended it."""
        while pid not in self.ended:
            self._turn(self._due())
            self._look_after()
        status = self.ended.pop(pid)
        code = posix.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def _run(self, arguments: list[str]) -> int:
        """Run a verb of the core to its end, the container's streams for its own; its exit code."""
        argv = [sys.executable, "-I", "-S", self.entry, "--root", self.run_dir, *arguments]
        streams = [(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((self.stdin, self.out, self.err))]
        return self._wait(posix.posix_spawn(argv[0], argv, posix.environ, file_actions=streams))

    # -- its health -----------------------------------------------------------------------------------------------

    def _due(self) -> float | None:
        """Seconds until something is to be done for the container that runs; None when nothing is."""
        if not self.pid:
            return None
        due = [self.kill_at - time.monotonic()] if self.kill_at else []
        if self.probe is not None:
            due.append(self.probe.timeout())
        return min(due) if due else None

    def _look_after(self) -> None:
        """Do it."""
        if not self.pid or self.pid in self.ended:
            return
        if self.kill_at and time.monotonic() >= self.kill_at:
            self.kill_at = 0.0
            self._kill(_signal.SIGKILL)
        if self.probe is not None and self.probe.step(self.ended):
            self._unhealthy()

    def _unhealthy(self) -> None:
        """Do what is declared for a container that has become unhealthy."""
        if self.on_unhealthy == "kill":
            self._kill(_signal.SIGKILL)
        elif self.on_unhealthy in ("restart", "stop"):
            self.again, self.gave_up = self.on_unhealthy == "restart", self.on_unhealthy == "stop"
            if self.gave_up:
                posix.close(
                    posix.open(self.directory + "/stop", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
                )
            self._end()

    def _end(self) -> None:
        """Send the stop signal; whatever is left when the time for it is over is killed."""
        self.kill_at = time.monotonic() + self.stop_timeout
        self._kill(self.stop_signal)

    # -- the container's life -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the container has ended for good."""
        exit_code, oom_killed, finished = 0, False, 0
        while True:
            if self.pid:
                exit_code = self._wait(self.pid)
                finished = time.time_ns()
                self.pid, self.kill_at = 0, 0.0
                if self.probe is not None:
                    self.probe.end()
                oom_killed = count_oom_kills(read(self.oom_file)) > 0
                if finished - self.started >= restart.STEADY * 1e9:
                    self.restarts = 0
                self._drain_all()
                self.log.end()
            self.configure()
            again = not self.down and (
                restart.should_restart(self.policy, exit_code, self.restarts, self.retries, self.stopped())
                or (self.again and not self.stopped())
            )
            self._record("restarting" if again else "exited", finished, exit_code, oom_killed)
            self._delete()
            self._drain_all()
            if not again:
                return
            if not self._pause(restart.delay(self.restarts)):
                self._record("exited", finished, exit_code, oom_killed)
                return
            self.again = False
            self.restarts += 1
            self.restart_count += 1
            exit_code = self._start() or exit_code
            if self.pid:
                self._record("running", 0, 0, False)
            else:
                finished = time.time_ns()

    def stopped(self) -> bool:
        return exists(self.directory + "/stop")

    def _pause(self, seconds: float) -> bool:
        """Wait; False as soon as somebody wants the container stopped."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if self.down or self.stopped() or (self.policy == "no" and not self.again):
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
        terminal = self._new_terminal() if self.tty else None
        if self.runtime:
            code = self._run(["other-run", self.runtime, self.run_dir, bundle, pid_file, self.container_id])
        else:
            console = ["--console-socket", terminal.where] if terminal else []
            code = self._run(["run", "-d", "--bundle", bundle, "--pid-file", pid_file, *console, self.container_id])
        if terminal is not None:
            self._take_terminal(terminal.receive())
        if code == 0 and self.stopped():  # asked for while there was nothing yet that could have been stopped
            self._delete()
        elif code == 0:
            self.pid = int(read(pid_file))
            if self.probe is not None:
                self.probe.begin()
        return code

    def _new_terminal(self) -> Terminal:
        from .ttysocket import Terminal

        return Terminal(self.run_dir, self.container_id)

    def _take_terminal(self, master: int) -> None:
        """Read *master* from now on, the terminal of the container that has been started; -1 where there is none.

        We hold its other side, too: else it would be at its end as soon as the program has closed it, and gone, with
        SIGHUP for the program, when we did not go on with it.
        """
        from .ttysocket import other_side

        if master < 0:
            return
        for fd in self.terminal:
            if fd in self.streams:
                self.poll.unregister(fd)
                del self.streams[fd]
            posix.close(fd)
        self.terminal = [master, other_side(master)]
        posix.set_blocking(master, False)
        if master not in self.streams:
            self.streams[master] = b"stdout"
            self.poll.register(master, select.POLLIN)

    def _delete(self) -> None:
        if self.runtime:
            self._run(["other-delete", self.runtime, self.run_dir, self.container_id])
        else:
            self._run(["delete", "--force", self.container_id])

    def _record(self, status: str, finished: int, exit_code: int, oom_killed: bool) -> None:
        """Write status.json, durable when the container has ended; on a full disk the old one stays."""
        end = timestamp(finished) if finished else NEVER
        if oom_killed and end != self.oom_at:
            self.oom_ends += 1
            self.oom_at = end
        text = (
            f'{{"status": "{status}", "pid": {self.pid}, "exit_code": {exit_code},'
            f' "started_at": "{timestamp(self.started)}",'
            f' "finished_at": "{end}",'
            f' "oom_killed": {"true" if oom_killed else "false"}, "restart_count": {self.restart_count},'
            f' "oom_ends": {self.oom_ends}, "oom_at": "{self.oom_at}"}}\n'
        )
        replace(self.directory + "/status.json", text, durable=status == "exited")


def _give_back_network(monitor: Monitor) -> None:
    """Let the core give back what the ended container has of networks; whoever waits for our end sees it done."""
    argv = [sys.executable, "-I", "-S", monitor.entry, "--root", monitor.root, "network-release", monitor.directory]
    posix.waitpid(posix.posix_spawn(argv[0], argv, posix.environ), 0)


def begin(arguments: list[str]) -> None:
    """Become a process of its own, with the descriptors that are among *arguments*."""
    if posix.getpgrp() != posix.getpid():  # forked by a server of many: one session for all of them (forkserver.py)
        posix.setsid()
    prepare({int(argument) for argument in arguments[10:]})


def main(arguments: list[str]) -> None:
    begin(arguments)
    monitor = Monitor(arguments)
    monitor.run()
    by_itself = monitor.gave_up or not monitor.stopped()
    if monitor.remove and by_itself:
        posix.close(monitor.lock)
        verb = ["containers", "--remove-ended", monitor.directory]
        posix.execve(
            sys.executable,
            [sys.executable, "-I", "-S", monitor.entry, "--root", monitor.root, *verb],
            posix.environ,
        )
    if by_itself and exists(monitor.directory + "/network.json"):  # else whoever stops it does that (stop.py), at once
        _give_back_network(monitor)
