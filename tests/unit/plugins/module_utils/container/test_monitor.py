# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import logs, logsink, monitor, stamps

WHEN = b"2026-01-01T00:00:00.000000001Z"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_767_225_600_000_000_001, "2026-01-01T00:00:00.000000001Z"),
        (1_767_225_600_999_999_999, "2026-01-01T00:00:00.999999999Z"),
    ],
)
def test_time_stamps(nanoseconds, text):
    assert stamps.timestamp(nanoseconds) == text


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", b""),
        (b"a\n", b"F a\n"),
        (b"a\nb\n", b"F a\nF b\n"),
        (b"a", b"P a\n"),
        (b"a\nb", b"F a\nP b\n"),
        (b"\n\n", b"F \nF \n"),
        (b"caf\xc3\xa9 \xff\n", b"F caf\xc3\xa9 \xff\n"),
    ],
)
def test_lines_of_the_log(data, lines):
    head = WHEN + b" stdout "
    assert logsink.log_lines(data, b"stdout", WHEN).replace(head, b"") == lines
    for line in logsink.log_lines(data, b"stdout", WHEN).splitlines(keepends=True):
        assert logs.parse(line).stream == "stdout"


def test_its_settings():
    assert monitor.read_config("") == {}
    text = "policy=on-failure\nretries=3\nmax_size=100\nmax_file=2\nremove=1\n"
    assert monitor.read_config(text) == {
        "policy": "on-failure",
        "retries": "3",
        "max_size": "100",
        "max_file": "2",
        "remove": "1",
    }


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        ("low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 0\n", 1),
        ("", 0),
    ],
)
def test_oom_kills(text, count):
    assert monitor.count_oom_kills(text) == count


def names(directory):
    return sorted(os.listdir(directory))


def test_rotation_keeps_so_many_files_of_such_a_size(tmp_path):
    log = logsink.Log(str(tmp_path), 10, 3)
    for letter in b"abcde":
        log.write(bytes([letter]) * 9 + b"\n")
    assert names(tmp_path) == ["container.log", "container.log.1", "container.log.2"]
    assert [(tmp_path / name).read_bytes()[:1] for name in names(tmp_path)] == [b"e", b"d", b"c"]
    log.max_file = 1
    log.write(b"f" * 9 + b"\n")
    assert names(tmp_path) == ["container.log"]
    log.max_size = 0
    log.write(b"g" * 999 + b"\n")
    assert (tmp_path / "container.log").stat().st_size == 1010


@pytest.mark.parametrize(
    ("data", "files"),
    [
        (b"aaa\nbbb\nccc\n", [b"ccc\n", b"aaa\nbbb\n"]),
        (b"aaa\n" * 5, [b"aaa\n", b"aaa\naaa\n", b"aaa\naaa\n"]),
        (b"longer than a file\nb\n", [b"b\n", b"longer than a file\n"]),
    ],
)
def test_no_file_is_larger_than_it_may_be(tmp_path, data, files):
    log = logsink.Log(str(tmp_path), 10, 9)
    log.write(data)
    assert [(tmp_path / name).read_bytes() for name in names(tmp_path)] == files


def test_a_log_goes_on_where_it_was(tmp_path):
    (tmp_path / "container.log").write_bytes(b"old\n")
    log = logsink.Log(str(tmp_path), 5, 2)
    log.write(b"new\n")
    assert (tmp_path / "container.log.1").read_bytes() == b"old\n"


def test_a_full_disk_loses_lines_and_nothing_else(tmp_path, monkeypatch):
    log = logsink.Log(str(tmp_path), 0, 1)

    def refuse(fd, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(logsink, "write", refuse)
    log.write(b"lost\n")
    monkeypatch.undo()
    log.write(b"kept\n")
    assert (tmp_path / "container.log").read_bytes() == b"kept\n"


def test_it_imports_nothing_written_in_python():
    folder = os.path.dirname(monitor.__file__)
    script = (
        "import sys; before = set(sys.modules); light = sys.modules['light'] = type(sys)('light');"
        "light.__path__ = [sys.argv[1]]; from light import monitor, probe;"
        "print([name.rpartition('.')[2] for name in set(sys.modules) - before"
        " if getattr(sys.modules[name], '__file__', '') and sys.modules[name].__file__.endswith('.py')])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, folder], check=True, capture_output=True, text=True
    )
    assert set(json.loads(done.stdout.replace("'", '"'))) == {
        *("monitor", "monitorhost", "restart", "logsink", "stamps", "probe", "__future__")
    }
