# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A range of the host's ids for a new container with a user namespace of its own, which no other container has."""

from __future__ import annotations

import contextlib
import json
import os

from ..kernel.files import locked, read_bytes
from . import subids
from .userns import is_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..statedir import StateDir


@contextlib.contextmanager
def reserved(state: StateDir, options: Mapping[str, Any]) -> Iterator[int]:
    """The first host id of a new container with *options*, nobody else's until the block ends: it is recorded then.

    0 for a container in the host's user namespace. Raises ContainerError when none is free.
    """
    if not is_private(options):
        yield 0
        return
    with locked(state.lock_path("userns", "ranges")):
        yield subids.choose(taken(state), subids.pool(*(_text(f"/etc/{name}") for name in ("subuid", "subgid"))))


def _text(path: str) -> str:
    try:
        return read_bytes(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def taken(state: StateDir) -> set[int]:
    """The first host ids of all containers, of those being removed too."""
    found = set()
    for entry in os.listdir(state.containers) if os.path.isdir(state.containers) else ():
        if entry.startswith("."):
            with contextlib.suppress(FileNotFoundError):
                first = json.loads(read_bytes(os.path.join(state.containers, entry, "spec.json"))).get("first_host_id")
                if first:
                    found.add(int(first))
    return found
