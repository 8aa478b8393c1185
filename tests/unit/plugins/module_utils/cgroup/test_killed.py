# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a container that was killed for lack of memory, and that it is told once."""

from __future__ import annotations

import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import killed

AT = "2026-03-01T12:30:15.123456789Z"


@pytest.mark.parametrize(
    ("status", "limit", "expected"),
    [
        ({}, 0, None),
        ({"status": "exited", "oom_killed": False, "oom_ends": 0, "oom_at": ""}, 0, None),
        ({"status": "exited", "oom_killed": True}, 0, None),  # a monitor of an earlier version
        (
            {"status": "exited", "oom_ends": 1, "oom_at": AT},
            64 << 20,
            "it was killed for lack of memory at 2026-03-01T12:30:15Z (its limit is 64m)",
        ),
        (
            {"status": "running", "oom_ends": 1, "oom_at": AT},
            0,
            "it has been killed for lack of memory once and restarted by its policy, last at 2026-03-01T12:30:15Z"
            " (it has no limit of its own)",
        ),
        (
            {"status": "restarting", "oom_ends": 3, "oom_at": AT},
            64 << 20,
            "it has been killed for lack of memory 3 times and restarted by its policy, last at 2026-03-01T12:30:15Z"
            " (its limit is 64m)",
        ),
    ],
)
def test_what_a_warning_says(status, limit, expected):
    kill = killed.of_status(status)
    assert (kill and killed.sentence(kill, limit)) == expected


def test_each_end_is_told_once(tmp_path):
    assert killed.of_directory(str(tmp_path)) is None
    status = {"status": "exited", "oom_ends": 1, "oom_at": AT}
    (tmp_path / "status.json").write_text(json.dumps(status))
    kill = killed.of_directory(str(tmp_path))
    first = killed.News(str(tmp_path), kill, 0)
    assert len(first.warnings) == 1
    assert killed.News(str(tmp_path), kill, 0).warnings == first.warnings  # as nobody has been told yet
    first.told()
    assert killed.News(str(tmp_path), kill, 0).warnings == []
    later = kill._replace(at="2026-03-01T12:31:00.5Z", times=2)
    assert len(killed.News(str(tmp_path), later, 0).warnings) == 1


def test_a_container_that_has_gone_needs_no_mark(tmp_path):
    gone = str(tmp_path / "gone")
    killed.News(gone, killed.Kill(AT, 1, True), 0).told()
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("linux", "limit"),
    [({}, 0), ({"resources": {}}, 0), ({"resources": {"memory": {"limit": 64 << 20}}}, 64 << 20)],
)
def test_the_limit_is_the_bundles(tmp_path, linux, limit):
    assert killed.memory_of(str(tmp_path)) == 0
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "config.json").write_text(json.dumps({"linux": linux}))
    assert killed.memory_of(str(tmp_path)) == limit
