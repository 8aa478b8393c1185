# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a container: made before it, filled from its image, carried over to the one that takes its place."""

from __future__ import annotations

import errno
import os
from functools import partial

from ..kernel import procfs, safepath
from ..volume import names, store
from . import mountset, records, userns
from .errors import ContainerError
from .mountchecks import find_image, no_such_container
from .mountvalues import IMAGE, VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..statedir import StateDir
    from .records import Record

_MOVED = "first-id"  # in a volume's directory: what the ids of its files are moved up by


def chosen(
    state: StateDir, options: Mapping[str, Any], config: Mapping[str, Any], old: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a new container's spec has to say of volumes (container/mountset.py); :func:`prepare` makes them then.

    In this order, so that a task that is killed leaves no volume that nobody knows of, and nobody removes one that is
    about to be used.

    config  the image's
    old     the spec of the container whose place it takes, and whose anonymous volumes it gets
    Raises ContainerError.
    """
    inherited = _inherited(state, options)
    anonymous = {}
    for target in mountset.without_names(options, config, inherited):
        known = (old or {}).get("anonymous", {}).get(target, "")
        anonymous[target] = known if known and names.present(state, known) else names.new_name()
    found = {"options": options, "image": {"config": config}, "inherited": inherited, "anonymous": anonymous}
    wanted = sorted({entry["source"] for entry in mountset.everything(found) if entry["type"] == VOLUME})
    parts = {"volumes": wanted, "anonymous": anonymous, "inherited": inherited, "images": _images(state, options)}
    return {name: part for name, part in parts.items() if part}


def make(state: StateDir, name: str, entry: Mapping[str, Any], *, anonymous: bool = False) -> bool:
    """Make the volume *name* as a mount that names it says, unless it is there; whether it was made.

    The caller holds its lock. Raises VolumeError.
    """
    record = store.new_record(
        name, labels=entry.get("labels"), driver_options=entry.get("driver_options"), anonymous=anonymous
    )
    return store.ensure(state, record)


def _attach(state: StateDir, name: str) -> None:
    record = store.load(state, name)
    if record is not None:
        store.attach(state, record)


def _images(state: StateDir, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is mounted of images. The caller holds the store's lock, and pins the layers."""
    from ..image.store import Store

    found = {}
    for entry in mountset.declared(options):
        if entry["type"] == IMAGE:
            image = find_image(state, entry)
            found[entry["target"]] = {"id": image.id, "layers": Store(state).layer_paths(image)}
    return found


def _inherited(state: StateDir, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for source in options.get("volumes_from", ()):
        other = records.load(state, source["container"])
        if other is None:
            raise no_such_container(source["container"])
        for entry in mountset.inherited(other.spec, source["mode"]):
            found.setdefault(entry["target"], entry)
    return list(found.values())


def prepare(state: StateDir, record: Record) -> None:
    """See that the volumes of a container that is about to be made or started are there, and mounted.

    Raises VolumeError, OSError.
    """
    anonymous = record.spec.get("anonymous", {}).values()
    by_name = {entry["source"]: entry for entry in mountset.everything(record.spec) if entry["type"] == VOLUME}
    with store.lock(state, by_name):
        for name, entry in by_name.items():
            make(state, name, entry, anonymous=name in anonymous)
            _attach(state, name)


def fill(state: StateDir, record: Record) -> None:
    """Fill the volumes that nobody has used yet with what the image has in their places.

    In the monitor's mount namespace, with the container's root mounted and nothing running in it. Raises
    ContainerError, OSError.
    """
    entries = [entry for entry in mountset.everything(record.spec) if entry["type"] == VOLUME]
    for name in sorted({entry["source"] for entry in entries}):
        _own(state, record, name)
    for entry in entries:
        if entry.get("no_copy") or entry.get("subpath"):
            continue
        name = entry["source"]
        if not os.path.exists(os.path.join(names.directory(state, name), store.UNFILLED)):
            continue
        with store.lock(state, [name]):
            try:
                store.fill(state, name, partial(_copy, record, entry["target"]))
            except OSError as error:
                raise ContainerError.of(
                    error,
                    f"cannot fill volume {name} with what the image has in {entry['target']}",
                    step="volumes",
                    obj=name,
                ) from error


def _own(state: StateDir, record: Record, name: str) -> None:
    """See that the owners in the volume *name* are those that the container's mounts make its own.

    That is, as the container sees them; moved up by its first id where no mount translates them.
    """
    path = os.path.join(names.directory(state, name), _MOVED)
    wanted = userns.mapping(record.spec)[0][1] if userns.is_shifted(record) else 0
    if not wanted and not os.path.exists(path):
        return
    from ..kernel.files import read_text, write_atomic
    from . import shifting

    with store.lock(state, [name]):
        base = int(read_text(path)) if os.path.exists(path) else 0
        if base != wanted:
            shifting.move(names.data(state, name), base, wanted)
            write_atomic(path, b"%d\n" % wanted)


def _copy(record: Record, target: str, root: int) -> None:
    """Copy what the container has in *target*, found as the container would find it (CVE-2022-23648)."""
    from ..runtime.copyup import copy_directory

    rootfs = os.open(os.path.join(record.path, "bundle/rootfs"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = safepath.open_in_root(rootfs, target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return  # nothing is there, or nothing to fill a directory with
        raise
    finally:
        os.close(rootfs)
    try:
        if not userns.is_private(record.spec["options"]) or userns.is_shifted(record):
            copy_directory(source, root)
            return
        mapped = _mapped(record, root)
        try:
            copy_directory(source, mapped)
        finally:
            os.close(mapped)
    finally:
        os.close(source)


def _mapped(record: Record, root: int) -> int:
    """The directory *root* with owners as they are outside the container's user namespace."""
    from ..kernel import constants as c
    from ..kernel import idmap, syscalls

    entries = userns.disk_mapping(record.spec)
    namespace = idmap.user_namespace(entries, entries)
    try:
        tree = syscalls.open_tree(c.AT_FDCWD, f"/proc/self/fd/{root}", c.OPEN_TREE_CLONE)
        try:
            syscalls.mount_setattr(tree, c.MOUNT_ATTR_IDMAP, 0, userns=namespace, recursive=False)
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
        finally:
            os.close(tree)
    finally:
        os.close(namespace)


# -- the end ------------------------------------------------------------------------------------------------------


def release(state: StateDir, record: Record) -> None:
    """Remove the anonymous volumes of a container that is being removed and has ended, unless another one uses them.

    Those of one that is not to be forgotten, and has run, stay: what it has written into them may be wanted.
    """
    if records.read_status(record) and not records.volumes_forgotten(record):
        return
    for name in sorted(record.spec.get("anonymous", {}).values()):
        with store.lock(state, [name]):
            others = set(store.users(state).get(name, {})) - {record.path}
            if not others and os.path.lexists(names.directory(state, name)):
                store.remove(state, name)
            else:
                store.clear_leftovers(state, name)


# -- looking ------------------------------------------------------------------------------------------------------


def lost(state: StateDir, record: Record, pid: int) -> str:
    """Why the running container has to be started anew to have its volumes; "" if it does not.

    pid  of its first process
    """
    for name in record.spec["volumes"]:
        if not names.present(state, name):
            return f"volume {name} was removed"
        known = store.load(state, name)
        if known is not None and known["driver_options"] and not procfs.is_mounted(names.data(state, name)):
            return f"volume {name} is not mounted any more"
    for root in _roots(pid):
        if root.endswith("//deleted"):
            for name in record.spec["volumes"]:
                if f"/{name}/{names.DATA}" in root:
                    return f"volume {name} was removed, and made again"
    return ""


def _roots(pid: int) -> list[str]:
    """What is mounted in a process's mount namespace, by place in its file system (proc_pid_mountinfo(5))."""
    from ..kernel.files import read_text

    try:
        text = read_text(f"/proc/{pid}/mountinfo")
    except (FileNotFoundError, ProcessLookupError):
        return []
    except OSError as error:
        if error.errno != errno.EINVAL:  # it has just ended, and has no namespace any more
            raise
        return []
    return [line.split(" ", 4)[3] for line in text.splitlines()]
