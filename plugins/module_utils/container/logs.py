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


def files(directory: str) -> list[str]:
    """The log's files, oldest first."""
    numbers = []
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    for name in names:
        base, _dot, number = name.rpartition(".")
        if base == NAME and number.isdigit():
            numbers.append(int(number))
    older = [os.path.join(directory, f"{NAME}.{number}") for number in sorted(numbers, reverse=True)]
    return [*older, os.path.join(directory, NAME)] if NAME in names else older


def entries(directory: str) -> Iterator[Entry]:
    """Everything that is in the log now."""
    for path in files(directory):
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed below, and it may be gone
        except FileNotFoundError:
            continue  # rotated away meanwhile
        with file:
            for line in file:
                entry = parse(line)
                if entry is not None:
                    yield entry


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
    """The last *count* lines (None: all), then what comes, across rotations, until *ended* says so."""
    import time

    path = os.path.join(directory, NAME)
    position = _size(path)
    inode = _inode(path)
    present = list(entries(directory)) if count is None else tail(entries(directory), count)
    yield from present
    last = present[-1] if present else None
    file: BinaryIO | None = None
    rest = b""
    skipping = last is not None
    while True:
        final = ended()
        if file is None and os.path.exists(path):
            file = open(path, "rb")  # noqa: SIM115 - followed from here on
            if os.fstat(file.fileno()).st_ino == inode:
                file.seek(position)
        if file is not None:
            rest += file.read()
            lines = rest.split(b"\n")
            rest = lines.pop()
            for line in lines:
                entry = parse(line + b"\n")
                # What was written between measuring and reading has been given already.
                skipping = skipping and entry is not None and last is not None and entry.time <= last.time
                if entry is not None and not skipping:
                    yield entry
            if _inode(path) != os.fstat(file.fileno()).st_ino:
                more = file.read()
                if more:
                    rest += more
                    continue
                file.close()
                file, inode = None, 0
                continue
        if final:
            return
        time.sleep(_POLL)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0
