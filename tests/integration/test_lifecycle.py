# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations by the letter of runtime-spec runtime.md: states, what is refused in each, what delete leaves."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

import pytest
from bundles import AOCI, CHECKOUT, cgroups, config, detached, shell, without
from waiting import until

FOREVER = "trap 'exit 9' TERM; while :; do sleep 0.1; done"


def create(runtime, document, name):
    bundle = runtime.bundle(document)
    done = runtime("create", "-b", bundle, name, capture_output=False)
    assert done.returncode == 0
    return bundle


def wait_for(runtime, name, status):
    until(lambda: runtime.state(name)["status"] == status, lambda: runtime.state(name))


def in_status(runtime, rootfs, status):
    """A container "box" in *status*."""
    create(runtime, shell(rootfs, FOREVER), "box")
    if status in ("running", "paused", "stopped"):
        assert runtime("start", "box").returncode == 0
    if status == "paused":
        assert runtime("pause", "box").returncode == 0
    if status == "stopped":
        assert runtime("kill", "box", "KILL").returncode == 0
        wait_for(runtime, "box", "stopped")
    if status == "creating":  # as a create leaves it that is killed early
        path = os.path.join(runtime.run_dir, "box", "state.json")
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        assert runtime("kill", "box", "KILL").returncode == 0
        document.update(pid=0, start_time=0)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)


STATUSES = ("creating", "created", "running", "paused", "stopped")
ALLOWED = {
    "start": ("created",),
    "kill": ("created", "running", "paused"),
    "delete": ("stopped",),
    "delete --force": STATUSES,
    "pause": ("created", "running"),
    "resume": ("paused",),
    "exec": ("created", "running"),
    "update": ("created", "running", "paused"),
}
WORDS = {
    "start": ["start", "box"],
    "kill": ["kill", "box", "CONT"],
    "delete": ["delete", "box"],
    "delete --force": ["delete", "--force", "box"],
    "pause": ["pause", "box"],
    "resume": ["resume", "box"],
    "exec": ["exec", "box", "true"],
    "update": ["update", "--pids-limit", "50", "box"],
}


@pytest.mark.parametrize("status", STATUSES)
def test_what_each_status_allows(runtime, rootfs, status):
    in_status(runtime, rootfs, status)
    before = runtime.state("box")
    assert before["status"] == status
    forbidden = [name for name in WORDS if status not in ALLOWED[name]]
    for name in forbidden:
        done = runtime(*WORDS[name])
        assert done.returncode in (1, 255), name
        assert f"it is {status}" in done.stderr, (name, done.stderr)
        assert runtime.state("box") == before, name  # as if it had never been tried


@pytest.mark.parametrize(("name", "status"), [(name, status) for name in WORDS for status in ALLOWED[name]])
def test_what_is_allowed_works(runtime, rootfs, name, status):
    in_status(runtime, rootfs, status)
    done = runtime(*WORDS[name])
    assert (done.returncode, done.stderr) == (0, "")
    if name.startswith("delete"):
        assert "does not exist" in runtime("state", "box").stderr
        assert os.listdir(runtime.run_dir) == []
        assert cgroups(runtime.prefix) == []


def test_a_created_container_can_be_paused(runtime, rootfs):
    create(runtime, shell(rootfs, FOREVER), "box")
    assert runtime("pause", "box").returncode == 0
    assert runtime.state("box")["status"] == "paused"
    assert "it is paused, not created" in runtime("start", "box").stderr
    assert runtime("resume", "box").returncode == 0
    assert runtime.state("box")["status"] == "created"
    assert runtime("start", "box").returncode == 0


@pytest.mark.parametrize("words", [["state"], ["start"], ["kill", "box", "TERM"], ["delete"], ["pause"], ["resume"]])
def test_a_container_that_does_not_exist(runtime, words):
    done = runtime(words[0], "box", *words[2:])
    assert (done.returncode, done.stderr) == (1, "aoci: container box does not exist\n")


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd is process 1")
@pytest.mark.parametrize("option", ["--systemd-cgroup", "--cgroup-manager=systemd"])
def test_without_systemd_it_makes_no_cgroup(runtime, rootfs, option):
    done = runtime(option, "create", "-b", runtime.bundle(shell(rootfs, FOREVER)), "box")
    assert done.returncode == 1
    assert "systemd is not process 1 of this machine" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not os.path.isdir(runtime.run_dir) or os.listdir(runtime.run_dir) == []


def test_delete_force_of_nothing_is_fine(runtime):
    assert runtime("delete", "--force", "box").returncode == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a b", "ä", "x" * 1025])
def test_ids_that_are_none(runtime, rootfs, name):
    done = runtime("create", "-b", runtime.bundle(config(rootfs, "true")), name)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not os.path.isdir(runtime.run_dir) or os.listdir(runtime.run_dir) == []


def test_an_id_in_use_keeps_its_container(runtime, rootfs):
    create(runtime, shell(rootfs, FOREVER), "box")
    before = runtime.state("box")
    other = runtime.bundle(shell(rootfs, "true"))
    done = runtime("create", "-b", other, "box")
    assert done.returncode == 1
    assert "a container with the id box exists already" in done.stderr
    assert runtime.state("box") == before
    assert runtime("start", "box").returncode == 0
    assert len({os.path.basename(path) for path in cgroups(runtime.prefix)}) == 1  # the other one made none


def test_an_id_is_free_after_delete(runtime, rootfs):
    for turn in range(3):
        create(runtime, shell(rootfs, f"exit {turn}"), "box")
        assert runtime("start", "box").returncode == 0
        wait_for(runtime, "box", "stopped")
        assert runtime("delete", "box").returncode == 0


def test_create_runs_nothing_of_the_users(runtime, rootfs, tmp_path):
    (tmp_path / "out").mkdir()
    document = shell(rootfs, "echo ran > /out/file")
    document["mounts"].append({"destination": "/out", "source": str(tmp_path / "out"), "options": ["bind"]})
    create(runtime, document, "box")
    time.sleep(0.3)
    assert os.listdir(tmp_path / "out") == []
    assert runtime("start", "box").returncode == 0
    wait_for(runtime, "box", "stopped")
    assert (tmp_path / "out" / "file").read_text() == "ran\n"


def test_a_changed_config_changes_nothing(runtime, rootfs):
    document = shell(rootfs, FOREVER)
    document["annotations"] = {"a": "1"}
    bundle = create(runtime, document, "box")
    with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
        json.dump({**document, "process": {**document["process"], "args": ["false"], "cwd": "/tmp"}}, file)
    assert runtime("start", "box").returncode == 0
    assert runtime.state("box")["annotations"] == {"a": "1"}
    assert runtime("exec", "box", "pwd").stdout == "/\n"
    os.unlink(os.path.join(bundle, "config.json"))
    assert runtime("delete", "--force", "box").returncode == 0


def test_the_state_document(runtime, rootfs, tmp_path):
    bundle = runtime.bundle(shell(rootfs, FOREVER))
    words = ("create", "--bundle", bundle, "--pid-file", str(tmp_path / "pid"), "box")
    assert runtime(*words, capture_output=False).returncode == 0
    state = runtime.state("box")
    assert (tmp_path / "pid").read_text() == str(state["pid"])
    assert state["ociVersion"] == "1.3.0"
    assert (state["id"], state["status"], state["bundle"]) == ("box", "created", bundle)
    assert os.path.exists(f"/proc/{state['pid']}")
    assert runtime("kill", "box", "KILL").returncode == 0
    wait_for(runtime, "box", "stopped")
    assert runtime.state("box")["pid"] == 0


def test_two_starts_at_once(runtime, rootfs, tmp_path):
    """One of them starts it, the others are told; startContainer makes the moment long."""
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\nsleep 0.5\n")
    hook.chmod(0o755)
    document = shell(rootfs, FOREVER)
    document["mounts"].append({"destination": "/hook", "source": str(hook), "options": ["bind"]})
    document["hooks"] = {"startContainer": [{"path": "/hook"}]}
    create(runtime, document, "box")
    command = [*runtime.python, AOCI, "--root", runtime.run_dir, "start", "box"]
    starts = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _turn in range(3)]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in starts]
    assert sorted(code for _said, code in ended) == [0, 1, 1], ended
    for said, code in ended:
        assert not code or "cannot start container box" in said or "cannot reach" in said


@pytest.mark.parametrize("kind", ["host", "joined"])
def test_sigkill_is_for_all_where_no_pid_namespace_is_the_containers(runtime, rootfs, kind):
    """There the kernel lets the others live on when the first one dies."""
    document = without(shell(rootfs, "sleep 1000 & sleep 1001"), "pid")
    if kind == "joined":
        pid = detached(runtime, shell(rootfs, FOREVER), "first")
        document["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{pid}/ns/pid"})
    detached(runtime, document, "box")
    until(lambda: len(json.loads(runtime("ps", "-f", "json", "box").stdout)) >= 2)
    assert runtime("kill", "box", "KILL").returncode == 0
    until(lambda: not json.loads(runtime("ps", "-f", "json", "box").stdout))
    assert kind == "host" or runtime.state("first")["status"] == "running"


def test_many_verbs_at_once(runtime, rootfs, tmp_path):
    """Three forced deletes all succeed, whoever else looks at it or kills it; of three creates one does."""
    document = shell(rootfs, "sleep 1000 & sleep 1001")
    document["linux"]["resources"] = {"memory": {"limit": 64 << 20}}
    bundle = runtime.bundle(document)

    def at_once(*commands):
        errors = [open(tmp_path / f"{number}", "w+", encoding="utf-8") for number in range(len(commands))]  # noqa: SIM115
        command = [*runtime.python, AOCI, "--root", runtime.run_dir]
        running = [
            subprocess.Popen([*command, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file)
            for words, file in zip(commands, errors)
        ]
        codes = [process.wait(60) for process in running]
        for file in errors:
            file.seek(0)
        said = [file.read() for file in errors]
        for file in errors:
            file.close()
        assert all(text.count("\n") <= 1 for text in said), said
        return codes, said

    create_it, delete_it = ("run", "-d", "-b", bundle, "box"), ("delete", "--force", "box")
    for _turn in range(3):
        codes, said = at_once(create_it, create_it, create_it)
        assert sorted(codes) == [0, 1, 1], said
        others = (("kill", "box", "KILL"), ("state", "box"), ("list",), ("exec", "box", "true"), ("pause", "box"))
        codes, said = at_once(delete_it, delete_it, *others, delete_it)
        assert (codes[0], codes[1], codes[-1]) == (0, 0, 0), said
        assert os.listdir(runtime.run_dir) == []
        assert cgroups(runtime.prefix) == []


class TestForeignCgroup:
    @pytest.fixture
    def group(self, runtime):
        """A cgroup that is there before create, in every hierarchy; its path from their roots."""
        path = f"/{runtime.prefix}/before"
        for directory in self._directories(path):
            os.makedirs(directory)
            for name in ("cpuset.cpus", "cpuset.mems"):  # v1's begin empty, and take no process
                for where in (os.path.dirname(directory), directory):
                    if "cpuset" in where and os.path.exists(f"{where}/{name}"):
                        with open(f"/sys/fs/cgroup/cpuset/{name}", encoding="ascii") as whole:
                            value = whole.read()
                        with open(f"{where}/{name}", "w", encoding="ascii") as file:
                            file.write(value)
        yield path
        for directory in self._directories(path):
            os.rmdir(directory)

    def _directories(self, path):
        if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            return [f"/sys/fs/cgroup{path}"]
        roots = {os.path.realpath(f"/sys/fs/cgroup/{name}") for name in os.listdir("/sys/fs/cgroup")}
        return [root + path for root in sorted(roots) if os.path.isdir(root)]

    def test_delete_leaves_it(self, runtime, rootfs, group):
        document = shell(rootfs, FOREVER)
        document["linux"]["cgroupsPath"] = group
        create(runtime, document, "box")
        assert runtime("start", "box").returncode == 0
        assert runtime("delete", "--force", "box").returncode == 0
        assert all(os.path.isdir(directory) for directory in self._directories(group))
        for directory in self._directories(group):
            with open(f"{directory}/cgroup.procs", encoding="ascii") as file:
                assert file.read() == ""

    def test_a_create_that_fails_leaves_it(self, runtime, rootfs, group):
        document = config(rootfs, "no-such-program")
        document["linux"]["cgroupsPath"] = group
        assert runtime.run(document).returncode == 1
        assert all(os.path.isdir(directory) for directory in self._directories(group))

    def test_one_with_processes_is_refused(self, runtime, rootfs):
        document = shell(rootfs, FOREVER)
        create(runtime, document, "box")
        done = runtime("create", "-b", runtime.bundle(document), "other")
        assert done.returncode == 1
        assert "is in use by other processes" in done.stderr
        assert runtime.state("box")["status"] == "created"


class TestParentsOfTheCgroup:
    """What create made above the container's group goes with the last that uses it; what was there stays."""

    def _groups(self, path):
        found = [top for top, _names, _files in os.walk("/sys/fs/cgroup") if top.endswith(path)]
        return {top for top in found if os.path.exists(top + "/cgroup.procs")}

    def _created(self, runtime, rootfs, name, path):
        document = shell(rootfs, FOREVER)
        document["linux"]["cgroupsPath"] = f"/{runtime.prefix}{path}"
        create(runtime, document, name)

    def test_all_that_was_made_goes(self, runtime, rootfs):
        self._created(runtime, rootfs, "box", "/deep/er/box")
        assert self._groups(f"/{runtime.prefix}/deep/er")
        assert runtime("delete", "--force", "box").returncode == 0
        assert self._groups(f"/{runtime.prefix}") == set()

    def test_a_create_that_fails_leaves_none(self, runtime, rootfs):
        document = config(rootfs, "no-such-program")
        document["linux"]["cgroupsPath"] = f"/{runtime.prefix}/deep/er/box"
        assert runtime.run(document).returncode == 1
        assert self._groups(f"/{runtime.prefix}") == set()

    def test_what_was_there_stays(self, runtime, rootfs):
        self._created(runtime, rootfs, "box", "/box")
        there = self._groups(f"/{runtime.prefix}")
        assert runtime("delete", "--force", "box").returncode == 0
        for directory in there:
            os.mkdir(directory)
        self._created(runtime, rootfs, "box", "/made/box")
        assert runtime("delete", "--force", "box").returncode == 0
        assert self._groups(f"/{runtime.prefix}") == there
        assert self._groups(f"/{runtime.prefix}/made") == set()

    @pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
    def test_the_last_of_two_removes_it(self, runtime, rootfs, order):
        self._created(runtime, rootfs, "one", "/shared/one")
        self._created(runtime, rootfs, "two", "/shared/two")
        assert runtime("delete", "--force", order[0]).returncode == 0
        assert self._groups(f"/{runtime.prefix}/shared")
        assert runtime.state(order[1])["status"] == "created"
        assert runtime("delete", "--force", order[1]).returncode == 0
        assert self._groups(f"/{runtime.prefix}") == set()

    def test_one_that_has_limits_of_its_own_stays(self, runtime, rootfs):
        """cgroup_limit has made it its own, though it was made for a container."""
        self._created(runtime, rootfs, "box", "/batch/box")
        script = f"""
import sys
sys.path.insert(0, {os.path.join(CHECKOUT, "plugins", "module_utils")!r})
import entry
entry.register()
from aoci.cgroup import limits
from aoci.cgroup.module import result
names = [*limits.argument_spec(), "name", "unit", "pid", "processes", "persistent"]
place = {{"path": "/{runtime.prefix}/batch", "state": "present", "kill": False, "root": {runtime.run_dir!r}}}
result({{**dict.fromkeys(names), **place, "pids_limit": "77"}}, False)
"""
        subprocess.run([*runtime.python, "-c", script], check=True)
        assert runtime("delete", "--force", "box").returncode == 0
        kept = self._groups(f"/{runtime.prefix}/batch")
        try:
            files = [pathlib.Path(top, "pids.max") for top in kept]
            assert "77" in [file.read_text(encoding="ascii").strip() for file in files if file.exists()]
        finally:
            for directory in kept:
                os.rmdir(directory)

    def test_many_at_once(self, runtime, rootfs):
        """They make and remove the same parent under each other's feet."""
        bundles = []
        for number in range(4):
            document = config(rootfs, "true")
            document["linux"]["cgroupsPath"] = f"/{runtime.prefix}/shared/{number}"
            bundles.append(runtime.bundle(document))
        loop = 'for n in 1 2 3 4 5 6; do "$@" || exit 1; done'
        command = ["sh", "-c", loop, "sh", *runtime.python, AOCI, "--root", runtime.run_dir, "run", "-b"]
        running = [
            subprocess.Popen([*command, bundle, f"c{number}"], stderr=subprocess.PIPE, text=True)
            for number, bundle in enumerate(bundles)
        ]
        ended = [(process.communicate(timeout=120)[1], process.returncode) for process in running]
        assert ended == [("", 0)] * 4
        assert self._groups(f"/{runtime.prefix}") == set()
