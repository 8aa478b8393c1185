# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An iterator run by a thread of its own, a few items ahead of who consumes it.

For work that releases the interpreter's lock, as zlib and hashlib do: one large layer then keeps two processors busy.
"""

from __future__ import annotations

import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

AHEAD = 8  # items


class ReadAhead:
    """Iterates over *items*, once, in order; raises where they raise. Leaving the ``with`` block ends the thread.

    What *items* may wait for has to be ended by the caller before that.
    """

    def __init__(self, items: Iterator[bytes]) -> None:
        self._items = items
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(AHEAD)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        while self._thread.is_alive():
            try:  # it may wait for room
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for item in self._items:
                if self._stopped:
                    return
                self._queue.put(item)
        except BaseException as error:  # noqa: BLE001 - raised where the items are consumed
            end = error
        self._queue.put(end)
