# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container replaced by a newer one: without an interruption, or not at all where the new one is no good."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import WAIT

# Answers with its version on a socket in a directory that it shares with its successor; when it is asked to end, it
# first answers all who have come.
SERVER = """
import os, select, signal, socket, sys
os.umask(0)
asked = []
signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
server = socket.socket(socket.AF_UNIX)
own = "/shared/" + socket.gethostname()
server.bind(own)
server.listen(128)
server.setblocking(False)
os.rename(own, "/shared/socket")
while True:
    last = bool(asked)
    try:
        while True:
            client = server.accept()[0]
            client.sendall(sys.argv[1].encode())
            client.close()
    except BlockingIOError:
        pass
    if last:
        sys.exit(0)
    select.select([server], [], [], 0.02)
"""
# Asks again and again until its standard input is closed, then prints how many answers it got, by what they were.
LOAD = """
import collections, json, select, socket, sys
count = collections.Counter()
print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(120)
            client.connect(sys.argv[1])
            count[client.recv(64).decode() or "failed: closed"] += 1
    except OSError as error:
        count["failed: " + error.strerror] += 1
print(json.dumps(count))
"""


class Load:
    """Requests to a socket, one after the other, from a process of its own."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", LOAD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "begun\n"

    def end(self):
        """What the answers were."""
        out, _err = self.process.communicate(timeout=120)
        return json.loads(out)


def server(host, shared, version, **given):
    program = ["python3", "-I", "-c", SERVER, version]
    volumes = ["/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", f"{shared}:/shared"]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return host.run(command=program, entrypoint=[], volumes=volumes, env=env, **given)


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_under_load(host, tmp_path, order):
    update = {"order": order, "wait_healthy": "700ms"}
    first = server(host, tmp_path, "1", update=update)["container"]
    host.until((tmp_path / "socket").exists)
    load = Load(tmp_path / "socket")
    for version in ("2", "3"):
        done = server(host, tmp_path, version, update=update)
        assert done["actions"] == ["replaced container web (command)", "started"]
        assert done["container"]["Id"] != first["Id"]
    answers = load.end()
    failed = {answer: count for answer, count in answers.items() if answer.startswith("failed")}
    assert {"1", "2", "3"} <= set(answers)
    # That nobody answers in between is noticed: so it counts that nobody noticed anything.
    assert bool(failed) is (order == "stop-first"), answers


BROKEN = ["sh", "-c", "echo reading /etc/shop.conf; echo no such setting >&2; sleep 0.2; exit 3"]
NEVER = {"test": ["CMD", "false"], "interval": "100ms", "retries": 2}


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"command": BROKEN}, "with exit code 3; its last output: reading /etc/shop.conf | no such setting; the cont"),
        ({"command": BROKEN, "restart_policy": "always"}, "with exit code 3"),
        ({"command": WAIT, "env": {"V": "2"}, "healthcheck": NEVER}, "was not healthy within 1 seconds"),
    ],
)
def test_back_to_the_old_one(host, order, given, reason):
    before = host.run(command=WAIT)["container"]
    with pytest.raises(Error) as caught:
        host.run(**given, update={"order": order, "wait_healthy": "1s"})
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    after = host.run(command=WAIT)
    assert after["actions"] == []
    assert after["container"]["Id"] == before["Id"]
    if order == "start-first":
        assert str(caught.value).endswith("the container before it was not touched")
        assert after["container"]["State"] == before["State"]
    else:
        assert str(caught.value).endswith("the container before it runs again")


def test_the_new_one_stays_where_the_task_says_so(host):
    def update(what):
        return {"order": "start-first", "wait_healthy": "5s", "on_failure": what}

    broken = ["sh", "-c", "sleep 0.1; exit 3"]
    before = host.run(command=WAIT)["container"]
    with pytest.raises(Error, match="with exit code 3; it has written nothing; it stays"):
        host.run(command=broken, update=update("stop"))
    state = host.task(state="present", check=True)["container"]
    assert (state["Id"] == before["Id"], state["State"]["ExitCode"]) == (False, 3)
    host.run(command=WAIT)
    done = host.run(command=broken, update=update("continue"))
    assert done["changed"]
    assert "with exit code 3" in done["warnings"][0]
    assert done["container"]["State"]["ExitCode"] == 3


def test_what_is_never_kept(host):
    before = host.run(command=WAIT)["container"]
    with pytest.raises(Error, match="update: wait_healthy: 'soon' is not a duration"):
        host.run(command=["true"], update={"wait_healthy": "soon"})
    with pytest.raises(Error, match="the image has no program nosuch"):
        host.run(command=["nosuch"], update={"order": "start-first", "on_failure": "continue"})
    assert host.status() == before["State"]
