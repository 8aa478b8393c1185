# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is next: the order in which the containers of a set are worked on, some at once.

Pure: whoever does the work tells what has ended and how, and asks what may begin.
"""

from __future__ import annotations

from collections import namedtuple

from .fleetplan import COMPLETED, HEALTHY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A container with something to be done. after: names that must have ended, whichever way; needs: name → condition,
# what must have been done before, and with success
Job = namedtuple("Job", "name after needs")

# Answers to whether a condition holds; any other text is the reason why it never will.
MET, NOT_YET = "", "not yet"


class Schedule:
    """The jobs of a set, each waiting, running or ended.

    parallel  how many may run at once
    stop      after the first failure nothing more begins
    """

    def __init__(self, jobs: Iterable[Job], parallel: int, *, stop: bool) -> None:
        self.waiting = {job.name: job for job in jobs}
        self.parallel = parallel
        self.stop = stop
        self.running: set[str] = set()
        self.failed: list[str] = []
        self.untouched: dict[str, str] = {}  # name → why
        self.watched: set[tuple[str, str]] = set()  # (name, condition) that somebody waits for and that is to be asked

    def ready(self, condition: Callable[[str, str], str]) -> list[str]:
        """The jobs that may begin now; they count as running from here on.

        ``condition(name, HEALTHY or COMPLETED)`` gives MET, NOT_YET or why it cannot be.
        """
        self.watched.clear()
        begun: list[str] = []
        answers: dict[tuple[str, str], str] = {}
        again = True
        while again:  # what is left alone leaves others alone
            again = False
            if self._is_over():
                self._leave_all()
            for job in list(self.waiting.values()):
                obstacle = self._obstacle(job, condition, answers)
                if obstacle == MET and len(self.running) < self.parallel and not self._is_over():
                    del self.waiting[job.name]
                    self.running.add(job.name)
                    begun.append(job.name)
                elif obstacle not in (MET, NOT_YET):
                    del self.waiting[job.name]
                    self.untouched[job.name] = obstacle
                    again = True
        return begun

    def ended(self, name: str, *, failed: bool) -> None:
        """The job *name* has come to its end."""
        self.running.remove(name)
        if failed:
            self.failed.append(name)

    def _is_over(self) -> bool:
        return self.stop and bool(self.failed or self.untouched)

    def _leave_all(self) -> None:
        for job in self.waiting.values():
            name = next((name for name in job.needs if name in self.failed), "")
            reason = f"it depends on {name}, which failed" if name else "nothing more was begun after a failure"
            self.untouched[job.name] = reason
        self.waiting.clear()

    def _obstacle(self, job: Job, condition: Callable[[str, str], str], answers: dict[tuple[str, str], str]) -> str:
        if any(name in self.running or name in self.waiting for name in job.after):
            return NOT_YET
        worst = MET
        for name, kind in job.needs.items():
            if name in self.failed:
                return f"it depends on {name}, which failed"
            if name in self.untouched:
                return f"it depends on {name}, which was left untouched"
            if name in self.running or name in self.waiting:
                worst = NOT_YET
            elif kind in (HEALTHY, COMPLETED):
                asked = (name, kind)
                self.watched.add(asked)
                if asked not in answers:
                    answers[asked] = condition(name, kind)
                if answers[asked] not in (MET, NOT_YET):
                    return f"it depends on {name}, which {answers[asked]}"
                worst = answers[asked] or worst
        return worst
