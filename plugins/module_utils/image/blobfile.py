# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A blob to read, whole or while it still comes in."""

from __future__ import annotations

import errno
import os
import time

_FIRST_WAIT = 0.002  # seconds, doubled while nothing comes
_LONGEST_WAIT = 0.05


_fetcher = 0


def fetched_by(pid: int) -> None:
    """Process *pid*, which forked this one, writes what is partial here."""
    global _fetcher
    _fetcher = pid


class BlobFile:
    """The file *path* of *size* bytes, read from its start to its end.

    With *partial*, another process may still be writing it: under that path until it is whole, then under *path*.
    Reading waits for what is to come. It ends with OSError when the process that started this one is gone, since then
    nobody may be writing any more.
    """

    def __init__(self, path: str, size: int, partial: str = "") -> None:
        self.path = path
        self.size = size
        self.partial = partial
        self.position = 0
        self._fd = -1
        self._parent = _fetcher or os.getppid()
        self._abandoned = False

    def abandon(self) -> None:
        """From another thread: whoever waits for what is to come gets an OSError."""
        self._abandoned = True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, count: int) -> bytes:
        """Up to *count* bytes, b"" at the end."""
        wait = _FIRST_WAIT
        while True:
            if self._fd < 0:
                self._fd = self._open()
            chunk = os.read(self._fd, count) if self._fd >= 0 else b""
            if chunk:
                self.position += len(chunk)
                return chunk
            if not self.partial or self.position >= self.size:
                return b""
            if os.path.exists(self.path):
                # Whole by now, and not necessarily by the writer whose file this was: read on in what counts.
                self.close()
                self.partial = ""
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                os.lseek(self._fd, self.position, os.SEEK_SET)
                continue
            wait = self._wait(wait)

    def head(self, count: int) -> bytes:
        """The first *count* bytes, or as many as there are; reading begins at the start afterwards."""
        data = b""
        while len(data) < count:
            chunk = self.read(count - len(data))
            if not chunk:
                break
            data += chunk
        if self._fd >= 0:
            os.lseek(self._fd, 0, os.SEEK_SET)
        self.position = 0
        return data

    def whole(self) -> int:
        """A descriptor of the complete file, at its start, for programs that cannot wait."""
        wait = _FIRST_WAIT
        while self.partial and not os.path.exists(self.path):
            wait = self._wait(wait)
        self.close()
        self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._fd

    def _wait(self, seconds: float) -> float:
        """Sleep; how long to sleep the next time."""
        if os.getppid() != self._parent:
            raise OSError(0, "the process that fetches it was killed", self.path)
        if self._abandoned:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED), self.path)
        time.sleep(seconds)
        return min(2 * seconds, _LONGEST_WAIT)

    def _open(self) -> int:
        """The descriptor; -1 while there is no file yet."""
        # In this order: the partial file becomes the whole one between two looks, never the other way round.
        for path in filter(None, (self.partial, self.path)):
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                if not self.partial:
                    raise
        return -1
