# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pause, resume, ps, update, features and spec, as other OCI runtimes have them on their command lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from ..cgroup.errors import CgroupError
from ..cgroup.units import parse_bytes
from ..kernel.errors import Error
from ..kernel.files import read_bytes
from ..runtime import lifecycle
from .main import state_directory
from .words import Syntax, sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..runtime.state import State
    from .words import Words

# Option of update → where its number goes in linux.resources
_UPDATES = {
    "--blkio-weight": ("blockIO", "weight"),
    "--cpu-period": ("cpu", "period"),
    "--cpu-quota": ("cpu", "quota"),
    "--cpu-burst": ("cpu", "burst"),
    "--cpu-rt-period": ("cpu", "realtimePeriod"),
    "--cpu-rt-runtime": ("cpu", "realtimeRuntime"),
    "--cpu-share": ("cpu", "shares"),
    "--cpu-idle": ("cpu", "idle"),
    "--pids-limit": ("pids", "limit"),
}
_SIZES = {
    "--kernel-memory": ("memory", "kernel"),
    "--kernel-memory-tcp": ("memory", "kernelTCP"),
    "--memory": ("memory", "limit"),
    "--memory-reservation": ("memory", "reservation"),
    "--memory-swap": ("memory", "swap"),
}
_LISTS = {"--cpuset-cpus": ("cpu", "cpus"), "--cpuset-mems": ("cpu", "mems")}
_SYNTAX = {
    "pause": Syntax(),
    "resume": Syntax(),
    "ps": Syntax(("--format",), command=True, short={"-f": "--format"}),
    "update": Syntax((*_UPDATES, *_SIZES, *_LISTS, "--resources"), short={"-r": "--resources"}),
    "features": Syntax(arguments=(0, 0)),
    "spec": Syntax(("--bundle",), ("--rootless",), arguments=(0, 0), short={"-b": "--bundle"}),
}


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``argv[0]``; the exit code."""
    verb = argv[0]
    words = sort(verb, _SYNTAX[verb], argv[1:])
    run_dir = state_directory(root)
    if verb == "features":
        from .features import features

        _print(features())
    elif verb == "spec":
        _spec(words)
    elif verb == "pause":
        lifecycle.pause(run_dir, words.arguments[0])
    elif verb == "resume":
        lifecycle.resume(run_dir, words.arguments[0])
    elif verb == "update":
        _update(run_dir, words.arguments[0], _resources(words))
    elif verb == "ps":
        _ps(lifecycle.state(run_dir, words.arguments[0]), words)
    return 0


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _spec(words: Words) -> None:
    from .features import example

    path = os.path.join(words.values.get("--bundle", "."), "config.json")
    document = example(rootless="--rootless" in words.flags)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise Error(f"{path} exists already", hint="Remove it first") from None
    with open(fd, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


def _update(run_dir: str, container_id: str, resources: dict[str, Any]) -> None:
    try:
        lifecycle.update(run_dir, container_id, resources)
    except CgroupError as error:
        from ..runtime.resources import naming_property

        raise naming_property(error, resources) from error


def _resources(words: Words) -> dict[str, Any]:
    path = words.values.get("--resources")
    if path:
        try:
            given = json.loads(sys.stdin.read() if path == "-" else read_bytes(path))
        except ValueError as error:
            raise Error(f"the resources in {path} are not JSON: {error}") from error
        if not isinstance(given, dict):
            raise Error(f"the resources in {path} are not a JSON object")
        return given
    resources: dict[str, Any] = {}
    for option, (group, key) in _UPDATES.items():
        value = words.number(option)
        if value is not None:
            resources.setdefault(group, {})[key] = value
    for option, (group, key) in _SIZES.items():
        if option in words.values:
            resources.setdefault(group, {})[key] = parse_bytes(words.values[option], option)
    for option, (group, key) in _LISTS.items():
        if option in words.values:
            resources.setdefault(group, {})[key] = words.values[option]
    if not resources:
        raise Error("update was told nothing to change", hint="Give --resources FILE, or one of the options")
    return resources


def _ps(found: State, words: Words) -> None:
    pids = found.cgroup().pids()
    if words.form() == "json":
        sys.stdout.write(json.dumps(pids) + "\n")
        return
    done = subprocess.run(["ps", *(words.command or ["-ef"])], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Error(f"ps failed: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    columns = lines[0].split()
    if "PID" not in columns:
        raise Error("the output of ps has no column PID")
    wanted = {str(pid) for pid in pids}
    position = columns.index("PID")
    rows = [line for line in lines[1:] if len(line.split()) > position and line.split()[position] in wanted]
    sys.stdout.write("\n".join([lines[0], *rows]) + "\n")
