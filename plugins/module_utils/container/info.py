# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_container_info does: the containers that are here; nothing is changed."""

from __future__ import annotations

import fnmatch

from ..kernel.errors import Error, answer
from ..statedir import StateDir
from . import records
from .inspect import inspect
from .observe import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def run(module: Any) -> None:
    """Return the containers that *module* (an AnsibleModule) asks for, and exit it."""
    answer(module, "containers", lambda: {"changed": False, "containers": list(containers(module.params))})


def containers(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The dictionaries of the containers for the options ``name``, ``status`` and ``label``, by name."""
    state = StateDir(params["root"])
    for name in records.names(state):
        record = records.load(state, name)
        if record is None or (params["name"] and not _named(record, params["name"])):
            continue
        try:
            found = inspect(record, observe(state, record), mask=True)
        except (Error, OSError):
            current = records.load(state, name)
            if current is None or current.id != record.id:
                continue  # it was removed, or replaced, while we looked
            raise
        if params["status"] and found["State"]["Status"] not in params["status"]:
            continue
        if all(_labelled(found["Config"]["Labels"] or {}, label) for label in params["label"] or ()):
            yield found


def _named(record: records.Record, wanted: list[str]) -> bool:
    """Whether one of *wanted* is the container's name, a pattern for it, or the beginning of its id."""
    return any(fnmatch.fnmatchcase(record.name, name) or (name and record.id.startswith(name)) for name in wanted)


def _labelled(labels: dict[str, str], wanted: str) -> bool:
    from ..image.filters import has_label

    return has_label(labels, wanted)
