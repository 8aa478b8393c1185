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
    with locked(state.lock_path("network", "hosts")):  # whoever writes last has seen everybody
        known = record.live(state)
        for directory, document in known.items():
            if any(entry["wanted"]["network"] in wanted for entry in document["attachments"]):
                write(os.path.join(directory, "etc/hosts"), lines(document, known.values()))


def forget(directory: str) -> None:
    """Take our part out of the hosts file of a container that is connected to nothing any more."""
    write(os.path.join(directory, "etc/hosts"), [])


def lines(document: Mapping[str, Any], everybody: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the container of *document* is told: itself first, then who shares a network with it, by name."""
    own = [entry["wanted"]["network"] for entry in document["attachments"]]
    known = (other for other in everybody if other["name"] != document["name"] and not other.get("silent"))
    others = sorted(known, key=_name)
    found = []
    for member in [document, *others]:
        for entry in member["attachments"]:
            if entry["wanted"]["network"] in own:
                names = [*member["names"], *entry["wanted"]["aliases"]]
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
