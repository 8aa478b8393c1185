# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pull has done so far, layer by layer.

Whoever brings layers calls ``progress(digest, state, done, total)``: from several threads of one process, *done* and
*total* in bytes of the layer's blob. The states of a layer:

    present    all of it is here already
    waiting    it is to be fetched, or unpacked, or is unpacked but for what the layers below say
    fetching   *done* bytes of its blob have come in
    fetched    its blob is whole and verified
    unpacking  a process has begun with it, which may be before its blob is whole
    unpacked   it is in place
"""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class LayerProgress:
    """One layer: bytes of its blob that came in, of how many, whether it is unpacked, and seconds that both took.

    state    the last one of the module's docstring
    done     bytes fetched in this pull, at most *total*; *total* when it was not to be fetched
    fetch, unpack  seconds, None as long as it has not ended (or was not needed)
    """

    __slots__ = (
        "_fetch_begun",
        "_unpack_begun",
        "_unpack_spent",
        "digest",
        "done",
        "fetch",
        "state",
        "total",
        "unpack",
    )

    def __init__(self, digest: str, total: int) -> None:
        self.digest = digest
        self.total = total
        self.done = 0
        self.state = "waiting"
        self.fetch: float | None = None
        self.unpack: float | None = None
        self._fetch_begun: float | None = None
        self._unpack_begun: float | None = None
        self._unpack_spent = 0.0

    @property
    def fetching(self) -> bool:
        return self._fetch_begun is not None and self.fetch is None

    @property
    def unpacking(self) -> bool:
        return self._unpack_begun is not None and self.unpack is None

    def changed(self, state: str, done: int, now: float) -> None:
        """Take note of one event at the time *now*."""
        if state == "fetching":
            self.done = min(done, self.total)
            self._fetch_begun = now if self._fetch_begun is None else self._fetch_begun
        elif state == "fetched":
            self.done = self.total
            self.fetch = now - (now if self._fetch_begun is None else self._fetch_begun)
        elif state == "present":
            self.done = self.total
        elif state == "unpacking":
            self._unpack_begun = now - self._unpack_spent  # anew where it had to begin once more
        elif state == "waiting" and self._unpack_begun is not None:
            self._unpack_spent, self._unpack_begun = now - self._unpack_begun, None
        elif state == "unpacked":
            self.unpack = now - (now if self._unpack_begun is None else self._unpack_begun)
        if state != "fetching" or not self.unpacking:
            self.state = state


class Tracker:
    """Collects the events of a pull. To be called as the progress of whoever brings layers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.begun = clock()
        self.lock = threading.RLock()
        self._layers: dict[str, LayerProgress] = {}

    def __call__(self, digest: str, state: str, done: int, total: int) -> None:
        with self.lock:
            layer = self._layers.get(digest)
            if layer is None:
                layer = self._layers[digest] = LayerProgress(digest, total)
            layer.changed(state, done, self.clock())
            self.noted(layer, state)

    def noted(self, layer: LayerProgress, state: str) -> None:
        """For those who show it; the lock is held."""

    @property
    def layers(self) -> list[LayerProgress]:
        """The layers, in the order in which they were first heard of: the image's own, base first."""
        with self.lock:
            return list(self._layers.values())

    def timings(self) -> list[dict[str, Any]]:
        """``{"layer": digest, "size": bytes, "fetch": seconds, "unpack": seconds}`` of every layer that took time."""
        return [
            {
                "layer": layer.digest,
                "size": layer.total,
                "fetch": None if layer.fetch is None else round(layer.fetch, 3),
                "unpack": None if layer.unpack is None else round(layer.unpack, 3),
            }
            for layer in self.layers
            if layer.fetch is not None or layer.unpack is not None
        ]
