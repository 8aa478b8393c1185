# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import (
    comparing,
    mountset,
    netmode,
    options,
    plan,
    resources,
    spec,
)
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.container.observe import ABSENT, Observed
from hypothesis import given
from hypothesis import strategies as st

IMAGE = {"name": "img:1", "id": "sha256:1", "digest": "sha256:d1", "config": {}}
SAME = plan.Wanted("img:1", "sha256:1", "sha256:d1", ())
OTHER = plan.Wanted("img:1", "sha256:2", "sha256:d2", ("pulled image img:1",))
RUNNING = Observed("running", 10, 11, ())
STOPPED = Observed("stopped", 0, 0, ())
ALONE = Observed("running", 10, 0, (), alone=True)
MUTE = Observed("running", 10, 0, (), mute=True)  # its log driver was none
NET = {"name": "a"}
KILLED = STOPPED._replace(killed=True)


def request(declared=None, state="started", image="img:1", comparisons=None, **more):
    fields = {"recreate": False, "restart": False, **more}
    return plan.Request(
        "web", state, image, options.normalise(declared or {}), comparing.comparisons(comparisons), **fields
    )


def recorded(declared=None, version=spec.VERSION):
    canonical = options.without_defaults(options.normalise(declared or {}))
    made = {"version": version, "options": canonical, "image": dict(IMAGE), "name": "web"}
    netmode.settle(made)  # as it is when it is read
    return made


def texts(made):
    return [plan.text(action) for action in made.actions]


@pytest.mark.parametrize(
    ("state", "before", "observed", "actions"),
    [
        ("started", None, ABSENT, ["created container web", "started"]),
        ("present", None, ABSENT, ["created container web"]),
        ("stopped", None, ABSENT, ["created container web"]),
        ("absent", None, ABSENT, []),
        ("started", {}, RUNNING, []),
        ("present", {}, RUNNING, []),
        ("present", {}, STOPPED, []),
        ("started", {}, STOPPED, ["started"]),
        ("started", {}, Observed("created", 0, 0, ()), ["started"]),
        ("started", {}, KILLED, ["started (it had been killed for lack of memory: it has no limit of its own)"]),
        ("stopped", {}, KILLED, []),
        ("started", {}, Observed("restarting", 0, 11, ()), []),
        ("stopped", {}, STOPPED, []),
        ("stopped", {}, RUNNING, ["stopped"]),
        ("stopped", {}, Observed("restarting", 0, 11, ()), ["stopped"]),
        ("absent", {}, RUNNING, ["stopped", "removed container web"]),
        ("absent", {}, STOPPED, ["removed container web"]),
        ("started", {}, ALONE, ["restarted (nothing supervised it)"]),
        ("stopped", {}, ALONE, ["stopped"]),
        ("started", {}, Observed("running", 10, 0, ()), []),  # systemd does
        ("started", {}, Observed("running", 10, 11, (), True), ["restarted (a stop was under way)"]),
        ("stopped", {}, Observed("running", 10, 11, (), True), ["stopped"]),
    ],
)
def test_states(state, before, observed, actions):
    known = None if before is None else recorded(before)
    assert texts(plan.plan(request(state=state), known, observed, SAME)) == actions


@pytest.mark.parametrize(
    ("before", "declared", "actions"),
    [
        ({}, {"memory": "5m"}, ["updated memory"]),
        ({"memory": "5m"}, {}, ["updated memory"]),
        ({"memory": "5m"}, {"memory": "5m"}, []),
        ({"cpus": 1.0}, {"cpus": 0.5, "pids_limit": 10}, ["updated cpus, pids_limit"]),
        ({}, {"restart_policy": "always"}, ["updated restart_policy"]),
        ({}, {"labels": {"a": "b"}, "stop_timeout": 3}, ["updated labels, stop_timeout"]),
        ({}, {"log_options": {"max-file": 2}}, ["updated log_options"]),
        ({}, {"command": "ls"}, ["replaced container web (command)", "started"]),
        ({}, {"command": "ls", "memory": "5m"}, ["replaced container web (command)", "started"]),
        ({"env": {"A": "1"}}, {}, ["replaced container web (env)", "started"]),
        ({"cpuset_cpus": "0"}, {"cpuset_cpus": "1"}, ["updated cpuset_cpus"]),
        ({"cpuset_cpus": "0"}, {}, ["replaced container web (cpuset_cpus)", "started"]),
        ({}, {"network_mode": "bridge"}, []),
        ({}, {"network_mode": "none"}, ["replaced container web (network_mode)", "started"]),
        ({"network_mode": "host"}, {}, ["replaced container web (network_mode)", "started"]),
        ({}, {"published_ports": ["80:80"]}, ["updated published_ports"]),
        ({}, {"env": {}}, []),
    ],
)
def test_changes_of_a_running_container(before, declared, actions):
    assert texts(plan.plan(request(declared), recorded(before), RUNNING, SAME)) == actions


@pytest.mark.parametrize(
    ("before", "declared", "more", "actions"),
    [
        ({"log_driver": "none"}, {"log_driver": "none"}, {}, []),
        ({"log_driver": "none"}, {"log_driver": "none", "labels": {"a": "b"}}, {}, ["updated labels"]),
        ({"log_driver": "none"}, {}, {}, ["updated log_driver", "restarted (nobody could read what it wrote)"]),
        ({"log_driver": "none"}, {"log_driver": "json-file"}, {"comparisons": {"log_driver": "ignore"}}, []),
        ({"log_driver": "none"}, {"log_driver": "json-file"}, {"state": "stopped"}, ["updated log_driver", "stopped"]),
        ({}, {}, {}, ["restarted (nobody could read what it wrote)"]),  # the last restart was not to be
    ],
)
def test_what_nobody_can_read(before, declared, more, actions):
    assert texts(plan.plan(request(declared, **more), recorded(before), MUTE, SAME)) == actions


@pytest.mark.parametrize(
    ("before", "declared", "more", "actions", "mode"),
    [
        ({}, {}, {}, [], "none"),
        ({}, {"network_mode": "none"}, {}, [], "none"),
        ({}, {"memory": "5m"}, {}, ["updated memory"], "none"),
        ({}, {"memory": "5m"}, {"image": ""}, ["updated memory"], "none"),
        # A task says otherwise, by a mode or by what makes sense only with a network.
        ({}, {"network_mode": "bridge"}, {}, ["replaced container web (network_mode)", "started"], "bridge"),
        ({}, {"published_ports": ["80:80"]}, {}, ["replaced container web (network_mode)", "started"], "bridge"),
        (
            {},
            {"networks": [NET]},
            {"image": ""},
            ["replaced container web (network_mode)", "started"],
            "bridge",
        ),
        ({}, {"etc_hosts": {"h": "host-gateway"}}, {}, ["replaced container web (network_mode)", "started"], "bridge"),
        # One that is replaced anyway is what a new one would be.
        ({}, {"command": "ls"}, {}, ["replaced container web (command, network_mode)", "started"], "bridge"),
        ({}, {"command": "ls"}, {"image": ""}, ["replaced container web (command)", "started"], "none"),
        ({}, {}, {"recreate": True}, ["replaced container web (recreate, network_mode)", "started"], "bridge"),
        (
            {},
            {"command": "ls"},
            {"comparisons": {"network_mode": "ignore"}},
            ["replaced container web (command)", "started"],
            "bridge",
        ),
        # Networks and ports have always meant a bridge.
        ({"published_ports": ["80:80"]}, {"published_ports": ["80:80"]}, {}, [], "bridge"),
        ({"networks": [NET]}, {}, {}, ["updated networks"], "bridge"),
    ],
)
def test_a_container_from_before_bridges_were_the_default(before, declared, more, actions, mode):
    known = recorded(before, version=1)
    made = plan.plan(request(declared, **more), known, RUNNING, SAME if more.get("image", "x") else None)
    assert texts(made) == actions
    assert netmode.mode(made.options if actions else known["options"]) == mode
    assert ("network_mode" in made.before) is any("network_mode" in action for action in actions)


def test_a_stopped_container_is_updated_and_started():
    made = plan.plan(request({"memory": "5m"}), recorded(), STOPPED, SAME)
    assert texts(made) == ["updated memory", "started"]
    assert made.options == {"memory": 5 << 20}


@pytest.mark.parametrize(
    ("state", "observed", "actions"),
    [
        ("started", RUNNING, ["replaced container web (command)", "started"]),
        ("started", STOPPED, ["replaced container web (command)", "started"]),
        ("present", RUNNING, ["replaced container web (command)", "started"]),
        ("present", STOPPED, ["replaced container web (command)"]),
        ("stopped", RUNNING, ["replaced container web (command)"]),
    ],
)
def test_a_replaced_container_runs_when_it_should(state, observed, actions):
    assert texts(plan.plan(request({"command": "ls"}, state), recorded(), observed, SAME)) == actions


@pytest.mark.parametrize(
    ("wanted", "actions"),
    [
        (OTHER, ["pulled image img:1", "replaced container web (image)", "started"]),
        (
            plan.Wanted("img:1", "", "", ("pulled image img:1",)),
            ["pulled image img:1", "replaced container web (image)", "started"],
        ),
        (plan.Wanted("img:1", "", "sha256:d1", ("pulled image img:1",)), ["pulled image img:1"]),
        (plan.Wanted("img:1", "sha256:1", "", ("pulled image img:1",)), ["pulled image img:1"]),
        (plan.Wanted("img:2", "sha256:1", "sha256:d1", ()), ["updated image"]),
    ],
)
def test_images(wanted, actions):
    assert texts(plan.plan(request(image=wanted.name), recorded(), RUNNING, wanted)) == actions


@pytest.mark.parametrize(
    ("mismatch", "comparisons", "actions"),
    [
        ("", {}, ["updated image"]),
        ("recreate", {}, ["replaced container web (image)", "started"]),
        ("ignore", {}, []),
        ("recreate", {"image": "ignore"}, []),
    ],
)
def test_another_name_of_the_same_image(mismatch, comparisons, actions):
    wanted = SAME._replace(name="img:2")
    made = plan.plan(request(image="img:2", mismatch=mismatch, comparisons=comparisons), recorded(), RUNNING, wanted)
    assert texts(made) == actions
    assert bool(made.before) is bool(actions)


PAUSED = RUNNING._replace(status="paused")


@pytest.mark.parametrize(
    ("paused", "state", "declared", "observed", "actions"),
    [
        (True, "started", {}, RUNNING, ["paused"]),
        (True, "started", {}, PAUSED, []),
        (None, "started", {}, PAUSED, []),
        (False, "started", {}, PAUSED, ["unpaused"]),
        (False, "started", {}, RUNNING, []),
        (True, "started", {}, STOPPED, ["started", "paused"]),
        (True, "present", {}, STOPPED, []),
        (False, "present", {}, PAUSED, ["unpaused"]),
        (True, "started", {"command": "ls"}, PAUSED, ["replaced container web (command)", "started", "paused"]),
        (False, "started", {"command": "ls"}, PAUSED, ["replaced container web (command)", "started"]),
        (True, "started", {"memory": "5m"}, PAUSED, ["updated memory"]),
        (True, "started", {}, PAUSED._replace(alone=True), ["restarted (nothing supervised it)", "paused"]),
        (False, "stopped", {}, PAUSED, ["stopped"]),
    ],
)
def test_a_container_that_stands_still(paused, state, declared, observed, actions):
    made = plan.plan(request(declared, state, paused=paused), recorded(), observed, SAME)
    assert texts(made) == actions
    assert ("paused" in made.after) is bool({"paused", "unpaused"} & set(actions))


def test_a_new_container_that_stands_still():
    assert texts(plan.plan(request(paused=True), None, ABSENT, SAME)) == ["created container web", "started", "paused"]


def test_comparisons():
    before = recorded({"env": {"A": "1", "B": "2"}, "memory": "5m", "labels": {"x": "y"}})
    chosen = {"env": "allow_more_present", "memory": "ignore", "labels": "strict"}
    made = plan.plan(request({"env": {"A": "1"}, "memory": "9m"}, comparisons=chosen), before, RUNNING, SAME)
    assert texts(made) == ["updated labels"]
    assert made.options == {"env": {"A": "1", "B": "2"}, "memory": 5 << 20}  # what was ignored stays recorded
    made = plan.plan(request(comparisons={"*": "ignore"}), before, RUNNING, OTHER._replace(actions=()))
    assert texts(made) == []


def test_a_task_without_an_image_changes_only_what_it_names():
    before = recorded({"env": {"A": "1"}, "command": "serve", "memory": "5m"})
    made = plan.plan(request({"memory": "9m"}, image=""), before, RUNNING, None)
    assert texts(made) == ["updated memory"]
    assert made.options == {"env": {"A": "1"}, "command": ["serve"], "memory": 9 << 20}
    assert texts(plan.plan(request(image=""), before, RUNNING, None)) == []
    made = plan.plan(request({"command": "other"}, image=""), before, RUNNING, None)
    assert texts(made) == ["replaced container web (command)", "started"]
    assert made.options["env"] == {"A": "1"}


def test_a_new_container_needs_an_image():
    with pytest.raises(ContainerError, match="the task names no image"):
        plan.plan(request(image=""), None, ABSENT, None)


def test_recreate_and_restart():
    assert texts(plan.plan(request(recreate=True), recorded(), RUNNING, SAME)) == [
        "replaced container web (recreate)",
        "started",
    ]
    assert texts(plan.plan(request(restart=True), recorded(), RUNNING, SAME)) == ["restarted"]
    assert texts(plan.plan(request(restart=True), recorded(), STOPPED, SAME)) == ["started"]


@pytest.mark.parametrize(
    ("before", "observed", "there", "actions"),
    [
        (None, ABSENT, [], ["created volume data", "created container web", "started"]),
        (None, ABSENT, ["data"], ["created container web", "started"]),
        ({}, RUNNING, [], ["created volume data", "replaced container web (volumes)", "started"]),
        ({}, RUNNING, ["data"], ["replaced container web (volumes)", "started"]),
        ({"volumes": ["data:/x"]}, RUNNING, ["data"], []),
        ({"volumes": ["data:/x"]}, STOPPED, [], ["created volume data", "started"]),
        (
            {"volumes": ["data:/x"]},
            RUNNING._replace(lost="volume data was removed"),
            [],
            ["created volume data", "restarted (volume data was removed)"],
        ),
    ],
)
def test_volumes_are_made_before_what_uses_them_runs(before, observed, there, actions):
    known = None
    if before is not None:
        known = {**recorded(before), "volumes": mountset.named(recorded(before)["options"])}
    made = plan.plan(request({"volumes": ["data:/x"]}), known, observed, SAME, frozenset(there))
    assert texts(made) == actions


def test_a_container_that_is_not_to_run_makes_no_volumes():
    known = {**recorded({"volumes": ["data:/x"]}), "volumes": ["data"]}
    for state in ("present", "stopped"):
        assert texts(plan.plan(request({"volumes": ["data:/x"]}, state), known, STOPPED, SAME)) == []


def test_anonymous_volumes_go_with_their_container_where_they_are_not_kept():
    known = {**recorded(), "anonymous": {"/x": "a" * 64}}
    for before, keep, said in (
        (known, True, ""),
        (known, False, " (and its anonymous volumes)"),
        (recorded(), False, ""),
    ):
        made = plan.plan(request(state="absent", keep_volumes=keep), before, STOPPED, None)
        assert texts(made) == [f"removed container web{said}"]


def test_a_drift_is_put_back():
    observed = Observed("running", 10, 11, (("memory", "6291456", "5242880"), ("cpus", "-1", "50000")))
    made = plan.plan(request({"memory": "5m", "cpus": 0.5}), recorded({"memory": "5m", "cpus": 0.5}), observed, SAME)
    assert texts(made) == ["updated memory, cpus"]
    assert (made.before["memory"], made.after["memory"]) == ("6291456", "5242880")
    made = plan.plan(
        request({"memory": "5m"}, comparisons={"memory": "ignore"}),
        recorded({"memory": "5m"}),
        observed._replace(drift=observed.drift[:1]),
        SAME,
    )
    assert texts(made) == []


def test_the_diff_masks_the_environment_and_shows_the_rest():
    before = recorded({"env": {"PASSWORD": "old-secret", "SAME": "x"}, "memory": "5m"})
    made = plan.plan(request({"env": {"PASSWORD": "new-secret", "SAME": "x", "NEW": "y"}}), before, RUNNING, SAME)
    assert made.before == {"env": {"PASSWORD": "********", "SAME": "********"}, "memory": 5 << 20}
    assert made.after == {
        "env": {"NEW": "********", "PASSWORD": "******** (changed)", "SAME": "********"},
        "memory": None,
    }
    made = plan.plan(request({"env": {"PASSWORD": "new-secret"}}), None, ABSENT, SAME)
    assert "new-secret" not in str((made.before, made.after))
    assert made.after["env"] == {"PASSWORD": "********"}


def test_the_diff_tells_image_and_state():
    made = plan.plan(request(), recorded(), STOPPED, OTHER)
    assert made.before == {"image": "img:1 (sha256:d1)", "state": "stopped"}
    assert made.after == {"image": "img:1 (sha256:d2)", "state": "running"}
    made = plan.plan(request(state="absent"), recorded(), RUNNING, None)
    assert (made.before, made.after) == ({"state": "running", "image": "img:1"}, {"state": "absent"})


DECLARED = st.fixed_dictionaries(
    {},
    optional={
        "command": st.sampled_from(["a", "b c", ["b", "c"], []]),
        "env": st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["x", "X", "1"])),
        "labels": st.dictionaries(st.sampled_from(["l", "m"]), st.sampled_from(["x", "X"])),
        "memory": st.sampled_from(["5m", "6m", "0"]),
        "cpus": st.sampled_from([0.0, 0.5, 1.0]),
        "cpuset_cpus": st.sampled_from(["0", "0-1", "1,0"]),
        "groups": st.lists(st.sampled_from(["a", "b"])),
        "read_only": st.booleans(),
        "restart_policy": st.sampled_from(["no", "always"]),
        "network_mode": st.sampled_from(["none", "host"]),
        "volumes": st.sampled_from([[], ["/a:/x"], ["/a:/x:ro", "/b:/y"]]),
    },
)
STATES = st.sampled_from(["started", "stopped", "present"])
OBSERVED = st.sampled_from([RUNNING, STOPPED, ALONE, MUTE, Observed("restarting", 0, 11, ())])


def carried_out(made, observed):
    """What is recorded and observed after the plan has been carried out."""
    after = {"version": spec.VERSION, "options": made.options, "image": dict(IMAGE), "name": "web"}
    for action in made.actions:
        if action.verb in ("start", "restart"):
            observed = RUNNING
        elif action.verb in ("stop", "replace", "create"):
            observed = STOPPED
    return after, observed


@given(DECLARED, DECLARED, STATES, OBSERVED, st.booleans())
def test_a_second_run_is_empty_and_the_first_does_what_was_declared(before, declared, state, observed, whole):
    wanted = SAME if whole else None
    asked = request(declared, state, image="img:1" if whole else "")
    made = plan.plan(asked, recorded(before), observed, wanted)
    after, then = carried_out(made, observed)
    again = plan.plan(asked, after, then, wanted)
    assert again.actions == ()
    assert again.before == again.after == {}
    assert bool(made.actions) or recorded(before)["options"] == made.options
    for name, value in options.normalise(declared).items():
        assert comparing.equal(name, value, made.options.get(name))
    for name in set(recorded(before)["options"]) - set(options.normalise(declared)):
        assert (name in made.options) is not whole


@given(DECLARED, DECLARED)
def test_updates_in_place_reach_the_declared_limits(before, declared):
    old, new = recorded(before)["options"], recorded(declared)["options"]
    limits = resources.updated(new, old)
    for group, values in resources.resources(new).items():
        for name, value in values.items():
            assert limits[group][name] == value
    if "memory" in old and "memory" not in new:
        assert limits["memory"]["limit"] == -1
