# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log option ``path``: a link in a place of the user's own to the current file of the log.

The log itself stays in the container's directory, where it is turned over and goes with the container. Imported for
containers that have such a link alone.
"""

from __future__ import annotations

import os

from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..statedir import StateDir


def _target(state: StateDir, name: str) -> str:
    return os.path.join(state.containers, name, "log/container.log")


def path_of(options: Mapping[str, Any]) -> str:
    """Where canonical *options* want it; "" for nowhere."""
    return str(options.get("log_options", {}).get("path", ""))


def check(state: StateDir, name: str, path: str) -> None:
    """Raise ContainerError where the link of the container *name* cannot be at *path*."""
    try:
        found = os.readlink(path)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(path)):
            raise ContainerError(
                f"log_options: path: there is no directory {os.path.dirname(path)}", step="log", obj=path
            ) from None
    except OSError:
        raise ContainerError(
            f"log_options: path: {path} is there already, and is no link to this container's log",
            step="log",
            obj=path,
            hint="Remove it, or give another path",
        ) from None
    else:
        if found != _target(state, name):
            raise ContainerError(f"log_options: path: {path} is a link to {found}", step="log", obj=path)


def missing(state: StateDir, name: str, path: str) -> bool:
    try:
        return os.readlink(path) != _target(state, name)
    except OSError:
        return True


def put(state: StateDir, name: str, path: str) -> None:
    """Make the link, if it is not there. Raises ContainerError."""
    if missing(state, name, path):
        check(state, name, path)
        os.symlink(_target(state, name), path)


def remove(state: StateDir, name: str, path: str) -> None:
    """Remove the link, if it is ours."""
    if not missing(state, name, path):
        os.unlink(path)
