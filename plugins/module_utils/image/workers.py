# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that unpack layers: header parsing and file system calls hold the interpreter's lock, so threads do not do.

They are forked before any thread exists, take jobs as JSON lines over a pipe, and die with the pipe.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel.allocator import keep_freed_memory
from ..kernel.errors import Error
from . import blobfile
from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from .layers import LayerStore


KEPT = 8 << 20  # bytes: what is freed between two pieces of a layer, and more than that


class Worker:
    """One process. ``busy`` is the job it works on; ``results`` is readable when it is done."""

    __slots__ = ("_jobs", "busy", "pid", "results")

    def __init__(self, store: LayerStore, inherited: list[int]) -> None:
        jobs_read, self._jobs = os.pipe()
        self.results, results_write = os.pipe()
        self.busy: Any = None
        fetcher = os.getpid()  # asked before the fork: it may be killed at any moment after it
        self.pid = os.fork()
        if self.pid == 0:
            blobfile.fetched_by(fetcher)
            _run(store, jobs_read, results_write, [self._jobs, self.results, *inherited])
        os.close(jobs_read)
        os.close(results_write)

    @property
    def descriptors(self) -> list[int]:
        """This process's ends: later workers close them, or none would ever see an end of file."""
        return [self._jobs, self.results]

    def start(self, job: Any, message: dict[str, Any]) -> None:
        """Hand *message* (see _work) to the process, for *job*, which is the caller's own. Raises ImageError."""
        import json

        self.busy = job
        try:
            os.write(self._jobs, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise _died() from None

    def result(self) -> tuple[Any, dict[str, Any]]:
        """(job, answer) when ``results`` is readable. Raises ImageError when the process died instead."""
        import json

        data = b""
        while not data.endswith(b"\n"):
            chunk = os.read(self.results, 65536)
            if not chunk:
                raise _died()
            data += chunk
        job, self.busy = self.busy, None
        return job, json.loads(data)

    def stop(self) -> None:
        """End the process, at once if it works, and wait for it."""
        import signal

        os.close(self._jobs)
        if self.busy is not None:
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.results)


def _died() -> ImageError:
    return ImageError(
        "the process that unpacks layers died",
        step="unpack",
        hint="Was the host out of memory? Run the task again; it continues from what is whole",
    )


@contextlib.contextmanager
def started_workers(store: LayerStore, count: int) -> Iterator[list[Worker]]:
    """*count* processes, which end with the block; to be entered while this process has one thread."""
    # Imported here so that every process has them from its parent.
    import hashlib  # noqa: F401
    import json  # noqa: F401
    import signal
    import zlib  # noqa: F401

    from . import unpack  # noqa: F401

    keep_freed_memory(KEPT)
    workers: list[Worker] = []
    try:
        # Ctrl-C goes to all; one that has not yet said that it is not for it would die of it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            for _worker in range(count):
                workers.append(Worker(store, [fd for worker in workers for fd in worker.descriptors]))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield workers
    finally:
        for worker in workers:
            worker.stop()


def _run(store: LayerStore, jobs: int, results: int, to_close: list[int]) -> NoReturn:
    """The process's whole life. It never returns into its parent's code: whatever happens, it ends here."""
    import gc
    import json
    import signal
    import sys

    status = 1
    try:
        gc.disable()
        for fd in to_close:
            os.close(fd)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.umask(0)
        with os.fdopen(jobs, "rb") as lines:
            for line in lines:
                os.write(results, json.dumps(_work(store, json.loads(line))).encode() + b"\n")
        status = 0
    except BrokenPipeError:
        pass  # whoever gave the job is gone
    except BaseException:  # noqa: BLE001  a fault of ours: shown as such
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _work(store: LayerStore, message: dict[str, Any]) -> dict[str, Any]:
    """Unpack one layer: ``{"path": …}``, ``{"guessed": {…}}`` where it needs those below, or ``{"error": {…}}``."""
    from .rootdir import NeedsLower
    from .unpack import Layer

    layer = Layer(
        message["blob"],
        message["digest"],
        message["size"],
        message["compression"],
        message["diff_id"],
        message["partial"],
        ahead=message["ahead"],
    )
    parent_chain, lowers = message["parent_chain"], message["lowers"]
    try:
        path = None
        if message["guessed"]:
            guessed = {os.fsencode(name): all_of_it for name, all_of_it in message["guessed"].items()}
            path = store.mend(layer, parent_chain, lowers, guessed)
        return {"path": path or store.ensure(layer, parent_chain, lowers, guess=True)}
    except NeedsLower as needed:
        return {"guessed": {os.fsdecode(name): all_of_it for name, all_of_it in needed.guessed.items()}}
    except Error as error:
        return {"error": {"message": error.message, "step": error.step, "errno": error.errno, "hint": error.hint}}
    except OSError as error:
        return {"error": {"message": f"{error}", "step": "unpack", "errno": error.errno or 0, "hint": ""}}
