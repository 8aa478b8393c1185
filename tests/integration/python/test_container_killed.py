# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that the kernel killed for lack of memory: the next task about it says so, whichever it is, once."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import module as cgroup_module
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.limits import argument_spec
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

GREEDY = ["awk", 'BEGIN { text = "x"; while (1) text = text text }']
WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


def limit(host, **given):
    """What cgroup_limit returns."""
    known = dict.fromkeys([*argument_spec(), "path", "unit", "pid", "processes", "persistent"])
    options = {**known, "name": "web", "state": "present", "kill": False, "root": host.root, **given}
    return cgroup_module.result(options, False)


def restarted(host):
    seen = host.task(state="present", check=True)["container"]
    return seen["RestartCount"] == 1 and seen["State"]["Status"] == "running"


def test_the_next_task_tells_of_it_once(host):
    host.run(command=GREEDY, memory="20m", memory_swap="20m")
    host.ended()
    told = host.task(state="present", check=True)
    assert told["container"]["State"]["OOMKilled"] is True
    assert len(told["warnings"]) == 1
    assert "it was killed for lack of memory at " in told["warnings"][0]
    assert told["warnings"][0].endswith("(its limit is 20m)")
    assert host.task(state="stopped")["warnings"] == told["warnings"]  # check mode has told nobody
    assert host.task(state="stopped")["warnings"] == []


def test_the_task_that_starts_it_again_says_why(host):
    host.run(command=GREEDY, memory="20m", memory_swap="20m")
    host.ended()
    with pytest.raises(Error, match="is not running, it was killed for lack of memory: 20m"):
        limit(host, memory="64m")
    started = host.run(command=GREEDY, memory="20m", memory_swap="20m")
    assert started["actions"] == ["started (it had been killed for lack of memory: 20m)"]
    assert started["warnings"] == []
    host.ended()
    changed = host.run(command=WAIT, memory="30m", memory_swap="30m")
    assert [action.partition(" (")[0] for action in changed["actions"]] == ["replaced container web", "started"]
    assert "(its limit is 20m)" in changed["warnings"][0]
    assert host.run(command=WAIT, memory="30m", memory_swap="30m")["warnings"] == []


def test_one_that_its_policy_restarts_is_told_of_too(host):
    once = "if [ -e /been ]; then sleep 1000; else touch /been; exec awk 'BEGIN { t = \"x\"; while (1) t = t t }'; fi"
    given = {"command": ["sh", "-c", once], "memory": "20m", "memory_swap": "20m", "restart_policy": "always"}
    host.run(**given)
    host.until(lambda: restarted(host))
    assert host.status()["OOMKilled"] is False
    limited = limit(host, pids_limit="100")
    assert "killed for lack of memory once and restarted by its policy, last at " in limited["warnings"][0]
    assert "warnings" not in limit(host, pids_limit="101")
    assert host.run(**given)["warnings"] == []


def test_a_job_that_was_killed_for_it_fails_saying_so(host):
    job = host.run(command=GREEDY, memory="20m", memory_swap="20m", detach=False)
    assert (job["rc"], job["killed"]) == (137, ", killed for lack of memory: 20m")
