# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live state of one container: ``RUN/ID/state.json`` and the process it names.

Nothing here is trusted across a reboot: the state carries the boot's id, and a process counts only with the start
time it was recorded with.
"""

from __future__ import annotations

import errno
import os

from ..cgroup.api import open_cgroup
from ..kernel import procfs
from ..kernel.files import read_bytes, write_atomic
from ..kernel.lean import dumps, loads, suppress
from .channel import START_SOCKET
from .errors import DamagedState, NoSuchContainer, RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..cgroup.api import Cgroup

OCI_VERSION = "1.3.0"
CONFIG = "config.json"
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


class State:
    """What is known of a container.

    ``status`` is one of creating, created, running, paused, stopped (runtime-spec runtime.md, "State"); ``pid`` is
    the host's pid of its first process, 0 when there is none; ``start_time`` that process's, in ticks since boot.
    ``hooks`` are those still to come, as configured: a config.json changed since create changes nothing.
    ``unit`` is the systemd unit whose cgroup it is, ``""`` for a cgroup that we made ourselves;
    ``foreign`` are directories of the cgroup that were there before create, so that delete leaves them; ``parents``
    those above it that were not there, so that delete removes them when nothing else is in them;
    ``rdt_groups`` those that create made in the resctrl file system. ``warnings`` are create's, and not kept.
    """

    __slots__ = (
        *("annotations", "bundle", "cgroup_path", "created", "foreign", "hooks", "id", "parents", "pid", "rdt_groups"),
        *("rootfs", "start_time", "status", "unit", "warnings", "_cgroup"),
    )

    def __init__(self, container_id: str, bundle: str, cgroup_path: str, created: str) -> None:
        self.id = container_id
        self.bundle = bundle
        self.cgroup_path = cgroup_path
        self.unit = ""
        self.created = created
        self.annotations: dict[str, str] = {}
        self.hooks: dict[str, Any] = {}
        self.rootfs = os.path.join(bundle, "rootfs")
        self.foreign: list[str] = []
        self.parents: list[str] = []
        self.rdt_groups: list[str] = []
        self.warnings: list[str] = []
        self.status = "creating"
        self.pid = 0
        self.start_time = 0
        self._cgroup: Cgroup | None = None

    def cgroup(self) -> Cgroup:
        """Its cgroup; where the hierarchies are mounted is looked up once."""
        if self._cgroup is None:
            self._cgroup = open_cgroup(self.cgroup_path, unit=self.unit, owner="container")
        return self._cgroup

    def as_dict(self) -> dict[str, Any]:
        """The document that the ``state`` operation prints, with what runc adds to it."""
        document: dict[str, Any] = {
            "ociVersion": OCI_VERSION,
            "id": self.id,
            "status": self.status,
            "pid": self.pid if self.status != "stopped" else 0,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
        }
        if self.annotations:
            document["annotations"] = self.annotations
        return document


def check_id(container_id: str) -> None:
    """Raise RuntimeFault unless *container_id* may name a directory: ``[A-Za-z0-9_+-][A-Za-z0-9_+.-]*``."""
    if not _is_id(container_id):
        raise RuntimeFault(
            f"invalid container id {container_id!r}",
            step="id",
            obj=container_id,
            hint="Use letters, digits and _ + - . only, not starting with a dot",
        )


def _is_id(name: str) -> bool:
    return bool(name) and name[0] != "." and _ALLOWED.issuperset(name) and len(name) <= 255


def directory(run_dir: str, container_id: str) -> str:
    check_id(container_id)
    return os.path.join(run_dir, container_id)


def make(run_dir: str, state: State) -> None:
    """Claim the id: make its directory, with the first state in it. Raises RuntimeFault when it is taken."""
    path = directory(run_dir, state.id)
    fresh = _hidden(path, f"{os.getpid()}.new")
    os.makedirs(run_dir, mode=0o700, exist_ok=True)
    os.mkdir(fresh, 0o700)
    try:
        _write(fresh, state)
        os.rename(fresh, path)
    except OSError as error:
        _remove(fresh)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise _taken(state.id) from None


def check_free(run_dir: str, container_id: str) -> None:
    """Raise RuntimeFault where the id is taken: the first thing to say of such a container; :func:`make` decides."""
    if os.path.exists(os.path.join(directory(run_dir, container_id), "state.json")):
        raise _taken(container_id)


def _taken(container_id: str) -> RuntimeFault:
    return RuntimeFault(
        f"a container with the id {container_id} exists already",
        step="create",
        obj=container_id,
        errno=errno.EEXIST,
        hint="Delete it first, or take another id",
    )


def save(run_dir: str, state: State) -> None:
    """Write the state; not durably, since it means nothing after a crash of the host."""
    _write(directory(run_dir, state.id), state)


def _write(path: str, state: State) -> None:
    document = {
        "id": state.id,
        "bundle": state.bundle,
        "cgroup_path": state.cgroup_path,
        "unit": state.unit,
        "created": state.created,
        "annotations": state.annotations,
        "hooks": state.hooks,
        "rootfs": state.rootfs,
        "foreign": state.foreign,
        "parents": state.parents,
        "rdt_groups": state.rdt_groups,
        "pid": state.pid,
        "start_time": state.start_time,
        "boot_id": procfs.boot_id(),
    }
    write_atomic(os.path.join(path, "state.json"), dumps(document).encode(), durable=False)


def save_document(run_dir: str, container_id: str, text: bytes) -> None:
    """Keep the configuration as it was at create: later changes of the bundle's file change nothing (runtime.md)."""
    write_atomic(os.path.join(directory(run_dir, container_id), CONFIG), text, durable=False)


def load_document(run_dir: str, container_id: str) -> dict[str, Any]:
    """The configuration that the container was created from. Raises NoSuchContainer, also for one just deleted."""
    try:
        raw = read_bytes(os.path.join(directory(run_dir, container_id), CONFIG))
    except FileNotFoundError:
        raise _missing(container_id) from None
    document: dict[str, Any] = loads(raw)
    return document


def has_own_pids(run_dir: str, container_id: str) -> bool:
    """Whether the container has a new pid namespace, whose processes all end with its first."""
    spaces = load_document(run_dir, container_id).get("linux", {}).get("namespaces") or ()
    return any(entry.get("type") == "pid" and not entry.get("path") for entry in spaces)


def load(run_dir: str, container_id: str) -> State:
    """The container's state, its status looked up now. Raises NoSuchContainer, DamagedState."""
    path = directory(run_dir, container_id)
    try:
        document = loads(_read(path, container_id))
        state = State(document["id"], document["bundle"], document["cgroup_path"], document["created"])
        state.annotations, state.hooks = document["annotations"], document["hooks"]
        state.rootfs = document.get("rootfs", state.rootfs)
        state.unit = document.get("unit", "")
        state.foreign, state.parents = document.get("foreign", []), document.get("parents", [])
        state.rdt_groups = document.get("rdt_groups", [])
        state.pid, state.start_time = document["pid"], document["start_time"]
        boot_id = document["boot_id"]
    except (ValueError, KeyError, TypeError):
        raise _damaged(container_id, path, "is damaged") from None
    if not state.pid and boot_id == procfs.boot_id():
        return state  # still creating
    if boot_id != procfs.boot_id() or not procfs.alive(state.pid, state.start_time):
        state.status = "stopped"
    elif os.path.exists(os.path.join(path, START_SOCKET)):
        state.status = "created"
    else:
        state.status = "running"
    return state


def _read(path: str, container_id: str) -> bytes:
    """state.json of the directory *path*. A second look at the same directory tells damage from a deletion."""
    try:
        return read_bytes(os.path.join(path, "state.json"))
    except FileNotFoundError:
        pass
    while True:
        try:
            pinned = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                with suppress(FileNotFoundError):
                    return read_bytes(f"/proc/self/fd/{pinned}/state.json")
                if os.path.samestat(os.stat(path), os.fstat(pinned)):
                    raise _damaged(container_id, path, "is missing")
            finally:
                os.close(pinned)
        except FileNotFoundError:
            raise _missing(container_id) from None


def _missing(container_id: str) -> NoSuchContainer:
    return NoSuchContainer(f"container {container_id} does not exist", step="state", obj=container_id)


def _damaged(container_id: str, path: str, how: str) -> DamagedState:
    return DamagedState(
        f"the state of container {container_id} {how}: {path}/state.json",
        step="state",
        obj=container_id,
        hint="Remove what is left of it with delete --force",
    )


def salvage(run_dir: str, container_id: str) -> tuple[State | None, list[str]]:
    """What can be known of a container whose state is damaged, and warnings for what cannot.

    create makes the cgroup only after it has kept the configuration: without that file there is none to look for,
    and nothing that bears the container's name is touched.
    """
    path = directory(run_dir, container_id)
    try:
        raw = read_bytes(os.path.join(path, CONFIG))
    except FileNotFoundError:
        return None, []
    found = State(container_id, path, f"/{container_id}", "")
    try:
        found.cgroup_path = loads(raw)["linux"].get("cgroupsPath") or found.cgroup_path
    except (ValueError, KeyError, TypeError, AttributeError):
        what = f"its cgroup is not known, {CONFIG} is damaged as well; looked for {found.cgroup_path}"
        return found, [f"container {container_id}: {what}"]
    from ..cgroup.systemd import BOOTED, find_unit

    if os.path.isdir(BOOTED) and not open_cgroup(found.cgroup_path).exists():
        asked = found.cgroup_path if found.cgroup_path != f"/{container_id}" else ""
        found.cgroup_path, found.unit = find_unit(asked, container_id) or (found.cgroup_path, "")
    return found, []


def forget(run_dir: str, container_id: str) -> None:
    """Remove the container's directory, and what killed processes left of others of that id; missing is fine.

    Whoever reads at the same time finds it whole or not at all.
    """
    path = directory(run_dir, container_id)
    with suppress(FileNotFoundError):
        os.rename(path, _hidden(path, f"{os.getpid()}.gone"))
    with suppress(FileNotFoundError):
        prefix = os.path.basename(_hidden(path, ""))
        for name in os.listdir(run_dir):
            pid, _dot, kind = name[len(prefix) :].partition(".")
            if name.startswith(prefix) and (kind == "gone" or (kind == "new" and not os.path.exists(f"/proc/{pid}"))):
                _remove(os.path.join(run_dir, name))


def _hidden(path: str, name: str) -> str:
    """A name beside the container's directory *path* that no id can be."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}@{name}")


def _remove(path: str) -> None:
    """Remove a directory with files in it, as somebody else may just be doing."""
    with suppress(FileNotFoundError):
        for name in os.listdir(path):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(path, name))
        os.rmdir(path)


def ids(run_dir: str) -> list[str]:
    """The ids of all containers below *run_dir*, sorted; what else lies there is nobody's."""
    try:
        names = os.listdir(run_dir)
        return sorted(name for name in names if _is_id(name) and os.path.isdir(os.path.join(run_dir, name)))
    except FileNotFoundError:
        return []
