# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of a task by way of ansible itself: taken where the host has the core, and with the same results."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
ANSIBLE = os.path.join(os.path.dirname(sys.executable), "ansible")
# What the marked copy says for every module.
MARK = "the copy was asked"


@pytest.fixture
def ansible(tmp_path):
    """Call as ansible(module, {option: value}, *arguments of ansible, **environment): (exit code, result)."""
    root = str(tmp_path / "state")

    def run(module, given, *arguments, **environment):
        values = json.dumps({"root": root, **given})
        command = [ANSIBLE, "-i", "localhost,", "-c", "local", "localhost", "-o", "-m", module]
        done = subprocess.run(
            [*command, "-a", values, *arguments],
            cwd=CHECKOUT,
            # By default where HOME says on one way and where the user's home is on another.
            env={**os.environ, "ANSIBLE_ASYNC_DIR": str(tmp_path / "async"), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        run.output = done.stdout
        lines = [line for line in done.stdout.splitlines() if line.startswith("localhost | ")]
        assert lines, done.stdout + done.stderr
        return done.returncode, json.loads(lines[-1].partition(" => ")[2])

    run.root = root
    return run


def mark(root):
    """Have the copy answer MARK instead of doing anything; what it answered it answers to itself."""
    (copy,) = os.listdir(os.path.join(root, "lib"))
    entry = os.path.join(root, "lib", copy, "entry.py")
    with open(entry, "w", encoding="utf-8") as file:
        file.write(f'import sys; given = sys.stdin.read(); print(\'{{"msg": "{MARK}", "given": \' + given + \'}}\')')


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


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("-B", "90", "-P", "1"), {}),
        (("-e", "ansible_python_interpreter=auto_silent"), {}),
    ],
    ids=["in the background", "before Ansible knows the interpreter"],
)
def test_what_the_short_way_cannot_do_the_module_does(ansible, arguments, environment):
    given = {"name": "tests/none:1", "state": "absent"}
    ansible("agentless.oci.oci_image", given)
    mark(ansible.root)
    code, result = ansible("agentless.oci.oci_image", given, *arguments, **environment)
    assert (code, result.get("msg"), result.get("actions")) == (0, None, []), ansible.output


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
