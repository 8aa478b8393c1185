# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``linux.netDevices``: devices of the host that the container gets (runtime-spec config-linux.md, "Network Devices").

The creating process moves them while the container's first process waits: in a user namespace that one has no
privilege over the host's devices. Until the container is made they can be given back.
"""

from __future__ import annotations

import errno
import os

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.rtnetlink import Address, Link, Rtnetlink
from .errors import RuntimeFault
from .fields import get, text, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME_SIZE = 15  # IFNAMSIZ less the NUL, linux/if.h


def parse(document: dict[str, Any], namespaces: dict[str, str]) -> dict[str, str]:
    """Name on the host → name in the container. Raises ConfigError."""
    where = "linux.netDevices"
    if "network" not in namespaces:
        raise wrong(where, "there is no network namespace to move devices into", hint='Add {"type": "network"}')
    found: dict[str, str] = {}
    for name, entry in get(document, where, dict).items():
        place = f"{where}.{name}"
        if not isinstance(entry, dict):
            raise wrong(place, f"expected an object, found {entry!r}")
        inside = text(entry, "name", "", where=place) or name
        _check(name, place)
        template = inside.endswith("%d")  # the kernel puts a number there
        _check(inside[:-2] + "0" if template else inside, f"{place}.name")
        if not template and inside in found.values():
            raise wrong(f"{place}.name", f"{inside!r} is there twice")
        found[name] = inside
    return found


def _check(name: str, place: str) -> None:
    if not name.isprintable() or not 0 < len(os.fsencode(name)) <= _NAME_SIZE or any(char in "/:% " for char in name):
        raise wrong(place, f"{name!r} is not the name of a network device")
    if name in (".", ".."):
        raise wrong(place, f"{name!r} is not the name of a network device")


class Handover:
    """Devices on their way from our network namespace to a container's; nothing is moved yet."""

    def __init__(self) -> None:
        self._ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._theirs = -1
        self._here = Rtnetlink()
        self._there: Rtnetlink | None = None
        self._moved: list[tuple[Link, int, list[Address]]] = []  # as it was here, its index there, its addresses

    def move(self, devices: dict[str, str], pid: int) -> None:
        """Move *devices* to the network namespace of process *pid* and switch them on. Raises RuntimeFault."""
        self._theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if os.path.samestat(os.fstat(self._ours), os.fstat(self._theirs)):
            message = "linux.netDevices: the container has the host's network namespace: there is nowhere to move to"
            raise RuntimeFault(message, step="netDevices", obj="linux.netDevices")
        syscalls.setns(self._theirs, c.CLONE_NEWNET)  # a socket stays with the namespace it was made in
        try:
            there = Rtnetlink()
        finally:
            syscalls.setns(self._ours, c.CLONE_NEWNET)
        self._there = there
        known = {link.name: link for link in self._here.links().values()}
        for name in devices:
            if name not in known:
                raise RuntimeFault(
                    f"linux.netDevices.{name}: the host has no such network device", step="netDevices", obj=name
                )
        for name, inside in devices.items():
            try:
                self._move_one(known[name], there, inside)
            except OSError as error:
                raise RuntimeFault.of(
                    error,
                    f"linux.netDevices.{name}: cannot make it {inside} of the container",
                    step="netDevices",
                    obj=name,
                ) from error

    def _move_one(self, link: Link, there: Rtnetlink, inside: str) -> None:
        addresses = self._here.addresses(link.index)  # the kernel takes them away on the way
        before = there.links()
        if any(other.name == inside for other in before.values()):
            # The kernel would refuse the name only when the device has gone over already.
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        try:
            self._here.move(link.index, self._theirs, inside)
        finally:
            arrived = _arrived(there, before)
            if arrived:
                self._moved.append((link, arrived, addresses))
        for address in addresses:
            there.add_address(arrived, address)
        there.set_up(arrived)

    def give_back(self) -> None:
        """Put everything back as it was: the container is not to be. Raises OSError."""
        if self._there is None:
            return
        for link, index, addresses in reversed(self._moved):
            before = self._here.links()
            self._there.move(index, self._ours, link.name)
            back = _arrived(self._here, before)
            for address in addresses:
                self._here.add_address(back, address)
            if link.up:
                self._here.set_up(back)

    def close(self) -> None:
        """Let go of both namespaces."""
        self._here.close()
        if self._there is not None:
            self._there.close()
        os.close(self._ours)
        if self._theirs >= 0:
            os.close(self._theirs)


def _arrived(where: Rtnetlink, before: dict[int, Link]) -> int:
    """The index of the device that is in the namespace of *where* and was not *before*; 0 when there is none."""
    return next((index for index in where.links() if index not in before), 0)
