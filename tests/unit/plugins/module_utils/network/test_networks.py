# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.network import (
    addresses,
    cni,
    conflist,
    hosts,
    options,
    package,
    subnets,
)
from ansible_collections.agentless.oci.plugins.module_utils.network import ports as host_ports
from ansible_collections.agentless.oci.plugins.module_utils.network.errors import NetworkError
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

RANGES = [{"subnet": "10.91.7.0/24", "gateway": "10.91.7.1"}]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (("10.91.7.0/24", "", ""), {"subnet": "10.91.7.0/24", "gateway": "10.91.7.1"}),
        (
            ("10.91.7.0/24", "10.91.7.254", "10.91.7.128/26"),
            {
                "subnet": "10.91.7.0/24",
                "gateway": "10.91.7.254",
                "rangeStart": "10.91.7.128",
                "rangeEnd": "10.91.7.191",
            },
        ),
        (
            ("10.91.7.0/24", "", "10.91.7.0/24"),
            {"subnet": "10.91.7.0/24", "gateway": "10.91.7.1", "rangeStart": "10.91.7.1", "rangeEnd": "10.91.7.254"},
        ),
        (("fd00::/64", "", ""), {"subnet": "fd00::/64", "gateway": "fd00::1"}),
    ],
)
def test_ranges(given, made):
    assert addresses.address_range(*given) == made


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("10.91.7.1/24", "", ""), "has host bits set"),
        (("10.91.7.0/31", "", ""), "no room"),
        (("10.91.7.0/24", "10.91.8.1", ""), "not an address of a host in"),
        (("10.91.7.0/24", "10.91.7.255", ""), "not an address of a host in"),
        (("10.91.7.0/24", "", "10.91.8.0/25"), "does not lie in the subnet"),
        (("10.91.7.0/24", "x", ""), "gateway 'x'"),
    ],
)
def test_wrong_ranges(given, reason):
    with pytest.raises(NetworkError, match=reason):
        addresses.address_range(*given)


def made(**given):
    return conflist.make("back", "bridge", RANGES, bridge="aoci1", leases="/leases", **given)


def test_a_bridge_leads_out_and_an_internal_one_does_not():
    document = made()
    assert [plugin["type"] for plugin in document["plugins"]] == ["bridge", "portmap", "firewall", "tuning"]
    assert document["plugins"][0]["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}]
    assert conflist.has_capability(document, "portMappings")
    inner = made(internal=True)
    assert "routes" not in inner["plugins"][0]["ipam"]
    assert not inner["plugins"][0]["isGateway"]
    assert conflist.is_internal(inner)
    assert not conflist.has_capability(inner, "portMappings")
    assert conflist.without_default_route(document)["plugins"][0]["ipam"]["routes"] == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.91.8.2", "does not lie in its subnet 10.91.7.0/24"),
        ("10.91.7.1", "its gateway's address"),
        ("10.91.7.255", "not an address of a host"),
        ("fd00::1", "does not lie in its subnet"),
    ],
)
def test_wrong_fixed_addresses(address, reason):
    with pytest.raises(NetworkError, match=reason):
        addresses.check_addresses(made(), [address])
    addresses.check_addresses(made(), ["10.91.7.2"])


def test_a_raw_conflist():
    document = conflist.of_raw("link", {"type": "ptp", "ipam": {"type": "dhcp"}})
    assert document["plugins"] == [{"type": "ptp", "ipam": {"type": "dhcp"}}]
    assert (document["name"], document["cniVersion"]) == ("link", "1.0.0")
    for wrong in ({"plugins": []}, {"plugins": [{}]}, {"name": "other", "type": "ptp"}, {}):
        with pytest.raises(NetworkError, match="conflist"):
            conflist.of_raw("link", wrong)


def test_free_subnets_keep_away_from_all_others():
    taken = [
        ipaddress.ip_network("10.90.0.0/16"),
        ipaddress.ip_network("10.91.0.0/24"),
        ipaddress.ip_network("fd00::/8"),
    ]
    assert subnets.choose(taken, default=True) == "10.92.0.0/16"
    assert subnets.choose(taken, default=False) == "10.91.1.0/24"
    assert subnets.choose([ipaddress.ip_network("10.0.0.0/8")], default=False) == "172.16.0.0/24"
    found = {"a": [{"subnet": "10.1.0.0/16"}], "ipam": {"ranges": [[{"subnet": "10.2.0.0/16"}]]}}
    assert [str(net) for net in subnets.of_conflist(found)] == ["10.1.0.0/16", "10.2.0.0/16"]


def want(host, container="80", protocol="tcp", ip=""):
    return {"ip": ip, "host": host, "container": container, "protocol": protocol}


def test_ports_are_chosen_past_those_of_others():
    used = [host_ports.Used("", 42001, "tcp", "web"), host_ports.Used("127.0.0.1", 42002, "tcp", "db")]
    assert host_ports.choose([want("42001-42009", ip="127.0.0.2")], used)[0]["hostPort"] == 42002
    assert host_ports.choose([want("42001-42009")], used)[0]["hostPort"] == 42003
    kept = [{"hostPort": 42005, "containerPort": 80, "protocol": "tcp"}]
    assert host_ports.choose([want("42001-42009")], used, kept)[0]["hostPort"] == 42005
    assert host_ports.choose([want("42001", protocol="udp")], used)[0]["hostPort"] == 42001
    with pytest.raises(NetworkError, match="42001/tcp is taken: container web publishes it"):
        host_ports.choose([want("42001")], used)
    with pytest.raises(NetworkError, match="none of the ports 42001-42002/tcp is free"):
        host_ports.choose([want("42001-42002")], used)
    random = host_ports.choose([want(""), want("", "81")], used)
    assert random[0]["hostPort"] != random[1]["hostPort"]


def test_our_part_of_a_hosts_file_alone_is_changed():
    first = hosts.merged(b"127.0.0.1\tlocalhost", ["10.0.0.2\tweb"])
    assert first.startswith(b"127.0.0.1\tlocalhost\n#")
    mixed = first + b"192.0.2.1\tby-hand\n"
    second = hosts.merged(mixed, ["10.0.0.3\tweb"])
    assert b"10.0.0.2" not in second
    assert b"10.0.0.3\tweb\n" in second
    assert b"by-hand" in second
    assert hosts.merged(second, []) == b"127.0.0.1\tlocalhost\n192.0.2.1\tby-hand\n"


def parameters(**given):
    return {**{name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}, "name": "back", **given}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"name": "host"}, "is a network_mode"),
        ({"name": "a/b"}, "cannot be the name"),
        ({"driver": "macvlan"}, "needs parent"),
        ({"driver": "ipvlan", "parent": "eth0", "mode": "vepa"}, "ipvlan has no mode 'vepa'"),
        ({"driver": "macvlan", "parent": "eth0", "internal": True}, "internal is for the driver bridge"),
        ({"parent": "eth0"}, "parent is for the drivers macvlan and ipvlan"),
        ({"gateway": "10.0.0.1"}, "gateway needs subnet"),
        ({"mtu": 5}, "mtu: 5 is not from"),
        ({"vlan": 5000}, "vlan: 5000 is not from"),
        ({"interface_name": "a-name-too-long-for-linux"}, "cannot be the name of a network interface"),
        ({"conflist": {"type": "ptp"}, "mtu": 1400}, "conflist and mtu contradict"),
        ({"ipam_config": [{"subnet": "10.0.0.0/24"}], "subnet": "10.0.0.0/24"}, "ipam_config and subnet contradict"),
        ({"driver_options": {"nosuch": 1}}, "no option 'nosuch'"),
        ({"driver_options": {"mtu": "x"}}, "must be a number"),
        ({"driver_options": {"mtu": 1400}, "mtu": 1500}, "contradict each other"),
    ],
)
def test_wrong_networks_are_one_message(given, reason):
    with pytest.raises(NetworkError, match=reason):
        options.check(options.merged(parameters(**given)))


def test_what_a_task_leaves_open_stays_as_it_is(tmp_path):
    state = StateDir(str(tmp_path))
    before = made()
    again = options.desired(state, parameters(), {**before, "plugins": before["plugins"]})
    assert again["plugins"][0]["bridge"] == "aoci1"
    assert again["plugins"][0]["ipam"]["ranges"] == [[RANGES[0]]]


@pytest.mark.parametrize(
    ("document", "given", "left"),
    [
        (made(), {}, ["bridge", "firewall"]),
        (made(), {"ports": True}, ["bridge", "portmap", "firewall"]),
        (made(), {"ruled": True}, ["bridge"]),
        (made(), {"ports": True, "ruled": True}, ["bridge", "portmap"]),
        (made(internal=True), {}, ["bridge", "firewall"]),
        (made(internal=True), {"ruled": True}, ["bridge"]),
        (conflist.of_raw("x", {"plugins": made()["plugins"]}), {}, ["bridge", "portmap", "firewall", "tuning"]),
        ({**made(), conflist.OURS: None}, {}, ["bridge", "portmap", "firewall", "tuning"]),
    ],
)
def test_only_what_plugins_of_ours_need_not_do_is_left_out(document, given, left):
    found = conflist.for_container(document, **{"ports": False, "ruled": False, **given})
    assert [plugin["type"] for plugin in found["plugins"]] == left
    assert {**found, "plugins": 0} == {**document, "plugins": 0}
    masked = bool(document["plugins"][0]["ipMasq"]) and not given.get("ruled")
    assert found["plugins"][0] == {**document["plugins"][0], "ipMasq": masked}


@pytest.mark.parametrize(
    ("os_release", "name"),
    [
        ('PRETTY_NAME="Debian"\nID=debian\n', "containernetworking-plugins"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "containernetworking-plugins"),
        ("ID=alpine\n", "cni-plugins"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "cni-plugins"),
        ("ID='endeavouros'\nID_LIKE='arch'\n", "cni-plugins"),
        ("ID=nixos\n", ""),
        ("", ""),
    ],
)
def test_the_package_of_a_distribution(os_release, name):
    assert package.name(os_release) == name


def test_what_is_missing_is_named_with_its_package(tmp_path, monkeypatch):
    (tmp_path / "os-release").write_text("ID=arch\n")
    monkeypatch.setattr(package, "_FILES", (str(tmp_path / "none"), str(tmp_path / "os-release")))
    places = [str(tmp_path / "cni")]
    (tmp_path / "cni").mkdir()
    with pytest.raises(NetworkError, match="CNI plugin 'bridge' is not on this host") as caught:
        cni.check_plugins(made(), places)
    assert "Install the package cni-plugins, as the role agentless.oci.host does" in str(caught.value)
    for name in ("bridge", "host-local", "portmap", "firewall", "tuning"):
        (tmp_path / "cni" / name).touch(mode=0o755)
    monkeypatch.setattr(cni, "PATH", str(tmp_path))
    with pytest.raises(NetworkError, match="program iptables is not on this host") as caught:
        cni.check_plugins(made(), places)
    assert "Install the package iptables" in str(caught.value)
    (tmp_path / "cni" / "macvlan").touch(mode=0o755)
    cni.check_plugins(conflist.make("lan", "macvlan", RANGES, parent="p0", leases="/l"), places)
    (tmp_path / "iptables").touch(mode=0o755)
    cni.check_plugins(made(), places)


def document(name, *attachments, silent=False):
    found = [
        {
            "wanted": {"network": network, "aliases": aliases},
            "result": {"ips": [{"address": f"{address}/24"}]},
        }
        for network, address, *aliases in attachments
    ]
    return {"name": name, "names": [name, f"{name}-id"], "silent": silent, "attachments": found}


def test_what_containers_are_told_of_each_other():
    web = document("web", ("front", "10.0.0.2", "www"), ("back", "10.0.1.2"))
    db, api = document("db", ("back", "10.0.1.3")), document("api", ("front", "10.0.0.3"))
    newer = document("web", ("back", "10.0.1.9"), silent=True)
    told = hosts.Told([web, db, newer, api])
    assert told.lines(web) == [
        "10.0.0.2\tweb web-id www", "10.0.1.2\tweb web-id", "10.0.0.3\tapi api-id", "10.0.1.3\tdb db-id",
    ]  # fmt: skip
    assert told.lines(db) == ["10.0.1.3\tdb db-id", "10.0.1.2\tweb web-id"]
    assert told.lines(newer) == ["10.0.1.9\tweb web-id", "10.0.1.3\tdb db-id"]
    assert told.lines(db) == ["10.0.1.3\tdb db-id", "10.0.1.2\tweb web-id"]
