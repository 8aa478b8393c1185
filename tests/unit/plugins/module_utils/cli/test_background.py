# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task in the background: what its job's file says, whatever becomes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli import background

CORE = os.path.dirname(os.path.dirname(background.__file__))
START = f"""
import sys
sys.path.insert(0, {CORE!r})
import entry
entry.register()
from aoci.cli.background import start
sys.exit(start(*sys.argv[1:]))
"""
GIVEN = zlib.compress(b'{"params": {"name": "x", "password": "hunter2"}, "secrets": ["hunter2"]}')


@pytest.fixture
def job(tmp_path):
    """Call as job(program, limit): (what was told at once, the result in the end) where the core is *program*."""

    def run(program, limit="60"):
        entry = tmp_path / "entry.py"
        entry.write_text(program, encoding="utf-8")
        command = [sys.executable, "-I", "-S", "-c", START, str(entry), "oci_image", "~/jobs", "j7.1", limit]
        environment = {**os.environ, "HOME": str(tmp_path)}
        # Ends although the task runs on: nothing of it has the descriptors.
        done = subprocess.run(command, input=GIVEN, env=environment, capture_output=True, check=True, timeout=30)
        (tmp_path / "told").touch()
        told = json.loads(done.stdout)
        end = time.monotonic() + 60
        while True:
            result = json.loads((tmp_path / "jobs/j7.1").read_text(encoding="utf-8"))
            if "started" not in result:
                return told, result
            assert (result["started"], result["finished"]) == (True, False)
            assert time.monotonic() < end
            time.sleep(0.02)

    return run


def test_the_result_is_the_tasks_without_its_secrets(job, tmp_path):
    told, result = job(
        f"import os, time\nwhile not os.path.exists({str(tmp_path / 'told')!r}): time.sleep(0.02)\n"
        "import json, sys, zlib; given = json.loads(zlib.decompress(sys.stdin.buffer.read())); print('noise');"
        "print(json.dumps({'changed': True, 'msg': 'as ' + given['params']['password'], 'argv': sys.argv[1:]}))"
    )
    path = str(tmp_path / "jobs/j7.1")
    assert told == {
        "ansible_job_id": "j7.1",
        "started": True,
        "finished": False,
        "results_file": path,
        "changed": True,
    }
    assert result == {
        "changed": True,
        "msg": "as ********",
        "argv": ["module", "oci_image"],
        "invocation": {"module_args": {"name": "x", "password": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}},
    }
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "jobs") == ["j7.1"]


def test_a_crash_is_a_failure(job):
    _told, result = job("raise SystemExit('no luck with hunter2')")
    assert (result["failed"], result["rc"]) == (True, 1)
    assert result["msg"] == "oci_image ended without a result (exit code 1): no luck with ********"


def test_after_the_limit_all_that_it_started_is_gone(job, tmp_path):
    child = f"import os, time; open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    _told, result = job(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])", limit="1")
    assert (result["failed"], result["msg"]) == (True, "Timeout exceeded")
    child = tmp_path / "child"
    pids = [result["child_pid"], *([int(child.read_text())] if child.exists() and child.read_text() else [])]
    end = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_directory_that_cannot_be_is_told_at_once(tmp_path):
    command = [sys.executable, "-I", "-S", "-c", START, "/nowhere", "oci_image", "/dev/null/jobs", "j7.1", "60"]
    done = subprocess.run(command, input=GIVEN, capture_output=True, check=True)
    result = json.loads(done.stdout)
    assert result["failed"] is True
    assert "cannot be kept: [Errno 20] Not a directory: '/dev/null/jobs'" in result["msg"]
