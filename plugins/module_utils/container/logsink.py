# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a monitor puts what its container writes. Imported by the monitor: modules written in C alone.

A sink has ``add(stream, data, when)``, *when* in nanoseconds since the epoch, and ``end()``, after which nothing comes
for a while.
"""

from __future__ import annotations

import errno
import posix
import time

from .stamps import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Sink(Protocol):
        def add(self, stream: bytes, data: bytes, when: int) -> None: ...

        def end(self) -> None: ...

        def close(self) -> None: ...


MAX_SIZE = 10 << 20
MAX_FILE = 5
_ESCAPES = {**{number: f"\\u{number:04x}" for number in range(32)}, 10: "\\n", 34: '\\"', 92: "\\\\"}


def quoted(text: str) -> str:
    """*text* as a string of JSON."""
    return '"' + text.translate(_ESCAPES) + '"'


def log_lines(data: bytes, stream: bytes, when: bytes) -> bytes:
    """*data* as lines ``TIME STREAM F|P TEXT``; a piece that does not end in a newline is marked P (partial)."""
    head = when + b" " + stream
    lines = data.split(b"\n")
    last = lines.pop()
    text = b"".join([head + b" F " + line + b"\n" for line in lines])
    return text + head + b" P " + last + b"\n" if last else text


def json_lines(data: bytes, stream: bytes, when: bytes, extra: bytes) -> bytes:
    """*data* as Docker's json-file has it; a piece that is no whole line has no newline in ``log``."""
    tail = ',"stream":"' + stream.decode() + '",' + extra.decode() + '"time":"' + when.decode() + '"}\n'
    lines = data.decode("utf-8", "replace").split("\n")
    last = lines.pop()
    text = "".join(['{"log":' + quoted(line + "\n") + tail for line in lines])
    return (text + '{"log":' + quoted(last) + tail if last else text).encode()


def whole_characters(data: bytes) -> int:
    """How many bytes of *data* come before a character of UTF-8 that is cut off at its end."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            return len(data) - back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else len(data)
        if byte < 0x80:
            break
    return len(data)


def exists(path: str) -> bool:
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    return True


def write(fd: int, data: bytes) -> None:
    while data:
        data = data[posix.write(fd, data) :]


class Nothing:
    """Drops it."""

    def add(self, stream: bytes, data: bytes, when: int) -> None:
        return

    def end(self) -> None:
        return

    def close(self) -> None:
        return


class Log:
    """container.log with rotation by size. What a full disk refuses is lost; the container goes on.

    extra  None for lines as Kubernetes has them; else they are Docker's, with these members in each
    """

    def __init__(self, directory: str, max_size: int, max_file: int, extra: bytes | None = None) -> None:
        self.path = directory + "/container.log"
        self.max_size = max_size
        self.max_file = max_file
        self.extra = extra
        self.cut: dict[bytes, bytes] = {}  # by stream: the beginning of a character whose rest is to come
        self._open()

    def _open(self) -> None:
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW
        self.fd = posix.open(self.path, flags, 0o600)
        self.size = posix.fstat(self.fd).st_size

    def add(self, stream: bytes, data: bytes, when: int) -> None:
        stamp = timestamp(when).encode()
        if self.extra is None:
            self.write(log_lines(data, stream, stamp))
            return
        data = self.cut.pop(stream, b"") + data
        end = whole_characters(data)
        if end < len(data):
            self.cut[stream] = data[end:]
        self.write(json_lines(data[:end], stream, stamp, self.extra))

    def end(self) -> None:
        """Write what is left, and see it on the disk."""
        for stream, data in self.cut.items():
            self.write(json_lines(data, stream, timestamp(time.time_ns()).encode(), self.extra or b""))
        self.cut.clear()
        try:
            posix.fsync(self.fd)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise

    def close(self) -> None:
        posix.close(self.fd)

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
