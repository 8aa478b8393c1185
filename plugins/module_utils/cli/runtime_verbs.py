# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""start, state, kill, delete and list, as other OCI runtimes have them on their command lines."""

from __future__ import annotations

import sys

from ..kernel.errors import Error
from ..kernel.lean import dumps, signal
from ..runtime import lifecycle
from ..runtime import state as states
from ..runtime.errors import DamagedState, NoSuchContainer
from .main import report, state_directory, warn
from .words import Syntax, sort, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .words import Words

_OWNER = "root"  # nobody else makes any
_SHORT = {"-a": "--all", "-f": "--force", "-q": "--quiet"}
_SYNTAX = {
    "start": Syntax(),
    "state": Syntax(),
    "kill": Syntax(flags=("--all",), arguments=(1, 2), short=_SHORT),
    "delete": Syntax(flags=("--force",), short=_SHORT),
    "list": Syntax(("--format",), ("--quiet",), arguments=(0, 0), short={**_SHORT, "-f": "--format"}),
}


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``argv[0]``; *root* is the directory of the runtime's state. Returns the exit code."""
    verb = argv[0]
    words = sort(verb, _SYNTAX[verb], argv[1:])
    run_dir = state_directory(root)
    if verb == "list":
        return _list(run_dir, words)
    container_id = words.arguments[0]
    if verb == "start":
        _start(run_dir, container_id)
    elif verb == "state":
        _show(lifecycle.state(run_dir, container_id).as_dict())
    elif verb == "kill":
        number = signal_number(words.arguments[1] if len(words.arguments) > 1 else "TERM")
        lifecycle.kill(run_dir, container_id, number, all_processes="--all" in words.flags)
    elif verb == "delete":
        warn(lifecycle.delete(run_dir, container_id, force="--force" in words.flags))
    return 0


def _start(run_dir: str, container_id: str) -> None:
    found = lifecycle.state(run_dir, container_id)
    try:
        lifecycle.start_found(run_dir, found)
    finally:
        warn(found.warnings)  # of what a hook that failed had taken apart


def _show(document: dict[str, Any]) -> None:
    import json

    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def signal_number(name: str) -> int:
    """The number of a signal given as ``9``, ``KILL``, ``SIGKILL`` or ``RTMIN+3``. Raises Error."""
    if name.isdigit() and int(name) in range(1, signal.NSIG):
        return int(name)
    word = name.upper()
    word = word[3:] if word.startswith("SIG") else word
    if word.startswith("RTMIN+") and word[6:].isdigit():
        return signal.SIGRTMIN + int(word[6:])
    if word.startswith("RTMAX-") and word[6:].isdigit():
        return signal.SIGRTMAX - int(word[6:])
    found = getattr(signal, "SIG" + word, None)
    if isinstance(found, int) and not word.startswith("_"):
        return int(found)
    raise Error(f"unknown signal {name!r}")


def _list(run_dir: str, words: Words) -> int:
    form = words.form()
    found = []
    for container_id in states.ids(run_dir):
        try:
            found.append(lifecycle.state(run_dir, container_id))
        except NoSuchContainer:
            continue  # it has been deleted meanwhile
        except DamagedState as error:
            report(error, "list")
    if "--quiet" in words.flags:
        sys.stdout.write("".join(state.id + "\n" for state in found))
    elif form == "json":
        sys.stdout.write(dumps([{**state.as_dict(), "owner": _OWNER} for state in found]) + "\n")
    else:
        rows = [("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")]
        rows += [(s.id, str(s.as_dict()["pid"]), s.status, s.bundle, s.created, _OWNER) for s in found]
        sys.stdout.write(table(rows))
    return 0
