# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: in the container as declared, and nowhere else."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import entry
from ansible_collections.agentless.oci.plugins.module_utils.container import boot, options
from ansible_collections.agentless.oci.plugins.module_utils.kernel import constants, syscalls
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

WAIT = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done']
CONTENT = "hunter2-ratatosk"
KEY = {"name": "key", "content": CONTENT}


def run(host, **given):
    return host.run(**{"command": WAIT, "secrets": [dict(KEY)], **given})


def inside(host, *command):
    return host.aoci("exec", "web", *command).stdout


def where_it_is(host):
    """The files of the state directory that have the content in them, less those in memory."""
    found = []
    top = os.path.join(host.root, "run/secrets")
    for path, directories, files in os.walk(host.root):
        directories[:] = [name for name in directories if os.path.join(path, name) != top]
        for name in files:
            file = os.path.join(path, name)
            if os.path.isfile(file) and not os.path.islink(file):
                with open(file, "rb") as opened:
                    if CONTENT.encode() in opened.read():
                        found.append(file)
    return found


def processes_that_say_it():
    found = []
    for name in os.listdir("/proc"):
        for part in ("cmdline", "environ"):
            try:
                with open(f"/proc/{name}/{part}", "rb") as file:
                    if name.isdigit() and CONTENT.encode() in file.read():
                        found.append(f"{name} {part}")
            except OSError:
                pass
    return found


def test_it_is_in_the_container_and_nowhere_else(host):
    secrets = [
        dict(KEY),
        {"name": "app", "content": "AP8=", "content_is_b64": True, "target": "/etc/app/key", "uid": 7, "mode": "0400"},
    ]
    foreseen = run(host, check=True, secrets=secrets)
    assert not os.path.exists(os.path.join(host.root, "run/secrets"))
    made = run(host, secrets=secrets)
    assert made["actions"] == foreseen["actions"] == ["created container web", "started"]
    assert run(host, secrets=secrets)["actions"] == []
    assert inside(host, "cat", "/run/secrets/key") == CONTENT
    assert inside(host, "stat", "-c", "%a %u %g", "/run/secrets/key", "/etc/app/key") == "444 0 0\n400 7 0\n"
    assert inside(host, "sh", "-c", "hexdump -C /etc/app/key | head -n 1").split()[1:3] == ["00", "ff"]
    assert "Read-only" in inside(host, "sh", "-c", "echo x 2>&1 > /run/secrets/key; true")
    top = os.path.join(host.root, "run/secrets")
    assert syscalls.fs_type(top) == constants.RAMFS_MAGIC
    assert os.stat(top).st_mode & 0o777 == 0o700
    assert where_it_is(host) == []
    assert processes_that_say_it() == []
    for result in (foreseen, made):
        assert CONTENT not in json.dumps(result)
        shown = {entry["name"]: entry for entry in result["diff"]["after"]["secrets"]}
        assert shown["key"]["content"] == "********"
        assert "seal" not in json.dumps(result)
    assert made["container"]["Config"]["Secrets"][1] == {
        "Name": "key",
        "Target": "/run/secrets/key",
        "UID": 0,
        "GID": 0,
        "Mode": 0o444,
    }
    host.task(name="web", state="absent")
    assert not os.path.exists(top)
    assert f" {top} " not in _read("/proc/self/mountinfo")


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_another_content_is_another_container(host):
    run(host)
    changed = [{"name": "key", "content": "other"}]
    foreseen = run(host, check=True, secrets=changed)
    assert foreseen["actions"] == ["replaced container web (secrets)", "started"]
    assert foreseen["diff"]["after"]["secrets"][0]["content"] == "******** (changed)"
    assert run(host, secrets=changed)["actions"] == foreseen["actions"]
    assert inside(host, "cat", "/run/secrets/key") == "other"
    # A task that says nothing of them keeps them, also in a new container.
    assert host.task(name="web", env={"A": "1"})["actions"] == ["replaced container web (env)", "started"]
    assert inside(host, "cat", "/run/secrets/key") == "other"
    assert len(os.listdir(os.path.join(host.root, "run/secrets"))) == 1
    ignored = run(host, env={"A": "1"}, comparisons={"secrets": "ignore"})
    assert ignored["actions"] == []
    assert run(host, env={"A": "1"}, secrets=[])["actions"] == ["replaced container web (secrets)", "started"]
    assert not os.path.exists(os.path.join(host.root, "run/secrets"))


def test_a_file_of_the_host_is_compared_too(host, tmp_path):
    (tmp_path / "key").write_text("one")
    given = {"secrets": [{"name": "key", "source": str(tmp_path / "key")}]}
    run(host, **given)
    assert run(host, **given)["actions"] == []
    (tmp_path / "key").write_text("two")
    assert run(host, **given)["actions"] == ["replaced container web (secrets)", "started"]
    assert inside(host, "cat", "/run/secrets/key") == "two"
    (tmp_path / "key").unlink()
    before = host.status()["Pid"]
    with pytest.raises(Error, match=r"secrets: key: .*No such file"):
        run(host, **given)
    assert host.status()["Pid"] == before


def test_it_outlives_restarts_of_container_and_monitor(host):
    run(host, command=["sh", "-c", "echo $(cat /run/secrets/key); exec sleep 1000"], restart_policy="always")
    host.until(lambda: host.log().count(CONTENT) == 1)
    first = host.status()["Pid"]
    host.kill(first)
    host.until(lambda: host.status()["Pid"] not in (0, first) and host.log().count(CONTENT) == 2)
    assert host.task(name="web", restart=True, force_kill=True)["actions"] == ["restarted"]
    host.until(lambda: host.log().count(CONTENT) == 3)
    host.task(name="web", state="stopped", force_kill=True)
    assert host.task(name="web")["actions"] == ["started"]
    host.until(lambda: host.log().count(CONTENT) == 4)


def test_one_that_is_lost_while_the_container_runs_is_written_again(host):
    run(host)
    shutil.rmtree(os.path.join(host.root, "run/secrets", os.listdir(os.path.join(host.root, "run/secrets"))[0]))
    assert host.task(name="web")["actions"] == []  # a task that does not declare it can do nothing about it
    before = host.status()["Pid"]
    assert run(host, check=True)["actions"] == run(host)["actions"] == ["updated secrets"]
    assert host.status()["Pid"] == before
    assert run(host)["actions"] == []
    host.task(name="web", restart=True)
    assert inside(host, "cat", "/run/secrets/key") == CONTENT


def test_a_host_that_has_started_anew_has_none_and_says_so(host):
    run(host, restart_policy="always")
    host.task(name="web", state="stopped")
    syscalls.umount2(os.path.join(host.root, "run/secrets"), constants.MNT_DETACH)
    (failed,) = boot.start_all(host.state, entry.__file__)
    assert "web: secrets: key: the content is not on this host any more" in str(failed)
    for check in (True, False):
        with pytest.raises(Error, match=r"kept in memory alone\. Run the task that declares secrets"):
            host.task(name="web", check=check)
    assert host.status()["Status"] == "exited"
    assert run(host, restart_policy="always")["actions"] == ["started"]
    assert inside(host, "cat", "/run/secrets/key") == CONTENT
    assert run(host, restart_policy="always")["actions"] == []


def test_a_container_with_ids_of_its_own(host):
    secrets = [{**KEY, "uid": 1000, "gid": 1000, "mode": "0400"}]
    seen = host.shell("cat /run/secrets/key; stat -c ' %u' /run/secrets/key", secrets=secrets, userns_mode="private")
    assert seen == f"{CONTENT} 1000\n"
    with pytest.raises(AssertionError):
        host.shell("cat /run/secrets/key", secrets=secrets, userns_mode="private", user="7", cap_drop=["ALL"])


def test_by_another_runtime_too(host, usable_runtime):
    name = usable_runtime("runc")
    for given in ({}, {"userns_mode": "private"}):
        assert host.shell("cat /run/secrets/key", secrets=[dict(KEY)], runtime=name, **given) == CONTENT


def test_what_could_not_be_made_leaves_nothing(host):
    with pytest.raises(Error, match="/nothing"):
        run(host, command=["/nothing"])
    assert not os.path.exists(os.path.join(host.root, "run/secrets"))


def test_options_that_hold_secrets_say_so():
    spec = options.argument_spec()["secrets"]
    assert spec["no_log"] is False
    assert spec["options"]["content"]["no_log"] is True
