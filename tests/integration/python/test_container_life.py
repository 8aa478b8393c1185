# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a container as tasks see it: made, kept, changed, replaced, removed."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup
from ansible_collections.agentless.oci.plugins.module_utils.kernel import procfs
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


@pytest.fixture(params=["", "runc", "crun"], ids=["ours", "runc", "crun"])
def host(request, host, usable_runtime):
    """The same life with each runtime."""
    if request.param:
        host.given = {"runtime": usable_runtime(request.param)}
    return host


def group(container):
    return open_cgroup(f"/agentless-oci/{container['Name']}-{container['Id'][:12]}")


def test_made_kept_and_removed(host):
    assert host.run(check=True, command=WAIT)["actions"] == ["created container web", "started"]
    assert host.clean() == []
    made = host.run(command=WAIT)
    assert made["actions"] == ["created container web", "started"]
    state = made["container"]["State"]
    assert (state["Status"], state["Running"]) == ("running", True)
    assert os.path.isdir(f"/proc/{state['Pid']}")
    assert state["Pid"] in group(made["container"]).pids()
    again = host.run(command=WAIT)
    assert (again["actions"], again["diff"]) == ([], {"before": {}, "after": {}})
    assert again["container"]["Id"] == made["container"]["Id"]
    removed = host.task(state="absent")
    assert removed["actions"] == ["stopped", "removed container web"]
    assert removed["container"] == {}
    assert not group(made["container"]).exists()
    assert host.clean() == []
    assert host.task(state="absent")["actions"] == []


def test_states(host):
    assert host.run(state="present", command=WAIT)["actions"] == ["created container web"]
    assert host.status()["Status"] == "created"
    assert host.run(state="present", command=WAIT)["actions"] == []
    assert host.task(state="started")["actions"] == ["started"]
    assert host.run(state="present", command=WAIT)["container"]["State"]["Status"] == "running"
    assert host.task(state="stopped")["actions"] == ["stopped"]
    assert host.status()["Status"] == "exited"
    assert host.task(state="stopped")["actions"] == []
    first = host.task(state="started")["container"]
    second = host.task(restart=True)
    assert second["actions"] == ["restarted"]
    assert second["container"]["Id"] == first["Id"]
    assert second["container"]["State"]["Pid"] != first["State"]["Pid"]


def test_limits_are_changed_in_place(host):
    first = host.run(command=WAIT, memory="100m", cpus=0.5, pids_limit=50)["container"]
    limits = group(first).read()
    assert limits["memory"]["limit"] == 100 << 20
    assert (limits["cpu"]["quota"], limits["cpu"]["period"]) == (50000, 100000)
    assert limits["pids"]["limit"] == 50
    checked = host.run(check=True, command=WAIT, memory="200m", cpus=1.0, pids_limit=50)
    assert group(first).read() == limits
    done = host.run(command=WAIT, memory="200m", cpus=1.0, pids_limit=50)
    assert done["actions"] == checked["actions"] == ["updated memory, cpus"]
    assert done["diff"] == checked["diff"]
    assert done["diff"]["before"] == {"memory": 100 << 20, "cpus": 0.5}
    assert (done["container"]["Id"], done["container"]["State"]["Pid"]) == (first["Id"], first["State"]["Pid"])
    limits = group(first).read()
    assert (limits["memory"]["limit"], limits["cpu"]["quota"]) == (200 << 20, 100000)
    assert host.run(command=WAIT, memory="200m", cpus=1.0, pids_limit=50)["actions"] == []
    # A limit that is no longer declared goes, and a restart keeps what was updated.
    assert host.run(command=WAIT, memory="200m")["actions"] == ["updated cpus, pids_limit"]
    limits = group(first).read()
    assert limits["cpu"]["quota"] == -1
    assert limits["pids"]["limit"] == -1
    host.task(restart=True)
    assert group(first).read()["memory"]["limit"] == 200 << 20


def test_the_monitor_starts_it_again_with_the_updated_limits(host):
    first = host.run(command=WAIT, memory="100m", restart_policy="always")["container"]
    host.run(command=WAIT, memory="150m", restart_policy="always")
    os.kill(first["State"]["Pid"], 9)
    host.until(lambda: host.status()["Pid"] not in (0, first["State"]["Pid"]))
    assert group(first).read()["memory"]["limit"] == 150 << 20


def test_a_limit_changed_by_hand_is_put_back(host):
    first = host.run(command=WAIT, memory="100m")["container"]
    changes = group(first).plan({"memory": {"limit": 120 << 20}})
    group(first).apply(changes)
    assert host.run(check=True, command=WAIT, memory="100m")["actions"] == ["updated memory"]
    done = host.run(command=WAIT, memory="100m")
    assert done["actions"] == ["updated memory"]
    assert done["diff"]["before"] == {"memory": str(120 << 20)}
    assert group(first).read()["memory"]["limit"] == 100 << 20
    assert done["container"]["State"]["Pid"] == first["State"]["Pid"]


def test_what_needs_no_new_process_is_changed_in_place(host):
    first = host.run(command=WAIT)["container"]
    done = host.run(
        command=WAIT, labels={"a": "b"}, restart_policy="always", stop_timeout=3, log_options={"max-file": 2}
    )
    assert done["actions"] == ["updated labels, stop_timeout, log_options, restart_policy"]
    assert done["container"]["State"]["Pid"] == first["State"]["Pid"]
    assert done["container"]["Config"]["Labels"] == {"a": "b"}
    os.kill(first["State"]["Pid"], 9)  # the monitor knows the new policy
    host.until(lambda: host.status()["Pid"] not in (0, first["State"]["Pid"]))


def test_a_container_killed_by_hand_is_started_again(host):
    first = host.run(command=WAIT)["container"]
    host.kill(first["State"]["Pid"])
    assert host.run(check=True, command=WAIT)["actions"] == ["started"]
    done = host.run(command=WAIT)
    assert done["actions"] == ["started"]
    assert done["container"]["Id"] == first["Id"]
    assert host.run(command=WAIT)["actions"] == []


def test_a_container_whose_monitor_was_killed_is_restarted(host):
    first = host.run(command=WAIT)["container"]
    host.kill(first["State"]["MonitorPid"])
    assert host.status()["Running"]
    assert host.run(check=True, command=WAIT)["actions"] == ["restarted (nothing supervised it)"]
    done = host.run(command=WAIT)
    assert done["actions"] == ["restarted (nothing supervised it)"]
    assert done["container"]["State"]["MonitorPid"]
    assert host.run(command=WAIT)["actions"] == []


def test_a_container_without_a_monitor_can_be_removed(host):
    first = host.run(command=WAIT)["container"]
    host.kill(first["State"]["MonitorPid"])
    assert host.task(state="absent")["actions"] == ["stopped", "removed container web"]
    assert host.clean() == []


def test_a_changed_command_or_image_replaces_it(host):
    first = host.run(command=WAIT)["container"]
    done = host.run(command=[*WAIT, "x"])
    assert done["actions"] == ["replaced container web (command)", "started"]
    assert done["container"]["Id"] != first["Id"]
    assert not os.path.isdir(f"/proc/{first['State']['Pid']}")
    assert not group(first).exists()
    host.image(labels={"version": "2"})
    assert host.run(check=True, command=[*WAIT, "x"])["actions"] == ["replaced container web (image)", "started"]
    assert host.run(command=[*WAIT, "x"])["actions"] == ["replaced container web (image)", "started"]
    assert host.run(command=[*WAIT, "x"])["actions"] == []
    assert len(os.listdir(host.state.containers)) == 2  # one name, one directory
    assert len(os.listdir(os.path.join(host.root, "images/pins"))) == 1


def test_a_task_without_an_image_keeps_the_rest(host):
    host.run(command=WAIT, env={"A": "1"}, memory="100m")
    done = host.task(memory="150m")
    assert done["actions"] == ["updated memory"]
    done = host.task(env={"A": "2"})
    assert done["actions"] == ["replaced container web (env)", "started"]
    assert done["container"]["HostConfig"]["Memory"] == 150 << 20


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"command": ["nosuch"]}, "nosuch"),
        ({"user": "nosuch"}, "the image has no user 'nosuch'"),
        ({"command": ["/etc/passwd"]}, "not executable|permission denied|Permission denied"),
        ({"devices": ["/dev/nosuch"]}, "/dev/nosuch"),
        ({"mounts": [{"target": "/x", "source": "/nosuch/x", "type": "bind"}]}, "/nosuch/x"),
        ({"working_dir": "/etc/passwd/x"}, "/etc/passwd"),
    ],
)
def test_a_replacement_that_cannot_start_leaves_the_old_one_alone(host, change, reason):
    first = host.run(command=WAIT)["container"]
    with pytest.raises(Error, match=reason):
        host.run(**{"command": WAIT, **change})
    after = host.run(command=WAIT)
    assert after["actions"] == []
    assert after["container"]["State"]["Pid"] == first["State"]["Pid"]
    assert len(os.listdir(host.state.containers)) == 2
    assert len(os.listdir(os.path.join(host.root, "images/pins"))) == 1


def test_when_the_new_one_fails_at_the_last_moment_the_old_one_runs_again(host):
    """The program is executable when it is looked up, and no program when it is run."""
    if host.given:
        pytest.skip("other runtimes say that it has started before they execute it")
    first = host.run(command=WAIT)["container"]
    broken = os.path.join(host.root, "broken")
    with open(broken, "wb") as file:
        file.write(b"\x7fELF but not really")
    os.chmod(broken, 0o755)
    with pytest.raises(Error, match="the container before it runs again"):
        host.run(command=["/broken"], volumes=[f"{broken}:/broken"])
    after = host.run(command=WAIT)
    assert after["actions"] == []
    assert after["container"]["Id"] == first["Id"]
    assert after["container"]["State"]["Running"]


def test_recreate(host):
    first = host.run(command=WAIT)["container"]
    done = host.run(command=WAIT, recreate=True)
    assert done["actions"] == ["replaced container web (recreate)", "started"]
    assert done["container"]["Id"] != first["Id"]


def test_waiting_for_the_end(host):
    done = host.run(command=["sh", "-c", "echo out; echo err >&2; printf more; exit 3"], detach=False)
    assert (done["stdout"], done["stderr"], done["rc"]) == ("out\nmore", "err\n", 3)
    assert host.status()["ExitCode"] == 3
    done = host.run(command=["sh", "-c", "echo out; echo err >&2; printf more; exit 3"], detach=False)
    assert (done["stdout"], done["actions"]) == ("out\nmore", ["started"])  # of this run alone


def test_waiting_for_a_job_and_removing_it(host):
    assert host.shell("echo done") == "done\n"
    assert host.clean() == []


def test_secrets_do_not_show(host):
    env = {"PASSWORD": "hunter2"}
    results = [
        host.run(command=WAIT, env=env),
        host.run(command=WAIT, env={"PASSWORD": "hunter3"}),
        host.run(check=True),
    ]
    assert "hunter" not in str(results)
    assert host.shell("echo $PASSWORD", env=env) == "hunter2\n"


def test_removed_although_its_monitor_is_faster(host, monkeypatch):
    made = host.run(command=WAIT)["container"]
    send = procfs.send_signal

    def send_and_lag(pid, started, number):
        send(pid, started, number)
        host.until(lambda: not os.path.exists(os.path.join(host.state.runtime, made["Id"])))

    monkeypatch.setattr(procfs, "send_signal", send_and_lag)
    assert host.task(state="absent", force_kill=True)["actions"] == ["stopped", "removed container web"]
