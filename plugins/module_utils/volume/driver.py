# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver ``local``, by the options that Docker's has: type, device and o, what mount(8) takes.

A volume without options is a directory. One with them is mounted on its directory when the first container wants it,
and stays so until it is removed or the host goes down.
"""

from __future__ import annotations

import errno
import os

from ..kernel.procfs import is_mounted
from .errors import VolumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..kernel.mounts import MountOptions

LOCAL = "local"
MASK = "********"
_SECRET = ("pass", "password", "password2")
_KEYS = ("type", "device", "o")
_BY_ADDRESS = ("nfs", "nfs4", "cifs", "smb3")  # addr= must be an address: the kernel resolves no names


def canonical(options: Mapping[Any, Any]) -> dict[str, str]:
    """Options of the driver as they are recorded. Raises ValueError with the reason."""
    found = {str(name): str(value) for name, value in options.items() if value not in (None, "")}
    unknown = sorted(set(found) - set(_KEYS))
    if unknown:
        raise ValueError(f"the driver local has no option {unknown[0]!r}; it has type, device and o")
    if any("\0" in value for value in found.values()):
        raise ValueError("a NUL byte is not allowed")
    if not found:
        return {}
    words = [word for word in found.get("o", "").split(",") if word]
    kind = found.get("type", "")
    if is_bind(found):
        if not found.get("device", "").startswith("/"):
            raise ValueError("a bind mount needs device, the absolute path of a directory of the host")
    elif kind in ("", "none"):
        raise ValueError("type is missing: what file system is to be mounted? (with o: bind, a directory of the host)")
    elif kind != "tmpfs" and not found.get("device"):
        raise ValueError(f"type {kind} needs device: what is to be mounted")
    if words:
        found["o"] = ",".join(words)
    return found


def shown(options: Mapping[str, str]) -> dict[str, str]:
    """*options* for people: a password among those of mount(8), which cifs takes, is masked."""
    found = dict(options)
    if "o" in found:
        words = (word.partition("=") for word in found["o"].split(","))
        found["o"] = ",".join(
            f"{name}={MASK}" if name in _SECRET else f"{name}{equals}{value}" for name, equals, value in words
        )
    return found


def is_bind(options: Mapping[str, str]) -> bool:
    return bool({"bind", "rbind"} & set(options.get("o", "").split(",")))


def mount(options: Mapping[str, str], target: str) -> None:
    """Mount what *options* (canonical) say on the directory *target*, unless it is there. Raises VolumeError."""
    from ..kernel import mounts, syscalls

    if not options or is_mounted(target):
        return
    parsed, source, kind = arguments(options)
    place = os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if parsed.is_bind:
            if not os.path.isdir(source):
                raise NotADirectoryError(errno.ENOTDIR, "there is no such directory", source)
            mounts.bind(source, place, parsed)
        else:
            syscalls.mount(source, f"/proc/self/fd/{place}", kind, parsed.flags, parsed.data or None)
    except OSError as error:
        raise VolumeError.of(
            error,
            f"cannot mount {kind or 'bind'} {source}",
            step="mount",
            obj=target,
            hint="Correct device and o of its driver_options",
        ) from error
    finally:
        os.close(place)


def arguments(options: Mapping[str, str]) -> tuple[MountOptions, str, str]:
    """(mount options, source, file system type) of mount(2) for canonical *options*. Raises VolumeError."""
    from ..kernel.mounts import MountOptions

    kind = options.get("type", "")
    words = [word for word in options.get("o", "").split(",") if word]
    if kind in _BY_ADDRESS:
        words = [_resolved(word) for word in words]
    source = options.get("device") or kind
    return MountOptions(words), source, "" if is_bind(options) else kind


def _resolved(word: str) -> str:
    name, _equals, value = word.partition("=")
    if name != "addr":
        return word
    import socket

    try:
        return f"addr={socket.getaddrinfo(value, None, proto=socket.IPPROTO_TCP)[0][4][0]}"
    except OSError as error:
        raise VolumeError(
            f"cannot find the address of {value}: {error.strerror}", step="mount", obj=value, hint="Correct addr in o"
        ) from error


def unmount(target: str) -> None:
    """Unmount whatever is mounted on *target*. Raises VolumeError while something uses it."""
    from ..kernel import syscalls

    while is_mounted(target):
        try:
            syscalls.umount2(target, 0)
        except OSError as error:
            raise VolumeError.of(
                error, "cannot unmount it", step="mount", obj=target, hint="End what has files of it open"
            ) from error
