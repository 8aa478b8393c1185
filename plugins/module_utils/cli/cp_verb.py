# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci cp``: files between the host and a container, with the rules that people know of ``docker cp``.

With ``-`` in the place of a path of the host it is a tar archive (cli/cp_tar.py).
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
import sys

from ..container import copy, inside, roots
from ..container.copyplan import DIRECTORY, PRESERVE
from ..container.copysource import Tree
from ..kernel import entries
from ..kernel.errors import Error
from ..statedir import StateDir
from .words import Syntax, sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..container.roots import Root

_SYNTAX = Syntax(
    flags=("--archive", "--follow-link", "--quiet"),
    arguments=(2, 2),
    short={"-a": "--archive", "-L": "--follow-link", "-q": "--quiet"},
)


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``cp``; the exit code. Raises Error, OSError."""
    words = sort("cp", _SYNTAX, argv[1:])
    source, target = (split(argument) for argument in words.arguments)
    if bool(source[0]) is bool(target[0]):
        raise Error("cp: one of the two has to be in a container: NAME:PATH", hint="'aoci help' shows it")
    state = StateDir(root)
    with contextlib.ExitStack() as opened:
        record = inside.find(state, source[0] or target[0])
        container = opened.enter_context(roots.of_container(state, record, writes=not source[0]))
        host = opened.enter_context(roots.of_host())
        there, here = (container, host) if source[0] else (host, container)
        if words.arguments[0] == "-":
            from . import cp_tar

            cp_tar.read(sys.stdin.buffer, here, target[1], owners="--archive" in words.flags)
            return 0
        follows = "--follow-link" in words.flags or _is_meant(source[1])
        copied = Tree(there, _plain(source[1]), follow=follows, trusted=not source[0])
        if words.arguments[1] == "-":
            from . import cp_tar

            cp_tar.write(copied, posixpath.basename(_plain(source[1])), sys.stdout.buffer)
            return 0
        owner = PRESERVE if "--archive" in words.flags else None
        path = _place(here, target[1], source[1], directory=copied.items[0].kind == DIRECTORY)
        wishes = copy.Attributes(PRESERVE, PRESERVE, owner, owner)
        changes = copy.plan(copied, here, path, wishes, makes=False, named=target[1].removesuffix("/."))
        copy.apply(changes, copied, here)
    return 0


def split(argument: str) -> tuple[str, str]:
    """(container or "", absolute path) of ``NAME:PATH`` or of a path on the host; what begins with / or . is one.

    A path in a container may leave out the first slash.
    """
    name, colon, path = argument.partition(":")
    if not colon or not name or argument.startswith(("/", ".")):
        kept = "/." if argument.endswith("/.") else "/" if argument.endswith("/") else ""
        return "", os.path.abspath(argument).rstrip("/") + kept or "/"
    return name, "/" + path.lstrip("/")


def _is_meant(path: str) -> bool:
    """Whether *path* says by its end that what a symlink leads to is meant."""
    return path.endswith(("/", "/."))


def _plain(path: str) -> str:
    return path[:-2] or "/" if path.endswith("/.") else path.rstrip("/") or "/"


def _place(root: Root, target: str, source: str, *, directory: bool) -> str:
    """Where the source goes. Raises Error."""
    there = entries.status(root.fd, target, follow=True)
    name = posixpath.basename(_plain(source))
    if there is not None and stat.S_ISDIR(there.st_mode):
        contents = directory and (source.endswith("/.") or not name)
        return _plain(target) if contents else f"{_plain(target).rstrip('/')}/{name}"
    if there is None and not directory and target.endswith("/"):
        raise Error(f"there is no directory {target} {root.where}")
    return entries.resolve(root.fd, _plain(target))
