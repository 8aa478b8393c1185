# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks written for docker_container and for podman_container, run with the modules' names changed.

What they ask for is read from the kernel and from the containers, not from what the modules say of them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
NAMES = {
    "community.docker.docker_container": "agentless.oci.oci_container",
    "community.docker.docker_network": "agentless.oci.oci_network",
    "containers.podman.podman_container": "agentless.oci.oci_container",
    "containers.podman.podman_network": "agentless.oci.oci_network",
}
MAKE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - agentless.oci.oci_image:
        name: "{{ registry }}/shop/app:1"
        source: {rootfs: "{{ rootfs }}", config: {command: [sleep, "1000"], env: {PATH: /bin}}}
        push: true
    - agentless.oci.oci_image: {name: "{{ registry }}/shop/app:1", state: absent}
"""
WEB_CAPABILITIES = 1 << 10 | 1 << 12  # NET_BIND_SERVICE, NET_ADMIN


@pytest.fixture
def shop(net, tmp_path):
    """Runs playbooks on the host *net*, with a registry that has their image: (changed, what Ansible printed)."""
    store = str(tmp_path / "registry")
    script = os.path.join(CHECKOUT, "hacking/registry.py")
    started = subprocess.run(
        net.enter(sys.executable, script, "start", store), check=True, capture_output=True, text=True
    )
    python = tmp_path / "python-inside"
    enter = " ".join(net.enter("/usr/bin/python3"))
    python.write_text(f'#!/bin/sh\nexec {enter} "$@"\n', encoding="ascii")
    python.chmod(0o755)
    for directory in ("work", "work/html", "work/data"):
        (tmp_path / directory).mkdir(mode=0o777)
    (tmp_path / "work/data").chmod(0o777)
    (tmp_path / "work/html/index.html").write_text("hello", encoding="ascii")
    (tmp_path / "work/web.env").write_text("FROM_FILE=yes\nWORKERS=file\n", encoding="ascii")
    given = {
        "registry": json.loads(started.stdout)["address"],
        "work": str(tmp_path / "work"),
        "rootfs": net.rootfs,
        "ansible_python_interpreter": str(python),
    }

    def run(text):
        path = tmp_path / "play.yml"
        path.write_text(text, encoding="utf-8")
        program = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
        done = subprocess.run(
            [program, "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(path)],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        changed = re.search(r"changed=(\d+)", done.stdout)
        return int(changed[1]), done.stdout + done.stderr

    run.work = given["work"]
    try:
        run(MAKE)
        yield run
    finally:
        subprocess.run([sys.executable, script, "stop", store], check=True, capture_output=True)


def converted(name):
    with open(os.path.join(HERE, "peers", name), encoding="utf-8") as file:
        text = file.read()
    for theirs, ours in NAMES.items():
        text = text.replace(theirs, ours)
    assert "podman_" not in text.partition("tasks:")[2].replace("podman_container.", "")
    return text


def inspected(net, name):
    return net.task(name=name, state="present", check=True)["container"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def status_of(pid):
    return dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":\t" in line)


def environment_of(pid):
    """Of the program, which is the child of the init that is process 1."""
    child = read(f"/proc/{pid}/task/{pid}/children").split()[0]
    return dict(item.split("=", 1) for item in read(f"/proc/{child}/environ").split("\0") if item)


def control(pid, controller, v1, v2):
    """The content of a control file of the process's group."""
    groups = [line.split(":", 2) for line in read(f"/proc/{pid}/cgroup").splitlines()]
    for _number, controllers, path in groups:
        if controller in controllers.split(","):
            return read(f"/sys/fs/cgroup/{controller}{path}/{v1}").strip()
    return read(f"/sys/fs/cgroup{groups[0][2]}/{v2}").strip()


def check_web(net, shop, umask):
    """What both playbooks ask of the web server, as the kernel has it."""
    web = inspected(net, "web")
    pid = web["State"]["Pid"]
    status = status_of(pid)
    assert status["Uid"].split() == ["1000"] * 4
    assert int(status["CapBnd"], 16) == WEB_CAPABILITIES
    assert status["NoNewPrivs"] == "1"
    assert status["Umask"] == umask
    environment = environment_of(pid)
    assert environment["TZ"] == "Asia/Ho_Chi_Minh"
    assert (environment["WORKERS"], environment["FROM_FILE"]) == ("4", "yes")
    assert environment["GREETING"] == "Hello World"
    assert re.search(r"Max open files +1024 +2048", read(f"/proc/{pid}/limits"))
    assert control(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert control(pid, "pids", "pids.max", "pids.max") == "50"
    assert control(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert net.inside(pid, "hostname").strip() == "web1"
    assert net.inside(pid, "cat /proc/sys/net/core/somaxconn").strip() == "256"
    assert net.inside(pid, "cat /srv/html/index.html; pwd") == "hello/\n"
    mounts = {line.split()[4]: line for line in read(f"/proc/{pid}/mountinfo").splitlines()}
    assert " ro," in mounts["/"]
    assert " ro," in mounts["/srv/html"]
    assert " rw," in mounts["/data"]
    assert "/volumes/shop-cache" in mounts["/cache"]
    assert "size=1024k" in mounts["/scratch"]
    assert "size=16384k" in mounts["/dev/shm"]
    assert os.readlink(f"/proc/{pid}/cwd").endswith("/srv")
    assert net.inside(pid, "stat -c %t:%T /dev/nothing").strip() == "1:3"
    hosts, resolv = net.inside(pid, "cat /etc/hosts"), net.inside(pid, "cat /etc/resolv.conf")
    assert "192.0.2.7" in hosts
    assert "nameserver 192.0.2.53" in resolv
    assert "example.com" in resolv
    assert web["Config"]["Labels"] == {"app": "shop", "tier": "Web"}
    assert web["HostConfig"]["MemoryReservation"] == 32 << 20
    assert web["State"]["Health"]["Status"] == "healthy"
    assert net.inside(pid, "cat /proc/1/comm").strip() != "sh", "process 1 is not an init"
    with net.serving(pid, 80, "tcp", "from the web"):
        net.until(lambda: net.ask("127.0.0.1", 8080).strip() == "from the web")
    with net.serving(pid, 82, "udp", "udp, too"):
        net.until(lambda: net.ask(web["NetworkSettings"]["Gateway"], 8082, "udp").strip() == "udp, too")
    names = net.inside(net.pid("db"), "cat /etc/hosts")
    assert {"web", "www", "shop.internal"} <= set(names.split())
    return web


def check_others(net):
    web, db, sidecar = (inspected(net, name) for name in ("web", "db", "sidecar"))
    assert control(db["State"]["Pid"], "memory", "memory.limit_in_bytes", "memory.max") == str(48 << 20)
    assert read(f"/proc/{db['State']['Pid']}/oom_score_adj").strip() == "100"
    assert db["NetworkSettings"]["Ports"]["5432/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "5432"}]
    assert set(db["Config"]["ExposedPorts"]) == {"5432/tcp", "9187/tcp"}
    spaces = [os.readlink(f"/proc/{one['State']['Pid']}/ns/net") for one in (web, sidecar)]
    assert spaces[0] == spaces[1]
    assert int(status_of(sidecar["State"]["Pid"])["CapEff"], 16) & 1 << 21  # SYS_ADMIN
    assert inspected(net, "standby")["State"]["Status"] == "created"
    assert os.readlink(f"/proc/{sidecar['State']['Pid']}/fd/1").startswith("/dev/pts/")
    assert not os.path.lexists(os.path.join(net.state.containers, "migrate"))


def test_a_playbook_for_docker_container(net, shop):
    text = converted("docker_container.yml")
    changed, _said = shop(text)
    assert changed == 5
    web = check_web(net, shop, "0022")
    assert web["HostConfig"]["RestartPolicy"] == {"Name": "unless-stopped", "MaximumRetryCount": 0}
    assert web["HostConfig"]["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": str(1 << 20), "max-file": "3"},
    }
    assert json.loads(read(web["LogPath"]).splitlines()[0])["log"] == "serving\n"
    check_others(net)
    pid = net.pid("db")
    mounts = {line.split()[4]: line for line in read(f"/proc/{pid}/mountinfo").splitlines()}
    assert " ro," in mounts["/var/lib/data"]
    assert "size=1024k" in mounts["/var/cache"]
    before = {name: net.pid(name) for name in ("web", "db", "sidecar")}
    changed, said = shop(text)
    assert changed == 0, said
    assert {name: net.pid(name) for name in before} == before


def test_a_playbook_for_podman_container(net, shop):
    text = converted("podman_container.yml")
    changed, said = shop(text)
    assert changed == 5
    assert "generate_systemd has no effect" in said
    assert "the value of DEBUG is not a string and is taken as True" in said
    net.until(lambda: inspected(net, "web")["State"]["Health"]["Status"] == "healthy")
    web = check_web(net, shop, "0027")
    pid = web["State"]["Pid"]
    assert web["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert environment_of(pid)["DEBUG"] == "True"
    assert "2000" in status_of(pid)["Groups"].split()
    assert " stdout F serving\n" in read(web["LogPath"])
    assert read(os.path.join(shop.work, "web.log")) == read(web["LogPath"])
    assert "front" in net.inside(net.pid("db"), "cat /etc/hosts").split()
    check_others(net)
    before = {name: net.pid(name) for name in ("web", "db", "sidecar")}
    changed, said = shop(text)
    assert changed == 0, said
    assert {name: net.pid(name) for name in before} == before
