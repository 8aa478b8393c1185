# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of the suites: what it counts, and that it is not fooled."""

from __future__ import annotations

import os
import stat
import sys
import time

import pytest

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(CHECKOUT, "hacking"))

import run_tests  # noqa: E402
from run_tests import Result  # noqa: E402

JUNIT = """<testsuites><testsuite name="pytest">
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="assert 1 == 2&#10;more">...</failure></testcase>
<testcase classname="a" name="broken"><error message="boom"/></testcase>
<testcase classname="a" name="absent"><skipped message="needs root"/></testcase>
</testsuite></testsuites>"""


def test_junit_is_read_whole():
    assert run_tests.from_junit(JUNIT) == [
        Result("passed", "a.good", ""),
        Result("failed", "a.bad", "assert 1 == 2"),
        Result("failed", "a.broken", "boom"),
        Result("skipped", "a.absent", "needs root"),
    ]


def test_lines_are_read_and_strangers_refused():
    assert run_tests.from_lines("passed x\nskipped y no such Python\n") == [
        Result("passed", "x", ""),
        Result("skipped", "y", "no such Python"),
    ]
    with pytest.raises(ValueError, match="not a result"):
        run_tests.from_lines("succeeded x\n")


def test_counts_name_all_three():
    results = [Result("passed", "a", ""), Result("failed", "b", ""), Result("passed", "c", "")]
    assert run_tests.counts(results) == "2 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo passed x >$AGENTLESS_OCI_TEST_DIR/results", [Result("passed", "x", "")]),
        (
            "echo passed x >$AGENTLESS_OCI_TEST_DIR/results; exit 3",
            [Result("passed", "x", ""), Result("failed", "made-up", "exit code 3")],
        ),
        ("true", [Result("failed", "made-up", "ran no test")]),
        ("echo failed x why >$AGENTLESS_OCI_TEST_DIR/results; exit 1", [Result("failed", "x", "why")]),
    ],
    ids=["passes", "dies-after-passing", "runs-nothing", "fails"],
)
def test_a_suite_is_believed_only_as_far_as_its_exit_code(tmp_path, monkeypatch, script, expected):
    suite = tmp_path / "suites" / "made-up"
    suite.parent.mkdir()
    suite.write_text(f"#!/bin/sh\n{script}\n")
    suite.chmod(suite.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(run_tests, "SUITES_DIR", str(suite.parent))
    monkeypatch.setattr(run_tests, "machine_state", set)
    found = run_tests.run_suite("made-up", str(tmp_path / "work"), [])
    assert found == [*expected, Result("passed", "made-up-leaves-nothing", "")]


def test_what_a_suite_leaves_running_is_a_failure_and_ended(tmp_path, monkeypatch):
    suite = tmp_path / "suites" / "made-up"
    suite.parent.mkdir()
    suite.write_text("#!/bin/sh\necho passed x >$AGENTLESS_OCI_TEST_DIR/results\nsetsid sleep 600 >/dev/null 2>&1 &\n")
    suite.chmod(suite.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(run_tests, "SUITES_DIR", str(suite.parent))
    monkeypatch.setattr(run_tests, "machine_state", set)
    work = str(tmp_path / "work")
    found = run_tests.run_suite("made-up", work, [])
    assert found[-1].outcome == "failed" and "sleep 600" in found[-1].reason
    assert run_tests.leftovers.processes(work) == {}


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Call with {suite: script} to have these suites and no others."""

    def make(**scripts):
        (tmp_path / "suites").mkdir()
        for name, script in scripts.items():
            suite = tmp_path / "suites" / name
            suite.write_text(f"#!/bin/sh\n{script}\n")
            suite.chmod(suite.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(run_tests, "SUITES_DIR", str(tmp_path / "suites"))

    return make


def test_a_lane_goes_on_after_a_failure_and_tells_all_in_order(tmp_path, made_up, capfd):
    made_up(
        one="echo word of one; echo failed a why >$AGENTLESS_OCI_TEST_DIR/results; exit 1",
        three="echo passed c >$AGENTLESS_OCI_TEST_DIR/results",
    )
    lane = run_tests.Lane(("one", "three"), str(tmp_path / "work"))
    lane.start()
    found = [(suite, results[0]) for suite, results, _seconds in lane.results()]
    lane.join()
    assert found == [("one", Result("failed", "a", "why")), ("three", Result("passed", "c", ""))]
    assert "== one\nword of one\n== three" in capfd.readouterr().out


def test_a_lane_that_is_stopped_leaves_nothing_running(tmp_path, made_up):
    made_up(one="touch $AGENTLESS_OCI_TEST_DIR/there; sleep 600", two="touch $AGENTLESS_OCI_TEST_DIR/there")
    work = str(tmp_path / "work")
    lane = run_tests.Lane(("one", "two"), work)
    lane.start()
    while not os.path.exists(os.path.join(work, "one/there")):
        time.sleep(0.01)
    lane.stop()
    assert run_tests.leftovers.processes(work) == {}
    assert not os.path.exists(os.path.join(work, "two"))
