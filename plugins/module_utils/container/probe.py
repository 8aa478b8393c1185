# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health check of a container, as its monitor carries it out; Docker's rules. Modules written in C alone.

The program is started by a process of its own (container/healthrun.py), which ends then: while a check takes long,
there is nothing in memory but its program. That is our child, since we are the container's subreaper.
"""

from __future__ import annotations

import _signal
import errno
import posix
import select
import time

from .logsink import quoted
from .stamps import timestamp

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
PAUSED = 75  # healthrun.py's exit code when the container is paused: nothing was checked
_LOGGED = 5  # checks that are remembered
_OUTPUT = 4096  # bytes of each one's output


def judge(status: str, streak: int, exit_code: int, starting_up: bool, retries: int) -> tuple[str, int]:
    """(status, failures in a row) after a check that ended with *exit_code*.

    starting_up  the start period was not over when it began: until the first success, failures do not count
    """
    if exit_code == 0:
        return HEALTHY, 0
    if status == STARTING and starting_up:
        return status, streak
    streak += 1
    return UNHEALTHY if streak >= retries else status, streak


def _kill(pid: int) -> None:
    try:
        posix.kill(pid, _signal.SIGKILL)
    except ProcessLookupError:
        return  # it has just ended


class Probe:
    """The check of one container, from one start to the next.

    argv      what runs healthrun.py; it writes the program's pid into *pid_file*
    path      health.json: ``{"Status": …, "FailingStreak": …, "Log": [{"Start", "End", "ExitCode", "Output"} …]}``
    poll      is told of the descriptor that :meth:`read` is to be called for
    """

    def __init__(self, directory: str, argv: list[str], poll: select.poll) -> None:
        self.argv = [*argv, directory]
        self.path = directory + "/health.json"
        self.pid_file = directory + "/health.pid"
        self.poll = poll
        self.number = 0
        self.status, self.streak = STARTING, 0
        self.log: list[str] = []
        self.output = -1  # the descriptor to read from, while a check runs
        self.starter = self.program = 0  # pids, while they run
        self.next = 0.0
        self.restarted = 0.0

    def configure(self, settings: dict[str, str]) -> None:
        """The check's numbers out of ``monitor.conf``; another check begins anew."""
        if int(settings["health"]) == self.number:
            return
        self.number = int(settings["health"])
        names = ("interval", "timeout", "start_period", "start_interval")
        self.interval, self.limit, self.start_period, self.start_interval = [
            int(settings["health_" + name]) / 1e9 for name in names
        ]
        self.retries = int(settings["health_retries"])
        self.begin()

    def begin(self) -> None:
        """The container has started, or its check is a new one."""
        self.abandon()
        self.restarted = time.monotonic()
        self.status, self.streak = STARTING, 0
        self._schedule()
        self.write()

    def end(self) -> None:
        """The container has ended."""
        self.abandon()
        self.status = UNHEALTHY
        self.write()

    def abandon(self) -> None:
        """End a check that runs, without a result."""
        self._kill()
        self._close()
        self.starter = self.program = 0

    def timeout(self) -> float:
        """Seconds until :meth:`step` has something to do by itself."""
        return max(0.0, (self.deadline if self.starter or self.program else self.next) - time.monotonic())

    def awaits(self, pid: int) -> bool:
        """Whether *pid*, a child that has just ended, may be the check's: its number is not known at once."""
        return bool(self.starter) or pid == self.program

    def step(self, ended: dict[int, int]) -> bool:
        """Go on with what there is to do; whether the container has just become unhealthy.

        *ended* has the wait status of children that ended; those of the check are taken out of it.
        """
        now = time.monotonic()
        if not self.starter and not self.program:
            if now >= self.next:
                ended.clear()  # what is left there is of a check that was abandoned
                self._start(now)
            return False
        if self.starter in ended:
            code = posix.waitstatus_to_exitcode(ended.pop(self.starter))
            self.starter = 0
            if code == PAUSED:
                self.abandon()
                self._schedule()
                return False
            if code:
                return self._result(-1)
            self.program = self._read_pid()
            self.deadline = now + self.limit
        if self.program in ended:
            code = posix.waitstatus_to_exitcode(ended.pop(self.program))
            return self._result(128 - code if code < 0 else code)
        if now >= self.deadline:
            self._kill()
            return self._result(-1, f"the check took longer than {self.limit:g} s\n")
        return False

    def _start(self, now: float) -> None:
        reading, writing = posix.pipe2(posix.O_CLOEXEC)
        null = posix.open("/dev/null", posix.O_RDONLY | posix.O_CLOEXEC)
        streams = [(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((null, writing, writing))]
        try:
            self.starter = posix.posix_spawn(self.argv[0], self.argv, posix.environ, file_actions=streams)
        finally:
            posix.close(null)
            posix.close(writing)
        self.output, self.said = reading, b""
        posix.set_blocking(reading, False)
        self.poll.register(reading, select.POLLIN)
        self.begun_ns = time.time_ns()
        self.begun, self.deadline = now, now + self.limit

    def _read_pid(self) -> int:
        fd = posix.open(self.pid_file, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return int(posix.read(fd, 32))
        finally:
            posix.close(fd)

    def read(self) -> None:
        """Take in what the check has written."""
        while self.output >= 0:
            try:
                data = posix.read(self.output, 65536)
            except BlockingIOError:
                return
            if not data:  # closed by all: else poll(2) would never wait again
                self._close()
            self.said += data[: _OUTPUT - len(self.said)]

    def _close(self) -> None:
        if self.output >= 0:
            self.poll.unregister(self.output)
            posix.close(self.output)
            self.output = -1

    def _kill(self) -> None:
        # The program leads a session of its own: what it has started goes with it.
        for pid in (-self.program, self.starter):
            if pid:
                _kill(pid)

    def _result(self, exit_code: int, reason: str = "") -> bool:
        self.read()
        self._close()
        self.starter = self.program = 0
        begun, end = timestamp(self.begun_ns), timestamp(time.time_ns())
        output = quoted(self.said.decode("utf-8", "replace") + reason)
        self.log.append(f'{{"Start": "{begun}", "End": "{end}", "ExitCode": {exit_code}, "Output": {output}}}')
        del self.log[:-_LOGGED]
        before = self.status
        starting_up = self.begun - self.restarted < self.start_period
        self.status, self.streak = judge(self.status, self.streak, exit_code, starting_up, self.retries)
        self._schedule()
        self.write()
        return before != self.status == UNHEALTHY

    def _schedule(self) -> None:
        now = time.monotonic()
        early = self.status == STARTING and now - self.restarted < self.start_period
        self.next = now + (self.start_interval if early else self.interval)

    def write(self) -> None:
        """Write health.json; on a full disk the old one stays."""
        text = f'{{"Status": "{self.status}", "FailingStreak": {self.streak}, "Log": [{", ".join(self.log)}]}}\n'
        temporary = self.path + ".tmp"
        try:
            fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
            try:
                data = text.encode()
                while data:
                    data = data[posix.write(fd, data) :]
            finally:
                posix.close(fd)
            posix.rename(temporary, self.path)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
