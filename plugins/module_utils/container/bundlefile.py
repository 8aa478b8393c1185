# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle on disk: what bundle.py makes of the spec, of the host as it is now, and of the users that the image has."""

from __future__ import annotations

import errno
import json
import os
import stat

from ..kernel import capabilities, safepath
from ..kernel.files import read_bytes, write_atomic
from ..kernel.lean import dumps
from . import bundle, etcfiles, initprogram, mountset, netmode, places, records, secretfiles, userdb, userns
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

MOUNTS = "bundle/mounts.json"  # in a container's directory: its mounts, where config.json has others to follow
_USER_FILES = ("etc/passwd", "etc/group")


def write(record: Record, users: list[str], joined: Mapping[str, str] | None = None) -> None:
    """Write ``bundle/config.json`` and the files of ``etc/``; *users* are the texts of the image's passwd and group.

    *joined* are the paths of the namespaces of other containers to join, by their kind.

    Raises ContainerError, OSError.
    """
    options = record.spec["options"]
    etcfiles.write(record)
    for entry in mountset.declared(options):
        if entry.get("create"):
            os.makedirs(entry["source"], mode=0o755, exist_ok=True)
    user = userdb.resolve(
        options.get("user") or record.spec["image"]["config"].get("User") or "", options.get("groups", []), *users
    )
    host = bundle.Host(
        capabilities=capabilities.names(capabilities.permitted() & capabilities.bounding()),
        devices={entry["source"]: device(entry["source"]) for entry in options.get("devices", ())},
        etc=os.path.join(userns.directory(record), "etc"),
        privileged_devices=_all_devices() if options.get("privileged") else {},
        machine=os.uname().machine,
        release=os.uname().release,
        netns=_network_namespace(record),
        init=initprogram.find(options, os.uname().machine),
        volumes=os.path.join(os.path.dirname(os.path.dirname(record.path)), "volumes"),
        places=os.path.join(record.path, places.NAME),
        secrets=secretfiles.directory(record) if options.get("secrets") else "",
        joined=joined or {},
        unit=records.unit(record),
    )
    document = bundle.build(record.spec, user, host)
    if userns.is_private(options):
        _for_user_namespace(record, document, host.volumes)
    path = os.path.join(record.path, "bundle/config.json")
    write_atomic(path, dumps(document).encode(), durable=False)


def _for_user_namespace(record: Record, document: dict[str, Any], volumes: str) -> None:
    """What *document* has to say otherwise, and the container's files, for one in a user namespace of its own."""
    shifted = userns.is_shifted(record)
    if shifted:
        from . import shifting

        first = userns.mapping(record.spec)[0][1]
        shifting.own(
            record, first, [os.path.join("etc", name) for name in os.listdir(os.path.join(record.path, "etc"))]
        )
        for mount in document["mounts"]:
            if "idmap" in mount["options"] and mount["source"].startswith((volumes + "/", record.path + "/")):
                mount["options"].remove("idmap")  # the files are the container's own on disk (volumes.py)
    if shifted or record.spec["options"].get("runtime"):
        # Where everything comes from, for whoever mounts it while the container does not run (rootmount.py).
        write_atomic(os.path.join(record.path, MOUNTS), dumps(document["mounts"]).encode(), durable=False)
        userns.expose(record, document)


def _network_namespace(record: Record) -> str:
    """Where the network namespace is kept that container/networking.py has made for the container; "" without one."""
    if netmode.kind(record.spec["options"]) not in (netmode.JOINED, netmode.NETWORKS):
        return ""
    return str(json.loads(read_bytes(os.path.join(record.path, "network.json")))["namespace"])


def users_inside(record: Record) -> list[str]:
    """The texts of passwd and group as the mounted root file system shows them; "" for one that is not there."""
    root = os.open(os.path.join(record.path, "bundle/rootfs"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return users_below(root)
    finally:
        os.close(root)


def users_below(root: int) -> list[str]:
    """The same of the root directory that the descriptor *root* is of."""
    texts = []
    for name in _USER_FILES:
        try:
            texts.append(safepath.read_in_root(root, name).decode("utf-8", "replace"))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ELOOP):
                raise
            texts.append("")
    return texts


def users_in_layers(layers: list[str]) -> list[str] | None:
    """The same of a new container, which has nothing but its image's *layers* (base first), before any is mounted.

    None where only the mounted root can tell: something else than directories and regular files is on the way, or a
    layer is missing.
    """
    from ..image.lower import lookup

    texts = []
    try:
        for name in ("etc", *_USER_FILES):
            found = lookup(layers, name.encode())
            if found is None:
                texts += [""] if name != "etc" else []
                continue
            try:
                if not (stat.S_ISDIR if name == "etc" else stat.S_ISREG)(found.stat.st_mode):
                    return None
                if name != "etc":
                    data = safepath.read_in_root(found.directory, os.fsdecode(found.name))
                    texts.append(data.decode("utf-8", "replace"))
            finally:
                found.close()
    except FileNotFoundError:
        return None
    return texts


def device(path: str) -> tuple[str, int, int, int, int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise ContainerError(f"devices: {path}: {error.strerror}", step="devices", obj=path) from error
    kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
    if not kind:
        raise ContainerError(f"devices: {path} is not a device", step="devices", obj=path)
    numbers = (os.major(found.st_rdev), os.minor(found.st_rdev))
    return (kind, *numbers, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)


def _all_devices() -> dict[str, tuple[str, int, int, int, int, int]]:
    """Every device node below the host's /dev, less those the container has of its own."""
    own = ("/dev/pts", "/dev/shm", "/dev/mqueue")
    found = {}
    for directory, below, names in os.walk("/dev"):
        below[:] = [name for name in below if os.path.join(directory, name) not in own]
        for name in names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and name not in ("console", "ptmx", "tty"):
                found[path] = device(path)
    return found
