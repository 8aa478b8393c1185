# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that only one container has, in the directory ``mounts`` of its own: parts of volumes.

They are made in its monitor's mount namespace, before the container is: the host never sees them, and they go with
the monitor. What the runtime then binds is no path that somebody could swap.
"""

from __future__ import annotations

import os

from ..kernel import mounts, safepath
from ..kernel.mounts import MountOptions
from . import mountset
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..statedir import StateDir
    from .records import Record

NAME = "mounts"


def path(directory: str, number: int) -> str:
    """Where in *directory* the mount lies that has this *number* in mountset.everything()."""
    return os.path.join(directory, str(number))


def everything(record: Record) -> list[str]:
    """All places there are."""
    directory = os.path.join(record.path, NAME)
    return [os.path.join(directory, name) for name in os.listdir(directory)] if os.path.isdir(directory) else []


def make(state: StateDir, record: Record) -> None:
    """Make them, in this mount namespace. Raises ContainerError, OSError."""
    from ..volume import names

    for number, entry in enumerate(mountset.everything(record.spec)):
        if not entry.get("subpath"):
            continue
        directory = os.path.join(record.path, NAME)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        root = os.open(names.data(state, entry["source"]), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = safepath.open_in_root(root, entry["subpath"])
        except OSError as error:
            raise ContainerError.of(
                error,
                f"mounts: {entry['target']}: volume {entry['source']} has no {entry['subpath']}",
                step="volumes",
                obj=entry["target"],
                hint="Make it in the volume first, or correct subpath",
            ) from error
        finally:
            os.close(root)
        try:
            _bind(found, path(directory, number))
        finally:
            os.close(found)


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
