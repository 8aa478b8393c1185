# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container sees of its options, from inside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import FIRST

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({}, "0:0:0"),
        ({"user": "app"}, "1000:1000:1000 2000"),
        ({"user": "app:extra"}, "1000:2000:2000"),
        ({"user": "1234:4321"}, "1234:4321:4321"),
        ({"user": "1234", "groups": ["extra", "77"]}, "1234:0:0 77 2000"),
    ],
)
def test_user_and_groups(host, given, ids):
    seen = host.shell("echo $(id -u):$(id -g):$(id -G)", **given).strip().split(":")
    expected = ids.split(":")
    assert seen[:2] == expected[:2]
    assert set(seen[2].split()) == set(expected[2].split())


def test_environment(host):
    lines = host.shell("env", env={"A": "x y", "FROM_IMAGE": "no", "PORT": 6379}, hostname="db").splitlines()
    values = dict(line.split("=", 1) for line in lines)
    assert (values["A"], values["FROM_IMAGE"], values["PORT"]) == ("x y", "no", "6379")
    assert (values["HOSTNAME"], values["HOME"], values["PATH"]) == ("db", "/root", "/bin")
    # Everything else is the shell's own.
    assert set(values) - {"PWD", "SHLVL", "OLDPWD"} == {"A", "FROM_IMAGE", "PORT", "HOSTNAME", "HOME", "PATH"}


def test_names(host):
    seen = host.shell(
        "hostname; cat /etc/hostname /proc/sys/kernel/domainname; grep db /etc/hosts", hostname="db", domainname="lan"
    )
    assert seen.split() == ["db", "db", "lan", "127.0.1.1", "db"]


def test_working_directory_and_entrypoint(host):
    assert host.output("-c", "pwd", entrypoint=["sh"], working_dir="/srv/new") == "/srv/new\n"
    assert host.output("echo", "a  b", entrypoint=[]) == "a  b\n"


def test_limits_of_the_process(host):
    assert host.shell("ulimit -n; ulimit -Hn", ulimits=["nofile:100:200"]).split() == ["100", "200"]
    assert host.shell("ulimit -c; ulimit -Hc", ulimits=["core:0:-1"]).split() == ["0", "unlimited"]
    assert host.shell("cat /proc/self/oom_score_adj", oom_score_adj=300).strip() == "300"


def test_namespaced_kernel_parameters(host):
    script = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmni"
    assert host.shell(script, sysctls={"net.core.somaxconn": 77, "kernel.shmmni": "88"}).split() == ["77", "88"]


def test_volumes_mounts_and_tmpfs(host, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("from the host\n")
    seen = host.shell(
        "cat /etc/file; echo hello > /data/new; touch /ro/x 2>&1; stat -c %a /t1 /t2;"
        "df -k /t1 /t2 /dev/shm | grep -cE 'tmpfs|shm'; df -k /t1 | tail -n 1",
        volumes=[f"{tmp_path}/data:/data", f"{tmp_path}/data:/ro:ro"],
        mounts=[
            {"target": "/etc/file", "source": str(tmp_path / "file"), "type": "bind", "read_only": True},
            {"target": "/t1", "type": "tmpfs", "tmpfs_size": "1m", "tmpfs_mode": "0750"},
        ],
        tmpfs=["/t2:mode=700"],
        shm_size="2m",
    ).splitlines()
    assert seen[0] == "from the host"
    assert "Read-only file system" in seen[1]
    assert seen[2:5] == ["750", "700", "3"]
    assert "1024" in seen[5]
    assert (tmp_path / "data/new").read_text() == "hello\n"


def test_the_root_file_system_is_the_containers_own(host):
    host.run(name="one", command=["sh", "-c", "echo mine > /mine; exec sleep 100"])
    host.until(lambda: os.path.exists(os.path.join(host.root, "containers/one/upper/mine")))
    assert host.shell("cat /mine 2>/dev/null || echo nothing") == "nothing\n"
    assert not os.path.exists(os.path.join(host.rootfs, "mine"))
    host.task(name="one", restart=True, force_kill=True)
    assert os.path.exists(os.path.join(host.root, "containers/one/upper/mine"))


def test_the_root_directory_is_the_images(host, tmp_path):
    shutil.copytree(host.rootfs, tmp_path / "rootfs", symlinks=True)
    os.chmod(tmp_path / "rootfs", 0o751)
    os.chown(tmp_path / "rootfs", 0, 2000)
    host.rootfs = str(tmp_path / "rootfs")
    host.image()
    assert host.shell("stat -c %a:%u:%g /") == "751:0:2000\n"


def test_a_read_only_root(host):
    seen = host.shell("touch /x 2>&1; touch /tmp2/x && echo fine", read_only=True, tmpfs=["/tmp2"])
    assert "Read-only file system" in seen
    assert seen.endswith("fine\n")


def _caps(host, **given):
    line = host.shell("grep CapEff /proc/self/status", **given)
    return int(line.split()[1], 16)


def test_capabilities(host):
    net_admin, chown, net_raw = 1 << 12, 1 << 0, 1 << 13
    default = _caps(host)
    assert default & chown
    assert not default & net_admin
    assert _caps(host, capabilities=["NET_ADMIN"]) == default | net_admin
    assert _caps(host, cap_drop=["chown"]) == default & ~chown
    assert _caps(host, cap_drop=["ALL"], capabilities=["NET_RAW"]) == net_raw
    assert _caps(host, user="app") == 0
    assert _caps(host, privileged=True) > default


def test_no_new_privileges(host):
    assert host.shell("grep NoNewPrivs /proc/self/status").split()[1] == "0"
    assert host.shell("grep NoNewPrivs /proc/self/status", security_opts=["no-new-privileges"]).split()[1] == "1"


def test_devices(host):
    assert host.shell(
        "head -c 1 /dev/zero | wc -c; echo x > /dev/null; ls /dev/ptmx /dev/fd /dev/shm -d | wc -l"
    ).split() == ["1", "3"]
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse")
    assert host.shell("ls /dev/fuse 2>/dev/null | wc -l") == "0\n"
    assert host.shell("ls -l /dev/myfuse | cut -c1", devices=["/dev/fuse:/dev/myfuse"]) == "c\n"


@pytest.mark.parametrize(
    ("option", "kind"),
    [("network_mode", "net"), ("pid_mode", "pid"), ("ipc_mode", "ipc"), ("uts", "uts"), ("cgroupns_mode", "cgroup")],
)
def test_namespaces(host, option, kind):
    ours = os.readlink(f"/proc/self/ns/{kind}")
    assert host.shell(f"readlink /proc/self/ns/{kind}").strip() != ours
    assert host.shell(f"readlink /proc/self/ns/{kind}", **{option: "host"}).strip() == ours


def test_no_network_but_loopback(host):
    assert host.shell("ls /sys/class/net").split() == ["lo"]
    assert host.shell("ping -c 1 -W 1 127.0.0.1 >/dev/null && echo up") == "up\n"


def test_what_is_hidden(host):
    seen = host.shell(
        "head -c 1 /proc/kcore | wc -c; ls /sys/firmware | wc -l; (echo 1 > /proc/sys/kernel/panic) 2>&1;"
        "ls /proc | grep -c '^[0-9]'"
    )
    lines = seen.splitlines()
    assert lines[:2] == ["0", "0"]
    assert "Read-only file system" in lines[2]
    assert int(lines[3]) < 6


def test_operators_verbs(host):
    first = host.run(
        command=["sh", "-c", "echo one; echo two >&2; sleep 0.3; echo three; exec sleep 100"], memory="100m"
    )["container"]
    host.until(lambda: host.log().count("\n") == 3)
    lines = host.aoci("containers").stdout.splitlines()
    assert lines[0].split() == ["NAME", "ID", "IMAGE", "STATUS", "PID", "MEMORY", "CPUS", "RESTARTS"]
    assert lines[1].split()[:6] == [
        "web",
        first["Id"][:12],
        "localhost/tests/busybox:1",
        "running",
        str(first["State"]["Pid"]),
        "100m",
    ]
    assert host.aoci("containers", "--quiet").stdout == "web\n"
    logs = host.aoci("logs", "web")
    assert (logs.stdout, logs.stderr) == ("one\nthree\n", "two\n")
    assert host.aoci("logs", "--tail", "1", first["Id"][:8]).stdout == "three\n"
    stamped = host.aoci("logs", "-t", "web").stdout.splitlines()
    times = [line.split()[0] for line in stamped]
    assert times[0].endswith("Z")
    assert host.aoci("logs", "--since", times[1], "web").stdout == "three\n"
    assert host.aoci("logs", "--since", "1h", "--tail", "1", "web").stdout == "three\n"
    assert host.aoci("logs", "--since", "2100-01-01", "web").stdout == ""
    assert "--since is 'x', which is no time" in host.aoci("logs", "--since", "x", "web", check=False).stderr
    assert json.loads(host.aoci("inspect", "web").stdout)[0]["Id"] == first["Id"]
    failed = host.aoci("inspect", "nosuch", check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("aoci: there is no container nosuch")
    assert host.aoci("logs", "nosuch", check=False).returncode == 1


@pytest.mark.parametrize("userns_mode", ["host", "private"])
def test_top(host, userns_mode):
    """The processes as the host sees them, those of other commands in it as well, and its own numbers for them."""
    script = "setsid sleep 300 & busybox su app -c 'exec sleep 400' & exec sleep 500"
    try:
        made = host.run(command=["sh", "-c", script], userns_mode=userns_mode)["container"]
    except Error as error:
        if "id-mapped" not in str(error):
            raise
        pytest.skip(str(error))
    host.aoci("exec", "-d", "web", "sleep", "600")
    wanted = ["sleep 300", "sleep 400", "sleep 500", "sleep 600"]

    def look():
        found = json.loads(host.aoci("top", "--format", "json", "web").stdout)
        return {" ".join(one["cmd"]): one for one in found}

    host.until(lambda: sorted(look()) == wanted)
    found = look()
    first = 0 if userns_mode == "host" else FIRST
    main, app = found["sleep 500"], found["sleep 400"]
    assert (main["pid"], main["nspid"], main["uid"], main["nsuid"]) == (made["State"]["Pid"], 1, first, 0)
    assert (app["uid"], app["nsuid"], app["ppid"]) == (first + 1000, 1000, main["pid"])
    for one in found.values():
        with open(f"/proc/{one['pid']}/status", encoding="ascii") as file:
            assert file.read().partition("NSpid:")[2].split("\n")[0].split()[-1] == str(one["nspid"])
    host.aoci("--root", os.path.join(host.root, "run/runtime"), "pause", made["Id"])
    lines = [line.split() for line in host.aoci("top", made["Id"][:6]).stdout.splitlines()]
    host.aoci("--root", os.path.join(host.root, "run/runtime"), "resume", made["Id"])
    assert lines[0] == ["UID", "PID", "NSPID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert [row[1:3] for row in lines[1:] if row[-1] == "500"] == [[str(main["pid"]), "1"]]
    shown = subprocess.run(
        ["ps", "-o", "stime=,tty=,time=,args=", "-p", str(main["pid"])], check=True, capture_output=True, text=True
    )
    assert [row[5:] for row in lines[1:] if row[-1] == "500"] == [shown.stdout.split()]
    host.task(state="stopped", force_kill=True)
    assert "container web is stopped. Start it first." in host.aoci("top", "web", check=False).stderr


def test_following_a_log(host):
    host.run(command=["sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done"])
    assert host.aoci("logs", "-f", "web").stdout == "1\n2\n3\n4\n5\n"
