# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime by its effects: what a process sees inside, and what is left outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import unprotected
from bundles import AOCI, cgroups, config, out, refused, shell
from waiting import until


def test_it_runs_in_namespaces_of_its_own(runtime, rootfs):
    kinds = ("pid", "mnt", "uts", "ipc", "net", "cgroup")
    seen = out(runtime, shell(rootfs, "for n in pid mnt uts ipc net cgroup user; do readlink /proc/self/ns/$n; done"))
    inside = dict(line.split(":") for line in seen.split())
    for kind in kinds:
        assert f"{kind}:{inside[kind]}" != os.readlink(f"/proc/self/ns/{kind}"), kind
    assert "user:" + inside["user"] == os.readlink("/proc/self/ns/user")


def test_the_process_is_what_was_declared(runtime, rootfs):
    document = shell(rootfs, "id -u; id -g; id -G; pwd; umask; echo $HELLO; hostname; cat /proc/self/oom_score_adj")
    document["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [2000, 3000], "umask": 0o027}
    document["process"]["cwd"] = "/made/for/me"
    lines = out(runtime, document).splitlines()
    assert lines == ["1000", "1000", "1000 2000 3000", "/made/for/me", "0027", "wörld", "box", "100"]


def test_privilege_is_what_was_declared(runtime, rootfs):
    seen = out(runtime, config(rootfs, "cat", "/proc/self/status"))
    status = dict(line.split(":\t", 1) for line in seen.splitlines() if ":\t" in line)
    wanted = f"{1 << 0 | 1 << 5 | 1 << 10 | 1 << 7 | 1 << 6:016x}"
    assert status["CapEff"] == status["CapPrm"] == status["CapBnd"] == wanted
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0  # CVE-2022-24769
    assert status["NoNewPrivs"] == "1"
    assert int(status["SigIgn"], 16) == int(status["SigBlk"], 16) == 0
    assert status["Groups"].strip() == ""


def test_no_signal_stays_ignored(runtime, rootfs):
    """What the caller ignores, execve(2) would pass on: also the signals that glibc lets nobody handle."""
    numbers = {"x86_64": 13, "aarch64": 134}
    if os.uname().machine not in numbers:
        pytest.skip("knows no number of rt_sigaction on this machine")
    bundle = runtime.bundle(config(rootfs, "grep", "SigIgn", "/proc/self/status"))
    program = (
        "import ctypes, os, sys\n"
        "action = (1).to_bytes(8, sys.byteorder) + bytes(56)\n"
        "for signal in (1, 2, 32, 33, 64):\n"
        f"    assert ctypes.CDLL(None).syscall({numbers[os.uname().machine]}, signal, action, None, 8) == 0\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    words = [sys.executable, "-c", program, *runtime.python, AOCI, "--root", runtime.run_dir, "run", "-b", bundle, "x"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["SigIgn:", "0000000000000000"], done.stderr


def test_a_user_keeps_only_ambient_capabilities(runtime, rootfs):
    document = shell(rootfs, "grep Cap /proc/self/status")
    document["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert "CapEff:\t0000000000000000" in out(runtime, document)
    document["process"]["capabilities"]["inheritable"] = ["CAP_NET_BIND_SERVICE"]
    document["process"]["capabilities"]["ambient"] = ["CAP_NET_BIND_SERVICE"]
    assert "CapEff:\t0000000000000400" in out(runtime, document)


def test_no_descriptor_of_the_caller_leaks(runtime, rootfs):
    with open("/etc/hostname", "rb") as leak:
        os.set_inheritable(leak.fileno(), True)
        done = runtime.run(shell(rootfs, "ls /proc/self/fd"), pass_fds=[leak.fileno()])
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3 is the listing's own


def test_devices_and_links(runtime, rootfs):
    script = (
        "echo x > /dev/null; head -c 3 /dev/zero | wc -c; stat -c '%t:%T %a' /dev/null /dev/tty; readlink /dev/ptmx"
    )
    assert out(runtime, shell(rootfs, script)).split("\n")[:-1] == ["3", "1:3 666", "5:0 666", "pts/ptmx"]


def test_device_rules_leave_the_default_devices(runtime, rootfs):
    """Engines send one rule, "deny all", and expect the runtime to add what every container has."""
    script = "for d in null zero tty; do head -c0 /dev/$d && echo $d; done; head -c1 /loop0 || echo refused"
    document = shell(rootfs, script)
    document["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    document["linux"]["devices"] = [{"path": "/loop0", "type": "b", "major": 7, "minor": 0}]
    assert out(runtime, document).split() == ["null", "zero", "refused"]  # it has no terminal to open as tty


def test_masked_and_read_only_paths(runtime, rootfs):
    script = (
        "wc -c < /proc/timer_list; ls /sys/firmware | wc -l; echo 1 > /proc/sys/vm/overcommit_memory || echo refused"
    )
    document = shell(rootfs, script)
    document["process"]["capabilities"]["effective"] = document["process"]["capabilities"]["bounding"]
    assert out(runtime, document).split() == ["0", "0", "refused"]


def test_read_only_root(runtime, rootfs):
    document = shell(rootfs, "echo x > /x || echo refused; echo y > /dev/shm/y && cat /dev/shm/y")
    document["root"]["readonly"] = True
    assert out(runtime, document).split() == ["refused", "y"]
    assert not os.path.exists(os.path.join(rootfs, "x"))


def test_a_working_directory_is_made_in_a_read_only_root(runtime, own_rootfs):
    document = shell(own_rootfs, "pwd; touch here || echo refused")
    document["root"]["readonly"] = True
    document["process"]["cwd"] = "/made/for/me"
    assert out(runtime, document).split() == ["/made/for/me", "refused"]


def test_a_user_can_open_its_own_stdout(runtime, rootfs):
    document = shell(rootfs, "echo out > /dev/stdout; echo err > /dev/stderr")
    document["process"]["user"] = {"uid": 1000, "gid": 1000}
    done = runtime.run(document)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 0)


def test_bind_mounts(runtime, rootfs, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("from outside")
    (tmp_path / "single").write_text("one file")
    document = shell(rootfs, "cat /data/file /single; echo no > /data/file || echo refused; echo yes > /rw/new")
    source = str(tmp_path / "data")
    document["mounts"] += [
        {"destination": "/data", "type": "bind", "source": source, "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/rw", "type": "bind", "source": source, "options": ["rbind", "rw"]},
        {"destination": "/single", "source": str(tmp_path / "single"), "options": ["bind"]},
    ]
    assert out(runtime, document) == "from outsideone filerefused\n"
    assert (tmp_path / "data" / "new").read_text() == "yes\n"


def test_loopback_is_up_and_alone(runtime, rootfs):
    script = "ls /sys/class/net; echo hello | nc -l -p 7777 127.0.0.1 & sleep 0.2; nc 127.0.0.1 7777 < /dev/null"
    assert out(runtime, shell(rootfs, script)).split() == ["lo", "hello"]


def test_rlimits(runtime, rootfs):
    document = shell(rootfs, "ulimit -n; ulimit -Hn; ulimit -c")
    document["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
    assert out(runtime, document).split() == ["100", "200", "0"]


def test_limits_are_the_kernels(runtime, rootfs):
    document = shell(rootfs, "sleep 30")
    document["linux"]["resources"] = {
        "memory": {"limit": 32 << 20},
        "cpu": {"quota": 25000, "period": 100000, "shares": 512},
        "pids": {"limit": 17},
    }
    bundle = runtime.bundle(document)
    assert runtime("run", "-d", "-b", bundle, "limited", capture_output=False).returncode == 0
    pid = runtime.state("limited")["pid"]
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        mine = dict(line.strip().split(":", 2)[1:] for line in file)
    path = document["linux"]["cgroupsPath"]
    if "memory" in mine:
        mine.pop("", None)  # a hybrid's v2 mount carries none of these limits
    assert set(mine.values()) == {path}
    if "memory" in mine:
        files = {
            "memory/memory.limit_in_bytes": 32 << 20,
            "cpu/cpu.cfs_quota_us": 25000,
            "cpu/cpu.shares": 512,
            "pids/pids.max": 17,
        }
    else:
        files = {"memory.max": 32 << 20, "pids.max": 17}
    for name, value in files.items():
        controller, _slash, file = name.rpartition("/")
        with open(f"/sys/fs/cgroup/{controller}{path}/{file}", encoding="ascii") as limit:
            assert int(limit.read()) == value, name


def test_the_smallest_memory_limit_still_starts(runtime, rootfs):
    document = shell(rootfs, "echo alive")
    document["linux"]["resources"] = {"memory": {"limit": 6 << 20}}
    assert out(runtime, document) == "alive\n"


def test_lifecycle_states_and_errors(runtime, rootfs):
    bundle = runtime.bundle(shell(rootfs, "sleep 30"))
    assert runtime("state", "life").stderr == "aoci: container life does not exist\n"
    assert runtime("create", "-b", bundle, "life", capture_output=False).returncode == 0
    assert runtime.state("life")["status"] == "created"
    again = runtime("create", "-b", bundle, "life")
    assert again.returncode == 1
    assert "a container with the id life exists already" in again.stderr
    assert runtime("start", "life").returncode == 0
    running = runtime.state("life")
    assert running["status"] == "running"
    assert "it is running, not created" in runtime("start", "life").stderr
    assert "it is running. Stop it first" in runtime("delete", "life").stderr
    assert runtime("kill", "life", "KILL").returncode == 0
    until(lambda: runtime.state("life")["status"] == "stopped")
    assert "it is stopped" in runtime("kill", "life", "TERM").stderr
    assert runtime("delete", "life").returncode == 0
    assert not os.path.exists(f"/proc/{running['pid']}/exe")  # at most a zombie that this machine's init leaves
    assert os.listdir(runtime.run_dir) == []
    assert runtime("create", "-b", bundle, "life", capture_output=False).returncode == 0  # the id is free again


def test_exit_codes(runtime, rootfs):
    assert runtime.run(shell(rootfs, "exit 3")).returncode == 3
    bundle = runtime.bundle(shell(rootfs, "sleep 30"))
    with subprocess.Popen([*runtime.python, AOCI, "--root", runtime.run_dir, "run", "-b", bundle, "shot"]) as process:
        until(lambda: "running" in runtime("list").stdout)
        assert runtime("kill", "shot", "SIGKILL").returncode == 0
        assert process.wait(120) == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["process"].update(args=["no-such-program"]),
            "the image has no program no-such-program: executable file not found in PATH ",
        ),
        (lambda d: d["process"].update(args=["/etc/passwd"]), "/etc/passwd in the image is not executable"),
        (lambda d: d["process"].update(args=[]), "process.args is empty"),
        (lambda d: d["process"].update(cwd="etc"), "process.cwd: 'etc' is not absolute"),
        (lambda d: d["process"].update(cwd="/etc/passwd"), "cannot enter the working directory /etc/passwd"),
        (lambda d: d["process"]["user"].update(uid=(1 << 32) - 1), "process.user.uid: 4294967295 is not a number"),
        (lambda d: d["process"].update(oomScoreAdj=5000), "process.oomScoreAdj: 5000 is not between"),
        (lambda d: d["process"].update(env=["NOVALUE"]), "process.env: 'NOVALUE' is not NAME=value"),
        (lambda d: d["linux"]["namespaces"].append({"type": "moon"}), "linux.namespaces: unknown type 'moon'"),
        (lambda d: d["linux"]["namespaces"].append({"type": "pid"}), "linux.namespaces: pid is named twice"),
        (
            lambda d: d["linux"]["namespaces"].append({"type": "user"}),
            "linux.uidMappings: a new user namespace needs uidMappings",
        ),
        (lambda d: d["linux"].update(sysctl={"vm.swappiness": "1"}), "linux.sysctl: vm.swappiness belongs to the host"),
        (lambda d: d["linux"].update(sysctl={"kernel.shmmax": "1\n2"}), "linux.sysctl: kernel.shmmax"),
        (lambda d: d["linux"].update(seccomp={"defaultAction": "ALLOW"}), "linux.seccomp.defaultAction"),
        (
            lambda d: d["mounts"].append({"destination": "/x", "source": "/no/such", "options": ["bind"]}),
            "cannot mount bind of /no/such on /x: No such file or directory. Create /no/such on the host",
        ),
        (
            lambda d: d["mounts"].append({"destination": "/x", "type": "nofs"}),
            "cannot mount nofs on /x: No such device",
        ),
        (lambda d: d["mounts"].append({"destination": "/x"}), "the mount on /x has no type"),
        (
            lambda d: d["mounts"].append({"destination": "/x", "source": "/etc", "options": ["bind", "tmpcopyup"]}),
            "mounts[7].options: tmpcopyup on /x fills a tmpfs, and nothing else",
        ),
        (lambda d: d.update(ociVersion="2.0"), "ociVersion: '2.0' is not 1.x"),
        (lambda d: d["root"].update(path="/no/such/root"), "root.path: /no/such/root is not a directory"),
        (
            lambda d: d["process"].update(rlimits=[{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
            "unknown type 'RLIMIT_X'",
        ),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(runtime, rootfs, change, message):
    document = config(rootfs, "true")
    change(document)
    done = runtime.run(document)
    assert done.returncode == 1
    assert done.stderr.startswith("aoci: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not os.path.isdir(runtime.run_dir) or os.listdir(runtime.run_dir) == []


@pytest.mark.parametrize("kind", ["binary of another machine", "missing interpreter"])
def test_what_only_execve_can_find_out_is_told_by_start(runtime, own_rootfs, kind):
    content = {"binary of another machine": b"\x7fELF\x02", "missing interpreter": b"#!/no/such/interpreter\n"}[kind]
    with open(os.path.join(own_rootfs, "bin", "odd"), "wb") as file:
        file.write(content)
    os.chmod(os.path.join(own_rootfs, "bin", "odd"), 0o755)
    done = runtime.run(config(own_rootfs, "odd"))
    assert done.returncode == 1
    assert "cannot execute /bin/odd" in done.stderr
    assert ("architecture" if kind.startswith("binary") else "interpreter") in done.stderr
    assert os.listdir(runtime.run_dir) == []


SLOW = """
naive_limit = _limit

def _limit(*arguments):
    import time
    time.sleep(0.3)
    naive_limit(*arguments)
"""


def test_what_fails_while_limits_are_set_is_told(runtime, rootfs, tmp_path):
    """The first process does not wait for them: by then it may have failed, and be gone."""
    runtime.program = unprotected.Build({"runtime/outside.py": SLOW}, str(tmp_path)).entry
    document = config(rootfs, "true")
    document["process"].update(
        cwd="/etc/passwd",
        rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        scheduler={"policy": "SCHED_BATCH"},
        ioPriority={"class": "IOPRIO_CLASS_IDLE"},
    )
    document["linux"]["resources"] = {"memory": {"limit": 64 << 20}}
    assert "cannot enter the working directory /etc/passwd: File exists" in refused(runtime, document)


def test_user_namespace(runtime, rootfs):
    document = shell(
        rootfs, "cat /proc/self/uid_map; id -u; stat -c %u /bin/busybox; touch /x || echo refused; ls /dev"
    )
    document["linux"]["namespaces"].append({"type": "user"})
    document["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    document["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    lines = out(runtime, document).split("\n")
    assert lines[0].split() == ["0", "100000", "65536"]
    assert lines[1:4] == ["0", "65534", "refused"]  # the host's root owns the image: nobody in here
    assert "null" in lines


def test_joined_namespace(runtime, rootfs):
    first = shell(rootfs, "sleep 30")
    assert runtime("run", "-d", "-b", runtime.bundle(first), "first", capture_output=False).returncode == 0
    pid = runtime.state("first")["pid"]
    second = shell(rootfs, "readlink /proc/self/ns/net; readlink /proc/self/ns/pid; ps -o comm")
    second["linux"]["namespaces"] = [
        {"type": "mount"},
        {"type": "network", "path": f"/proc/{pid}/ns/net"},
        {"type": "pid", "path": f"/proc/{pid}/ns/pid"},
    ]
    del second["hostname"]
    seen = out(runtime, second).split("\n")
    assert seen[:2] == [os.readlink(f"/proc/{pid}/ns/net"), os.readlink(f"/proc/{pid}/ns/pid")]
    assert "sleep" in seen


def test_kill_all_ends_every_process(runtime, rootfs):
    document = shell(rootfs, "sleep 31 & sleep 32 & sleep 33 & wait; sleep 34")
    assert runtime("run", "-d", "-b", runtime.bundle(document), "many", capture_output=False).returncode == 0
    assert runtime("kill", "--all", "many", "9").returncode == 0
    assert runtime("delete", "--force", "many").returncode == 0
    assert cgroups(runtime.prefix) == []


def test_a_killed_create_is_cleaned_by_delete(runtime, rootfs):
    """SIGKILL to the runtime at some twenty moments of create: delete --force, and the id is free."""
    bundle = runtime.bundle(shell(rootfs, "sleep 30"))
    command = [*runtime.python, AOCI, "--root", runtime.run_dir]
    for moment in range(20):
        process = subprocess.Popen(
            [*command, "create", "-b", bundle, "torn"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.02 + 0.004 * moment)
        process.kill()
        process.wait()
        deleted = runtime("delete", "--force", "torn")
        assert deleted.returncode == 0, deleted.stderr
        assert cgroups(runtime.prefix) == [], moment
    log = open(os.path.join(runtime.directory, "log"), "w+", encoding="utf-8")  # noqa: SIM115
    with log:
        created = runtime("run", "-d", "-b", bundle, "torn", capture_output=False, stdout=log, stderr=log)
        log.seek(0)
        assert created.returncode == 0, log.read()


def test_scripts_run_as_the_kernel_runs_them(runtime, own_rootfs):
    _executable(own_rootfs, "bin/show", "#!/bin/busybox echo\n")
    _executable(own_rootfs, "bin/twice", "#! \t/bin/show -a  b \t\nrest\n")
    _executable(own_rootfs, "bin/loop", "#!/bin/loop\n")
    _executable(own_rootfs, "bin/empty", "#!\n")
    assert out(runtime, config(own_rootfs, "show", "x", "y")) == "/bin/show x y\n"
    assert out(runtime, config(own_rootfs, "/bin/twice", "z")) == "/bin/show -a  b /bin/twice z\n"
    assert "Too many levels of symbolic links" in runtime.run(config(own_rootfs, "loop")).stderr
    assert "Exec format error" in runtime.run(config(own_rootfs, "empty")).stderr
    name = out(runtime, config(own_rootfs, "cat", "/proc/self/comm"))
    assert name in ("cat\n", "busybox\n")  # the link's name by execve(2), the file's by execveat(2)


def _executable(rootfs, name, content):
    path = os.path.join(rootfs, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(content)
    os.chmod(path, 0o755)
