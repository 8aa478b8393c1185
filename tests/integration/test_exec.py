# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""exec and the other verbs on a container that runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

import pytest
from bundles import AOCI, config, detached


@pytest.fixture
def running(runtime, rootfs):
    """A running container "box" with every namespace but user; its configuration."""
    document = config(rootfs, "sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
    document["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}}
    done = runtime("run", "-d", "-b", runtime.bundle(document), "box", capture_output=False)
    assert done.returncode == 0
    return document


def test_exec_is_inside(runtime, running):
    pid = runtime.state("box")["pid"]
    script = "for n in pid mnt uts ipc net cgroup; do readlink /proc/self/ns/$n; done; hostname; ls / | wc -l; id -u"
    done = runtime("exec", "box", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split()
    kinds = ("pid", "mnt", "uts", "ipc", "net", "cgroup")
    assert lines[:6] == [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds]
    assert lines[6] == "box"
    assert lines[8] == "0"


def test_exec_has_what_the_container_has(runtime, running):
    seen = runtime("exec", "box", "cat", "/proc/self/status", "/proc/self/cgroup", "/proc/self/oom_score_adj").stdout
    status = dict(line.split(":\t", 1) for line in seen.splitlines() if ":\t" in line)
    first = runtime("exec", "box", "cat", "/proc/1/status").stdout
    init = dict(line.split(":\t", 1) for line in first.splitlines() if ":\t" in line)
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Groups", "Uid", "Gid"):
        assert status[key] == init[key], key
    assert status["SigBlk"] == status["SigIgn"] == "0" * 16
    assert seen.splitlines()[-1] == "100"
    # By the host's eyes it is in the container's cgroup; a cgroup namespace shows that as the root.
    assert "memory:/\n" in seen or "0::/\n" in seen
    assert runtime("exec", "box", "ls", "/proc/self/fd").stdout.split() == ["0", "1", "2", "3"]


def test_exec_options(runtime, running):
    done = runtime(
        "exec", "--user", "1000:1000", "--cwd", "/tmp", "--env", "A=1", "-e", "B=2", "-g", "7", "box",
        "sh", "-c", "id -u; id -G; pwd; echo $A$B$HELLO",
    )  # fmt: skip
    assert done.stdout.split() == ["1000", "1000", "7", "/tmp", "12wörld"], done.stderr
    done = runtime("exec", "--cap", "CAP_SYS_TIME", "box", "grep", "CapEff", "/proc/self/status")
    assert int(done.stdout.split()[1], 16) & 1 << 25


def test_exec_process_file(runtime, running, tmp_path):
    described = {**running["process"], "args": ["sh", "-c", "echo $X; exit 5"], "env": ["PATH=/bin", "X=file"]}
    (tmp_path / "process.json").write_text(json.dumps(described))
    done = runtime("exec", "--process", str(tmp_path / "process.json"), "box")
    assert (done.stdout, done.returncode) == ("file\n", 5)


def test_exec_detached_with_pid_file(runtime, running, tmp_path):
    pid_file = str(tmp_path / "pid")
    done = runtime("exec", "-d", "--pid-file", pid_file, "box", "sleep", "77", capture_output=False)
    assert done.returncode == 0
    pid = int(open(pid_file, encoding="ascii").read())  # noqa: SIM115
    with open(f"/proc/{pid}/cmdline", encoding="ascii") as file:
        assert file.read() == "sleep\x0077\0"
    assert pid in json.loads(runtime("ps", "--format", "json", "box").stdout)
    assert "sleep 77" in runtime("ps", "box").stdout


def test_exec_terminal(runtime, running, tmp_path):
    path = str(tmp_path / "console.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        done = runtime("exec", "-t", "-d", "--console-socket", path, "box", "sh", "-c", "tty; test -t 0 && echo yes")
        assert done.returncode == 0, done.stderr
        connection, _address = server.accept()
        _name, descriptors, _flags, _from = socket.recv_fds(connection, 100, 1)
    data = b""
    deadline = time.monotonic() + 10
    while b"yes" not in data and time.monotonic() < deadline:
        data += os.read(descriptors[0], 1000)
    assert b"/dev/pts/0" in data
    os.close(descriptors[0])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["box", "nosuch"], 255, "the image has no program nosuch"),
        (["box"], 255, "exec needs a command"),
        (["nobox", "true"], 255, "container nobox does not exist"),
        (["--cwd", "/nosuch", "box", "true"], 255, "cannot enter the working directory /nosuch"),
        (["--user", "x", "box", "true"], 255, "--user takes numbers, not 'x'"),
        (["box", "sh", "-c", "exit 3"], 3, ""),
        (["box", "sh", "-c", "kill -9 $$"], 137, ""),
    ],
)
def test_exec_exit_codes_and_errors(runtime, running, words, code, message):
    done = runtime("exec", *words)
    assert done.returncode == code
    assert message in done.stderr


def test_pause_and_resume(runtime, running):
    assert runtime("pause", "box").returncode == 0
    assert runtime.state("box")["status"] == "paused"
    assert "it is paused" in runtime("exec", "box", "true").stderr
    assert "it is paused" in runtime("pause", "box").stderr
    assert runtime("resume", "box").returncode == 0
    assert runtime.state("box")["status"] == "running"
    assert "not paused" in runtime("resume", "box").stderr


def test_update(runtime, running, tmp_path):
    before = runtime.state("box")["pid"]
    assert runtime("update", "--memory", str(32 << 20), "--pids-limit", "30", "box").returncode == 0
    (tmp_path / "r.json").write_text(json.dumps({"cpu": {"quota": 20000, "period": 100000}}))
    assert runtime("update", "-r", str(tmp_path / "r.json"), "box").returncode == 0
    path = running["linux"]["cgroupsPath"]
    v1 = os.path.isdir("/sys/fs/cgroup/memory")
    for file, value in (
        (f"memory{path}/memory.limit_in_bytes" if v1 else f"{path}/memory.max", str(32 << 20)),
        (f"pids{path}/pids.max" if v1 else f"{path}/pids.max", "30"),
        (f"cpu{path}/cpu.cfs_quota_us" if v1 else f"{path}/cpu.max", "20000" if v1 else "20000 100000"),
    ):
        with open(f"/sys/fs/cgroup/{file}", encoding="ascii") as limit:
            assert limit.read().strip() == value
    assert runtime("update", "--memory", "48M", "--memory-swap", "-1", "box").returncode == 0
    with open(f"/sys/fs/cgroup/{f'memory{path}/memory.limit_in_bytes' if v1 else f'{path}/memory.max'}") as limit:
        assert int(limit.read()) == 48 << 20
    for words, why in (
        (["--memory", "much"], "--memory: 'much' is not a size"),
        (["--kernel-memory", "1M"], "linux.resources.memory.kernel: "),
        (["--cpuset-cpus", "900"], "linux.resources.cpu.cpus: "),
        (["--pids-limit", "x"], "--pids-limit takes a whole number, not 'x'"),
    ):
        refused = runtime("update", *words, "box")
        assert refused.returncode == 1
        assert why in refused.stderr
    assert runtime.state("box")["pid"] == before
    assert "nothing to change" in runtime("update", "box").stderr


def test_events_and_ps_and_list(runtime, running):
    stats = json.loads(runtime("events", "--stats", "box").stdout)
    assert stats["id"] == "box"
    assert stats["data"]["memory"]["usage"]["usage"] > 0
    data = stats["data"]
    assert (data["memory"]["usage"]["limit"], data["pids"]["limit"]) == (64 << 20, 50)
    assert data["pids"]["current"] >= 1
    assert data["cpu"]["usage"]["total"] > 0
    assert data["memory"]["raw"]
    listed = json.loads(runtime("list", "-f", "json").stdout)
    assert [entry["id"] for entry in listed] == ["box"]
    assert listed[0]["owner"] == "root"
    assert runtime("list", "-q").stdout == "box\n"
    head, row = runtime("list").stdout.splitlines()
    assert head.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert row.split()[:3] == ["box", str(runtime.state("box")["pid"]), "running"]
    for verb in (["list"], ["ps", "box"]):
        assert "--format takes table or json, not 'xml'" in runtime(verb[0], "--format", "xml", *verb[1:]).stderr


def follow(runtime, name):
    """``aoci events`` of container *name*, running."""
    command = [*runtime.python, AOCI, "--root", runtime.run_dir, "events", "--interval", "50ms", name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_events_go_on_to_the_end(runtime, running):
    told = follow(runtime, "box")
    seen = [json.loads(told.stdout.readline()) for _turn in range(2)]
    assert [(event["type"], event["id"]) for event in seen] == [("stats", "box")] * 2
    assert runtime("kill", "box", "KILL").returncode == 0
    rest, error = told.communicate(timeout=120)
    assert (told.returncode, error) == (0, "")
    assert {json.loads(line)["type"] for line in rest.splitlines()} <= {"stats"}
    done = runtime("events", "box")
    assert (done.returncode, done.stderr) == (1, "aoci: container box is stopped\n")


def test_events_tell_of_a_kill_for_memory(runtime, rootfs):
    script = "trap 'exec sleep 30' TERM; while :; do sleep 0.1; done"
    document = config(rootfs, "sh", "-c", script)
    document["linux"]["resources"] = {"memory": {"limit": 20 << 20, "swap": 20 << 20}}
    detached(runtime, document, "box")
    told = follow(runtime, "box")
    told.stdout.readline()
    runtime("exec", "box", "awk", 'BEGIN { text = "x"; while (1) text = text text }')
    runtime("kill", "box", "KILL")
    rest, _error = told.communicate(timeout=120)
    assert {"type": "oom", "id": "box"} in [json.loads(line) for line in rest.splitlines()]


def test_a_full_limit_of_processes(runtime, rootfs):
    """exec cannot fork in there: one error, and the container is as it was."""
    document = config(rootfs, "sleep", "30")
    document["linux"]["resources"] = {"pids": {"limit": 1}}
    pid = detached(runtime, document, "box")
    done = runtime("exec", "box", "true")
    assert done.returncode == 255
    assert "Resource temporarily unavailable" in done.stderr
    assert done.stderr.count("\n") == 1
    assert json.loads(runtime("ps", "-f", "json", "box").stdout) == [pid]
    assert runtime("update", "--pids-limit", "5", "box").returncode == 0
    assert runtime("exec", "box", "true").returncode == 0


def test_exec_in_a_group_below(runtime, running):
    top = "memory" if os.path.isdir("/sys/fs/cgroup/memory") else ""
    place = f"/sys/fs/cgroup/{top}{running['linux']['cgroupsPath']}"
    os.mkdir(f"{place}/part")
    words = f"{top}:part" if top else "part"
    runtime("exec", "-d", "--cgroup", words, "box", "sleep", "77", capture_output=False)
    with open(f"{place}/part/cgroup.procs", encoding="ascii") as file:
        (pid,) = file.read().split()
    with open(f"/proc/{pid}/cmdline", encoding="ascii") as file:
        assert file.read() == "sleep\x0077\0"
    for bad, why in (("nope", "there is no cgroup nope below"), ("../x", "leads out of"), ("moon:x", "no cgroup hier")):
        done = runtime("exec", "--cgroup", bad, "box", "true")
        assert done.returncode == 255
        assert why in done.stderr


def test_features_and_spec(runtime, tmp_path):
    features = json.loads(runtime("features").stdout)
    assert "SCMP_ACT_NOTIFY" in features["linux"]["seccomp"]["actions"]
    assert "rro" in features["mountOptions"]
    linux = features["linux"]
    assert (linux["seccomp"]["enabled"], linux["netDevices"]["enabled"]) == (True, True)
    assert set(features["hooks"]) > {"createContainer", "startContainer"}
    assert "no rootless mode" in runtime("spec", "--rootless", "-b", str(tmp_path)).stderr


def test_the_example_runs(runtime, rootfs, tmp_path):
    assert runtime("spec", "-b", str(tmp_path)).returncode == 0
    assert "exists already" in runtime("spec", "-b", str(tmp_path)).stderr
    document = json.loads((tmp_path / "config.json").read_text())
    assert document["process"]["args"] == ["sh"]
    os.symlink(rootfs, tmp_path / "rootfs")
    document["process"].update(terminal=False, args=["sh", "-c", "hostname; touch /x || echo read-only; id -u"])
    document["process"]["rlimits"] = []
    assert runtime.run({**document, "root": {"path": rootfs, "readonly": True}}).stdout.split() == [
        *("aoci", "read-only", "0"),
    ]


def test_errors_go_to_the_log_too(runtime, tmp_path):
    log = str(tmp_path / "log.json")
    done = runtime("--log", log, "--log-format", "json", "state", "nobox")
    assert done.returncode == 1
    entry = json.loads(open(log, encoding="utf-8").read())  # noqa: SIM115
    assert entry["level"] == "error"
    assert entry["msg"] == "container nobox does not exist"


@pytest.mark.parametrize("words", [["--moon", "list"], ["moon"], ["state"], ["state", "a", "b"], ["kill", "x", "MOON"]])
def test_wrong_words_are_one_line(runtime, words):
    done = runtime(*words)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
