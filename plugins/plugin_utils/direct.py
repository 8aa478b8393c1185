# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of a task: the host's own copy of the core does what the module would do.

Ansible sends a module with all that it imports, the whole core, and the host compiles it anew in every task. Where an
earlier task has left the copy, one command is enough: options go in as JSON, the result comes out. A host without the
copy of just this version gets it first, packed (corearchive.py). Whatever this way cannot do is left to the module
itself.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import random
import shlex
import zlib
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.agentless.oci.plugins.module_utils import fingerprint
from ansible_collections.agentless.oci.plugins.module_utils.cli.module_verb import GONE, crashed
from ansible_collections.agentless.oci.plugins.module_utils.statedir import DEFAULT_ROOT
from ansible_collections.agentless.oci.plugins.plugin_utils import corearchive

_CONDITIONS = ("mutually_exclusive", "required_by", "required_if", "required_one_of", "required_together")
_PYTHON = "discovered_interpreter_python"
_WRAPPER = "ansible.legacy.async_wrapper"
# For a state directory that only the host can tell: `python -c … ROOT VERSION ARGUMENTS`.
_FIND = f"""\
import os, sys
f = os.path.join(os.path.expanduser(os.path.expandvars(sys.argv[1])), "lib", sys.argv[2], "entry.py")
os.path.isfile(f) or sys.exit(print("{GONE}"))
os.execv(sys.executable, [sys.executable, "-I", "-S", f, *sys.argv[3:]])
"""
display = Display()


@dataclasses.dataclass(frozen=True)
class Call:
    """A task for the host's copy of the core *version*, by the program *python*.

    given    what module_verb.py reads
    secrets  parts of it that must not be shown
    job      what a task in the background is called there, and how: see background.py
    """

    name: str
    python: str
    version: str
    given: dict[str, Any]
    secrets: set[str]
    job: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """The state directory; "" for the host's default."""
        return self.given["params"].get("root") or ""

    @property
    def verb(self) -> tuple[str, ...]:
        """What a host without the copy does (arrival.py): nothing is installed for what only reads."""
        reads = not self.job and (self.given["check_mode"] or self.name.endswith("_info"))
        return "lend" if reads else "run", self.name, *self.job

    @property
    def data(self) -> bytes:
        """What the copy reads."""
        given = {**self.given, "secrets": sorted(self.secrets)} if self.job else self.given
        return zlib.compress(json.dumps(given).encode())


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
        call, done = self._call(variables, args), None
        if call is not None:
            done = self._directly(call)
        if done is None:
            wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
            done = self._execute_module(module_args=args, task_vars=variables, wrap_async=wrap_async)
        return done

    def _call(self, variables: dict[str, Any], args: dict[str, Any]) -> Call | None:
        """The task as the host's copy takes it; None where the module itself is needed. Nothing was done then."""
        if getattr(self._connection._shell, "SHELL_FAMILY", "") != "sh":
            return None
        if self._task.async_val and self._connection.has_native_async:
            return None
        name = self._task.action.rpartition(".")[2]
        module = importlib.import_module(f"ansible_collections.agentless.oci.plugins.modules.{name}").MODULE
        spec, paths = without_paths(module["argument_spec"])
        validated = ArgumentSpecValidator(spec, **{key: module.get(key) for key in _CONDITIONS}).validate(args)
        if validated.error_messages:
            return None  # the module says it in its own way
        given = {
            "params": validated.validated_parameters,
            "paths": paths,
            "check_mode": bool(self._task.check_mode),
            "verbosity": display.verbosity,
            "diff": bool(self._task.diff),
        }
        try:
            json.dumps(given)
        except TypeError:
            return None  # a value that only Ansible knows how to send
        python = self._interpreter(variables)
        version = fingerprint.of_tree(corearchive.CORE)
        secrets = set(validated._no_log_values)
        return Call(name, python, version, given, secrets, self._job()) if python else None

    def _job(self) -> tuple[str, ...]:
        """What background.py is told of a task in the background."""
        if not self._task.async_val:
            return ()
        directory = self.get_shell_option("async_dir", default="~/.ansible_async")
        return directory, f"j{random.SystemRandom().randrange(10**12)}", str(self._task.async_val)

    def _directly(self, call: Call) -> dict[str, Any] | None:
        """What the host's copy of the core gives, which is brought there if it is missing; None where it cannot be."""
        result = read_result(self._run(script(call), call.data), call.name)
        if result is None:
            result = read_result(self._bring(call), call.name)
        if result is None:
            return None
        if not call.job:  # else the host does so with what is the result in the end
            result = remove_values({**result, "invocation": {"module_args": call.given["params"]}}, call.secrets)
        return self._with_discovery(result)

    def _bring(self, call: Call) -> dict[str, Any]:
        """Send the core and *call* to a host that lacks it; what came of it."""
        local = self._connection.transport == "local"
        ran: dict[str, Any] = {}
        for packer in corearchive.packers(local=local):
            display.vvv(f"the host gets the collection's core, to be unpacked by {packer}")
            try:
                packed = corearchive.archive(packer, call.version, local=local)
            except (OSError, ValueError) as error:
                raise AnsibleActionFail(f"the collection's core cannot be packed: {error}") from error
            command = corearchive.arrive(call.python, packer, call.version, call.root, *call.verb)
            ran = self._run(command, packed + call.data)
            if corearchive.NO_PACKER not in ran["stdout"].split():
                break
        return ran

    def _run(self, command: str, data: bytes) -> dict[str, Any]:
        """What *command* gives on the host with *data* as its input: a file there, where nothing can be piped to it."""
        command = f"{self._compute_environment_string()} /bin/sh -c {shlex.quote(command)}".strip()
        ran: dict[str, Any]
        if self._is_pipelining_enabled("new"):
            ran = self._low_level_execute_command(command, in_data=data)
            return ran
        directory = self._connection._shell.tmpdir  # of a copy's files, which goes with them
        made = "" if directory else self._make_tmp_path()
        try:
            path = self._connection._shell.join_path(directory or made, "options")
            self._transfer_data(path, data)
            self._fixup_perms2((directory or made, path), execute=False)
            ran = self._low_level_execute_command(f"{command} < {shlex.quote(path)}")
            return ran
        finally:
            if made:
                self._remove_tmp_path(made)

    def _interpreter(self, variables: dict[str, Any]) -> str:
        """The host's Python as the module would get it, looked for where Ansible has yet to find it; "" for others."""
        host = variables
        if self._task.delegate_to:
            host = variables.get("ansible_delegated_vars", {}).get(self._task.delegate_to, {})
        wanted = self._templar.template(C.config.get_config_value("INTERPRETER_PYTHON", variables=host))
        if wanted.startswith("auto"):
            if not host.get("ansible_facts", {}).get(_PYTHON):
                super()._configure_module(_WRAPPER, {}, variables)  # which looks for it, and notes what it finds
            wanted = host.get("ansible_facts", {}).get(_PYTHON) or ""
        return wanted if wanted.startswith("/") and not wanted.split()[1:] else ""

    def _with_discovery(self, result: dict[str, Any]) -> dict[str, Any]:
        """*result*, with what Ansible has found out about the host's Python, as it tells with a module's."""
        if self._discovered_interpreter_key:
            facts = result.get("ansible_facts") or {}
            result["ansible_facts"] = {**facts, self._discovered_interpreter_key: self._discovered_interpreter}
        # Before 2.19 Ansible keeps these for the result.
        for key, kept in (("warnings", "_discovery_warnings"), ("deprecations", "_discovery_deprecation_warnings")):
            if getattr(self, kept, None):
                result[key] = [*(result.get(key) or ()), *getattr(self, kept)]
        return result


def script(call: Call) -> str:
    """The shell's part: run the host's copy for *call*, or say that it is not there."""
    python, arguments = (call.python, "-I", "-S"), ("module", call.name, *call.job)
    if call.root.startswith("/") and "$" not in call.root:
        top = shlex.quote(call.root)
    elif call.root:  # only the host can tell what it means
        return "exec " + _words(*python, "-c", _FIND, call.root, call.version, *arguments)
    else:
        top = f'"${{AGENTLESS_OCI_ROOT:-{DEFAULT_ROOT}}}"'
    run = f'exec {_words(*python)} "$f" {_words(*arguments)}'
    return f'f={top}/lib/{call.version}/entry.py; if [ -f "$f" ]; then {run}; else echo {GONE}; fi'


def _words(*words: str) -> str:
    return " ".join(map(shlex.quote, words))


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
    """What the command *ran* has printed; None where the core is not. A crash is a failure, with all that it said."""
    line = ran["stdout"].strip().rpartition("\n")[2]
    if line in (GONE, corearchive.NO_PACKER):
        return None
    if line.startswith("{"):
        found: dict[str, Any] = json.loads(line)
        for stream in ("stdout", "stderr"):  # as Ansible does with a module's result
            if isinstance(found.get(stream), str):
                found.setdefault(f"{stream}_lines", found[stream].splitlines())
        return found
    return crashed(name, ran["stdout"], ran["stderr"], ran["rc"])
