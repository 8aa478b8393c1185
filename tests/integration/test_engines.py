# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other engines with our runtime under them: Podman, and containerd by ctr."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid

import leftovers
import pytest
from bundles import AOCI
from waiting import until


def call(*words, **options):
    done = subprocess.run(
        words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False, **options
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def podman(rootfs):
    """podman with storage, runtime state and an image "box" of its own."""
    if not shutil.which("podman"):
        pytest.skip("needs podman")
    base = f"/tmp/aoci-pod-{uuid.uuid4().hex[:6]}"  # podman wants short names
    os.mkdir(base, 0o700)
    words = ["podman", "--root", f"{base}/root", "--runroot", f"{base}/run", "--tmpdir", f"{base}/tmp"]
    words += ["--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", AOCI]
    archive = os.path.join(base, "box.tar")
    subprocess.run(["tar", "-C", rootfs, "-cf", archive, "."], check=True)

    def run(*more, check=True):
        if check:
            return call(*words, *more)
        return subprocess.run([*words, *more], capture_output=True, text=True, timeout=120, check=False)

    try:
        run("import", archive, "box:1")
        yield run
    finally:
        run("rm", "--all", "--force", "--time", "0", check=False)
        clear(base)


def clear(base):
    """Unmount what is mounted below *base*, and remove it."""
    # conmon cleans up behind a container, with a podman of its own that mounts again.
    until(lambda: not leftovers.processes(base))
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for mount in reversed([line.split()[1] for line in file if base in line]):
            # What podman has begun may not have ended altogether: a mount that is busy would stay for good.
            subprocess.run(["umount", "--lazy", mount], check=False)
    shutil.rmtree(base, ignore_errors=True)


# This machine may not raise hard limits, and podman's defaults are above ours.
RUN = ("--network", "none", "--ulimit", "nofile=512:512", "--ulimit", "nproc=200:200")


LIMITS = (
    "cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us 2>/dev/null || cat memory.max cpu.max"
)
SCRIPT = f"""
id -u; touch /x || echo read-only; grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; echo $HOME
cd /sys/fs/cgroup; {LIMITS}
"""


def test_podman_run(podman):
    options = ("--memory", "64m", "--cpus", "0.5", "--user", "1000", "--read-only", "--cap-drop", "all")
    seen = podman("run", "--rm", *RUN, *options, "box:1", "sh", "-c", SCRIPT).split()
    assert seen[:6] == ["1000", "read-only", "CapEff:", "0" * 16, "Seccomp:", "2"]
    assert seen[6:] == ["/home/app", str(64 << 20), "50000", "100000"]


def test_podman_exit_code_and_terminal(podman):
    assert podman("run", "--rm", "-t", *RUN, "box:1", "sh", "-c", "tty").strip() == "/dev/pts/0"
    done = podman("run", "--rm", *RUN, "box:1", "sh", "-c", "exit 7", check=False)
    assert done.returncode == 7
    missing = podman("run", "--rm", *RUN, "box:1", "nosuch", check=False)
    assert missing.returncode == 127
    assert "the image has no program nosuch" in missing.stderr


def test_podman_life(podman):
    program = "trap 'echo got-usr1' USR1; trap 'exit 5' TERM; while :; do sleep 0.1; done"
    podman("run", "-d", "--name", "c", *RUN, "--memory", "64m", "box:1", "sh", "-c", program)
    pid = int(podman("inspect", "--format", "{{.State.Pid}}", "c"))
    assert podman("exec", "c", "hostname")
    assert podman("exec", "-t", "--user", "1000", "c", "sh", "-c", "tty; id -u").split() == ["/dev/pts/0", "1000"]
    assert podman("exec", "c", "sh", "-c", "exit 0") == ""
    podman("pause", "c")
    assert podman("inspect", "--format", "{{.State.Status}}", "c").strip() == "paused"
    assert _standing_still(pid)
    podman("unpause", "c")
    assert not _standing_still(pid)
    (stats,) = json.loads(podman("stats", "--no-stream", "--format", "json", "c"))
    assert stats["name"] == "c"
    assert stats["mem_usage"].endswith("67.11MB")  # of the limit, as podman rounds it
    assert int(stats["pids"]) >= 1
    podman("kill", "--signal", "USR1", "c")
    until(lambda: "got-usr1" in podman("logs", "c"))
    podman("restart", "--time", "1", "c")
    assert not os.path.exists(f"/proc/{pid}/exe")
    pid = int(podman("inspect", "--format", "{{.State.Pid}}", "c"))
    podman("stop", "--time", "5", "c")
    assert podman("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "c").split() == ["exited", "5"]
    assert not os.path.exists(f"/proc/{pid}/exe")
    podman("rm", "c")
    assert podman("ps", "--all", "--quiet") == ""


def _standing_still(pid):
    """Whether the freezer holds process *pid*."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        groups = dict(line.strip().split(":", 2)[1:] for line in file)
    if "freezer" in groups:
        with open(f"/sys/fs/cgroup/freezer{groups['freezer']}/freezer.state", encoding="ascii") as file:
            return file.read().strip() == "FROZEN"
    with open(f"/sys/fs/cgroup{groups['']}/cgroup.events", encoding="ascii") as file:
        return "frozen 1" in file.read()


def test_podman_kill_and_force(podman):
    """Without a pid namespace, where the kernel does not end the others with the first."""
    podman("run", "-d", "--name", "c", "--pid", "host", *RUN, "box:1", "sh", "-c", "sleep 991 & sleep 992")
    pid = int(podman("inspect", "--format", "{{.State.Pid}}", "c"))
    podman("kill", "c")
    until(lambda: podman("inspect", "--format", "{{.State.Status}}", "c").strip() == "exited")
    assert not os.path.exists(f"/proc/{pid}/exe")
    podman("rm", "--force", "c")


@pytest.fixture
def ctr(rootfs):
    """ctr with a containerd of its own and an image "box"."""
    for program in ("containerd", "ctr", "containerd-shim-runc-v2", "skopeo", "umoci"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    base = f"/tmp/aoci-ctr-{uuid.uuid4().hex[:6]}"  # sockets need short names
    os.mkdir(base, 0o700)
    with open(f"{base}/config.toml", "w", encoding="ascii") as file:
        file.write(f'version = 2\nroot = "{base}/root"\nstate = "{base}/state"\n')
        file.write(f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{base}/sock"\n')
    daemon = subprocess.Popen(
        ["containerd", "--config", f"{base}/config.toml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def run(*more):
        return call("ctr", "--address", run.address, *more)

    run.address = f"{base}/sock"

    try:
        call("umoci", "init", "--layout", f"{base}/layout")
        call("umoci", "new", "--image", f"{base}/layout:1")
        call("umoci", "insert", "--image", f"{base}/layout:1", rootfs, "/")
        call("skopeo", "copy", f"oci:{base}/layout:1", f"oci-archive:{base}/box.tar:box:1")
        until(lambda: os.path.exists(f"{base}/sock"), lambda: f"containerd: {daemon.poll()}")
        run("image", "import", "--base-name", "box", f"{base}/box.tar")
        run.image = run("image", "ls", "-q").split()[0]
        yield run
    finally:
        for task in subprocess.run(
            ["ctr", "--address", f"{base}/sock", "task", "ls", "-q"], capture_output=True, text=True, check=False
        ).stdout.split():
            subprocess.run(["ctr", "--address", f"{base}/sock", "task", "rm", "-f", task], check=False)
        daemon.terminate()
        daemon.wait(120)
        clear(base)


def test_containerd_run_with_options(ctr):
    options = ("--memory-limit", str(64 << 20), "--cpus", "0.5", "--read-only", "--seccomp")
    drops = [f"--cap-drop=CAP_{name}" for name in ("KILL", "CHOWN")]
    mount = "type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro"
    words = ("run", "--rm", "--runc-binary", AOCI, *options, *drops, "--mount", mount, ctr.image, "three")
    seen = ctr(*words, "sh", "-c", SCRIPT + "grep CapBnd /proc/self/status").split()
    assert seen[:2] == ["0", "read-only"]
    assert seen[4:6] == ["Seccomp:", "2"]
    assert seen[6:10] == ["/root", str(64 << 20), "50000", "100000"]
    assert not int(seen[-1], 16) & (1 << 5 | 1)
    assert int(seen[-1], 16) & 1 << 10


def test_containerd_terminal(ctr):
    """ctr wants a terminal of its own for that."""
    master, slave = os.openpty()
    command = ["ctr", "--address", ctr.address, "run", "--rm", "-t", "--runc-binary", AOCI, ctr.image, "four"]
    with subprocess.Popen([*command, "tty"], stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                text += os.read(master, 1000)
            except OSError:  # EIO: its last user has gone
                break
        os.close(master)
        assert process.wait(60) == 0, text
    assert b"/dev/pts/0" in text


def test_containerd_run(ctr):
    seen = ctr("run", "--rm", "--runc-binary", AOCI, ctr.image, "one", "sh", "-c", "echo hi; id -u; ls /proc/1/exe")
    assert seen.split()[:2] == ["hi", "0"]


@pytest.fixture
def unpacked(rootfs, tmp_path):
    """A bundle as umoci unpacks it from an image of the small root file system."""
    if not shutil.which("umoci"):
        pytest.skip("needs umoci")
    image = f"{tmp_path}/layout:1"
    call("umoci", "init", "--layout", f"{tmp_path}/layout")
    call("umoci", "new", "--image", image)
    call("umoci", "insert", "--image", image, rootfs, "/")
    call("umoci", "config", "--image", image, "--config.user", "app", "--config.workingdir", "/tmp")
    call("umoci", "config", "--image", image, "--config.env", "GREETING=hello", "--config.cmd", "sh")
    call("umoci", "unpack", "--image", image, f"{tmp_path}/bundle")
    return f"{tmp_path}/bundle"


def test_a_bundle_of_umoci(runtime, unpacked):
    """As umoci made it: a terminal, its user by number, its limits and mounts. Then what it prints, without one."""
    with open(f"{unpacked}/config.json", encoding="utf-8") as file:
        document = json.load(file)
    assert document["process"]["terminal"] is True
    master, slave = os.openpty()
    command = [*runtime.python, AOCI, "--root", runtime.run_dir, "run", "--bundle", unpacked, "unpacked"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        os.write(master, b"id -u; pwd; echo $GREETING to $HOME; exit 3\n")
        assert process.wait(60) == 3
        text = os.read(master, 10000).split()
        os.close(master)
    assert b"1000" in text
    assert b"/tmp" in text
    document["process"].update(
        terminal=False, args=["sh", "-c", "echo $GREETING; id -u; tty; ls /sys/fs/cgroup | wc -l"]
    )
    with open(f"{unpacked}/config.json", "w", encoding="utf-8") as file:
        json.dump(document, file)
    done = runtime("run", "--bundle", unpacked, "unpacked")
    assert done.stderr == ""
    assert done.stdout.split()[:4] == ["hello", "1000", "not", "a"]
    assert runtime("delete", "--force", "unpacked").returncode == 0


def test_containerd_life(ctr):
    ctr("run", "-d", "--runc-binary", AOCI, "--memory-limit", str(64 << 20), ctr.image, "two", "sleep", "99")
    listed = ctr("task", "ls")
    assert "RUNNING" in listed
    assert ctr("task", "exec", "--exec-id", "e1", "two", "sh", "-c", "echo inside").strip() == "inside"
    as_user = ("task", "exec", "--exec-id", "e2", "--user", "1000", "--cwd", "/tmp", "two", "sh", "-c", "id -u; pwd")
    assert ctr(*as_user).split() == ["1000", "/tmp"]
    ctr("task", "pause", "two")
    assert "PAUSED" in ctr("task", "ls")
    ctr("task", "resume", "two")
    assert ctr("task", "metrics", "two")
    ctr("task", "kill", "--signal", "SIGKILL", "two")
    until(lambda: "STOPPED" in ctr("task", "ls"))
    ctr("task", "rm", "two")
    ctr("container", "rm", "two")
