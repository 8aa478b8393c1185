# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``entry.py module NAME``: what a module of the collection does, straight from the host's copy of the core.

The action plugins (plugins/plugin_utils/direct.py) call it where Ansible would send a module and all that it imports,
to be compiled anew in every task. Standard input has one JSON object, packed by zlib:

    params      the task's options, validated, with aliases and defaults; paths may still begin with ~ or $
    paths       where the paths are in it: lists of keys, "*" for every element of a list
    check_mode  whether nothing may be changed
    verbosity   Ansible's -v, counted
    diff        whether Ansible shows differences

Standard output gets what the module would return, as one line of JSON; or GONE where the copy is not there any more, or
lacks files. ``entry.py module NAME DIRECTORY JOB LIMIT`` leaves the task in the background (background.py).
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from ..corelock import hold
from . import packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

GONE = "AOCI-NO-CORE"
# Module → what its function run(module) lies in; those that start processes of the core are told from where.
MODULES = {
    "cgroup_info": "cgroup.info",
    "cgroup_limit": "cgroup.module",
    "oci_container": "container.module",
    "oci_containers": "container.fleet",
    "oci_container_copy": "container.copymodule",
    "oci_container_exec": "container.execute",
    "oci_container_info": "container.info",
    "oci_host_info": "cli.host_info",
    "oci_image": "image.module",
    "oci_image_info": "image.info",
    "oci_network": "network.module",
    "oci_prune": "container.prune",
    "oci_volume": "volume.module",
    "oci_volume_info": "volume.info",
}
_WITH_ENTRY = ("oci_container", "oci_containers", "oci_container_exec")


class _Done(Exception):
    """The module has given its result."""


class Call:
    """As much of AnsibleModule as the core uses."""

    def __init__(self, params: dict[str, Any], *, check_mode: bool, verbosity: int, diff: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self._diff = diff
        self._verbosity = verbosity
        self._warnings: list[str] = []

    def warn(self, warning: str) -> None:
        """Have Ansible show *warning*."""
        self._warnings.append(warning)

    def exit_json(self, **result: Any) -> NoReturn:
        """Give *result*."""
        warnings = [*self._warnings, *result.pop("warnings", ())]
        document = {"changed": False, **result, **({"warnings": warnings} if warnings else {})}
        sys.stdout.write(json.dumps(document) + "\n")
        raise _Done

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        """The task has failed for the reason *msg*."""
        self.exit_json(failed=True, msg=msg, **result)


def run(argv: list[str], _root: str | None) -> int:
    """Carry out ``["module", NAME, …]``."""
    core = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    entry, name = os.path.join(core, "entry.py"), argv[1]
    try:
        hold(core)
        packages.admit_when_asked_for()
        function = _function(name)
    except FileNotFoundError:
        sys.stdout.write(f"{GONE}\n")
        return 0
    if argv[2:]:
        from .background import start

        return start(entry, name, *argv[2:])
    given = read(sys.stdin.buffer.read())
    expand_paths(given["params"], given["paths"])
    call = Call(given["params"], check_mode=given["check_mode"], verbosity=given["verbosity"], diff=given["diff"])
    try:
        function(call, *([entry] if name in _WITH_ENTRY else []))
    except _Done:
        return 0
    raise RuntimeError(f"{name} has given no result")


def read(data: bytes) -> dict[str, Any]:
    """What is told to this verb, of its packed form *data*."""
    import zlib

    given: dict[str, Any] = json.loads(zlib.decompress(data))
    return given


def crashed(name: str, stdout: str, stderr: str, code: int) -> dict[str, Any]:
    """The failure that is the result where this verb has ended without one, with all that it said."""
    said = stderr.strip() or stdout.strip()
    return {
        "failed": True,
        "msg": f"{name} ended without a result (exit code {code}): {said.rpartition(chr(10))[2]}",
        "module_stdout": stdout,
        "module_stderr": stderr,
        "rc": code,
    }


def _function(name: str) -> Callable[..., Any]:
    """What carries out the module *name*. Raises FileNotFoundError when a file of the core is missing."""
    package = __name__.rpartition(".cli.")[0]
    try:
        function: Callable[..., Any] = importlib.import_module(f"{package}.{MODULES[name]}").run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(f"{package}."):
            raise FileNotFoundError(error.name) from error
        raise
    return function


def expand_paths(params: Any, paths: Iterable[list[str]]) -> None:
    """Expand ~ and variables, as those of this host, in the values that *paths* lead to."""
    for path in paths:
        _expand(params, path)


def _expand(value: Any, path: list[str]) -> None:
    key, rest = path[0], path[1:]
    places = range(len(value)) if key == "*" else [key] if value.get(key) is not None else []
    for place in places:
        if rest:
            _expand(value[place], rest)
        else:
            value[place] = os.path.expanduser(os.path.expandvars(value[place]))
