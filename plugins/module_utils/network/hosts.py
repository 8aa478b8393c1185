# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the containers of a network, in the /etc/hosts of each of them.

The files are mounted into the running containers one by one, so they are written in place: one write, then the end is
cut off. What is ours stands between two lines; the rest belongs to the container.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel.files import locked, read_bytes, write_all
from . import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ..statedir import StateDir

_BEGIN, _END = b"# containers of its networks:\n", b"# end of these\n"


def refresh(state: StateDir, networks: Iterable[str]) -> None:
    """Write the hosts files of all containers that are connected to one of *networks*."""
    wanted = set(networks)
    if not wanted:
        return
    with locked(state.lock_path("network", "hosts")):  # whoever writes last has seen everybody
        known = record.live(state)
        told = Told(known.values())
        for directory, document in known.items():
            if any(entry["wanted"]["network"] in wanted for entry in document["attachments"]):
                write(os.path.join(directory, "etc/hosts"), told.lines(document))


def forget(directory: str) -> None:
    """Take our part out of the hosts file of a container that is connected to nothing any more."""
    write(os.path.join(directory, "etc/hosts"), [])


class Told:
    """What the containers with the records *everybody* are told of each other.

    On a network with many all are told nearly the same, which is put together once.
    """

    def __init__(self, everybody: Iterable[Mapping[str, Any]]) -> None:
        self.others = sorted((document for document in everybody if not document.get("silent")), key=_name)
        self._blocks: dict[frozenset[str], list[tuple[str, list[str]]]] = {}

    def lines(self, document: Mapping[str, Any]) -> list[str]:
        """What the container of *document* is told: itself first, then who shares a network with it, by name."""
        own = frozenset(entry["wanted"]["network"] for entry in document["attachments"])
        if own not in self._blocks:
            self._blocks[own] = [(_name(other), _lines(other, own)) for other in self.others]
        found = _lines(document, own)
        for name, block in self._blocks[own]:
            if name != document["name"]:
                found += block
        return found


def _lines(document: Mapping[str, Any], networks: frozenset[str]) -> list[str]:
    """The addresses of a container on *networks*, and its names."""
    found = []
    for entry in document["attachments"]:
        if entry["wanted"]["network"] in networks:
            names = [*document["names"], *entry["wanted"]["aliases"]]
            found += [f"{address}\t{' '.join(dict.fromkeys(names))}" for address in record.addresses(entry)]
    return found


def _name(document: Mapping[str, Any]) -> str:
    return str(document["name"])


def merged(text: bytes, found: list[str]) -> bytes:
    """A hosts file *text* with *found* for our part of it."""
    head, begin, rest = text.partition(_BEGIN)
    _old, _end, tail = rest.partition(_END) if begin else (b"", b"", b"")
    if head and not head.endswith(b"\n"):
        head += b"\n"
    block = _BEGIN + "".join(line + "\n" for line in found).encode() + _END if found else b""
    return head + block + tail


def write(path: str, found: list[str]) -> None:
    """Put *found* into the file *path*, in place; no file is fine, its container is just being made or removed."""
    with contextlib.suppress(FileNotFoundError):
        text = read_bytes(path)
        changed = merged(text, found)
        if changed != text:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                write_all(fd, changed)
                os.ftruncate(fd, len(changed))
            finally:
                os.close(fd)
