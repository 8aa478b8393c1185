# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers made by another OCI runtime under our monitor."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error
from conftest import FIRST

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']


@pytest.fixture(params=["runc", "crun"])
def other(request, host, usable_runtime):
    """The name of the runtime; every task of *host* asks for it."""
    host.given = {"runtime": usable_runtime(request.param)}
    return request.param


def listed(host, name):
    """Id → status, by the other runtime's own word."""
    root = os.path.join(host.root, f"run/runtime-{name}")
    text = subprocess.run([name, "--root", root, "list", "-f", "json"], check=True, capture_output=True, text=True)
    return {entry["id"]: entry["status"] for entry in json.loads(text.stdout) or ()}


def theirs(host, name):
    path = os.path.join(host.root, f"run/runtime-{name}")
    return os.listdir(path) if os.path.isdir(path) else []


def test_the_other_runtime_has_made_it_and_forgets_it(host, other):
    made = host.run(command=WAIT, memory="100m")["container"]
    assert listed(host, other) == {made["Id"]: "running"}
    assert made["HostConfig"]["Runtime"] == other
    host.task(memory="120m")
    assert host.run(command=WAIT, memory="120m")["actions"] == []
    host.task(state="stopped")
    assert listed(host, other) == {}
    host.task(state="absent")
    assert theirs(host, other) == []
    assert host.clean() == []


def test_output_exit_code_and_end(host, other):
    done = host.run(command=["sh", "-c", "echo out; echo err >&2; exit 3"], detach=False)
    assert (done["stdout"], done["stderr"], done["rc"]) == ("out\n", "err\n", 3)
    assert theirs(host, other) == []
    seen = host.shell("grep -E '^(Seccomp|SigIgn|CapInh):' /proc/self/status; hostname", hostname="db").split()
    assert seen[:1] + seen[2:] == ["SigIgn:", "CapInh:", "0" * 16, "Seccomp:", "2", "db"]
    assert not int(seen[1], 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)  # which Python ignores


STUMBLES = """#!/bin/sh
# The first creation fails, as where the group above has just gone; the arguments begin with --root DIR --log FILE.
case " $* " in *" create "*)
    if mkdir {mark} 2>/dev/null; then
        echo '{{"level": "error", "msg": "cgroup: no such file or directory"}}' >"$4"
        echo "the words of {program}" >&2
        exit 1
    fi
esac
exec {program} "$@"
"""


def test_what_a_failed_attempt_says_is_no_output_of_the_container(host, usable_runtime, tmp_path):
    program = tmp_path / "runc"
    program.write_text(STUMBLES.format(mark=tmp_path / "mark", program=shutil.which(usable_runtime("runc"))))
    program.chmod(0o755)
    command = ["sh", "-c", "echo err >&2"]
    assert host.run(command=command, detach=False, runtime=str(program))["stderr"] == "err\n"
    assert (tmp_path / "mark").exists()


def test_no_memory_left(host, other):
    host.run(command=["awk", 'BEGIN { text = "x"; while (1) text = text text }'], memory="20m", memory_swap="20m")
    host.ended()
    assert host.status()["OOMKilled"] is True


def test_the_monitor_starts_it_again_with_it(host, other):
    first = host.run(command=WAIT, memory="100m", restart_policy="always")["container"]
    host.run(command=WAIT, memory="150m", restart_policy="always")
    os.kill(first["State"]["Pid"], signal.SIGKILL)
    host.until(lambda: host.status()["Pid"] not in (0, first["State"]["Pid"]))
    assert listed(host, other) == {first["Id"]: "running"}
    assert host.run(command=WAIT, memory="150m", restart_policy="always")["actions"] == []
    host.task(state="stopped")
    assert theirs(host, other) == []


def test_a_monitor_killed_is_cleared_up_after(host, other):
    first = host.run(command=WAIT)["container"]
    host.kill(first["State"]["MonitorPid"])
    assert host.run(command=WAIT)["actions"] == ["restarted (nothing supervised it)"]
    assert listed(host, other) == {first["Id"]: "running"}
    second = host.status()
    host.kill(second["MonitorPid"])
    host.kill(second["Pid"])
    host.task(state="absent")
    assert theirs(host, other) == []
    assert host.clean() == []


def test_a_command_in_it(host, other):
    first = host.run(command=WAIT)["container"]
    runtime = os.path.join(host.root, "run/runtime")
    state = json.loads(host.aoci("--root", runtime, "state", first["Id"]).stdout)
    assert (state["status"], state["pid"]) == ("running", first["State"]["Pid"])
    assert host.aoci("--root", runtime, "exec", first["Id"], "hostname").stdout == first["Id"][:12] + "\n"


def test_a_changed_runtime_replaces_it(host, usable_runtime):
    host.run(command=WAIT)
    done = host.run(command=WAIT, runtime=usable_runtime("runc"))
    assert done["actions"] == ["replaced container web (runtime)", "started"]
    assert host.run(command=WAIT, runtime="aoci")["actions"] == ["replaced container web (runtime)", "started"]
    assert host.run(command=WAIT)["actions"] == []
    assert theirs(host, "runc") == []


def test_one_by_its_path_that_goes_away(host, usable_runtime, tmp_path):
    """Without the program nothing starts any more, and all the rest goes on."""
    copy = tmp_path / "runc-copy"
    shutil.copy(shutil.which(usable_runtime("runc")), copy)
    host.run(command=WAIT, runtime=str(copy))
    copy.unlink()
    assert host.run(command=WAIT, runtime=str(copy))["actions"] == []
    assert host.task(state="stopped")["actions"] == ["stopped"]
    with pytest.raises(Error, match=f"runtime: {copy} is not a program on this host"):
        host.task(state="started")
    host.task(state="absent")
    assert theirs(host, "runc-copy") == []
    assert host.clean() == []


@pytest.mark.parametrize("check", [False, True])
def test_one_that_is_not_there(host, check):
    with pytest.raises(Error, match="runtime: nosuch is not a program on this host"):
        host.run(check=check, runtime="nosuch")
    assert host.clean() == []


def test_a_user_namespace(host, other, tmp_path):
    """Owners are translated by mounts of ours: on disk, in the container and in a volume they are the same."""
    (tmp_path / "secret").write_text("x\n")
    (tmp_path / "secret").chmod(0o600)
    script = (
        "cat /proc/self/uid_map;"
        "stat -c %u:%g / /etc/passwd /home/app /etc/hosts /v/secret; cat /v/secret /etc/hostname;"
        "touch /new; chown 5:6 /new; touch /v/new; chown 7:8 /v/new; echo out > /dev/stdout"
    )
    given = {"userns_mode": "private", "volumes": [f"{tmp_path}:/v:idmap"], "hostname": "db"}
    try:
        seen = host.shell(script, **given).split()
    except Error as error:
        if "id-mapped" not in str(error).lower():
            raise
        pytest.skip(str(error))
    assert seen == ["0", str(FIRST), "65536", "0:0", "0:0", "1000:1000", "0:0", "0:0", "x", "db", "out"]
    for path, owner in (("new", (7, 8)), ("secret", (0, 0))):
        found = os.lstat(tmp_path / path)
        assert (found.st_uid, found.st_gid) == owner
    assert host.shell("id -u; echo out > /dev/stdout", user="app", **given).split() == ["1000", "out"]
    assert os.listdir("/run/agentless-oci-userns") == []  # for all but the monitor


def test_a_program_that_only_execve_finds_wanting(host, other, tmp_path):
    """Both let the process go before they know; then the task says what the process has said."""
    os.chmod(tmp_path, 0o755)
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(Error, match=rf"{other} .*: .*([Nn]o such file or directory)"):
        host.run(command=["/v/script"], volumes=[f"{tmp_path}:/v"])
    assert theirs(host, other) == []
    assert host.clean() == []


@pytest.mark.parametrize("command", [["true"], ["sh", "-c", "exec true"]])
def test_a_program_that_ends_at_once_was_executed(host, other, command):
    for _turn in range(3):
        assert host.run(command=command, detach=False, recreate=True)["rc"] == 0


def test_its_own_words_when_it_refuses(host, usable_runtime):
    with pytest.raises(Error, match=r"runc cannot create the container: .*nosuch"):
        host.run(command=["nosuch"], runtime=usable_runtime("runc"))
    with pytest.raises(Error, match="false cannot create the container: it ended with 1 and gave no reason"):
        host.run(runtime="false")
    assert theirs(host, "runc") == theirs(host, "false") == []
    assert host.clean() == []
