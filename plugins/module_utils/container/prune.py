# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_prune does: containers that have ended, and volumes and images that nothing uses, go."""

from __future__ import annotations

import os
import time

from ..image.filters import Filter, seconds_of
from ..kernel.errors import answer
from ..statedir import StateDir
from . import records, spec, turns
from .observe import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .records import Record


def run(module: Any) -> None:
    """Throw away what *module* (an AnsibleModule) asks for, and exit it."""
    answer(module, "prune", lambda: prune(module.params, check_mode=module.check_mode, now=time.time()))


def prune(params: dict[str, Any], *, check_mode: bool, now: float) -> dict[str, Any]:
    """The module's result for its options. Raises Error.

    In check mode nothing is changed, and the result is what a run would give.
    """
    state = StateDir(params["root"])
    chosen = Filter.of(params["containers_filters"], now)
    images_options = params["images_filters"] or {}
    chosen_images = Filter.of(images_options, now)
    known = []
    if params["images"]:
        from ..image.store import Store

        known = Store(state).images()
    gone: list[tuple[Record, int]] = []
    if params["containers"]:
        for name in records.names(state):
            ended = _prune_container(state, name, chosen, check_mode=check_mode)
            if ended is not None:
                gone.append(ended)
    result: dict[str, Any] = {
        "actions": [f"removed container {record.name}" for record, _size in gone],
        "containers": [record.name for record, _size in gone],
        "containers_space_reclaimed": sum(size for _record, size in gone),
        "volumes": [],
        "volumes_space_reclaimed": 0,
        "images": [],
        "images_space_reclaimed": 0,
    }
    if params.get("volumes"):
        from .volumeprune import prune as prune_volumes

        unused = prune_volumes(
            state, params.get("volumes_filters"), {record.path for record, _size in gone}, now, check_mode
        )
        result["volumes"], result["volumes_space_reclaimed"] = unused.names, unused.size
        result["actions"] += [f"removed volume {name}" for name in unused.names]
        if unused.size and not unused.names:
            result["actions"].append("removed what killed tasks have left of volumes")
    if params["images"]:
        from ..image.module import describe
        from ..image.prune import prune as prune_images

        pruned = prune_images(
            Store(state),
            chosen_images,
            dangling=images_options.get("dangling", True),
            known=known,
            without_pins={record.id for record, _size in gone},
            check_mode=check_mode,
        )
        result["images"] = [describe(image) for image in pruned.images]
        result["images_space_reclaimed"] = pruned.size
        result["actions"] += [f"removed image {image.name}" for image in pruned.images]
        if pruned.size and not pruned.images:
            result["actions"].append("removed what nothing needs in the store of images")
    result["space_reclaimed"] = sum(result[f"{kind}_space_reclaimed"] for kind in ("containers", "volumes", "images"))
    result["changed"] = bool(result["actions"])
    names = {
        "containers": result["containers"],
        "volumes": result["volumes"],
        "images": [image["id"] for image in result["images"]],
    }
    result["diff"] = {"before": names, "after": {"containers": [], "volumes": [], "images": []}}
    return result


def _prune_container(state: StateDir, name: str, chosen: Filter, *, check_mode: bool) -> tuple[Record, int] | None:
    """Remove the container *name* if it has ended and is chosen: its record, and the bytes of disk that this frees."""
    record = records.load(state, name)
    if record is None or not _goes(state, record, chosen):
        return None
    if check_mode:
        return record, _size(state, record)
    with turns.container_lock(state, name):
        record = records.load(state, name)
        if record is None or not _goes(state, record, chosen):  # somebody else has had it meanwhile
            return None
        from .stop import destroy

        size = _size(state, record)
        destroy(state, record)
        return record, size


def _size(state: StateDir, record: Record) -> int:
    """Bytes of disk of the container's directory, its name and its pin."""
    from ..image.collect import usage
    from ..image.store import Store

    name = os.path.join(state.containers, record.name)
    return usage([record.path, name, Store(state).pins.path(record.id)])


def _goes(state: StateDir, record: Record, chosen: Filter) -> bool:
    """Whether the container has ended, by its own record, no task is about to read what it wrote, and it is chosen.

    One whose end nobody has recorded was running when its host went down: it is not ended but to be started.
    """
    labels = spec.labels(record.spec["options"], record.spec["image"]["config"])
    if not chosen.accepts(seconds_of(record.spec["created"]) or 0.0, labels):
        return False
    if records.read_status(record).get("status") != "exited" or observe(state, record).status != "stopped":
        return False
    try:
        return not turns.is_awaited(record)
    except FileNotFoundError:  # somebody has just removed it
        return False
