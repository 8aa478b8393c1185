# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host has what a container is to mount: asked before anything is changed."""

from __future__ import annotations

import os

from . import mountset, records
from .errors import ContainerError
from .mountvalues import BIND, IMAGE, VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..image.store import Image
    from ..statedir import StateDir


def check(state: StateDir, options: Mapping[str, Any], coming: frozenset[str] = frozenset(), *, new: bool) -> None:
    """Raise for what is not there: ContainerError, VolumeError.

    coming  names of containers that are about to be made
    new     whether the container is, too: one that stays has already what others had
    """
    for entry in mountset.declared(options):
        if entry["type"] == BIND:
            _check_source(entry)
        elif entry["type"] == VOLUME and entry["source"]:
            _check_volume(state, entry)
        elif entry["type"] == IMAGE and new:
            find_image(state, entry)
    for source in options.get("volumes_from", ()) if new else ():
        name = source["container"]
        if name not in coming and records.load(state, name) is None:
            raise no_such_container(name)


def no_such_container(name: str) -> ContainerError:
    return ContainerError(f"volumes_from: there is no container {name}", step="volumes", obj=name, hint="Make it first")


def _check_source(entry: Mapping[str, Any]) -> None:
    if not os.path.exists(entry["source"]) and not entry.get("create"):
        raise ContainerError(
            f"{entry['target']}: there is no {entry['source']} on this host",
            step="mounts",
            obj=entry["source"],
            hint="Make it first (ansible.builtin.file with state: directory), name a volume instead, or declare it in "
            "mounts with create_mountpoint: true",
        )


def _check_volume(state: StateDir, entry: Mapping[str, Any]) -> None:
    from ..volume import store

    record = store.load(state, entry["source"])
    wanted = entry.get("driver_options")
    if record is not None and wanted is not None and record["driver_options"] != wanted:
        raise ContainerError(
            f"{entry['target']}: volume {entry['source']} is there with other driver options",
            step="volumes",
            obj=entry["source"],
            hint="Leave volume_options out, or change the volume with oci_volume",
        )


def find_image(state: StateDir, entry: Mapping[str, Any]) -> Image:
    """The image that *entry*, a mount of that type, names. Raises ContainerError when it is not here, ImageError."""
    from ..image.store import Store

    image = Store(state).find(entry["source"])
    if image is None:
        raise ContainerError(
            f"{entry['target']}: there is no image {entry['source']} on this host",
            step="mounts",
            obj=entry["source"],
            hint="Have it here first, with oci_image",
        )
    return image
