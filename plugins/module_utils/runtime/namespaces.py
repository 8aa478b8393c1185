# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces: joined by path, or new (namespaces(7), user_namespaces(7))."""

from __future__ import annotations

import errno
import fcntl
import os

from ..kernel import syscalls
from .config import NAMESPACES
from .errors import RuntimeFault
from .fork import unshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .channel import Channel
    from .config import Config

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def open_joined(config: Config) -> dict[str, int]:
    """Descriptors of the namespaces that are joined by path, opened while the host's /proc is still ours."""
    opened = {}
    for kind, path in config.namespaces.items():
        if path:
            try:
                opened[kind] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise RuntimeFault.of(
                    error,
                    f"linux.namespaces: cannot open the {kind} namespace {path}",
                    step="namespaces",
                    obj=path,
                ) from error
    return opened


def learn_maps(config: Config) -> None:
    """Give *config* the id maps of the user namespace that it joins. Raises RuntimeFault.

    The specification has no place for uidMappings next to a path, but engines write them there: as in runc they are
    taken where they are true, and an error where they are not, since what is mounted and owned would go by them.
    """
    from ..kernel import idmap

    path = config.namespaces["user"]
    try:
        userns = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            actual = idmap.maps_of(userns)
        finally:
            os.close(userns)
    except OSError as error:
        raise _cannot_join("user", error) from error
    for name, declared, found in zip(("uid", "gid"), (config.uid_mappings, config.gid_mappings), actual):
        if declared and sorted(declared) != found:
            shown = ", ".join("{} {} {}".format(*entry) for entry in found)
            raise RuntimeFault(
                f"linux.{name}Mappings: the user namespace {path} maps otherwise: {shown}",
                step="namespaces",
                obj=f"linux.{name}Mappings",
                hint=f"Leave {name}Mappings out: a namespace that is joined has its own",
            )
    config.uid_mappings, config.gid_mappings = actual


def enter(config: Config, joined: dict[str, int], channel: Channel, *, inside: Collection[str] = ()) -> None:
    """Join and unshare, so that a fork afterwards is inside all of them.

    A new user namespace comes alone and before the other new ones, so that it owns them. *inside* are the kinds that
    we are in already.
    """
    join(joined)
    if config.namespaces.get("user") == "":
        unshare(("user",))
        channel.ask({"map": os.getpid()})  # sync 2: the parent writes our id maps
        _become_root()
    unshare([kind for kind, path in config.namespaces.items() if not path and kind not in ("user", *inside)])


def join(namespaces: dict[str, int]) -> None:
    """Join the *namespaces* (kind → descriptor, closed then).

    Three passes: what needs the host's privilege first, then the user namespace, then what needs its privilege.
    """
    waiting = {kind: fd for kind, fd in namespaces.items() if kind != "user"}
    for kind, fd in list(waiting.items()):
        try:
            syscalls.setns(fd, NAMESPACES[kind])
        except OSError as error:
            if error.errno != errno.EPERM or "user" not in namespaces:
                raise _cannot_join(kind, error) from error
        else:
            del waiting[kind]
    if "user" in namespaces:
        waiting = {"user": namespaces["user"], **waiting}
    for kind, fd in waiting.items():
        try:
            syscalls.setns(fd, NAMESPACES[kind])
        except OSError as error:
            raise _cannot_join(kind, error) from error
        if kind == "user":
            _become_root()
    for fd in namespaces.values():
        os.close(fd)


def _cannot_join(kind: str, error: OSError) -> RuntimeFault:
    return RuntimeFault.of(
        error,
        f"linux.namespaces: cannot join the {kind} namespace",
        step="namespaces",
        obj=kind,
        hint=f"Its path leads to something else than a {kind} namespace" if error.errno == errno.EINVAL else "",
    )


def _become_root() -> None:
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def loopback_up() -> None:
    """Bring ``lo`` up in a fresh network namespace (netdevice(7))."""
    import _socket

    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        request = bytearray(b"lo".ljust(40, b"\0"))  # struct ifreq
        fcntl.ioctl(control.fileno(), _SIOCGIFFLAGS, request)
        request[16] |= _IFF_UP
        fcntl.ioctl(control.fileno(), _SIOCSIFFLAGS, request)
    finally:
        control.close()
