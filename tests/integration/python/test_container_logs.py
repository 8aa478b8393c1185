# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log drivers by their effects. Of journald there is only a socket here; tests/hosts has the real one."""

from __future__ import annotations

import json
import os
import socket
import time

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import logoptions
from ansible_collections.agentless.oci.plugins.module_utils.kernel.errors import Error

TALK = ["sh", "-c", "echo one; echo two >&2; printf three"]
# Says NUMBER for each USR1 that it gets.
COUNTING = [
    "sh",
    "-c",
    "n=0; trap 'n=$((n+1)); echo $n' USR1; trap 'exit 0' TERM; echo 0; while :; do sleep 0.05; done",
]


def test_docker_s_lines(host):
    done = host.run(
        command=TALK,
        detach=False,
        labels={"team": "a", "other": "b"},
        log_driver="json-file",
        log_options={"tag": "{{.Name}}/{{.ImageName}}", "labels": "team,missing"},
    )
    assert (done["stdout"], done["stderr"]) == ("one\nthree", "two\n")
    lines = [json.loads(line) for line in host.log().splitlines()]
    assert sorted((line["stream"], line["log"]) for line in lines) == [
        ("stderr", "two\n"),
        ("stdout", "one\n"),
        ("stdout", "three"),
    ]
    assert lines[0]["attrs"] == {"tag": "web/localhost/tests/busybox:1", "team": "a"}
    assert lines[0]["time"].endswith("Z")
    shown = host.aoci("logs", "web")
    assert (shown.stdout, shown.stderr) == ("one\nthree", "two\n")
    assert done["container"]["HostConfig"]["LogConfig"]["Type"] == "json-file"


def test_docker_s_lines_are_rotated(host):
    script = "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done"
    options = {"log_driver": "json-file", "log_options": {"max-size": "30k", "max-file": 2}}
    done = host.run(command=["sh", "-c", script], detach=False, **options)
    directory = os.path.join(host.root, "containers/web/log")
    assert sorted(name for name in os.listdir(directory) if name != "monitor.log") == [
        "container.log",
        "container.log.1",
    ]
    assert done["stdout"].endswith("line 998\nline 999\n")


def test_nothing_is_kept(host):
    done = host.run(command=TALK, detach=False, log_driver="none")
    assert (done["stdout"], done["stderr"], done["rc"]) == ("", "", 0)
    assert done["container"]["LogPath"] == ""
    shown = host.aoci("logs", "web", check=False)
    assert shown.returncode == 1
    assert "is not kept" in shown.stderr


def test_a_driver_is_changed_in_place(host):
    pid = host.run(command=COUNTING)["container"]["State"]["Pid"]
    expected = ["0"]
    host.until(lambda: "0" in host.aoci("logs", "web").stdout)
    for number, driver in ((1, "json-file"), (2, "none"), (3, "k8s-file")):
        done = host.run(command=COUNTING, log_driver=driver)
        assert done["actions"] == ["updated log_driver"]
        assert done["container"]["State"]["Pid"] == pid
        os.kill(pid, 10)
        if driver != "none":
            expected.append(str(number))
            host.until(lambda: host.aoci("logs", "web").stdout.split() == expected)
        else:
            time.sleep(0.3)  # it has been said, and nobody kept it
    assert host.run(command=COUNTING)["actions"] == []


@pytest.fixture
def journald(tmp_path, monkeypatch):
    """A socket that takes what journald would take."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        path = str(tmp_path / "socket")
        made.bind(path)
        made.settimeout(120)
        monkeypatch.setattr(logoptions, "SOCKET", path)
        yield made


def test_what_journald_gets(host, journald):
    host.run(
        command=TALK,
        labels={"app.team": "a\nb"},
        log_driver="journald",
        log_options={"labels": "app.team", "tag": "t-{{.ID}}"},
    )
    container_id = host.task(state="present", check=True)["container"]["Id"]
    entries = {}
    for _number in range(3):
        entry = journald.recv(65536)
        assert b"APP_TEAM\n\x03\0\0\0\0\0\0\0a\nb\n" in entry
        fields = dict(line.split(b"=", 1) for line in entry.split(b"\n") if b"=" in line)
        entries[fields[b"MESSAGE"]] = fields
    assert (entries[b"one"][b"PRIORITY"], entries[b"two"][b"PRIORITY"]) == (b"6", b"3")
    assert entries[b"three"][b"CONTAINER_PARTIAL_MESSAGE"] == b"true"
    assert entries[b"one"] == {
        b"MESSAGE": b"one",
        b"PRIORITY": b"6",
        b"CONTAINER_NAME": b"web",
        b"CONTAINER_ID": container_id[:12].encode(),
        b"CONTAINER_ID_FULL": container_id.encode(),
        b"CONTAINER_TAG": f"t-{container_id[:12]}".encode(),
        b"SYSLOG_IDENTIFIER": f"t-{container_id[:12]}".encode(),
        b"IMAGE_NAME": b"localhost/tests/busybox:1",
    }


def test_what_makes_no_sense_is_said_before_anything_is_done(host, monkeypatch):
    monkeypatch.setattr(logoptions, "SOCKET", "/nonexistent")
    with pytest.raises(Error, match="there is no journald on this host"):
        host.run(log_driver="journald")
    with pytest.raises(Error, match="log_options: max-size means nothing to log_driver: journald"):
        host.run(log_driver="journald", log_options={"max-size": "1m"})
    with pytest.raises(Error, match="log_options: tag means nothing to log_driver: k8s-file"):
        host.run(log_options={"tag": "x"})
    assert host.clean() == []
