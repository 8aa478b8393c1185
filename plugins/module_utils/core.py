# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own copy of the core.

A module arrives as a zip archive that vanishes when it ends, and whose imports are compiled anew in every task. So
the first task installs the core, compiled, under ``lib/<content hash>/`` of the state directory; later tasks with
the same content import it from there, and the monitors, which outlive every task, run from there. A copy goes when
another has taken its place and nothing runs from it: whatever does holds a shared lock on it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys

from .corelink import point
from .corelock import LOCK, hold
from .fingerprint import described, fingerprint, python_files
from .kernel.errors import Error
from .kernel.files import fsync_directory
from .statedir import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from . import contents  # noqa: F401  Ansible reads this, too, and sends along all that it names

_PACKAGE = __name__.rpartition(".")[0]


def enter(module: Any, what: str, *, check_mode: bool | None = None) -> str:
    """:func:`activate` for *module* (an AnsibleModule), which fails with a message about *what* where that does."""
    try:
        return activate(module.params["root"], module.check_mode if check_mode is None else check_mode)
    except (Error, OSError) as error:
        module.fail_json(msg=f"{what}: {error}")
        raise  # never reached: fail_json ends the process


def activate(root: str | None, check_mode: bool) -> str:
    """Import the core from the host's own copy from here on; the path of that copy's ``entry.py``.

    Installs the copy first where it is missing. In check mode nothing is written: without a copy the core stays the
    one that came with the task, and the result is "". Raises Error when not run by root, OSError for a full disk.
    """
    if os.geteuid() != 0:
        raise Error("containers need root on the managed host", step="root", hint="Run the task with become: true")
    sources = _sources()
    state = StateDir(root)
    copy = os.path.join(state.lib, fingerprint(source.described for source in sources))
    if not os.path.isdir(copy):
        if check_mode:
            return ""
        state.ensure(state.lib)
        _install(sources, copy)
        hold(copy)
        point(state, copy)
        _remove_unused(state.lib, copy)
    else:
        hold(copy)
    _import_from(copy)
    return os.path.join(copy, "entry.py")


class _Source:
    """One file of the core as it came: what fingerprint() takes of it, and its reader."""

    __slots__ = ("described", "read")

    def __init__(self, described: tuple[str, int, int], read: Callable[[], bytes]) -> None:
        self.described = described
        self.read = read

    @property
    def name(self) -> str:
        """Its path below the core."""
        return self.described[0]


def _sources() -> list[_Source]:
    """All files of the core, from the task's archive or from the directory that this file lies in."""
    archive = getattr(globals().get("__loader__"), "archive", None)
    if archive is not None:
        return _archived(archive)
    top = os.path.dirname(os.path.abspath(__file__))
    return [_Source(described(path, top), _reader(path)) for path in python_files(top)]


def _archived(archive: str) -> list[_Source]:
    import zipfile  # the wrapper of every Ansible module has done so already

    prefix = _PACKAGE.replace(".", "/") + "/"
    loader: Any = globals()["__loader__"]
    with zipfile.ZipFile(archive) as content:
        return [
            _Source(
                (entry.filename[len(prefix) :], entry.CRC, entry.file_size),
                _archive_reader(loader, os.path.join(archive, entry.filename)),
            )
            for entry in content.infolist()
            if entry.filename.startswith(prefix) and entry.filename.endswith(".py")
        ]


def _reader(path: str) -> Callable[[], bytes]:
    def read() -> bytes:
        with open(path, "rb") as file:
            return file.read()

    return read


def _archive_reader(loader: Any, path: str) -> Callable[[], bytes]:
    def read() -> bytes:
        data: bytes = loader.get_data(path)
        return data

    return read


def _install(sources: list[_Source], copy: str) -> None:
    """Write and compile the copy beside its place, then rename it there: it is whole, or it is not there."""
    import py_compile

    temporary = f"{copy}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        for source in sources:
            path = os.path.join(temporary, source.name)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _write_durably(path, source.read())
            # The content never changes under its hash, so nobody need look at time stamps.
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(path, doraise=True, invalidation_mode=mode)
        _write_durably(os.path.join(temporary, LOCK), b"")
        try:
            os.rename(temporary, copy)
        except OSError:
            if not os.path.isdir(copy):  # else another task was faster, with the same content
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    fsync_directory(os.path.dirname(copy))


def _write_durably(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _remove_unused(lib: str, current: str) -> None:
    """Remove every other copy that nothing runs from, and what killed installations left."""
    for name in os.listdir(lib):
        path = os.path.join(lib, name)
        if path == current:
            continue
        if name.endswith(".tmp"):
            if not os.path.exists(f"/proc/{name.split('.')[-2]}"):
                shutil.rmtree(path, ignore_errors=True)
            continue
        try:
            fd = os.open(os.path.join(path, LOCK), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # a monitor, or a task of another controller, runs from it
        else:
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(fd)


def _import_from(copy: str) -> None:
    """Put the copy in front of every package of ours that is loaded already; the others follow their parent."""
    for name, module in list(sys.modules.items()):
        if name == _PACKAGE or name.startswith(_PACKAGE + "."):
            path = getattr(module, "__path__", None)
            if path is not None:
                below = name[len(_PACKAGE) + 1 :].replace(".", "/")
                module.__path__ = [os.path.join(copy, below).rstrip("/"), *path]
    sys.path_importer_cache.pop(copy, None)
