# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oci_network: made, kept, changed and removed, and nothing of it left on the host."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import WAIT


def test_made_kept_changed_and_removed(net):
    given = {"subnet": "10.91.7.0/24", "ip_range": "10.91.7.128/25", "labels": {"a": "b"}}
    checked = net.network(check=True, **given)
    assert not os.path.exists(os.path.join(net.root, "networks"))
    made = net.network(**given)
    assert made["actions"] == checked["actions"] == ["created network back"]
    assert made["diff"] == checked["diff"]
    assert made["network"]["ranges"] == ["10.91.7.128-10.91.7.254"]
    again = net.network(**given)
    assert (again["actions"], again["diff"]) == ([], {"before": {}, "after": {}})
    changed = net.network(**{**given, "mtu": 1400})
    assert changed["actions"] == ["changed network back (mtu)"]
    assert net.network(**{**given, "mtu": 1400, "labels": {}})["actions"] == ["updated network back (labels)"]
    with pytest.raises(Error, match=r"subnet 10\.91\.7\.0/25 overlaps 10\.91\.7\.0/24 of network back"):
        net.network("other", subnet="10.91.7.0/25")
    assert net.network(state="absent", check=True)["actions"] == ["removed network back"]
    assert net.network(state="absent")["actions"] == ["removed network back"]
    assert net.network(state="absent")["actions"] == []


def test_what_is_chosen_stays_and_keeps_away_from_others(net):
    net.sh("ip link add name r0 type veth peer name r1; ip addr add 10.90.0.1/15 dev r0; ip link set r0 up")
    first = net.network("one")["network"]
    second = net.network("two", ipv6=True)["network"]
    assert (first["subnets"], second["subnets"][0]) == (["10.92.0.0/24"], "10.92.1.0/24")
    assert (first["interface"], second["interface"]) == ("aoci0", "aoci1")
    assert second["subnets"][1].startswith("fd")
    assert net.network("two", ipv6=True)["actions"] == []


def test_a_network_in_use_is_changed_and_removed_by_force_alone(net):
    net.network(subnet="10.91.7.0/24")
    made = net.run(command=WAIT, networks=[{"name": "back"}])["container"]
    for given in ({"state": "absent"}, {"subnet": "10.91.9.0/24"}):
        for check in (True, False):
            with pytest.raises(Error, match="while containers are connected to it: web"):
                net.network(check=check, **given)
    changed = net.network(subnet="10.91.9.0/24", force=True)
    assert changed["actions"] == ["disconnected container web", "changed network back (subnets, gateways)"]
    assert net.traces() == [line for line in net.traces() if "netns" in line or made["Id"] in line]
    done = net.run(command=WAIT, networks=[{"name": "back"}])
    assert done["actions"] == ["updated networks"]
    assert done["container"]["State"]["Pid"] == made["State"]["Pid"]
    assert done["container"]["NetworkSettings"]["IPAddress"].startswith("10.91.9.")
    bridge = changed["network"]["interface"]
    assert bridge in net.sh("iptables-save")
    net.network(state="absent", force=True)
    assert bridge not in net.sh("ip -o link; iptables-save; ip6tables-save")
    assert os.listdir(os.path.join(net.root, "run/leases")) == []
    with pytest.raises(Error, match="there is no network back"):
        net.run(command=WAIT, networks=[{"name": "back"}])
    assert os.path.isdir(f"/proc/{made['State']['Pid']}")
    assert net.task(state="stopped")["actions"] == ["stopped"]


def test_macvlan_is_in_the_network_of_its_parent(net):
    net.sh("ip link add name p0 type veth peer name p1; ip addr add 192.0.2.1/24 dev p1")
    net.sh("ip link set p0 up; ip link set p1 up")
    with pytest.raises(Error, match="parent: this host has no interface p9"):
        net.network("lan", driver="macvlan", parent="p9", subnet="192.0.2.0/24")
    net.network("lan", driver="macvlan", parent="p0", subnet="192.0.2.0/24", gateway="192.0.2.1")
    made = net.run(command=WAIT, networks=[{"name": "lan", "ipv4_address": "192.0.2.77"}])["container"]
    assert "1 packets received" in net.inside(made["State"]["Pid"], "ping -c 1 -W 2 192.0.2.1")
    with pytest.raises(Error, match=r"published_ports: none of the container's networks \(lan\)"):
        net.run(command=WAIT, networks=[{"name": "lan"}], published_ports=["8080:80"])
    net.run(name="db", command=WAIT, networks=[{"name": "lan"}])
    assert "1 packets received" in net.inside(net.pid("db"), "ping -c 1 -W 2 web")
    with pytest.raises(Error, match=r"container web has the address 192\.0\.2\.77"):
        net.run(name="x", command=WAIT, networks=[{"name": "lan", "ipv4_address": "192.0.2.77"}])


def test_drivers_and_settings_reach_the_container(net):
    net.sh("ip link add name p2 type veth peer name p3; ip addr add 192.0.2.1/24 dev p3")
    net.sh("ip link set p2 up; ip link set p3 up")
    net.network("lan", driver="ipvlan", parent="p2", subnet="192.0.2.0/24")
    if not net.sh("ip link add link p2 name i0 type ipvlan && ip link del i0 && echo it can", check=False):
        with pytest.raises(Error, match=r"network lan: the CNI plugin ipvlan failed .*operation not supported"):
            net.run(name="db", command=WAIT, networks=[{"name": "lan"}])
    else:
        net.run(name="db", command=WAIT, networks=[{"name": "lan"}])
        assert "1 packets received" in net.inside(net.pid("db"), "ping -c 1 -W 2 192.0.2.1")
    net.network("back", subnet="10.91.7.0/24", mtu=1400)
    pid = net.run(command=WAIT, networks=[{"name": "back"}])["container"]["State"]["Pid"]
    assert "mtu 1400" in net.inside(pid, "ip link show eth0")
    # Any other plugin, by its own configuration; in place.
    ipam = {"type": "host-local", "subnet": "10.92.0.0/24", "dataDir": f"{net.root}/run/leases"}
    net.network("link", conflist={"type": "ptp", "mtu": 1300, "ipam": ipam})
    assert net.run(command=WAIT, networks=[{"name": "link"}])["actions"] == ["updated networks"]
    assert "mtu 1300" in net.inside(pid, "ip link show eth0")
    assert "inet 10.92.0." in net.inside(pid, "ip addr")
    net.run(name="mac", command=WAIT, network_mode="bridge", mac_address="02-00-00-00-00-0B")
    assert "link/ether 02:00:00:00:00:0b" in net.inside(net.pid("mac"), "ip link show eth0")
    net.run(name="alone", command=WAIT, network_mode="none")
    assert net.inside(net.pid("alone"), "ls /sys/class/net").split() == ["lo"]


def test_another_runtime_joins_the_same_network(net, usable_runtime):
    name = usable_runtime("runc")
    first = net.run(command=WAIT, network_mode="bridge", runtime=name)["container"]
    net.run(name="db", command=WAIT, network_mode="bridge")
    assert "1 packets received" in net.inside(net.pid("db"), "ping -c 1 -W 2 web")
    assert net.run(command=WAIT, network_mode="bridge", runtime=name)["actions"] == []
    assert first["NetworkSettings"]["IPAddress"] in net.inside(first["State"]["Pid"], "ip addr")


def test_a_first_connection_that_fails_leaves_a_network_that_works(net):
    """The bridge has been made by then, and has neither a port nor an address."""
    net.network(subnet="10.91.7.0/24")
    net.run(name="db", command=WAIT, networks=[{"name": "back", "ipv4_address": "10.91.7.9"}])
    net.task(name="db", state="absent")
    net.sh("ip link del aoci0")
    lease = os.path.join(net.root, "run/leases/back/10.91.7.9")
    with open(lease, "w", encoding="ascii") as file:
        file.write("somebody\r\neth0")  # whom nobody knows
    with pytest.raises(Error, match=r"10\.91\.7\.9"):
        net.run(name="db", command=WAIT, networks=[{"name": "back", "ipv4_address": "10.91.7.9"}])
    os.unlink(lease)
    assert net.traces() == []
    done = net.run(command=WAIT, networks=[{"name": "back"}])
    assert done["container"]["NetworkSettings"]["IPAddress"].startswith("10.91.7.")
