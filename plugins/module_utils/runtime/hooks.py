# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: programs of others, run at fixed points of a container's life (runtime-spec config.md, "POSIX-platform
Hooks").

Each gets the container's state as JSON on its standard input.
"""

from __future__ import annotations

import os

from ..kernel.lean import dumps
from .errors import ConfigError, RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


class Hook:
    """One hook: ``path`` (absolute), ``args`` with the program's name first, ``env`` and ``timeout`` in seconds."""

    __slots__ = ("args", "env", "kind", "path", "timeout")

    def __init__(self, kind: str, path: str, args: list[str], env: list[str], timeout: int | None) -> None:
        self.kind = kind
        self.path = path
        self.args = args or [path]
        self.env = env
        self.timeout = timeout

    def run(self, state: dict[str, Any], cwd: str) -> None:
        """Run it to its end. Raises RuntimeFault when it fails, with the last line that it wrote on stderr."""
        import subprocess  # paid for by who has hooks; after the pivot preload() has done it

        try:
            done = subprocess.run(
                self.args,
                executable=self.path,
                env=dict(entry.partition("=")[::2] for entry in self.env),
                cwd=cwd,
                input=dumps(state).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._fault(f"did not end within {self.timeout} s and was killed") from None
        except OSError as error:
            raise self._fault(f"cannot be run: {error.strerror}") from error
        if done.returncode:
            ended = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
            said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise self._fault(f"failed with {ended}" + (f": {said}" if said else ""))

    def _fault(self, what: str) -> RuntimeFault:
        return RuntimeFault(f"the {self.kind} hook {self.path} {what}", step=self.kind, obj=self.path)


def parse(document: Any) -> dict[str, list[Hook]]:
    """The configuration's ``hooks``, by kind. Raises ConfigError."""
    found: dict[str, list[Hook]] = {}
    if not isinstance(document, dict):
        raise _error("hooks", "an object", document)
    for kind in KINDS:
        entries = document.get(kind) or []
        if not isinstance(entries, list):
            raise _error(f"hooks.{kind}", "a list", entries)
        found[kind] = [_parse_one(kind, index, entry) for index, entry in enumerate(entries)]
    return found


def _parse_one(kind: str, index: int, entry: Any) -> Hook:
    where = f"hooks.{kind}[{index}]"
    if not isinstance(entry, dict):
        raise _error(where, "an object", entry)
    path, args, env, timeout = (entry.get(key) for key in ("path", "args", "env", "timeout"))
    if not isinstance(path, str) or not os.path.isabs(path):
        raise _error(f"{where}.path", "an absolute path", path)
    for name, value in (("args", args), ("env", env)):
        if value is not None and not (isinstance(value, list) and all(isinstance(word, str) for word in value)):
            raise _error(f"{where}.{name}", "a list of strings", value)
    if timeout is not None and (not isinstance(timeout, int) or isinstance(timeout, bool) or timeout <= 0):
        raise _error(f"{where}.timeout", "a number of seconds above 0", timeout)
    return Hook(kind, path, args or [], env or [], timeout)


def _error(where: str, expected: str, found: Any) -> ConfigError:
    return ConfigError(f"{where}: expected {expected}, found {found!r}", step="config", obj=where)


def run_all(hooks: Sequence[Hook], state: dict[str, Any], cwd: str) -> None:
    """Run *hooks* in order; the first that fails ends it. Raises RuntimeFault."""
    for hook in hooks:
        hook.run(state, cwd)


def preload() -> None:
    """Import what :meth:`Hook.run` needs, while that comes from the host."""
    import subprocess

    del subprocess
