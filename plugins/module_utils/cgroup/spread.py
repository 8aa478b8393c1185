# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading shared out to processes, one for each CPU: control files cost system calls, which threads of ours do not
make at the same time."""

from __future__ import annotations

import gc
import marshal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WORTH = 60  # groups: a process of its own costs as much as some dozens
_MOST = 4
_AHEAD = 5  # groups that our own share may have more: the others are begun, and their answers read, meanwhile
_END = b"\0end"  # of an answer that is whole


def spread(work: Callable[[list[str]], list[Any]], items: list[str], processes: int = 0) -> list[Any]:
    """``work(items)``, its parts done at the same time where that pays.

    *work* gives one result for each item, made of what marshal can carry, and depends on nothing that other parts do.
    Raises what *work* raises. *processes* 0 is one for each CPU that we may use.
    """
    count = processes or min(len(os.sched_getaffinity(0)), _MOST, len(items) // _WORTH)
    if count < 2:
        return work(items)
    size = max(len(items) - _AHEAD, count) // count
    first = len(items) - size * (count - 1)
    shares = [items[:first], *(items[start : start + size] for start in range(first, len(items), size))]
    started = [_start(work, share) for share in shares[1:]]
    found = []
    try:
        found += work(shares[0])
    finally:
        answers = [_answer(pid, pipe) for pid, pipe in started]
    for share, answer in zip(shares[1:], answers):
        # One that failed is done over, so that what it raised is raised here.
        found += work(share) if answer is None else answer
    return found


def _start(work: Callable[[list[str]], list[Any]], share: list[str]) -> tuple[int, int]:
    """(pid, reading end of a pipe) of a child that does *share*."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        gc.disable()
        view = memoryview(marshal.dumps(work(share)) + _END)
        while view:
            view = view[os.write(writing, view) :]
        os.close(writing)  # what we have to give back of memory takes its time
    finally:
        os._exit(0)  # what is not whole has failed


def _answer(pid: int, pipe: int) -> list[Any] | None:
    """What the child found, None where it failed."""
    chunks = []
    found = None
    try:
        while True:
            chunk = os.read(pipe, 1 << 20)
            if not chunk:
                break
            chunks.append(chunk)
        data = b"".join(chunks)
        if data.endswith(_END):
            found = marshal.loads(data)
    finally:
        os.close(pipe)
        os.waitpid(pid, 0)
    return found
