# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers with a user namespace of their own, seen from inside and from the host."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']
FIRST = 16 * 65536


@pytest.fixture
def host(host):
    host.given = {"userns_mode": "private", **host.given}
    try:
        host.shell("true")
    except Error as error:
        if "id-mapped" not in str(error):
            raise
        pytest.skip(str(error))
    return host


def owner(path):
    found = os.lstat(path)
    return found.st_uid, found.st_gid


def upper(host, name, path):
    return os.path.join(host.root, "containers", name, "upper", path)


def test_its_root_is_nobody_outside(host):
    pid = host.run(command=WAIT)["container"]["State"]["Pid"]
    for kind in ("uid", "gid"):
        with open(f"/proc/{pid}/{kind}_map", encoding="ascii") as file:
            assert file.read().split() == ["0", str(FIRST), "65536"]
    assert owner(f"/proc/{pid}") == (FIRST, FIRST)
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
    assert host.run(command=WAIT)["actions"] == []


def test_owners_are_the_images_inside_and_on_disk(host):
    host.run(
        command=[
            "sh",
            "-c",
            "stat -c %u:%g / /etc /etc/passwd /home/app /etc/hosts > /seen; touch /f; chown 5:6 /f; sync;"
            "exec sleep 1000",
        ]
    )
    host.until(lambda: os.path.exists(upper(host, "web", "f")) and owner(upper(host, "web", "f")) == (5, 6))
    with open(upper(host, "web", "seen"), encoding="ascii") as file:
        seen = file.read().split()
    expected = [owner(os.path.join(host.rootfs, path)) for path in (".", "etc", "etc/passwd", "home/app")]
    assert seen == [f"{uid}:{gid}" for uid, gid in expected] + ["0:0"]
    assert owner(upper(host, "web", "seen")) == (0, 0)
    assert owner(os.path.join(host.rootfs, "etc/passwd")) == (0, 0)


def test_the_container_works_as_any_other(host):
    seen = host.shell(
        "echo to stdout > /dev/stdout; cat /etc/hostname; echo x > /dev/null; head -c 1 /dev/zero | wc -c; id -u;"
        "mount | grep -c -E ' (/proc|/dev|/dev/pts|/sys|/dev/shm|/dev/mqueue) '; ls -ld /dev/pts/ptmx | cut -c1;"
        "touch /etc/new /root/new && chown 1000:1000 /etc/new && rm /etc/new && echo writes;"
        "grep -E '^Seccomp:' /proc/self/status",
        hostname="db",
    ).split("\n")
    assert seen[:6] == ["to stdout", "db", "1", "0", "6", "c"]
    assert seen[6:8] == ["writes", "Seccomp:\t2"]


def test_another_user(host):
    seen = host.shell("id -u; id -g; echo out > /dev/stdout; touch /x 2>&1; touch ~/x && echo home", user="app")
    assert seen.split("\n") == ["1000", "1000", "out", "touch: /x: Permission denied", "home", ""]


def test_files_of_the_image_are_changed_and_removed(host):
    host.run(
        command=[
            "sh",
            "-c",
            "echo x >> /etc/passwd; rm /etc/group; mv /home/app /home/other; rm -r /run && mkdir /run;"
            "stat -c %u:%g /etc/passwd /home/other > /seen; exec sleep 1000",
        ]
    )
    host.until(lambda: os.path.exists(upper(host, "web", "seen")) and os.path.getsize(upper(host, "web", "seen")))
    with open(upper(host, "web", "seen"), encoding="ascii") as file:
        assert file.read().split() == ["0:0", "1000:1000"]
    assert owner(upper(host, "web", "etc/passwd")) == (0, 0)
    assert owner(upper(host, "web", "home/other")) == (1000, 1000)
    host.task(restart=True, force_kill=True)
    assert host.status()["Running"]


def test_a_command_in_it(host):
    container = host.run(command=WAIT)["container"]
    runtime = os.path.join(host.root, "run/runtime")
    seen = host.aoci("--root", runtime, "exec", container["Id"], "sh", "-c", "id -u; cat /proc/self/uid_map").stdout
    assert seen.split() == ["0", "0", str(FIRST), "65536"]


def test_what_the_host_owns_is_out_of_reach(host, tmp_path):
    os.chmod(tmp_path, 0o755)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "mine").write_text("y")
    os.chown(tmp_path / "mine", FIRST, FIRST)
    (tmp_path / "mine").chmod(0o600)
    seen = host.shell(
        "stat -c %u /v/secret; cat /v/secret 2>&1; stat -c %u /v/mine; cat /v/mine; mknod /n b 8 0 2>&1; true",
        volumes=[f"{tmp_path}:/v"],
    )
    lines = seen.split("\n")
    assert lines[0] == "65534"
    assert "Permission denied" in lines[1]
    assert lines[2:4] == ["0", "ymknod: /n: Operation not permitted"]


def test_a_volume_with_the_hosts_owners(host, tmp_path):
    (tmp_path / "secret").write_text("x\n")
    (tmp_path / "secret").chmod(0o600)
    script = "stat -c %u:%g /v/secret; cat /v/secret; echo y > /v/new; chown 7:8 /v/new"
    assert host.shell(script, volumes=[f"{tmp_path}:/v:idmap"]).split() == ["0:0", "x"]
    assert owner(tmp_path / "new") == (7, 8)
    assert owner(tmp_path / "secret") == (0, 0)


def test_each_has_ids_of_its_own_and_keeps_them(host):
    first = host.run(name="one", command=WAIT)["container"]["State"]
    second = host.run(name="two", command=WAIT)["container"]["State"]
    assert owner(f"/proc/{first['Pid']}") == (FIRST, FIRST)
    assert owner(f"/proc/{second['Pid']}") == (FIRST + 65536, FIRST + 65536)
    host.task(name="one", state="absent")
    again = host.run(name="two", command=WAIT, restart=True)["container"]["State"]
    assert owner(f"/proc/{again['Pid']}") == (FIRST + 65536, FIRST + 65536)
    third = host.run(name="three", command=WAIT)["container"]["State"]
    assert owner(f"/proc/{third['Pid']}") == (FIRST, FIRST)


def test_what_it_wrote_stays_over_restarts_by_task_and_monitor(host):
    script = "cat /count 2>/dev/null; echo again >> /count; exit 1"
    host.run(command=["sh", "-c", script], restart_policy="on-failure", restart_retries=2)
    host.ended()
    assert host.log().count("again") == 3
    host.task(state="started")
    host.ended()
    assert owner(upper(host, "web", "count")) == (0, 0)


def test_it_removes_what_is_to_be_removed(host):
    host.run(command=["sh", "-c", "echo x > /x"], auto_remove=True)
    host.until(lambda: host.clean() == [])


def test_devices_under_another_name(host):
    seen = host.shell(
        "head -c 2 /dev/nothing | wc -c; ls -l /dev/nothing | cut -c1", devices=["/dev/zero:/dev/nothing"]
    )
    assert seen.split() == ["2", "c"]


def test_a_change_replaces_it(host):
    host.run(command=WAIT)
    done = host.run(command=WAIT, userns_mode="host")
    assert done["actions"] == ["replaced container web (userns_mode)", "started"]
    assert owner(f"/proc/{done['container']['State']['Pid']}") == (0, 0)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"network_mode": "host"}, "network_mode: host and userns_mode: private contradict"),
        ({"privileged": True}, "privileged: true and userns_mode: private contradict"),
        ({"user": "65536"}, "the container's user namespace has no user 65536, only 0 to 65535"),
        ({"groups": ["70000"]}, "has no group 70000"),
    ],
)
def test_what_cannot_be(host, given, reason):
    with pytest.raises(Error, match=reason):
        host.run(command=WAIT, **given)
    assert host.clean() == []
