# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known attacks on container runtimes, each on ours as it is (it fails) and without the one defence (it succeeds)."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import time

import pytest
from bundles import cgroups, config
from races import Swapping, rounds
from unprotected import attack
from waiting import until

KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
SECRET = "of the host"

# Paths resolved as if the image were a friend's: by string, symlinks followed by the kernel.
NAIVE_OPEN = """
def open_in_root(rootfd, path, flags=os.O_PATH, *, follow=True):
    return os.open(os.readlink(f"/proc/self/fd/{rootfd}") + "/" + path.lstrip("/"), flags | os.O_CLOEXEC)
"""
# First looked at, then used: what CVE-2021-30465 and CVE-2024-45310 were.
NAIVE_MKDIRS = """
def mkdirs_in_root(rootfd, path, mode=0o755):
    import time
    root = os.readlink(f"/proc/self/fd/{rootfd}")
    place = os.path.join(root, path.strip("/"))
    if not (os.path.realpath(place) + "/").startswith(root + "/"):
        raise OSError(errno.EXDEV, "leads out of the root", path)
    if path.startswith("/vol"):
        time.sleep(0.005)
    os.makedirs(place, mode, exist_ok=True)
    return os.open(place, os.O_PATH | os.O_CLOEXEC)
"""


def shell(rootfs, script):
    return config(rootfs, "sh", "-c", script)


def without_dev(document):
    document["mounts"] = [entry for entry in document["mounts"] if not entry["destination"].startswith("/dev")]
    return document


def executable(rootfs, name, content):
    path = os.path.join(rootfs, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(content)
    os.chmod(path, 0o755)


def content(rootfs, name):
    path = os.path.join(rootfs, name)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


# -- the executable that is the runtime itself


def own_executable(runtime, own_rootfs, tmp_path, form):
    """A bundle whose program is the runtime's executable, which keeps a handle on itself and tries to write it.

    The runtime runs from an interpreter that nobody else uses: a busy file would be refused anyway.
    """
    interpreter = str(tmp_path / "python3")
    shutil.copy2(os.path.realpath("/usr/bin/python3"), interpreter)
    runtime.python = [interpreter, "-I", "-S"]
    script = "sleep 0.5; (: >> /proc/self/fd/{}) 2>/result; echo $? >>/result"
    text = (
        "import os\n"
        "fd = os.open('/proc/self/exe', os.O_PATH)\n"
        "os.set_inheritable(fd, True)\n"
        "pid = os.fork()\n"
        "if pid: os.execv('/bin/sh', ['sh', '-c', f'while kill -0 {pid}; do sleep 0.05; done'])\n"
        f"os.execv('/bin/sh', ['sh', '-c', '{script}'.format(fd)])\n"
    )
    args = ["/proc/self/exe", "-I", "-S", "/attack"]
    if form == "script":
        args = ["/bin/evil"]
        executable(own_rootfs, "bin/evil", "#!/proc/self/exe\n" + text)
    executable(own_rootfs, "attack", text)
    return with_host_libraries(config(own_rootfs, *args))


def with_host_libraries(document):
    for path in ("/lib", "/lib64", "/usr/lib"):  # what an interpreter of the host needs, as an attacker would bring it
        if os.path.isdir(path):
            options = ["rbind", "ro"]
            document["mounts"].append({"destination": path, "source": os.path.realpath(path), "options": options})
    return document


@attack({"kernel/selfexe.py": "def is_protected():\n    return True\n"})
@pytest.mark.parametrize("pid_namespace", ["shared", "own"])
@pytest.mark.parametrize("form", ["path", "script"])
def test_cve_2019_5736_the_hosts_python(build, runtime, own_rootfs, tmp_path, form, pid_namespace):
    """In a pid namespace of its own the program is pinned, and no link of /proc is followed; in one that is shared
    the runtime runs from a read-only copy, and the image gets as far as trying."""
    document = own_executable(runtime, own_rootfs, tmp_path, form)
    if pid_namespace == "shared":
        for namespace in document["linux"]["namespaces"]:
            if namespace["type"] == "pid":
                namespace["path"] = "/proc/self/ns/pid"
    done = runtime("run", "-d", "-b", runtime.bundle(document), "evil", capture_output=False, stderr=None)
    if build.defended and pid_namespace == "own" and KERNEL >= (6, 14):
        assert done.returncode == 1
        assert not os.path.exists(os.path.join(own_rootfs, "result"))
        return
    assert done.returncode == 0
    until(lambda: content(own_rootfs, "result").endswith(("0\n", "1\n")), lambda: content(own_rootfs, "result"))
    result = content(own_rootfs, "result")
    assert ("Read-only file system" in result) is build.defended, result
    assert result.endswith("1\n" if build.defended else "0\n")


@attack(
    {"kernel/selfexe.py": "def is_protected():\n    return bool(os.statvfs('/proc/self/exe').f_flag & os.ST_RDONLY)\n"}
)
def test_cve_2019_5736_with_a_proc_of_the_attackers(build, runtime, own_rootfs, tmp_path):
    """A read-only volume on /proc must not tell the runtime that its executable is read-only already."""
    (tmp_path / "fake" / "self").mkdir(parents=True)
    (tmp_path / "fake" / "self" / "exe").write_text("")
    document = own_executable(runtime, own_rootfs, tmp_path, "script")
    executable(own_rootfs, "bin/evil", content(own_rootfs, "bin/evil").replace("/proc/", "/real/"))
    document["mounts"] += [
        {"destination": "/proc", "type": "bind", "source": str(tmp_path / "fake"), "options": ["rbind", "ro"]},
        {"destination": "/real", "type": "proc", "source": "proc"},
    ]
    document["linux"].update(readonlyPaths=[], maskedPaths=[])
    assert runtime("run", "-d", "-b", runtime.bundle(document), "evil", capture_output=False).returncode in (0, 1)
    if build.defended and KERNEL >= (6, 14):
        time.sleep(1)
    else:
        until(lambda: content(own_rootfs, "result").endswith(("0\n", "1\n")), lambda: content(own_rootfs, "result"))
    assert content(own_rootfs, "result").endswith("0\n") is not build.defended


# Instead of pinning the file, the script is looked for first and then executed by its path.
@attack({"runtime/programfile.py": "def pin(path, args):\n    return path, args\n"})
def test_cve_2019_5736_the_program_swapped_meanwhile(build, runtime, own_rootfs, tmp_path):
    """The program is swapped all the time: a binary, a script of the attacker's, and one in the other's place."""
    if KERNEL < (6, 14):
        pytest.skip("before Linux 6.14 the runtime always runs from a read-only copy")
    document = own_executable(runtime, own_rootfs, tmp_path, "script")
    evil, good, flip = (os.path.join(own_rootfs, "bin", name) for name in ("evil", "busybox", "flip"))
    os.link(good, flip)
    document["process"]["args"] = ["/bin/flip"]
    with Swapping(evil, flip):
        for _round in rounds(build, lambda: os.path.exists(os.path.join(own_rootfs, "result"))):
            assert runtime.run(document).returncode in (0, 1, 127, 137)
    time.sleep(0.7)  # so long as the script waits before it writes
    assert os.path.exists(os.path.join(own_rootfs, "result")) is not build.defended


# -- /proc


@attack({"runtime/mounting.py": "_REAL_DIRECTORIES = ()\n"})
def test_cve_2019_16884_2019_19921_2023_27561_2023_28642_proc_as_a_symlink(build, runtime, own_rootfs):
    """A procfs elsewhere, and what is written below /proc goes where the image wants."""
    os.rmdir(os.path.join(own_rootfs, "proc"))
    os.mkdir(os.path.join(own_rootfs, "evil"))
    os.symlink("/evil", os.path.join(own_rootfs, "proc"))
    done = runtime.run(shell(own_rootfs, "ls -d /evil/self"))
    if build.defended:
        assert done.returncode == 1
        assert "the image has /proc as something else than a directory" in done.stderr
    else:
        assert done.stdout == "/evil/self\n"


@attack(
    {
        "kernel/procfs.py": """
def write_proc(procfd, path, data):
    with open(os.readlink("/proc/self/cwd") + "/proc/" + path, "w", encoding="ascii") as naive_file:
        naive_file.write(data)
"""
    }
)
def test_cve_2025_52881_writes_redirected_by_a_volume_on_proc(build, runtime, own_rootfs, tmp_path):
    fake = tmp_path / "fake" / "sys/net/core/somaxconn"
    fake.parent.mkdir(parents=True)
    fake.write_text("fake")
    document = shell(own_rootfs, "cat /real/sys/net/core/somaxconn")
    document["mounts"] += [
        {"destination": "/proc", "type": "bind", "source": str(tmp_path / "fake"), "options": ["rbind"]},
        {"destination": "/real", "type": "proc", "source": "proc"},
    ]
    document["linux"].update(readonlyPaths=[], maskedPaths=[], sysctl={"net.core.somaxconn": "77"})
    done = runtime.run(document)
    assert done.returncode == 0, done.stderr
    assert (done.stdout == "77\n") is build.defended
    assert fake.read_text() == ("fake" if build.defended else "77")


@attack({"runtime/sysctls.py": "def _check(key, place, value, namespaces):\n    pass\n"})
@pytest.mark.parametrize(
    "key",
    [
        *("vm.swappiness", "vm/swappiness", "net/../vm/swappiness", "net.//.vm.swappiness"),
        *("kernel.shm/../../vm/swappiness", "net.core/../../vm/swappiness", "net//../vm/swappiness"),
    ],
)
def test_cve_2022_0811_sysctls_of_the_host(build, runtime, rootfs, key):
    """The value is the one that the host has: what counts is that it is written."""
    document = config(rootfs, "true")
    document["linux"]["sysctl"] = {key: content("/", "proc/sys/vm/swappiness").strip()}
    done = runtime.run(document)
    if build.defended:
        assert "linux.sysctl" in done.stderr
    # A name with a dot in it is no way up, whatever stands around it.
    assert (done.returncode == 0) is not build.defended or key.startswith(("kernel.shm/", "net.core/"))


def test_cve_2022_0811_more_than_one_value(runtime, rootfs):
    for key, value in (("kernel.shmmax", "1\n2"), ("kernel.shmmax+kernel.core_pattern", "1"), ("net.a=1", "2")):
        document = config(rootfs, "true")
        document["linux"]["sysctl"] = {key: value}
        assert "is malformed" in runtime.run(document).stderr


# -- devices, masks and the terminal


@attack({"kernel/safepath.py": NAIVE_OPEN})
@pytest.mark.parametrize("target", ["absolute", "relative"])
def test_dev_as_a_symlink_to_the_host(build, runtime, own_rootfs, outside, target):
    """runc and crun, 2026: device nodes made outside the root."""
    os.rmdir(os.path.join(own_rootfs, "dev"))
    os.symlink(str(outside) if target == "absolute" else "../outside", os.path.join(own_rootfs, "dev"))
    runtime.run(without_dev(config(own_rootfs, "true")))
    assert ("null" in os.listdir(outside)) is not build.defended


@attack({"kernel/safepath.py": NAIVE_MKDIRS})
def test_dev_swapped_meanwhile(build, runtime, own_rootfs, outside, tmp_path):
    """The same as a race: another container swaps the directory of a declared device, in a volume, for a symlink."""
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to(outside)
    document = config(own_rootfs, "true")
    document["mounts"].append({"destination": "/vol", "source": str(volume), "options": ["bind"]})
    document["linux"]["devices"] = [{"path": "/vol/a/x/node", "type": "c", "major": 1, "minor": 3}]
    with Swapping(volume / "a", volume / "b"):
        for _round in rounds(build, (outside / "x" / "node").exists):
            runtime.run(document)
    assert (os.listdir(outside) == []) is build.defended


@attack(
    {
        "runtime/devices.py": """
naive_make_device = _make_device

def _make_device(*arguments):
    try:
        naive_make_device(*arguments)
    except FileExistsError:
        pass
""",
        "runtime/rootfs.py": """
def _verified_null():
    root = os.open(os.readlink("/proc/self/cwd"), os.O_PATH | os.O_CLOEXEC)
    return safepath.open_in_root(root, "/dev/null", os.O_PATH)
""",
    }
)
def test_cve_2025_31133_masked_by_the_images_null(build, runtime, own_rootfs):
    """The image's /dev/null leads to a file of the kernel's, which a mask would show at a path that can be written."""
    os.symlink("/proc/sys/kernel/domainname", os.path.join(own_rootfs, "dev/null"))
    document = without_dev(shell(own_rootfs, "cat /proc/timer_list"))
    document["domainname"] = "through-the-mask"
    document["linux"]["maskedPaths"] = ["/proc/timer_list"]
    done = runtime.run(document)
    assert done.stdout == ("" if build.defended else "through-the-mask\n")
    if build.defended:
        assert done.returncode == 1
        assert "/dev/null" in done.stderr


@attack(
    {
        "runtime/console.py": """
def _open_master(rootfd):
    return os.open(os.readlink(f"/proc/self/fd/{rootfd}") + "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
"""
    }
)
@pytest.mark.parametrize("fake", ["symlink", "file"])
def test_cve_2025_52565_a_terminal_of_the_images_choice(build, runtime, own_rootfs, tmp_path, fake):
    """What the image has as /dev/pts must not become /dev/console."""
    os.makedirs(os.path.join(own_rootfs, "dev/pts"), exist_ok=True)
    ptmx = os.path.join(own_rootfs, "dev/pts/ptmx")
    if fake == "symlink":
        os.symlink("/dev/ptmx", ptmx)
    else:
        with open(ptmx, "w", encoding="ascii"):
            pass
    document = without_dev(config(own_rootfs, "true"))
    document["process"]["terminal"] = True
    path = str(tmp_path / "console.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        done = runtime("create", "-b", runtime.bundle(document), "--console-socket", path, "x")
        if build.defended or fake == "file":
            assert done.returncode == 1
            if build.defended:
                assert "ptmx" in done.stderr or "symbolic links" in done.stderr
            return
        connection, _address = server.accept()
        _name, descriptors, _flags, _from = socket.recv_fds(connection, 100, 1)
        connection.close()
    assert os.fstat(descriptors[0]).st_dev == os.stat("/dev/ptmx").st_dev  # a terminal of the host's
    os.close(descriptors[0])


# -- mounts


@attack({"kernel/safepath.py": NAIVE_OPEN})
def test_cve_2021_30465_a_mount_point_behind_symlinks(build, runtime, own_rootfs, outside, tmp_path):
    (tmp_path / "data").mkdir()
    os.symlink("../../../../../../../../" + str(outside), os.path.join(own_rootfs, "escape"))
    document = shell(own_rootfs, "true")
    source = str(tmp_path / "data")
    document["mounts"].append({"destination": "/escape/x/y", "source": source, "options": ["bind"]})
    runtime.run(document)
    assert os.listdir(outside) == ([] if build.defended else ["x"])


@attack({"kernel/safepath.py": NAIVE_MKDIRS})
def test_cve_2021_30465_2024_45310_a_mount_point_swapped_meanwhile(build, runtime, own_rootfs, outside, tmp_path):
    """Another container swaps a directory of a shared volume for a symlink: nothing is made and nothing is mounted
    outside. Mounts are looked at by a hook, before the pivot takes those outside out of sight."""
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to(outside)
    (tmp_path / "data").mkdir()
    proof = tmp_path / "proof"
    document = config(own_rootfs, "true")
    document["mounts"] += [
        {"destination": "/vol", "source": str(volume), "options": ["bind"]},
        {"destination": "/vol/a/x/y", "source": str(tmp_path / "data"), "options": ["bind"]},
    ]
    look = ["sh", "-c", f"grep -F ' {outside}' /proc/self/mountinfo >> {proof}; true"]
    document["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": look}]}
    with Swapping(volume / "a", volume / "b"):
        for _round in rounds(build, lambda: os.listdir(outside) and proof.exists() and proof.read_text()):
            runtime.run(document)
    assert os.listdir(outside) == ([] if build.defended else ["x"])
    assert proof.exists()
    assert (proof.read_text() == "") is build.defended


OLD_COPY_UP = """
def copy_up(covered, mounted):
    import shutil
    import time
    source, target = safepath.reopen(covered, os.O_RDONLY), f"/proc/self/fd/{mounted}"
    for name in os.listdir(source):
        origin = f"/proc/self/fd/{source}/{name}"
        if not os.path.islink(origin):
            time.sleep(0.005)
            shutil.copytree(origin, f"{target}/{name}", symlinks=True)
"""


@attack({"runtime/copyup.py": OLD_COPY_UP})
def test_cve_2022_23648_copied_up_from_the_host(build, runtime, rootfs, outside, tmp_path):
    """What an image or a volume has at the place of a tmpfs is copied into it: never what a symlink there leads to,
    not even one that takes a directory's place meanwhile."""
    (outside / "secret").write_text(SECRET)
    volume = tmp_path / "volume"
    (volume / "up" / "a").mkdir(parents=True)
    (volume / "b").symlink_to(outside)
    document = shell(rootfs, "cat /vol/up/a/secret 2>/dev/null; true")
    document["mounts"] += [
        {"destination": "/vol", "source": str(volume), "options": ["bind"]},
        {"destination": "/vol/up", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]},
    ]
    seen = []
    with Swapping(volume / "up" / "a", volume / "b"):
        for _round in rounds(build, lambda: SECRET in seen):
            seen.append(runtime.run(document).stdout)
    assert (SECRET in seen) is not build.defended


@attack(
    {
        "runtime/mounting.py": """
def _mount_cgroup(config, entry, rootfd, trees):
    target = _open_target(entry, rootfd)
    syscalls.mount("/sys/fs/cgroup", f"/proc/self/fd/{target}", None, c.MS_BIND | c.MS_REC)
"""
    }
)
@pytest.mark.parametrize("namespace", ["own", "host"])
def test_cve_2023_25809_the_hosts_cgroups(build, runtime, rootfs, namespace):
    """Even where it may write /sys/fs/cgroup and has no cgroup namespace, a container reaches its own groups only."""
    document = shell(rootfs, "find /sys/fs/cgroup -name 'aoci-neighbour*' | grep -q . && echo found")
    for entry in document["mounts"]:
        if entry["type"] == "cgroup":
            entry["options"] = []
    if namespace == "host":
        document["linux"]["namespaces"] = [n for n in document["linux"]["namespaces"] if n["type"] != "cgroup"]
    top = next(path for path in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.exists(path + "/cgroup.procs"))
    neighbour = f"{top}/aoci-neighbour-{os.getpid()}"
    os.mkdir(neighbour)
    try:
        assert runtime.run(document).stdout == ("" if build.defended else "found\n")
    finally:
        os.rmdir(neighbour)


# -- what the process has


@attack({"runtime/process.py": "def _check_cwd(cwd):\n    pass\n"})
@pytest.mark.parametrize("user", [0, 1000])
def test_cve_2024_21626_a_leaked_descriptor_as_working_directory(build, runtime, rootfs, outside, user):
    (outside / "secret").write_text(SECRET)
    outside.chmod(0o755)
    leak = os.open(outside, os.O_RDONLY | os.O_DIRECTORY)
    os.dup2(leak, 20, inheritable=True)
    try:
        for fd in range(3, 21):
            document = config(rootfs, "cat", "secret")
            document["process"]["cwd"] = f"/proc/self/fd/{fd}"
            document["process"]["user"] = {"uid": user, "gid": user}
            done = runtime.run(document, pass_fds=[20])
            if fd == 20 and user == 0:  # another user's way into our descriptors is closed anyway
                assert (done.stdout == SECRET) is not build.defended, done.stderr
            if build.defended:
                assert done.returncode == 1, (fd, done.stdout)
                assert "working directory" in done.stderr
    finally:
        os.close(20)
        os.close(leak)


@attack({"runtime/process.py": "def _check_cwd(cwd):\n    pass\n"})
def test_cve_2024_21626_by_exec(build, runtime, rootfs, outside):
    (outside / "secret").write_text(SECRET)
    bundle = runtime.bundle(config(rootfs, "sleep", "30"))
    assert runtime("run", "-d", "-b", bundle, "box", capture_output=False).returncode == 0
    leak = os.open(outside, os.O_RDONLY | os.O_DIRECTORY)
    os.dup2(leak, 20, inheritable=True)
    try:
        done = runtime("exec", "--cwd", "/proc/self/fd/20", "box", "cat", "secret", pass_fds=[20])
    finally:
        os.close(20)
        os.close(leak)
    assert (done.stdout == SECRET) is not build.defended, done.stderr


@attack(
    {
        "runtime/child.py": "def load_nothing_more():\n    pass\n",
        "runtime/hooks.py": "def preload():\n    pass\n",
    }
)
def test_cve_2019_14271_code_of_the_image(build, runtime, own_rootfs):
    """An interpreter that is inside already must not load the image's library: what it needs it has loaded before."""
    version = f"python3.{os.path.realpath('/usr/bin/python3').rpartition('.')[2]}"
    library = os.path.join(own_rootfs, "usr/lib", version)
    os.makedirs(os.path.join(library, "encodings"))
    os.chmod(own_rootfs, 0o777)  # for whatever user it would run as
    for name in ("subprocess", "encodings/ascii", "encodings/latin_1", "encodings/idna", "encodings/__init__"):
        with open(os.path.join(library, name + ".py"), "w", encoding="ascii") as file:
            file.write("open('/captured', 'w').write('code of the image ran')\n")
    document = config(own_rootfs, "true")
    document["process"]["user"] = {"uid": 1000, "gid": 1000}
    document["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        document["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    document["hooks"] = {"startContainer": [{"path": "/bin/true"}]}
    del document["process"]["oomScoreAdj"]  # reading it would load a codec before the pivot
    done = runtime.run(document)
    if build.defended:
        assert done.returncode == 0, done.stderr
    assert os.path.exists(os.path.join(own_rootfs, "captured")) is not build.defended


@attack(
    {
        "kernel/syscalls.py": """
naive_capset = capset

def capset(effective, permitted, inheritable):
    naive_capset(effective, permitted, permitted)
"""
    }
)
def test_cve_2022_24769_2022_29162_inheritable_capabilities(build, runtime, rootfs):
    """Whoever starts us may have some; the container has none."""
    done = runtime.run(config(rootfs, "grep", "CapInh", "/proc/self/status"))
    assert (int(done.stdout.split()[1], 16) == 0) is build.defended


def test_cve_2022_29162_inheritable_capabilities_of_the_caller(runtime, rootfs):
    runtime.python = ["setpriv", "--inh-caps", "+chown,+net_raw,+kill", *runtime.python]
    done = runtime.run(config(rootfs, "grep", "CapInh", "/proc/self/status"))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1], 16) == 0


@attack(
    {
        "runtime/child.py": """
naive_leave_caller = leave_caller

def leave_caller(*arguments):
    groups = os.getgroups()
    naive_leave_caller(*arguments)
    os.setgroups(groups)
""",
        "runtime/process.py": "def _set_groups(config):\n    pass\n",
    }
)
def test_cve_2022_36109_2023_25173_groups_of_the_caller(build, runtime, rootfs):
    runtime.python = ["setpriv", "--groups", "4711,4712", *runtime.python]
    done = runtime.run(config(rootfs, "id", "-G"))
    assert done.stdout.split() == (["0"] if build.defended else ["0", "4711", "4712"])


@attack({"runtime/fields.py": "def check_id(value, path):\n    return value\n"})
@pytest.mark.parametrize("field", ["uid", "gid"])
def test_cve_2024_40635_an_id_that_means_root(build, runtime, rootfs, field):
    """(uid_t)-1 leaves the caller's own, root."""
    document = config(rootfs, "id", "-" + field[0])
    document["process"]["user"] = {"uid": 1000, "gid": 1000, field: (1 << 32) - 1}
    done = runtime.run(document)
    assert done.stdout == ("" if build.defended else "0\n"), done.stderr
    for value in (1 << 32, -1, (1 << 64) - 1, "0", 1.5, True) if build.defended else ():
        document["process"]["user"][field] = value
        assert runtime.run(document).returncode == 1


# -- what lies on the host


@attack(
    {
        "runtime/channel.py": """
def listen(directory, name):
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    listener.bind("\\0aoci-" + directory[-80:])
    listener.listen(1)
    open(os.path.join(directory, name), "w").close()
    return listener

def connect(directory, name):
    end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    end.connect("\\0aoci-" + directory[-80:])
    return Channel(end)
"""
    }
)
def test_cve_2020_15257_abstract_sockets(build, runtime, rootfs):
    """A container in the host's network namespace sees them all, and may connect to them."""
    program, document = config(rootfs, "true"), shell(rootfs, "cat /proc/net/unix")
    for either in (program, document):
        either["linux"]["namespaces"] = [n for n in either["linux"]["namespaces"] if n["type"] != "network"]
    waiting = runtime.bundle(program)
    assert runtime("create", "-b", waiting, "waiting", capture_output=False).returncode == 0
    done = runtime.run(document)
    assert done.returncode == 0, done.stderr
    names = [line.split()[7] for line in done.stdout.splitlines() if len(line.split()) > 7]
    assert any(name.startswith("@aoci-") for name in names) is not build.defended
    if build.defended:
        path = os.path.join(runtime.run_dir, "waiting")
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        assert not any(name.startswith("@") and runtime.run_dir in name for name in names)


@attack(
    {
        "runtime/state.py": """
naive_make = make

def make(run_dir, state):
    naive_make(run_dir, state)
    os.chmod(run_dir, 0o755)
    os.chmod(directory(run_dir, state.id), 0o755)
"""
    }
)
def test_cve_2021_41091_2024_25621_state_that_others_can_reach(build, runtime, rootfs, tmp_path):
    previous = os.umask(0)
    try:
        bundle = runtime.bundle(config(rootfs, "true"))
        assert runtime("create", "-b", bundle, "x", capture_output=False).returncode == 0
    finally:
        os.umask(previous)
    for above in tmp_path.parents:
        if str(above).startswith("/tmp/"):
            above.chmod(0o755)
    tmp_path.chmod(0o755)
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "ls", f"{runtime.run_dir}/x"]
    seen = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ("state.json" in seen.stdout) is not build.defended
    assert cgroups(runtime.prefix)


# -- system calls

SOCKETS = """
import socket
for family in (38, 0x100000000 + 38):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.argtypes = [ctypes.c_long] + [ctypes.c_ulong] * 3
    libc.syscall(NUMBER, family, 5, 0)
    print(ctypes.get_errno())
"""
PROFILE = "import json; from aoci.container.seccomp import default_profile as d; print(json.dumps(d([], sys.argv[1])))"


@attack({"container/seccomp_profile.py": "AF_REFUSED = ()\n"})
def test_cve_2026_31431_af_alg(build, runtime, own_rootfs):
    """The kernel's crypto by sockets is refused by our default profile; also by bits that the kernel cuts off."""
    import json

    machine = os.uname().machine
    profile = build.python(PROFILE, machine)
    assert profile.returncode == 0, profile.stderr
    number = {"x86_64": 41}.get(machine, 198)
    shutil.copy2(os.path.realpath("/usr/bin/python3"), os.path.join(own_rootfs, "bin/python3"))
    executable(own_rootfs, "probe", SOCKETS.replace("NUMBER", str(number)))
    document = with_host_libraries(config(own_rootfs, "/bin/python3", "-I", "-S", "/probe"))
    document["linux"]["seccomp"] = json.loads(profile.stdout)
    done = runtime.run(document)
    assert done.returncode == 0, done.stderr
    assert (done.stdout.split() == ["1", "1"]) is build.defended
