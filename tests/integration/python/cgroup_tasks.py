# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of cgroup_limit about one group, Ansible left out, and a shell in that group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import hierarchy, limits, module
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.api import open_cgroup, remove_empty

PARENT = "/agentless-oci-words"
HIERARCHY = hierarchy.detect()
UNIFIED = HIERARCHY.mode == hierarchy.UNIFIED
V1 = pytest.mark.skipif(UNIFIED, reason="needs cgroup v1")
V2 = pytest.mark.skipif(not UNIFIED, reason="needs cgroup v2")
NAMES = (*limits.argument_spec(), "name", "unit", "pid", "processes", "persistent", "root")


class Task:
    def __init__(self, path):
        self.path = path
        self.group = open_cgroup(path)

    def __call__(self, check_mode=False, **options):
        given = {**dict.fromkeys(NAMES), "path": self.path, "state": "present", "kill": False, **options}
        return module.result(given, check_mode)

    def raw(self, file):
        with open(f"{self.group.directory(file.partition('.')[0])}/{file}", encoding="utf-8") as control:
            return control.read()

    def text(self, file):
        return self.raw(file).strip()

    def write(self, file, text):
        with open(f"{self.group.directory(file.partition('.')[0])}/{file}", "w", encoding="utf-8") as control:
            control.write(text)

    def has(self, file):
        return self.group.has(file.partition(".")[0], file)


def disk_number():
    """MAJOR:MINOR of a whole block device of this machine."""
    for name in sorted(os.listdir("/sys/block")):
        if not name.startswith(("zram", "ram")):
            with open(f"/sys/block/{name}/dev", encoding="ascii") as file:
                return file.read().strip()
    pytest.skip("needs a block device")


@contextlib.contextmanager
def made_task():
    """A Task about a group of its own, which is removed with what runs in it."""
    made = Task(f"{PARENT}/{uuid.uuid4().hex[:12]}")
    try:
        yield made
    finally:
        made.group.thaw()
        made.group.kill(signal.SIGKILL)
        made.group.remove()
        remove_empty(PARENT)


@contextlib.contextmanager
def shell_in(task):
    """A shell in the group of *task* that does what it is told, a line each, and says its exit code."""
    task.group.create()
    process = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    task.group.add(process.pid)

    def run(command):
        process.stdin.write(f"{command}; echo $?\n".encode())
        process.stdin.flush()
        return process.stdout.readline().decode().strip()

    run.pid = process.pid
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        task.group.thaw()
        process.wait()
        process.stdin.close()
        process.stdout.close()
