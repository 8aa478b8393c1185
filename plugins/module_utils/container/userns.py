# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's own user namespace: which of the host's ids are its ids 0 to 65535, and who owns its files.

Every container gets 65536 ids of its own, from 0x10000 * N with N ≥ 16 on (1048576: above what useradd(8) hands out as
subordinate ids on a usual host), recorded in its spec. On disk nothing of that shows: image layers and what the
container writes have the owners that it sees itself, and mounts that only it has translate them; whiteouts belong to
65536. So layers are shared between containers of all kinds.
"""

from __future__ import annotations

import contextlib
import json
import os

from ..kernel.files import locked, read_bytes
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..statedir import StateDir
    from .records import Record

SIZE = 0x10000
_EXPOSED = "/run/agentless-oci-userns"
_FIRST, _END = 16, 0x10000  # multiples of SIZE; ids have 32 bits


def is_private(options: Mapping[str, Any]) -> bool:
    return options.get("userns_mode") == "private"


@contextlib.contextmanager
def reserved(state: StateDir, options: Mapping[str, Any]) -> Iterator[int]:
    """The first host id of a new container with *options*, nobody else's until the block ends: it is recorded then.

    0 for a container in the host's user namespace. Raises ContainerError when none is free.
    """
    if not is_private(options):
        yield 0
        return
    with locked(state.lock_path("userns", "ranges")):
        yield choose(taken(state))


def choose(used: set[int]) -> int:
    """The lowest range that is not in *used* (first host ids)."""
    for number in range(_FIRST, _END):
        if number * SIZE not in used:
            return number * SIZE
    raise ContainerError("userns_mode: no range of user ids is free on this host", step="userns", obj="userns_mode")


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


def mapping(spec: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """The id map of the container, for users and groups: (first inside, first outside, how many)."""
    return [(0, int(spec["first_host_id"]), SIZE)]


def disk_mapping(spec: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """The same from the owners on disk, with one more.

    Root of the host, who mounts the overlay and fills volumes, owns for a moment what it makes: that has to be some id
    on disk as well, one that the container does not have.
    """
    return [*mapping(spec), (SIZE, 0, 1)]


def outside(document: Mapping[str, Any]) -> int:
    """The host's uid of the process that *document*, a config.json of ours, describes."""
    first: int = document["linux"]["uidMappings"][0]["hostID"]
    return first + int(document["process"]["user"]["uid"])


def directory(record: Record) -> str:
    """The container's directory as its monitor sees it after :func:`map_owners`, owners translated."""
    return os.path.join(record.path, "mapped")


def map_owners(record: Record) -> None:
    """Translate the owners of the layers and of the container's directory, in this mount namespace alone.

    Raises KernelError where the kernel or the file system cannot (Linux 5.19).
    """
    from ..kernel import constants as c
    from ..kernel import idmap, syscalls

    entries = disk_mapping(record.spec)  # whiteouts are root's for good
    place = directory(record)
    os.makedirs(place, mode=0o700, exist_ok=True)
    namespace = idmap.user_namespace(entries, entries)
    try:
        for layer in record.spec["layers"]:
            idmap.remap(layer, namespace)
        # Not in its own place: the monitor writes there, and root of the host has no id in the map.
        syscalls.mount(record.path, place, None, c.MS_BIND)
        idmap.remap(place, namespace)
    finally:
        os.close(namespace)


def expose(record: Record, document: dict[str, Any]) -> None:
    """Make *document*, the container's config.json, one that another runtime can follow in a user namespace.

    It reaches the root file system from inside, and our directories let root of the host in alone; older ones do not
    know id-mapped mounts. So both are mounted ready, in this mount namespace alone, below a directory that is empty
    for everybody else, and the configuration says so. Raises OSError, KernelError.
    """
    from ..kernel import constants as c
    from ..kernel import idmap, syscalls

    os.makedirs(_EXPOSED, mode=0o711, exist_ok=True)
    syscalls.mount("tmpfs", _EXPOSED, "tmpfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "mode=711")
    from .secretfiles import directory as secrets_of

    files, secrets = os.path.join(directory(record), "etc"), secrets_of(record)
    document["root"]["path"] = _bound(os.path.join(record.path, "bundle/rootfs"), "rootfs", ["rbind"])
    etc = _bound(files, "etc", ["bind"])
    namespace = idmap.user_namespace(mapping(record.spec), mapping(record.spec))
    try:
        for number, mount in enumerate(document["mounts"]):
            if mount["source"].startswith(files + "/"):
                mount["source"] = etc + mount["source"][len(files) :]
            elif mount["source"].startswith(secrets + "/"):
                mount["source"] = _bound(mount["source"], str(number), ["bind"])
            elif "idmap" in mount["options"]:
                mount["source"] = _bound(mount["source"], str(number), ["rbind", "idmap"], namespace)
                mount["options"].remove("idmap")
    finally:
        os.close(namespace)


def _bound(source: str, name: str, options: list[str], namespace: int = -1) -> str:
    from ..kernel import mounts

    place = os.path.join(_EXPOSED, name)
    if os.path.isdir(source):
        os.mkdir(place, 0o711)
    else:
        os.mknod(place)
    target = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        mounts.attach(mounts.open_bind(source, mounts.MountOptions(options), userns=namespace), target)
    finally:
        os.close(target)
    return place
