# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a monitor puts what its container writes. Imported by the monitor: modules written in C alone."""

from __future__ import annotations

import errno
import posix

MAX_SIZE = 10 << 20
MAX_FILE = 5


def log_lines(data: bytes, stream: bytes, when: bytes) -> bytes:
    """*data* as lines of the log; a piece that does not end in a newline is marked P (partial)."""
    head = when + b" " + stream
    lines = data.split(b"\n")
    last = lines.pop()
    text = b"".join([head + b" F " + line + b"\n" for line in lines])
    return text + head + b" P " + last + b"\n" if last else text


def exists(path: str) -> bool:
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    return True


def write(fd: int, data: bytes) -> None:
    while data:
        data = data[posix.write(fd, data) :]


class Log:
    """container.log with rotation by size. What a full disk refuses is lost; the container goes on."""

    def __init__(self, directory: str, max_size: int, max_file: int) -> None:
        self.path = directory + "/container.log"
        self.max_size = max_size
        self.max_file = max_file
        self._open()

    def _open(self) -> None:
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW
        self.fd = posix.open(self.path, flags, 0o600)
        self.size = posix.fstat(self.fd).st_size

    def write(self, data: bytes) -> None:
        """Append *data*, whole lines, beginning new files between lines where one is full."""
        try:
            while data:
                piece = data
                if self.max_size and self.size + len(data) > self.max_size:
                    end = data.rfind(b"\n", 0, max(0, self.max_size - self.size)) + 1
                    if not end and self.size:
                        self._rotate()
                        continue
                    piece = data[: end or data.index(b"\n") + 1]  # a line longer than a file has one to itself
                write(self.fd, piece)
                self.size += len(piece)
                data = data[len(piece) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise

    def _rotate(self) -> None:
        """container.log becomes .1, .1 becomes .2 …; what would be the file number ``max_file`` goes."""
        number = 0
        while exists(self._numbered(number)):
            number += 1
        for index in range(number - 1, -1, -1):
            if index + 1 >= self.max_file:
                posix.unlink(self._numbered(index))
            else:
                posix.rename(self._numbered(index), self._numbered(index + 1))
        old = self.fd
        self._open()
        posix.close(old)

    def _numbered(self, number: int) -> str:
        return f"{self.path}.{number}" if number else self.path

    def sync(self) -> None:
        try:
            posix.fsync(self.fd)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
