# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system of a container, mounted in the mount namespace that the caller has made for it."""

from __future__ import annotations

import os
import stat

from ..kernel import constants as c
from ..kernel import mounts, safepath, syscalls
from ..kernel.errors import KernelError
from ..kernel.files import read_bytes
from ..kernel.lean import loads
from . import userns
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .records import Record


def place(record: Record) -> str:
    """Where it is mounted."""
    return os.path.join(record.path, "bundle/rootfs")


def mount(record: Record, *, scratch: bool = False) -> None:
    """Mount the image's layers and what the container has written; in a new mount namespace of this process.

    The owners are those that the container's processes have here. Where mounts cannot translate them, a container
    that has not run yet gets layers of its own. With *scratch* whatever is written goes to memory, and nothing on disk
    changes. Raises ContainerError for a layer that is missing, KernelError.
    """
    syscalls.unshare(c.CLONE_NEWNS)
    syscalls.mount(None, "/", None, c.MS_REC | c.MS_SLAVE)
    for layer in record.spec["layers"]:
        if not os.path.isdir(layer):
            raise ContainerError(
                f"a layer of the image is missing: {layer}",
                step="overlay",
                obj=record.name,
                hint="Pull the image again with oci_image and force: true",
            )
    if not userns.is_private(record.spec["options"]):
        _mount_overlay(record, scratch)
        return
    mapped: list[str] = []
    try:
        mapped = userns.map_owners(record)
        _mount_overlay(record, scratch)
    except (KernelError, OSError) as error:
        from . import shifting

        if not shifting.is_called_for(record, error.errno or 0):
            raise
        userns.unmount(mapped)
        shifting.make(record, userns.mapping(record.spec)[0][1])
        _mount_overlay(record, scratch)


def _mount_overlay(record: Record, scratch: bool) -> None:
    layers, own = userns.layers(record), userns.directory(record)
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

    What is bound is seen with the owners that it has in the running container, and nothing more can be written than
    there. Raises OSError, KernelError.
    """
    root = os.open(place(record), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    empty = []
    try:
        for entry in _mounts(record):
            fd = _mount(record, entry, root)
            if fd >= 0:
                empty.append(fd)
        read_only = [root] if record.spec["options"].get("read_only") else []
        for fd in (*empty, *read_only):
            mounts.set_read_only(fd)
    finally:
        for fd in (root, *empty):
            os.close(fd)


def _mounts(record: Record) -> list[dict[str, Any]]:
    """The ``mounts`` of the container's configuration, sources as the host has them."""
    from . import bundlefile

    kept = os.path.join(record.path, bundlefile.MOUNTS)
    if os.path.exists(kept):
        found: list[dict[str, Any]] = loads(read_bytes(kept))
    else:
        found = loads(read_bytes(os.path.join(record.path, "bundle/config.json")))["mounts"]
    return found


def _mount(record: Record, entry: dict[str, Any], root: int) -> int:
    """Mount *entry*; the descriptor of an empty file system in the place of one that only the running container has."""
    source, options = entry["source"], mounts.MountOptions(entry["options"])
    bound = options.is_bind and os.path.exists(source)
    make = safepath.make_file_in_root if bound and not os.path.isdir(source) else safepath.mkdirs_in_root
    target = make(root, entry["destination"])
    try:
        if bound:
            _bind(record, source, options, target)
            return -1
        syscalls.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "size=4k")
    finally:
        os.close(target)
    return safepath.open_in_root(root, entry["destination"], os.O_PATH | os.O_DIRECTORY)


def _bind(record: Record, source: str, options: mounts.MountOptions, target: int) -> None:
    if not options.idmap:
        mounts.bind(source, target, options)
        return
    from ..kernel import idmap

    entries = userns.mapping(record.spec)
    namespace = idmap.user_namespace(entries, entries)
    try:
        mounts.attach(mounts.open_bind(source, options, userns=namespace), target)
    finally:
        os.close(namespace)
