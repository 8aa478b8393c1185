# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's shell is told to reach a container."""

from __future__ import annotations

import shlex

from ansible_collections.agentless.oci.plugins.module_utils.cli.module_verb import GONE
from ansible_collections.agentless.oci.plugins.module_utils.statedir import DEFAULT_ROOT

# Exit codes of `aoci exec NAME` for "the program could not be run"; its reason then begins a line with _REASON.
_FAILED = (125, 126, 127)
_REASON = "aoci: "


def enter(python: str, root: str, version: str, options: list[str], container: str, command: list[str]) -> str:
    """The shell command that runs *command* in *container* by the core *version* (a fingerprint).

    root     the state directory, "" for the host's default
    options  of `aoci exec`
    Where the core is missing it ends with 125 and says GONE on standard error.
    """
    top = shlex.quote(root) if root else f'"${{AGENTLESS_OCI_ROOT:-{DEFAULT_ROOT}}}"'
    words = " ".join(shlex.quote(word) for word in ("exec", *options, container, *command))
    missing = shlex.quote(f"{_REASON}there is no container {container} on this host.")
    return (
        f"t={top}; f=$t/lib/{version}/entry.py; "
        f'if ! [ -f "$f" ]; then echo {GONE} >&2; exit 125; fi; '
        f'if ! [ -d "$t/containers" ]; then echo {missing} >&2; exit 125; fi; '
        f'exec {shlex.quote(python)} -I -S "$f" --root "$t" {words}'
    )


def as_root(command: str, become: str) -> str:
    """*command* by a shell of its own; by way of the words *become* ("sudo -n", or "")."""
    return f"{become} /bin/sh -c {shlex.quote(command)}".strip()


def is_missing(code: int, stderr: bytes) -> bool:
    """Whether that is enter()'s answer for a host without the core."""
    return code == 125 and GONE.encode() in stderr.splitlines()


def reason(code: int, stderr: bytes) -> str:
    """Why the program could not be run in the container; "" if it was."""
    if code not in _FAILED:
        return ""
    lines = stderr.decode("utf-8", "replace").splitlines()
    return next((line[len(_REASON) :] for line in lines if line.startswith(_REASON)), "")
