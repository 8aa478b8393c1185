# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a container wrote (the format is container/monitor.py's)."""

from __future__ import annotations

import os
from collections import deque, namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

NAME = "container.log"
_POLL = 0.1  # seconds between two looks at a log that is followed

# time (RFC 3339, text), stream ("stdout", "stderr"), full (whether the line ended here), text (bytes, no newline)
Entry = namedtuple("Entry", "time stream full text")


def parse(line: bytes) -> Entry | None:
    """One line of the log; None for one that a crash cut short."""
    fields = line.rstrip(b"\n").split(b" ", 3)
    if len(fields) != 4 or fields[2] not in (b"F", b"P") or not line.endswith(b"\n"):
        return None
    return Entry(
        fields[0].decode("ascii", "replace"), fields[1].decode("ascii", "replace"), fields[2] == b"F", fields[3]
    )


class Reader:
    """Reads a log from where it stopped the last time, through any number of rotations in between."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, NAME)
        self.inode = 0  # of the file that was read last, up to this offset
        self.offset = 0

    def new(self) -> Iterator[Entry]:
        """What has been written since, oldest first."""
        opened = self._open()
        try:
            for file in reversed(opened):
                inode = os.fstat(file.fileno()).st_ino
                if inode != self.inode:
                    self.inode, self.offset = inode, 0
                file.seek(self.offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # the monitor is still writing it
                    self.offset += len(line)
                    entry = parse(line)
                    if entry is not None:
                        yield entry
        finally:
            for file in opened:
                file.close()

    def _open(self) -> list[BinaryIO]:
        """The files to read, newest first: a rotation meanwhile shows one twice then, and hides none."""
        opened: list[BinaryIO] = []
        seen: set[int] = set()
        number = 0
        while self.inode not in seen:
            try:
                file = open(f"{self.path}.{number}" if number else self.path, "rb")  # noqa: SIM115 - the caller closes
            except FileNotFoundError:
                if number:
                    break
                number = 1  # just being rotated
                continue
            inode = os.fstat(file.fileno()).st_ino
            if inode in seen:
                file.close()
            else:
                seen.add(inode)
                opened.append(file)
            number += 1
        return opened


def entries(directory: str) -> Iterator[Entry]:
    """Everything that is in the log now."""
    return Reader(directory).new()


def tail(found: Iterator[Entry], count: int) -> list[Entry]:
    """The entries that make up the last *count* lines (a line in several pieces counts once)."""
    kept: deque[Entry] = deque()
    lines = 0
    for entry in found:
        kept.append(entry)
        lines += entry.full
        while lines > count:
            lines -= kept.popleft().full
    return list(kept) if count else []


def collect(directory: str, since: str) -> tuple[str, str]:
    """(stdout, stderr) written at or after the time *since*, as text."""
    streams: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    for entry in entries(directory):
        if entry.time >= since and entry.stream in streams:
            streams[entry.stream].append(entry.text + (b"\n" if entry.full else b""))
    stdout, stderr = (b"".join(parts).decode("utf-8", "replace") for parts in streams.values())
    return stdout, stderr


def follow(directory: str, count: int | None, ended: Callable[[], bool]) -> Iterator[Entry]:
    """The last *count* lines (None: all), then what comes, until *ended* says so."""
    import time

    reader = Reader(directory)
    yield from reader.new() if count is None else tail(reader.new(), count)
    while True:
        final = ended()  # asked first: what was written before the end is read after it
        yield from reader.new()
        if final:
            return
        time.sleep(_POLL)
