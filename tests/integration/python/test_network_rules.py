# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter's rules for a network are made once for all of its containers, and let through what they should."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest
from conftest import WAIT
from nethost import CORE

# Programs of the host's own, found before the distribution's.
OWN = "mount -t tmpfs tmpfs /usr/local/sbin; cd /usr/local/sbin; "
SERVER = ["sh", "-c", 'trap "exit 0" TERM; while :; do echo web | nc -l -p 80 & wait $!; done']


def use(net, variant):
    """Have iptables of one of its two kinds on the host."""
    program = f"/usr/sbin/xtables-{variant}-multi"
    if not os.path.exists(program):
        pytest.skip(f"needs {program}, of the package iptables")
    names = [f"{kind}{name}" for kind in ("iptables", "ip6tables") for name in ("", "-save", "-restore")]
    net.sh(OWN + "; ".join(f"ln -s {program} {name}" for name in names))
    if "nf_tables" not in net.sh("iptables -V") and "legacy" not in net.sh("iptables -V"):
        pytest.skip("needs an iptables that says which kind it is")


def saved(net):
    """The rules of the host, each with the program that lists it."""
    programs = ("iptables", "ip6tables")
    lists = {program: net.sh(f"{program}-save").splitlines() for program in programs}
    return [(program, line) for program in programs for line in lists[program] if line.startswith("-A ")]


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_container_more_makes_no_rule_more(net, variant):
    use(net, variant)
    net.sh("iptables -N CNI-ADMIN; iptables -A CNI-ADMIN -s 192.0.2.7 -j DROP")
    net.network(ipv6=True, subnet_v6="fd00:6::/64", subnet="10.91.7.0/24")
    net.network("other", internal=True)
    net.run(name="one", command=WAIT, networks=[{"name": "back"}, {"name": "other"}])
    first = saved(net)
    assert ("iptables", "-A CNI-ADMIN -s 192.0.2.7/32 -j DROP") in first
    assert sum("agentless.oci network back" in line for _program, line in first) == 6
    assert len(first) == len(set(first))
    net.run(name="two", command=WAIT, networks=[{"name": "back"}, {"name": "other"}])
    assert saved(net) == first
    net.sh("iptables -F CNI-FORWARD; iptables -t nat -F; ip6tables -F; ip6tables -X")
    assert saved(net) != first
    net.task(name="two", state="stopped")
    net.task(name="two", state="started")
    assert sorted(saved(net)) == sorted(first)
    for name in ("one", "two"):
        net.task(name=name, state="absent")
    assert net.traces() == []
    for name in ("back", "other"):
        net.network(name, state="absent")
    left = saved(net)
    assert [line for _program, line in left if "agentless.oci" in line or "aoci" in line] == []
    assert ("iptables", "-A CNI-ADMIN -s 192.0.2.7/32 -j DROP") in left


@contextlib.contextmanager
def machine_outside(net):
    """A machine beyond a veth, 192.0.2.2; gives what a shell there prints. The host is 192.0.2.1."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=-1, stdout=-1) as machine:
        assert machine.stdout.read(1) == b"\n"

        def sh(script, check=True):
            argv = ["nsenter", "-t", str(machine.pid), "--net", "sh", "-c", script]
            return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=check).stdout

        net.sh("ip link add out0 type veth peer name out1; ip addr add 192.0.2.1/24 dev out0; ip link set out0 up")
        net.sh(f"ip link set out1 netns /proc/{machine.pid}/ns/net")
        sh("ip link set lo up; ip addr add 192.0.2.2/24 dev out1; ip link set out1 up")
        try:
            yield sh
        finally:
            net.sh("ip link del out0")
            machine.stdin.close()


def test_a_host_that_forwards_nothing_by_itself_forwards_what_is_ours(net):
    """Out, answered, by the host's address; in by published ports alone; forged addresses from outside are not ours."""
    net.sh("iptables -P FORWARD DROP")
    with machine_outside(net) as outside:
        made = net.run(command=SERVER, published_ports=["8080:80"])["container"]
        pid, address = made["State"]["Pid"], made["NetworkSettings"]["IPAddress"]
        # It has no route to the network: only what comes from the host's own address is answered.
        assert "1 packets received" in net.inside(pid, "ping -c 1 -W 2 192.0.2.2")
        net.until(lambda: outside("busybox nc -w 2 192.0.2.1 8080", check=False) == "web\n")
        outside("ip route add 10.90.0.0/16 via 192.0.2.1")
        assert outside(f"busybox nc -w 1 {address} 80", check=False) == ""
        assert "1 packets received" not in outside(f"busybox ping -c 1 -W 1 {address}", check=False)
        # Who says to be a container reaches nothing behind the host.
        net.sh("ip link add far0 type veth peer name far1; ip addr add 198.51.100.1/24 dev far0")
        net.sh("ip link set far0 up; ip link set far1 up; sysctl -qw net.ipv4.conf.all.rp_filter=0")
        net.sh("sysctl -qw net.ipv4.conf.out0.rp_filter=0; iptables -Z FORWARD")
        outside(f"ip addr add {address}/32 dev lo; ip route add 198.51.100.0/24 via 192.0.2.1")
        outside(f"busybox ping -I {address} -c 1 -W 1 198.51.100.2", check=False)
        dropped = net.sh("iptables -nvxL FORWARD").splitlines()[0]
        assert "policy DROP 1 packets" in dropped


def test_a_network_in_a_vlan_is_let_out_by_the_interface_that_it_leaves_by(net):
    """The bridge plugin gives the host another one beside the bridge for that."""
    if not net.sh("ip link add br9 type bridge vlan_filtering 1 && ip link del br9 && echo it can", check=False):
        pytest.skip("needs a kernel with CONFIG_BRIDGE_VLAN_FILTERING, as that of the suite v2")
    use(net, "legacy")  # which that kernel knows alone
    net.sh("iptables -P FORWARD DROP")
    net.network("tagged", vlan=100, subnet="10.91.7.0/24")
    with machine_outside(net):
        pid = net.run(command=WAIT, networks=[{"name": "tagged"}])["container"]["State"]["Pid"]
        assert "aoci0.100" in net.sh("ip -o link")
        assert "1 packets received" in net.inside(pid, "ping -c 1 -W 2 192.0.2.2")
    net.task(state="absent")
    net.network("tagged", state="absent")
    assert "aoci0" not in net.sh("iptables-save; ip -o link")


def test_where_firewalld_is_its_plugin_is_told_of_every_container(net):
    net.sh(OWN + "printf '#!/bin/sh\\n' > firewalld; chmod 755 firewalld")
    made = net.run(command=WAIT)["container"]
    address = made["NetworkSettings"]["IPAddress"]
    rules = net.sh("iptables-save")
    assert f"-A CNI-FORWARD -s {address}/32 -j ACCEPT" in rules
    assert f"-A POSTROUTING -s {address}/32" in rules
    assert "agentless.oci network" not in rules
    # What was connected so is taken off so, also when firewalld has gone since.
    net.sh("rm /usr/local/sbin/firewalld")
    net.run(name="db", command=WAIT)
    assert "agentless.oci network bridge" in net.sh("iptables-save")
    net.task(state="absent")
    assert f"{address}/32" not in net.sh("iptables-save")


NAMESPACE = """
import sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.network import namespace
from aoci.statedir import StateDir
import os
before = os.readlink("/proc/self/ns/net")
state = StateDir(sys.argv[2])
path = namespace.path_of(state, "x")
namespace.make(state, path)
assert os.readlink("/proc/self/ns/net") == before
made = os.stat(path).st_ino
namespace.remove(state, path)
print(made, before)
"""


@pytest.mark.parametrize("options", [["--net", "--mount"], ["--user", "--map-root-user", "--mount"]])
def test_a_namespace_is_made_with_and_without_a_way_back(tmp_path, options):
    """In a user namespace there is none into the network of the host, which belongs to another."""
    argv = ["unshare", *options, sys.executable, "-I", "-S", "-c", NAMESPACE, CORE, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    made, before = done.stdout.split()
    assert int(made) > 0
    assert made not in before
