# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task in the background, as Ansible's ``async`` has it, without the wrapper that Ansible would send.

Ansible's async_status looks for the file of a job in the directory of all jobs: JSON with ``started`` in it as long as
the task runs, the task's result afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib

from .censor import censored
from .module_verb import crashed, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def start(entry: str, name: str, directory: str, job: str, limit: str) -> int:
    """Let the module *name* be carried out by the core *entry* when this process has ended; tell where the result is.

    directory  of all jobs; ~ is expanded
    job        the file's name in it
    limit      seconds after which the task is killed; "0" for none
    Standard input has what module_verb.py reads, and ``secrets``: strings that are not to be in the result.
    """
    given = read(sys.stdin.buffer.read())
    path = os.path.join(os.path.expanduser(directory), job)
    state = {"ansible_job_id": job, "started": True, "finished": False}
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, state)
    except OSError as error:
        sys.stdout.write(
            json.dumps({"failed": True, "msg": f"a task in the background cannot be kept: {error}"}) + "\n"
        )
        return 0
    sys.stdout.write(json.dumps({**state, "results_file": path, "changed": True}) + "\n")
    sys.stdout.flush()
    if os.fork() == 0:
        _leave()
        secrets = given.pop("secrets")
        result = {**_result(entry, name, given, int(limit)), "invocation": {"module_args": given["params"]}}
        _write(path, censored(result, secrets))
    return 0


def _leave() -> None:
    """Become independent of whoever waits for this process's output, and of its terminal."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)


def _result(entry: str, name: str, given: dict[str, Any], limit: int) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", entry, "module", name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as task:
        try:
            stdout, stderr = task.communicate(zlib.compress(json.dumps(given).encode()), limit or None)
        except subprocess.TimeoutExpired:
            os.killpg(task.pid, signal.SIGKILL)
            return {"failed": True, "msg": "Timeout exceeded", "child_pid": task.pid}
    said = stdout.decode("utf-8", "replace")
    line = said.strip().rpartition("\n")[2]
    if line.startswith("{"):
        found: dict[str, Any] = json.loads(line)
        return found
    return crashed(name, said, stderr.decode("utf-8", "replace"), task.returncode)


def _write(path: str, document: dict[str, Any]) -> None:
    """Replace *path* by *document* in one step."""
    temporary = f"{path}.tmp"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        json.dump(document, file)
    os.rename(temporary, path)
