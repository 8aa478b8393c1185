# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of containers is declared to be."""

from __future__ import annotations

import itertools
import random

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import fleetplan
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.container.plan import Action, Plan

DEFAULTS = {"state": "started", "pull": "missing"}


def members(*containers, **given):
    return fleetplan.members({"containers": list(containers), **given}, DEFAULTS)


def plan(*actions, **options):
    return Plan(tuple(Action(verb, "", "") for verb in actions), options, (), {"state": "exited"}, {"state": "running"})


def test_a_container_has_its_own_options_then_those_for_all_then_those_of_every_task():
    (web,) = members(
        {"name": "web", "memory": "1g", "image": None},
        defaults={"image": "shop/web", "memory": "2g", "pull": "always", "cpus": None},
        root="/state",
    )
    assert web.name == "web"
    assert web.parameters == {
        "name": "web", "memory": "1g", "image": "shop/web", "pull": "always", "state": "started", "root": "/state"
    }  # fmt: skip


def test_other_words_for_options_are_understood_in_a_set_too(tmp_path):
    file = tmp_path / "shop.env"
    file.write_text("A=1\n", encoding="ascii")
    web, side, standby = members(
        {"name": "web", "network_aliases": ["www"], "networks": [{"name": "shop"}], "pull": True},
        {"name": "side", "network_mode": ["container:web"]},
        {"name": "standby", "state": "created"},
        defaults={"restart_policy": "on-failure:3", "env_file": [str(file)]},
    )
    assert (standby.parameters["state"], web.parameters["pull"]) == ("present", "always")
    assert web.parameters["networks"][0]["aliases"] == ["www"]
    assert (side.parameters["restart_policy"], side.parameters["restart_retries"]) == ("on-failure", 3)
    assert side.parameters["env"] == {"A": "1"}
    assert side.needs == {"web": "started"}
    with pytest.raises(ContainerError, match="web: restart_policy: 'always:3' is not a policy"):
        members({"name": "web", "restart_policy": "always:3"})


@pytest.mark.parametrize(
    ("value", "needs"),
    [
        (None, {}),
        ([], {}),
        ("db", {"db": "started"}),
        (["db", "cache"], {"db": "started", "cache": "started"}),
        ({"db": "healthy", "job": "completed", "x": None}, {"db": "healthy", "job": "completed", "x": "started"}),
        ({"db": {"condition": "service_healthy"}}, {"db": "healthy"}),
        ({"db": "service_completed_successfully", "x": "service_started"}, {"db": "completed", "x": "started"}),
    ],
)
def test_depends_on(value, needs):
    assert fleetplan.needs("web", value) == needs


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"db": "exists"}, "web: depends_on: db must be started, healthy or completed"),
        ({"db": True}, "db must be"),
        ({"db": {"condition": "healthy", "restart": True}}, "db must be"),
        ([1], "the list must be one of names"),
        ([{"db": "healthy"}], "the list must be one of names"),
        (7, "must be a list of names"),
    ],
)
def test_wrong_depends_on(value, reason):
    with pytest.raises(ContainerError, match=reason):
        fleetplan.needs("web", value)


def test_whose_network_and_volumes_it_has_it_needs():
    db, log, web = members(
        {"name": "db"},
        {"name": "log"},
        {
            "name": "web",
            "volumes_from": ["log:ro", "of-the-host"],
            "network_mode": "container:db",
            "depends_on": {"db": "healthy"},
        },
    )
    assert (db.needs, log.needs, web.needs) == ({}, {}, {"db": "healthy", "log": "exists"})


@pytest.mark.parametrize("option", ["network_mode", "pid_mode", "ipc_mode"])
def test_what_it_shares_with_another_it_needs_to_run(option):
    db, web = members({"name": "db"}, {"name": "web", option: "container:db"})
    assert (db.needs, web.needs) == ({}, {"db": "started"})
    with pytest.raises(ContainerError, match="wait for each other: db → web → db"):
        members({"name": "db", "ipc_mode": "container:web"}, {"name": "web", option: "container:db"})


@pytest.mark.parametrize(
    ("containers", "reason"),
    [
        ([{"name": "a"}, {"name": "a"}], "a: it is declared twice"),
        ([{"name": "a", "depends_on": ["b"]}], "a: depends_on: there is no container b among those of this task"),
        ([{"name": "a", "depends_on": ["a"]}], "wait for each other: a → a"),
        (
            [
                {"name": "a", "depends_on": ["b"]},
                {"name": "b", "depends_on": {"c": "healthy"}},
                {"name": "c", "network_mode": "container:b"},
            ],
            "wait for each other: b → c → b",
        ),
        (
            [{"name": "a", "depends_on": ["b"]}, {"name": "b", "state": "absent"}],
            "a: depends_on: it is to run and needs b, which is declared absent",
        ),
        ([{"name": "a", "depends_on": ["b"]}, {"name": "b", "state": "stopped"}], "which is declared stopped"),
        ([{"name": "a", "depends_on": ["b"]}, {"name": "b", "state": "present"}], "which is declared present"),
        (
            [{"name": "a", "depends_on": {"b": "completed"}}, {"name": "b", "restart_policy": "always"}],
            "a: depends_on: b is never completed, since its restart_policy is always",
        ),
        (
            [{"name": "a", "depends_on": {"b": "completed"}}, {"name": "b", "auto_remove": True}],
            "a: depends_on: b removes itself",
        ),
        ([{"name": "a", "username": "joe"}], "a: username and password are needed together"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(containers, reason):
    with pytest.raises(ContainerError, match=reason):
        members(*containers)


def test_what_does_not_run_may_need_what_does_not():
    members({"name": "a", "state": "stopped", "depends_on": ["b"]}, {"name": "b", "state": "stopped"})
    members({"name": "a", "volumes_from": ["b"]}, {"name": "b", "state": "present"})


@pytest.mark.parametrize(
    ("parameters", "recorded", "labels"),
    [
        ({"image": "x"}, {"old": "1"}, {"agentless.oci.project": "shop"}),
        ({"image": "x", "labels": {"a": "b"}}, None, {"a": "b", "agentless.oci.project": "shop"}),
        ({"memory": "1g"}, {"old": "1"}, {"old": "1", "agentless.oci.project": "shop"}),
        ({"memory": "1g"}, None, {"agentless.oci.project": "shop"}),
        ({"state": "absent"}, {"old": "1"}, None),
    ],
)
def test_the_label_of_the_project_comes_beside_the_others(parameters, recorded, labels):
    fleetplan.with_project(parameters, "shop", recorded)
    assert parameters.get("labels") == labels


def test_without_a_project_labels_are_as_declared():
    parameters = {"image": "x"}
    fleetplan.with_project(parameters, None, {"old": "1"})
    assert parameters == {"image": "x"}


def test_any_graph_has_an_order_or_a_cycle():
    chance = random.Random(7)
    for size, _round in itertools.product((1, 2, 5, 9), range(60)):
        names = [f"c{number}" for number in range(size)]
        edges = {name: chance.sample(names, chance.randrange(min(size, 3))) for name in names}
        cycle = fleetplan.find_cycle(edges)
        if cycle:
            assert cycle[0] == cycle[-1]
            assert len(cycle) > 1
            assert all(after in edges[before] for before, after in zip(cycle, cycle[1:]))
            continue
        given = {
            name: fleetplan.Member(
                name, {"state": chance.choice(["started", "absent"])}, dict.fromkeys(edges[name], "")
            )
            for name in names
        }
        order = fleetplan.ordered(given)
        assert sorted(order) == sorted(names)
        gone = {name for name in names if given[name].parameters["state"] == "absent"}
        assert set(order[: len(gone)]) == gone
        for name in names:
            for other in edges[name]:
                if name in gone and other in gone:
                    assert order.index(name) < order.index(other)
                elif name not in gone and other not in gone:
                    assert order.index(other) < order.index(name)


def test_a_long_chain_is_no_recursion():
    chain = {f"c{number}": [f"c{number + 1}"] for number in range(5000)}
    assert fleetplan.find_cycle({**chain, "c5000": []}) == []
    assert len(fleetplan.find_cycle({**chain, "c5000": ["c0"]})) == 5002


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            {"published_ports": [":80:80/tcp"]},
            {"published_ports": [":80:8080/tcp"]},
            "b: published_ports: a has port 80",
        ),
        ({"published_ports": ["127.0.0.1:80:80/tcp"]}, {"published_ports": [":80:80/tcp"]}, "port 80/tcp"),
        ({"published_ports": ["127.0.0.1:80:80/tcp"]}, {"published_ports": ["127.0.0.2:80:80/tcp"]}, ""),
        ({"published_ports": [":80:80/tcp"]}, {"published_ports": [":80:80/udp"]}, ""),
        ({"published_ports": ["::80/tcp"]}, {"published_ports": ["::80/tcp"]}, ""),
        ({"published_ports": [":80-90:80/tcp"]}, {"published_ports": [":80-90:80/tcp"]}, ""),
        (
            {"networks": [{"name": "n", "ipv4_address": "10.0.0.2"}]},
            {"networks": [{"name": "n", "ipv4_address": "10.0.0.2"}]},
            "b: networks: a has the address 10.0.0.2 in n, too",
        ),
        (
            {"networks": [{"name": "n", "ipv4_address": "10.0.0.2"}]},
            {"networks": [{"name": "m", "ipv4_address": "10.0.0.2"}]},
            "",
        ),
    ],
)
def test_two_cannot_have_the_same(first, second, reason):
    plans = {"a": plan(**first), "b": plan(**second)}
    if reason:
        with pytest.raises(ContainerError, match=reason):
            fleetplan.check_together(plans)
    else:
        fleetplan.check_together(plans)


def test_a_port_is_handed_over():
    recorded = {"old": {"published_ports": [":80:80/tcp"]}, "new": {}, "other": {"published_ports": [":81:80/tcp"]}}
    plans = {
        "old": plan(published_ports=[":82:80/tcp"]),
        "new": plan(published_ports=[":80:80/tcp"]),
        "other": plan(published_ports=[":81:80/tcp"]),
    }
    assert fleetplan.handovers(plans, recorded) == {"new": {"old"}}


@pytest.mark.parametrize(
    ("verbs", "kept"),
    [
        (["start"], []),
        (["update", "start"], ["update"]),
        (["create", "start"], ["create", "start"]),
        (["replace", "start"], ["replace", "start"]),
        (["restart"], ["restart"]),
        ([], []),
    ],
)
def test_what_has_completed_is_not_started_again(verbs, kept):
    made = fleetplan.without_rerun(plan(*verbs))
    assert [action.verb for action in made.actions] == kept
    assert ("state" in made.after) is ("start" in kept or "start" not in verbs)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Action("create", "web", ""), "created container web"),
        (Action("replace", "web", "image, command"), "replaced container web (image, command)"),
        (Action("remove", "web", ""), "removed container web"),
        (Action("start", "", ""), "started web"),
        (Action("stop", "", ""), "stopped web"),
        (Action("restart", "", "nothing supervised it"), "restarted web (nothing supervised it)"),
        (Action("update", "memory, cpus", ""), "updated web (memory, cpus)"),
    ],
)
def test_of_which_container_an_action_is(action, words):
    assert fleetplan.said("web", action) == words
