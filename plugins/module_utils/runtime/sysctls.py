# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``linux.sysctl`` (runtime-spec config-linux.md, "Sysctl"; sysctl(8)): only what lies in a namespace of the
container's own, and one line of it (CVE-2022-0811)."""

from __future__ import annotations

import os

from .fields import get, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Which of them live in a namespace, and in which one; all others would change the host.
_NAMESPACES = (
    ("kernel.msg", "ipc"),
    ("kernel.sem", "ipc"),
    ("kernel.shm", "ipc"),
    ("fs.mqueue.", "ipc"),
    ("kernel.domainname", "uts"),
    ("net.", "network"),
)
_OTHER_SEPARATOR = str.maketrans("./", "/.")


def parse(document: dict[str, Any], namespaces: dict[str, str]) -> dict[str, str]:
    """Path below /proc/sys → value. Raises ConfigError."""
    found = {}
    for key, value in get(document, "linux.sysctl", dict).items():
        place = path(key)
        _check(key, place, value, namespaces)
        found[place] = value
    return found


def path(key: str) -> str:
    """Where the sysctl *key* lies below /proc/sys.

    The separator that comes first is the separator, and the other one part of a name: net/ipv4/conf/eth0.7/forwarding
    and net.ipv4.conf.eth0/7.forwarding are the same.
    """
    first = next((char for char in key if char in "./"), ".")
    return key if first == "/" else key.translate(_OTHER_SEPARATOR)


def _check(key: str, place: str, value: Any, namespaces: dict[str, str]) -> None:
    steps = any(name in ("", ".", "..") for name in place.split("/"))  # write_proc() would follow them
    if not isinstance(value, str) or "\n" in value or steps or any(char in key for char in "+=\n\0"):
        raise wrong("linux.sysctl", f"{key}={value!r} is malformed")
    dotted = place.translate(_OTHER_SEPARATOR)
    if dotted == "kernel.hostname":
        raise wrong("linux.sysctl", f"{key} is what hostname says", hint="Use hostname")
    for prefix, kind in _NAMESPACES:
        if dotted.startswith(prefix):
            joined = namespaces.get(kind)
            if joined is None or (joined and _is_ours(joined, kind)):
                raise wrong("linux.sysctl", f"{key} without a {kind} namespace would change the host")
            return
    raise wrong("linux.sysctl", f"{key} belongs to the host, not to a container", hint="Set it on the host itself")


def _is_ours(path: str, kind: str) -> bool:
    """Whether *path* is the namespace that we are in ourselves; what is not there is told when it is joined."""
    try:
        return os.path.samestat(os.stat(path), os.stat(f"/proc/self/ns/{'net' if kind == 'network' else kind}"))
    except FileNotFoundError:
        return False
