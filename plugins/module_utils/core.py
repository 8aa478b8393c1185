# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own copy of the core.

The first task installs the core, compiled, under ``lib/<fingerprint>/`` of the state directory: with an archive that
the action plugins and the connection plugin bring (arrival.py), or out of the module, which arrives as a zip archive
that vanishes when it ends, and whose imports are compiled anew in every task. Later tasks with the same core import it
from there, and the monitors, which outlive every task, run from there. A copy goes when another has taken its place and
nothing runs from it, whatever does holds a shared lock on it, nor will: the service of a container was started from it
(corelink.py).

The fingerprint is that of the collection's files. The files of the copy are those, or what is left of them without
comments and annotations (plugin_utils/compact.py): by name and behaviour they are the same, so either will do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys

from .corelink import point, targets
from .corelock import LOCK, hold
from .fingerprint import LIST, described, fingerprint, python_files
from .kernel.errors import Error
from .kernel.files import fsync_directory
from .statedir import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
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
    require_root()
    sources = _sources()
    state = StateDir(root)
    copy = os.path.join(state.lib, fingerprint(source.described for source in sources))
    files = {source.name: source.read for source in sources if source.is_copied}
    if is_whole(copy, files):
        hold(copy)
    elif check_mode:
        return ""
    else:
        install(state, copy, files)
    _import_from(copy)
    return os.path.join(copy, "entry.py")


def require_root() -> None:
    """Raises Error when not run by root."""
    if os.geteuid() != 0:
        raise Error("containers need root on the managed host", step="root", hint="Run the task with become: true")


def is_whole(copy: str, files: Iterable[str]) -> bool:
    """Whether the directory *copy* has all of *files* (paths below it). Their content is safe: see install()."""
    return all(os.path.exists(os.path.join(copy, name)) for name in (LOCK, *files))


def install(state: StateDir, copy: str, files: Mapping[str, Callable[[], bytes]]) -> None:
    """Make *copy*, a directory in ``lib``, of *files* (path below it → reader), and hold it. Raises OSError."""
    state.ensure(state.lib)
    _install(files, copy)
    hold(copy)
    point(state, copy)
    _remove_unused(state.lib, {copy, *targets(state)})


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

    @property
    def is_copied(self) -> bool:
        """Whether a copy has it: no empty ones, of which Ansible adds some."""
        return bool(self.described[2]) and self.name != LIST


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


def _install(files: Mapping[str, Callable[[], bytes]], copy: str) -> None:
    """Write and compile the copy beside its place, then rename it there: it is whole, or it is not there."""
    import py_compile

    temporary = f"{copy}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        write_files(files, temporary, durable=True)
        for name in files:
            # The content never changes under its name, so nobody need look at time stamps.
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(os.path.join(temporary, name), doraise=True, invalidation_mode=mode)
        try:
            os.rename(temporary, copy)
        except OSError:
            if not os.path.isdir(copy):
                raise
            if not is_whole(copy, files):  # else another task was faster, with the same content
                _replace(copy, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    fsync_directory(os.path.dirname(copy))


def write_files(files: Mapping[str, Callable[[], bytes]], directory: str, *, durable: bool) -> None:
    """Write *files*, and the lock that a copy has, below *directory*."""
    for name, read in {**files, LOCK: bytes}.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(read())
            if durable:
                file.flush()
                os.fsync(file.fileno())


def _replace(copy: str, new: str) -> None:
    """Put *new* in the place of a *copy* that somebody has removed files of."""
    damaged = f"{copy}.damaged.{os.getpid()}.tmp"
    os.rename(copy, damaged)
    os.rename(new, copy)
    shutil.rmtree(damaged, ignore_errors=True)


def _remove_unused(lib: str, kept: Container[str]) -> None:
    """Remove every copy that is not *kept* and that nothing runs from, and what killed installations left."""
    for name in os.listdir(lib):
        path = os.path.join(lib, name)
        if path in kept:
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
