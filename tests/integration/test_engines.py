# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other engines with our runtime under them: Podman, and containerd by ctr."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid

import pytest
from bundles import AOCI


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
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for mount in reversed([line.split()[1] for line in file if base in line]):
            subprocess.run(["umount", mount], check=False)
    shutil.rmtree(base, ignore_errors=True)


# This machine may not raise hard limits, and podman's defaults are above ours.
RUN = ("--network", "none", "--ulimit", "nofile=512:512", "--ulimit", "nproc=200:200")


def test_podman_run(podman):
    script = "id -u; touch /x || echo read-only; grep CapEff /proc/self/status; grep Seccomp: /proc/self/status"
    options = ("--memory", "64m", "--cpus", "0.5", "--user", "1000", "--read-only", "--cap-drop", "all")
    seen = podman("run", "--rm", *RUN, *options, "box:1", "sh", "-c", script).split()
    assert seen == ["1000", "read-only", "CapEff:", "0" * 16, "Seccomp:", "2"]


def test_podman_exit_code_and_terminal(podman):
    assert podman("run", "--rm", "-t", *RUN, "box:1", "sh", "-c", "tty").strip() == "/dev/pts/0"
    done = podman("run", "--rm", *RUN, "box:1", "sh", "-c", "exit 7", check=False)
    assert done.returncode == 7
    missing = podman("run", "--rm", *RUN, "box:1", "nosuch", check=False)
    assert missing.returncode == 127
    assert "the image has no program nosuch" in missing.stderr


def test_podman_life(podman):
    podman("run", "-d", "--name", "c", *RUN, "--memory", "64m", "box:1", "sh", "-c", "trap exit TERM; sleep 99 & wait")
    pid = int(podman("inspect", "--format", "{{.State.Pid}}", "c"))
    path = f"/proc/{pid}/cgroup"
    with open(path, encoding="ascii") as file:
        groups = dict(line.strip().split(":", 2)[1:] for line in file)
    limit = (
        f"/sys/fs/cgroup/memory{groups['memory']}/memory.limit_in_bytes"
        if "memory" in groups
        else f"/sys/fs/cgroup{groups['']}/memory.max"
    )
    with open(limit, encoding="ascii") as file:
        assert int(file.read()) == 64 << 20
    assert podman("exec", "c", "hostname")
    assert podman("exec", "-t", "--user", "1000", "c", "sh", "-c", "tty; id -u").split() == ["/dev/pts/0", "1000"]
    assert podman("exec", "c", "sh", "-c", "exit 0") == ""
    podman("pause", "c")
    assert podman("inspect", "--format", "{{.State.Status}}", "c").strip() == "paused"
    podman("unpause", "c")
    stats = json.loads(podman("stats", "--no-stream", "--format", "json", "c"))
    assert stats[0]["name"] == "c"
    podman("kill", "--signal", "USR1", "c")
    podman("restart", "--time", "1", "c")
    podman("stop", "--time", "5", "c")
    podman("rm", "c")
    assert not os.path.exists(f"/proc/{pid}/exe")


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
        return call("ctr", "--address", f"{base}/sock", *more)

    try:
        call("umoci", "init", "--layout", f"{base}/layout")
        call("umoci", "new", "--image", f"{base}/layout:1")
        call("umoci", "insert", "--image", f"{base}/layout:1", rootfs, "/")
        call("skopeo", "copy", f"oci:{base}/layout:1", f"oci-archive:{base}/box.tar:box:1")
        deadline = time.monotonic() + 20
        while not os.path.exists(f"{base}/sock"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run("image", "import", "--base-name", "box", f"{base}/box.tar")
        run.image = run("image", "ls", "-q").split()[0]
        yield run
    finally:
        for task in subprocess.run(
            ["ctr", "--address", f"{base}/sock", "task", "ls", "-q"], capture_output=True, text=True, check=False
        ).stdout.split():
            subprocess.run(["ctr", "--address", f"{base}/sock", "task", "rm", "-f", task], check=False)
        daemon.terminate()
        daemon.wait(20)
        clear(base)


def test_containerd_run(ctr):
    seen = ctr("run", "--rm", "--runc-binary", AOCI, ctr.image, "one", "sh", "-c", "echo hi; id -u; ls /proc/1/exe")
    assert seen.split()[:2] == ["hi", "0"]


def test_containerd_life(ctr):
    ctr("run", "-d", "--runc-binary", AOCI, "--memory-limit", str(64 << 20), ctr.image, "two", "sleep", "99")
    listed = ctr("task", "ls")
    assert "RUNNING" in listed
    assert ctr("task", "exec", "--exec-id", "e1", "two", "sh", "-c", "echo inside").strip() == "inside"
    ctr("task", "pause", "two")
    assert "PAUSED" in ctr("task", "ls")
    ctr("task", "resume", "two")
    assert ctr("task", "metrics", "two")
    ctr("task", "kill", "--signal", "SIGKILL", "two")
    deadline = time.monotonic() + 20
    while "STOPPED" not in ctr("task", "ls"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ctr("task", "rm", "two")
    ctr("container", "rm", "two")
