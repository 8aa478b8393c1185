# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of a task by way of ansible itself: taken where the host has the core, and with the same results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from conftest import WAIT

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
ANSIBLE = os.path.join(os.path.dirname(sys.executable), "ansible")
COUNTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counted")
MOST = 250 << 10  # bytes that a task may send, what Ansible sends to find a Python among them
BACKGROUND = ("-B", "60", "-P", "1")
LEFT_ALONE = ("-B", "60", "-P", "0")
# What the marked copy says for every module.
MARK = "the copy was asked"


@pytest.fixture
def ansible(tmp_path):
    """Call as ansible(module, {option: value}, *arguments of ansible, **environment): (exit code, result)."""
    root = str(tmp_path / "state")
    counted = tmp_path / "counted"

    def run(module, given, *arguments, connection="local", **environment):
        values = json.dumps({"root": root, **given})
        command = [ANSIBLE, "-i", "localhost,", "-c", connection, "localhost", "-o", "-m", module]
        counted.write_text("")
        done = subprocess.run(
            [*command, "-a", values, *arguments],
            cwd=CHECKOUT,
            env={
                **os.environ,
                # By default where HOME says on one way and where the user's home is on another.
                "ANSIBLE_ASYNC_DIR": str(tmp_path / "async"),
                "ANSIBLE_CONNECTION_PLUGINS": COUNTED,
                "AOCI_COUNTED": str(counted),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        run.output = done.stdout
        run.sent = [json.loads(line) for line in counted.read_text().splitlines()]
        run.bytes = sum(value for each in run.sent for value in each.values() if isinstance(value, int))
        lines = [line for line in done.stdout.splitlines() if line.startswith("localhost | ")]
        assert lines, done.stdout + done.stderr
        return done.returncode, json.loads(lines[-1].partition(" => ")[2])

    run.root = root
    return run


def wait_for(condition):
    """Whether *condition* comes true in good time."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def mark(root):
    """Have the copy answer MARK instead of doing anything; what it answered it answers to itself."""
    (copy,) = os.listdir(os.path.join(root, "lib"))
    entry = os.path.join(root, "lib", copy, "entry.py")
    with open(entry, "w", encoding="utf-8") as file:
        file.write(
            "import sys, zlib; given = zlib.decompress(sys.stdin.buffer.read()).decode();"
            f'print(\'{{"msg": "{MARK}", "given": \' + given + \'}}\')'
        )


def test_the_first_task_brings_the_core_and_the_next_use_it(ansible):
    code, result = ansible("agentless.oci.oci_image", {"name": "tests/none:1", "state": "absent"})
    assert (code, result["changed"], result["actions"]) == (0, False, [])
    code, again = ansible("agentless.oci.oci_image", {"name": "tests/none:1", "state": "absent"})
    assert (code, again) == (0, result)
    mark(ansible.root)
    code, result = ansible("agentless.oci.oci_image", {"name": "tests/none:1", "state": "absent"}, "--check", "-vv")
    assert result["msg"] == MARK
    given = result["given"]
    assert (given["check_mode"], given["verbosity"]) == (True, 2)
    assert given["params"]["pull"] == "missing"
    assert ["source", "path"] in given["paths"]


def test_what_each_task_sends(ansible, tmp_path):
    """With the options of a container, which are the most."""
    given = {"name": "web", "state": "absent"}
    settings = {
        "connection": "counted",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "remote"),
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
    }
    took = {}
    for name, arguments in (("check", ["--check"]), ("first", []), ("second", []), ("first, without pipelining", [])):
        code, result = ansible("agentless.oci.oci_container", given, *arguments, **settings)
        assert (code, result["changed"], result["actions"]) == (0, False, []), ansible.output
        took[name] = ansible.bytes
        assert os.path.exists(ansible.root) == (name != "check")
        if name == "second":
            shutil.rmtree(ansible.root)
            settings["ANSIBLE_PIPELINING"] = "False"
    for name in ("background", "first, in the background"):
        code, result = ansible("agentless.oci.oci_container", given, *LEFT_ALONE, **settings)
        assert code == 0, ansible.output
        assert finished(result["results_file"])["actions"] == []
        took[name] = ansible.bytes
        shutil.rmtree(ansible.root)
    assert max(took.values()) <= MOST, took
    assert max(took["second"], took["background"]) <= 5_000, took
    assert min(size for name, size in took.items() if name not in ("second", "background")) >= 200_000, took
    assert os.listdir(tmp_path / "remote") == []


def finished(path):
    """The result of the job in the file *path*."""
    found = {}

    def there():
        with open(path, encoding="utf-8") as file:
            found.update(json.load(file))
        return "actions" in found or found.get("failed")

    assert wait_for(there), found
    return found


@pytest.mark.parametrize("arguments", [(), LEFT_ALONE], ids=["waited for", "in the background"])
def test_the_interpreter_is_found_first_and_told(ansible, arguments):
    given = {"name": "tests/none:1", "state": "absent"}
    unknown = ("-e", "ansible_python_interpreter=auto_silent", *arguments)
    code, result = ansible("agentless.oci.oci_image", given, *unknown)
    assert code == 0
    assert result["ansible_facts"]["discovered_interpreter_python"].startswith("/")
    if arguments:
        finished(result["results_file"])
    mark(ansible.root)
    code, result = ansible("agentless.oci.oci_image", given, *unknown)
    assert (code, result["msg"]) == (0, MARK), ansible.output


def test_in_the_background_the_copy_does_it_and_keeps_secrets(ansible):
    given = {"name": "tests/none:1", "pull": "never", "username": "me", "password": "hunter2-hunter2"}
    code, result = ansible("agentless.oci.oci_image", given, *LEFT_ALONE)
    assert (code, result["changed"], result["started"], result["finished"]) == (0, True, True, False)
    done = finished(result["results_file"])
    assert "pull is never" in done["msg"]
    assert done["invocation"]["module_args"]["password"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    with open(result["results_file"], encoding="utf-8") as file:
        assert "hunter2" not in file.read()
    code, result = ansible("agentless.oci.oci_image", given, *BACKGROUND)  # where Ansible asks for the result
    assert code == 2
    assert "pull is never" in result["msg"]
    mark(ansible.root)
    code, result = ansible("agentless.oci.oci_image", given, *LEFT_ALONE)
    assert (code, result["msg"]) == (0, MARK), ansible.output


def test_a_copy_that_lacks_files_is_mended(ansible):
    given = {"name": "tests/none:1", "state": "absent"}
    ansible("agentless.oci.oci_image", given)
    (copy,) = os.listdir(os.path.join(ansible.root, "lib"))
    copy = os.path.join(ansible.root, "lib", copy)
    shutil.rmtree(os.path.join(copy, "image"))
    code, result = ansible("agentless.oci.oci_image", given)
    assert (code, result["actions"]) == (0, []), ansible.output
    shutil.rmtree(os.path.join(copy, "image"))
    code, result = ansible("agentless.oci.oci_image", given, *LEFT_ALONE)
    assert code == 0, ansible.output
    assert finished(result["results_file"])["actions"] == []


def test_a_module_without_its_action_brings_the_core_itself(ansible):
    """As where it is called by another action's _execute_module."""
    given = {"name": "tests/none:1", "state": "absent"}
    code, result = ansible("oci_image", given, ANSIBLE_ACTION_PLUGINS="/nowhere")
    assert (code, result["actions"]) == (0, []), ansible.output
    mark(ansible.root)
    code, result = ansible("agentless.oci.oci_image", given)
    assert result["msg"] == MARK


def test_without_pipelining_the_options_go_by_a_file_that_goes_again(ansible, tmp_path):
    given = {"name": "tests/none:1", "state": "absent", "password": "hunter2-hunter2", "username": "me"}
    ansible("agentless.oci.oci_image", given)
    mark(ansible.root)
    remote = str(tmp_path / "remote")
    without = {"ANSIBLE_PIPELINING": "False", "ANSIBLE_REMOTE_TMP": remote}
    code, result = ansible("agentless.oci.oci_image", given, **without)
    assert (code, result["msg"]) == (0, MARK)
    assert os.listdir(remote) == []


def test_nothing_is_written_in_check_mode(ansible):
    code, result = ansible("agentless.oci.oci_image", {"name": "tests/none:1", "state": "absent"}, "--check")
    assert (code, result["changed"]) == (0, False)
    assert not os.path.exists(ansible.root)


def test_errors_are_the_modules_own(ansible):
    wrong = {"name": "tests/none:1", "pull": "sometimes"}
    code, first = ansible("agentless.oci.oci_image", wrong)
    ansible("agentless.oci.oci_image", {"name": "tests/none:1", "state": "absent"})
    again, second = ansible("agentless.oci.oci_image", wrong)
    assert code == again == 2
    assert first["msg"] == second["msg"]
    assert "value of pull must be one of" in second["msg"]
    code, result = ansible("agentless.oci.oci_image", {"name": "tests/none:1", "pull": "never"})
    assert code == 2
    assert "pull is never" in result["msg"]


def test_secrets_stay_secret(ansible):
    given = {"name": "tests/none:1", "pull": "never", "username": "me", "password": "hunter2-hunter2"}
    for _way in ("module", "direct"):
        code, result = ansible("agentless.oci.oci_image", given, "-vvv")
        assert code == 2
        assert result["invocation"]["module_args"]["password"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        assert "hunter2" not in ansible.output


def test_variables_of_the_task_reach_the_host(ansible, tmp_path):
    """AGENTLESS_OCI_ROOT, for one, from the host's environment."""
    other = str(tmp_path / "other")
    given = {"name": "tests/none:1", "state": "absent", "root": None}
    ansible("agentless.oci.oci_image", given, AGENTLESS_OCI_ROOT=other)
    mark(other)
    _code, result = ansible("agentless.oci.oci_image", given, AGENTLESS_OCI_ROOT=other)
    assert result["msg"] == MARK


def test_a_crash_says_so(ansible):
    given = {"name": "tests/none:1", "state": "absent"}
    ansible("agentless.oci.oci_image", given)
    (copy,) = os.listdir(os.path.join(ansible.root, "lib"))
    with open(os.path.join(ansible.root, "lib", copy, "entry.py"), "w", encoding="utf-8") as file:
        file.write("raise SystemExit('no luck')")
    code, result = ansible("agentless.oci.oci_image", given)
    assert code == 2
    assert result["msg"] == "oci_image ended without a result (exit code 1): no luck"


def test_files_that_were_sent_go_again(ansible, host, tmp_path):
    host.run(command=WAIT)
    (tmp_path / "file").write_bytes(os.urandom(200_000))  # more than goes along with the options
    given = {"name": "web", "src": str(tmp_path / "file"), "dest": "/file", "root": host.root}
    without = {"ANSIBLE_PIPELINING": "False", "ANSIBLE_REMOTE_TMP": str(tmp_path / "remote")}
    code, result = ansible("agentless.oci.oci_container_copy", given, connection="counted", **without)
    assert (code, result["changed"]) == (0, True), ansible.output
    assert os.listdir(tmp_path / "remote") == []
