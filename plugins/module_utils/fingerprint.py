# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one content of the core from another: on the controller, in a task's archive and on the host the same."""

from __future__ import annotations

import hashlib
import os
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LIST = "contents.py"  # only Ansible reads that one, to send the core along with a module: no copy has it


def fingerprint(files: Iterable[tuple[str, int, int]]) -> str:
    """The name of the core's copy on a host: of *files* (path below the core, CRC-32, bytes), 32 hexadecimal digits.

    The CRCs are those that a zip archive has ready: nobody needs to read seventy files for them in every task. Empty
    files do not count: Ansible adds some.
    """
    lines = sorted(f"{name} {crc:08x}{size:x}\n" for name, crc, size in files if size)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def of_tree(top: str) -> str:
    """The same of the core that lies unpacked in the directory *top*. Raises OSError."""
    return fingerprint(described(path, top) for path in python_files(top))


def python_files(top: str) -> list[str]:
    """The paths of all Python files below *top*."""
    return [
        os.path.join(directory, name)
        for directory, _below, names in os.walk(top)
        for name in names
        if name.endswith(".py")
    ]


def described(path: str, top: str) -> tuple[str, int, int]:
    """One file as :func:`fingerprint` takes it."""
    with open(path, "rb") as file:
        data = file.read()
    return os.path.relpath(path, top), zlib.crc32(data), len(data)
