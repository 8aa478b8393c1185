# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that few containers have, by what they do."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from cgroup_tasks import disk_number
from conftest import IMAGE, WAIT

FAST = {"command": WAIT, "force_kill": True}


def group(result, controller):
    """The directory of the container's group of *controller*; "" where that is cgroup v2's alone."""
    with open(f"/proc/{result['container']['State']['Pid']}/cgroup", encoding="ascii") as file:
        for line in file:
            _number, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return f"/sys/fs/cgroup/{controller}{path}"
    return ""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def disk():
    return disk_number()


def test_rates_of_a_device_come_change_and_go_in_place(host, disk):
    first = host.run(**FAST, device_read_bps=[f"{disk}:1m"], device_write_iops=[{"path": disk, "rate": 100}])
    blkio = group(first, "blkio")
    if not blkio:
        pytest.skip("needs cgroup v1's blkio")
    rates, operations = (f"{blkio}/blkio.throttle.{name}" for name in ("read_bps_device", "write_iops_device"))
    assert read(rates).split() == [disk, str(1 << 20)]
    assert read(operations).split() == [disk, "100"]
    assert host.run(**FAST, device_read_bps=[f"{disk}:1m"], device_write_iops=[f"{disk}:100"])["actions"] == []
    changed = host.run(**FAST, device_read_bps=[f"{disk}:2m"])
    assert changed["actions"] == ["updated device_read_bps, device_write_iops"]
    assert changed["container"]["Id"] == first["container"]["Id"]
    assert read(rates).split() == [disk, str(2 << 20)]
    assert read(operations).split() == []
    with open(rates, "w", encoding="ascii") as file:
        file.write(f"{disk} 5")
    assert host.run(**FAST, device_read_bps=[f"{disk}:2m"])["actions"] == ["updated device_read_bps"]
    assert host.run(**FAST)["actions"] == ["updated device_read_bps"]
    assert read(rates).split() == []
    with pytest.raises(Error, match="device_read_bps: there is no device /dev/nosuch"):
        host.run(**FAST, device_read_bps=["/dev/nosuch:1m"])


def test_the_oom_killer_is_switched_off_in_place(host):
    first = host.run(**FAST, memory="32m")
    memory = group(first, "memory")
    if not memory:
        pytest.skip("needs cgroup v1's memory")
    for killer, value in ((True, "1"), (False, "0")):
        assert host.run(**FAST, memory="32m", oom_killer=killer)["actions"] == ["updated oom_killer"]
        assert read(f"{memory}/memory.oom_control").startswith(f"oom_kill_disable {value}")


def test_a_group_above(host):
    parent = f"/aoci-{os.path.basename(host.root)}"
    result = host.run(**FAST, cgroup_parent=parent, memory="32m")
    path = read(f"/proc/{result['container']['State']['Pid']}/cgroup")
    assert f":{parent}/web-" in path
    assert host.run(**FAST, cgroup_parent=f"{parent}/", memory="32m")["actions"] == []
    assert host.run(**FAST, cgroup_parent=parent, memory="48m")["actions"] == ["updated memory"]
    moved = host.run(**FAST, memory="48m")
    assert moved["actions"] == ["replaced container web (cgroup_parent)", "started"]
    assert not [found for found, _below, _names in os.walk("/sys/fs/cgroup") if found.endswith(parent)]


def test_devices_by_rules(host):
    look = "mknod /full c 1 7; mknod /loop c 10 237; for d in full loop; do (: </$d) 2>/dev/null && echo $d; done; true"
    assert host.shell(look).split() == ["full"]
    assert host.shell(look, device_cgroup_rules=["c 10:* r"]).split() == ["full", "loop"]


def test_rules_of_devices_change_in_place(host):
    made = host.run(command=["sh", "-c", "mknod /loop c 10 237; exec sleep 1000"])["container"]
    host.until(lambda: host.aoci("exec", "web", "ls", "/loop", check=False).returncode == 0)

    def opens(path):
        return host.aoci("exec", "web", "sh", "-c", f": <{path}", check=False).returncode == 0

    assert (opens("/loop"), opens("/dev/null")) == (False, True)
    for rules, allowed in ((["c 10:* rw"], True), ([], False), (["c 10:237 r", "c 1:1 r"], True)):
        task = {"command": ["sh", "-c", "mknod /loop c 10 237; exec sleep 1000"], "device_cgroup_rules": rules}
        changed = host.run(**task)
        assert (changed["actions"], changed["container"]["Id"]) == (["updated device_cgroup_rules"], made["Id"])
        assert (opens("/loop"), opens("/dev/null")) == (allowed, True)
        assert host.run(**task)["actions"] == []
    host.kill(made["State"]["Pid"])
    host.run(**task)
    host.until(lambda: host.aoci("exec", "web", "ls", "/loop", check=False).returncode == 0)
    assert opens("/loop")  # and the bundle says so too


def test_files_that_are_hidden_and_shown(host):
    look = "wc -c </proc/keys; wc -c </proc/version; grep -c ' /proc/sys proc ro' /proc/self/mounts || true"
    hidden, version, read_only = host.shell(look).split()
    assert (hidden, int(version) > 0, read_only) == ("0", True, "1")
    assert host.shell(look, security_opts=["mask=/proc/version"]).split()[1] == "0"
    shown, _version, read_only = host.shell(look, security_opts=["unmask=ALL"]).split()
    assert (int(shown) > 0, read_only) == (True, "0")


def test_a_security_module_that_the_host_does_not_have(host):
    if os.path.exists("/sys/module/apparmor/parameters/enabled"):
        pytest.skip("this host has AppArmor")
    with pytest.raises(Error, match="security_opts: this host has no AppArmor"):
        host.run(**FAST, security_opts=["apparmor=docker-default"])
    assert host.run(**FAST, security_opts=["apparmor=unconfined", "label=disable"])["changed"]


def test_variables_from_a_file_of_the_host(host, tmp_path):
    file = tmp_path / "web.env"
    file.write_text("A=1\nB=two words\n", encoding="ascii")
    given = {"env_file": [str(file)], "env": {"A": "own"}}
    assert host.shell('echo "$A, $B"', **given) == "own, two words\n"
    host.run(**FAST, **given)
    assert host.run(**FAST, **given)["actions"] == []
    file.write_text("A=1\nB=secret words\n", encoding="ascii")
    told = host.run(check=True, **FAST, **given)
    assert told["actions"] == ["replaced container web (env)", "started"]
    assert "secret" not in str(told)


def test_ports_that_are_only_recorded(host):
    first = host.run(**FAST, exposed_ports=["80"])
    changed = host.run(**FAST, exposed_ports=["80", "81"])
    assert changed["actions"] == ["updated exposed_ports"]
    assert set(changed["container"]["Config"]["ExposedPorts"]) == {"80/tcp", "81/tcp"}
    assert changed["container"]["State"]["Pid"] == first["container"]["State"]["Pid"]


def test_the_file_of_a_time_zone(host):
    if not os.path.exists("/usr/share/zoneinfo/Asia/Ho_Chi_Minh"):
        pytest.skip("needs tzdata")
    assert host.shell("head -c 4 /etc/localtime", timezone="Asia/Ho_Chi_Minh") == "TZif"


def test_a_root_that_is_read_only_but_for_what_is_in_memory(host):
    write = "for d in /run /tmp /var/tmp; do touch $d/x && echo yes; done; touch /x 2>/dev/null || echo no"
    assert host.shell(write, read_only=True, read_only_tmpfs=True).split() == ["yes", "yes", "yes", "no"]


def test_the_hosts_file_of_the_image(host):
    assert "127.0.0.1" in host.shell("cat /etc/hosts")
    assert host.shell("cat /etc/hosts 2>/dev/null || echo none", no_hosts=True) == "none\n"


def test_another_name_of_the_same_image(host):
    host.run(**FAST)
    host.image("localhost/tests/busybox:2")
    assert host.run(check=True, **FAST, image="localhost/tests/busybox:2")["actions"] == ["updated image"]
    assert (
        host.run(check=True, **FAST, image="localhost/tests/busybox:2", image_name_mismatch="ignore")["actions"] == []
    )
    strict = host.run(**FAST, image="localhost/tests/busybox:2", image_strict=True)
    assert strict["actions"] == ["replaced container web (image)", "started"]
    other = {"image": "localhost/tests/busybox:1", "image_name_mismatch": "ignore", "labels": {"a": "b"}}
    assert host.run(**FAST, **other)["actions"] == ["updated labels"]
    assert host.status()["Running"]
    assert host.run(**FAST, **other)["container"]["Config"]["Image"] == "localhost/tests/busybox:2"


def test_how_long_a_stop_may_take(host):
    deaf = {"command": ["sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 1; done'], "stop_timeout": 3600}
    host.run(**deaf)
    host.until(lambda: "ready" in host.log())
    begun = time.monotonic()
    assert host.task(state="stopped", stop_time=0.1)["actions"] == ["stopped"]
    assert time.monotonic() - begun < 3600
    assert host.task(state="absent", delete_time=None, stop_time=0.1)["actions"] == ["removed container web"]


def test_paused_and_going_on(host):
    counting = {"command": ["sh", "-c", "while :; do echo tick; sleep 0.02; done"], "force_kill": True}
    first = host.run(**counting, paused=True)
    assert first["actions"] == ["created container web", "started", "paused"]
    assert first["container"]["State"]["Paused"] is True
    assert host.run(**counting, paused=True)["actions"] == []
    assert host.run(**counting)["actions"] == []
    assert host.run(**counting, paused=True, memory="64m")["actions"] == ["updated memory"]
    ticks = host.log().count("tick")
    told = host.run(check=True, **counting, memory="64m", paused=False)
    assert (told["actions"], told["diff"]["before"]) == (["unpaused"], {"paused": True})
    assert host.run(**counting, memory="64m", paused=False)["actions"] == ["unpaused"]
    host.until(lambda: host.log().count("tick") > ticks)
    assert host.status()["Pid"] == first["container"]["State"]["Pid"]


def test_a_link_to_the_log(host, tmp_path):
    talking = {"command": ["sh", "-c", f"echo hello; {WAIT[2]}"], "force_kill": True}
    path = tmp_path / "web.log"
    given = {**talking, "log_options": {"path": str(path), "max_size": "1mb"}}
    host.run(**given)
    host.until(lambda: path.exists() and path.read_text(encoding="ascii").endswith(" stdout F hello\n"))
    assert host.run(**given)["actions"] == []
    path.unlink()
    assert host.run(**given)["actions"] == ["updated log_options"]
    assert path.is_symlink()
    host.run(**given, recreate=True)
    host.until(lambda: path.exists() and "hello" in path.read_text(encoding="ascii"))
    other = tmp_path / "other.log"
    other.write_text("somebody's", encoding="ascii")
    with pytest.raises(Error, match=r"log_options: path: .*other\.log is there already"):
        host.run(**talking, log_options={"path": str(other)})
    assert path.is_symlink()
    with pytest.raises(Error, match="log_options: path: there is no directory /nosuch"):
        host.run(**talking, log_options={"path": "/nosuch/web.log"})
    assert host.run(**talking, log_options={"path": f"{tmp_path}/new.log"})["actions"] == ["updated log_options"]
    assert not path.is_symlink()
    host.task(state="absent", force_kill=True)
    assert sorted(tmp_path.iterdir()) == [other]


def test_annotations_are_for_the_runtime(host):
    host.run(**FAST, annotations={"org.example.team": "shop"})
    assert host.run(**FAST, annotations={"org.example.team": "shop"})["actions"] == []
    record = os.path.join(host.state.containers, "web", "bundle/config.json")
    assert '"org.example.team"' in read(record)


def test_the_processes_of_another_container(host, usable_runtime):
    with pytest.raises(Error, match="pid_mode: there is no container web"):
        host.run(name="side", command=WAIT, pid_mode="container:web")
    first = host.run(**FAST)
    side = {"name": "side", "command": WAIT, "pid_mode": "container:web", "force_kill": True}
    made = host.run(**side)
    assert made["container"]["HostConfig"]["PidMode"] == "container:web"
    pids = [result["container"]["State"]["Pid"] for result in (first, made)]
    assert len({os.readlink(f"/proc/{pid}/ns/pid") for pid in pids}) == 1
    assert host.run(**side)["actions"] == []
    seen = host.aoci("exec", "side", "ps").stdout
    assert seen.count("trap") >= 2, "it sees its own program and the other's"
    host.kill(pids[1])
    assert host.run(**side)["actions"] == ["started"]
    restarted = host.run(**FAST, restart=True)
    assert restarted["actions"] == ["restarted"]  # and with the namespace all that was in it has ended
    host.until(lambda: host.status("side")["Status"] == "exited")
    assert host.run(**side)["actions"] == ["started"]
    host.task(state="stopped", force_kill=True)
    host.ended("side")
    with pytest.raises(Error, match="pid_mode: container web does not run"):
        host.run(**side)
    assert host.run(**FAST)["actions"] == ["started"]
    assert host.run(**side, runtime=usable_runtime("runc"))["changed"]
    host.task(name="side", state="absent", force_kill=True)
    assert host.run(**FAST)["actions"] == []


def test_the_ipc_of_another_container(host, usable_runtime):
    with pytest.raises(Error, match="ipc_mode: there is no container web"):
        host.run(name="side", command=WAIT, ipc_mode="container:web")
    first = host.run(**FAST, shm_size="8m")
    side = {"name": "side", "command": WAIT, "ipc_mode": "container:web", "force_kill": True}
    made = host.run(**side)
    assert made["container"]["HostConfig"]["IpcMode"] == "container:web"
    pids = [result["container"]["State"]["Pid"] for result in (first, made)]
    assert len({os.readlink(f"/proc/{pid}/ns/ipc") for pid in pids}) == 1
    host.aoci("exec", "web", "sh", "-c", "echo from web > /dev/shm/one")
    host.aoci("exec", "side", "sh", "-c", "cat /dev/shm/one > /dev/shm/two")
    assert host.aoci("exec", "web", "cat", "/dev/shm/two").stdout == "from web\n"
    assert "size=8192k" in host.aoci("exec", "side", "grep", " /dev/shm ", "/proc/mounts").stdout
    assert host.run(**side)["actions"] == []
    # Started again by its monitor it has the same; and what it shares is its own when the other has ended.
    assert host.run(**side, restart_policy="always")["actions"] == ["updated restart_policy"]
    host.kill(pids[1])
    host.until(lambda: host.status("side")["Pid"] not in (0, pids[1]))
    assert host.aoci("exec", "side", "cat", "/dev/shm/one").stdout == "from web\n"
    assert host.run(**FAST, shm_size="8m", restart=True)["actions"] == ["restarted"]
    assert host.aoci("exec", "side", "cat", "/dev/shm/one").stdout == "from web\n"
    assert host.run(**side)["actions"] == [
        "updated restart_policy",
        "restarted (container:web has other IPC now)",
    ]
    assert host.aoci("exec", "side", "ls", "/dev/shm").stdout == ""
    # One that keeps it to itself, which changes nothing of it.
    pid = host.status()["Pid"]
    assert host.run(**FAST, shm_size="8m", ipc_mode="private")["actions"] == ["updated ipc_mode"]
    assert host.status()["Pid"] == pid
    with pytest.raises(Error, match=r"ipc_mode: container web keeps its IPC to itself \(ipc_mode: private\)"):
        host.run(**side, restart=True)
    host.run(**FAST, shm_size="8m")
    assert host.run(**side, runtime=usable_runtime("runc"))["changed"]
    host.aoci("exec", "web", "touch", "/dev/shm/three")
    assert os.listdir(f"/proc/{host.status('side')['Pid']}/root/dev/shm") == ["three"]
    host.task(state="stopped", force_kill=True)
    with pytest.raises(Error, match="ipc_mode: container web does not run, so it has no IPC to share"):
        host.run(**side, restart=True)
    assert host.shell("ls /dev; mount", ipc_mode="none").count("shm") == 0


def test_ports_that_the_image_exposes(net):
    made = net.task(image=IMAGE, command=WAIT, exposed_ports=["80", "53/udp"], publish_all_ports=True, force_kill=True)
    ports = made["container"]["NetworkSettings"]["Ports"]
    assert set(ports) == {"80/tcp", "53/udp"}
    (entry,) = ports["80/tcp"]
    with net.serving(net.pid(), 80, "tcp", "exposed"):
        net.until(lambda: net.ask("127.0.0.1", int(entry["HostPort"])).strip() == "exposed")
    given = {"image": IMAGE, "command": WAIT, "force_kill": True, "publish_all_ports": True}
    assert net.task(**given, exposed_ports=["53/udp", "80"])["actions"] == []
    more = net.task(**given, exposed_ports=["80", "53/udp", "90"])
    assert more["actions"] == ["updated exposed_ports"]
    assert more["container"]["NetworkSettings"]["Ports"]["80/tcp"] == [entry]
    assert more["container"]["NetworkSettings"]["Ports"]["90/tcp"][0]["HostPort"].isdigit()


def test_an_address_and_names_for_all_networks(net):
    net.network("front", subnet="10.91.8.0/24")
    made = net.task(image=IMAGE, command=WAIT, force_kill=True, network_mode=["front"], ip="10.91.8.20",
                    network_aliases=["kv"])  # fmt: skip
    assert made["container"]["NetworkSettings"]["IPAddress"] == "10.91.8.20"
    again = {"network_mode": "front:ip=10.91.8.20,alias=kv"}
    assert net.task(image=IMAGE, command=WAIT, force_kill=True, **again)["actions"] == []
