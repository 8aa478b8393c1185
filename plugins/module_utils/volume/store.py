# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of this host: ``volumes/NAME/`` in the state directory.

    volume.json   version, name, created (RFC 3339), labels, driver_options, anonymous
    data/         what containers see; on it is mounted what driver_options say
    unfilled      there until the first container that uses the volume has filled it with what its image has there; it
                  says "begun" from the moment on in which data/ may hold a part of that

A volume appears and goes in one step. Whoever changes one holds its lock; which containers use it is in their specs,
written while they hold the locks of all their volumes.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from ..kernel.files import fsync_directory, locked_with, read_bytes, write_atomic
from ..kernel.procfs import is_mounted
from . import driver, names
from .errors import VolumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from ..statedir import StateDir

VERSION = 1
UNFILLED = "unfilled"
_BEGUN = b"begun\n"


@contextlib.contextmanager
def lock(state: StateDir, wanted: Iterable[str]) -> Iterator[None]:
    """Hold the locks of the volumes *wanted*, taken in the order of their names."""
    with contextlib.ExitStack() as held:
        for name in sorted(set(wanted)):
            held.enter_context(locked_with(state.lock_path("volume", name), names.directory(state, name)))
        yield


def all_names(state: StateDir) -> list[str]:
    """The names of all volumes, sorted."""
    try:
        entries = os.listdir(state.volumes)
    except FileNotFoundError:
        return []
    return sorted(name for name in entries if not name.startswith("."))


def load(state: StateDir, name: str) -> dict[str, Any] | None:
    """The record of volume *name*; None when there is no such volume. Raises VolumeError for a damaged one."""
    path = os.path.join(names.directory(state, name), names.RECORD)
    try:
        document: dict[str, Any] = json.loads(read_bytes(path))
        version = int(document["version"])
    except FileNotFoundError:
        if os.path.lexists(names.directory(state, name)):
            raise _damaged(name, f"{path} is missing") from None
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(name, f"{path} cannot be read") from error
    if version > VERSION:
        raise VolumeError(
            f"volume {name} was written by a later version of this collection", step="record", obj=name,
            hint="Use that version or a later one",
        )  # fmt: skip
    return document


def _damaged(name: str, why: str) -> VolumeError:
    return VolumeError(
        f"volume {name} is damaged: {why}",
        step="record",
        obj=name,
        hint="Move its directory aside, declare it again, and copy back what is worth keeping",
    )


def new_record(
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    driver_options: Mapping[str, str] | None = None,
    anonymous: bool = False,
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "name": name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "labels": dict(labels or {}),
        "driver_options": dict(driver_options or {}),
        "anonymous": anonymous,
    }


def ensure(state: StateDir, record: dict[str, Any]) -> bool:
    """Make the volume of *record* unless one of its name is there; whether it was made. The caller holds its lock.

    One that has lost its directory of data gets a new one.
    """
    known = load(state, record["name"])
    if known is None:
        _make(state, record)
        return True
    path = names.directory(state, record["name"])
    if os.path.isdir(os.path.join(path, names.DATA)):
        return False
    _make_data(path)
    fsync_directory(path)
    return True


def _make(state: StateDir, record: dict[str, Any]) -> None:
    state.ensure(state.volumes)
    name = record["name"]
    clear_leftovers(state, name)
    temporary = os.path.join(state.volumes, f".{name}.new")
    os.mkdir(temporary, 0o700)
    _make_data(temporary)
    _write(temporary, record)
    os.rename(temporary, names.directory(state, name))
    fsync_directory(state.volumes)


def _make_data(path: str) -> None:
    write_atomic(os.path.join(path, UNFILLED), b"")
    place = os.path.join(path, names.DATA)
    os.mkdir(place)
    os.chmod(place, 0o755)
    from ..kernel import selinux

    if selinux.enabled():
        selinux.relabel(place)


def _write(path: str, record: Mapping[str, Any]) -> None:
    write_atomic(os.path.join(path, names.RECORD), json.dumps(record, sort_keys=True).encode() + b"\n")


def save(state: StateDir, record: Mapping[str, Any]) -> None:
    """Write the record of a volume that is there. The caller holds its lock."""
    _write(names.directory(state, record["name"]), record)


def attach(state: StateDir, record: Mapping[str, Any]) -> None:
    """Mount what the volume's driver options say, where that is not done yet. The caller holds its lock.

    Raises VolumeError.
    """
    if not record["driver_options"]:
        return
    place = names.data(state, record["name"])
    if is_mounted(place):
        return
    try:
        driver.mount(record["driver_options"], place)
    except VolumeError as error:
        error.message = f"volume {record['name']}: {error.message}"
        raise
    if not os.listdir(place):  # in memory, and new since the host has started: as a volume that was just made
        write_atomic(os.path.join(names.directory(state, record["name"]), UNFILLED), b"")


def fill(state: StateDir, name: str, copy: Callable[[int], None]) -> None:
    """Have *copy*, given a descriptor of the volume's root, fill it; once, by the first who uses it.

    What is in it already is not touched, unless it is what a killed copy has left. The caller holds its lock.
    """
    path = names.directory(state, name)
    marker = os.path.join(path, UNFILLED)
    try:
        begun = read_bytes(marker) == _BEGUN
    except FileNotFoundError:
        return
    root = os.open(os.path.join(path, names.DATA), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if begun:
            _clear(root)
        if not os.listdir(root):
            from ..kernel.syscalls import syncfs

            write_atomic(marker, _BEGUN)
            copy(root)
            syncfs(root)
    finally:
        os.close(root)
    os.unlink(marker)
    fsync_directory(path)


def _clear(root: int) -> None:
    from ..kernel.removal import remove_tree

    for entry in os.listdir(root):
        place = f"/proc/self/fd/{root}/{entry}"
        if os.path.isdir(place) and not os.path.islink(place):
            remove_tree(place)
        else:
            os.unlink(place)


def remove(state: StateDir, name: str) -> None:
    """Remove the volume and all that is in it; of one that is mounted from elsewhere, that is only unmounted.

    The caller holds its lock and has made sure that nobody uses it. Raises VolumeError, OSError.
    """
    from ..kernel.removal import remove_tree

    path = names.directory(state, name)
    try:
        driver.unmount(os.path.join(path, names.DATA))
    except VolumeError as error:
        error.message = f"volume {name}: {error.message}"
        raise
    clear_leftovers(state, name)
    gone = os.path.join(state.volumes, f".{name}.gone")
    os.rename(path, gone)
    fsync_directory(state.volumes)
    remove_tree(gone)


def clear_leftovers(state: StateDir, name: str) -> None:
    """Remove what killed tasks have left of a volume of this name. The caller holds its lock."""
    from ..kernel.removal import remove_tree

    for path in leftovers(state, name):
        remove_tree(path)


def leftovers(state: StateDir, name: str) -> list[str]:
    """The directories of that."""
    paths = [os.path.join(state.volumes, f".{name}.{suffix}") for suffix in ("new", "gone")]
    return [path for path in paths if os.path.lexists(path)]


def left_over_names(state: StateDir) -> list[str]:
    """The names of volumes of which killed tasks have left something."""
    try:
        entries = os.listdir(state.volumes)
    except FileNotFoundError:
        return []
    return sorted({entry[1:].rpartition(".")[0] for entry in entries if entry.startswith(".")})


def users(state: StateDir) -> dict[str, dict[str, str]]:
    """Volume → the containers that use it, directory → name; those that are being made or removed, too."""
    found: dict[str, dict[str, str]] = {}
    try:
        entries = os.listdir(state.containers)
    except FileNotFoundError:
        return found
    for entry in sorted(entries):
        if not entry.startswith("."):
            continue
        path = os.path.join(state.containers, entry)
        with contextlib.suppress(FileNotFoundError):
            spec = json.loads(read_bytes(os.path.join(path, "spec.json")))
            for name in spec.get("volumes", ()):
                found.setdefault(name, {})[path] = str(spec["name"])
    return found
