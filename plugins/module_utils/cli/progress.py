# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull as a person sees it: bars that are redrawn in place on a terminal, plain lines everywhere else."""

from __future__ import annotations

import os

from ..image.progress import Tracker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from ..image.progress import LayerProgress

REDRAW = 0.1  # seconds between two drawings
SUMMARY = 10.0  # seconds between two plain lines about a long pull
_BAR = 40  # columns of the widest bar
_NARROWEST = 10  # of one that still says something


def size(count: float) -> str:
    """*count* bytes for people: ``41.2 MB``, decimal as registries count."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def short(digest: str) -> str:
    return digest.partition(":")[2][:12]


def progress_to(stream: TextIO) -> Bars | Lines:
    """The progress that fits *stream*: a terminal that can move its cursor, or anything else."""
    if stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        return Bars(stream)
    return Lines(stream)


def word(layer: LayerProgress) -> str:
    """What is going on with a layer."""
    if layer.fetching:
        return "fetching, unpacking" if layer.unpacking else "fetching"
    return {"present": "already here", "fetched": "waiting"}.get(layer.state, layer.state)


def row(layer: LayerProgress, width: int) -> str:
    """One layer in at most *width* columns: what does not fit is left out, the bar first."""
    counted = f"{size(layer.done)} / {size(layer.total)}"
    columns = [short(layer.digest), f"{counted:>21}", f"{word(layer):<19}"]
    room = width - sum(len(column) + 2 for column in columns) - 2
    if room >= _NARROWEST:
        columns.insert(1, gauge(layer.done, layer.total, min(room, _BAR)))
    line = "  ".join(columns).rstrip()
    return line if len(line) <= width else f"{short(layer.digest)}  {counted}"[:width]


def gauge(done: int, total: int, width: int) -> str:
    """``[=====>    ]`` of *width* columns and the two brackets."""
    filled = width if done >= total else width * done // total
    head = ">" if filled < width and done else ""
    return f"[{'=' * (filled - len(head) if filled else 0)}{head}{' ' * (width - max(filled, len(head)))}]"


def summary(layers: Sequence[LayerProgress], seconds: float) -> str:
    """All layers in one line: ``6 layers: 81.0 MB / 212.4 MB, 27.0 MB/s, 2 unpacked``."""
    came = [layer for layer in layers if layer.state != "present"]
    done, total = sum(layer.done for layer in came), sum(layer.total for layer in came)
    rate = f", {size(done / seconds)}/s" if seconds > 0 and done else ""
    unpacked = sum(1 for layer in came if layer.unpack is not None)
    count = f"{len(came)} layer{'' if len(came) == 1 else 's'}"
    return f"{count}: {size(done)} / {size(total)}{rate}, {unpacked} unpacked"


def frame(layers: Sequence[LayerProgress], seconds: float, width: int, height: int) -> list[str]:
    """What is drawn on a terminal of *width* columns and *height* lines: a row for each layer, and the summary.

    Where there is no room for all, those that something happens to are shown.
    """
    last = summary(layers, seconds)[:width]
    shown = list(layers)
    if len(shown) > height - 1:
        active = [layer for layer in shown if layer.fetching or layer.unpacking]
        shown = active[: max(0, height - 1)]
    return [*(row(layer, width) for layer in shown), last]


class Bars(Tracker):
    """On a terminal. The last column stays free: writing into it makes some terminals wrap."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream
        self.drawn = 0  # lines
        self.when = 0.0

    def noted(self, layer: LayerProgress, state: str) -> None:
        if state == "fetching" and self.clock() - self.when < REDRAW:
            return
        self.draw()

    def draw(self) -> None:
        self.when = self.clock()
        columns, lines = terminal_size(self.stream)
        drawing = frame(self.layers, self.when - self.begun, columns - 1, lines - 1)
        back = f"\x1b[{self.drawn}A" if self.drawn else ""
        self.drawn = len(drawing)
        self.stream.write(f"{back}\r\x1b[J" + "".join(f"{line}\n" for line in drawing))
        self.stream.flush()

    def end(self) -> None:
        """Leave the summary alone on the screen."""
        with self.lock:
            if self.drawn:
                columns, _lines = terminal_size(self.stream)
                last = summary(self.layers, self.clock() - self.begun)[: columns - 1]
                self.stream.write(f"\x1b[{self.drawn}A\r\x1b[J{last}\n")
                self.stream.flush()
                self.drawn = 0


class Lines(Tracker):
    """Where a line that was written stays: one for each layer that has come in, and one for each that is unpacked."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream
        self.when = self.begun

    def noted(self, layer: LayerProgress, state: str) -> None:
        seconds = {"fetched": layer.fetch, "unpacked": layer.unpack}.get(state)
        if seconds is not None:
            self._say(f"{short(layer.digest)} {state} {size(layer.total)} in {seconds:.1f} s")
        elif state == "fetching" and self.clock() - self.when >= SUMMARY:
            self._say(summary(self.layers, self.clock() - self.begun))

    def _say(self, line: str) -> None:
        self.when = self.clock()
        self.stream.write(line + "\n")
        self.stream.flush()

    def end(self) -> None:
        """Nothing is left to do."""


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Columns and lines, asked for anew each time: windows change."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except OSError:
        return 80, 24
    return columns or 80, lines or 24
