# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that no container uses, by age and label, thrown away."""

from __future__ import annotations

import os
from collections import namedtuple

from ..image.collect import usage
from ..image.filters import Filter, seconds_of
from ..volume import names, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from ..statedir import StateDir

# names of the volumes that are gone, size: bytes of disk that this frees
Pruned = namedtuple("Pruned", "names size")


def prune(
    state: StateDir, filters: Mapping[str, Any] | None, leaving: Collection[str], now: float, check_mode: bool
) -> Pruned:
    """Remove the unused volumes that *filters* choose, and what killed tasks have left of others; what that comes to.

    leaving  directories of containers that are as good as gone
    Raises VolumeError, ImageError, OSError.
    """
    chosen = Filter.of(filters, now)
    anonymous = bool((filters or {}).get("anonymous"))
    found, size = [], 0
    for name in store.all_names(state):
        record = store.load(state, name)
        if record is None or (anonymous and not record["anonymous"]):
            continue
        if not chosen.accepts(seconds_of(record["created"]) or 0.0, record["labels"]):
            continue
        freed = _remove(state, record, leaving, check_mode=check_mode)
        if freed is not None:
            found.append(name)
            size += freed
    for name in store.left_over_names(state):
        size += usage(store.leftovers(state, name))
        if not check_mode:
            with store.lock(state, [name]):
                store.clear_leftovers(state, name)
    return Pruned(found, size)


def _remove(state: StateDir, record: Mapping[str, Any], leaving: Collection[str], *, check_mode: bool) -> int | None:
    """Remove one volume, unless it is used: the bytes of disk that this frees, None where it stays."""
    name = record["name"]
    if set(store.users(state).get(name, {})) - set(leaving):
        return None
    if check_mode:
        return usage(_paths(state, record))
    with store.lock(state, [name]):
        if store.users(state).get(name) or not names.present(state, name):  # somebody was faster
            return None
        size = usage(_paths(state, record))
        store.remove(state, name)
        return size


def _paths(state: StateDir, record: Mapping[str, Any]) -> list[str]:
    """What goes from disk: of a volume that is mounted from elsewhere not what is there."""
    path = names.directory(state, record["name"])
    if not record["driver_options"]:
        return [path]
    return [os.path.join(path, name) for name in (names.RECORD, store.UNFILLED)]
