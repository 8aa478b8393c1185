# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of a task: the host's own copy of the core does what the module would do.

Ansible sends a module with all that it imports, some hundred kilobytes, and the host compiles it anew in every task.
Where an earlier task has left the copy, one command is enough: options go in as JSON, the result comes out. Whatever
this way cannot do, or a host without the copy of just this version, is left to the module itself, which installs it.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
from typing import Any

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.agentless.oci.plugins.module_utils import fingerprint
from ansible_collections.agentless.oci.plugins.module_utils.cli.module_verb import GONE
from ansible_collections.agentless.oci.plugins.module_utils.statedir import DEFAULT_ROOT

_CONDITIONS = ("mutually_exclusive", "required_by", "required_if", "required_one_of", "required_together")
_CORE = os.path.dirname(os.path.abspath(fingerprint.__file__))


class Direct(ActionBase):  # type: ignore[misc]  # Ansible has no type hints
    """The action of one module; the file it is imported from in plugins/action has the module's name."""

    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result, by whichever way."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._done(task_vars or {}, dict(self._task.args)))
        return result

    def _done(self, variables: dict[str, Any], args: dict[str, Any]) -> dict[str, Any]:
        """The module's result with the options *args*, by whichever way."""
        done = self._directly(variables, args)
        if done is None:
            wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
            done = self._execute_module(module_args=args, task_vars=variables, wrap_async=wrap_async)
        return done

    def _directly(self, variables: dict[str, Any], args: dict[str, Any]) -> dict[str, Any] | None:
        """What the host's copy of the core gives; None where the module itself is needed. Nothing was done then."""
        interpreter = self._interpreter(variables)
        if not interpreter or self._task.async_val or getattr(self._connection._shell, "SHELL_FAMILY", "") != "sh":
            return None
        name = self._task.action.rpartition(".")[2]
        module = importlib.import_module(f"ansible_collections.agentless.oci.plugins.modules.{name}").MODULE
        spec, paths = without_paths(module["argument_spec"])
        validated = ArgumentSpecValidator(spec, **{key: module.get(key) for key in _CONDITIONS}).validate(args)
        if validated.error_messages:
            return None  # the module says it in its own way
        params = validated.validated_parameters
        call = {
            "params": params,
            "paths": paths,
            "check_mode": bool(self._task.check_mode),
            "verbosity": Display().verbosity,
            "diff": bool(self._task.diff),
        }
        try:
            data = json.dumps(call)
        except TypeError:
            return None  # a value that only Ansible knows how to send
        command = " ".join(
            (
                self._compute_environment_string(),
                "/bin/sh -c",
                shlex.quote(script(interpreter, params.get("root"), fingerprint.of_tree(_CORE), name)),
            )
        ).strip()
        result = read_result(self._run(command, data.encode()), name)
        if result is None:
            return None
        secrets = validated._no_log_values
        clean: dict[str, Any] = remove_values({**result, "invocation": {"module_args": params}}, secrets)
        return clean

    def _run(self, command: str, data: bytes) -> dict[str, Any]:
        """What *command* gives on the host with *data* as its input: a file there, where nothing can be piped to it."""
        ran: dict[str, Any]
        if self._is_pipelining_enabled("new"):
            ran = self._low_level_execute_command(command, in_data=data)
            return ran
        directory = self._make_tmp_path()
        try:
            path = self._connection._shell.join_path(directory, "options")
            self._transfer_data(path, data)
            self._fixup_perms2((directory, path), execute=False)
            ran = self._low_level_execute_command(f"{command} < {shlex.quote(path)}")
            return ran
        finally:
            self._remove_tmp_path(directory)

    def _interpreter(self, variables: dict[str, Any]) -> str:
        """The host's Python as the module would get it; "" where Ansible has yet to find it."""
        if self._task.delegate_to:
            variables = variables.get("ansible_delegated_vars", {}).get(self._task.delegate_to, {})
        wanted = self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=variables))
        if wanted.startswith("auto"):
            wanted = variables.get("ansible_facts", {}).get("discovered_interpreter_python") or ""
        return wanted if wanted.startswith("/") and not wanted.split()[1:] else ""


def script(interpreter: str, root: str | None, fingerprint_: str, name: str) -> str:
    """The shell's part: run the copy of the core below the state directory *root*, or say that it is not there."""
    if root and root.startswith("/") and "$" not in root:
        top = shlex.quote(root)
    elif root:
        return f"echo {GONE}"  # only the host can tell what it means
    else:
        top = f'"${{AGENTLESS_OCI_ROOT:-{DEFAULT_ROOT}}}"'
    run = f'exec {shlex.quote(interpreter)} -I -S "$f" module {name}'
    return f'f={top}/lib/{fingerprint_}/entry.py; if [ -f "$f" ]; then {run}; else echo {GONE}; fi'


def without_paths(spec: dict[str, Any]) -> tuple[dict[str, Any], list[list[str]]]:
    """*spec* with strings for paths, which are to be expanded on the host, and where those are (module_verb.py)."""
    plain: dict[str, Any] = {}
    paths: list[list[str]] = []
    for name, option in spec.items():
        entry = dict(option)
        inside = ["*"] if entry.get("type") == "list" else []
        if entry.get("type") == "path":
            entry["type"] = "str"
            paths.append([name])
        if entry.get("elements") == "path":
            entry["elements"] = "str"
            paths.append([name, "*"])
        if entry.get("options"):
            entry["options"], below = without_paths(entry["options"])
            paths += [[name, *inside, *path] for path in below]
        plain[name] = entry
    return plain, paths


def read_result(ran: dict[str, Any], name: str) -> dict[str, Any] | None:
    """What the command *ran* has printed; None where it found no core. A crash is a failure, with all that it said."""
    line = ran["stdout"].strip().rpartition("\n")[2]
    if line == GONE:
        return None
    if line.startswith("{"):
        found: dict[str, Any] = json.loads(line)
        for stream in ("stdout", "stderr"):  # as Ansible does with a module's result
            if isinstance(found.get(stream), str):
                found.setdefault(f"{stream}_lines", found[stream].splitlines())
        return found
    said = ran["stderr"].strip() or ran["stdout"].strip()
    return {
        "failed": True,
        "msg": f"{name} ended without a result (exit code {ran['rc']}): {said.rpartition(chr(10))[2]}",
        "module_stdout": ran["stdout"],
        "module_stderr": ran["stderr"],
        "rc": ran["rc"],
    }
