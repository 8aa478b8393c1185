# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import health, options, probe
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError

SECOND = health.SECOND
SHELL = {"test": ["CMD-SHELL", "curl -f http://x || exit 1"]}


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ({"test": ["CMD", "curl", "-f", "http://x"]}, {"test": ["CMD", "curl", "-f", "http://x"]}),
        ({"test": "curl -f http://x || exit 1"}, SHELL),
        ("curl -f http://x || exit 1", SHELL),
        ("CMD-SHELL curl -f http://x || exit 1", SHELL),
        ("CMD curl 'a b'", {"test": ["CMD", "curl", "a b"]}),
        ('["CMD-SHELL", "curl -f http://x || exit 1"]', SHELL),
        ('["curl", "x"]', {"test": ["CMD", "curl", "x"]}),
        ("[ -e /ready ]", {"test": ["CMD-SHELL", "[ -e /ready ]"]}),
        ("none", {"test": ["NONE"]}),
        ({"test": ["NONE"], "interval": "5s"}, {"test": ["NONE"]}),
        ({"interval": "1m30s", "retries": 5}, {"interval": 90 * SECOND, "retries": 5}),
        ({"interval": "1h5m3s2ms3us"}, {"interval": 3903 * SECOND + 2_003_000}),
        ({"timeout": 2, "start_period": "0.5"}, {"timeout": 2 * SECOND, "start_period": SECOND // 2}),
        ({"interval": "0s", "retries": 0, "start_interval": None}, None),
        ({}, None),
    ],
)
def test_a_health_check_in_all_its_forms(given, canonical):
    assert options.normalise({"healthcheck": given}) == {"healthcheck": canonical}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"test": ["curl", "x"]}, "begin with CMD, CMD-SHELL or NONE"),
        ({"test": ["CMD"]}, "a program must follow"),
        ({"test": ["CMD-SHELL", "a", "b"]}, "one string must follow"),
        ({"test": {"a": 1}}, "a string or a list"),
        ({"test": "CMD 'a"}, "split into words"),
        ({"tests": "x"}, "there is no 'tests'"),
        ({"interval": "5 parsecs"}, "interval: '5 parsecs' is not a duration"),
        ({"interval": "5x"}, "not a duration"),
        ({"interval": "s"}, "not a duration"),
        ({"interval": True}, "not a duration"),
        ({"timeout": "10us"}, "not from 1ms"),
        ({"retries": -1}, "retries: -1 is not"),
        ({"retries": "many"}, "retries"),
    ],
)
def test_what_is_no_health_check(given, words):
    with pytest.raises(ContainerError, match="healthcheck: ") as raised:
        options.normalise({"healthcheck": given})
    assert words in str(raised.value)


def test_podmans_options_are_put_together():
    given = {"healthcheck": "true", "healthcheck_interval": "5s", "healthcheck_retries": 2}
    assert options.normalise(given)["healthcheck"] == {
        "test": ["CMD-SHELL", "true"],
        "interval": 5 * SECOND,
        "retries": 2,
    }
    with pytest.raises(ContainerError, match="healthcheck: interval is given twice"):
        options.normalise({"healthcheck": {"interval": "1s"}, "healthcheck_interval": "5s"})


def test_the_images_check_stands_in_for_what_is_not_declared():
    image = {"Healthcheck": {"Test": ["CMD", "a"], "Interval": 7 * SECOND, "Retries": 0}}
    defaults = {"timeout": 30 * SECOND, "retries": 3, "start_period": 0, "start_interval": 5 * SECOND}
    assert health.effective({}, image) == {"test": ["CMD", "a"], "interval": 7 * SECOND, **defaults}
    declared = {"healthcheck": {"test": ["CMD", "b"], "retries": 9}}
    assert health.effective(declared, image) == {
        "test": ["CMD", "b"],
        "interval": 7 * SECOND,
        **defaults,
        "retries": 9,
    }
    assert health.effective({"healthcheck": {"test": ["NONE"]}}, image) is None
    assert health.effective({}, {}) is None
    assert health.effective({"healthcheck": {"interval": SECOND}}, {}) is None
    assert health.command(["CMD-SHELL", "x"], {"Shell": ["/bin/ash", "-ec"]}) == ["/bin/ash", "-ec", "x"]
    assert health.command(["CMD-SHELL", "x"], {}) == ["/bin/sh", "-c", "x"]


@pytest.mark.parametrize(
    ("status", "streak", "exit_code", "starting_up", "after"),
    [
        ("starting", 0, 0, False, ("healthy", 0)),
        ("starting", 0, 1, True, ("starting", 0)),
        ("starting", 0, 1, False, ("starting", 1)),
        ("starting", 1, 1, False, ("unhealthy", 2)),
        ("healthy", 0, 1, True, ("healthy", 1)),  # after the first success the start period protects no more
        ("healthy", 1, -1, False, ("unhealthy", 2)),
        ("unhealthy", 2, 1, False, ("unhealthy", 3)),
        ("unhealthy", 7, 0, False, ("healthy", 0)),
    ],
)
def test_dockers_rules(status, streak, exit_code, starting_up, after):
    assert probe.judge(status, streak, exit_code, starting_up, 2) == after


def test_output_is_written_as_json():
    text = 'a "b" \\ \n\t\0 \x1f é 😀'
    assert json.loads(probe.quoted(text)) == text
