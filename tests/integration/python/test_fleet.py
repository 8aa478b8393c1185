# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's whole set in one task."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import fleet
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.module_utils.network import cni
from conftest import IMAGE, WAIT

DEFAULTS = {"image": IMAGE, "command": WAIT, "force_kill": True, "network_mode": "none"}
# One task in a process of its own, its parameters from stdin: what can be killed.
TASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container.fleet import Fleet
print(json.dumps(Fleet(json.load(sys.stdin), entry.__file__).run()["actions"]))
"""


def parameters(host, *containers, **given):
    return {"root": host.root, "project": "shop", "defaults": DEFAULTS, "containers": list(containers), **given}


def apply(host, *containers, check=False, **given):
    """The result of one task on the project shop, failed or not; checked against what check mode says before."""
    asked = parameters(host, *containers, **given)
    before = fleet.Fleet(asked, entry.__file__, check_mode=True).run()
    assert before["reason"] == ""
    if check:
        return before
    result = fleet.Fleet(asked, entry.__file__).run()
    if not result["reason"]:
        assert (before["actions"], before["diff"]) == (result["actions"], result["diff"])
        assert [one["changed"] for one in before["containers"]] == [one["changed"] for one in result["containers"]]
    assert result["changed"] is bool(result["actions"])
    return result


def by_name(result):
    return {one["name"]: one for one in result["containers"]}


def states(result):
    return {name: one["container"].get("State", {}).get("Status") for name, one in by_name(result).items()}


def test_without_plugins_nothing_of_a_set_is_begun(host, monkeypatch):
    monkeypatch.setattr(cni, "DIRECTORIES", (host.root,))
    some = {"image": "localhost:1/no/registry:1", "command": WAIT}
    for check in (True, False):
        with pytest.raises(Error, match=r"a, b: the CNI plugin 'bridge' is not on this host.*network_mode: none"):
            fleet.Fleet(parameters(host, {"name": "a"}, {"name": "b"}, defaults=some), check_mode=check).run()
    assert not os.path.exists(host.state.containers)


def test_a_volume_that_several_want_is_made_once_and_filled_once(host):
    script = "test $(ls /etc | wc -l) = $(ls /v | wc -l) && trap 'exit 0' TERM && while :; do sleep 0.05; done"
    wanted = [
        {"name": f"c{number}", "command": ["sh", "-c", script], "mounts": [{"target": "/v", "source": "shared"}]}
        for number in range(4)
    ]
    for one in wanted:
        one["mounts"].append({"target": "/etc", "source": "shared", "labels": {"a": "b"}})
    wanted.append({"name": "view", "volumes_from": ["c0:ro"], "secrets": [{"name": "key", "content": "hidden"}]})
    made = apply(host, *wanted)
    assert made["actions"][0] == "created volume shared"
    assert sum("volume" in action for action in made["actions"]) == 1
    assert set(states(made).values()) == {"running"}
    assert "hidden" not in json.dumps(made)
    assert apply(host, *wanted)["actions"] == []
    with open(os.path.join(host.state.volumes, "shared/volume.json"), encoding="utf-8") as file:
        assert json.load(file)["labels"] == {"a": "b"}
    assert apply(host, purge=True)["changed"]
    assert os.listdir(host.state.volumes) == ["shared"]


def test_what_shares_processes_and_ipc_comes_after_whom_it_shares_them_with(host):
    side = {"name": "side", "pid_mode": "container:web", "ipc_mode": "container:web"}
    assert apply(host, side, {"name": "web"})["actions"] == [
        "created container web", "started web", "created container side", "started side",
    ]  # fmt: skip
    assert apply(host, side, {"name": "web"})["actions"] == []
    with pytest.raises(Error, match="side: ipc_mode: container web keeps its IPC to itself"):
        apply(host, side, {"name": "web", "ipc_mode": "private"})


def test_made_kept_changed_and_purged(host):
    wanted = [
        {"name": "web", "depends_on": ["api"]},
        {"name": "api", "labels": {"a": "b"}},
        {"name": "db", "state": "present"},
    ]
    made = apply(host, *wanted)
    assert made["actions"] == [
        "created container api", "started api", "created container web", "started web", "created container db",
    ]  # fmt: skip
    assert states(made) == {"web": "running", "api": "running", "db": "created"}
    assert by_name(made)["api"]["container"]["Config"]["Labels"] == {"a": "b", "agentless.oci.project": "shop"}
    pids = {name: one["container"]["State"].get("Pid") for name, one in by_name(made).items()}
    again = apply(host, *wanted)
    assert (again["changed"], again["actions"], again["diff"]) == (False, [], {"before": {}, "after": {}})
    assert {name: one["container"]["State"].get("Pid") for name, one in by_name(again).items()} == pids
    # A declaration without an image keeps the other options, and the labels.
    changed = apply(host, wanted[0], {"name": "api", "memory": "100m"}, wanted[2], defaults=None)
    assert changed["actions"] == ["updated api (memory)"]
    assert changed["diff"] == {"before": {"api": {"memory": None}}, "after": {"api": {"memory": 100 << 20}}}
    assert by_name(changed)["api"]["container"]["Config"]["Labels"] == {"a": "b", "agentless.oci.project": "shop"}
    # Of other projects, or of none, nothing is purged.
    host.run(name="alone", command=WAIT)
    apply(host, {"name": "theirs"}, project="other")
    purged = apply(host, {"name": "new"}, purge=True)
    gone = [action for name in ("api", "db", "web") for action in (f"stopped {name}", f"removed container {name}")]
    gone.remove("stopped db")
    assert purged["actions"] == [*gone, "created container new", "started new"]
    assert states(purged) == {"new": "running", "api": None, "db": None, "web": None}
    assert sorted(name for name in os.listdir(host.state.containers) if name[0] != ".") == ["alone", "new", "theirs"]


def test_nothing_to_change_forks_nothing(host, monkeypatch):
    wanted = [{"name": f"c{number}", "memory": "64m", "cpus": 0.5} for number in range(3)]
    apply(host, *wanted)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
    assert apply(host, *wanted)["actions"] == []
    apply(host, *wanted, {"name": "new"}, check=True)


def test_whatever_is_wrong_is_said_before_anything_is_changed(host):
    with pytest.raises(Error) as caught:
        apply(
            host,
            {"name": "good"},
            {"name": "a", "memory": "4k"},
            {"name": "b", "cap_add": [], "cpus": 4096.0},
            {"name": "c", "image": "localhost/tests/nosuch:1", "pull": "never"},
            {"name": "d", "image": "localhost/tests/nosuch:1", "pull": "never"},
        )
    said = str(caught.value)
    assert said.startswith("a: ")
    assert "; b: cpus 4096" in said
    assert "; c, d: the image localhost/tests/nosuch:1 is not here" in said
    assert host.clean() == []
    with pytest.raises(Error, match="purge removes what belongs to a project"):
        apply(host, purge=True, project=None)
    with pytest.raises(Error, match="web: memory: "):
        apply(host, {"name": "web", "memory": "lots"})
    with pytest.raises(Error, match="db: container db has no health check to wait for"):
        apply(host, {"name": "db"}, {"name": "web", "depends_on": {"db": "healthy"}})


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_one_that_fails(host, on_failure):
    result = apply(
        host,
        {"name": "bad", "command": ["/nosuch"]},
        {"name": "needs-bad", "depends_on": ["bad"]},
        {"name": "after", "depends_on": ["good"]},
        {"name": "good"},
        on_failure=on_failure,
        parallel=1,
    )
    assert "/nosuch" in by_name(result)["bad"]["msg"]
    assert by_name(result)["bad"]["failed"] is True
    assert by_name(result)["needs-bad"]["msg"] == "left untouched: it depends on bad, which failed"
    done = ["created container good", "started good", "created container after", "started after"]
    assert result["actions"] == (done if on_failure == "continue" else [])
    assert result["reason"].startswith("bad: ")
    assert "needs-bad left untouched: it depends on bad, which failed" in result["reason"]
    running = {"good": "running", "after": "running"} if on_failure == "continue" else {"good": None, "after": None}
    assert states(result) == {"bad": None, "needs-bad": None, **running}


def test_dependencies_are_waited_for(host, tmp_path):
    """The job runs to its end before db starts, and web starts only when db is healthy."""
    log = tmp_path / "log"
    os.mkdir(log)

    def wanted(job):
        scripts = {
            "web": "date +%s%N > /log/web; sleep 1000",
            "db": "cat /log/job > /log/db; sleep 0.3; touch /ready; sleep 1000",
            "job": f"sleep 0.2; echo {job} > /log/job",
        }
        needs = {"web": {"db": "healthy"}, "db": {"job": "completed"}, "job": None}
        ready = {"test": ["CMD", "test", "-e", "/ready"], "interval": "100ms", "start_interval": "100ms"}
        return [
            {
                "name": name,
                "entrypoint": ["sh", "-c", script],
                "command": [],
                "volumes": [f"{log}:/log"],
                "depends_on": needs[name],
                "healthcheck": ready if name == "db" else None,
            }
            for name, script in scripts.items()
        ]

    made = apply(host, *wanted("first"))
    assert made["actions"][0] == "created container job"
    assert states(made)["job"] in ("running", "exited")
    assert (log / "db").read_text() == "first\n"
    host.until((log / "web").exists)  # its program begins when it is started, and the task ends then
    # What has done its work is not started for that again; what is new runs.
    assert apply(host, *wanted("first"))["actions"] == []
    again = apply(host, *wanted("second"))
    assert again["actions"] == ["replaced container job (entrypoint)", "started job"]
    host.ended("job")
    assert (log / "job").read_text() == "second\n"
    # A job that fails keeps those that need it from being touched.
    failing = wanted("third")
    failing[2]["entrypoint"] = ["false"]
    failing[1]["memory"] = "100m"
    result = apply(host, *failing)
    assert by_name(result)["db"]["msg"] == "left untouched: it depends on job, which ended with exit code 1"
    assert result["actions"] == ["replaced container job (entrypoint)", "started job"]


def spawn(host, *containers, **given):
    core = os.path.dirname(os.path.abspath(entry.__file__))
    task = subprocess.Popen(
        [sys.executable, "-I", "-c", TASK, core],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    task.stdin.write(json.dumps(parameters(host, *containers, **given)))
    task.stdin.close()
    task.stdin = None
    return task


def test_killed_at_any_moment_the_next_run_puts_it_in_order(host):
    """AGENTLESS_OCI_TEST_KILLS in the environment says how often."""
    chance = random.Random(os.environ.get("AGENTLESS_OCI_TEST_SEED", "6"))
    for _round in range(int(os.environ.get("AGENTLESS_OCI_TEST_KILLS", "8"))):
        names = [f"c{number}" for number in range(6) if chance.random() < 0.8]
        wanted = [
            {
                "name": name,
                "memory": chance.choice(["64m", "80m"]),
                "env": {"V": chance.choice("ab")},
                "depends_on": [before] if before and chance.random() < 0.3 else [],
            }
            for before, name in zip(["", *names], names)
        ]
        task = spawn(host, *wanted, purge=True)
        time.sleep(chance.uniform(0.1, 0.8))
        if chance.random() < 0.5:
            task.send_signal(signal.SIGKILL)  # those that work for it go on to the end of what they do
        else:
            os.killpg(task.pid, signal.SIGKILL)  # and here they do not
        task.communicate()
        if chance.random() < 0.5:
            fleet.Fleet(parameters(host, *wanted, purge=True), entry.__file__).run()
            again = apply(host, *wanted, purge=True)
            assert (again["actions"], again["reason"]) == ([], "")
            assert len(os.listdir(host.state.containers)) == 2 * len(wanted)
            assert len(os.listdir(os.path.join(host.root, "images/pins"))) == len(wanted)
    apply(host, purge=True)
    assert apply(host, purge=True)["containers"] == []
    assert os.listdir(host.state.containers) == []
