# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers with a user namespace of their own, seen from inside and from the host."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import subprocess
import sys

import pytest
import unprotected
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import copymodule, shifting
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from ansible_collections.agentless.oci.plugins.modules import oci_container_copy
from conftest import FIRST
from old_kernels import kernel

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


CORE = os.path.dirname(entry.__file__)
# Carries one task out and says what came of it.
TASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import entry
entry.register()
from aoci.container.module import Task
from aoci.kernel.errors import Error
given = json.load(sys.stdin)
try:
    result = Task(given["parameters"], entry.__file__, check_mode=given["check"]).run()
except Error as error:
    result = {"error": error.message, "hint": error.hint, "step": error.step}
print(json.dumps(result))
"""


@pytest.fixture
def host(host):
    host.given = {"userns_mode": "private", **host.given}
    return host


def tasks(host, *python, core=CORE):
    """What takes the place of host.task: each by a process of the interpreter *python*, from the *core*."""

    def run(*, check=False, **given):
        told = json.dumps({"parameters": host.parameters(**given), "check": check})
        argv = [*python, "-I", "-S", "-c", TASK, core]
        done = subprocess.run(argv, input=told, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        if "error" in result:
            raise Error(result["error"], hint=result["hint"], step=result["step"])
        return result

    return run


@pytest.fixture
def on_kernel(host, tmp_path):
    """Call as on_kernel(version): from then on tasks are carried out as on that kernel ("" for this one).

    From a read-only interpreter, since this kernel's own ways of protecting ours need newer calls.
    """
    task = host.task
    interpreter = str(tmp_path / "python3")
    with open(interpreter, "wb"):
        pass
    subprocess.run(["mount", "--bind", os.path.realpath(sys.executable), interpreter], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", interpreter], check=True)

    def choose(version):
        host.task = tasks(host, *kernel(version, interpreter)) if version else task

    yield choose
    host.task = task
    for name in os.listdir(host.state.containers) if os.path.isdir(host.state.containers) else ():
        if not name.startswith("."):
            host.task(name=name, state="absent", force_kill=True)
    subprocess.run(["umount", interpreter], check=True)


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


def test_auto_is_another_word_for_it(host):
    host.run(command=WAIT)
    assert host.run(command=WAIT, userns_mode="auto")["actions"] == []


def with_privileges(host, own_rootfs):
    """An image whose programs give whoever runs them more: by set-user-id, and by a file capability."""
    for name in ("suid", "capable"):
        shutil.copy2("/usr/bin/sleep", os.path.join(own_rootfs, "bin", name))
    os.chmod(os.path.join(own_rootfs, "bin/suid"), 0o4755)
    capability = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw=ep, of revision 2
    os.setxattr(os.path.join(own_rootfs, "bin/capable"), "security.capability", capability)
    os.link(os.path.join(own_rootfs, "etc/passwd"), os.path.join(own_rootfs, "etc/linked"))
    os.chown(os.path.join(own_rootfs, "home/app"), 1000, 2000)
    host.rootfs = own_rootfs
    host.image()
    return {"volumes": [f"{path}:{path}:ro" for path in ("/usr", "/lib", "/lib64") if os.path.isdir(path)]}


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: words.split() for name, _colon, words in (line.partition(":") for line in file)}


@pytest.mark.parametrize("version", ["", "5.11", "4.18"])
def test_its_root_is_nobody_seen_from_both_sides(host, on_kernel, own_rootfs, version):
    given = with_privileges(host, own_rootfs)
    given["volumes"].append("data:/data")
    given["stop_signal"] = "KILL"  # nobody in it hears another
    on_kernel(version)
    script = (
        "echo own > /data/own; chown app:2000 /data/own; touch /mine; rm -f /bin/ls; umask 077; echo x > /home/app/x;"
        "stat -c %u:%g / /etc/passwd /home/app /mine /data/own /etc/hosts /bin/suid > /seen;"
        "stat -c %h /etc/linked >> /seen;"
        "(echo y >> /etc/hosts) && echo writes >> /seen; echo out > /dev/stdout;"
        "su app -c 'exec /bin/suid 1000' & su app -c 'exec /bin/capable 1000' & touch /ready; exec sleep 1000"
    )
    made = host.run(command=["sh", "-c", script], **given)["container"]
    pid = made["State"]["Pid"]
    root = f"/proc/{pid}/root"
    host.until(lambda: os.path.exists(f"{root}/ready"))
    with open(f"{root}/seen", encoding="ascii") as file:
        seen = file.read().split()
    assert seen == ["0:0", "0:0", "1000:2000", "0:0", "1000:2000", "0:0", "0:0", "2", "writes"]
    # The host's side: processes …
    assert status(pid)["Uid"] == [str(FIRST)] * 4
    assert status(pid)["Gid"] == [str(FIRST)] * 4
    with open(f"/proc/{pid}/uid_map", encoding="ascii") as file:
        assert file.read().split() == ["0", str(FIRST), "65536"]
    found = {}

    def running():
        found.update(
            {one["cmd"][0]: one["pid"] for one in json.loads(host.aoci("top", "--format", "json", "web").stdout)}
        )
        return "/bin/suid" in found and "/bin/capable" in found

    host.until(running)
    assert status(found["/bin/suid"])["Uid"] == [str(FIRST + 1000), *[str(FIRST)] * 3]
    assert status(found["/bin/capable"])["Uid"] == [str(FIRST + 1000)] * 4
    assert int(status(found["/bin/capable"])["CapEff"][0], 16) == 1 << 13
    # … and files: through the container's root, and on disk, where a mount translates them or not.
    assert owner(f"{root}/mine") == (FIRST, FIRST)
    assert owner(f"{root}/home/app") == (FIRST + 1000, FIRST + 2000)
    on_disk = FIRST if version else 0
    assert os.path.isdir(os.path.join(host.root, "containers/web/shifted")) is bool(version)
    assert owner(upper(host, "web", "mine")) == (on_disk, on_disk)
    assert owner(os.path.join(host.root, "volumes/data/data/own")) == (on_disk + 1000, on_disk + 2000)
    assert stat.S_ISCHR(os.lstat(upper(host, "web", "bin/ls")).st_mode)
    assert host.log() == "" or "out" in host.log()
    assert host.run(command=["sh", "-c", script], **given)["actions"] == []
    # A container that takes its place has other ids, and the volume is its own all the same.
    script = "stat -c %u:%g /data/own > /seen; touch /ready; exec sleep 1000"
    made = host.run(command=["sh", "-c", script], **given)["container"]
    root = f"/proc/{made['State']['Pid']}/root"
    host.until(lambda: os.path.exists(f"{root}/ready"))
    assert owner(f"{root}/seen") == (FIRST + 65536, FIRST + 65536)
    with open(f"{root}/seen", encoding="ascii") as file:
        assert file.read() == "1000:2000\n"
    again = host.task(restart=True, force_kill=True)["container"]["State"]["Pid"]
    host.until(lambda: os.path.exists(f"/proc/{again}/root/ready"))
    assert owner(f"/proc/{again}/root/seen") == (FIRST + 65536, FIRST + 65536)
    if version:  # and the host's own containers have it as it was
        on_kernel("")
        host.task(state="absent", force_kill=True)
        assert host.shell("stat -c %u:%g /data/own", userns_mode="host", volumes=["data:/data"]) == "1000:2000\n"


def test_what_began_with_mounts_needs_them(host, on_kernel):
    host.run(command=WAIT)
    host.task(state="stopped", force_kill=True)
    on_kernel("5.11")
    with pytest.raises(Error, match=r"cannot map the owners of .*: Function not implemented"):
        host.task(state="started")
    assert not os.path.exists(os.path.join(host.root, "containers/web/shifted"))


def test_another_runtime_with_layers_of_its_own(host, on_kernel, usable_runtime):
    on_kernel("5.11")
    made = host.run(command=WAIT, runtime=usable_runtime("runc"), volumes=["data:/data"])["container"]
    pid = made["State"]["Pid"]
    assert status(pid)["Uid"] == [str(FIRST)] * 4
    assert owner(f"/proc/{pid}/root/data") == (FIRST, FIRST)
    host.task(state="stopped")
    copy(host, content="x", dest="/data/f", owner="5")
    assert owner(os.path.join(host.root, "volumes/data/data/f")) == (FIRST + 5, FIRST)
    part = os.path.join(host.root, "volumes/data/data/sub")
    os.mkdir(part)
    os.chown(part, FIRST, FIRST)
    part = {"target": "/part", "type": "volume", "source": "data", "subpath": "sub"}
    for runtime in ("runc", None):  # what is there of a volume is the container's own
        pid = host.run(command=WAIT, runtime=runtime, mounts=[part])["container"]["State"]["Pid"]
        first = int(status(pid)["Uid"][0])
        assert owner(f"/proc/{pid}/root/part") == (first, first)


def test_a_copied_layer(own_rootfs, tmp_path):
    """Everything a layer can have is in its copy, with other owners."""
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *one)
        for one in (
            (1, 6, 0xFFFFFFFF),
            (2, 4, 7),
            (4, 4, 0xFFFFFFFF),
            (8, 4, 9),
            (16, 6, 0xFFFFFFFF),
            (32, 0, 0xFFFFFFFF),
        )
    )
    layer = tmp_path / "layer"
    (layer / "d" / "below").mkdir(parents=True)
    (layer / "d" / "file").write_text("text")
    (layer / "d" / "below" / "link").symlink_to("/etc/passwd")
    os.link(layer / "d" / "file", layer / "d" / "below" / "hard")
    os.mkfifo(layer / "fifo")
    os.mknod(layer / "gone", stat.S_IFCHR, os.makedev(0, 0))
    with open(layer / "sparse", "wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b"middle")
    os.setxattr(layer / "d", "trusted.overlay.opaque", b"y")
    os.setxattr(layer / "d" / "file", "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    os.setxattr(layer / "fifo", "trusted.x", b"1")
    for path in (layer / "d" / "file", layer / "d"):
        try:
            os.setxattr(path, "system.posix_acl_access", acl)
        except OSError as error:
            pytest.skip(f"no ACLs here: {error}")
    os.chown(layer / "d" / "below" / "link", 5, 6, follow_symlinks=False)
    os.chmod(layer / "d" / "below", 0o2751)
    os.utime(layer / "d", ns=(1_000_000_000, 1_500_000_001))
    copy = tmp_path / "copy"
    shifting.copy_tree(str(layer), str(copy), FIRST)

    def described(top, move):
        found = {}
        for directory, names, files in os.walk(top):
            for name in [".", *names, *files]:
                path = os.path.join(directory, name)
                one = os.lstat(path)
                attributes = {
                    key: os.getxattr(path, key, follow_symlinks=False)
                    for key in os.listxattr(path, follow_symlinks=False)
                }
                if move:
                    attributes = {
                        key: shifting.shifted_attribute(key, value, move) for key, value in attributes.items()
                    }
                text = os.readlink(path) if stat.S_ISLNK(one.st_mode) else ""
                kind = (one.st_mode, one.st_uid + move, one.st_gid + move, one.st_rdev, one.st_nlink, one.st_mtime_ns)
                size = one.st_size if stat.S_ISREG(one.st_mode) else 0
                found[os.path.relpath(path, top)] = (*kind, size, text, attributes)
        return found

    assert described(copy, 0) == described(layer, FIRST)
    assert os.lstat(copy / "sparse").st_blocks < 1000
    with open(copy / "sparse", "rb") as file:
        file.seek(1 << 29)
        assert file.read(6) == b"middle"
    assert os.stat(copy / "d" / "file").st_ino == os.stat(copy / "d" / "below" / "hard").st_ino
    assert struct.unpack("<6I", os.getxattr(copy / "d" / "file", "security.capability")) == (
        0x03000001,
        1 << 13,
        0,
        0,
        0,
        FIRST,
    )
    named = [entry[2] for entry in struct.iter_unpack("<HHI", os.getxattr(copy / "d", "system.posix_acl_access")[4:])]
    assert (named[1], named[3]) == (FIRST + 7, FIRST + 9)


def copy(host, **given):
    """The result of a task of oci_container_copy."""
    known = {name: option.get("default") for name, option in oci_container_copy.ARGUMENT_SPEC.items()}
    return copymodule.perform({**known, "name": "web", "root": host.root, **given})


REFUSING = """
naive_overlay = mount_overlay

def mount_overlay(target, lower, upper="", work=""):
    if not any("/shifted/" in layer for layer in lower):
        raise KernelError("refused", errno=errno.EINVAL)
    with open("/proc/self/mountinfo") as file:
        assert "idmapped" not in file.read()
    naive_overlay(target, lower, upper, work)
"""


def test_an_overlay_that_refuses_mapped_layers(host, tmp_path):
    """As before Linux 5.19: what was mounted is taken back, and files are copied in and out all the same."""
    unprotected.copy({"kernel/mounts.py": REFUSING}, str(tmp_path / "core"))
    host.task = tasks(host, sys.executable, core=str(tmp_path / "core"))
    pid = host.run(command=WAIT)["container"]["State"]["Pid"]
    assert owner(f"/proc/{pid}/root/etc/passwd") == (FIRST, FIRST)
    for state in ("running", "stopped"):
        given = {"content": "x", "owner": "app", "group": "7", "dest": f"/{state}"}
        copy(host, **given)
        assert owner(upper(host, "web", state)) == (FIRST + 1000, FIRST + 7)
        assert copy(host, **given)["changed"] is False
        host.task(state="stopped")
    host.task(state="started")
    assert host.aoci("exec", "web", "stat", "-c", "%u:%g", "/running", "/stopped").stdout.split() == ["1000:7"] * 2


@pytest.mark.parametrize("runtime", ["", "runc"])
def test_the_files_of_other_images(host, own_rootfs, usable_runtime, runtime):
    """With the owners that they have there; also those of the image that the container is made of."""
    same = host.rootfs
    host.image("localhost/tests/same:1")
    os.makedirs(os.path.join(own_rootfs, "srv"), exist_ok=True)
    os.chown(os.path.join(own_rootfs, "srv"), 7, 8)
    os.chown(os.path.join(own_rootfs, "home/app"), 1000, 1000)
    host.rootfs = own_rootfs
    host.image("localhost/tests/other:1")
    host.rootfs = same
    mounted = [
        {"type": "image", "source": f"localhost/tests/{name}:1", "target": f"/{name}"} for name in ("same", "other")
    ]
    mounted.append({**mounted[1], "target": "/part", "subpath": "home"})
    given = {"runtime": usable_runtime(runtime)} if runtime else {}
    script = "stat -c %u:%g /same/etc/passwd /other/srv /part/app; touch /other/x 2>&1 | grep -c Read-only"
    assert host.shell(script, mounts=mounted, **given).split() == ["0:0", "7:8", "1000:1000", "1"]
