# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``aoci [GLOBAL OPTIONS] VERB …``, runc's for the runtime's verbs.

Each verb's module is imported only when it is called for: a runtime is started once per container, and what it
imports is what it costs.
"""

from __future__ import annotations

import os
import sys

from ..kernel.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "0.1.0"

USAGE = """\
usage: aoci [--root DIR] VERB …

A host's containers:
  containers              list the containers
  inspect NAME            all that is known of a container, as JSON
  logs [-f] [--tail N] [-t] NAME
                          what a container wrote
  images                  list the images
  pull REF                fetch an image from a registry and unpack it
  rmi REF                 remove an image's name, and what nothing else needs

An OCI runtime (runtime-spec 1.3), for other tools:
  create [-b BUNDLE] [--pid-file FILE] [--console-socket PATH] [--preserve-fds N] [--no-pivot] ID
  start ID
  run [-d] [options of create] ID
  state ID
  kill [--all] ID [SIGNAL]
  delete [-f] ID
  list

--root is the state directory (environment AGENTLESS_OCI_ROOT, default /var/lib/agentless-oci); for the runtime's
verbs it is the directory of the runtime's own state, as with other runtimes.
"""

_RUNTIME = ("create", "start", "run", "state", "kill", "delete", "list")
_OPERATOR = {
    "containers": "containers",
    "inspect": "containers",
    "logs": "containers",
    "images": "images",
    "pull": "images",
    "rmi": "images",
}
# What creates a process needs an executable that a container cannot write to.
_PROTECTED = ("create", "run", "monitor-start")


def main(argv: list[str]) -> int:
    """Run the command line *argv* (without the program's name); the exit code."""
    root, rest = _global_options(argv)
    if not rest or rest[0] in ("help", "--help", "-h"):
        sys.stdout.write(USAGE)
        return 0
    verb = rest[0]
    if verb in ("version", "--version", "-v"):
        sys.stdout.write(f"aoci version {VERSION}\nspec: 1.3.0\n")
        return 0
    try:
        if verb in _PROTECTED:
            _protect(argv)
        return _verb(verb)(rest, root)
    except Error as error:
        sys.stderr.write(f"aoci: {error}\n")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"aoci: {verb}: {error.strerror}{where}\n")
    except KeyboardInterrupt:
        return 130
    return 1


def _verb(verb: str) -> Callable[[list[str], str | None], int]:
    """The function that carries out *verb*. Raises Error for one there is not."""
    if verb in _RUNTIME:
        from .runtime_verbs import run

        return run
    if verb == "monitor-start":
        from ..container.start import run as monitor_start

        return monitor_start
    if _OPERATOR.get(verb) == "containers":
        from .containers import run as containers

        return containers
    if _OPERATOR.get(verb) == "images":
        from .images import run as images

        return images
    raise Error(f"there is no verb {verb!r}", hint="'aoci help' lists them")


def _global_options(argv: list[str]) -> tuple[str | None, list[str]]:
    """--root and its value, and what follows the options."""
    root = None
    rest = list(argv)
    while rest and rest[0].startswith("--root"):
        option = rest.pop(0)
        if option.startswith("--root="):
            root = option[len("--root=") :]
        elif option == "--root" and rest:
            root = rest.pop(0)
        else:
            rest.insert(0, option)
            break
    return root, rest


def _protect(argv: list[str]) -> None:
    """Start over from a read-only executable, unless that has been done."""
    from ..kernel import selfexe

    if not selfexe.is_protected():
        entry = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "entry.py")
        selfexe.exec_protected(["-I", "-S", entry, *argv], dict(os.environ))
