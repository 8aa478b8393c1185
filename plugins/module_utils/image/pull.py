# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a registry into the store: fetch, verify, unpack, and only then name.

Fetching waits for the network, so threads do it; unpacking is work, so processes do it (see workers). A layer is
unpacked while its blob comes in; it gets its name only when the content has the diff id that the image states.
"""

from __future__ import annotations

import contextlib
import os

from . import media
from .errors import ImageError, refuse_full
from .fetch import Cancelled
from .imageconfig import parse_config
from .layers import chain_ids, described
from .resolve import whole_blob
from .unpack import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .media import Platform
    from .registry import Registry
    from .resolve import Resolved
    from .store import Image, Store
    from .workers import Worker

    Progress = Callable[[str, str, int, int], None]  # see progress.py

FETCH_THREADS = 3


def pull(
    store: Store,
    registry: Registry,
    resolved: Resolved,
    names: Sequence[str],
    platform: Platform | None = None,
    progress: Progress | None = None,
) -> Image:
    """Fetch and unpack what is missing of *resolved*, give it *names* (full form), return it.

    The caller holds the store's lock, shared. Raises ImageError; what had become whole until then stays: the next run
    goes on from it, or the next removal or prune deletes it.
    """
    name = str(registry.reference)
    document = resolved.manifest.document
    raw_config = _config(store, registry, document["config"])
    config = parse_config(raw_config, document, name)
    if platform and not platform.accepts(media.Platform.of(config)):
        raise ImageError(
            f"cannot pull {name}: it is for {media.Platform.of(config)}, not for {platform}",
            step="platform",
            obj=name,
            hint="Choose another tag, or another platform",
        )
    tasks = layer_tasks(store, document, config, name)
    _check_space(store, tasks, name)
    bring_layers(store, registry, tasks, name, progress)
    return store.add(resolved.manifest, raw_config, names, resolved.origin)


def unpack_present(store: Store, image: Image, progress: Progress | None = None) -> None:
    """Unpack again what is missing of *image*, whose blobs are all here."""
    bring_layers(store, None, layer_tasks(store, image.manifest, image.config, image.name), image.name, progress)


def _config(store: Store, registry: Registry, descriptor: dict[str, Any]) -> bytes:
    digest = str(descriptor["digest"])
    found = whole_blob(store, digest)
    if found is None:
        with store.blob_locked(digest):  # of all that pull it at this moment, one fetches it
            found = whole_blob(store, digest)
            if found is None:
                found = registry.small_blob(descriptor)
                store.put_blob(found, digest)
    return found


class LayerTask:
    """One layer on its way.

    urls   where else the manifest says the blob is
    blob   "queued" → "fetching" → "whole"
    work   "todo" → "working" → "done"; "lower" when it needs those below first
    guessed  what it is only lacking then (see GuessingRoot)
    trusted  whether its blob was verified when the worker that has it, or had it last, began
    retry  whether it failed where that was not so: once more when it is
    """

    __slots__ = (
        "blob",
        "guessed",
        "index",
        "layer",
        "lowers",
        "parent_chain",
        "path",
        "retry",
        "trusted",
        "urls",
        "work",
    )

    def __init__(
        self,
        index: int,
        layer: Layer,
        parent_chain: str,
        path: str | None,
        blob: str,
        urls: Sequence[str] = (),
    ) -> None:
        self.urls = urls
        self.index = index
        self.layer = layer
        self.parent_chain = parent_chain
        self.path = path
        self.blob = blob
        self.work = "done" if path else "todo"
        self.trusted = False
        self.retry = False
        self.guessed: dict[str, bool] = {}
        self.lowers: list[str] | None = None if index else []

    @property
    def done(self) -> bool:
        return self.work == "done" and self.blob == "whole"

    @property
    def can_start(self) -> bool:
        """Whether a worker may take it: zlib is fast enough to follow any network, so it need not be whole."""
        return self.work == "todo" and (self.blob == "whole" or (self.blob == "fetching" and not self.retry))


def layer_tasks(store: Store, manifest: dict[str, Any], config: dict[str, Any], name: str) -> list[LayerTask]:
    """What is to be done for each layer of a manifest, base first."""
    diff_ids = config["rootfs"]["diff_ids"]
    tasks = []
    for index, (descriptor, diff_id, parent) in enumerate(zip(manifest["layers"], diff_ids, chain_ids(diff_ids))):
        digest = str(descriptor["digest"])
        compression = media.layer_compression(str(descriptor.get("mediaType")), name)
        partial = store.partial_path(digest)
        layer = Layer(store.blob_path(digest), digest, int(descriptor["size"]), compression, diff_id, partial)
        blob = "whole" if store.has_blob(digest) else "queued"
        path = store.layers.find(diff_id, parent)
        tasks.append(LayerTask(index, layer, parent, path, blob, descriptor.get("urls") or ()))
    return tasks


def _check_space(store: Store, tasks: Sequence[LayerTask], name: str) -> None:
    queued = {task.layer.digest: task.layer for task in tasks if task.blob == "queued"}
    needed = sum(layer.size - _size_of(layer.partial) for layer in queued.values())
    status = os.statvfs(store.state.images)
    free = status.f_bavail * status.f_frsize
    if needed > free:
        raise ImageError(
            f"cannot pull {name}: its layers need {needed >> 20} MiB, {store.state.images} has {free >> 20} MiB free",
            step="space",
            obj=name,
            hint="Free some space there, or move the state directory with the option root",
        )


def _size_of(path: str) -> int:
    """Bytes of a file, 0 when there is none."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_size
    return 0


def bring_layers(
    store: Store, registry: Registry | None, tasks: list[LayerTask], name: str, progress: Progress | None
) -> None:
    """Fetch and unpack until all *tasks* are done. On an error everything stops, and nothing half done stays."""
    from .workers import started_workers

    todo = [task for task in tasks if not task.done]
    if not todo:
        return
    unpacking = sum(1 for task in todo if task.path is None)
    try:
        with started_workers(store.layers, min(len(os.sched_getaffinity(0)), unpacking)) as workers:
            _Work(store, registry, tasks, workers, name, progress).run()
    finally:
        store.layers.sweep()


class _Work:
    """The state of one bring_layers: tasks, idle workers, fetch threads and the pipe by which those report."""

    def __init__(
        self,
        store: Store,
        registry: Registry | None,
        tasks: list[LayerTask],
        workers: list[Worker],
        name: str,
        progress: Progress | None,
    ) -> None:
        import threading

        self.store = store
        self.registry = registry
        self.tasks = tasks
        self.workers = workers
        self.name = name
        self.progress = progress
        self.lock = threading.Lock()
        self.to_fetch = sorted((task for task in tasks if task.blob == "queued"), key=lambda task: -task.layer.size)
        self.failure: BaseException | None = None
        self.cancelled = False
        self.wake_read, self.wake_write = os.pipe()

    def run(self) -> None:
        import selectors
        import threading

        threads = [
            threading.Thread(target=self._fetch_loop, daemon=True)
            for _thread in range(min(FETCH_THREADS, len(self.to_fetch)))
        ]
        selector = selectors.DefaultSelector()
        try:
            selector.register(self.wake_read, selectors.EVENT_READ)
            for task in self.tasks:
                self._report(task, "present" if task.done else "waiting", 0)
            for worker in self.workers:
                selector.register(worker.results, selectors.EVENT_READ, worker)
            for thread in threads:
                thread.start()
            while True:
                self._dispatch()
                if all(task.done for task in self.tasks):
                    break
                for key, _events in selector.select():
                    if key.data is None:
                        os.read(self.wake_read, 4096)
                    else:
                        self._finished(key.data)
                with self.lock:
                    if self.failure is not None:
                        raise self.failure
        finally:
            self.cancelled = True
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            selector.close()
            os.close(self.wake_read)
            os.close(self.wake_write)

    # In the main thread.

    def _dispatch(self) -> None:
        """Give idle workers the largest layers that can be unpacked now."""
        for task in self.tasks:
            if task.work == "lower" and all(below.path for below in self.tasks[: task.index]):
                diff_ids = [below.layer.diff_id for below in self.tasks[: task.index]]
                task.lowers = self.store.layers.paths(diff_ids)
                task.work = "todo"
        ready = sorted(
            (task for task in self.tasks if task.can_start),
            key=lambda task: (task.blob != "whole", -task.layer.size),
        )
        idle = [worker for worker in self.workers if worker.busy is None]
        left = sum(task.layer.size for task in self.tasks if task.work != "done")
        processors = len(os.sched_getaffinity(0))
        for worker, task in zip(idle, ready):
            layer = task.layer
            task.work = "working"
            task.trusted = task.blob == "whole"
            self._report(task, "unpacking", 0)
            worker.start(
                task,
                {
                    "blob": layer.blob,
                    "partial": "" if task.trusted else layer.partial,
                    # The others will be done before this one, and their processors idle.
                    "ahead": layer.size * (processors - 1) > left - layer.size,
                    "digest": layer.digest,
                    "size": layer.size,
                    "compression": layer.compression,
                    "diff_id": layer.diff_id,
                    "parent_chain": task.parent_chain,
                    "lowers": task.lowers,
                    "guessed": task.guessed,
                },
            )

    def _finished(self, worker: Worker) -> None:
        task, answer = worker.result()
        if "error" in answer:
            error = answer["error"]
            if not task.trusted:
                # What was read is not verified, or was not then; if it was wrong, the one who fetches says so, or
                # fetches again.
                task.retry = True
                task.work = "todo"
                return
            raise described(
                ImageError(error["message"], step=error["step"], errno=error["errno"], hint=error["hint"]),
                task.layer,
                self.name,
            )
        if "path" in answer:
            task.path = answer["path"]
            task.work = "done"
            self._report(task, "unpacked", task.layer.size)
        else:
            task.work = "lower"
            task.guessed = answer["guessed"]
            if task.guessed:
                self._report(task, "waiting", 0)

    def _report(self, task: LayerTask, state: str, done: int) -> None:
        if self.progress:
            self.progress(task.layer.digest, state, done, task.layer.size)

    # In the fetch threads.

    def _fetch_loop(self) -> None:
        try:
            while not self.cancelled:
                with self.lock:
                    if not self.to_fetch:
                        return
                    task = self.to_fetch.pop(0)
                task.blob = "fetching"
                self._report(task, "fetching", 0)
                os.write(self.wake_write, b"<")
                self._fetch(task)
                task.blob = "whole"
                self._report(task, "fetched", task.layer.size)
                os.write(self.wake_write, b">")
        except Cancelled:
            return
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            with self.lock:
                self.failure = self.failure or error
            os.write(self.wake_write, b"!")

    def _fetch(self, task: LayerTask) -> None:
        if self.registry is None:
            raise ImageError(f"a blob of {self.name} is missing: {task.layer.digest}", step="blob", obj=self.name)
        layer = task.layer
        done = 0

        def count(received: int) -> None:
            nonlocal done
            done += received
            self._report(task, "fetching", done)

        try:
            with self.store.partial_blob(layer.digest) as fd:
                if fd is not None:
                    self.registry.blob_to_file(
                        layer.digest,
                        layer.size,
                        fd,
                        urls=task.urls,
                        cancelled=lambda: self.cancelled,
                        progress=count if self.progress else None,
                    )
        except OSError as error:
            refuse_full(error, "pull", self.name, self.store.state.images)
            raise
