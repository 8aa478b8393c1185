# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recorded of containers on disk.

    containers/NAME          link to the directory of the container that has this name
    containers/.ID/          name (a link whose target is the name), spec.json, bundle/, upper/, work/, log/, etc/
                             and the monitor's files

The link changes in one step, and always names a container that is whole. A directory that says it belongs to NAME
but that the link does not name is what a killed task left behind; whoever next holds NAME's lock clears it away.
"""

from __future__ import annotations

import errno
import os
import stat

from ..kernel.files import fsync_directory, read_bytes, write_atomic
from ..kernel.lean import dumps, loads, suppress
from ..statedir import StateDir
from . import netmode
from .errors import ContainerError
from .spec import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FORGET = "forget-volumes"  # in a container's directory: its anonymous volumes are to go with it


class Record:
    """One container on disk: its directory and the spec recorded there."""

    __slots__ = ("path", "spec")

    def __init__(self, path: str, spec: dict[str, Any]) -> None:
        self.path = path
        self.spec = spec

    @property
    def id(self) -> str:
        return str(self.spec["id"])

    @property
    def name(self) -> str:
        return str(self.spec["name"])


def directory(state: StateDir, container_id: str) -> str:
    return os.path.join(state.containers, "." + container_id)


def load(state: StateDir, name: str) -> Record | None:
    """The container *name*, or None. Raises ContainerError for a record of a later version of this collection."""
    try:
        target = os.readlink(os.path.join(state.containers, name))
    except FileNotFoundError:
        return None
    return load_directory(os.path.join(state.containers, target))


def load_directory(path: str) -> Record | None:
    """The container whose directory is *path*; None when there is no spec in it."""
    try:
        spec = loads(read_bytes(os.path.join(path, "spec.json")))
    except FileNotFoundError:
        return None
    if spec["version"] > VERSION:
        raise ContainerError(
            f"{path} was written by a later version of this collection (spec version {spec['version']})",
            step="record",
            obj=path,
            hint="Use that version or a later one",
        )
    netmode.settle(spec)
    return Record(path, spec)


def names(state: StateDir) -> list[str]:
    """The names of all containers, sorted."""
    try:
        entries = os.listdir(state.containers)
    except FileNotFoundError:
        return []
    return sorted(name for name in entries if not name.startswith("."))


def directories(state: StateDir) -> list[str]:
    """The directories of all containers, of those too that no name leads to: not yet, or not any more."""
    try:
        entries = os.listdir(state.containers)
    except FileNotFoundError:
        return []
    return [os.path.join(state.containers, entry) for entry in sorted(entries) if entry.startswith(".")]


def leftovers(state: StateDir, name: str) -> list[str]:
    """The directories that belong to *name* but are not its container. Only sure while its lock is held.

    And empty ones, which belong to nobody: their task was killed before it could say whose they are, or just after.
    """
    try:
        entries = os.listdir(state.containers)
    except FileNotFoundError:
        return []
    try:
        current = os.readlink(os.path.join(state.containers, name))
    except FileNotFoundError:
        current = ""
    found = []
    for entry in entries:
        if entry.startswith(".") and entry != current:
            path = os.path.join(state.containers, entry)
            whose = owner(path)
            if whose == name:
                found.append(path)
            elif not whose:
                with suppress(FileNotFoundError):  # somebody removes it
                    if not os.listdir(path):
                        found.append(path)
    return found


def all_leftovers(state: StateDir) -> dict[str, list[str]]:
    """:func:`leftovers` of every name that has any."""
    current = set()
    for name in names(state):
        with suppress(FileNotFoundError):
            current.add(os.readlink(os.path.join(state.containers, name)))
    found: dict[str, list[str]] = {}
    for path in directories(state):
        if os.path.basename(path) not in current:
            whose = owner(path)
            if whose:
                found.setdefault(whose, []).append(path)
    return found


def make(state: StateDir, spec: dict[str, Any]) -> Record:
    """Make the directory of a new container; no name leads to it yet, and a crash may lose it before settle()."""
    state.ensure(state.containers)
    path = directory(state, spec["id"])
    _make_named(path, spec["name"])
    for part in ("bundle", "bundle/rootfs", "work", "log", "etc"):
        os.mkdir(os.path.join(path, part), 0o700)
    _make_upper(os.path.join(path, "upper"), spec["layers"])
    os.chmod(os.path.join(path, "etc"), 0o755)
    write_atomic(os.path.join(path, "monitor.lock"), b"", durable=False)
    record = Record(path, spec)
    save(record, durable=False)
    return record


def _make_named(path: str, name: str) -> None:
    """Make the directory *path* that belongs to *name*, though others take it away as long as it is empty."""
    while True:
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        with suppress(FileNotFoundError):
            os.symlink(name, os.path.join(path, "name"))
            return


def settle(record: Record) -> None:
    """Make a new container's record durable: before a name leads to it."""
    fd = os.open(_spec_file(record), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    fsync_directory(record.path)


def _make_upper(path: str, layers: list[str]) -> None:
    """The directory of what the container writes; as its root directory it has the image's mode and owner."""
    os.mkdir(path)
    os.chmod(path, 0o755)
    if layers:
        from ..image.lower import root_of

        with suppress(FileNotFoundError):  # a start will complain
            image = os.stat(root_of(layers))
            os.chown(path, image.st_uid, image.st_gid)
            os.chmod(path, stat.S_IMODE(image.st_mode))


def _spec_file(record: Record) -> str:
    return os.path.join(record.path, "spec.json")


def save(record: Record, *, durable: bool = True) -> None:
    """Write the record's spec."""
    write_atomic(_spec_file(record), dumps(record.spec, sort_keys=True).encode() + b"\n", durable=durable)


def publish(state: StateDir, record: Record) -> None:
    """Give the record's name to it, in one step, whoever had it before; durable with the next :func:`persist`."""
    link = os.path.join(state.containers, record.name)
    temporary = os.path.join(record.path, "link")
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink("." + record.id, temporary)
    os.rename(temporary, link)


def persist(state: StateDir) -> None:
    """Make durable which name leads to which container."""
    fsync_directory(state.containers)


def unpublish(state: StateDir, record: Record) -> None:
    """Take the name away from *record*, if it has it."""
    link = os.path.join(state.containers, record.name)
    with suppress(FileNotFoundError):
        if os.readlink(link) == "." + record.id:
            os.unlink(link)
            fsync_directory(state.containers)


def owner(path: str) -> str:
    """The name that the container's directory *path* belongs to; "" where that is not said yet, or not any more."""
    try:
        return os.readlink(os.path.join(path, "name"))
    except FileNotFoundError:
        return ""


def remove_half(path: str, name: str) -> None:
    """Remove one of the :func:`leftovers` of *name* that has no record. Needs the name's lock.

    One that was empty may be another's by now, who is just making it: it goes only if it still is.
    """
    if owner(path) == name:
        remove_directory(path)
        return
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise


def remove_directory(path: str) -> None:
    """Remove a container's directory; the link ``name``, which tells whose it is, goes last. Needs the name's lock."""
    from ..kernel.removal import remove_tree

    for entry in os.scandir(path):
        if entry.name == "name":
            continue
        if entry.is_dir(follow_symlinks=False):
            remove_tree(entry.path)
        else:
            os.unlink(entry.path)
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(path, "name"))
    with suppress(FileNotFoundError):  # somebody has seen it empty
        os.rmdir(path)


# -- small files beside the spec ---------------------------------------------------------------------------------


def forget_volumes(record: Record) -> None:
    """Say that the container's anonymous volumes, if it has any, go with it, whoever removes it in the end."""
    if record.spec.get("anonymous"):
        with open(os.path.join(record.path, _FORGET), "wb"):
            pass


def remember_volumes(record: Record) -> None:
    """Take :func:`forget_volumes` back."""
    if record.spec.get("anonymous"):
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(record.path, _FORGET))


def volumes_forgotten(record: Record) -> bool:
    """Whether :func:`forget_volumes` is in force."""
    return os.path.exists(os.path.join(record.path, _FORGET))


def read_status(record: Record) -> dict[str, Any]:
    """The monitor's status.json; empty before the first start."""
    try:
        status: dict[str, Any] = loads(read_bytes(os.path.join(record.path, "status.json")))
    except FileNotFoundError:
        return {}
    return status


COUNTS = ("restart_count", "oom_ends", "oom_at", "in_a_row", "mute")


def write_status(
    record: Record,
    status: str,
    pid: int,
    started: int,
    exit_code: int = 0,
    finished: int = 0,
    before: Mapping[str, Any] | None = None,
) -> None:
    """The same file from our side: before there is a monitor, and where one was killed. Times in nanoseconds.

    The COUNTS of the status *before* go on.
    """
    from .stamps import NEVER, timestamp

    document: dict[str, Any] = {
        "status": status,
        "pid": pid,
        "exit_code": exit_code,
        "started_at": timestamp(started) if started else NEVER,
        "finished_at": timestamp(finished) if finished else NEVER,
        "oom_killed": False,
        "restart_count": 0,
        **{name: before[name] for name in COUNTS if before and name in before},
    }
    save_status(record, document)


def save_status(record: Record, document: Mapping[str, Any]) -> None:
    """Write the file; durable when the container has ended."""
    path = os.path.join(record.path, "status.json")
    write_atomic(path, dumps(document).encode() + b"\n", durable=document["status"] == "exited")


def write_monitor_config(record: Record, *, remove_at_end: bool) -> None:
    """What the monitor needs of the options, in the form it reads (container/monitor.py)."""
    from . import health, logoptions, signals, spec

    options: Mapping[str, Any] = record.spec["options"]
    values = {
        **health.monitor_settings(record),
        **logoptions.monitor_settings(record),
        "policy": options.get("restart_policy", "no"),
        "retries": options.get("restart_retries", 0),
        "remove": int(remove_at_end and options.get("auto_remove", False)),
        **({"tty": 1} if options.get("tty") else {}),
        "stop_signal": signals.number(spec.stop_signal(options, record.spec["image"]["config"])),
        "stop_timeout": spec.setting(options, "stop_timeout"),
    }
    if options.get("on_unhealthy"):
        values["on_unhealthy"] = options["on_unhealthy"]
    text = "".join(f"{key}={value}\n" for key, value in values.items())
    # Not durably: no monitor outlives a crash of the host, and every start writes it anew.
    write_atomic(os.path.join(record.path, "monitor.conf"), text.encode(), durable=False)


def removed_at_end(record: Record) -> bool:
    """Whether the monitor was told to remove the container when it has ended."""
    try:
        return b"remove=1" in read_bytes(os.path.join(record.path, "monitor.conf")).splitlines()
    except FileNotFoundError:
        return False


def request_stop(record: Record) -> None:
    """Tell the monitor, and whoever looks later, that the container is meant to be stopped."""
    write_atomic(os.path.join(record.path, "stop"), b"")


def stop_requested(record: Record) -> bool:
    return os.path.exists(os.path.join(record.path, "stop"))


def withdraw_stop(record: Record) -> None:
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(record.path, "stop"))


def unit(record: Record) -> str:
    """The service of systemd that supervises the container since its last start; "" where a bare monitor does."""
    try:
        return read_bytes(os.path.join(record.path, "unit")).decode()
    except FileNotFoundError:
        return ""


def write_unit(record: Record, name: str) -> None:
    """Say that the service *name* does from now on; "" for a bare monitor."""
    path = os.path.join(record.path, "unit")
    if name:
        write_atomic(path, name.encode(), durable=False)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)
