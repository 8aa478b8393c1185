# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to a container's network, the next run puts it right, and nothing of it is left at the end."""

from __future__ import annotations

import glob
import json
import os
import random
import subprocess
import sys
import time

import nethost
import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import WAIT

GIVEN = {"command": WAIT, "published_ports": ["8080:80", "90"], "networks": [{"name": "back"}, {"name": "bridge"}]}


def test_a_task_killed_at_any_moment_leaves_what_the_next_repairs(net):
    net.network("back", subnet="10.91.7.0/24")
    began = time.monotonic()
    net.run(**GIVEN)
    whole = time.monotonic() - began
    net.task(state="absent")
    generator = random.Random(7)
    rounds = int(os.environ.get("AGENTLESS_OCI_TEST_KILLS", "8"))
    for number in range(rounds):
        given = {**GIVEN, "image": "localhost/tests/busybox:1"}
        if number % 3 == 1:  # while a container is replaced, or changed in place
            given["env"] = {"A": str(number)}
            given["update"] = {"order": ("stop-first", "start-first")[number % 2]}
        elif number % 3 == 2:
            given["networks"] = [{"name": "back", "aliases": [f"a{number}"]}]
        else:
            given["published_ports"] = ["8080:80", f"{91 + number}"]
        if number % 4 > 1:
            given["userns_mode"] = "private"
        process = net.start_task("container", net.parameters(**given))
        time.sleep(whole * generator.random())
        process.kill()
        process.wait()
        process.stdout.close()
        done = net.run(**given)
        again = net.run(**given)
        assert again["actions"] == [], (number, done["actions"], again["actions"], again["diff"])
        pid = again["container"]["State"]["Pid"]
        with open(f"/proc/{pid}/uid_map", encoding="ascii") as file:
            assert (file.read().split()[1] != "0") is ("userns_mode" in given)
        for endpoint in again["container"]["NetworkSettings"]["Networks"].values():
            assert endpoint["IPAddress"] in net.inside(pid, "ip addr; cat /etc/hosts")
        traces = net.traces()
        assert sum("veth" in line for line in traces) == len(given["networks"]), number
        assert len({chain for line in traces for chain in line.split() if chain.startswith("CNI-DN-")}) == 1, number
        if number % 5 == 4:
            net.task(state="absent", force_kill=True)
            assert net.traces() == [], number
    net.task(state="absent", force_kill=True)
    assert net.traces() == []


def test_a_killed_container_and_monitor(net):
    made = net.run(command=WAIT, published_ports=["8080:80", "90"])["container"]
    for name in ("MonitorPid", "Pid"):
        net.kill(made["State"][name])
    done = net.run(command=WAIT, published_ports=["8080:80", "90"])
    assert done["actions"] == ["started"]
    assert done["container"]["NetworkSettings"]["Ports"] == made["NetworkSettings"]["Ports"]
    assert done["container"]["NetworkSettings"]["IPAddress"] == made["NetworkSettings"]["IPAddress"]
    for name in ("MonitorPid", "Pid"):
        net.kill(done["container"]["State"][name])
    net.task(state="absent")
    assert net.traces() == []


# What systemd runs when the container of a service has ended, and what it starts then.
ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container import records, unit, unitended, unitstart
class Bus:
    def __enter__(self): return self
    def __exit__(self, *raised): pass
unitended.Bus = Bus
unit.is_told = lambda bus, name: False
unit.restarts = lambda name: 1
unit.wait_adopted = lambda name, pid: None
unitstart._enter_group = lambda: None
unitstart.path_of_pid = lambda name: sys.argv[2] + "/pid"
if sys.argv[4] == "ended":
    records.unit = lambda record: "aoci.service"
verb = unitended.ended if sys.argv[4] == "ended" else unitstart.run
sys.exit(verb(["", sys.argv[2]], sys.argv[3]))
"""


@pytest.mark.parametrize(
    ("damage", "steps"),
    [
        ("", ["ended", "start"]),
        ("umount ROOT/run/netns/*; rm ROOT/run/netns/*", ["ended", "start fails", "ended", "start"]),
    ],
)
def test_a_service_that_is_started_again_has_its_network_still(net, damage, steps):
    given = {"published_ports": ["8080:80", "90"], "restart_policy": "always"}
    made = net.run(command=WAIT, **given)["container"]
    for name in ("MonitorPid", "Pid"):
        net.kill(made["State"][name])
    path = os.path.join(net.root, "containers", "." + made["Id"])
    net.sh(damage.replace("ROOT", net.root))
    for verb in steps:
        argv = net.enter(sys.executable, "-I", "-S", "-c", ALONE, nethost.CORE, path, net.root, verb)
        ran = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={}, check=False, timeout=120
        )
        assert ran.returncode == (verb == "start fails")
    net.until(lambda: net.status()["Status"] == "running")
    done = net.run(command=WAIT, **given)
    assert done["actions"] == []
    assert done["container"]["RestartCount"] == len(steps) // 2
    for key in ("Ports", "IPAddress", "SandboxKey"):
        assert done["container"]["NetworkSettings"].get(key) == made["NetworkSettings"].get(key)
    with net.serving(net.pid(), 80, "tcp", "again"):
        net.until(lambda: net.ask("127.0.0.1", 8080) == "again\n")
    net.task(state="absent")
    assert net.traces() == []


@pytest.mark.parametrize(
    ("damage", "actions"),
    [
        ("ip link del $(ip -o link | grep -o 'veth[0-9a-f]*' | head -n 1)", ["updated networks"]),
        ("ip link del aoci0", ["updated networks"]),
        ("umount ROOT/run/netns/*; rm ROOT/run/netns/*", ["restarted (its network namespace was gone)"]),
    ],
)
def test_damage_is_repaired(net, damage, actions):
    made = net.run(command=WAIT, published_ports=["8080:80"])["container"]
    net.sh(damage.replace("ROOT", net.root))
    checked = net.run(command=WAIT, published_ports=["8080:80"], check=True)
    done = net.run(command=WAIT, published_ports=["8080:80"])
    assert done["actions"] == checked["actions"] == actions
    assert done["diff"] == checked["diff"]
    assert net.run(command=WAIT, published_ports=["8080:80"])["actions"] == []
    container = done["container"]
    if actions == ["updated networks"]:
        assert container["State"]["Pid"] == made["State"]["Pid"]
    assert container["NetworkSettings"]["IPAddress"] in net.inside(container["State"]["Pid"], "ip addr")
    with net.serving(container["State"]["Pid"], 80, "tcp", "here"):
        net.until(lambda: net.ask("127.0.0.1", 8080).strip() == "here")


def test_a_rebooted_host(net):
    made = net.run(command=WAIT, published_ports=["8080:80", "90"])["container"]
    net.run(name="db", command=WAIT, network_mode="bridge")
    lease = os.path.join(net.root, "run/leases/bridge", made["NetworkSettings"]["IPAddress"])
    net.reboot()
    assert os.path.exists(lease)  # in a directory that outlives the boot
    net.run(name="other", command=WAIT, published_ports=["8080:80"])  # nobody has the port any more
    net.task(name="other", state="absent")
    done = net.run(command=WAIT, published_ports=["8080:80", "90"])
    assert done["actions"] == ["started"]
    settings = done["container"]["NetworkSettings"]
    assert settings["Ports"] == made["NetworkSettings"]["Ports"]
    assert settings["IPAddress"] == made["NetworkSettings"]["IPAddress"]
    assert "\tdb" not in net.inside(done["container"]["State"]["Pid"], "cat /etc/hosts")
    net.task(name="db", state="started")
    assert "\tdb" in net.inside(done["container"]["State"]["Pid"], "cat /etc/hosts")
    for name in ("db", "web"):
        net.task(name=name, state="absent")
    assert net.traces() == []


def test_a_container_removed_after_a_reboot(net):
    net.run(command=WAIT, published_ports=["8080:80"])
    net.reboot()
    net.task(state="absent")
    assert net.traces() == []


def test_what_cannot_be_given_back_without_plugins_is_not_forgotten(net):
    net.run(name="old", command=WAIT, network_mode="bridge")
    for name in ("MonitorPid", "Pid"):
        net.kill(net.status("old")[name])
    net.sh("mount -t tmpfs none /usr/lib/cni")
    with pytest.raises(Error, match="is not on this host"):
        net.task(name="old", state="absent")
    net.sh("umount /usr/lib/cni")
    net.task(name="old", state="absent")


PLUGIN = """#!/bin/sh
config=$(cat)
echo "$CNI_COMMAND begin" >> LOG
[ $CNI_COMMAND = ADD ] && sleep SECONDS
echo "$CNI_COMMAND end $CNI_IFNAME $(echo "$config" | grep -o '"prevResult"')" >> LOG
case $CNI_COMMAND in
ADD) echo '{"cniVersion": "1.0.0", "interfaces": [], "ips": [], "dns": {}}' ;;
esac
"""


def _plugin(net, text, **replaced):
    directory = os.path.join(net.root, "cni")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "ours")
    log = os.path.join(net.root, "plugin.log")
    for name, value in {"LOG": log, **replaced}.items():
        text = text.replace(name, str(value))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    net.environment["AGENTLESS_OCI_CNI_PATH"] = directory
    return log


def test_a_plugin_that_outlives_its_task_is_waited_for(net):
    log = _plugin(net, PLUGIN, SECONDS=1.5)
    net.network("slow", conflist={"plugins": [{"type": "ours"}]})
    process = net.start_task(
        "container", net.parameters(command=WAIT, image="localhost/tests/busybox:1", network_mode="slow")
    )
    net.until(lambda: os.path.exists(log))
    process.kill()
    process.wait()
    process.stdout.close()
    net.task(state="absent")
    with open(log, encoding="utf-8") as file:
        assert file.read().splitlines() == ["ADD begin", "ADD end eth0 ", "DEL begin", "DEL end eth0 "]


def test_a_plugin_s_own_words_are_the_error(net):
    words = """#!/bin/sh
[ $CNI_COMMAND = ADD ] || exit 0
echo '{"cniVersion": "1.0.0", "code": 7, "msg": "no cable", "details": "port 3"}'; exit 1
"""
    _plugin(net, words)
    net.network("broken", conflist={"type": "ours"})
    with pytest.raises(Error, match=r"network broken: the CNI plugin ours failed \(ADD of eth0\): no cable port 3"):
        net.run(command=WAIT, networks=[{"name": "broken"}])
    assert net.traces() == []
    first = net.run(command=WAIT, network_mode="none")["container"]
    with pytest.raises(Error, match="no cable port 3; the container before it runs again"):
        net.run(command=WAIT, networks=[{"name": "broken"}])
    assert net.status()["Running"]
    assert net.task(state="present")["container"]["Id"] == first["Id"]


def test_a_cached_result_is_what_del_and_later_plugins_get(net):
    log = _plugin(net, PLUGIN, SECONDS=0)
    net.network("chain", conflist={"plugins": [{"type": "ours"}, {"type": "ours"}]})
    net.run(command=WAIT, networks=[{"name": "chain"}])
    (path,) = glob.glob(os.path.join(net.root, "containers/.*/network.json"))
    with open(path, encoding="utf-8") as file:
        (entry,) = json.load(file)["attachments"]
    assert entry["result"]["cniVersion"] == "1.0.0"
    del net.environment["AGENTLESS_OCI_CNI_PATH"]  # where it was is recorded
    net.task(state="absent")
    with open(log, encoding="utf-8") as file:
        ends = [line for line in file.read().splitlines() if "end" in line]
    assert ends == ["ADD end eth0 ", 'ADD end eth0 "prevResult"', *['DEL end eth0 "prevResult"'] * 2]


def test_two_tasks_at_once_get_one_port_once(net):
    parameters = [
        net.parameters(name=f"c{number}", command=WAIT, image="localhost/tests/busybox:1", published_ports=["8080:80"])
        for number in range(3)
    ]
    results = []
    for process in [net.start_task("container", given) for given in parameters]:
        try:
            results.append(net._result(process))
        except Error as error:
            results.append(str(error))
    assert sum(isinstance(result, dict) for result in results) == 1, results
    assert sum("8080/tcp is taken: container c" in str(result) for result in results) == 2, results
