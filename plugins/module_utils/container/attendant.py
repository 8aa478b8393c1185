# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays in memory beside a container that systemd supervises, where somebody has to: it drains the container's
output into the log and carries out its health check, from one start to the next. Imports as container/monitor.py.

The container is the service's main process, a child of systemd's: systemd sees how it ends and what comes then
(container/unitended.py), not we. When it has ended, and its output is in the log, we are gone.
"""

from __future__ import annotations

import _signal
import posix
import select

from .monitor import Monitor, begin
from .monitorhost import read, replace
from .restart import UNHEALTHY

_LOOK = 1.0  # seconds between two looks at the container where the kernel does not tell of its end


class Attendant(Monitor):
    """The monitor's loop, of a process that is not our child."""

    def __init__(self, arguments: list[str]) -> None:
        self.over = False
        super().__init__(arguments)
        self.born = self._birth()
        try:
            self.process = posix.pidfd_open(self.pid)
        except (AttributeError, OSError):  # a kernel before 5.3, or it has ended
            self.process = -1
        else:
            self.poll.register(self.process, select.POLLIN)
        self._look()

    def _birth(self) -> str:
        """When the process with the container's number was started (proc_pid_stat(5)); nothing where there is none."""
        return "".join(read(f"/proc/{self.pid}/stat").rpartition(")")[2].split()[19:20])

    def _look(self) -> None:
        state = read(f"/proc/{self.pid}/stat").rpartition(")")[2].split()[:1]
        if not self.born or state in ([], ["Z"], ["X"]) or self._birth() != self.born:
            self.over = True

    def _other(self, fd: int) -> None:
        if fd == self.process:
            self.over = True
        else:
            super()._other(fd)

    def _kill(self, number: int) -> None:
        if self.over:
            return
        try:
            if self.process >= 0:
                _signal.pidfd_send_signal(self.process, number)
            else:
                posix.kill(self.pid, number)
        except ProcessLookupError:
            self.over = True

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == _signal.SIGHUP:
            self.changed = True
        # Whoever wants us to end wants the container to: we follow it, with its last words.

    def _unhealthy(self) -> None:
        if self.on_unhealthy == "kill":
            self._kill(_signal.SIGKILL)
        elif self.on_unhealthy in ("restart", "stop"):
            replace(f"{self.directory}/{UNHEALTHY}", self.on_unhealthy, durable=False)
            self._end()

    def run(self) -> None:
        """Until the container has ended."""
        while not self.over:
            due = self._due()
            self._turn(due if self.process >= 0 else min(_LOOK, _LOOK if due is None else due))
            if self.process < 0:
                self._look()
            if not self.over:
                self._look_after()
        if self.probe is not None:
            self.probe.end()
        self._drain_all()
        self.log.end()


def main(arguments: list[str]) -> None:
    begin(arguments)
    Attendant(arguments).run()
