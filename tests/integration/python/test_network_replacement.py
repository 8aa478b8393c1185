# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on networks whose place another one takes, or whose ports change: who asks them hardly notices."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import WAIT

# Listens a while after its start, and says then that it is ready; asked to end, it first answers all who have come.
SERVER = """
import select, signal, socket, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda number, frame: asked.append(time.monotonic() + 0.2))
time.sleep(0.3)
server = socket.create_server(("", 80), backlog=128)
open("/ready", "w").close()
while True:
    if select.select([server], [], [], 0.02)[0]:
        client = server.accept()[0]
        client.sendall(sys.argv[1].encode())
        client.close()
    elif asked and time.monotonic() > asked[0]:
        break
"""
# Asks at an address, or without one who is called web, and port until it is told to end: how many answers of what kind.
LOAD = """
import collections, json, os, socket, sys, time
shared, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
count = collections.Counter()
while not os.path.exists(shared + "/end"):
    try:
        found = [line.split()[0] for line in open("/etc/hosts") if "web" in line.split()[1:]]
        with socket.create_connection((address or (found[0] if found else "nobody"), port), 5) as client:
            answer = client.recv(64).decode()
            count[answer or "failed: closed"] += 1
            open(shared + "/answered " + answer, "w").close()
    except OSError as error:
        count[f"failed: {error}"] += 1
    time.sleep(0.001)
json.dump(count, open(shared + "/count.tmp", "w"))
os.rename(shared + "/count.tmp", shared + "/count")
"""
# Sends datagrams from one port of its own, as a resolver does, and writes down what the last answer was.
ASKS = """
import os, socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(0.05)
    asking.connect(("127.0.0.1", 5353))
    while not os.path.exists(sys.argv[1] + "/end"):
        try:
            asking.sendall(b"?")
            answer = asking.recv(100)
        except OSError:
            continue
        with open(sys.argv[1] + "/last", "wb") as file:
            file.write(answer)
"""
READY = {"test": ["CMD", "test", "-e", "/ready"], "interval": "100ms", "start_interval": "100ms"}
UPDATE = {"healthcheck": READY, "update": {"order": "start-first", "wait_healthy": "20s"}}


def python(net, shared, name, program, *arguments, **given):
    """A container whose program is one of those."""
    volumes = ["/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", f"{shared}:/shared"]
    command = ["/usr/bin/python3", "-I", "-c", program, *arguments]
    return net.run(name=name, entrypoint=[], command=command, volumes=volumes, network_mode="bridge", **given)


@contextlib.contextmanager
def runs(net, *program):
    """A program of Python's on the host, beside its containers."""
    command = net.enter(sys.executable, "-I", "-S", "-c", *program)
    with subprocess.Popen(command, env={}) as process:
        try:
            yield
        finally:
            process.kill()


def replaced_while_asked(net, shared, **given):
    """Version 1, which the load asks already, is replaced by 2 and 3, and nobody notices; the last task's result."""
    net.until((shared / "answered 1").exists)
    for version in ("2", "3"):
        done = python(net, shared, "web", SERVER, version, **given)
        assert done["actions"] == ["replaced container web (command)", "started"]
        assert python(net, shared, "web", SERVER, version, **given)["actions"] == []
        net.until((shared / f"answered {version}").exists)
    (shared / "end").touch()
    net.until((shared / "count").exists)
    answers = json.loads((shared / "count").read_text())
    assert set(answers) == {"1", "2", "3"}, answers
    return done


def test_a_replacement_that_nobody_on_the_network_notices(net, tmp_path):
    """The new one is found by its name when it is healthy, and not before; the old one until then."""
    python(net, tmp_path, "web", SERVER, "1", state="healthy", **UPDATE)
    python(net, tmp_path, "db", LOAD, "/shared", "", "80")
    replaced_while_asked(net, tmp_path, **UPDATE)


@pytest.mark.parametrize("port", ["8080:80", "127.0.0.1:8080:80"])
def test_a_replacement_that_nobody_notices_who_asks_a_published_port(net, tmp_path, port):
    """It gets the port when it is healthy. Unpublished, or published for a while by nobody, it would be noticed."""
    given = {**UPDATE, "published_ports": [port, "9000-9001:90", "91"]}
    first = python(net, tmp_path, "web", SERVER, "1", state="healthy", **given)["container"]
    with runs(net, LOAD, str(tmp_path), "127.0.0.1", "8080"):
        done = replaced_while_asked(net, tmp_path, **given)
    found = done["container"]["NetworkSettings"]["Ports"]
    assert found["80/tcp"] == first["NetworkSettings"]["Ports"]["80/tcp"]
    assert found["90/tcp"][0]["HostPort"] in ("9000", "9001")
    chains = net.sh("iptables-save -t nat | grep ^:CNI-DN-").splitlines()
    assert len(chains) == 1  # the new one's
    net.task(state="absent")
    assert net.traces() == []


def test_flows_of_datagrams_go_over_to_the_new_one(net, tmp_path):
    """The kernel remembers where the last one of a flow went: a resolver's never pauses for so long that it forgets."""
    given = {"command": WAIT, "published_ports": ["127.0.0.1:5353:53/udp"], "update": {"order": "start-first"}}
    pid = net.run(**given)["container"]["State"]["Pid"]
    last = tmp_path / "last"
    last.touch()
    with runs(net, ASKS, str(tmp_path)), net.serving(pid, 53, "udp", "old"):
        net.until(lambda: last.read_text() == "old")
        done = net.run(**given, env={"A": "1"})
        assert done["actions"] == ["replaced container web (env)", "started"]
        with net.serving(done["container"]["State"]["Pid"], 53, "udp", "new"):
            net.until(lambda: last.read_text() == "new")
        (tmp_path / "end").touch()


PORTMAP = """#!/bin/sh
test "$CNI_COMMAND" = ADD || exec /usr/lib/cni/portmap
echo '{"cniVersion": "1.0.0", "code": 100, "msg": "no more rules"}'
exit 1
"""


def test_a_port_that_cannot_be_published_leaves_the_old_one_alone(net, tmp_path):
    given = {"command": WAIT, "published_ports": ["8080:80"], "update": {"order": "start-first"}}
    before = net.run(**given)["container"]
    (tmp_path / "portmap").write_text(PORTMAP)
    (tmp_path / "portmap").chmod(0o755)
    net.environment["AGENTLESS_OCI_CNI_PATH"] = str(tmp_path)
    with pytest.raises(Error, match="no more rules; the container before it was not touched"):
        net.run(**given, env={"A": "1"})
    del net.environment["AGENTLESS_OCI_CNI_PATH"]
    after = net.run(**given)
    assert (after["actions"], after["container"]["State"]) == ([], before["State"])
    with net.serving(before["State"]["Pid"], 80, "tcp", "here"):
        net.until(lambda: net.ask("127.0.0.1", 8080).strip() == "here")
    assert sum("veth" in line for line in net.traces()) == 1


def test_ports_of_a_plugin_that_nobody_knows_are_not_handed_over(net, tmp_path):
    os.symlink("/usr/lib/cni/portmap", tmp_path / "own-portmap")
    net.environment["AGENTLESS_OCI_CNI_PATH"] = str(tmp_path)
    plugins = [
        {
            "type": "bridge",
            "bridge": "raw0",
            "isGateway": True,
            "ipam": {"type": "host-local", "subnet": "10.91.9.0/24"},
        },
        {"type": "own-portmap", "capabilities": {"portMappings": True}, "snat": True},
    ]
    net.network("raw", conflist={"cniVersion": "1.0.0", "plugins": plugins})
    given = {"command": WAIT, "networks": [{"name": "raw"}], "published_ports": ["8080:80"]}
    before = net.run(**given)["container"]
    update = {"order": "start-first"}
    for check in (True, False):
        with pytest.raises(
            Error, match=r"with order start-first .* both want published_ports: port 8080/tcp"
        ) as caught:
            net.run(**given, env={"A": "1"}, update=update, check=check)
    assert "order: stop-first" in caught.value.hint
    assert net.status() == before["State"]
    assert net.run(**given, env={"A": "1"})["actions"] == ["replaced container web (env)", "started"]
    # Where they change in place the container is connected anew.
    pid = net.pid()
    assert net.run(command=WAIT, env={"A": "1"}, networks=[{"name": "raw"}])["actions"] == ["updated published_ports"]
    assert (net.pid(), "CNI-DN" in net.sh("iptables-save")) == (pid, False)


def test_ports_that_change_in_place_cut_no_connection(net):
    """Nor does the container's interface go."""
    pid = net.run(command=WAIT, published_ports=["8080:80"])["container"]["State"]["Pid"]
    interface = net.inside(pid, "cat /sys/class/net/eth0/ifindex /sys/class/net/eth0/address")
    with net.serving(pid, 80, "tcp", "here"):
        for ports in (["8080:80", "8081:81", "82"], ["8081:80"], [], ["8080:80", "8081:80"]):
            assert net.run(command=WAIT, published_ports=ports)["actions"] == ["updated published_ports"], ports
            assert net.run(command=WAIT, published_ports=ports)["actions"] == [], ports
            for port in (8080, 8081):
                leads = "here" if f"{port}:80" in ports else ""
                net.until(lambda port=port, leads=leads: net.ask("127.0.0.1", port).strip() == leads)
    assert net.inside(pid, "cat /sys/class/net/eth0/ifindex /sys/class/net/eth0/address") == interface
    net.task(state="absent")
    assert net.traces() == []
