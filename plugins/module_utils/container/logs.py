# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a container wrote: from its files (container/logsink.py has the formats), or from the journal."""

from __future__ import annotations

import os
from collections import deque, namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from .journal import JournalReader
    from .records import Record

NAME = "container.log"

# time (RFC 3339, text), stream ("stdout", "stderr"), full (whether the line ended here), text (bytes, no newline)
Entry = namedtuple("Entry", "time stream full text")


def parse(line: bytes) -> Entry | None:
    """One line of the log, in either format; None for one that a crash cut short."""
    if line.startswith(b"{"):
        return _parse_json(line)
    fields = line.rstrip(b"\n").split(b" ", 3)
    if len(fields) != 4 or fields[2] not in (b"F", b"P") or not line.endswith(b"\n"):
        return None
    return Entry(
        fields[0].decode("ascii", "replace"), fields[1].decode("ascii", "replace"), fields[2] == b"F", fields[3]
    )


def _parse_json(line: bytes) -> Entry | None:
    import json

    try:
        found = json.loads(line)
        text = found["log"].encode()
        return Entry(found["time"], found["stream"], text.endswith(b"\n"), text.removesuffix(b"\n"))
    except (ValueError, KeyError):
        return None


class Reader:
    """Reads a log from where it stopped the last time, through any number of rotations in between."""

    poll = 0.1  # seconds between two looks at a log that is followed

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


def reader(record: Record) -> Reader | JournalReader:
    """What reads the log of *record*, wherever its driver puts it; where nothing is kept, what was kept before."""
    from .logoptions import JOURNALD

    if record.spec["options"].get("log_driver") == JOURNALD:
        from .journal import JournalReader

        return JournalReader(record.id)
    return Reader(os.path.join(record.path, "log"))


def entries(record: Record) -> Iterator[Entry]:
    """Everything that is in the log now. Raises ContainerError without a journalctl for the journal."""
    return reader(record).new()


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


def collect(record: Record, since: str) -> tuple[str, str]:
    """(stdout, stderr) written at or after the time *since*, as text; empty where nothing is kept."""
    streams: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    for entry in entries(record):
        if entry.time >= since and entry.stream in streams:
            streams[entry.stream].append(entry.text + (b"\n" if entry.full else b""))
    stdout, stderr = (b"".join(parts).decode("utf-8", "replace") for parts in streams.values())
    return stdout, stderr


def later(found: Iterator[Entry], since: str) -> Iterator[Entry]:
    """Those of *found* that were written at or after the time *since* ("" for all)."""
    return (entry for entry in found if entry.time >= since)


def follow(record: Record, count: int | None, ended: Callable[[], bool], since: str = "") -> Iterator[Entry]:
    """The last *count* lines (None: all) from *since* on, then what comes, until *ended* says so."""
    import time

    source = reader(record)
    known = later(source.new(), since)
    yield from known if count is None else tail(known, count)
    while True:
        final = ended()  # asked first: what was written before the end is read after it
        yield from source.new()
        if final:
            return
        time.sleep(source.poll)
