# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on networks, proven by what reaches what."""

from __future__ import annotations

import json
import os
import socket

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


def server(text):
    """A command that answers every connection on port 80 with *text*."""
    return ["sh", "-c", f'trap "exit 0" TERM; while :; do echo {text} | nc -l -p 80 & wait $!; done']


def asked(net, address, port, kind="tcp"):
    """What the host is told at *address*; "" if nobody answers, as for a moment before and after each answer."""
    return net.ask(address, port, kind).strip()


def test_two_containers_find_each_other_by_name_and_reach_each_other(net):
    """As they do with Docker, without a word of networks in their tasks; and what is outside of the network."""
    net.sh("ip addr add 198.51.100.1/32 dev lo")
    made = net.run(command=WAIT)
    assert made["actions"] == ["created container web", "started"]
    one = made["container"]
    other = net.run(name="db", command=server("from-db"), hostname="dbhost")["container"]
    settings = one["NetworkSettings"]
    assert one["HostConfig"]["NetworkMode"] == "bridge"
    assert settings["IPAddress"].startswith("10.90.0.")
    assert settings["Gateway"] == "10.90.0.1"
    pid, there = one["State"]["Pid"], other["State"]["Pid"]
    for name in ("db", "dbhost", other["Id"][:12]):  # it listens again a moment after each answer
        net.until(lambda name=name: net.inside(pid, f"nc -w 2 {name} 80", check=False).strip() == "from-db")
    assert "1 packets received" in net.inside(there, "ping -c 1 -W 2 web")
    assert "1 packets received" in net.inside(there, "ping -c 1 -W 2 198.51.100.1")
    for given in ({}, {"network_mode": "bridge"}):
        again = net.run(command=WAIT, **given)
        assert (again["actions"], again["diff"]) == ([], {"before": {}, "after": {}})
    net.task(name="db", state="absent")
    assert "db" not in net.inside(pid, "cat /etc/hosts").split()
    net.task(state="absent")
    assert net.traces() == []


def test_a_host_without_plugins_says_so_before_anything_is_done(net):
    net.sh("mount -t tmpfs none /usr/lib/cni")
    nowhere = {"image": "localhost:1/no/registry:1", "command": WAIT}  # which is not asked
    for given, others in (({}, "none, or host,"), ({"published_ports": ["80"]}, "host")):
        for check in (True, False):
            with pytest.raises(Error, match="the CNI plugin 'bridge' is not on this host") as caught:
                net.task(check=check, **nowhere, **given)
            assert "as the role agentless.oci.host does" in caught.value.hint
            assert caught.value.hint.endswith(f"a container with network_mode: {others} does without")
    assert not os.path.exists(net.state.networks)
    assert net.run(command=WAIT, network_mode="none")["changed"]
    with pytest.raises(Error, match="the CNI plugin 'bridge' is not on this host"):
        net.run(command=WAIT)
    assert net.status()["Running"]
    net.sh("umount /usr/lib/cni")
    assert net.run(command=WAIT)["actions"] == ["replaced container web (network_mode)", "started"]


def test_one_that_was_made_when_it_was_not_the_default_stays_as_it_was(net):
    made = net.run(command=WAIT, network_mode="none")["container"]
    path = os.path.join(net.root, "containers", "web", "spec.json")
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    spec["version"] = 1
    del spec["options"]["network_mode"]  # as it was recorded then
    with open(path, "w", encoding="utf-8") as file:
        json.dump(spec, file)
    assert net.run(command=WAIT)["actions"] == []
    assert net.run(command=WAIT, memory="64m")["actions"] == ["updated memory"]
    assert net.pid() == made["State"]["Pid"]
    again = net.task(restart=True)["container"]
    assert again["HostConfig"]["NetworkMode"] == "none"
    assert net.inside(again["State"]["Pid"], "ls /sys/class/net").split() == ["lo"]
    done = net.run(command=server("new"), memory="64m")
    assert done["actions"] == ["replaced container web (command, network_mode)", "started"]
    assert done["diff"]["before"]["network_mode"] == "none"
    net.until(lambda: asked(net, net.address(), 80) == "new")
    assert net.run(command=server("new"), memory="64m")["actions"] == []


def test_a_published_port_is_reached_from_the_host(net):
    ports = ["8080:80", "127.0.0.1:5353:53/udp", "90"]
    made = net.run(command=server("from-web"), published_ports=ports)["container"]
    assert made["HostConfig"]["NetworkMode"] == "bridge"
    found = made["NetworkSettings"]["Ports"]
    assert found["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "8080"}]
    assert found["53/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "5353"}]
    chosen = int(found["90/tcp"][0]["HostPort"])
    assert 1024 < chosen < 65536
    net.until(lambda: asked(net, "127.0.0.1", 8080) == "from-web")
    net.until(lambda: asked(net, "10.90.0.1", 8080) == "from-web")
    assert net.run(command=server("from-web"), published_ports=ports)["actions"] == []
    pid = made["State"]["Pid"]
    with net.serving(pid, 90, "tcp", "random"), net.serving(pid, 53, "udp", "datagram"):
        net.until(lambda: asked(net, "127.0.0.1", chosen) == "random")
        net.until(lambda: asked(net, "127.0.0.1", 5353, "udp") == "datagram")
        assert asked(net, "10.90.0.1", 5353, "udp") == ""  # published on another address
    net.task(state="stopped")
    assert net.traces() == []
    assert asked(net, "127.0.0.1", 8080) == ""
    again = net.task(state="started")["container"]["NetworkSettings"]
    assert again["Ports"] == found  # the random one too
    assert again["IPAddress"] == made["NetworkSettings"]["IPAddress"]


def test_a_port_from_outside_of_the_host(net):
    """Another machine, played by a namespace behind a veth."""
    net.run(command=server("from-web"), published_ports=["8080:80"])
    net.sh(
        "mkdir -p /tmp/nethost-outside; ip link add out0 type veth peer name out1; ip addr add 192.0.2.1/24 dev out0;"
        "ip link set out0 up; unshare -n sleep 30 & "
        "while [ $(readlink /proc/$!/ns/net) = $(readlink /proc/$$/ns/net) ]; do sleep 0.02; done;"
        "ip link set out1 netns $!;"
        "nsenter -t $! -n sh -c 'ip addr add 192.0.2.2/24 dev out1; ip link set out1 up';"
        "for try in $(seq 100); do nsenter -t $! -n busybox nc -w 3 192.0.2.1 8080 && break; sleep 0.1; done > "
        + net.root
        + "/said; kill $!; ip link del out0 2>/dev/null || true"
    )
    with open(net.root + "/said", encoding="utf-8") as file:
        assert file.read() == "from-web\n"
    os.unlink(net.root + "/said")


@pytest.mark.parametrize("change", [{}, {"env": {"A": "1"}}])
def test_a_taken_port_is_an_error_before_anything_is_stopped(net, change):
    first = net.run(command=WAIT, **({"published_ports": ["8081:80"]} if change else {}))["container"]
    net.sh("busybox nc -l -p 8080 >/dev/null 2>&1 </dev/null & echo $! > " + net.root + "/listener")
    try:
        for check in (True, False):
            with pytest.raises(Error, match="8080/tcp is taken: a process of the host uses it"):
                net.run(command=WAIT, published_ports=["8080:80"], check=check, **change)
    finally:
        net.sh(f"kill $(cat {net.root}/listener); rm {net.root}/listener")
    net.run(name="other", command=WAIT, published_ports=["8080:80"])
    with pytest.raises(Error, match="8080/tcp is taken: container other publishes it"):
        net.run(command=WAIT, published_ports=["8080:80"], **change)
    assert net.pid() == first["State"]["Pid"]
    with pytest.raises(Error, match="container other publishes it"):
        net.run(name="new", command=WAIT, published_ports=["8080:80"])
    assert net.run(command=WAIT, published_ports=["127.0.0.1:8083:80"], **change)["changed"]


def test_a_replacement_takes_over_ports_and_a_fixed_address(net):
    net.network("back", subnet="10.91.7.0/24")
    given = {"networks": [{"name": "back", "ipv4_address": "10.91.7.77"}], "published_ports": ["8080:80"]}
    net.run(command=server("old"), **given)
    net.until(lambda: asked(net, "127.0.0.1", 8080) == "old")
    done = net.run(command=server("new"), **given)
    assert done["actions"] == ["replaced container web (command)", "started"]
    assert done["container"]["NetworkSettings"]["IPAddress"] == "10.91.7.77"
    net.until(lambda: asked(net, "127.0.0.1", 8080) == "new")
    with pytest.raises(Error, match="the container before it runs again"):
        net.run(command=["/broken"], volumes=[f"{_broken(net)}:/broken"], **given)
    assert net.status()["Running"]
    assert net.address() == "10.91.7.77"
    net.until(lambda: asked(net, "127.0.0.1", 8080) == "new")


def _broken(net):
    path = os.path.join(net.root, "broken")
    with open(path, "wb") as file:
        file.write(b"\x7fELF but not really")
    os.chmod(path, 0o755)
    return path


def test_networks_and_ports_change_in_place(net):
    net.network("back", subnet="10.91.7.0/24", labels={"tier": "data"})
    net.network("side", subnet="10.91.8.0/24")
    first = net.run(command=server("web"), networks=[{"name": "back"}])["container"]
    net.run(name="db", command=WAIT, networks=[{"name": "back"}, {"name": "side"}])
    pid = first["State"]["Pid"]
    two = {"networks": [{"name": "back", "aliases": ["www"]}, {"name": "side", "mac_address": "02-00-00-00-00-aa"}]}
    checked = net.run(command=server("web"), check=True, **two)
    done = net.run(command=server("web"), **two)
    assert done["actions"] == checked["actions"] == ["updated networks"]
    assert done["diff"] == checked["diff"]
    assert done["container"]["Id"] == first["Id"]
    assert done["container"]["State"]["Pid"] == pid
    found = done["container"]["NetworkSettings"]["Networks"]
    assert found["back"]["IPAddress"] == first["NetworkSettings"]["IPAddress"]  # connected anew, for the alias
    assert found["side"]["MacAddress"] == "02:00:00:00:00:aa"
    assert net.inside(pid, "ip -o route | grep -c default").strip() == "1"
    net.until(lambda: net.inside(net.pid("db"), "nc -w 2 www 80", check=False).strip() == "web")
    assert net.run(command=server("web"), **two)["actions"] == []
    done = net.run(command=server("web"), published_ports=["8080:80", "8000-8002:90-92"], **two)
    assert done["actions"] == ["updated published_ports"]
    assert done["container"]["State"]["Pid"] == pid
    net.until(lambda: asked(net, "127.0.0.1", 8080) == "web")
    done = net.run(command=server("web"), networks=[{"name": "side"}])
    assert done["actions"] == ["updated networks, published_ports"]
    assert done["container"]["State"]["Pid"] == pid
    assert asked(net, "127.0.0.1", 8080) == ""
    assert "10.91.7" not in net.inside(pid, "ip addr; cat /etc/hosts")
    assert "10.91.8.1" in net.inside(pid, "ip route")


def test_mode_changes_replace_it(net):
    net.run(command=WAIT)
    assert net.run(command=WAIT, published_ports=["8080:80"])["actions"] == ["updated published_ports"]
    assert net.run(command=WAIT, network_mode="none")["actions"] == [
        "replaced container web (network_mode)",
        "started",
    ]
    assert net.traces() == []
    with pytest.raises(Error, match="published_ports and network_mode: none contradict"):
        net.task(published_ports=["8080:80"])
    assert net.run(command=WAIT)["actions"] == ["replaced container web (network_mode)", "started"]


def test_files_of_etc(net):
    given = {"dns_servers": ["192.0.2.53"], "dns_opts": ["ndots:2"], "dns_search_domains": ["example.com"]}
    made = net.run(command=WAIT, network_mode="bridge", etc_hosts={"gate": "host-gateway", "a": "192.0.2.9"}, **given)
    pid = made["container"]["State"]["Pid"]
    text = net.inside(pid, "cat /etc/hosts /etc/resolv.conf")
    for line in ("10.90.0.1\tgate", "192.0.2.9\ta", "nameserver 192.0.2.53", "search example.com", "options ndots:2"):
        assert line in text.splitlines()
    done = net.run(command=WAIT, network_mode="bridge", etc_hosts={"b": "192.0.2.10"}, dns_servers=["192.0.2.54"])
    assert done["actions"] == ["updated dns_servers, dns_opts, dns_search_domains, etc_hosts"]
    text = net.inside(pid, "cat /etc/hosts /etc/resolv.conf")
    assert "192.0.2.10\tb" in text
    assert "nameserver 192.0.2.54" in text
    assert f"{net.address()}\tweb" in text
    assert "192.0.2.9" not in text
    assert "192.0.2.53" not in text


def test_a_restart_keeps_the_address(net):
    command = ["sh", "-c", "while [ ! -e /end ]; do sleep 0.05; done; rm /end; exit 1"]
    made = net.run(command=command, published_ports=["8080:80"], restart_policy="always")["container"]
    net.run(name="db", command=WAIT, network_mode="bridge")
    net.inside(made["State"]["Pid"], "touch /end", check=False)  # the shell may be ended with its container
    net.until(lambda: net.pid() not in (0, made["State"]["Pid"]))
    assert net.address() == made["NetworkSettings"]["IPAddress"]
    text = net.inside(net.pid(), "ip addr; cat /etc/hosts")
    assert made["NetworkSettings"]["IPAddress"] in text
    assert "\tdb " in text
    assert net.run(command=command, published_ports=["8080:80"], restart_policy="always")["actions"] == []
    restarted = net.task(restart=True, force_kill=True)  # it would take its time
    assert restarted["actions"] == ["restarted"]
    assert restarted["container"]["NetworkSettings"]["IPAddress"] == made["NetworkSettings"]["IPAddress"]


def test_an_ended_container_gives_its_network_back(net):
    net.run(command=["sleep", "0.2"], published_ports=["8080:80"])
    net.ended()
    assert net.traces() == []
    net.run(name="other", command=WAIT, published_ports=["8080:80"])
    with pytest.raises(Error, match="container other publishes it"):
        net.task(state="started")
    net.output("true", network_mode="bridge")
    net.task(name="other", state="absent")
    assert net.traces() == []


def test_container_and_path_modes_share_a_network(net):
    first = net.run(command=server("shared"), published_ports=["8080:80"])["container"]
    joined = net.run(name="side", command=WAIT, network_mode="container:web")["container"]
    net.until(lambda: net.inside(joined["State"]["Pid"], "nc -w 2 127.0.0.1 80", check=False).strip() == "shared")
    assert f"{first['NetworkSettings']['IPAddress']}\tweb" in net.inside(joined["State"]["Pid"], "cat /etc/hosts")
    assert net.run(name="side", command=WAIT, network_mode="container:web")["actions"] == []
    net.task(restart=True)
    done = net.run(name="side", command=WAIT, network_mode="container:web")
    assert done["actions"] == ["restarted (container:web has another network now)"]
    net.until(
        lambda: net.inside(done["container"]["State"]["Pid"], "nc -w 2 127.0.0.1 80", check=False).strip() == "shared"
    )
    net.sh("ip netns add aoci-test-ns && ip -n aoci-test-ns link set lo up")
    try:
        done = net.run(name="side", command=WAIT, network_mode="ns:/run/netns/aoci-test-ns")
        assert done["actions"] == ["replaced container side (network_mode)", "started"]
        assert net.run(name="side", command=WAIT, network_mode="ns:/run/netns/aoci-test-ns")["actions"] == []
        net.task(name="side", state="absent")
    finally:
        net.sh("ip netns del aoci-test-ns")
    with pytest.raises(Error, match="there is no container nobody"):
        net.run(name="side", command=WAIT, network_mode="container:nobody")


def test_an_internal_network_reaches_nothing(net):
    net.network("inner", internal=True)
    net.sh("ip addr add 198.51.100.1/32 dev lo")
    made = net.run(command=server("in"), networks=[{"name": "inner"}])["container"]
    other = net.run(name="db", command=WAIT, networks=[{"name": "inner"}])["container"]
    out = net.run(name="out", command=server("out"), network_mode="bridge")["container"]
    pid = other["State"]["Pid"]
    net.until(lambda: net.inside(pid, "nc -w 2 web 80", check=False).strip() == "in")
    assert "default" not in net.inside(pid, "ip route")
    for address in ("198.51.100.1", out["NetworkSettings"]["IPAddress"]):
        assert "1 packets received" not in net.inside(pid, f"ping -c 1 -W 1 {address}", check=False)
    assert asked(net, made["NetworkSettings"]["IPAddress"], 80) == ""
    with pytest.raises(Error, match=r"published_ports: none of the container's networks \(inner\) can publish"):
        net.run(name="x", command=WAIT, networks=[{"name": "inner"}], published_ports=["8080:80"])


def test_bridges_are_kept_apart(net):
    net.network("one")
    net.network("two")
    first = net.run(command=server("one"), network_mode="one")["container"]
    other = net.run(name="db", command=WAIT, network_mode="two")["container"]
    address = first["NetworkSettings"]["IPAddress"]
    assert net.inside(other["State"]["Pid"], f"nc -w 2 {address} 80", check=False) == ""
    net.until(lambda: asked(net, address, 80) == "one")


def test_ipv6(net):
    net.network("six", ipv6=True, subnet_v6="fd00:6::/64")
    given = {"networks": [{"name": "six", "ipv6_address": "fd00:6::66"}], "published_ports": ["8080:80"]}
    made = net.run(command=server("six"), **given)["container"]
    settings = made["NetworkSettings"]
    assert (settings["GlobalIPv6Address"], settings["GlobalIPv6PrefixLen"]) == ("fd00:6::66", 64)
    assert settings["IPAddress"]
    net.run(name="db", command=WAIT, networks=[{"name": "six"}])
    ping = "ping -6 -c 1 -W 2 fd00:6::66"
    net.until(lambda: "1 packets received" in net.inside(net.pid("db"), ping, check=False))
    net.until(lambda: asked(net, "fd00:6::1", 8080) == "six")  # once the bridge's address is known to be its own


def test_names_and_sockets_are_as_recorded(net):
    """The record says what is on the host, and can be read by other tools."""
    net.run(command=WAIT, published_ports=["8080:80"])
    with open(os.path.join(net.root, "networks/bridge.conflist"), encoding="utf-8") as file:
        document = json.load(file)
    assert [plugin["type"] for plugin in document["plugins"]] == ["bridge", "portmap", "firewall", "tuning"]
    assert document["cniVersion"] == "1.0.0"
    listed = net.sh(f"{_aoci(net)} networks")
    assert listed.splitlines()[1].split() == ["bridge", "bridge", "aoci0", "10.90.0.0/16", "web"]
    assert socket.inet_aton(net.address())


def _aoci(net):
    from nethost import CORE

    return f"/usr/bin/env python3 -I -S {CORE}/entry.py --root {net.root}"


def test_a_project_brings_the_networks_that_nobody_has_declared(net):
    """They come before its containers, each with a subnet of its own, and go when no container names them any more."""
    kept = {"name": "kept", "image": "localhost/tests/busybox:1", "command": WAIT, "network_mode": "none"}
    net.run(name="stranger", command=WAIT, network_mode="none")
    back = net.network("back")["network"]
    image = {"image": "localhost/tests/busybox:1", "command": WAIT, "stop_timeout": 1}
    shop = [
        {"name": "db", **image, "networks": [{"name": "shop", "aliases": ["store"]}, {"name": "back"}]},
        {"name": "web", **image, "networks": [{"name": "shop"}, {"name": "front"}], "published_ports": ["8080:80"]},
        kept,
    ]
    foretold = net.set(*shop, check=True)
    assert foretold["actions"][:2] == ["created network front", "created network shop"]
    assert not os.path.exists(os.path.join(net.state.networks, "shop.conflist"))
    made = net.set(*shop)
    assert (made["actions"], made["diff"]) == (foretold["actions"], foretold["diff"])
    assert "1 packets received" in net.inside(net.pid("web"), "ping -c 1 -W 2 store")
    subnets = net.networks()
    assert subnets["back"] == back["subnets"]
    assert len({subnet for found in subnets.values() for subnet in found}) == 3
    assert net.set(*shop)["actions"] == []

    fewer = [shop[0], kept]
    foretold = net.set(*fewer, check=True)
    assert foretold["actions"] == ["stopped web", "removed container web", "removed network front"]
    assert net.set(*fewer)["actions"] == foretold["actions"]
    assert not os.path.exists(os.path.join(net.state.networks, "front.conflist"))
    # A network of the project that somebody else's container is on stays with it; what was declared is nobody's.
    net.task(name="stranger", image="localhost/tests/busybox:1", command=WAIT, networks=[{"name": "shop"}])
    assert net.set(kept)["actions"] == ["stopped db", "removed container db"]
    net.task(name="stranger", state="absent")
    assert net.set(kept)["actions"] == ["removed network shop"]
    assert net.set(kept)["actions"] == []
    assert list(net.networks()) == ["back"]
    assert net.set()["actions"] == ["stopped kept", "removed container kept"]
    assert net.traces() == []


def test_without_a_project_a_network_is_missed(net):
    wanted = {"name": "web", "image": "localhost/tests/busybox:1", "command": WAIT, "networks": [{"name": "shop"}]}
    for check in (True, False):
        with pytest.raises(Error, match="there is no network shop"):
            net.set(wanted, project=None, purge=False, check=check)
    assert not os.path.exists(net.state.networks)
