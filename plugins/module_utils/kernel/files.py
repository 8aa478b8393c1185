# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that survive a crash, and locks that end with their process.

A reader sees the old content or the new, never a part: temp file, fsync, rename, fsync of the directory.
"""

from __future__ import annotations

import errno
import fcntl
import os

from .lean import suppress


def fsync_directory(path: str) -> None:
    """Make the entries of directory *path* durable (fsync(2) of a file does not cover its name)."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data*, however little write(2) takes at a time. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomic(path: str, data: bytes, mode: int = 0o600, *, durable: bool = True) -> None:
    """Replace *path* by *data* in one step.

    ``durable=False`` leaves out both fsyncs: for state on a tmpfs, or state that a crash invalidates anyway.
    Raises OSError; the temporary file is removed.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(fd, mode)  # whatever the umask is
            write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_directory(directory or ".")


def read_bytes(path: str) -> bytes:
    """The whole of *path*; in one read for the small files of /proc, /sys and our own state."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks: list[bytes] = []
        while True:
            chunk = os.read(fd, 65536)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)
    finally:
        os.close(fd)


def read_text(path: str) -> str:
    """The whole of *path* as UTF-8, undecodable bytes kept as surrogates."""
    return read_bytes(path).decode("utf-8", "surrogateescape")


def write_control(path: str, *commands: str) -> None:
    """Write each of *commands* to a control file of the kernel in one write(2), since it takes each write as one.

    Raises OSError with *path*.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for command in commands:
            os.write(fd, command.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


class locked:
    """Hold flock(2) on *path* (made when missing) for the length of a with block; gives the lock's descriptor.

    The lock belongs to the open file description: it ends with the process, whatever ends it. Raises
    BlockingIOError with ``wait=False`` when somebody else holds it.
    """

    __slots__ = ("_fd", "_operation", "_path")

    def __init__(self, path: str, *, exclusive: bool = True, wait: bool = True) -> None:
        self._path = path
        self._operation = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB)
        self._fd = -1

    def __enter__(self) -> int:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, self._operation)
                if _still_there(fd, self._path):
                    self._fd = fd
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def __exit__(self, *_raised: object) -> None:
        os.close(self._fd)


class locked_with(locked):
    """As its base class, on a file that goes with *thing*, a path, when that is not there at the end.

    Whoever waits for it sees that, and takes a new one.
    """

    __slots__ = ("_thing",)

    def __init__(self, path: str, thing: str) -> None:
        super().__init__(path)
        self._thing = thing

    def __exit__(self, *raised: object) -> None:
        try:
            if not os.path.lexists(self._thing):
                os.unlink(self._path)
        finally:
            super().__exit__(*raised)


def _still_there(fd: int, path: str) -> bool:
    """Whether *path* still names the file behind *fd*: its last holder may have removed it while we waited."""
    try:
        named = os.stat(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return os.path.samestat(os.fstat(fd), named)
