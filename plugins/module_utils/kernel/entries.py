# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of directories inside a root that is hostile: looked at, read, and put there whole.

The directory of an entry is pinned by kernel/safepath.py, and the entry is then reached by its name in it and never
through a symlink: whatever is swapped meanwhile, no other file than one inside the root is touched (CVE-2018-15664).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from . import constants as c
from . import safepath, syscalls
from .files import read_text, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_LINKS = 40  # as the kernel's own, path_resolution(7)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_CHUNK = 1 << 20


def split(path: str) -> tuple[str, str]:
    """(directory, name) of an entry. Raises OSError (EISDIR) for a path that ends in no name of its own."""
    directory, _slash, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return directory or "/", name


@contextlib.contextmanager
def pinned(rootfd: int, path: str) -> Iterator[tuple[int, str]]:
    """(O_PATH descriptor of its directory, name) of *path* for the length of a with block. Raises OSError."""
    directory, name = split(path)
    parent = safepath.open_in_root(rootfd, directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield parent, name
    finally:
        os.close(parent)


def resolve(rootfd: int, path: str) -> str:
    """The path that *path* leads to when its last component is a symlink, or more of them. Raises OSError (ELOOP).

    Only a name: nothing is decided by it.
    """
    for _link in range(_MAX_LINKS):
        try:
            text = target(rootfd, path)
        except OSError as error:
            if error.errno not in (*_NOT_THERE, errno.EINVAL):
                raise
            return path
        path = text if text.startswith("/") else f"{split(path)[0].rstrip('/')}/{text}"
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def status(rootfd: int, path: str, *, follow: bool = False) -> os.stat_result | None:
    """stat(2) of *path*, None where nothing is; of a symlink itself unless *follow*. Raises OSError."""
    try:
        if follow or path.rstrip("/") == "":
            fd = safepath.open_in_root(rootfd, path, os.O_PATH)
            try:
                return os.fstat(fd)
            finally:
                os.close(fd)
        with pinned(rootfd, path) as (parent, name):
            return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return None


def names(rootfd: int, path: str) -> list[str]:
    """The names in the directory *path*, sorted; symlinks on the way to it are followed inside the root."""
    fd = safepath.open_in_root(rootfd, path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)


def target(rootfd: int, path: str) -> str:
    """What the symlink *path* says. Raises OSError."""
    with pinned(rootfd, path) as (parent, name):
        return os.readlink(name, dir_fd=parent)


def chunks(rootfd: int, path: str, size: int = 0) -> Iterator[bytes]:
    """The content of the regular file *path*, which is no symlink, or its first *size* bytes.

    Raises OSError (EINVAL for anything else).

    It is looked at before it is opened: a FIFO or a device in its place must not stop or steer us. Of one that grows
    meanwhile it is what there was; those of procfs, which say that they are empty, have a chunk at the most.
    """
    with _open(rootfd, path, stat.S_IFREG, os.O_RDONLY) as fd:
        left = size or os.fstat(fd).st_size or _CHUNK
        while left > 0:
            chunk = os.read(fd, min(left, _CHUNK))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


@contextlib.contextmanager
def _open(rootfd: int, path: str, kind: int, flags: int) -> Iterator[int]:
    if path.strip("/"):
        with pinned(rootfd, path) as (parent, name):
            looked_at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    else:
        looked_at = safepath.open_in_root(rootfd, "/", os.O_PATH)
    try:
        if stat.S_IFMT(os.fstat(looked_at).st_mode) != kind:
            raise OSError(errno.EINVAL, "it is another kind of file now", path)
        fd = safepath.reopen(looked_at, flags | os.O_NONBLOCK)
    finally:
        os.close(looked_at)
    try:
        yield fd
    finally:
        os.close(fd)


def make_directory(rootfd: int, path: str, mode: int, uid: int, gid: int) -> None:
    """Make the directory *path*. Raises OSError."""
    with pinned(rootfd, path) as (parent, name), _creating_as(uid, gid):
        os.mkdir(name, 0o700, dir_fd=parent)
    set_attributes(rootfd, path, stat.S_IFDIR, mode, uid, gid)


def set_attributes(rootfd: int, path: str, kind: int, mode: int, uid: int, gid: int) -> None:
    """Give the file or directory *path* (*kind* is S_IFREG or S_IFDIR) its owners and mode. Raises OSError."""
    with _open(rootfd, path, kind, os.O_RDONLY) as fd:
        os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)  # last: chown(2) clears set-user-id


def write_file(rootfd: int, path: str, content: Iterable[bytes], mode: int, uid: int, gid: int) -> None:
    """Put the file *path* there, in one step; whatever else than a directory it was before. Raises OSError.

    What raises while *content* is read leaves nothing behind. A temporary file that a killed process left goes.
    """
    with _placed(rootfd, path, uid, gid) as (parent, temporary):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _creating_as(uid, gid):
            fd = os.open(temporary, flags, 0o600, dir_fd=parent)
        try:
            for chunk in content:
                write_all(fd, chunk)
            os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)
        finally:
            os.close(fd)


def make_link(rootfd: int, path: str, text: str, uid: int, gid: int) -> None:
    """Put the symlink *path* to *text* there, in one step, as :func:`write_file` does. Raises OSError."""
    with _placed(rootfd, path, uid, gid) as (parent, temporary):
        with _creating_as(uid, gid):
            os.symlink(text, temporary, dir_fd=parent)
            os.chown(temporary, uid, gid, dir_fd=parent, follow_symlinks=False)


def set_link_owner(rootfd: int, path: str, uid: int, gid: int) -> None:
    """Give the symlink *path* itself its owners. Raises OSError."""
    with pinned(rootfd, path) as (parent, name):
        os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)


@contextlib.contextmanager
def _placed(rootfd: int, path: str, uid: int, gid: int) -> Iterator[tuple[int, str]]:
    """(descriptor of the directory, name in it) to make a new *path* under; at the end it gets its own name.

    Nothing has that name before, nor after a failure. Raises OSError (EBUSY) where *path* is a mount point: to a
    rename from another mount namespace it would give way.
    """
    with pinned(rootfd, path) as (parent, name):
        _check_mount(parent, name)
        temporary = f".{os.fsdecode(os.fsencode(name)[:200])}.aoci-copy"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)
        try:
            yield parent, temporary
            with _creating_as(uid, gid):
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)
            raise


def _check_mount(parent: int, name: str) -> None:
    try:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return
    try:
        if _mount_of(fd) != _mount_of(parent):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)
    finally:
        os.close(fd)


def _mount_of(fd: int) -> int:
    """The id of the mount that *fd* is on (proc_pid_fdinfo(5))."""
    return int(read_text(f"/proc/self/fdinfo/{fd}").partition("mnt_id:")[2].split(None, 1)[0])


@contextlib.contextmanager
def _creating_as(uid: int, gid: int) -> Iterator[None]:
    """Make new entries *uid*'s and *gid*'s from the first moment, with all of our power.

    On an id-mapped mount root of the host may be nobody, and nobody makes files there (EOVERFLOW).
    """
    if uid == 0 and gid == 0:
        yield
        return
    bits = syscalls.prctl(c.PR_GET_SECUREBITS)
    syscalls.prctl(c.PR_SET_SECUREBITS, bits | c.SECBIT_NO_SETUID_FIXUP)  # else setfsuid(2) takes capabilities away
    try:
        syscalls.setfsgid(gid)
        syscalls.setfsuid(uid)
        try:
            yield
        finally:
            syscalls.setfsuid(os.geteuid())
            syscalls.setfsgid(os.getegid())
    finally:
        syscalls.prctl(c.PR_SET_SECUREBITS, bits)
