# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong: one clear message, nothing changed, nothing left. And what is killed half way: repaired."""

from __future__ import annotations

import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import module, records
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']

# One task in a process of its own, its parameters from stdin: what can be killed, or be in the way of another.
TASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container.module import Task
print(json.dumps(Task(json.load(sys.stdin), entry.__file__).run()["actions"]))
"""

# Each line of stdin is a task's parameters: it is begun, its pid is printed, and after one more line how it ended.
FORKS = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container import apply, stop, wanted
from aoci.container.module import Task
while True:
    line = sys.stdin.readline()
    if not line:
        break
    pid = os.fork()
    if pid == 0:
        try:
            Task(json.loads(line), entry.__file__).run()
        finally:
            os._exit(0)
    print(pid, flush=True)
    sys.stdin.readline()
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def spawn(host, **given):
    core = os.path.dirname(os.path.dirname(os.path.abspath(module.__file__)))
    task = subprocess.Popen(
        [sys.executable, "-I", "-c", TASK, core],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    task.stdin.write(json.dumps(host.parameters(image="localhost/tests/busybox:1", **given)))
    task.stdin.close()
    task.stdin = None
    return task


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"command": ["nosuch"]}, "nosuch"),
        ({"command": ["/bin/nosuch"]}, "/bin/nosuch"),
        ({"command": ["/etc"]}, "/etc"),
        ({"user": "nosuch"}, "the image has no user 'nosuch' in its /etc/passwd"),
        ({"user": "root:nosuch"}, "the image has no group 'nosuch' in its /etc/group"),
        ({"groups": ["nosuch"]}, "the image has no group 'nosuch'"),
        ({"entrypoint": [], "command": []}, "has no command to run"),
        ({"memory": "4k"}, "memory"),
        ({"memory": "100t"}, "memory: 100t is more than the"),
        ({"cpus": 4096.0}, "cpus 4096 is more than this machine has"),
        ({"cpuset_cpus": "4000"}, "cpu"),
        ({"devices": ["/dev/nosuch"]}, "devices: /dev/nosuch"),
        ({"devices": ["/etc/passwd"]}, "/etc/passwd is not a device"),
        ({"mounts": [{"target": "/x", "source": "/nosuch", "type": "bind"}]}, "/nosuch"),
        ({"ulimits": ["nofile:-1:-1"]}, "limit"),
        ({"image": "localhost/tests/nosuch:1", "pull": "never"}, "nosuch"),
        ({"image": "UPPER/Case:?"}, "UPPER"),
        ({"sysctls": {"net.nosuch": "1"}}, "net/nosuch"),
        ({"cpus": 1.0, "cpu_quota": 1000}, "cpus and cpu_quota contradict each other"),
        ({"name": "../web"}, "cannot be the name"),
    ],
)
def test_one_message_and_nothing_left(host, given, reason):
    with pytest.raises(Error) as caught:
        host.run(**given)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert host.clean() == []


def test_a_limit_below_what_it_uses_is_refused_and_nothing_changed(host):
    first = host.run(command=["sh", "-c", "head -c 20m /dev/zero | tail -c 20m | (sleep 1000; cat)"], memory="200m")
    host.until(lambda: _memory(host, first) > 15 << 20)
    with pytest.raises(Error, match="cannot set memory to"):
        host.task(memory="8m")
    after = host.task(check=True, state="started")
    assert after["actions"] == []
    assert after["container"]["HostConfig"]["Memory"] == 200 << 20
    assert after["container"]["State"]["Pid"] == first["container"]["State"]["Pid"]


def _memory(_host, result):
    with open(f"/proc/{result['container']['State']['Pid']}/cgroup", encoding="ascii") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    v1 = [path for _number, controllers, path in lines if "memory" in controllers.split(",")]
    path = (
        f"/sys/fs/cgroup/memory{v1[0]}/memory.usage_in_bytes" if v1 else f"/sys/fs/cgroup{lines[0][2]}/memory.current"
    )
    with open(path, encoding="ascii") as file:
        return int(file.read())


@pytest.mark.parametrize("count", [2, 4])
def test_tasks_at_once_on_the_same_container(host, count):
    tasks = [spawn(host, command=WAIT) for _number in range(count)]
    actions = []
    for task in tasks:
        stdout, stderr = task.communicate(timeout=120)
        assert task.returncode == 0, stderr
        actions.append(json.loads(stdout))
    assert sorted(actions) == [[]] * (count - 1) + [["created container web", "started"]]
    assert host.run(command=WAIT)["actions"] == []


def test_tasks_at_once_that_want_different_things(host):
    tasks = [spawn(host, command=[*WAIT, str(number)]) for number in range(3)] + [spawn(host, state="absent")]
    for task in tasks:
        _stdout, stderr = task.communicate(timeout=120)
        assert task.returncode == 0, stderr
    host.run(command=WAIT)
    assert host.run(command=WAIT)["actions"] == []
    assert len(os.listdir(host.state.containers)) == 2


class Forks:
    """Tasks that begin at once, in children of one process that has loaded what they need."""

    def __init__(self):
        core = os.path.dirname(os.path.dirname(os.path.abspath(module.__file__)))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", FORKS, core],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},  # else it would be taken for what a container left
        )

    def killed(self, seconds, parameters):
        """Whether the task was killed, *seconds* after it had begun, before it was done."""
        self.process.stdin.write(json.dumps(parameters) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)  # nobody has waited for it yet, so it is no other's pid
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) == -signal.SIGKILL

    def end(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture
def forks():
    made = Forks()
    yield made
    made.end()


KILLS = 100
LONGEST = 0.15  # seconds; most tasks are done in less


def test_tasks_killed_at_random_moments_are_repaired_by_one_run(host, forks):
    """Makes, changes in place, replaces, pauses, stops and removes, killed somewhere; one run brings all in order."""
    chance = random.Random(f"{__name__} {KILLS}")
    image = {"image": "localhost/tests/busybox:1", "force_kill": True, "keep_volumes": False}
    volumes = {"volumes": ["data:/data", "/anonymous", "filled:/etc"], "secrets": [{"name": "key", "content": "x"}]}
    kinds = [
        {"command": WAIT},
        {"command": [*WAIT, "other"]},
        {"command": WAIT, "memory": "50m", "labels": {"a": "b"}, "restart_policy": "always"},
        {"command": WAIT, **volumes, "pids_limit": 50},
        {"command": [*WAIT, "other"], **volumes},
        {"command": WAIT, "paused": True},
        {"command": WAIT, "restart": True},
        {"command": WAIT, "state": "stopped"},
        {"state": "absent"},
    ]
    killed = 0
    while killed < KILLS:
        killed += forks.killed(chance.uniform(0, LONGEST), host.parameters(**image, **chance.choice(kinds)))
        if chance.random() < 0.2:
            wish = {**image, **chance.choice(kinds), "restart": False}
            host.task(**wish)
            assert host.task(**wish)["actions"] == [], wish
    host.run(command=WAIT, **volumes, keep_volumes=False)
    assert host.run(command=WAIT, **volumes)["actions"] == []
    assert len(os.listdir(host.state.containers)) == 2
    assert len(os.listdir(os.path.join(host.root, "images/pins"))) == 1
    assert len(os.listdir(os.path.join(host.root, "run/secrets"))) == 1
    filled = os.path.join(host.state.volumes, "filled/data")
    assert sorted(os.listdir(filled)) == sorted(os.listdir(os.path.join(host.rootfs, "etc")))
    host.task(state="absent", keep_volumes=False)
    assert sorted(os.listdir(host.state.volumes)) == ["data", "filled"]  # no anonymous one, and no half of any
    assert not os.path.exists(os.path.join(host.root, "run/secrets"))
    assert host.clean() == []


@pytest.mark.parametrize("seed", range(3))
def test_a_monitor_killed_at_any_moment_leaves_nothing_in_the_way(host, seed):
    chance = random.Random(seed)
    host.run(command=["sh", "-c", "sleep 0.1; exit 1"], restart_policy="always")
    for _round in range(4):
        time.sleep(chance.uniform(0, 0.5))
        monitor = host.status()["MonitorPid"]
        if monitor:
            host.kill(monitor)
        host.run(command=["sh", "-c", "sleep 0.1; exit 1"], restart_policy="always")
    host.run(command=WAIT)
    assert host.run(command=WAIT)["actions"] == []


def test_leftovers_of_a_removed_name_are_found_by_absent(host):
    """Killed between the new container's start and its name: nobody has the name, and yet something runs."""
    first = host.run(command=WAIT)["container"]
    os.unlink(os.path.join(host.state.containers, "web"))
    assert os.path.isdir(f"/proc/{first['State']['Pid']}")
    host.task(state="absent")
    assert host.clean() == []


def test_a_reboot(host):
    """After it there is no process, no cgroup and nothing of /run; the record is still there."""
    first = host.run(command=WAIT)["container"]
    host.kill(first["State"]["MonitorPid"])
    host.kill(first["State"]["Pid"])
    shutil.rmtree(os.path.join(host.root, "run"))
    assert host.run(check=True, command=WAIT)["actions"] == ["started"]
    done = host.run(command=WAIT)
    assert done["actions"] == ["started"]
    assert done["container"]["Id"] == first["Id"]
    host.task(state="absent")
    # The group of before the "reboot", which a real one would have taken, is gone too.
    assert glob.glob(f"/sys/fs/cgroup/**/agentless-oci/web-{first['Id'][:12]}", recursive=True) == []


def test_check_mode_writes_nothing(host, state_dir):
    def files():
        return sorted(
            os.path.join(directory, name) for directory, below, names in os.walk(state_dir) for name in names + below
        )

    before = files()
    host.run(check=True, command=WAIT)
    host.task(check=True, state="absent")
    assert files() == before
    host.run(command=WAIT)
    host.until(lambda: any(path.endswith("/container.log") for path in files()))  # the last that the monitor makes
    before = files()
    for given in ({"command": ["true"]}, {"command": WAIT, "memory": "50m"}, {"state": "absent"}, {"state": "stopped"}):
        assert host.run(check=True, **given)["changed"]
    assert files() == before
    assert host.run(command=WAIT)["actions"] == []


def test_a_directory_that_was_empty_and_is_another_containers_by_now_is_left_to_it(host, monkeypatch):
    """As where two tasks make containers at once: one looks while the other has made no more than the directory."""
    host.run(name="a", command=WAIT)
    made = records.load(host.state, "a")
    monkeypatch.setattr(records, "leftovers", lambda _state, _name: [made.path])
    host.run(name="b", command=WAIT)
    assert [host.status(name)["Status"] for name in "ab"] == ["running"] * 2
    assert records.load(host.state, "a").path == made.path
