# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's shell is told to reach a container, and how it gets the core for that. All but archive() is pure."""

from __future__ import annotations

import io
import os
import shlex
import zipfile

from ansible_collections.agentless.oci.plugins.module_utils import fingerprint
from ansible_collections.agentless.oci.plugins.module_utils.cli.module_verb import GONE
from ansible_collections.agentless.oci.plugins.module_utils.statedir import DEFAULT_ROOT

CORE = os.path.dirname(os.path.abspath(fingerprint.__file__))
_PLACE = "ansible_collections/agentless/oci/plugins/module_utils"
# Exit codes of `aoci exec NAME` for "the program could not be run"; its reason then begins a line with _REASON.
_FAILED = (125, 126, 127)
_REASON = "aoci: "
# The host's side of an installation: the archive comes on standard input, and goes again.
_INSTALL = f"""\
import os, sys, tempfile
fd, path = tempfile.mkstemp(suffix=".zip")
try:
    with os.fdopen(fd, "wb") as file:
        file.write(sys.stdin.buffer.read())
    sys.path.insert(0, path)
    from {_PLACE.replace("/", ".")} import core
    core.activate(sys.argv[1] or None, False)
except Exception as error:
    sys.exit("{_REASON}" + str(error))
finally:
    os.unlink(path)
"""


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


def install(python: str, root: str) -> str:
    """The shell command that brings the core, which it reads as archive() gives it, to the state directory *root*."""
    return f"exec {shlex.quote(python)} -I -c {shlex.quote(_INSTALL)} {shlex.quote(root)}"


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


def archive() -> bytes:
    """The whole core in a zip archive."""
    buffer = io.BytesIO()
    packages: set[str] = set()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as content:
        for path in fingerprint.python_files(CORE):
            name = f"{_PLACE}/{os.path.relpath(path, CORE)}"
            if os.path.basename(name) != "__init__.py":
                content.write(path, name)
            parts = name.split("/")[:-1]
            packages.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        for package in sorted(packages):  # empty ones: zipimport wants them, and the fingerprint does not see them
            content.writestr(f"{package}/__init__.py", b"")
    return buffer.getvalue()
