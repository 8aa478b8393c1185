# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that come back after a reboot: one record per group, and what applies them all.

A record is ``limits/PATH.json`` of the state directory: ``{"version": 1, "path": "/batch/reports", "options":
{"memory": "2g"}}``, the options of the module as the task gave them, so that a device's name or another version of
cgroups means what it means then. (The limits of a unit of systemd are kept by systemd itself, see unit_limits.)
"""

from __future__ import annotations

import contextlib
import json
import os
from urllib.parse import quote

from ..kernel.errors import Error
from ..kernel.files import fsync_directory, read_text, write_atomic
from .api import open_cgroup
from .errors import CgroupError
from .limits import CONTRADICTIONS
from .validate import validate
from .vocabulary import resources_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..statedir import StateDir

VERSION = 1
_LONGEST = 255 - len("..4194304.tmp")  # NAME_MAX, less what a file's name has more while it is written


def record_path(state: StateDir, path: str) -> str:
    """The file of the record of group *path*. Raises CgroupError for a path that is too long for one."""
    name = _name(path)
    if len(name) > _LONGEST:
        raise CgroupError(
            f"{path} is too long to be kept over a reboot", step="persistent", hint="Choose shorter names"
        )
    return os.path.join(state.limits, name)


def _name(path: str) -> str:
    return quote(path[1:], safe="") + ".json"


def read(state: StateDir, path: str) -> dict[str, Any] | None:
    """The options recorded for group *path*; None where nothing is. Raises CgroupError for what is no record."""
    name = _name(path)
    try:
        return _parse(os.path.join(state.limits, name))[1] if len(name) <= _LONGEST else None
    except FileNotFoundError:
        return None


def _parse(file: str) -> tuple[str, dict[str, Any]]:
    try:
        record = json.loads(read_text(file))
        version, path, options = record["version"], record["path"], dict(record["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise CgroupError(
            f"{file} is not a record of limits: {error!r}",
            step="persistent",
            obj=file,
            hint="Remove it, and run the task that declares the limits once more",
        ) from error
    if version != VERSION:
        raise CgroupError(
            f"{file} was written by another version of agentless.oci ({version})",
            step="persistent",
            obj=file,
            hint="Run the task that declares the limits with that version, or remove the file",
        )
    return str(path), options


def write(state: StateDir, path: str, options: Mapping[str, Any]) -> None:
    """Record *options* for group *path*, durably."""
    state.ensure(state.limits)
    record = {"version": VERSION, "path": path, "options": dict(options)}
    text = json.dumps(record, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    write_atomic(record_path(state, path), text.encode("utf-8", "surrogateescape"))
    fsync_directory(state.root)


def forget(state: StateDir, path: str) -> None:
    """Remove the record of group *path*, durably; none is fine."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record_path(state, path))
        fsync_directory(state.limits)


def recorded(state: StateDir) -> list[str]:
    """The paths that have records, parents before children."""
    return sorted(path for path, _file in _records(state))


def below(state: StateDir, path: str) -> list[str]:
    """The paths with records that are *path* or lie in it."""
    return [one for one in recorded(state) if one == path or one.startswith(path + "/")]


def _records(state: StateDir) -> Iterator[tuple[str, str]]:
    from urllib.parse import unquote

    try:
        names = os.listdir(state.limits)
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            yield "/" + unquote(name[: -len(".json")]), os.path.join(state.limits, name)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """*old* with the options of *new* in it, without those of *old* that say the same in another way."""
    replaced = {one for pair in CONTRADICTIONS for one in pair if set(pair) & new.keys()}
    return {**{name: value for name, value in old.items() if name not in replaced}, **new}


def updated(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """*old* with what it has of *new*'s options, in whatever way it says them, as *new* has them."""
    ways = {name: {name} for name in new}
    for pair in CONTRADICTIONS:
        for name in set(pair) & new.keys():
            ways[name].update(pair)
    return merged(old, {name: value for name, value in new.items() if ways[name] & old.keys()})


def apply_all(state: StateDir) -> list[Error | OSError]:
    """Make every recorded group with its limits; what went wrong, the rest done all the same."""
    failed: list[Error | OSError] = []
    for _path, file in sorted(_records(state)):
        try:
            _apply(*_parse(file))
        except (Error, OSError) as error:
            failed.append(error)
    return failed


def _apply(path: str, options: Mapping[str, Any]) -> None:
    group = open_cgroup(path)
    resources, raw = resources_of(options, group)
    validate(resources)
    group.create()
    group.set(resources, raw)
    group.keep()
