# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of containers: files in memory, below ``secrets/`` of the live state, bound into their containers.

A ramfs of our own holds them. Unlike a tmpfs it is never swapped out, so that nothing of them comes to a disk; they
outlive every restart of a container and of its monitor, and go with the container or when the host goes down. Then only
a task that declares them can bring them back.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.files import locked, write_all
from ..statedir import StateDir
from . import secretvalues, userns
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record


def directory(record: Record) -> str:
    """Where the files of a container's secrets lie."""
    state = StateDir(os.path.dirname(os.path.dirname(record.path)))
    return os.path.join(_top(state), record.id)


def _top(state: StateDir) -> str:
    return os.path.join(state.run, "secrets")


def missing(record: Record | None, entries: list[dict[str, Any]], contents: Mapping[str, bytes]) -> list[str]:
    """The names of those of *entries* that are neither among *contents* nor in memory for the container of *record*."""
    return [
        entry["name"]
        for entry in entries
        if entry["name"] not in contents
        and (record is None or not os.path.exists(os.path.join(directory(record), entry["name"])))
    ]


def check(record: Record | None, entries: list[dict[str, Any]], contents: Mapping[str, bytes]) -> None:
    """Raise ContainerError where there is no content for one of *entries*."""
    lost = missing(record, entries, contents)
    if lost:
        raise ContainerError(
            f"secrets: {', '.join(lost)}: the content is not on this host any more, since it is kept in memory alone",
            step="secrets",
            obj=lost[0],
            hint="Run the task that declares secrets",
        )


def deliver(state: StateDir, record: Record, contents: Mapping[str, bytes], old: Record | None = None) -> None:
    """Write the secrets of *record*, as far as they are not there.

    contents  what was declared, and fits the seals
    old       the container whose place it takes; it may have those that were not declared
    Raises ContainerError, OSError.
    """
    entries = record.spec["options"]["secrets"]
    place = directory(record)
    with locked(state.lock_path("secrets", "all")):
        _mount(state)
        for entry in entries:
            content = contents.get(entry["name"])
            path = os.path.join(place, entry["name"])
            if content is None and old is not None:
                content = _content(os.path.join(directory(old), entry["name"]), entry["seal"])
            if content is None:
                if not os.path.exists(path):
                    check(record, [entry], {})
                continue
            os.makedirs(place, mode=0o700, exist_ok=True)
            _write(path, content, record, entry)


def _mount(state: StateDir) -> None:
    top = _top(state)
    state.ensure(top)
    if not os.path.ismount(top):
        syscalls.mount("ramfs", top, "ramfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "mode=700")
    if syscalls.fs_type(top) != c.RAMFS_MAGIC:
        raise ContainerError(
            f"secrets: {top} is not memory", step="secrets", obj=top, hint="Unmount what is mounted there"
        )


def _content(path: str, sealed: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return None
    return content if secretvalues.fits(sealed, content) else None


def _write(path: str, content: bytes, record: Record, entry: Mapping[str, Any]) -> None:
    first = record.spec["first_host_id"] if userns.is_private(record.spec["options"]) else 0
    temporary = f"{path}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # of a task that was killed
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, content)
        os.fchown(fd, first + entry["uid"], first + entry["gid"])
        os.fchmod(fd, entry["mode"])
    finally:
        os.close(fd)
    os.rename(temporary, path)


def withdraw(state: StateDir, record: Record) -> None:
    """Remove the secrets of a container that is being removed; the last one takes the memory with it."""
    top, place = _top(state), directory(record)
    if not os.path.ismount(top):
        return
    with locked(state.lock_path("secrets", "all")):
        if os.path.isdir(place):
            for name in os.listdir(place):
                os.unlink(os.path.join(place, name))
            os.rmdir(place)
        if os.path.ismount(top) and not os.listdir(top):
            syscalls.umount2(top, c.MNT_DETACH)
            os.rmdir(top)
