# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import logs, logsink, stamps


def stamp(number):
    return stamps.timestamp(number * 1_000_000_000)


def write(path, *entries):
    with open(path, "ab") as file:
        for number, stream, kind, text in entries:
            file.write(f"{stamp(number)} {stream} {kind} {text}\n".encode())


@pytest.fixture
def directory(tmp_path):
    write(tmp_path / "container.log.2", (1, "stdout", "F", "one"), (2, "stderr", "F", "two"))
    write(tmp_path / "container.log.1", (3, "stdout", "P", "thr"), (4, "stdout", "F", "ee"))
    write(tmp_path / "container.log", (5, "stdout", "F", ""), (6, "stderr", "P", "six"))
    (tmp_path / "container.log.old").write_text("not ours\n")
    return str(tmp_path)


def test_files_are_read_oldest_first(directory):
    assert [entry.text for entry in logs.entries(directory)] == [b"one", b"two", b"thr", b"ee", b"", b"six"]
    assert list(logs.entries(directory + "/nothing")) == []


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    reader = logs.Reader(str(tmp_path))
    (tmp_path / "container.log").write_bytes(b"2026 stdout F a\n2026 stdout F b")
    assert [entry.text for entry in reader.new()] == [b"a"]
    with open(tmp_path / "container.log", "ab") as file:
        file.write(b"c\n")
    assert [entry.text for entry in reader.new()] == [b"bc"]
    assert list(reader.new()) == []


@pytest.mark.parametrize(
    ("since", "stdout", "stderr"),
    [(0, "one\nthree\n\n", "two\nsix"), (3, "three\n\n", "six"), (7, "", "")],
)
def test_streams_are_told_apart_and_pieces_joined(directory, since, stdout, stderr):
    assert logs.collect(directory, stamp(since)) == (stdout, stderr)


@pytest.mark.parametrize(
    ("count", "texts"),
    [
        (0, []),
        (1, [b"", b"six"]),
        (2, [b"thr", b"ee", b"", b"six"]),
        (99, [b"one", b"two", b"thr", b"ee", b"", b"six"]),
    ],
)
def test_tail_counts_lines_not_pieces(directory, count, texts):
    assert [entry.text for entry in logs.tail(logs.entries(directory), count)] == texts


@pytest.mark.parametrize("line", [b"", b"garbage\n", b"2026 stdout F cut short", b"2026 stdout X a\n", b"\n"])
def test_what_a_crash_left_is_passed_over(line):
    assert logs.parse(line) is None


def test_text_with_spaces_stays_whole():
    entry = logs.parse(b"2026 stdout F  two  spaces \n")
    assert entry == ("2026", "stdout", True, b" two  spaces ")


@pytest.mark.parametrize("count", [None, 1])
def test_following_across_rotations(tmp_path, count):
    log = logsink.Log(str(tmp_path), 200, 50)
    total = 60

    def line(number):
        return f"{stamp(number)} stdout F line {number}\n".encode()

    log.write(line(0))
    log.write(line(1))
    done = threading.Event()

    def writer():
        for number in range(2, total):
            log.write(line(number))
            time.sleep(0.01)
        done.set()

    thread = threading.Thread(target=writer)
    seen = []
    thread.start()
    for entry in logs.follow(str(tmp_path), count, done.is_set):
        seen.append(int(entry.text.split()[1]))
    thread.join()
    assert seen == list(range(seen[0], total))
    assert seen[0] == 0 if count is None else seen[0] >= 1
