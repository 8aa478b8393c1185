# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that makes many containers has a small process fork their monitors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import leftovers
import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import forkserver, records

from .conftest import IMAGE, WAIT, alive

# One task after the other in one process, each with what is to happen before it.
TASKS = """
import json, os, signal, sys, time
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container import forkserver
from aoci.container.module import Task
from aoci.kernel.errors import Error

def read(path):
    with open(path) as file:
        return file.read()

def serving():
    # With a server that has begun: it takes a moment to load what it needs.
    forkserver.begin_for(entry.__file__)
    while forkserver.ready() is None:
        time.sleep(0.01)

def killed():
    children = map(int, read(f"/proc/self/task/{os.getpid()}/children").split())
    server = next(pid for pid in children if "monitor-server" in read(f"/proc/{pid}/cmdline"))
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)

def dies():
    # Between the word to the server and that to the monitor.
    serving()
    from aoci.container import begin
    begin.prepare = lambda *_given: os.kill(os.getpid(), signal.SIGKILL)

for before, parameters in json.load(sys.stdin):
    {"": lambda: None, "serving": serving, "killed": killed, "dies": dies}[before]()
    try:
        state = Task(parameters, entry.__file__).run()["container"]["State"]
    except Error as error:
        print(json.dumps({"error": str(error)}))
        continue
    parent = int(read(f"/proc/{state['MonitorPid']}/stat").rpartition(")")[2].split()[1])
    served = "monitor-server" in read(f"/proc/{parent}/cmdline")
    print(json.dumps({"parent": parent, "served": served, "pid": state["Pid"], "mine": parent == os.getpid()}))
"""


def tasks(host, *turns, code=0):
    """Have the tasks (what happens before, options) done in one process; what became of each. It ends with *code*."""
    core = os.path.dirname(os.path.dirname(os.path.abspath(records.__file__)))
    whole = [(before, host.parameters(**{"image": IMAGE, "command": WAIT, **given})) for before, given in turns]
    argv = [sys.executable, "-I", "-S", "-c", TASKS, core]
    done = subprocess.run(argv, input=json.dumps(whole), check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (code, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_second_container_begins_it_and_it_ends_with_the_task(host):
    first, second, third = tasks(host, ("", {"name": "a"}), ("", {"name": "b"}), ("serving", {"name": "c"}))
    assert (first["mine"], second["mine"]) == (True, True)
    assert (third["mine"], third["served"]) == (False, True)
    host.until(lambda: not alive(third["parent"]))
    assert [host.status(name)["Status"] for name in "abc"] == ["running"] * 3
    host.task(name="c", state="stopped")
    assert (host.status("c")["ExitCode"], host.status("c")["MonitorPid"]) == (0, 0)
    restarted = host.task(name="c")
    assert restarted["actions"] == ["started"]


def test_one_that_was_killed_is_done_without(host):
    served, own, again = tasks(host, ("serving", {"name": "a"}), ("killed", {"name": "b"}), ("", {"name": "c"}))
    assert (served["served"], own["mine"], again["mine"]) == (True, True, True)
    assert {host.status(name)["Pid"] for name in "abc"} == {one["pid"] for one in (served, own, again)}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"command": ["nosuch"]}, "the image has no program nosuch"),
        ({"user": "nosuch"}, "the image has no user 'nosuch'"),
        ({"security_opts": ['seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": 1}]}']}, "seccomp"),
        ({"mounts": [{"target": "/etc/passwd/x", "type": "tmpfs"}]}, "/etc/passwd/x"),
    ],
)
def test_what_cannot_be_made_is_said_and_leaves_nothing(host, given, words):
    other, failed, last = tasks(host, ("serving", {"name": "a"}), ("", {"name": "b", **given}), ("", {"name": "c"}))
    assert words in failed["error"]
    assert (other["served"], last["served"]) == (True, True)
    assert sorted(records.names(host.state)) == ["a", "c"]
    assert records.all_leftovers(host.state) == {}
    assert sorted(os.listdir(os.path.join(host.root, "images/pins"))) == sorted(
        records.load(host.state, name).id for name in "ac"
    )


def test_a_task_that_is_killed_before_the_monitor_knows_what_to_make(host):
    """It ends by itself, and the next task takes away what there was."""
    tasks(host, ("dies", {"name": "a"}), code=-signal.SIGKILL)
    host.until(lambda: not leftovers.processes(host.root))
    assert records.load(host.state, "a") is None
    (path,) = records.all_leftovers(host.state)["a"]
    made = host.run(name="a", command=WAIT)
    assert made["actions"] == ["created container a", "started"]
    assert not os.path.exists(path)


def test_another_runtime_and_a_user_namespace(host, usable_runtime):
    runc, private = tasks(
        host,
        ("serving", {"name": "a", "runtime": usable_runtime("runc")}),
        ("", {"name": "b", "userns_mode": "private"}),
    )
    assert (runc["served"], private["served"]) == (True, True)
    assert [host.status(name)["Status"] for name in "ab"] == ["running"] * 2
    with open(f"/proc/{private['pid']}/uid_map", encoding="ascii") as file:
        assert file.read().split()[:2] != ["0", "0"]


@pytest.mark.parametrize("before", ["", "serving"])
def test_nobody_but_the_program_writes_to_its_streams(host, before):
    """Not the interpreter either, that becomes process 1: with pytest's own filters its warnings would not be seen."""
    tasks(host, (before, {"name": "web", "command": ["sh", "-c", "echo out; echo err >&2"], "init": True}))
    host.until(lambda: host.status()["Status"] == "exited")
    said = [line.split(" ", 3)[1:] for line in host.log().splitlines()]
    assert sorted(said) == [["stderr", "F", "err"], ["stdout", "F", "out"]]


def test_a_failed_replacement_leaves_the_old_one_running(host):
    old, failed = tasks(host, ("serving", {"name": "a"}), ("", {"name": "a", "command": ["/etc/passwd"]}))
    assert "/etc/passwd in the image is not executable" in failed["error"]
    assert host.status("a")["Pid"] == old["pid"]


def test_all_processes_of_a_task_find_it_ready():
    server = forkserver.ForkServer(entry.__file__)
    children = []
    for _number in range(3):
        pid = os.fork()
        if pid == 0:
            end = time.monotonic() + 60
            while not server.ready() and time.monotonic() < end:
                time.sleep(0.01)
            os._exit(0 if server.ready() else 1)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    assert server.ready()


LOADED = """
import sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container import forkserver
forkserver._load()
print(*sorted(sys.modules))
"""


def test_it_carries_nothing_that_monitors_do_not_need():
    """Each of them gets a copy of the page tables for all of it."""
    core = os.path.dirname(os.path.dirname(os.path.abspath(records.__file__)))
    argv = [sys.executable, "-I", "-S", "-c", LOADED, core]
    loaded = set(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.split())
    assert {"aoci.runtime.init", "aoci.runtime.outside", "aoci.container.start"} <= loaded
    heavy = {"collections", "contextlib", "ctypes", "enum", "functools", "json", "re", "socket", "subprocess"}
    assert loaded & {*heavy, "aoci.container.options", "aoci.container.bundle"} == set()
