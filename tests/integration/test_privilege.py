# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's process has, read from inside and compared with what was declared: nothing of the host's."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from pathlib import Path

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import capabilities
from bundles import bare, config, detached, joined

SCRIPT = """
section() { echo "==$1"; }
section status; cat /proc/self/status
section fds; ls -l /proc/$$/fd
section environment; tr '\\0' '\\n' < /proc/$$/environ
section mounts; cat /proc/self/mountinfo
section cgroups; cat /proc/self/cgroup
section namespaces; for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done
section pids; ls /proc | grep '^[0-9]'
section keys; grep -c aoci-secret /proc/keys
section oom; cat /proc/self/oom_score_adj
section cwd; readlink /proc/$$/cwd; readlink /proc/$$/root
section end
"""
FILES = {"mount": "mnt", "network": "net"}
KEYS = {"x86_64": (248, 250), "aarch64": (217, 219)}  # add_key(2), keyctl(2)
KEYCTL_SETPERM, KEY_SPEC_SESSION_KEYRING, POSSESSOR_ALL = 5, -3, 0x3F000000


@pytest.fixture
def key():
    """A key in this process's session keyring that only who has the keyring can see (keyrings(7))."""
    numbers = KEYS.get(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    if numbers is None or libc.syscall(numbers[1], 1, None) == -1:  # KEYCTL_JOIN_SESSION_KEYRING
        return
    serial = libc.syscall(numbers[0], b"user", b"aoci-secret", b"x", 1, KEY_SPEC_SESSION_KEYRING)
    if serial != -1:
        libc.syscall(numbers[1], KEYCTL_SETPERM, serial, POSSESSOR_ALL)


def sections(text):
    found, name = {}, ""
    for line in text.splitlines():
        if line.startswith("=="):
            name = line[2:]
            found[name] = []
        else:
            found[name].append(line)
    assert "end" in found, text
    return found


def status_of(seen):
    return dict(line.split(":\t", 1) for line in seen["status"] if ":\t" in line)


def caps(*names):
    return capabilities.mask(names)


def namespace(kind, path=""):
    return {"type": kind, **({"path": path} if path else {})}


def without(document, kind):
    document["linux"]["namespaces"] = [entry for entry in document["linux"]["namespaces"] if entry["type"] != kind]


def own_users(document):
    document["linux"]["namespaces"].append({"type": "user"})
    for maps in ("uidMappings", "gidMappings"):
        document["linux"][maps] = [{"containerID": 0, "hostID": 0, "size": 65536}]


def host_network(document):
    without(document, "network")


def host_pid(document):
    without(document, "pid")


def host_ipc(document):
    without(document, "ipc")
    document["mounts"] = [entry for entry in document["mounts"] if entry["type"] != "mqueue"]


def host_cgroup(document):
    without(document, "cgroup")


def read_only(document):
    document["root"]["readonly"] = True


def other_user(document):
    document["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [1001, 2000]}


def ambient(document):
    other_user(document)
    for name in ("inheritable", "ambient"):
        document["process"]["capabilities"][name] = ["CAP_KILL"]


def no_capabilities(document):
    document["process"]["capabilities"] = {}


def capabilities_not_declared(document):
    del document["process"]["capabilities"]


def may_gain_privileges(document):
    document["process"]["noNewPrivileges"] = False


def privileged(document):
    every = capabilities.names(capabilities.bounding())
    document["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), every)
    document["process"]["noNewPrivileges"] = False
    document["linux"]["maskedPaths"] = document["linux"]["readonlyPaths"] = []


def filtered(document):
    document["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}


def volume(document):
    document["mounts"].append({"destination": "/vol", "source": "/etc", "options": ["rbind", "ro", "nosuid", "nodev"]})


def plain(document):
    del document


CONFIGURATIONS = [
    *(plain, own_users, host_network, host_pid, host_ipc, host_cgroup, read_only, other_user, ambient),
    *(no_capabilities, capabilities_not_declared, may_gain_privileges, privileged, filtered, volume),
]


def expected_capabilities(process):
    """After execve(2), capabilities(7): root gets all of its bounding set, others what is ambient."""
    declared = {name: caps(*process.get("capabilities", {}).get(name, [])) for name in ("bounding", "ambient")}
    inheritable = caps(*process.get("capabilities", {}).get("inheritable", []))
    own = declared["bounding"] if process["user"]["uid"] == 0 else declared["ambient"]
    return {
        "CapInh": inheritable,
        "CapPrm": own,
        "CapEff": own,
        "CapBnd": declared["bounding"],
        "CapAmb": declared["ambient"],
    }


def seen_with_a_leak(run):
    """What the script saw that *run* runs, by a caller that has left a file of the host open for it."""
    with open("/etc/hostname", "rb") as leak:
        os.set_inheritable(leak.fileno(), True)
        done = run(pass_fds=[leak.fileno()])
    assert done.returncode == 0, done.stderr
    return sections(done.stdout)


def check_process(seen, process, *, seccomp):
    status = status_of(seen)
    for name, bits in expected_capabilities(process).items():
        assert capabilities.names(int(status[name], 16)) == capabilities.names(bits), name
    user = process["user"]
    assert status["Uid"].split() == [str(user["uid"])] * 4
    assert status["Gid"].split() == [str(user["gid"])] * 4
    assert sorted(map(int, status["Groups"].split())) == sorted(user.get("additionalGids", []))
    assert status["NoNewPrivs"] == str(int(process["noNewPrivileges"]))
    assert status["Seccomp"] == ("2" if seccomp else "0")
    assert [int(status[name], 16) for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")] == [0] * 5
    # A link each: "lr-x------ 1 root root 64 Nov 24 12:00 0 -> /dev/null". No pipeline: the shell would hold its pipe.
    descriptors = dict(line.split()[-3::2] for line in seen["fds"] if " -> " in line)
    assert sorted(descriptors) == ["0", "1", "2"]
    assert all(target == "/dev/null" or target.startswith("pipe:") for target in descriptors.values())
    home = {0: "/root", 1000: "/home/app"}[user["uid"]]  # by the image's /etc/passwd, since none is declared
    assert seen["environment"] == [*process["env"], f"HOME={home}"]
    assert seen["oom"] == [str(process["oomScoreAdj"])]
    assert seen["cwd"] == ["/", "/"]
    assert seen["keys"] in (["0"], [])


def mount_points(seen):
    return {line.split(" ")[4]: line.split(" ") for line in seen["mounts"]}


def check_mounts(seen, document):
    points = mount_points(seen)
    declared = {entry["destination"]: entry for entry in document["mounts"]}
    covered = {*document["linux"]["maskedPaths"], *document["linux"]["readonlyPaths"]}
    for point, fields in points.items():
        assert (
            point in declared or point in covered or point == "/" or point.startswith(("/sys/fs/cgroup/", "/dev/"))
        ), f"{point} was not declared"
        assert not any(word.startswith("shared:") for word in fields[6 : fields.index("-")]), f"{point} is shared"
        if point in declared and declared[point]["type" if "type" in declared[point] else "source"] != "cgroup":
            for flag in ("ro", "nosuid", "nodev", "noexec"):
                wanted = flag in declared[point].get("options", ())
                assert not wanted or flag in fields[5].split(","), f"{point} is not {flag}"
    assert set(declared) <= set(points)
    assert ("ro" in points["/"][5].split(",")) is document["root"]["readonly"]
    # Where the root file system lies cannot be hidden from mountinfo; no other path of the host's is told.
    paths = {point: fields[3] for point, fields in points.items() if fields[3] != "/"}
    for point, path in paths.items():
        known = (document["root"]["path"], declared.get(point, {}).get("source", "-"), document["linux"]["cgroupsPath"])
        inside = point in covered or point.startswith("/dev/")
        # mountinfo's path starts at its own file system's root: /tmp may be one, so it may be an end of ours.
        told = path.endswith(known) or any(name.endswith(path) for name in known)
        assert told or inside, f"{point} tells of {path}"


@pytest.mark.parametrize("change", CONFIGURATIONS, ids=lambda change: change.__name__)
def test_a_bundle(runtime, rootfs, key, change, monkeypatch):
    monkeypatch.setenv("AOCI_SECRET", "of the caller")
    document = config(rootfs, "sh", "-c", SCRIPT)
    change(document)
    seen = seen_with_a_leak(lambda **options: runtime.run(document, **options))
    check_process(seen, document["process"], seccomp="seccomp" in document["linux"])
    check_mounts(seen, document)
    declared = {entry["type"] for entry in document["linux"]["namespaces"]}
    inside = dict(line.split(":", 1) for line in seen["namespaces"])
    for kind in ("cgroup", "ipc", "mount", "network", "pid", "user", "uts"):
        file = FILES.get(kind, kind)
        ours = os.readlink(f"/proc/self/ns/{file}").split(":", 1)[1]
        assert (inside[file] != ours) is (kind in declared), kind
    paths = {line.split(":", 2)[2] for line in seen["cgroups"]}
    if "cgroup" in declared:
        assert "/" in paths
        assert document["linux"]["cgroupsPath"] not in paths
    else:
        assert document["linux"]["cgroupsPath"] in paths
    assert (max(map(int, seen["pids"])) < 20) is ("pid" in declared)


def test_joined_namespaces(runtime, rootfs):
    first = config(rootfs, "sleep", "30")
    assert runtime("run", "-d", "-b", runtime.bundle(first), "first", capture_output=False).returncode == 0
    pid = runtime.state("first")["pid"]
    document = config(rootfs, "sh", "-c", SCRIPT)
    joined = ("network", "pid", "ipc", "uts")
    document["linux"]["namespaces"] = [
        *(namespace(kind, f"/proc/{pid}/ns/{FILES.get(kind, kind)}") for kind in joined),
        *(namespace(kind) for kind in ("mount", "cgroup")),
    ]
    del document["hostname"]
    done = runtime.run(document)
    assert done.returncode == 0, done.stderr
    seen = sections(done.stdout)
    check_process(seen, document["process"], seccomp=False)
    check_mounts(seen, document)
    inside = dict(line.split(":", 1) for line in seen["namespaces"])
    for kind in joined:
        file = FILES.get(kind, kind)
        assert f"{file}:{inside[file]}" == os.readlink(f"/proc/{pid}/ns/{file}")


@pytest.fixture
def root_with_proc(own_rootfs):
    """A root of the test's own that has a /proc already, as one without a mount of its own needs it to be seen."""
    place = os.path.join(own_rootfs, "proc")
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "proc", "proc", place], check=True)
    yield own_rootfs
    subprocess.run(["umount", place], check=True)


def test_the_hosts_mount_namespace(runtime, root_with_proc):
    document = bare(config(root_with_proc, "sh", "-c", SCRIPT), "pid")
    seen = seen_with_a_leak(lambda **options: runtime.run(document, **options))
    check_process(seen, document["process"], seccomp=False)
    inside = dict(line.split(":", 1) for line in seen["namespaces"])
    for file in ("cgroup", "ipc", "mnt", "net", "uts"):
        ours = os.readlink(f"/proc/self/ns/{file}").split(":", 1)[1]
        assert (inside[file] == ours) is (file == "mnt"), file


def test_a_joined_mount_namespace(runtime, rootfs):
    pid = detached(runtime, config(rootfs, "sleep", "30"), "first")
    before = [Path(f"/proc/{one}/mountinfo").read_text(encoding="utf-8") for one in ("self", pid)]
    document = joined(config("/", "sh", "-c", SCRIPT), pid, "pid")
    seen = seen_with_a_leak(lambda **options: runtime.run(document, **options))
    check_process(seen, document["process"], seccomp=False)
    assert os.readlink(f"/proc/{pid}/ns/mnt") in seen["namespaces"]
    assert [Path(f"/proc/{one}/mountinfo").read_text(encoding="utf-8") for one in ("self", pid)] == before


@pytest.mark.parametrize("users", ["shared", "own"])
def test_only_declared_devices(runtime, rootfs, users):
    script = "mknod /tmp/b b 7 0; head -c1 /tmp/b || echo refused; head -c1 /dev/kmsg || echo none; ls /dev"
    document = config(rootfs, "sh", "-c", script)
    document["process"]["capabilities"] = {name: ["CAP_MKNOD"] for name in ("bounding", "effective", "permitted")}
    document["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    document["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
    if users == "own":
        own_users(document)
    words = runtime.run(document).stdout.split()
    assert words[:2] == ["refused", "none"]
    assert set(words[2:]) == {
        *("null", "zero", "full", "random", "urandom", "tty"),
        *("fd", "stdin", "stdout", "stderr", "ptmx", "core", "pts", "shm", "mqueue"),
    } - (set() if os.path.exists("/proc/kcore") else {"core"})


def test_exec_has_no_more_than_was_declared(runtime, rootfs, key, monkeypatch):
    monkeypatch.setenv("AOCI_SECRET", "of the caller")
    document = config(rootfs, "sleep", "30")
    assert runtime("run", "-d", "-b", runtime.bundle(document), "box", capture_output=False).returncode == 0
    seen = seen_with_a_leak(lambda **options: runtime("exec", "box", "sh", "-c", SCRIPT, **options))
    check_process(seen, document["process"], seccomp=False)
    check_mounts(seen, document)
