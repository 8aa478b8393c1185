# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``init``: what becomes the container's process 1.

Our own runtime brings it (runtime/reaper.py) for the machines that are most used. Where another runtime makes the
container, and on other machines, it is a program of the host, as Docker and podman have it.
"""

from __future__ import annotations

import os
import struct

from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TARGET = "/dev/init"  # where the host's program is found in the container: nothing of the image is there
_PLACES = (
    *("/usr/bin/catatonit", "/usr/libexec/podman/catatonit", "/usr/libexec/catatonit/catatonit"),
    *("/usr/libexec/docker/docker-init", "/usr/bin/docker-init", "/usr/bin/tini-static", "/usr/bin/tini"),
)
_PT_INTERP = 3  # elf(5)


def ours(options: Mapping[str, Any], machine: str) -> bool:
    """Whether the runtime itself brings it."""
    from ..runtime import reaper

    return bool(options.get("init")) and not options.get("runtime") and reaper.supported(machine)


def find(options: Mapping[str, Any], machine: str) -> str:
    """The host's program; "" where none is needed. Raises ContainerError where one is, and there is none."""
    if not options.get("init") or ours(options, machine):
        return ""
    for path in _PLACES:
        if os.access(path, os.X_OK) and _is_static(path):
            return path
    why = f"with runtime: {options['runtime']}" if options.get("runtime") else f"on a machine of type {machine}"
    raise ContainerError(
        f"init: {why} a program of the host is needed, and there is none",
        step="init",
        obj="init",
        hint="Install catatonit or tini on the host",
    )


def _is_static(path: str) -> bool:
    """Whether the program runs where no library of the host's is."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if head[:4] != b"\x7fELF" or len(head) < 64:
        return False
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    start = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    kinds = [struct.unpack_from(order + "I", head, start + size * number)[0] for number in range(count)]
    return _PT_INTERP not in kinds
