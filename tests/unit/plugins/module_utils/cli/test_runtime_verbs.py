# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's command line, as far as words and numbers go."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli import create_verbs, events_verb, main, words
from ansible_collections.agentless.oci.plugins.module_utils.cli.parsing import parser
from ansible_collections.agentless.oci.plugins.module_utils.cli.runtime_verbs import signal_number
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5s", 5.0), ("500ms", 0.5), ("1m", 60.0), ("2", 2.0), ("0.5h", 1800.0), ("30us", 0.00003)],
)
def test_intervals(text, expected):
    assert events_verb.seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "s", "0", "0s", "-1s", "5x", "nan", "inf", "5 days"])
def test_what_is_no_interval(text):
    with pytest.raises(Error, match="--interval takes a time above 0"):
        events_verb.seconds(text)


def test_stats_have_the_shape_of_runcs():
    amounts = {
        "cpu_usec": 7, "cpu_user_usec": 4, "cpu_system_usec": 3, "memory": 100, "memory_peak": 200, "memory_file": 50,
        "swap": 1, "pids": 2, "hugetlb": {"2MB": 6},
        "io": [{"device": "8:16", "read_bytes": 9, "write_bytes": 8, "read_ops": 1}],
    }  # fmt: skip
    events = {"memory_max": 3, "cpu_periods": 10, "cpu_throttled": 4, "cpu_throttled_usec": 5}
    limits = {"memory": {"limit": 300, "swap": -1}, "pids": {"limit": -1}}
    found = events_verb.shaped(amounts, events, limits, {"cache": 50}, [])
    assert found["cpu"]["usage"] == {"total": 7000, "percpu": [], "kernel": 3000, "user": 4000}
    assert found["cpu"]["throttling"] == {"periods": 10, "throttledPeriods": 4, "throttledTime": 5000}
    assert found["memory"]["usage"] == {"limit": 300, "usage": 100, "max": 200, "failcnt": 3}
    assert found["memory"]["swap"] == {"limit": 2**64 - 1, "usage": 1}
    assert (found["memory"]["cache"], found["memory"]["raw"]) == (50, {"cache": 50})
    assert found["pids"] == {"current": 2, "limit": 0}
    assert found["blkio"]["ioServiceBytesRecursive"] == [
        {"major": 8, "minor": 16, "op": "Read", "value": 9}, {"major": 8, "minor": 16, "op": "Write", "value": 8},
    ]  # fmt: skip
    assert [entry["value"] for entry in found["blkio"]["ioServicedRecursive"]] == [1, 0]
    assert found["hugetlb"] == {"2MB": {"usage": 6}}
    assert events_verb.shaped(amounts, events, limits, {}, ["5", "6"])["cpu"]["usage"]["total"] == 11


@pytest.mark.parametrize(
    ("name", "number"),
    [("9", 9), ("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("RTMIN+1", 35), ("RTMAX-2", 62), ("64", 64)],
)
def test_signals(name, number):
    assert signal_number(name) == number


@pytest.mark.parametrize("name", ["0", "65", "MOON", "SIG_BLOCK", "_BLOCK", "RTMIN+x", "-9", ""])
def test_what_is_no_signal(name):
    with pytest.raises(Error, match="unknown signal"):
        signal_number(name)


def sorted_words(*argv):
    return words.sort("create", create_verbs._SYNTAX["create"], argv)


@pytest.mark.parametrize("value", ["-1", "x", "900"])
def test_descriptors_that_cannot_be_kept(value):
    with pytest.raises(Error, match=r"--preserve-fds takes|descriptor \d+ of 900 to be kept: Bad file"):
        create_verbs.preserved(sorted_words("--preserve-fds", value, "x"))


@pytest.mark.parametrize(
    ("count", "pid", "expected"),
    [("2", "", 0), ("2", "1", 0), ("x", None, 0), ("", None, 0), ("2", None, 2)],
)
def test_only_our_own_socket_activation_counts(monkeypatch, count, pid, expected):
    monkeypatch.setenv("LISTEN_FDS", count)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()) if pid is None else pid)
    assert create_verbs._activated() == expected


@pytest.mark.parametrize("value", ["table", "json"])
def test_formats(value):
    syntax = words.Syntax(("--format",), arguments=(0, 0))
    assert words.sort("list", syntax, ["--format", value]).form() == value
    with pytest.raises(Error, match="--format takes table or json, not 'xml'"):
        words.sort("list", syntax, ["--format", "xml"]).form()


@pytest.mark.parametrize("text", ["plain", 'with "quotes" and \\ back', "two\nlines", "ä"])
def test_the_log_holds_any_message(monkeypatch, tmp_path, capsys, text):
    for form in ("json", "text"):
        path = tmp_path / form
        monkeypatch.setitem(main._log, "path", str(path))
        monkeypatch.setitem(main._log, "form", form)
        main.report(Error(text), "state")
        main.warn([text])
        first, second = path.read_text(encoding="utf-8").splitlines()
        if form == "json":
            assert [json.loads(line)["level"] for line in (first, second)] == ["error", "warning"]
            assert json.loads(first)["msg"] == " ".join(text.split("\n"))
        else:
            assert ' level=error msg="' in first
            assert json.loads(first.partition("msg=")[2]) == " ".join(text.split("\n"))
    assert capsys.readouterr().err.count("\n") >= 4


@pytest.mark.parametrize(
    "argv",
    [["--log-format", "xml", "list"], ["--cgroup-manager", "disabled", "create", "x"], ["--root"], ["--moon", "list"]],
)
def test_wrong_global_options(capsys, argv):
    assert main.main(argv) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("verb", ["create", "start", "exec", "ps", "events"])
def test_help_of_a_verb(capsys, verb):
    assert main.main([verb, "--help"]) == 0
    assert f"  {verb} " in capsys.readouterr().out


def test_operators_options_are_not_abbreviated():
    options = parser("containers", "")
    options.add_argument("--format")
    assert options.parse_args(["--format", "json"]).format == "json"
    with pytest.raises(SystemExit):
        options.parse_args(["--form", "json"])
