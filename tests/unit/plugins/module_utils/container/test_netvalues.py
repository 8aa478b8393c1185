# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import netchecks, netmode, netvalues
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        (["8080:80"], [":8080:80/tcp"]),
        (["80"], ["::80/tcp"]),
        ([80], ["::80/tcp"]),
        (["127.0.0.1:8080:80/udp"], ["127.0.0.1:8080:80/udp"]),
        (["127.0.0.1::80"], ["127.0.0.1::80/tcp"]),
        (["0.0.0.0:8080:80"], [":8080:80/tcp"]),
        (["[::]:8080:80"], [":8080:80/tcp"]),
        (["[fd00::1]:8080:80"], ["[fd00::1]:8080:80/tcp"]),
        (["[fd00::1]::80"], ["[fd00::1]::80/tcp"]),
        (["8000-8002:80-82"], [":8000:80/tcp", ":8001:81/tcp", ":8002:82/tcp"]),
        (["8000-8010:80"], [":8000-8010:80/tcp"]),
        (["80-81"], ["::80/tcp", "::81/tcp"]),
        (["53:53/UDP", "53:53"], [":53:53/tcp", ":53:53/udp"]),
        (["8080:80", "8080:80"], [":8080:80/tcp"]),
    ],
)
def test_published_ports(given, canonical):
    assert netvalues.published_ports(given) == canonical


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["8080:0"], "'0' is not a port"),
        (["8080:x"], "'x' is not a port"),
        (["70000:80"], "'70000' is not a port"),
        (["8000-8002:80-81"], "not the same length"),
        (["81-80"], "ends before it begins"),
        (["80/icmp"], "no protocol 'icmp'"),
        (["host:80:80"], "'host' is not an IP address"),
        (["[::1]:80:80"], "sent to ::1"),
        (["[::1:80:80"], r"is not \[IP\]:HOST:CONTAINER"),
        (["8080:80", "8080:81"], "port 8080/tcp of the host is given twice"),
        ([""], "is not a port"),
    ],
)
def test_wrong_ports_are_named(given, reason):
    with pytest.raises(ValueError, match=reason):
        netvalues.published_ports(given)


def test_a_port_taken_apart():
    assert netvalues.split_port("[fd00::1]:8080:80/udp") == {
        "ip": "fd00::1",
        "host": "8080",
        "container": "80",
        "protocol": "udp",
    }
    assert netvalues.split_port("::80/tcp") == {"ip": "", "host": "", "container": "80", "protocol": "tcp"}


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("default", "bridge"),
        ("private", "bridge"),
        (["back"], "back"),
        (["back", "front"], "back,front"),
        ("back, front", "back,front"),
        ("container:web", "container:web"),
        ("ns:/run/netns/x", "ns:/run/netns/x"),
        ("host", "host"),
    ],
)
def test_network_modes(given, canonical):
    assert netvalues.network_mode(given) == canonical


@pytest.mark.parametrize(
    "given",
    ["", "container:", "ns:x", "pasta", "slirp4netns:x", "bridge:ip=10.0.0.1", ["host", "back"], ["a", "a"], [1]],
)
def test_wrong_modes(given):
    with pytest.raises(ValueError):
        netvalues.network_mode(given)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "host"},
        {"name": ""},
        {"name": "a", "ipv4_address": "fd00::1"},
        {"name": "a", "ipv6_address": "10.0.0.1"},
        {"name": "a", "mac_address": "01:00:00:00:00:01"},
        {"name": "a", "mac_address": "02:00:00"},
        {"name": "a", "aliases": ["b c"]},
    ],
)
def test_wrong_networks(entry):
    with pytest.raises(ValueError):
        netvalues.networks([entry])


@pytest.mark.parametrize(
    ("options", "kind", "mode"),
    [
        ({}, "networks", "bridge"),
        ({"network_mode": "none"}, "none", "none"),
        ({"published_ports": ["::80/tcp"]}, "networks", "bridge"),
        ({"networks": [{"name": "a"}]}, "networks", "bridge"),
        ({"network_mode": "host"}, "host", "host"),
        ({"network_mode": "container:x"}, "joined", "container:x"),
        ({"network_mode": "a,b"}, "networks", "a,b"),
    ],
)
def test_kinds(options, kind, mode):
    assert (netmode.kind(options), netmode.mode(options)) == (kind, mode)


@pytest.mark.parametrize(
    ("options", "networks"),
    [
        ({}, ["bridge"]),
        ({"network_mode": "none"}, []),
        ({"mac_address": "02:00:00:00:00:01"}, ["bridge"]),
        ({"network_mode": "bridge"}, ["bridge"]),
        ({"network_mode": "bridge", "networks": [{"name": "a"}]}, ["a"]),
        ({"network_mode": "b", "networks": [{"name": "a"}, {"name": "b"}]}, ["b", "a"]),
        ({"networks": [{"name": "a"}, {"name": "bridge"}]}, ["a", "bridge"]),
    ],
)
def test_what_a_container_is_connected_to(options, networks):
    assert [entry["network"] for entry in netmode.wanted({"options": options})] == networks


def test_all_exposed_ports():
    spec = {
        "options": {"publish_all_ports": True, "exposed_ports": ["53/udp"], "published_ports": [":8080:80/tcp"]},
        "image": {"config": {"ExposedPorts": {"80/tcp": {}, "443": {}}}},
    }
    published = netmode.published(spec)
    assert [(port["host"], port["container"], port["protocol"]) for port in published] == [
        ("8080", "80", "tcp"), ("", "443", "tcp"), ("", "53", "udp"),
    ]  # fmt: skip
    assert netmode.mode({"publish_all_ports": True}) == "bridge"
    assert len(netmode.published({"options": {"exposed_ports": ["53/udp"]}, "image": spec["image"]})) == 0


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        ({"network_mode": "host", "published_ports": [":1:1/tcp"]}, "published_ports", "network_mode: host"),
        ({"network_mode": "container:x", "networks": [{"name": "a"}]}, "networks", "network_mode: container:x"),
        ({"network_mode": "container:x", "dns_servers": ["192.0.2.1"]}, "dns_servers", "container:x"),
        ({"network_mode": "container:x", "sysctls": {"net.x": "1"}}, "sysctls: net.x", "container:x"),
        ({"network_mode": "ns:/n", "userns_mode": "private"}, "network_mode: ns:/n", "userns_mode: private"),
        (
            {"network_mode": "none", "etc_hosts": {"a": "host-gateway"}},
            "etc_hosts: host-gateway",
            "network_mode: none",
        ),
        ({"network_mode": "none", "published_ports": ["::80/tcp"]}, "published_ports", "network_mode: none"),
        (
            {"mac_address": "02:00:00:00:00:01", "networks": [{"name": "a", "mac_address": "02:00:00:00:00:02"}]},
            "mac_address",
            "networks: a: mac_address",
        ),
    ],
)
def test_contradictions_are_named(options, first, second):
    with pytest.raises(ContainerError) as caught:
        netchecks.check(options)
    assert first in caught.value.message
    assert second in caught.value.message
