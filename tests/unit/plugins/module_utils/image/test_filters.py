# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import ImageError
from ansible_collections.agentless.oci.plugins.module_utils.image.filters import (
    Filter,
    has_label,
    parse_until,
    seconds_of,
)

NOW = 2_000_000_000.0
LABELS = {"team": "shop", "keep": ""}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01t00:00:00z", 0.0),
        ("1970-01-02", 86400.0),
        ("1970-01-01T02:00:00+02:00", 0.0),
        ("1969-12-31T19:30:00-04:30", 0.0),
        ("1970-01-01T00:00:01.500000000Z", 1.5),
        ("1970-01-01 00:00:10", 10.0),
        ("", None),
        ("yesterday", None),
        ("1970-13-01", None),
        ("1970-01-01T25:00:00Z", None),
    ],
)
def test_times(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "back"), [("24h", 86400), ("1h30m", 5400), ("7d", 604800), ("1.5h", 5400), ("2w", 1209600), ("10s", 10)]
)
def test_durations_count_back_from_now(text, back):
    assert parse_until(text, NOW) == NOW - back


def test_other_ways_to_write_until():
    assert parse_until("1600000000", NOW) == 1_600_000_000
    assert parse_until("1970-01-02T00:00:00Z", NOW) == 86400


@pytest.mark.parametrize("text", ["24", "soon", "-1h", "1y", "24 h", "2026-02-30", "²"])
def test_what_is_no_time_is_refused(text):
    if text == "24":  # a Unix time, however old
        assert parse_until(text, NOW) == 24
        return
    with pytest.raises(ImageError, match="is no time") as caught:
        parse_until(text, NOW)
    assert "24h" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "there"), [("team", True), ("team=shop", True), ("team=other", False), ("keep=", True), ("none", False)]
)
def test_labels(wanted, there):
    assert has_label(LABELS, wanted) is there


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        (None, True),
        ({}, True),
        ({"until": "1h"}, True),
        ({"until": "3h"}, False),
        ({"label": ["team", "keep"]}, True),
        ({"label": ["team", "none"]}, False),
        ({"exclude_label": ["none"]}, True),
        ({"exclude_label": ["none", "keep"]}, False),
        ({"until": "1h", "label": ["team=shop"], "exclude_label": ["team=other"]}, True),
    ],
)
def test_all_parts_of_a_filter_must_hold(options, accepted):
    assert Filter.of(options, NOW).accepts(NOW - 7200, LABELS) is accepted


def test_what_was_made_at_the_very_moment_is_not_before_it():
    assert not Filter.of({"until": "1h"}, NOW).accepts(NOW - 3600, {})
