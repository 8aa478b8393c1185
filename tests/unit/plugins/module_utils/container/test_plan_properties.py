# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan by random pairs of containers, with every option of the table, whatever was recorded and observed."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import (
    comparing,
    netmode,
    optionrow,
    options,
    plan,
    spec,
)
from ansible_collections.agentless.oci.plugins.module_utils.container.observe import ABSENT, Observed
from hypothesis import given, settings
from hypothesis import strategies as st

SECRETS = ("Secret", "sECRET", "other secret")
BIND = {"type": "bind", "source": "/a", "target": "/m"}

# Two values or more of each option, as users write them: none of them is the default.
SAMPLES = {
    "command": ["ls", ["a", "b"], ["b", "a"], ["A", "b"]],
    "entrypoint": [[], ["sh", "-c"], ["/bin/true"]],
    "env": [{"A": SECRETS[0]}, {"A": SECRETS[1]}, {"A": SECRETS[0], "B": SECRETS[2]}],
    "unsetenv": [["A"], ["A", "B"]],
    "unsetenv_all": [True],
    "user": ["1000", "app:App"],
    "groups": [["a"], ["a", "b"]],
    "hostname": ["one", "One"],
    "domainname": ["example.com", "example.org"],
    "working_dir": ["/srv", "/Srv"],
    "umask": ["0077", "0027"],
    "labels": [{"a": "x"}, {"a": "X"}, {"a": "x", "b": ""}],
    "annotations": [{"a": "x"}, {"b": "x"}],
    "interactive": [True],
    "tty": [True],
    "init": [True],
    "runtime": ["runc", "crun"],
    "network_mode": ["host", "none", "container:db", ["front", "back"], ["back", "front"]],
    "pid_mode": ["host", "container:db"],
    "ipc_mode": ["host", "private", "none", "container:db"],
    "uts": ["host"],
    "userns_mode": ["private"],
    "cgroupns_mode": ["host"],
    "networks": [[{"name": "a"}], [{"name": "a", "ipv4_address": "10.0.0.2"}], [{"name": "b"}, {"name": "a"}]],
    "published_ports": [["80:80"], ["80:80", "81:81/udp"], ["127.0.0.1:80:80"]],
    "publish_all_ports": [True],
    "exposed_ports": [["80"], ["80/udp"]],
    "dns_servers": [["192.0.2.1", "192.0.2.2"], ["192.0.2.2", "192.0.2.1"]],
    "dns_opts": [["ndots:1"], ["ndots:2"]],
    "dns_search_domains": [["a.example", "b.example"], ["b.example", "a.example"]],
    "etc_hosts": [{"db": "10.0.0.1"}, {"db": "10.0.0.2"}],
    "no_hosts": [True],
    "mac_address": ["02:00:00:00:00:01", "02:00:00:00:00:02"],
    "memory": ["64m", "65m"],
    "memory_reservation": ["32m", "33m"],
    "memory_swap": ["128m", "-1"],
    "memory_swappiness": [10, 20],
    "oom_killer": [True],
    "cpus": [0.5, 1.0],
    "cpu_period": [50000, 60000],
    "cpu_quota": [25000, 30000],
    "cpu_shares": [512, 2048],
    "cpu_rt_period": [500000, 600000],
    "cpu_rt_runtime": [1000, 2000],
    "cpuset_cpus": ["0", "0-1"],
    "cpuset_mems": ["0", "0-1"],
    "pids_limit": [50, 60],
    "blkio_weight": [100, 200],
    "blkio_weight_device": [{"8:0": 100}, {"8:0": 200, "8:16": 100}],
    "device_read_bps": [["8:0:1m"], ["8:0:2m", "8:16:1m"]],
    "device_write_bps": [["8:0:1m"], ["8:16:1m"]],
    "device_read_iops": [["8:0:10"], ["8:0:20"]],
    "device_write_iops": [["8:0:10"], ["8:0:20"]],
    "cgroup_conf": [{"memory.high": "1g"}, {"memory.high": "2g", "memory.min": "1m"}],
    "cgroup_parent": ["/batch", "/Batch"],
    "oom_score_adj": [100, -100],
    "shm_size": ["1m", "2m"],
    "ulimits": [["nofile:10:20"], ["nofile:10:30", "core:0:0"]],
    "sysctls": [{"net.core.somaxconn": 1}, {"net.core.somaxconn": 2}],
    "devices": [["/dev/fuse"], ["/dev/fuse:/dev/fuse:r"]],
    "device_cgroup_rules": [["c 42:* rwm"], ["c 42:* r"]],
    "volumes": [["/a:/x"], ["/a:/x:ro"], ["data:/x"], ["/a:/x", "/b:/y"]],
    "volumes_from": [["db"], ["db:ro"]],
    "mounts": [[BIND], [{**BIND, "read_only": True}], [{"type": "tmpfs", "target": "/m"}]],
    "tmpfs": [["/t"], ["/t:size=1m"]],
    "read_only": [True],
    "secrets": [
        [{"name": "key", "content": SECRETS[0]}],
        [{"name": "key", "content": SECRETS[1]}],
        [{"name": "key", "content": SECRETS[0], "mode": "0400"}],
    ],
    "capabilities": [["NET_ADMIN"], ["ALL"]],
    "cap_drop": [["KILL"], ["ALL"]],
    "privileged": [True],
    "security_opts": [["no-new-privileges"], ["seccomp=unconfined"]],
    "stop_signal": ["SIGINT", "SIGQUIT"],
    "stop_timeout": [1, 2],
    "healthcheck": [{"test": "true"}, {"test": "True"}, {"test": ["NONE"]}],
    "on_unhealthy": ["restart", "kill"],
    "log_driver": ["json-file", "journald"],
    "log_options": [{"max-file": 2}, {"max-file": 3}],
    "restart_policy": ["always", "on-failure"],
    "restart_retries": [1, 2],
    "auto_remove": [True],
}  # fmt: skip

# What a change means where it is not "update in place": everything else of the table is.
RECREATED = {
    *("command", "entrypoint", "env", "unsetenv", "unsetenv_all", "user", "groups", "hostname", "domainname"),
    *(
        "working_dir",
        "umask",
        "annotations",
        "interactive",
        "tty",
        "init",
        "runtime",
        "network_mode",
        "pid_mode",
        "ipc_mode",
    ),
    *("uts", "userns_mode", "cgroupns_mode", "no_hosts", "cgroup_parent", "oom_score_adj", "shm_size", "ulimits"),
    *("sysctls", "devices", "volumes", "volumes_from", "mounts", "tmpfs", "read_only"),
    *("secrets", "capabilities", "cap_drop", "privileged", "security_opts"),
}
IMAGE = {"name": "img:1", "id": "sha256:1", "digest": "sha256:d1", "config": {}}
SAME = plan.Wanted("img:1", "sha256:1", "sha256:d1", ())
WANTED = st.sampled_from(
    [
        SAME,
        SAME,
        SAME._replace(name="img:latest"),
        plan.Wanted("img:2", "sha256:2", "sha256:d2", ("pulled image img:2",)),
        plan.Wanted("img:1", "", "", ("pulled image img:1",)),
        plan.Wanted("img:1", "sha256:1", "", ("unpacked image img:1",)),
        None,
    ]
)
RUNNING = Observed("running", 10, 11, ())
STOPPED = Observed("stopped", 0, 0, ())
OBSERVED = st.sampled_from(
    [
        RUNNING,
        RUNNING._replace(drift=(("memory", "1", "2"), ("pids_limit", "3", "4"))),
        RUNNING._replace(drift=(("networks", "a is gone", "a"),)),
        RUNNING._replace(monitor=0),
        RUNNING._replace(monitor=0, alone=True),
        RUNNING._replace(monitor=0, mute=True),
        RUNNING._replace(stopping=True),
        RUNNING._replace(lost="container:db has another network now"),
        RUNNING._replace(status="paused"),
        Observed("restarting", 0, 11, ()),
        Observed("created", 0, 0, ()),
        STOPPED,
        STOPPED._replace(killed=True),
    ]
)
COMPARED = ("strict", "ignore", "allow_more_present")


def normalised(declared):
    """Canonical values, and of secrets what module.py makes of them before they are planned."""
    found = options.normalise(declared)
    for entry in found.get("secrets", ()):
        entry["seal"] = entry.pop("origin").content[::-1]
    return found


@st.composite
def declarations(draw):
    """What a task declares: a few options of the table, sometimes with their defaults written out."""
    names = draw(st.lists(st.sampled_from(sorted(SAMPLES)), max_size=5, unique=True))
    return {name: draw(st.sampled_from(SAMPLES[name])) for name in names}


@st.composite
def comparisons(draw):
    names = draw(st.lists(st.sampled_from(["*", "image", *sorted(SAMPLES)]), max_size=4, unique=True))
    chosen = {}
    for name in names:
        single = name in ("*", "image") or options.TABLE[name].compare == optionrow.VALUE
        chosen[name] = draw(st.sampled_from(COMPARED[:2] if single else COMPARED))
    return chosen


def request(declared, state, wanted, how, *, paused=None, mismatch="", **more):
    fields = {"recreate": False, "restart": False, **more}
    canonical = normalised(declared)
    name = wanted.name if wanted else ""
    return plan.Request("web", state, name, canonical, comparing.comparisons(how), **fields, paused=paused,
                        mismatch=mismatch)  # fmt: skip


def recorded(declared, version=spec.VERSION):
    canonical = options.without_defaults(normalised(declared))
    made = {"version": version, "name": "web", "image": dict(IMAGE), "options": canonical}
    netmode.settle(made)  # as it is when it is read
    return made


def carried_out(made, asked, known, observed, wanted):
    """What is recorded and observed when the plan has been carried out, as container/apply.py does it."""
    verbs = [action.verb for action in made.actions]
    if asked.state == "absent":
        return None, ABSENT, wanted
    image = dict(known["image"]) if known else {}
    if "replace" in verbs or "create" in verbs:
        if wanted is not None:
            image = {
                **IMAGE,
                "name": wanted.name,
                "id": wanted.id or "sha256:9",
                "digest": wanted.digest or "sha256:d9",
            }
        observed = STOPPED
    elif "image" in made.changed:
        image["name"] = asked.image
    if wanted is not None:  # what was pulled is here now
        wanted = wanted._replace(id=wanted.id or image["id"], digest=wanted.digest or image["digest"], actions=())
    if "update" in verbs:
        observed = observed._replace(drift=())
    if "stop" in verbs:
        observed = STOPPED
    if "start" in verbs or "restart" in verbs:
        observed = RUNNING
    if "pause" in verbs or "unpause" in verbs:
        observed = observed._replace(status="paused" if "pause" in verbs else "running")
    changed = {"replace", "create", "update"} & set(verbs)
    version = spec.VERSION if {"replace", "create"} & set(verbs) else known["version"]
    then = {
        "version": version, "name": "web", "image": image, "options": made.options if changed else known["options"]
    }  # fmt: skip
    netmode.settle(then)
    return then, observed, wanted


@settings(max_examples=400, deadline=None)
@given(
    before=st.none() | declarations(),
    declared=declarations(),
    state=st.sampled_from(["started", "started", "stopped", "present", "healthy", "absent"]),
    observed=OBSERVED,
    wanted=WANTED,
    how=comparisons(),
    paused=st.sampled_from([None, None, True, False]),
    mismatch=st.sampled_from(["", "recreate", "ignore"]),
    volume=st.booleans(),
    version=st.sampled_from([1, spec.VERSION]),
)
def test_a_plan_does_what_it_says_and_the_next_is_empty(
    before, declared, state, observed, wanted, how, paused, mismatch, volume, version
):
    if before is None:
        observed, wanted = ABSENT, wanted or SAME
    if wanted is None or state in ("stopped", "absent", "healthy"):
        mismatch, paused = "" if wanted is None else mismatch, None
    known = recorded(before, version) if before is not None else None
    asked = request(declared, state, wanted, how, paused=paused, mismatch=mismatch)
    there = frozenset({"data"} if volume else ())
    given_to = copy.deepcopy((asked, known, observed, wanted))
    made = plan.plan(asked, known, observed, wanted, there)
    assert (asked, known, observed, wanted) == given_to, "planning has changed what it was given"
    assert plan.plan(asked, known, observed, wanted, there) == made
    assert set(made.before) == set(made.after) or before is None or state == "absent"
    said = json.dumps([made.before, made.after, [plan.text(action) for action in made.actions]])
    assert not any(secret in said for secret in SECRETS)
    _check_only_what_is_named(made, asked, known, wanted)

    after, then, here = carried_out(made, asked, known, observed, wanted)
    there |= {action.object for action in made.actions if action.verb == "volume"}
    again = plan.plan(asked, after, then, here, there)
    assert again.actions == (), (made, again)
    if state != "absent":
        assert (again.before, again.after) == ({}, {})
        for name, value in asked.declared.items():
            assert comparing.equal(name, value, after["options"].get(name), asked.comparisons[name])


def _check_only_what_is_named(made, asked, known, wanted):
    if known is None or asked.state == "absent":
        return
    differing = {name for name in made.before if name in options.TABLE}
    ignored = {name for name, how in asked.comparisons.items() if how == "ignore"}
    drifted = differing - set(made.changed)
    assert not differing & ignored
    assert drifted <= {"memory", "pids_limit", "networks"}
    assert set(made.changed) - {"image"} <= differing
    if wanted is None:  # such a task changes what it names, and nothing else
        gets_one = {"network_mode"} if netmode.unsaid({}, known) and netmode.wants_one(asked.declared) else set()
        assert set(made.changed) <= set(asked.declared) | gets_one
    replaced = any(action.verb == "replace" for action in made.actions)
    for name in options.TABLE:
        if name not in made.changed and not replaced:
            assert made.options.get(name) == known["options"].get(name)
    for name in set(made.changed) - {"image"}:
        assert made.options.get(name) != known["options"].get(name)


@pytest.mark.parametrize("name", sorted(options.TABLE))
def test_what_the_change_of_an_option_means(name):
    """From each value, and from none, to each other one: replaced or changed in place, and nothing else with it."""
    assert len(SAMPLES[name]) >= (1 if options.TABLE[name].type == "bool" or len(SAMPLES[name]) == 1 else 2)
    for old in [None, *SAMPLES[name]]:
        for new in SAMPLES[name]:
            known = recorded({name: old})
            made = plan.plan(request({name: new}, "started", SAME, {}), known, RUNNING, SAME, frozenset({"data"}))
            if normalised({name: new}) == normalised({name: old}):
                assert made.actions == ()
                continue
            (first, *rest) = made.actions
            in_place = name not in RECREATED and not _cannot_be_left_out(name, old, new)
            in_place = in_place or (name == "ipc_mode" and {old, new} == {None, "private"})
            assert first.verb == ("update" if in_place else "replace"), (old, new)
            assert [action.verb for action in rest] == ([] if in_place else ["start"])
            assert set(made.before) == set(made.after) == {name}


def _cannot_be_left_out(name, old, new):
    """Limits of which the kernel has no word for "none"."""
    if name == "blkio_weight_device":
        return bool(old) and len(old) > len(new)
    return name == "cgroup_conf" and bool(old) and not set(old) <= set(new)


def test_every_option_of_the_table_has_samples():
    assert set(SAMPLES) == set(options.TABLE)
    for name, values in SAMPLES.items():
        canonical = [normalised({name: value})[name] for value in values]
        assert options.TABLE[name].default not in canonical, name
        assert all(canonical.count(value) == 1 for value in canonical), name


def test_values_are_told_apart_to_the_letter():
    """In no option are two values the same that differ in case, or, where it matters, in order."""
    for name, old, new in (
        ("env", {"A": "Secret"}, {"A": "sECRET"}),
        ("labels", {"a": "Web"}, {"a": "web"}),
        ("command", ["a", "B"], ["a", "b"]),
        ("command", ["a", "b"], ["b", "a"]),
        ("dns_servers", ["192.0.2.1", "192.0.2.2"], ["192.0.2.2", "192.0.2.1"]),
        ("networks", [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]),
        ("hostname", "Web", "web"),
        ("working_dir", "/Srv", "/srv"),
    ):
        assert not comparing.equal(name, *(normalised({name: value})[name] for value in (old, new))), name
    for name, old, new in (
        ("groups", ["b", "a"], ["a", "b", "a"]),
        ("capabilities", ["net_admin"], ["CAP_NET_ADMIN"]),
        ("published_ports", ["80:80", "81:81"], ["81:81/tcp", "80:80"]),
        ("memory", "1g", "1024M"),
    ):
        assert comparing.equal(name, *(normalised({name: value})[name] for value in (old, new))), name


def test_defaults_written_out_are_no_change():
    written = {
        "restart_policy": "no", "network_mode": "bridge", "pids_limit": -1, "env": {}, "memory": "0", "cpus": 0.0,
        "shm_size": "64m", "privileged": False, "volumes": [], "log_driver": "k8s-file", "stop_timeout": 10,
        "umask": "022", "userns_mode": "host", "cgroup_parent": "/agentless-oci/",
    }  # fmt: skip
    assert spec.desired_options(normalised(written), {}, whole=True) == {}
    assert plan.plan(request(written, "started", SAME, {}), recorded({}), RUNNING, SAME).actions == ()
