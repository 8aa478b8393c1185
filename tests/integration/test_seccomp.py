# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""linux.seccomp by its effects: what calls of a process inside get, with and without no_new_privs.

The process inside is the host's python3, its files bound read-only: with ctypes it makes any system call.
"""

from __future__ import annotations

import array
import ctypes.util
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import seccomp as profiles
from bundles import AOCI, Runtime, cgroups, config

pytestmark = [
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of system calls here are x86_64's"),
    pytest.mark.skipif(not ctypes.util.find_library("seccomp"), reason="needs libseccomp"),
]

HOST = ("/usr", "/lib", "/lib64", "/etc/alternatives")
CAPS = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE", "CAP_KILL"]
DEFAULT = profiles.default_profile(CAPS, "x86_64")

# The helper "call": the result of a system call, or the name of its errno.
PRELUDE = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(word) for word in arguments])
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""
KCMP, SECCOMP, CLONE, CLONE3, SOCKET, UNSHARE, PERSONALITY, KEYCTL, GETPPID = 312, 317, 56, 435, 41, 272, 135, 250, 110
PERSONALITY_READ, NOT_YET_INVENTED = 0xFFFFFFFF, 900


@pytest.fixture
def runtime(tmp_path):
    made = Runtime(str(tmp_path))
    yield made
    made.clean()
    assert cgroups(made.prefix) == []


@pytest.fixture(params=[True, False], ids=["no_new_privs", "privileged install"])
def no_new_privs(request):
    return request.param


def allow_all_but(*rules, **more):
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules), **more}


def errno_rule(name, number, *arguments):
    rule = {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": number}
    return {**rule, "args": list(arguments)} if arguments else rule


def with_host(document, tmp_path):
    """Give *document* the host's programs; /etc/alternatives because /usr/bin is full of links there."""
    for path in HOST:
        real = os.path.realpath(path)
        if os.path.isdir(real):
            document["mounts"].append(
                {"destination": path, "type": "bind", "source": real, "options": ["rbind", "ro", "nosuid"]}
            )
    root = tmp_path / "root"
    if not root.exists():
        root.mkdir()
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o1777)
        (root / "bin").symlink_to("usr/bin")
    document["root"] = {"path": str(root)}
    return document


def python(tmp_path, seccomp, script, *, no_new_privs=True, uid=0):
    document = with_host(config("", "/usr/bin/python3", "-I", "-S", "-c", PRELUDE + script), tmp_path)
    document["process"]["noNewPrivileges"] = no_new_privs
    document["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), CAPS if not uid else [])
    document["process"]["user"] = {"uid": uid, "gid": uid}
    document["linux"]["seccomp"] = seccomp
    return document


def out(runtime, document):
    done = runtime.run(document)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_is_refused_gets_the_declared_errno(runtime, tmp_path, no_new_privs):
    seccomp = allow_all_but(errno_rule("getppid", errno.EXDEV), errno_rule("kcmp", errno.EPERM))
    script = f"print(call({GETPPID}), call({KCMP}), open('/proc/self/status').read().split('Seccomp:')[1].split()[0])"
    assert out(runtime, python(tmp_path, seccomp, script, no_new_privs=no_new_privs)) == ["EXDEV", "EPERM", "2"]


def test_privilege_is_the_same_as_without_a_filter(runtime, tmp_path, no_new_privs):
    script = "print(*[line.split()[1] for line in open('/proc/self/status') if line[:3] in ('Cap', 'NoN')])"
    for uid in (0, 1000):
        seen = {}
        for seccomp in (allow_all_but(errno_rule("kcmp", 1)), None):
            document = python(tmp_path, seccomp, script, no_new_privs=no_new_privs, uid=uid)
            seen[bool(seccomp)] = out(runtime, document)
        assert seen[True] == seen[False]
        assert int(seen[True][1], 16) >> 21 & 1 == 0, "CAP_SYS_ADMIN is left"


def test_a_container_without_capabilities_declared(runtime, tmp_path, no_new_privs):
    document = python(tmp_path, DEFAULT, "print(*open('/proc/self/status'))", no_new_privs=no_new_privs, uid=1000)
    del document["process"]["capabilities"]
    words = out(runtime, document)
    assert int(words[words.index("CapPrm:") + 1], 16) == int(words[words.index("CapEff:") + 1], 16) == 0


def test_newer_than_the_profile_is_enosys_and_older_is_the_default(runtime, tmp_path, no_new_privs):
    script = f"print(call({NOT_YET_INVENTED}), call({KEYCTL}), call(0x40000000 + 900))"
    document = python(tmp_path, DEFAULT, script, no_new_privs=no_new_privs)
    assert out(runtime, document) == ["ENOSYS", "EPERM", "ENOSYS"]


def test_a_filter_that_allows_by_default_leaves_the_unknown_to_the_kernel(runtime, tmp_path):
    seccomp = allow_all_but(errno_rule("kcmp", 1))
    assert out(runtime, python(tmp_path, seccomp, f"print(call({NOT_YET_INVENTED}))")) == ["ENOSYS"]


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])
def test_killing_actions(runtime, rootfs, tmp_path, action):
    seccomp = allow_all_but({"names": ["kcmp"], "action": action})
    done = runtime.run(python(tmp_path, seccomp, f"call({KCMP})"))
    assert done.returncode == 128 + signal.SIGSYS, done.stderr


@pytest.mark.parametrize(
    ("op", "value", "second", "caught"),
    [
        ("SCMP_CMP_EQ", 7, 0, [7]),
        ("SCMP_CMP_NE", 7, 0, [0, 6, 8, 1 << 40]),
        ("SCMP_CMP_LT", 7, 0, [0, 6]),
        ("SCMP_CMP_LE", 7, 0, [0, 6, 7]),
        ("SCMP_CMP_GE", 7, 0, [7, 8, 1 << 40]),
        ("SCMP_CMP_GT", 7, 0, [8, 1 << 40]),
        ("SCMP_CMP_MASKED_EQ", 6, 6, [6, 7]),
    ],
)
def test_arguments(runtime, tmp_path, op, value, second, caught):
    argument = {"index": 3, "op": op, "value": value, "valueTwo": second}
    seccomp = allow_all_but(errno_rule("getppid", errno.EXDEV, argument))
    script = f"print(*[v for v in (0, 6, 7, 8, 1 << 40) if call({GETPPID}, 9, 9, 9, v) == 'EXDEV'])"
    assert [int(word) for word in out(runtime, python(tmp_path, seccomp, script))] == caught


def test_all_arguments_of_a_rule_must_hold(runtime, tmp_path):
    equal = [{"index": index, "op": "SCMP_CMP_EQ", "value": index} for index in (0, 1)]
    seccomp = allow_all_but(errno_rule("getppid", errno.EXDEV, *equal))
    script = f"print(call({GETPPID}, 0, 1), call({GETPPID}, 0, 9) == 0, call({GETPPID}, 9, 1) == 0)"
    assert out(runtime, python(tmp_path, seccomp, script)) == ["EXDEV", "True", "True"]


def test_flags_and_foreign_architectures(runtime, tmp_path, no_new_privs):
    seccomp = allow_all_but(
        errno_rule("kcmp", errno.EXDEV),
        flags=["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"],
    )
    assert out(runtime, python(tmp_path, seccomp, f"print(call({KCMP}))", no_new_privs=no_new_privs)) == ["EXDEV"]


def test_the_smallest_filter_that_a_program_can_start_under(runtime, rootfs):
    """Ours needs execve, capset and nothing else: filters for other runtimes need no change."""
    needed = {"execve", "capset", "exit", "exit_group", "write", "brk", "mmap", "arch_prctl", "getrandom", "prctl"}
    needed |= {"set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlink", "readlinkat", "mprotect", "uname"}
    needed |= {"getuid", "rt_sigaction", "newfstatat", "fstat", "munmap", "access", "ioctl"}
    document = config(rootfs, "echo", "hello")
    document["process"]["noNewPrivileges"] = False
    allowed = {"names": sorted(needed), "action": "SCMP_ACT_ALLOW"}
    document["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [allowed]}
    assert out(runtime, document) == ["hello"]


@pytest.mark.parametrize(
    ("names", "no_new_privs", "message"),
    [
        (["execve"], True, "refuses execve(2)"),
        (["capset"], False, "refuses capset(2)"),
    ],
)
def test_a_filter_under_which_nothing_can_start_is_refused(runtime, rootfs, names, no_new_privs, message):
    document = config(rootfs, "true")
    document["process"]["noNewPrivileges"] = no_new_privs
    document["linux"]["seccomp"] = allow_all_but({"names": names, "action": "SCMP_ACT_KILL"})
    done = runtime.run(document)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_execve_refused_by_its_arguments_is_told(runtime, rootfs, no_new_privs):
    document = config(rootfs, "true")
    document["process"]["noNewPrivileges"] = no_new_privs
    never = {"index": 0, "op": "SCMP_CMP_NE", "value": 1}
    document["linux"]["seccomp"] = allow_all_but(errno_rule("execve", errno.EPERM, never))
    done = runtime.run(document)
    assert done.returncode != 0
    assert "cannot execute /bin/true: Operation not permitted" in done.stderr


def test_in_a_user_namespace(runtime, tmp_path, no_new_privs):
    document = python(tmp_path, DEFAULT, f"print(os.getuid(), call({KEYCTL}))", no_new_privs=no_new_privs)
    document["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        document["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    os.chmod(tmp_path, 0o755)
    for directory, _names, _files in os.walk(tmp_path):
        os.chown(directory, 100000, 100000)
    assert out(runtime, document) == ["0", "EPERM"]


# The default profile


def test_namespaces_are_refused_and_threads_are_not(runtime, tmp_path, no_new_privs):
    script = f"""
import threading, signal
flags = [1 << bit for bit in (17, 25, 26, 27, 28, 29, 30)]
print(*[call({CLONE}, flag | signal.SIGCHLD) for flag in flags], *[call({UNSHARE}, flag) for flag in flags])
print(call({CLONE}, 0x100000000 | 1 << 28 | signal.SIGCHLD), call({CLONE3}, 0, 0))
seen = []
thread = threading.Thread(target=seen.append, args=("thread",)); thread.start(); thread.join()
pid = os.fork()
if not pid: os._exit(7)
print(*seen, os.waitpid(pid, 0)[1] >> 8, os.system("exit 3") >> 8)
"""
    seen = out(runtime, python(tmp_path, DEFAULT, script, no_new_privs=no_new_privs))
    assert seen == ["EPERM"] * 15 + ["ENOSYS", "thread", "7", "3"]


def test_sockets(runtime, tmp_path):
    """CVE-2026-31431: no AF_ALG; also not by bits that the kernel cuts off."""
    script = f"""
import socket
for family in (38, 40, 0x100000000 + 38, 0x100000000 + 40, 12, 37, 4711): print(call({SOCKET}, family, 5, 0))
for family in (1, 2, 10, 16): print(call({SOCKET}, family, 3 if family == 16 else 1, 0) > 0)
a, b = socket.socketpair(); a.send(b"x"); print(b.recv(1).decode())
"""
    assert out(runtime, python(tmp_path, DEFAULT, script)) == ["EPERM"] * 7 + ["True"] * 4 + ["x"]


def program_of_32_bits(path, code):
    """A static ELF executable for the i386 at *path*: *code* at 0x8048054, which is writable as well."""
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    size = 84 + len(code)
    segment = struct.pack("<8I", 1, 0, 0x8048000, 0x8048000, size, size, 7, 4096)
    with open(path, "wb") as file:
        file.write(header + segment + code)
    os.chmod(path, 0o755)


# The end of each: exit(2) with the errno of what int 0x80 gave, above 200 for a descriptor.
EXIT_ERRNO = bytes.fromhex("cd80 f7d8 89c3 b801000000 cd80")
AF_INET, AF_ALG, AF_VSOCK = 2, 38, 40


@pytest.mark.parametrize(
    ("family", "code"), [(AF_ALG, errno.EPERM), (AF_VSOCK, errno.EPERM), (AF_INET, 253)], ids=["alg", "vsock", "inet"]
)
def test_the_sockets_of_32_bit_programs(runtime, rootfs, tmp_path, family, code):
    """socket(2) of the i386 has a number of its own, and the same families."""
    socket_type = socket.SOCK_STREAM if family == AF_INET else socket.SOCK_SEQPACKET
    words = struct.pack("<BIBIBI", 0xB8, 359, 0xBB, family, 0xB9, socket_type) + b"\x31\xd2"  # eax, ebx, ecx; edx = 0
    assert ended(runtime, rootfs, tmp_path, words + EXIT_ERRNO) == code


def test_socketcall_is_not_denied(runtime, rootfs, tmp_path):
    """Most 32-bit programs make their sockets by it. Of which family lies in memory, where no filter sees it."""
    arguments = struct.pack("<3I", AF_INET, socket.SOCK_STREAM, 0)
    words = struct.pack("<BIBIBI", 0xB8, 102, 0xBB, 1, 0xB9, 0x8048054 + 15 + len(EXIT_ERRNO))  # SYS_SOCKET
    code = words + EXIT_ERRNO + arguments
    assert ended(runtime, rootfs, tmp_path, code) == 253


def ended(runtime, rootfs, tmp_path, code):
    """The exit code of the 32-bit program *code* under the default profile."""
    program_of_32_bits(tmp_path / "program", code)
    document = config(rootfs, "/program")
    document["mounts"].append({"destination": "/program", "source": str(tmp_path / "program"), "options": ["bind"]})
    try:
        subprocess.run([tmp_path / "program"], check=False)
    except OSError as error:
        assert error.errno == errno.ENOEXEC
        pytest.skip("this kernel runs no 32-bit programs")
    document["linux"]["seccomp"] = DEFAULT
    return runtime.run(document).returncode


def test_personality(runtime, tmp_path):
    no_randomize, read_implies_exec = 0x0040000, 0x0400000
    values = (PERSONALITY_READ, 0, 8, 0x20000, 0x20008, no_randomize, read_implies_exec, 0x100000000 + no_randomize)
    script = f"print(*['EPERM' if call({PERSONALITY}, v) == 'EPERM' else 'yes' for v in {values!r}])"
    assert out(runtime, python(tmp_path, DEFAULT, script)) == ["yes"] * 5 + ["EPERM"] * 3


def test_a_filter_can_be_put_on_top(runtime, tmp_path):
    get_action_avail, allow = 2, 0x7FFF0000
    script = f"word = ctypes.c_uint32({allow})\nprint(call({SECCOMP}, {get_action_avail}, 0, ctypes.addressof(word)))"
    assert out(runtime, python(tmp_path, DEFAULT, script)) == ["0"]


WORKLOAD = """
import array, concurrent.futures, fcntl, hashlib, json, mmap, multiprocessing, os, select, signal, socket, sqlite3
import struct, subprocess, tempfile, threading, time
with tempfile.TemporaryDirectory() as d:
    base = sqlite3.connect(d + "/db"); base.execute("create table t (x)"); base.executemany(
        "insert into t values (?)", [(i,) for i in range(1000)]); base.commit()
    assert base.execute("select sum(x) from t").fetchone() == (499500,)
    with open(d + "/map", "w+b") as file:
        file.truncate(8192); view = mmap.mmap(file.fileno(), 8192); view[:3] = b"abc"; view.flush()
        fcntl.flock(file, fcntl.LOCK_EX); os.fsync(file.fileno()); os.utime(d + "/map", (1, 2))
    os.symlink("map", d + "/link"); os.rename(d + "/link", d + "/name"); os.chmod(d + "/map", 0o600)
server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname())
peer, _ = server.accept(); client.sendall(b"ping"); assert peer.recv(4) == b"ping"
poll = select.epoll(); poll.register(peer, select.EPOLLIN); client.send(b"x"); assert poll.poll(1)
with concurrent.futures.ThreadPoolExecutor(4) as pool: assert sum(pool.map(len, ["ab"] * 50)) == 100
with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
assert subprocess.run(["sh", "-c", "echo $((6*7)) | cat"], capture_output=True).stdout == b"42\\n"
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.signal(signal.SIGALRM, lambda *a: None); time.sleep(0.02)
os.sched_getaffinity(0); os.getrandom(8); os.memfd_create("x"); os.nice(1)
print("done")
"""


def test_an_ordinary_python_runs_under_it(runtime, tmp_path, no_new_privs):
    document = python(tmp_path, DEFAULT, WORKLOAD, no_new_privs=no_new_privs)
    document["process"]["args"] = ["/usr/bin/python3", "-I", "-c", WORKLOAD]
    assert out(runtime, document) == ["done"]


@pytest.mark.skipif(not shutil.which("redis-server"), reason="needs redis-server")
def test_redis_runs_under_it(runtime, tmp_path):
    script = (
        "cd /tmp && redis-server --port 0 --unixsocket /tmp/s --daemonize yes --appendonly yes >/dev/null;"
        "for i in 1 2 3 4 5 6 7 8 9; do redis-cli -s /tmp/s ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done;"
        "redis-cli -s /tmp/s set key 42 >/dev/null; redis-cli -s /tmp/s bgsave >/dev/null;"
        "redis-cli -s /tmp/s get key; redis-cli -s /tmp/s shutdown"
    )
    document = python(tmp_path, DEFAULT, "")
    document["process"]["args"] = ["/bin/sh", "-c", script]
    assert out(runtime, document) == ["42"]


def test_busybox_runs_under_it(runtime, rootfs, no_new_privs):
    script = (
        "set -e; cd /dev/shm; mkdir -p a/b; echo text > a/b/f; cp -a a c; tar cf t.tar c; gzip t.tar; rm -r a;"
        "tar xzOf t.tar.gz c/b/f; (sleep 0.1; echo slept) & wait; ps | grep -q ps; id -u; seq 1 100 | sort -n | tail -1"
    )
    document = config(rootfs, "sh", "-c", script)
    document["process"]["noNewPrivileges"] = no_new_privs
    document["linux"]["seccomp"] = DEFAULT
    assert out(runtime, document) == ["text", "slept", "0", "100"]


# SCMP_ACT_NOTIFY


class Agent:
    """Listens for one listener and answers every notification with *answer*(syscall number, arguments)."""

    def __init__(self, path, answer):
        self.path, self.answer = path, answer
        self.document, self.seen = None, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(1)
        self.server.settimeout(120)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        end = self.server.accept()[0]
        with end:
            raw, ancillary, _flags, _address = end.recvmsg(65536, socket.CMSG_SPACE(4))
        self.document = json.loads(raw)
        fds = array.array("i")
        fds.frombytes(ancillary[0][2])
        try:
            self._serve(fds[0])
        finally:
            os.close(fds[0])

    def _serve(self, fd):
        while True:
            request = bytearray(80)  # struct seccomp_notif
            try:
                fcntl.ioctl(fd, 0xC0502100, request)
            except OSError as error:  # ENOENT: killed while asking, or nobody is left
                assert error.errno == errno.ENOENT
                return
            cookie, _pid, _flags, number = struct.unpack_from("=QIIi", request)
            arguments = struct.unpack_from("=6Q", request, 32)
            self.seen.append(number)
            value, error = self.answer(number, arguments)
            flags = 1 if (value, error) == (None, None) else 0  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
            fcntl.ioctl(fd, 0xC0182101, struct.pack("=QqiI", cookie, value or 0, -(error or 0), flags))

    def finish(self):
        self.thread.join(120)
        self.server.close()
        assert not self.thread.is_alive()


@pytest.mark.parametrize("more", [[], ["execve", "recvfrom", "capset", "sendto", "close", "rt_sigaction"]])
def test_the_listener_goes_to_the_agent_who_answers(runtime, tmp_path, no_new_privs, more):
    """Even where the runtime's own last calls are among those that the agent decides."""
    agent = Agent(str(tmp_path / "agent"), lambda number, args: (4711, None) if number == GETPPID else (None, None))
    seccomp = allow_all_but(
        {"names": ["getppid", *more], "action": "SCMP_ACT_NOTIFY"},
        listenerPath=agent.path,
        listenerMetadata="for the test",
    )
    document = python(tmp_path, seccomp, f"print(call({GETPPID}))", no_new_privs=no_new_privs)
    document["annotations"] = {"key": "value"}
    try:
        assert out(runtime, document) == ["4711"]
    finally:
        agent.finish()
    assert agent.document["fds"] == ["seccompFd"]
    assert agent.document["metadata"] == "for the test"
    assert agent.document["pid"] == agent.document["state"]["pid"] > 0
    assert agent.document["state"]["annotations"] == {"key": "value"}
    assert {"ociVersion", "id", "status", "bundle"} <= set(agent.document["state"])
    assert GETPPID in agent.seen
    assert (59 in agent.seen) == bool(more)


def test_without_an_agent_nothing_starts(runtime, rootfs, tmp_path):
    document = config(rootfs, "true")
    document["linux"]["seccomp"] = allow_all_but(
        {"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}, listenerPath=str(tmp_path / "nobody")
    )
    done = runtime.run(document)
    assert done.returncode != 0
    assert "linux.seccomp.listenerPath" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# Around it


def test_without_libseccomp_no_container(runtime, rootfs):
    """Fail closed. The library is hidden by a mount namespace in which its file is empty."""
    library = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    path = next(line.split("=> ")[1] for line in library.splitlines() if "libseccomp.so.2" in line)
    document = config(rootfs, "true")
    document["linux"]["seccomp"] = DEFAULT
    command = [*runtime.python, AOCI, "--root", runtime.run_dir, "run", "--bundle", runtime.bundle(document), "c"]
    script = 'mount --bind /dev/null "$0" && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, os.path.realpath(path), *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "libseccomp.so.2 is not on this host" in done.stderr
    assert "Install the package libseccomp2" in done.stderr


def test_filters_are_compiled_once(runtime, rootfs):
    document = config(rootfs, "true")
    document["linux"]["seccomp"] = DEFAULT
    out(runtime, document)
    cache = os.path.join(runtime.run_dir, ".seccomp")
    (name,) = os.listdir(cache)
    before = os.stat(os.path.join(cache, name))
    out(runtime, document)
    assert os.stat(os.path.join(cache, name)).st_mtime_ns == before.st_mtime_ns
    assert before.st_mode & 0o777 == 0o600
    assert os.stat(cache).st_mode & 0o777 == 0o700
    assert runtime("list").stdout.count("\n") <= 1, "the cache is no container"
