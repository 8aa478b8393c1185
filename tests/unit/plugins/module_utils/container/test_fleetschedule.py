# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is next, and who is left alone."""

from __future__ import annotations

import random

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container.fleetschedule import MET, NOT_YET, Job, Schedule


def nobody(name, kind):
    raise AssertionError(f"asked whether {name} is {kind}")


def job(name, *after, **needs):
    return Job(name, set(after), needs)


def test_as_many_at_once_as_there_may_be():
    schedule = Schedule([job("a"), job("b"), job("c")], 2, stop=True)
    assert schedule.ready(nobody) == ["a", "b"]
    assert schedule.ready(nobody) == []
    schedule.ended("b", failed=False)
    assert schedule.ready(nobody) == ["c"]


def test_each_after_what_it_needs():
    schedule = Schedule(
        [job("web", api="started"), job("api", "old", db="started"), job("db"), job("old")], 9, stop=True
    )
    assert schedule.ready(nobody) == ["db", "old"]
    schedule.ended("db", failed=False)
    assert schedule.ready(nobody) == []
    schedule.ended("old", failed=False)
    assert schedule.ready(nobody) == ["api"]
    schedule.ended("api", failed=False)
    assert schedule.ready(nobody) == ["web"]


def test_a_condition_is_asked_for_when_the_other_is_done_and_once_a_round():
    asked = []
    answers = {"db": NOT_YET}

    def condition(name, kind):
        asked.append((name, kind))
        return answers[name]

    schedule = Schedule([job("a", db="healthy"), job("b", db="healthy"), job("db"), job("c")], 9, stop=True)
    assert schedule.ready(condition) == ["db", "c"]
    assert (asked, schedule.watched) == ([], set())
    schedule.ended("db", failed=False)
    assert schedule.ready(condition) == []
    assert asked == [("db", "healthy")]
    assert schedule.watched == {("db", "healthy")}
    answers["db"] = MET
    assert schedule.ready(condition) == ["a", "b"]


def test_a_condition_on_one_with_nothing_to_do():
    schedule = Schedule([job("web", db="healthy", cache="started")], 9, stop=True)
    assert schedule.ready(lambda _name, _kind: NOT_YET) == []
    assert schedule.ready(lambda _name, _kind: MET) == ["web"]


@pytest.mark.parametrize("stop", [False, True])
def test_whoever_needs_one_that_failed_is_left_alone(stop):
    schedule = Schedule([job("db"), job("api", db="started"), job("web", api="started"), job("x", "db")], 1, stop=stop)
    assert schedule.ready(nobody) == ["db"]
    schedule.ended("db", failed=True)
    assert schedule.ready(nobody) == ([] if stop else ["x"])
    assert schedule.untouched["api"] == "it depends on db, which failed"
    assert set(schedule.untouched) == ({"api", "web", "x"} if stop else {"api", "web"})
    if stop:
        assert schedule.untouched["x"] == "nothing more was begun after a failure"
    else:
        assert schedule.untouched["web"] == "it depends on api, which was left untouched"


def test_a_condition_that_cannot_be_met_is_a_failure():
    schedule = Schedule([job("web", db="healthy"), job("x", "y"), job("y")], 1, stop=True)
    assert schedule.ready(lambda _name, _kind: "was not healthy within 3 seconds") == []
    assert schedule.untouched["web"] == "it depends on db, which was not healthy within 3 seconds"
    assert set(schedule.untouched) == {"web", "x", "y"}


def test_any_set_comes_to_its_end():
    chance = random.Random(3)
    for _round in range(300):
        names = [f"c{number}" for number in range(chance.randrange(1, 9))]
        jobs = []
        for index, name in enumerate(names):
            before = names[:index]
            needs = {other: chance.choice(["started", "healthy"]) for other in before if chance.random() < 0.3}
            jobs.append(Job(name, {other for other in before if chance.random() < 0.2}, needs))
        chance.shuffle(jobs)
        schedule = Schedule(jobs, chance.randrange(1, 4), stop=chance.random() < 0.5)
        done, running = [], []

        def condition(_name, _kind):
            return chance.choice([MET, MET, NOT_YET, "gave up"])

        for _step in range(1000):
            for name in schedule.ready(condition):
                needs = next(job.needs for job in jobs if job.name == name)
                assert all(other in done for other in needs)
                running.append(name)
            assert len(running) <= schedule.parallel
            if not running and not schedule.watched:
                break
            if running:
                name = running.pop(chance.randrange(len(running)))
                failed = chance.random() < 0.2
                schedule.ended(name, failed=failed)
                if not failed:
                    done.append(name)
        assert sorted([*done, *schedule.failed, *schedule.untouched]) == sorted(names)
