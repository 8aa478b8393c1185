# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that only one container has, in the directory ``mounts`` of its own: parts of volumes, and images.

They are made in its monitor's mount namespace, before the container is: the host never sees them, and they go with
the monitor. What the runtime then binds is no path that somebody could swap.
"""

from __future__ import annotations

import os

from ..kernel import mounts, safepath
from ..kernel.mounts import MountOptions
from ..statedir import StateDir
from ..volume import names
from . import mountset, userns
from .errors import ContainerError
from .mountvalues import IMAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

NAME = "mounts"
SHM = "shm"  # the /dev/shm of the container whose IPC this one has (joining.py)


def path(directory: str, number: int | str) -> str:
    """Where in *directory* the mount lies that has this *number* in mountset.everything(), or is SHM."""
    return os.path.join(directory, str(number))


def everything(record: Record) -> list[str]:
    """All places there are."""
    directory = os.path.join(record.path, NAME)
    return [os.path.join(directory, name) for name in os.listdir(directory)] if os.path.isdir(directory) else []


def make(record: Record) -> None:
    """Make them, in this mount namespace. Raises ContainerError, KernelError, OSError."""
    if userns.is_private(record.spec["options"]):
        images = record.spec.get("images", {}).values()
        userns.map_layers(record, [layer for image in images for layer in image["layers"]])
    for number, entry in enumerate(mountset.everything(record.spec)):
        if not mountset.has_place(entry):
            continue
        directory = os.path.join(record.path, NAME)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if entry["type"] == IMAGE:
            source = _mount_image(record, entry, f"{path(directory, number)}-image")
        else:
            state = StateDir(os.path.dirname(os.path.dirname(record.path)))
            source = names.data(state, entry["source"])
        found = _find(source, entry)
        try:
            _bind(found, path(directory, number))
        finally:
            os.close(found)


def _find(source: str, entry: Mapping[str, Any]) -> int:
    """A descriptor of the wanted part of the directory *source*; nothing in it leads out of it."""
    root = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return safepath.open_in_root(root, entry.get("subpath", "."))
    except OSError as error:
        raise ContainerError.of(
            error,
            f"mounts: {entry['target']}: {entry['type']} {entry['source']} has no {entry['subpath']}",
            step="volumes",
            obj=entry["target"],
            hint="Correct subpath, or make it in a volume first",
        ) from error
    finally:
        os.close(root)


def _mount_image(record: Record, entry: Mapping[str, Any], place: str) -> str:
    """The directory where all that is in the image can be read."""
    layers = record.spec["images"][entry["target"]]["layers"]
    missing = [layer for layer in layers if not os.path.isdir(layer)]
    if missing:
        raise ContainerError(
            f"a layer of the image {entry['source']} is missing: {missing[0]}",
            step="overlay",
            obj=record.name,
            hint="Pull the image again with oci_image and force: true, and replace the container with recreate: true",
        )
    if len(layers) == 1:  # of which overlayfs makes nothing
        return str(layers[0])
    if not os.path.ismount(place):
        os.makedirs(place, mode=0o700, exist_ok=True)
        mounts.mount_overlay(place, layers)
    return place


def _bind(found: int, place: str) -> None:
    """Bind the file or directory behind the descriptor *found* to *place*."""
    source = f"/proc/self/fd/{found}"
    if os.path.ismount(place):
        return
    if os.path.isdir(source):
        os.makedirs(place, mode=0o700, exist_ok=True)
    elif not os.path.lexists(place):
        os.mknod(place, 0o600)
    target = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        mounts.bind(source, target, MountOptions(["rbind"]))
    finally:
        os.close(target)
