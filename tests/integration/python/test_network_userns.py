# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of containers with a user namespace of their own: theirs to rule inside, and nobody's outside."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import FIRST

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']
SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do echo from-web | nc -l -p 80 & wait $!; done']
NS_GET_USERNS = 0xB701  # linux/nsfs.h


def owner(pid):
    """The user namespace that the network namespace of process *pid* belongs to (ioctl_nsfs(2))."""
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    found = fcntl.ioctl(fd, NS_GET_USERNS)
    os.close(fd)
    inode = os.fstat(found).st_ino
    os.close(found)
    return inode


@pytest.mark.parametrize("runtime", ["", "runc"])
def test_a_network_of_its_own(net, runtime):
    given = {"command": SERVE, "published_ports": ["8080:80"], "userns_mode": "auto"}
    if runtime:
        if not os.path.exists(f"/usr/sbin/{runtime}"):
            pytest.skip(f"needs {runtime}")
        given["runtime"] = runtime
    given["sysctls"] = {"net.ipv4.ip_unprivileged_port_start": "1000", "net.ipv4.ip_forward": "0"}
    made = net.run(**given)["container"]
    pid = made["State"]["Pid"]
    assert owner(pid) == os.stat(f"/proc/{pid}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino
    with open(f"/proc/{pid}/uid_map", encoding="ascii") as file:
        assert file.read().split() == ["0", str(FIRST), "65536"]
    # It serves a port below 1024 for which nothing but the power over its own network is good.
    net.until(lambda: net.ask("127.0.0.1", 8080).strip() == "from-web")
    seen = net.inside(
        pid,
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ls /sys/class/net;"
        "ping -c 1 -W 2 10.90.0.1 | grep received;"
        "ip link set lo down && ip link set lo up && echo rules; ip addr show eth0 | grep -c 10.90.0",
    ).splitlines()
    assert seen[0] == "1000"
    assert seen[1:3] == ["eth0", "lo"]
    assert "1 packets received" in seen[3]
    assert seen[4:] == ["rules", "1"]
    assert net.run(**given)["actions"] == []
    script = "id -u; cat /proc/self/uid_map; ping -c 1 -W 2 10.90.0.1 | grep -c '1 packets received'"
    argv = [sys.executable, "-I", "-S", entry.__file__, "--root", net.root, "exec", "web", "sh", "-c", script]
    said = subprocess.run(net.enter(*argv), capture_output=True, text=True, check=True).stdout
    assert said.split() == ["0", "0", str(FIRST), "65536", "1"]
    before = made["NetworkSettings"]["IPAddress"]
    net.kill(pid)
    again = net.run(**given)["container"]
    assert again["NetworkSettings"]["IPAddress"] == before
    net.until(lambda: net.ask("127.0.0.1", 8080).strip() == "from-web")
    net.task(state="absent", force_kill=True)
    assert net.traces() == []


def test_they_find_each_other_and_those_of_the_host(net):
    net.run(command=WAIT, network_mode="bridge", userns_mode="private")
    net.run(name="db", command=SERVE, network_mode="bridge", userns_mode="private")
    net.run(name="plain", command=WAIT, network_mode="bridge")
    for name in ("web", "plain"):
        net.until(lambda name=name: net.inside(net.pid(name), "nc -w 2 db 80", check=False).strip() == "from-web")
    net.network("back")
    given = {"command": WAIT, "networks": [{"name": "bridge"}, {"name": "back"}], "userns_mode": "private"}
    assert net.run(**given)["container"]["State"]["Pid"] == net.pid()  # connected in place
    assert net.inside(net.pid(), "ls /sys/class/net").split() == ["eth0", "eth1", "lo"]


def test_the_monitor_starts_it_again_on_the_same_network(net):
    script = "echo again >> /count; [ $(wc -l < /count) -ge 3 ] && exec sleep 1000; exit 1"
    given = {"userns_mode": "private", "network_mode": "bridge", "restart_policy": "on-failure"}
    net.run(command=["sh", "-c", script], **given)
    net.until(lambda: net.status()["Running"] and net.status()["Pid"] and "3" in _count(net))
    assert "1 packets received" in net.inside(net.pid(), "ping -c 1 -W 2 10.90.0.1")


def _count(net):
    pid = net.pid()
    return net.inside(pid, "wc -l < /count", check=False) if pid else ""


def test_what_was_kept_is_gone(net):
    """As after a reboot: the next task makes both namespaces anew, and the address is the same."""
    given = {"command": SERVE, "published_ports": ["8080:80"], "userns_mode": "private"}
    made = net.run(**given)["container"]
    net.kill(made["State"]["Pid"])
    kept = f"{net.root}/run/netns/{made['Id']}"
    net.sh(f"for kept in {kept} {kept}.user; do while umount -l $kept 2>/dev/null; do :; done; rm -f $kept; done")
    again = net.run(**given)["container"]
    assert again["NetworkSettings"]["IPAddress"] == made["NetworkSettings"]["IPAddress"]
    pid = again["State"]["Pid"]
    assert owner(pid) == os.stat(f"/proc/{pid}/ns/user").st_ino
    net.until(lambda: net.ask("127.0.0.1", 8080).strip() == "from-web")


def test_another_s_network_is_none_of_its(net):
    net.run(command=WAIT, network_mode="bridge")
    with pytest.raises(Error, match="the network belongs to another user namespace"):
        net.run(name="other", command=WAIT, network_mode="container:web", userns_mode="private")
