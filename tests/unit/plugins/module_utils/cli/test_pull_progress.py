# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import re

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli import progress, registry_options
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.progress import LayerProgress, Tracker

A, B, C = ("sha256:" + letter * 64 for letter in "abc")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Screen:
    """What a terminal shows of what is written to it: enough of ECMA-48 for our own output."""

    def __init__(self, columns):
        self.columns = columns
        self.lines = [""]
        self.row = 0

    def feed(self, text):
        for piece in re.findall(r"\x1b\[[0-9]*[A-Z]|[\r\n]|[^\x1b\r\n]+", text):
            if piece.endswith("A") and piece[0] == "\x1b":
                self.row -= int(piece[2:-1])
                assert self.row >= 0
            elif piece == "\x1b[J":
                self.lines[self.row :] = [""]
            elif piece == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif piece != "\r":
                assert len(piece) < self.columns
                self.lines[self.row] = piece
        return [line for line in self.lines if line]


def tracked():
    tracker = Tracker(Clock())
    for digest, total in ((A, 1000), (B, 2000), (C, 0)):
        tracker(digest, "waiting", 0, total)
    return tracker


def test_events_become_states_and_times():
    tracker = tracked()
    tracker(A, "fetching", 0, 1000)
    tracker(A, "unpacking", 0, 1000)
    tracker.clock.now += 1
    tracker(A, "fetching", 400, 1000)
    first = tracker.layers[0]
    assert (first.done, first.state, first.fetching, first.unpacking) == (400, "unpacking", True, True)
    tracker.clock.now += 1
    tracker(A, "fetched", 1000, 1000)
    tracker.clock.now += 0.5
    tracker(A, "unpacked", 1000, 1000)
    assert (first.done, first.state, first.fetching, first.unpacking) == (1000, "unpacked", False, False)
    assert tracker.timings() == [{"layer": A, "size": 1000, "fetch": 2.0, "unpack": 2.5}]


def test_what_was_here_takes_no_time():
    tracker = Tracker(Clock())
    tracker(A, "present", 0, 1000)
    tracker(B, "waiting", 0, 2000)
    tracker(B, "unpacking", 0, 2000)
    tracker.clock.now += 3
    tracker(B, "unpacked", 2000, 2000)
    assert tracker.timings() == [{"layer": B, "size": 2000, "fetch": None, "unpack": 3.0}]


def test_a_layer_that_is_begun_again_counts_from_there():
    tracker = tracked()
    tracker(A, "fetching", 0, 1000)
    tracker(A, "unpacking", 0, 1000)
    tracker.clock.now += 5
    tracker(A, "fetching", 9000, 1000)  # a blob fetched anew may count twice
    assert tracker.layers[0].done == 1000
    tracker(A, "fetched", 1000, 1000)
    tracker(A, "unpacking", 0, 1000)
    tracker.clock.now += 1
    tracker(A, "unpacked", 1000, 1000)
    assert tracker.timings()[0]["unpack"] == 1.0


def test_waiting_for_layers_below_is_no_unpacking():
    tracker = tracked()
    for state, seconds in (("unpacking", 2), ("waiting", 30), ("unpacking", 1)):
        tracker(A, state, 0, 1000)
        assert tracker.layers[0].unpacking is (state == "unpacking")
        tracker.clock.now += seconds
    tracker(A, "unpacked", 1000, 1000)
    assert tracker.timings()[0]["unpack"] == 3.0


@pytest.mark.parametrize(
    ("done", "total", "drawn"),
    [
        (0, 100, "[          ]"),
        (1, 100, "[>         ]"),
        (50, 100, "[====>     ]"),
        (99, 100, "[========> ]"),
        (100, 100, "[==========]"),
        (0, 0, "[==========]"),
    ],
)
def test_bars(done, total, drawn):
    assert progress.gauge(done, total, 10) == drawn


@pytest.mark.parametrize("width", [200, 80, 60, 40, 20, 5, 1])
@pytest.mark.parametrize("state", ["waiting", "fetching", "unpacked", "present"])
def test_no_line_is_wider_than_the_terminal(width, state):
    layer = LayerProgress(A, 123_456_789_012)
    layer.changed(state, 12_345_678_901, 0.0)
    assert len(progress.row(layer, width)) <= width
    assert progress.row(layer, width).startswith("aaaaaaaaaaaa"[:width])
    assert ("[" in progress.row(layer, width)) is (width >= 80)
    drawn = progress.frame([layer] * 3, 1.0, width, 10)
    assert len(drawn) == 4
    assert all(len(line) <= width for line in drawn)


def test_a_low_terminal_shows_what_goes_on():
    layers = [LayerProgress("sha256:" + f"{index:064x}", 10) for index in range(20)]
    layers[7].changed("fetching", 5, 0.0)
    layers[9].changed("unpacking", 0, 0.0)
    drawn = progress.frame(layers, 0.0, 80, 6)
    assert len(drawn) == 3
    assert "fetching" in drawn[0]
    assert "unpacking" in drawn[1]
    for layer in layers:
        layer.changed("fetching", 5, 0.0)
    assert len(progress.frame(layers, 0.0, 80, 6)) == 6
    assert len(progress.frame(layers, 0.0, 80, 1)) == 1


def test_the_summary():
    tracker = tracked()
    tracker(A, "fetching", 0, 1000)
    tracker(A, "fetched", 1000, 1000)
    tracker(A, "unpacking", 0, 1000)
    tracker(A, "unpacked", 1000, 1000)
    assert progress.summary(tracker.layers, 2.0) == "3 layers: 1.0 kB / 3.0 kB, 500 B/s, 1 unpacked"
    assert progress.summary(tracker.layers[:1], 0.0) == "1 layer: 1.0 kB / 1.0 kB, 1 unpacked"


@pytest.fixture
def sized(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "terminal_size", lambda _stream: (100, 30))


def test_bars_are_redrawn_in_place_and_give_way_to_the_summary(sized):
    stream = Terminal()
    bars = progress.progress_to(stream)
    bars.clock = Clock()
    screen = Screen(100)
    for digest in (A, B):
        bars(digest, "waiting", 0, 1000)
    bars(A, "fetching", 0, 1000)
    bars.clock.now += 1
    bars(A, "fetching", 500, 1000)
    shown = screen.feed(stream.getvalue())
    assert len(shown) == 3
    assert re.match(r"a{12}  \[=+> +\]  +500 B / 1.0 kB  fetching$", shown[0])
    assert shown[1].endswith("waiting")
    written = len(stream.getvalue())
    bars(A, "fetching", 501, 1000)  # too soon to be drawn
    assert len(stream.getvalue()) == written
    bars(A, "fetched", 1000, 1000)
    bars.end()
    shown = screen.feed(stream.getvalue()[written:])
    assert len(shown) == 1
    assert shown[0].startswith("2 layers: 1.0 kB / 2.0 kB")


def test_elsewhere_each_line_is_written_once(monkeypatch):
    stream = io.StringIO()
    lines = progress.progress_to(stream)
    lines.clock = Clock()
    lines.when = lines.clock()
    lines(A, "present", 0, 5)
    lines(B, "waiting", 0, 2000)
    lines(B, "fetching", 0, 2000)
    for step in range(1, 5):
        lines.clock.now += 6
        lines(B, "fetching", 400 * step, 2000)
    lines(B, "fetched", 2000, 2000)
    lines(B, "unpacking", 0, 2000)
    lines.clock.now += 1
    lines(B, "unpacked", 2000, 2000)
    lines.end()
    said = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert [line.partition(",")[0] for line in said] == [
        "1 layer: 800 B / 2.0 kB",
        "1 layer: 1.6 kB / 2.0 kB",
        "bbbbbbbbbbbb fetched 2.0 kB in 24.0 s",
        "bbbbbbbbbbbb unpacked 2.0 kB in 1.0 s",
    ]


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    assert isinstance(progress.progress_to(Terminal()), progress.Lines)


def test_the_size_of_a_terminal_that_has_none():
    with open(os.devnull, encoding="ascii") as stream:
        assert progress.terminal_size(stream) == (80, 24)


def test_credentials(monkeypatch):
    assert registry_options.credentials("me:pass:word") == ("me", "pass:word")
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed" if "me" in prompt else "")
    assert registry_options.credentials("me") == ("me", "typed")
    with pytest.raises(ImageError, match="names no user"):
        registry_options.credentials(":x")
