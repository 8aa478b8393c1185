# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks whose tasks run inside a container: the connection plugin, by way of ansible-playbook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import WAIT

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PLAYBOOK = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
# Stands for ssh: notes what it was asked, and does here what was to be done there.
SSH = """#!/bin/bash
printf '%s\\n' "$@" >> {notes}
exec /bin/sh -c "${{@: -1}}"
"""


@pytest.fixture
def play(host, tmp_path):
    """Call as play(tasks, **variables): what ansible-playbook says, with the container web as the play's host."""
    host.run(
        command=WAIT, hostname="web", working_dir="/srv", volumes=["/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro"]
    )

    def run(tasks, name="web", rc=0, others=None, **variables):
        given = {"ansible_connection": "agentless.oci.oci", "ansible_oci_root": host.root, **variables}
        given.setdefault("ansible_python_interpreter", "/usr/bin/python3")
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {name: given, **(others or {})}}}))
        (tmp_path / "play.yml").write_text(json.dumps([{"hosts": name, "gather_facts": False, "tasks": tasks}]))
        done = subprocess.run(
            [PLAYBOOK, "-i", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")],
            cwd=CHECKOUT,
            env={**os.environ, "ANSIBLE_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == rc, done.stdout + done.stderr
        return done.stdout

    return run


def wanted(*conditions):
    return {"ansible.builtin.assert": {"that": list(conditions)}}


def test_tasks_without_python_and_with_it(play, host, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom((16 << 20) + 5))
    (tmp_path / "empty").touch()
    (tmp_path / "page.j2").write_text("for {{ inventory_hostname }}\n")
    play(
        [
            {
                "ansible.builtin.raw": "echo out; echo err >&2; cat /etc/hostname; exit 3",
                "register": "r",
                "ignore_errors": True,
            },
            wanted("r.rc == 3", "r.stdout_lines == ['out', 'web']", "'err' in r.stderr"),
            {"ansible.builtin.command": {"cmd": "cat", "stdin": "x y"}, "register": "r"},
            wanted("r.stdout == 'x y'"),
            {"ansible.builtin.copy": {"src": str(big), "dest": "/srv/big", "mode": "0640"}},
            {"ansible.builtin.copy": {"src": str(tmp_path / "empty"), "dest": "/srv/empty"}},
            {"ansible.builtin.copy": {"src": str(big), "dest": "/srv/big", "mode": "0640"}, "register": "again"},
            wanted("again is not changed"),
            {"ansible.builtin.template": {"src": str(tmp_path / "page.j2"), "dest": "/srv/it's a page"}},
            {"ansible.builtin.fetch": {"src": "/srv/big", "dest": f"{tmp_path}/fetched", "flat": True}},
            {"ansible.builtin.fetch": {"src": "/srv/it's a page", "dest": f"{tmp_path}/page", "flat": True}},
        ]
    )
    assert (tmp_path / "fetched").read_bytes() == big.read_bytes()
    assert (tmp_path / "page").read_text() == "for web\n"
    assert not os.path.exists("/srv/big")


def test_users_and_become(play):
    play([{"ansible.builtin.raw": "id -un", "register": "r"}, wanted("r.stdout_lines == ['app']")], ansible_user="app")
    # Root already: nothing is to be become, and the image needs no sudo.
    play(
        [
            {"ansible.builtin.command": "id -un", "become": True, "register": "r"},
            wanted("r.stdout == 'root'"),
            {
                "ansible.builtin.raw": "id -un",
                "become": True,
                "become_method": "su",
                "become_user": "app",
                "register": "r",
            },
            wanted("'app' in r.stdout_lines"),
        ]
    )


def test_another_host_that_lacks_the_core(play, host, tmp_path):
    """By ssh, with the variables of the container's host; then the play's host is the one that has the container."""
    shutil.rmtree(os.path.join(host.root, "lib"), ignore_errors=True)
    notes, ssh = tmp_path / "notes", tmp_path / "ssh"
    ssh.write_text(SSH.format(notes=notes))
    ssh.chmod(0o755)
    (tmp_path / "one").write_text("one\n")
    there = {
        "ansible_oci_host": "there.example.com",
        "ansible_oci_host_user": "admin",
        "ansible_oci_host_ssh_executable": str(ssh),
        "ansible_oci_host_become": True,
        "ansible_oci_host_become_exe": "env",
    }
    copied = {"ansible.builtin.copy": {"src": str(tmp_path / "one"), "dest": "/srv/one"}}
    play([{"ansible.builtin.command": "hostname", "register": "r"}, wanted("r.stdout == 'web'"), copied], **there)
    said = notes.read_text()
    assert "there.example.com\n" in said
    assert 'User="admin"' in said
    assert len(os.listdir(os.path.join(host.root, "lib"))) == 1
    notes.unlink()
    play(
        [{"ansible.builtin.raw": "cat /srv/one", "register": "r"}, wanted("r.stdout_lines == ['one']")],
        name="machine",
        ansible_oci_container="web",
        ansible_oci_transport="ssh",
        ansible_host="192.0.2.7",
        ansible_user="operator",
        ansible_ssh_executable=str(ssh),
    )
    said = notes.read_text()
    assert "192.0.2.7\n" in said
    assert 'User="operator"' in said


def test_tasks_are_delegated_to_a_container(play, host):
    inside = {"ansible_connection": "agentless.oci.oci", "ansible_oci_root": host.root}
    play(
        [
            {"ansible.builtin.command": "hostname", "delegate_to": "web", "register": "there"},
            {"ansible.builtin.command": "hostname", "register": "here"},
            wanted("there.stdout == 'web'", "here.stdout == '" + os.uname().nodename + "'"),
        ],
        name="machine",
        others={"web": {**inside, "ansible_python_interpreter": "/usr/bin/python3"}},
        ansible_connection="local",
    )


def test_containers_that_cannot_be_reached(play, host):
    raw = {"ansible.builtin.raw": "true"}
    assert "there is no container none" in play([raw], name="none", rc=4)
    assert "no user 'stranger'" in play([raw], ansible_user="stranger", rc=4)
    host.task(name="web", state="stopped")
    assert "container web is stopped. Start it first." in play([raw], rc=4)
