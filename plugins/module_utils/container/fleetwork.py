# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Working on many containers at once: each in a process forked for it, since what makes a container forks itself and
must have one thread.

The children have what the task has loaded and found out. Each says what came of its container, as one line of JSON in
a pipe, and ends. One whose task is killed meanwhile goes on with its container to the end.
"""

from __future__ import annotations

import gc
import json
import os
import select
import sys

from ..kernel.errors import Error
from ..kernel.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .fleetschedule import Schedule

_ASK_AGAIN = 50  # milliseconds between two looks whether a condition holds
# Creating takes a processor's time; stopping, and waiting for health, take none.
_PER_PROCESSOR, _LEAST = 2, 8


def at_once(given: int | None) -> int:
    """How many containers are worked on at once: as many as *given*, else by the processors this process may use."""
    return given or max(_LEAST, _PER_PROCESSOR * len(os.sched_getaffinity(0)))


def work(
    schedule: Schedule, do: Callable[[str], dict[str, Any]], condition: Callable[[str, str], str]
) -> dict[str, dict[str, Any]]:
    """Do all jobs of *schedule* that come to be done; name → what ``do(name)`` gave, or ``{"error": reason}``.

    *condition* is as for Schedule.ready. Raises OSError when no process can be forked; those that run are waited for.
    """
    results: dict[str, dict[str, Any]] = {}
    children: dict[int, _Child] = {}
    poll = select.poll()
    gc.collect()
    gc.freeze()  # the children do not look at all that is here, which would copy every page of it
    try:
        while True:
            for name in schedule.ready(condition):
                child = _Child(name, do)
                children[child.fd] = child
                poll.register(child.fd, select.POLLIN)
            if not children and not schedule.watched:
                return results
            for fd, _event in poll.poll(_ASK_AGAIN if schedule.watched else None):
                answer = children[fd].read()
                if answer is not None:
                    poll.unregister(fd)
                    name = children.pop(fd).name
                    results[name] = answer
                    schedule.ended(name, failed="error" in answer)
    finally:
        for child in children.values():
            child.wait()
        gc.unfreeze()


class _Child:
    """The process that works on the container *name*."""

    def __init__(self, name: str, do: Callable[[str], dict[str, Any]]) -> None:
        self.name = name
        self.said: list[bytes] = []
        self.fd, writing = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(self.fd)
            raise
        finally:
            if getattr(self, "pid", -1):
                os.close(writing)
        if self.pid == 0:
            _run(name, do, writing)

    def read(self) -> dict[str, Any] | None:
        """What it gave, once it has ended; None before. A child that died gives an error."""
        piece = os.read(self.fd, 1 << 20)
        if piece:
            self.said.append(piece)
            return None
        code = self.wait()
        said = b"".join(self.said)
        if not said.endswith(b"\n"):
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            return {"error": f"the process that worked on it {how}; the next run puts in order what it left"}
        answer: dict[str, Any] = json.loads(said)
        return answer

    def wait(self) -> int:
        """Wait for its end; its exit code, negative for a signal."""
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def _run(name: str, do: Callable[[str], dict[str, Any]], writing: int) -> None:
    """In the child: do the work, say what came of it, and end."""
    code = 1
    try:
        gc.disable()
        try:
            answer = do(name)
        except Error as error:
            answer = {"error": str(error)}
        except OSError as error:
            answer = {"error": f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)}
        write_all(writing, json.dumps(answer).encode() + b"\n")
        code = 0
    except BrokenPipeError:
        pass  # the task was killed: nobody wants to know
    except BaseException:  # noqa: BLE001 - shown as such, and must not run the task's own code a second time
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)
