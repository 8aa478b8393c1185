# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths inside a root that nobody outside may be reached from.

The tree below the root is hostile: any component may be a symlink to anywhere, and may be swapped while we look.
So nothing here gives back a path; every function gives a descriptor pinned inside the root (CVE-2021-30465,
CVE-2024-45310).
"""

from __future__ import annotations

import errno
import os
import stat

from . import constants as c
from . import syscalls
from .lean import suppress

_O_PATH_NOFOLLOW = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # as the kernel's own MAXSYMLINKS, path_resolution(7)


def open_in_root(rootfd: int, path: str, flags: int = os.O_PATH, *, follow: bool = True) -> int:
    """Open *path* as a process would whose root directory is *rootfd*.

    Symlinks, absolute ones and ``..`` included, stay inside the root; magic links of procfs are refused (ELOOP).
    With ``follow=False`` no component may be a symlink at all (ELOOP). Raises OSError.
    """
    resolve = c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS | (0 if follow else c.RESOLVE_NO_SYMLINKS)
    for _attempt in range(128):
        try:
            return syscalls.openat2(rootfd, path, flags, resolve)
        except OSError as error:
            if error.errno == errno.ENOSYS:  # before Linux 5.6
                return _walk(rootfd, path, flags, follow)
            if error.errno != errno.EAGAIN:  # openat2(2): a rename raced with ".."; worth another try
                raise
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)


def _walk(rootfd: int, path: str, flags: int, follow: bool) -> int:
    """Component by component, for kernels without openat2(2): a stack of descriptors makes ``..`` safe."""
    todo = [part for part in reversed(path.split("/")) if part and part != "."]
    stack = [os.dup(rootfd)]
    links = 0
    try:
        while todo:
            part = todo.pop()
            if part == "..":
                if len(stack) > 1:
                    os.close(stack.pop())
                continue
            fd = os.open(part, _O_PATH_NOFOLLOW, dir_fd=stack[-1])
            if stat.S_ISLNK(os.fstat(fd).st_mode):
                try:
                    links += 1
                    if not follow or links > _MAX_LINKS or syscalls.fs_type(fd) == c.PROC_SUPER_MAGIC:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                    target = os.readlink("", dir_fd=fd)
                finally:
                    os.close(fd)
                if target.startswith("/"):
                    while len(stack) > 1:
                        os.close(stack.pop())
                todo.extend(piece for piece in reversed(target.split("/")) if piece and piece != ".")
                continue
            stack.append(fd)
        if flags & os.O_PATH:
            return os.dup(stack[-1])
        return reopen(stack[-1], flags)
    finally:
        for fd in stack:
            os.close(fd)


def reopen(fd: int, flags: int) -> int:
    """Open the file behind an O_PATH descriptor again with *flags*; needs a trusted /proc."""
    return os.open(f"/proc/self/fd/{fd}", (flags & ~os.O_NOFOLLOW) | os.O_CLOEXEC)


def mkdirs_in_root(rootfd: int, path: str, mode: int = 0o755, *, links: int = _MAX_LINKS) -> int:
    """Make directory *path* and its missing parents inside the root; an O_PATH descriptor of it.

    Existing components are resolved as :func:`open_in_root` does; a symlink to nowhere is resolved by making what it
    names, *links* of them at most. Missing ones are made one by one below a pinned parent, so no symlink that appears
    meanwhile is followed. Raises OSError (ENOTDIR for a file in the way).
    """
    parts = [part for part in path.split("/") if part and part != "."]
    existing, fd = len(parts), -1
    while fd < 0:
        try:
            fd = open_in_root(rootfd, "/".join(parts[:existing]) or ".", os.O_PATH)
        except FileNotFoundError:
            if not existing:
                raise
            existing -= 1
    try:
        if existing < len(parts):
            named = _through_link("/".join(parts[:existing]), parts[existing], fd, links)
            if named:
                return mkdirs_in_root(rootfd, "/".join([named, *parts[existing + 1 :]]), mode, links=links - 1)
        for part in parts[existing:]:
            if part == "..":
                raise OSError(errno.EINVAL, "'..' below a missing directory", path)
            with suppress(FileExistsError):  # somebody was faster; the open decides what it is
                os.mkdir(part, mode, dir_fd=fd)
            below = os.open(part, _O_PATH_NOFOLLOW | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        made, fd = fd, -1
        return made
    finally:
        if fd >= 0:
            os.close(fd)


def _through_link(directory: str, name: str, parent: int, links: int) -> str:
    """What the symlink *name* in *directory* (open as *parent*) names, as a path below the root; "" for no symlink.

    Only a name to be resolved in its turn: nothing is decided by it. Raises OSError (ELOOP) with no *links* left.
    """
    try:
        target = os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOTDIR):
            raise
        return ""
    if not links:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
    return target if target.startswith("/") else f"{directory}/{target}"


def make_file_in_root(rootfd: int, path: str, mode: int = 0o644, *, links: int = _MAX_LINKS) -> int:
    """An O_PATH descriptor of *path*, made as an empty file (with its parents) when missing.

    Symlinks to nowhere are treated as by :func:`mkdirs_in_root`.
    """
    try:
        return open_in_root(rootfd, path, os.O_PATH)
    except FileNotFoundError:
        pass
    directory, name = os.path.split(path.rstrip("/"))
    parent = mkdirs_in_root(rootfd, directory)
    try:
        named = _through_link(directory, name, parent, links)
        if named:
            return make_file_in_root(rootfd, named, mode, links=links - 1)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=parent)
        os.close(fd)
        return os.open(name, _O_PATH_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)


def read_in_root(rootfd: int, path: str, limit: int = 1 << 20) -> bytes:
    """At most *limit* bytes of the regular file *path* inside the root; anything else raises OSError (EINVAL).

    A FIFO or a device in the place of a file of an image must not stop or steer us: it is looked at before it is
    opened for reading.
    """
    pinned = open_in_root(rootfd, path, os.O_PATH)
    try:
        if not stat.S_ISREG(os.fstat(pinned).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        fd = reopen(pinned, os.O_RDONLY)
    finally:
        os.close(pinned)
    try:
        chunks = []
        while limit > 0:
            chunk = os.read(fd, min(limit, 65536))
            if not chunk:
                break
            chunks.append(chunk)
            limit -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(fd)


def open_trusted(path: str) -> int:
    """Open the directory *path* (absolute) through no symlink but root's and our own.

    Whoever may write to one of its parents could else lead us to where only root may write. Raises OSError (EPERM for
    somebody else's symlink).
    """
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    todo = [part for part in reversed(path.split("/")) if part and part != "."]
    links = 0
    try:
        while todo:
            part = todo.pop()
            below = os.open(part, _O_PATH_NOFOLLOW, dir_fd=fd)
            status = os.fstat(below)
            if not stat.S_ISLNK(status.st_mode):
                os.close(fd)
                fd = below
                continue
            try:
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if status.st_uid not in (0, os.geteuid()):
                    raise OSError(errno.EPERM, f"it leads through the symlink {part} of user {status.st_uid}", path)
                target = os.readlink("", dir_fd=below)
            finally:
                os.close(below)
            if target.startswith("/"):
                os.close(fd)
                fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            todo.extend(piece for piece in reversed(target.split("/")) if piece and piece != ".")
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    finally:
        os.close(fd)
