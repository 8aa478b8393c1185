# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of config.json by what they do to a process: those that only some containers have."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import tempfile

import pytest
from bundles import USERNS, cgroups, config, detached, in_user_namespace, out, refused, shell, without
from waiting import until


class TestScheduling:
    @pytest.mark.parametrize("userns", [False, True], ids=["host", "userns"])
    @pytest.mark.parametrize(
        ("policy", "number", "nice"),
        [("SCHED_OTHER", 0, -7), ("SCHED_BATCH", 3, 4), ("SCHED_IDLE", 5, 0)],
    )
    def test_policy_and_nice(self, runtime, rootfs, policy, number, nice, userns):
        document = shell(rootfs, "sleep 30")
        document["process"]["scheduler"] = {"policy": policy, "nice": nice}
        pid = detached(runtime, in_user_namespace(document) if userns else document, "sched")
        assert os.sched_getscheduler(pid) == number
        assert os.getpriority(os.PRIO_PROCESS, pid) == nice

    def test_reset_on_fork(self, runtime, rootfs):
        document = shell(rootfs, "sleep 30 & wait")
        document["process"]["scheduler"] = {
            "policy": "SCHED_BATCH", "nice": -3, "flags": ["SCHED_FLAG_RESET_ON_FORK"],
        }  # fmt: skip
        pid = detached(runtime, document, "sched")
        assert os.sched_getscheduler(pid) == os.SCHED_BATCH | os.SCHED_RESET_ON_FORK
        child = _child(pid)
        assert os.sched_getscheduler(child) == os.SCHED_BATCH  # only real-time policies are taken back, sched(7)
        assert os.getpriority(os.PRIO_PROCESS, child) == 0

    @pytest.mark.parametrize("policy", ["SCHED_FIFO", "SCHED_RR"])
    def test_real_time(self, runtime, rootfs, policy):
        document = shell(rootfs, "sleep 30")
        document["process"]["scheduler"] = {"policy": policy, "priority": 12}
        real_time = f"/sys/fs/cgroup/cpu/{runtime.prefix}/cpu.rt_runtime_us"
        if os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"):  # v1: the cgroup has to be given some, too
            message = refused(runtime, document)
            assert "process.scheduler: the kernel refuses it: Operation not permitted" in message
            assert "resources.cpu.realtimeRuntime" in message
            os.makedirs(os.path.dirname(real_time), exist_ok=True)
            with open(real_time, "w", encoding="ascii") as file:
                file.write("20000")
            document["linux"]["resources"] = {"cpu": {"realtimeRuntime": 10000, "realtimePeriod": 1000000}}
        pid = detached(runtime, document, "rt")
        assert os.sched_getscheduler(pid) == getattr(os, policy)
        assert os.sched_getparam(pid).sched_priority == 12

    def test_deadline(self, runtime, rootfs):
        document = shell(rootfs, "sleep 30")
        document["process"]["scheduler"] = {
            "policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 50_000_000, "period": 100_000_000,
            "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"],
        }  # fmt: skip
        pid = detached(runtime, document, "deadline")
        seen = subprocess.run(["chrt", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
        assert "policy: SCHED_DEADLINE|SCHED_RESET_ON_FORK" in seen
        assert seen.strip().endswith("1000000/50000000/100000000")

    def test_what_the_kernel_lacks_is_named(self, runtime, rootfs):
        document = config(rootfs, "true")
        document["process"]["scheduler"] = {"policy": "SCHED_ISO"}
        assert "process.scheduler: the kernel refuses it: Invalid argument" in refused(runtime, document)

    @pytest.mark.parametrize("userns", [False, True], ids=["host", "userns"])
    @pytest.mark.parametrize(
        ("kind", "level", "shown"),
        [("IOPRIO_CLASS_RT", 2, "realtime: prio 2"), ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
         ("IOPRIO_CLASS_IDLE", 0, "idle")],
    )  # fmt: skip
    def test_io_priority(self, runtime, rootfs, kind, level, shown, userns):
        document = shell(rootfs, "sleep 30")
        document["process"]["ioPriority"] = {"class": kind, "priority": level}
        pid = detached(runtime, in_user_namespace(document) if userns else document, "io")
        seen = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
        assert seen.strip() == shown

    def test_exec_gets_its_own(self, runtime, rootfs):
        document = shell(rootfs, "sleep 30")
        document["process"]["scheduler"] = {"policy": "SCHED_BATCH", "nice": 3}
        document["process"]["execCPUAffinity"] = {"initial": "0", "final": "1"}
        detached(runtime, document, "box")
        script = "grep Cpus_allowed_list /proc/self/status; cut -d' ' -f19 /proc/self/stat"
        assert runtime("exec", "box", "sh", "-c", script).stdout.split() == ["Cpus_allowed_list:", "1", "3"]
        first = runtime("exec", "box", "grep", "Cpus_allowed_list", "/proc/1/status").stdout.split()[1]
        assert first != "1"  # execCPUAffinity does not touch the first process

    @pytest.mark.skipif(os.cpu_count() < 2, reason="needs two CPUs")
    def test_exec_affinity_ends_with_the_cgroups_cpus(self, runtime, rootfs):
        document = shell(rootfs, "sleep 30")
        document["linux"]["resources"] = {"cpu": {"cpus": "1"}}
        document["process"]["execCPUAffinity"] = {"initial": "0"}
        detached(runtime, document, "box")
        done = runtime("exec", "box", "grep", "Cpus_allowed_list", "/proc/self/status")
        assert done.stdout.split() == ["Cpus_allowed_list:", "1"]

    def test_an_affinity_for_cpus_that_are_not_there(self, runtime, rootfs):
        document = shell(rootfs, "sleep 30")
        document["process"]["execCPUAffinity"] = {"initial": "4000"}
        detached(runtime, document, "box")
        done = runtime("exec", "box", "true")
        assert done.returncode == 255
        assert "process.execCPUAffinity.initial: the kernel refuses it: Invalid argument" in done.stderr

    @pytest.mark.skipif(os.cpu_count() < 2, reason="needs two CPUs")
    def test_the_callers_affinity_is_not_the_containers(self, runtime, rootfs):
        runtime.python = ["taskset", "-c", "0", *runtime.python]
        seen = out(runtime, config(rootfs, "grep", "Cpus_allowed_list", "/proc/self/status"))
        assert seen.split()[1] != "0"


def _child(pid):
    def children():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()

    return int(until(children)[0])


class TestMemoryPolicy:
    @pytest.mark.parametrize(
        ("policy", "shown"),
        [
            ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
            ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
            ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
            ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
            ({"mode": "MPOL_LOCAL"}, "local"),
            ({"mode": "MPOL_DEFAULT"}, "default"),
        ],
    )
    def test_it_is_the_programs(self, runtime, rootfs, policy, shown):
        document = config(rootfs, "cat", "/proc/self/numa_maps")
        document["linux"]["memoryPolicy"] = policy
        assert {line.split()[1] for line in out(runtime, document).splitlines() if "stack" in line} == {shown}

    def test_nodes_that_are_not_there(self, runtime, rootfs):
        document = config(rootfs, "true")
        document["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "63"}
        assert "linux.memoryPolicy: the kernel refuses it: Invalid argument" in refused(runtime, document)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the machine's other name is known for x86_64")
@pytest.mark.parametrize(("domain", "machine"), [("LINUX", "x86_64"), ("LINUX32", "i686")])
def test_personality(runtime, rootfs, domain, machine):
    document = shell(rootfs, "uname -m; sleep 30")
    document["linux"]["personality"] = {"domain": domain}
    with open(os.path.join(runtime.directory, "out"), "w+", encoding="ascii") as seen:
        done = runtime("run", "-d", "-b", runtime.bundle(document), "old", capture_output=False, stdout=seen)
        assert done.returncode == 0
        assert runtime("exec", "old", "uname", "-m").stdout == machine + "\n"
        seen.seek(0)
        assert seen.read() == machine + "\n"


class TestTimeOffsets:
    @pytest.mark.parametrize("userns", [False, True], ids=["host", "userns"])
    def test_the_clocks_inside(self, runtime, rootfs, userns):
        document = shell(rootfs, "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets; sleep 30")
        document["linux"]["namespaces"].append({"type": "time"})
        document["linux"]["timeOffsets"] = {
            "monotonic": {"secs": 86400, "nanosecs": 5},
            "boottime": {"secs": 864000},
        }
        if userns:
            in_user_namespace(document)
        with open(os.path.join(runtime.directory, "out"), "w+", encoding="ascii") as seen:
            done = runtime("run", "-d", "-b", runtime.bundle(document), "late", capture_output=False, stdout=seen)
            assert done.returncode == 0
            lines = _lines(seen, 3)
        uptime = int(float(open("/proc/uptime", encoding="ascii").read().split()[0]))  # noqa: SIM115
        assert 0 <= uptime + 864000 - int(lines[0]) <= 2
        assert [line.split() for line in lines[1:]] == [["monotonic", "86400", "5"], ["boottime", "864000", "0"]]
        done = runtime("exec", "late", "cut", "-d.", "-f1", "/proc/uptime")
        assert 0 <= int(done.stdout) - int(lines[0]) <= 5

    def test_a_clock_before_its_start(self, runtime, rootfs):
        document = config(rootfs, "true")
        document["linux"]["namespaces"].append({"type": "time"})
        document["linux"]["timeOffsets"] = {"boottime": {"secs": -(10**9)}}
        message = refused(runtime, document)
        assert "linux.timeOffsets: cannot set the clocks: Numerical result out of range" in message


def _lines(file, count):
    def lines():
        file.seek(0)
        return file.read().splitlines()

    until(lambda: len(lines()) >= count, lines)
    return lines()


class TestNamespaces:
    @pytest.mark.parametrize("kind", ["pid", "network", "uts", "ipc", "cgroup"])
    def test_left_to_the_host(self, runtime, rootfs, kind):
        file = {"network": "net"}.get(kind, kind)
        seen = out(runtime, without(config(rootfs, "readlink", f"/proc/self/ns/{file}"), kind))
        assert seen.strip() == os.readlink(f"/proc/self/ns/{file}")

    def test_all_joined(self, runtime, rootfs):
        first = in_user_namespace(shell(rootfs, "sleep 30"))
        first["linux"]["namespaces"].append({"type": "time"})
        pid = detached(runtime, first, "first")
        files = {"pid": "pid", "network": "net", "uts": "uts", "ipc": "ipc", "cgroup": "cgroup", "user": "user",
                 "time": "time"}  # fmt: skip
        script = f"for n in {' '.join(files.values())}; do readlink /proc/self/ns/$n; done; hostname; id -u"
        second = shell(rootfs, script)
        second["linux"]["namespaces"] = [
            {"type": "mount"},
            *({"type": kind, "path": f"/proc/{pid}/ns/{file}"} for kind, file in files.items()),
        ]
        del second["hostname"]
        seen = out(runtime, second).split("\n")
        assert seen[:7] == [os.readlink(f"/proc/{pid}/ns/{file}") for file in files.values()]
        assert seen[7:9] == ["box", "0"]

    @pytest.mark.parametrize("told", [False, True], ids=["untold", "told"])
    def test_the_maps_of_a_joined_user_namespace(self, runtime, rootfs, told):
        """They are known: the user owns its stdio, so that it can open /dev/stdout; exec's too."""
        pid = detached(runtime, in_user_namespace(shell(rootfs, "sleep 30")), "first")
        second = shell(rootfs, "echo out > /dev/stdout; sleep 30")
        second["process"]["user"] = {"uid": 7, "gid": 7}
        second["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{pid}/ns/user"})
        if told:
            second["linux"].update(uidMappings=USERNS, gidMappings=USERNS)
        with tempfile.TemporaryFile() as file:
            done = runtime("run", "-d", "-b", runtime.bundle(second), "second", capture_output=False, stdout=file)
            assert done.returncode == 0
            until(lambda: os.fstat(file.fileno()).st_size)
            assert os.fstat(file.fileno()).st_uid == 100007
        with tempfile.TemporaryFile() as file:
            command = ("exec", "-u", "8", "second", "sh", "-c", "echo out > /dev/stdout")
            assert runtime(*command, capture_output=False, stdout=file).returncode == 0
            assert os.fstat(file.fileno()).st_uid == 100008

    @pytest.mark.parametrize("name", ["uidMappings", "gidMappings"])
    def test_other_maps_than_the_joined_ones(self, runtime, rootfs, name):
        pid = detached(runtime, in_user_namespace(shell(rootfs, "sleep 30")), "first")
        second = config(rootfs, "true")
        second["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{pid}/ns/user"})
        second["linux"].update(uidMappings=USERNS, gidMappings=USERNS)
        second["linux"][name] = [{"containerID": 0, "hostID": 200000, "size": 65536}]
        done = runtime.run(second)
        assert done.returncode == 1
        assert f"linux.{name}: the user namespace /proc/{pid}/ns/user maps otherwise: 0 100000 65536" in done.stderr
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/proc/self/ns/net", "cannot join the uts namespace: Invalid argument"),
            ("/etc/passwd", "cannot join the uts namespace: Invalid argument"),
            ("/no/such/ns", "cannot open the uts namespace /no/such/ns: No such file or directory"),
        ],
    )
    def test_a_path_to_something_else(self, runtime, rootfs, path, words):
        document = config(rootfs, "true")
        for entry in document["linux"]["namespaces"]:
            if entry["type"] == "uts":
                entry["path"] = path
        assert f"linux.namespaces: {words}" in refused(runtime, document)

    def test_names(self, runtime, rootfs):
        document = shell(rootfs, "hostname; cat /proc/sys/kernel/domainname")
        document.update(hostname="x" * 64, domainname="example.org")
        assert out(runtime, document).split() == ["x" * 64, "example.org"]

    def test_sysctls_of_the_container(self, runtime, rootfs):
        document = shell(
            rootfs, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/msg_max"
        )
        document["linux"]["sysctl"] = {
            "net.ipv4.ip_forward": "1", "kernel.msgmax": "4096", "fs.mqueue.msg_max": "7",
        }  # fmt: skip
        assert out(runtime, document).split() == ["1", "4096", "7"]

    @pytest.mark.parametrize("key", ["net/ipv4/conf/eth0.7/forwarding", "net.ipv4.conf.eth0/7.forwarding"])
    def test_a_sysctl_of_a_device_with_a_dot(self, runtime, rootfs, veth, key):
        """The first separator is the separator, the other one part of a name (sysctl(8))."""
        document = shell(rootfs, "cat /proc/sys/net/ipv4/conf/eth0.7/forwarding")
        document["linux"]["netDevices"] = {veth[0]: {"name": "eth0.7"}}
        document["linux"]["sysctl"] = {key: "1"}
        assert out(runtime, document) == "1\n"

    def test_annotations_come_with_the_state(self, runtime, rootfs):
        document = shell(rootfs, "sleep 30")
        document["annotations"] = {"org.example.key": "välue", "empty": ""}
        detached(runtime, document, "noted")
        assert runtime.state("noted")["annotations"] == document["annotations"]

    def test_unknown_capabilities_are_a_warning(self, runtime, rootfs, tmp_path):
        document = config(rootfs, "true")
        document["process"]["capabilities"] = {"bounding": ["CAP_MOON"]}
        log = tmp_path / "log"
        done = runtime("--log", str(log), "--log-format", "json", "run", "-b", runtime.bundle(document), "box")
        assert done.returncode == 0
        warning = "process.capabilities: CAP_MOON is unknown and not granted"
        assert done.stderr == f"aoci: warning: {warning}\n"
        noted = json.loads(log.read_text(encoding="utf-8"))
        assert (noted["level"], noted["msg"]) == ("warning", warning)

    @pytest.mark.parametrize(
        ("sets", "names", "seen"),
        [
            ({"bounding": ["KILL"], "permitted": ["KILL"], "effective": ["KILL", "CHOWN"]}, "effective", "CapEff"),
            ({"bounding": ["KILL"], "permitted": ["KILL"], "inheritable": ["CHOWN"]}, "inheritable", "CapInh"),
            ({"bounding": ["KILL"], "permitted": ["KILL"], "ambient": ["KILL"]}, "ambient", "CapAmb"),
        ],
    )
    def test_capabilities_that_the_kernel_does_not_combine(self, runtime, rootfs, sets, names, seen):
        """config.md: what cannot be granted is told, and no reason to fail."""
        document = config(rootfs, "grep", seen, "/proc/self/status")
        document["process"]["capabilities"] = {name: [f"CAP_{one}" for one in wanted] for name, wanted in sets.items()}
        done = runtime.run(document)
        assert done.returncode == 0
        lost = sets[names][-1]
        assert done.stderr == f"aoci: warning: process.capabilities.{names}: CAP_{lost} cannot be granted\n"
        assert int(done.stdout.split()[1], 16) == (1 << 5 if names == "effective" else 0)

    def test_capabilities_that_the_caller_has_not(self, runtime, rootfs):
        runtime.python = ["setpriv", "--bounding-set", "-net_raw,-sys_time", *runtime.python]
        document = config(rootfs, "grep", "CapBnd", "/proc/self/status")
        wanted = ["CAP_NET_RAW", "CAP_KILL", "CAP_SYS_TIME"]
        document["process"]["capabilities"] = {"bounding": wanted, "permitted": wanted}
        done = runtime.run(document)
        assert int(done.stdout.split()[1], 16) == 1 << 5
        for name in ("bounding", "permitted"):
            words = f"process.capabilities.{name}: CAP_NET_RAW, CAP_SYS_TIME cannot be granted\n"
            assert f"aoci: warning: {words}" in done.stderr


class TestLabels:
    @pytest.mark.parametrize("name", ["apparmorProfile", "selinuxLabel", "mountLabel"])
    def test_without_the_security_module(self, runtime, rootfs, name):
        if os.path.exists("/sys/fs/selinux/enforce") or os.path.exists("/sys/module/apparmor"):
            pytest.skip("this host has a security module")
        document = config(rootfs, "true")
        document["linux" if name == "mountLabel" else "process"][name] = "box"
        message = refused(runtime, document)
        assert f"{name}: this host has no" in message

    def test_rdt_without_resctrl(self, runtime, rootfs):
        if os.path.exists("/sys/fs/resctrl/tasks"):
            pytest.skip("this host has RDT")
        document = config(rootfs, "true")
        document["linux"]["intelRdt"] = {"closID": "gold", "l3CacheSchema": "L3:0=f"}
        assert "linux.intelRdt: this host has no resctrl file system" in refused(runtime, document)


@pytest.fixture
def veth():
    """A pair of network devices on the host, (name, peer's name), with addresses on the first."""
    name, peer = f"aov{os.getpid() % 100000}", f"aop{os.getpid() % 100000}"
    _ip("link", "add", name, "type", "veth", "peer", "name", peer)
    try:
        _ip("addr", "add", "192.0.2.7/24", "brd", "+", "dev", name)
        _ip("addr", "add", "2001:db8::7/64", "dev", name, "nodad")
        _ip("addr", "add", "169.254.3.4/16", "scope", "link", "dev", name)
        yield name, peer
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "del", peer)


def _ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


class TestNetDevices:
    @pytest.mark.parametrize("userns", [False, True], ids=["host", "userns"])
    @pytest.mark.parametrize("inside", ["", "eth0", "net%d"])
    def test_a_device_moves_with_its_addresses(self, runtime, rootfs, veth, inside, userns):
        document = shell(rootfs, "sleep 30")
        document["linux"]["netDevices"] = {veth[0]: {"name": inside} if inside else {}}
        document["linux"]["sysctl"] = {"net.ipv4.ip_forward": "0"}
        pid = detached(runtime, in_user_namespace(document) if userns else document, "net")
        name = {"": veth[0], "net%d": "net0"}.get(inside, inside)
        seen = subprocess.run(
            ["nsenter", "-t", str(pid), "-n", "ip", "-o", "addr", "show", "dev", name],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "192.0.2.7/24 brd 192.0.2.255 scope global" in seen
        assert "2001:db8::7/64 scope global" in seen
        assert "169.254.3.4" not in seen  # not of global scope
        flags = subprocess.run(
            ["nsenter", "-t", str(pid), "-n", "ip", "link", "show", "dev", name],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert ",UP" in flags or "<UP" in flags
        assert not os.path.exists(f"/sys/class/net/{veth[0]}")

    def test_a_name_that_is_taken(self, runtime, rootfs, veth):
        document = config(rootfs, "true")
        document["linux"]["netDevices"] = {veth[0]: {"name": "lo"}}
        assert f"linux.netDevices.{veth[0]}: cannot make it lo of the container: File exists" in refused(
            runtime, document
        )
        assert os.path.exists(f"/sys/class/net/{veth[0]}")

    def test_a_device_that_is_not_there(self, runtime, rootfs):
        document = config(rootfs, "true")
        document["linux"]["netDevices"] = {"nosuchdev": {}}
        assert "linux.netDevices.nosuchdev: the host has no such network device" in refused(runtime, document)

    def test_what_was_moved_comes_back_when_create_fails(self, runtime, rootfs, veth):
        _ip("link", "set", veth[0], "up")
        document = config(rootfs, "no-such-program")
        document["linux"]["netDevices"] = {veth[0]: {"name": "eth0"}}
        assert "no program no-such-program" in refused(runtime, document)
        seen = _ip("-o", "addr", "show", "dev", veth[0])
        assert "192.0.2.7/24" in seen
        assert "2001:db8::7/64" in seen
        assert "UP" in _ip("link", "show", "dev", veth[0])

    def test_what_was_moved_comes_back_when_the_pid_file_cannot_be_written(self, runtime, rootfs, veth):
        document = shell(rootfs, "sleep 30")
        document["linux"]["netDevices"] = {veth[0]: {"name": "eth0"}}
        done = runtime("create", "-b", runtime.bundle(document), "--pid-file", "/proc/nowhere/pid", "box")
        assert done.returncode == 1
        assert "/proc/nowhere" in done.stderr
        assert "192.0.2.7/24" in _ip("-o", "addr", "show", "dev", veth[0])
        assert os.listdir(runtime.run_dir) == []
        assert cgroups(runtime.prefix) == []

    def test_into_the_hosts_own_namespace(self, runtime, rootfs, veth):
        document = config(rootfs, "true")
        for entry in document["linux"]["namespaces"]:
            if entry["type"] == "network":
                entry["path"] = "/proc/self/ns/net"
        document["linux"]["netDevices"] = {veth[0]: {}}
        assert "linux.netDevices: the container has the host's network namespace" in refused(runtime, document)


class TestDevices:
    def test_of_each_type(self, runtime, own_rootfs):
        document = shell(own_rootfs, "stat -c '%F %t:%T %a %u:%g' /dev/one /two /deep/er/three /dev/pipe")
        document["linux"]["devices"] = [
            {"path": "/dev/one", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8},
            {"path": "/two", "type": "b", "major": 7, "minor": 3, "fileMode": 0o100600},
            {"path": "/deep/er/three", "type": "u", "major": 1, "minor": 7},
            {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
        ]
        assert out(runtime, document).splitlines() == [
            "character special file 1:5 640 7:8",
            "block special file 7:3 600 0:0",
            "character special file 1:7 666 0:0",
            "fifo 0:0 622 0:0",
        ]

    @pytest.mark.parametrize("users", ["shared", "own"])
    def test_a_dev_of_the_hosts_stays_as_it_is(self, runtime, own_rootfs, tmp_path, users):
        """Whoever binds the host's /dev would not have its ptmx replaced, nor nodes and links made in it."""
        dev = tmp_path / "dev"
        (dev / "pts").mkdir(parents=True)
        os.mknod(dev / "ptmx", 0o020666, os.makedev(5, 2))
        os.mknod(dev / "zero", 0o020666, os.makedev(1, 5))
        before = [(entry.name, entry.lstat()) for entry in sorted(dev.iterdir())]
        document = shell(own_rootfs, "ls /dev; head -c 3 /dev/zero | wc -c; stat -c %F /else/where")
        document["mounts"] = [entry for entry in document["mounts"] if not entry["destination"].startswith("/dev")]
        document["mounts"].append({"destination": "/dev/", "source": str(dev), "options": ["rbind", "dev"]})
        document["linux"]["devices"] = [
            {"path": "/dev/zero", "type": "c", "major": 1, "minor": 5},
            {"path": "/dev/own", "type": "c", "major": 1, "minor": 5},
            {"path": "/else/where", "type": "p"},
        ]
        if users == "own":
            os.makedirs(os.path.join(own_rootfs, "else"))
            os.chown(os.path.join(own_rootfs, "else"), 100000, 100000)
            in_user_namespace(document)
        done = runtime.run(document)
        assert done.returncode == 0, done.stderr
        assert done.stderr == f"aoci: warning: linux.devices: /dev/own is not made, /dev is the host's {dev}\n"
        assert done.stdout.split() == ["ptmx", "pts", "zero", "3", "fifo"]
        after = [(entry.name, entry.lstat()) for entry in sorted(dev.iterdir())]
        shown = ("st_mode", "st_rdev", "st_ino", "st_uid", "st_ctime_ns")
        assert [[name, *(getattr(status, one) for one in shown)] for name, status in after] == [
            [name, *(getattr(status, one) for one in shown)] for name, status in before
        ]

    def test_something_else_is_there(self, runtime, own_rootfs):
        with open(os.path.join(own_rootfs, "taken"), "w", encoding="ascii"):
            pass
        document = config(own_rootfs, "true")
        document["linux"]["devices"] = [{"path": "/taken", "type": "c", "major": 1, "minor": 3}]
        assert "cannot make the device /taken: the image has something else there" in refused(runtime, document)

    def test_a_fifo_in_a_user_namespace(self, runtime, rootfs):
        document = in_user_namespace(shell(rootfs, "stat -c %F /dev/pipe"))
        document["linux"]["devices"] = [{"path": "/dev/pipe", "type": "p"}]
        assert out(runtime, document) == "fifo\n"


@pytest.mark.parametrize("path", ["/{prefix}/absolute", "{prefix}/relative"])
def test_cgroups_path(runtime, rootfs, path):
    document = shell(rootfs, "sleep 30")
    document["linux"]["cgroupsPath"] = path.format(prefix=runtime.prefix)
    pid = detached(runtime, document, "grouped")
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        assert f":/{runtime.prefix}/{path.rpartition('/')[2]}\n" in file.read()


def test_every_rlimit(runtime, rootfs):
    """Hard limits are the host's own: to raise them is a privilege that not every machine's root has."""
    kinds = {
        "AS": "address space", "CORE": "core file size", "CPU": "cpu time", "DATA": "data size", "FSIZE": "file size",
        "MEMLOCK": "locked memory", "MSGQUEUE": "msgqueue size", "NICE": "nice priority", "NOFILE": "open files",
        "NPROC": "processes", "LOCKS": "file locks", "RSS": "resident set", "RTPRIO": "realtime priority",
        "RTTIME": "realtime timeout", "SIGPENDING": "pending signals", "STACK": "stack size",
    }  # fmt: skip
    document = config(rootfs, "cat", "/proc/self/limits")
    document["process"]["rlimits"], expected = [], {}
    for number, (kind, shown) in enumerate(kinds.items()):
        host = resource.getrlimit(getattr(resource, f"RLIMIT_{kind}", 10))[1]  # LOCKS has no name there
        hard = (1 << 64) - 1 if host == resource.RLIM_INFINITY else host
        soft = min((1 << 30) + 4096 * number, hard)
        document["process"]["rlimits"].append({"type": f"RLIMIT_{kind}", "soft": soft, "hard": hard})
        expected[f"Max {shown}"] = [str(soft), "unlimited" if host == resource.RLIM_INFINITY else str(hard)]
    lines = out(runtime, document).splitlines()[1:]
    seen = {line[:26].strip(): line[26:].split()[:2] for line in lines}
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("user", "env", "home"), [(0, [], "/root"), (1000, [], "/home/app"), (4711, [], "/"), (0, ["HOME=/x"], "/x")]
)
def test_home_as_the_image_knows_it(runtime, rootfs, user, env, home):
    """Engines leave that to the runtime; exec's user has a home of its own."""
    document = shell(rootfs, "echo $HOME; sleep 30")
    document["process"]["user"] = {"uid": user, "gid": user}
    document["process"]["env"] += env
    with open(os.path.join(runtime.directory, "out"), "w+", encoding="ascii") as seen:
        done = runtime("run", "-d", "-b", runtime.bundle(document), "box", capture_output=False, stdout=seen)
        assert done.returncode == 0
        assert _lines(seen, 1) == [home]
    other = runtime("exec", "-u", "1000", "box", "sh", "-c", "echo $HOME").stdout
    assert other == (env[0][5:] if env else "/home/app") + "\n"


def test_the_rootfs_of_the_state_is_the_configurations(runtime, rootfs):
    detached(runtime, shell(rootfs, "sleep 30"), "rooted")
    assert runtime.state("rooted")["rootfs"] == rootfs
