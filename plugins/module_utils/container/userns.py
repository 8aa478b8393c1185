# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's own user namespace: which of the host's ids are its ids 0 to 65535, and who owns its files.

Every container gets 65536 ids of its own (container/subids.py says which there are), recorded in its spec. On disk
nothing of that shows: image layers and what the container writes have the owners that it sees itself, and mounts that
only it has translate them; whiteouts belong to 65536. So layers are shared between containers of all kinds. Where the
kernel or the file system has no such mounts, the container has layers of its own (container/shifting.py).
"""

from __future__ import annotations

import os

from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

SIZE = 0x10000  # ids of one container
SHIFTED = "shifted"  # the directory of a container's own copies of its layers
_EXPOSED = "/run/agentless-oci-userns"


def is_private(options: Mapping[str, Any]) -> bool:
    """Whether a container of canonical *options* has a user namespace of its own."""
    return options.get("userns_mode") == "private"


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


def is_shifted(record: Record) -> bool:
    """Whether the container's files have the owners on disk that they have on the host (container/shifting.py)."""
    return os.path.isdir(os.path.join(record.path, SHIFTED))


def directory(record: Record) -> str:
    """The container's directory as its monitor sees it after :func:`map_owners`, owners translated.

    The directory itself where owners are the container's on disk already, or those of the host.
    """
    if not is_private(record.spec["options"]) or is_shifted(record):
        return record.path
    return os.path.join(record.path, "mapped")


def layers(record: Record) -> list[str]:
    """The layers that the container is to see, base first, in this mount namespace, their owners translated."""
    if is_shifted(record):
        from . import shifting

        return shifting.layers(record)
    return list(record.spec["layers"])


def map_owners(record: Record) -> list[str]:
    """Translate the owners of the layers and of the container's directory, in this mount namespace alone.

    What was mounted, in this order. Raises KernelError where the kernel or the file system cannot (Linux 5.19); then
    nothing is.
    """
    from ..kernel import constants as c
    from ..kernel import idmap, syscalls

    done: list[str] = []
    if is_shifted(record):
        return done
    entries = disk_mapping(record.spec)  # whiteouts are root's for good
    place = directory(record)
    os.makedirs(place, mode=0o700, exist_ok=True)
    namespace = idmap.user_namespace(entries, entries)
    try:
        for layer in record.spec["layers"]:
            idmap.remap(layer, namespace)
            done.append(layer)
        # Not in its own place: the monitor writes there, and root of the host has no id in the map.
        syscalls.mount(record.path, place, None, c.MS_BIND)
        done.append(place)
        idmap.remap(place, namespace)
        done.append(place)
    except BaseException:
        unmount(done)
        raise
    finally:
        os.close(namespace)
    return done


def map_layers(record: Record, layers_: list[str]) -> None:
    """Translate the owners of *layers_* of other images, in this mount namespace, after :func:`map_owners`.

    Raises ContainerError where that cannot be done, KernelError.
    """
    from ..kernel import idmap

    others = dict.fromkeys(layer for layer in layers_ if layer not in record.spec["layers"])
    if layers_ and is_shifted(record):
        raise ContainerError(
            "mounts: the files of an image need id-mapped mounts in a user namespace, which this kernel does not have",
            step="userns",
            obj=record.name,
            hint="Use Linux 5.19 or later, a volume instead, or userns_mode: host",
        )
    entries = disk_mapping(record.spec)
    for layer in others:
        if os.path.isdir(layer):  # else it is said which is missing
            namespace = idmap.user_namespace(entries, entries)
            try:
                idmap.remap(layer, namespace)
            finally:
                os.close(namespace)


def unmount(done: list[str]) -> None:
    """Take back what :func:`map_owners` has mounted."""
    from ..kernel import constants as c
    from ..kernel import syscalls

    for path in reversed(done):
        syscalls.umount2(path, c.MNT_DETACH)


def expose(record: Record, document: dict[str, Any]) -> None:
    """Make *document*, the container's config.json, one that can be followed from inside its user namespace.

    Another runtime reaches the root file system from there, as ours does on kernels without mount_setattr(2), and our
    directories let root of the host in alone; older runtimes do not know id-mapped mounts either. So all is mounted
    ready, in this mount namespace alone, below a directory that is empty for everybody else, and the configuration
    says so. Raises OSError, KernelError.
    """
    from ..kernel import constants as c
    from ..kernel import idmap, syscalls
    from .secretfiles import directory as secrets_of

    os.makedirs(_EXPOSED, mode=0o711, exist_ok=True)
    syscalls.mount("tmpfs", _EXPOSED, "tmpfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "mode=711")
    files, secrets = os.path.join(directory(record), "etc"), secrets_of(record)
    document["root"]["path"] = _bound(os.path.join(record.path, "bundle/rootfs"), "rootfs", ["rbind"])
    etc = _bound(files, "etc", ["bind"])
    own, every = record.path + "/", is_shifted(record)  # its own: parts of images and of volumes (places.py)
    for number, mount in enumerate(document["mounts"]):
        if mount["source"].startswith(files + "/"):
            mount["source"] = etc + mount["source"][len(files) :]
        elif mount["source"].startswith(secrets + "/"):
            mount["source"] = _bound(mount["source"], str(number), ["bind"])
        elif "idmap" in mount["options"]:
            namespace = idmap.user_namespace(mapping(record.spec), mapping(record.spec))
            try:
                mount["source"] = _bound(mount["source"], str(number), ["rbind", "idmap"], namespace)
            except OSError as error:
                raise ContainerError.of(
                    error,
                    f"cannot mount {mount['source']} on {mount['destination']} with the container's ids",
                    step="userns",
                    obj=mount["destination"],
                    hint=idmap.NEEDS,
                ) from error
            finally:
                os.close(namespace)
            mount["options"].remove("idmap")
        elif mount["source"].startswith(own) or (every and {"bind", "rbind"} & set(mount["options"])):
            mount["source"] = _bound(mount["source"], str(number), ["rbind"])


def _bound(source: str, name: str, options: list[str], namespace: int = -1) -> str:
    from ..kernel import mounts

    place = os.path.join(_EXPOSED, name)
    if os.path.isdir(source):
        os.mkdir(place, 0o711)
    else:
        os.mknod(place)
    target = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        if namespace < 0:
            mounts.bind(source, target, mounts.MountOptions(options))
        else:
            mounts.attach(mounts.open_bind(source, mounts.MountOptions(options), userns=namespace), target)
    finally:
        os.close(target)
    return place
