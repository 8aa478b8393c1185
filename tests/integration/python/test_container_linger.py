# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitor of many becomes the light one when there is something for it to do, and nothing is lost until then."""

from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import forkserver, linger

SPEAKS = ["sh", "-c", 'trap "echo word" USR1; trap "exit 7" TERM; while :; do sleep 0.05; done']


@pytest.fixture
def many(host, monkeypatch):
    """A host whose monitors are all of many, and come out of their waiting by an event alone."""
    monkeypatch.setattr(forkserver, "begun", lambda: True)
    monkeypatch.setattr(forkserver, "ready", lambda: None)  # it would have a mind of its own
    monkeypatch.setattr(linger, "TIME", 3600)
    return host


def is_light(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return b"monitor.main" in file.read()


def started(host, **given):
    """The container's state, its monitor waiting."""
    state = host.run(command=SPEAKS, **given)["container"]["State"]
    time.sleep(0.1)  # more than it takes otherwise
    assert not is_light(state["MonitorPid"])
    return state


def test_output_is_logged(many):
    state = started(many)
    os.kill(state["Pid"], signal.SIGUSR1)
    many.until(lambda: is_light(state["MonitorPid"]))
    many.until(lambda: many.log().endswith("word\n"))


def test_an_end_is_recorded(many):
    many.kill(started(many)["Pid"])
    many.ended()
    assert many.status()["ExitCode"] == 137


def test_an_end_of_before_is_recorded_too(many):
    many.run(command=["sh", "-c", "echo word; exit 3"])
    many.ended()
    assert many.status()["ExitCode"] == 3
    assert many.log().endswith("word\n")


def test_a_changed_policy_counts(many):
    state = started(many)
    assert many.run(command=SPEAKS, restart_policy="always")["actions"] == ["updated restart_policy"]
    many.until(lambda: is_light(state["MonitorPid"]))
    many.kill(state["Pid"])
    many.until(lambda: many.status()["Pid"] not in (0, state["Pid"]))
    assert many.status()["MonitorPid"] == state["MonitorPid"]


def test_it_is_stopped_by_its_signal(many):
    started(many)
    assert many.task(state="stopped")["actions"] == ["stopped"]
    assert many.status()["ExitCode"] == 7


def test_a_host_that_goes_down_takes_the_container_along(many):
    """Whose monitor ends it in order, instead of dying of the signal itself."""
    state = started(many, restart_policy="always")
    os.kill(state["MonitorPid"], signal.SIGTERM)
    many.ended()
    assert many.status()["ExitCode"] == 7


@pytest.mark.parametrize(
    ("given", "free"), [({"healthcheck": {"test": ["CMD", "true"], "interval": "1h"}}, True), ({}, False)]
)
def test_whose_health_is_checked_or_whose_host_is_short_of_memory_has_the_light_one_at_once(
    many, monkeypatch, given, free
):
    monkeypatch.setattr(linger, "has_room", lambda: free)
    state = many.run(command=SPEAKS, **given)["container"]["State"]
    many.until(lambda: is_light(state["MonitorPid"]))


def test_after_a_while_it_is_light(many, monkeypatch):
    monkeypatch.setattr(linger, "TIME", 0.2)
    state = many.run(command=SPEAKS)["container"]["State"]
    many.until(lambda: is_light(state["MonitorPid"]))
    assert many.status()["Pid"] == state["Pid"]
