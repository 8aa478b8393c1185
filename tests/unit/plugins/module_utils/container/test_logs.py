# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import logs, logsink, stamps
from ansible_collections.agentless.oci.plugins.module_utils.container.records import Record


def stamp(number):
    return stamps.timestamp(number * 1_000_000_000)


def write(path, *entries):
    with open(path, "ab") as file:
        for number, stream, kind, text in entries:
            file.write(f"{stamp(number)} {stream} {kind} {text}\n".encode())


def recorded(path, **chosen):
    return Record(str(path), {"id": "0" * 64, "options": chosen})


@pytest.fixture
def record(tmp_path):
    path = tmp_path
    tmp_path = path / "log"
    tmp_path.mkdir()
    write(tmp_path / "container.log.2", (1, "stdout", "F", "one"), (2, "stderr", "F", "two"))
    write(tmp_path / "container.log.1", (3, "stdout", "P", "thr"), (4, "stdout", "F", "ee"))
    write(tmp_path / "container.log", (5, "stdout", "F", ""), (6, "stderr", "P", "six"))
    (tmp_path / "container.log.old").write_text("not ours\n")
    return recorded(path)


def test_files_are_read_oldest_first(record):
    assert [entry.text for entry in logs.entries(record)] == [b"one", b"two", b"thr", b"ee", b"", b"six"]
    assert list(logs.entries(recorded("/nothing"))) == []


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
def test_streams_are_told_apart_and_pieces_joined(record, since, stdout, stderr):
    assert logs.collect(record, stamp(since)) == (stdout, stderr)


@pytest.mark.parametrize(
    ("count", "texts"),
    [
        (0, []),
        (1, [b"", b"six"]),
        (2, [b"thr", b"ee", b"", b"six"]),
        (99, [b"one", b"two", b"thr", b"ee", b"", b"six"]),
    ],
)
def test_tail_counts_lines_not_pieces(record, count, texts):
    assert [entry.text for entry in logs.tail(logs.entries(record), count)] == texts


@pytest.mark.parametrize("line", [b"", b"garbage\n", b"2026 stdout F cut short", b"2026 stdout X a\n", b"\n"])
def test_what_a_crash_left_is_passed_over(line):
    assert logs.parse(line) is None


def test_text_with_spaces_stays_whole():
    entry = logs.parse(b"2026 stdout F  two  spaces \n")
    assert entry == ("2026", "stdout", True, b" two  spaces ")


@pytest.mark.parametrize("count", [None, 1])
def test_following_across_rotations(tmp_path, count):
    (tmp_path / "log").mkdir()
    log = logsink.Log(str(tmp_path / "log"), 200, 50)
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
    for entry in logs.follow(recorded(tmp_path), count, done.is_set):
        seen.append(int(entry.text.split()[1]))
    thread.join()
    assert seen == list(range(seen[0], total))
    assert seen[0] == 0 if count is None else seen[0] >= 1


def test_both_formats_in_one_file_and_what_is_cut_in_the_middle_of_a_character(tmp_path):
    (tmp_path / "log").mkdir()
    logsink.Log(str(tmp_path / "log"), 0, 1).add(b"stdout", b"first\n", 1)
    log = logsink.Log(str(tmp_path / "log"), 0, 1, b'"attrs":{"a":"b"},')
    euro = "€".encode()
    for piece in (b'"one" \t' + euro[:1], euro[1:] + b"\n", b"\xff two", euro[:2]):
        log.add(b"stderr", piece, 2)
    log.end()
    found = [(entry.stream, entry.full, entry.text.decode()) for entry in logs.entries(recorded(tmp_path))]
    assert found[0] == ("stdout", True, "first")
    text = "".join(text + "\n" * full for _stream, full, text in found[1:])
    assert text == '"one" \t€\n\ufffd two\ufffd'
    assert '"attrs":{"a":"b"},' in (tmp_path / "log/container.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 0),
        (b"a", 1),
        ("a€".encode(), 4),
        ("a€".encode()[:-1], 1),
        ("a😀".encode()[:-1], 1),
        ("a😀".encode()[:-3], 1),
        ("aé".encode(), 3),
        (b"a\x80\x80\x80\x80", 5),
        (b"a\xff", 1),
    ],
)
def test_where_a_character_is_cut_off(data, count):
    assert logsink.whole_characters(data) == count
