# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system of a container, mounted in the mount namespace that the caller has made for it."""

from __future__ import annotations

import os
import stat

from ..kernel import constants as c
from ..kernel import mounts, safepath, syscalls
from . import userns
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.config import Config, Mount
    from .records import Record


def place(record: Record) -> str:
    """Where it is mounted."""
    return os.path.join(record.path, "bundle/rootfs")


def mount(record: Record, *, scratch: bool = False) -> None:
    """Mount the image's layers and what the container has written; in a new mount namespace of this process.

    With *scratch* whatever is written goes to memory, and nothing on disk changes. Raises ContainerError for a layer
    that is missing, KernelError.
    """
    syscalls.unshare(c.CLONE_NEWNS)
    syscalls.mount(None, "/", None, c.MS_REC | c.MS_SLAVE)
    layers = list(record.spec["layers"])
    for layer in layers:
        if not os.path.isdir(layer):
            raise ContainerError(
                f"a layer of the image is missing: {layer}",
                step="overlay",
                obj=record.name,
                hint="Pull the image again with oci_image and force: true",
            )
    own = record.path
    if userns.is_private(record.spec["options"]):
        userns.map_owners(record)
        own = userns.directory(record)
    upper, work = os.path.join(own, "upper"), os.path.join(own, "work")
    if scratch:
        layers.append(upper)
        memory = os.path.join(record.path, "work")
        syscalls.mount("tmpfs", memory, "tmpfs", 0, "mode=700")
        upper, work = os.path.join(memory, "upper"), os.path.join(memory, "work")
        os.mkdir(work)
        _copy_root(os.path.join(own, "upper"), upper)
    mounts.mount_overlay(place(record), layers, upper, work)


def _copy_root(source: str, target: str) -> None:
    """Make the directory *target* with the mode and owners of *source*."""
    found = os.stat(source)
    os.mkdir(target)
    os.chown(target, found.st_uid, found.st_gid)
    os.chmod(target, stat.S_IMODE(found.st_mode))


def mount_volumes(record: Record) -> None:
    """Mount into it what the container has from the host; the rest of its mounts are empty and read-only.

    What is bound is seen with the owners that it has in the running container. Raises OSError, KernelError.
    """
    from ..runtime.config import Config

    config = Config.load(os.path.join(record.path, "bundle"))
    root = os.open(place(record), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    empty = []
    try:
        for entry in config.mounts:
            fd = _mount(config, entry, root)
            if fd >= 0:
                empty.append(fd)
        for fd in empty:
            mounts.set_read_only(fd)
    finally:
        for fd in (root, *empty):
            os.close(fd)


def _mount(config: Config, entry: Mount, root: int) -> int:
    """Mount *entry*; the descriptor of an empty file system in the place of one that only the running container has."""
    bound = entry.options.is_bind and os.path.exists(entry.source)
    make = safepath.make_file_in_root if bound and not os.path.isdir(entry.source) else safepath.mkdirs_in_root
    target = make(root, entry.destination)
    try:
        if bound:
            _bind(config, entry, target)
            return -1
        syscalls.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "size=4k")
    finally:
        os.close(target)
    return safepath.open_in_root(root, entry.destination, os.O_PATH | os.O_DIRECTORY)


def _bind(config: Config, entry: Mount, target: int) -> None:
    if not entry.options.idmap:
        mounts.bind(entry.source, target, entry.options)
        return
    from ..kernel import idmap

    uids, gids = entry.maps or (config.uid_mappings, config.gid_mappings)
    namespace = idmap.user_namespace(uids, gids)
    try:
        mounts.attach(mounts.open_bind(entry.source, entry.options, userns=namespace), target)
    finally:
        os.close(namespace)
