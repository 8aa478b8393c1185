# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor runs as ``entry.py --root RUN_DIR health-run DIRECTORY``: starts the program of a health check."""

from __future__ import annotations

import os

from ..kernel.files import write_atomic
from ..runtime import exec as runtime_exec
from ..runtime import lifecycle
from ..runtime import state as states
from . import health, records
from .errors import ContainerError
from .probe import PAUSED


def run(argv: list[str], root: str | None) -> int:
    """Start the check of the container in ``argv[1]`` and leave its pid in ``health.pid``; PAUSED where it is paused.

    Raises ContainerError, RuntimeFault.
    """
    record, run_dir = records.load_directory(argv[1]), str(root)
    if record is None:
        raise ContainerError(f"there is no container in {argv[1]}", step="health", obj=argv[1])
    image = record.spec["image"]["config"]
    check = health.effective(record.spec["options"], image)
    if check is None:
        raise ContainerError(f"container {record.name} has no health check", step="health", obj=record.name)
    found = lifecycle.state(run_dir, record.id)
    if found.status == "paused":
        return PAUSED
    process = states.load_document(run_dir, record.id)["process"]
    described = {**process, "args": health.command(check["test"], image), "terminal": False}
    described.pop("consoleSize", None)
    pid, _started = runtime_exec.execute(run_dir, found, described)
    write_atomic(os.path.join(record.path, "health.pid"), str(pid).encode(), durable=False)
    return 0
