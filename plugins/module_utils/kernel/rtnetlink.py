# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices by netlink messages (rtnetlink(7), netlink(7)): just enough to hand one to another namespace."""

from __future__ import annotations

import _socket
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/netlink.h
_AF_NETLINK = 16
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP, _NLM_F_EXCL, _NLM_F_CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
# linux/rtnetlink.h
_RTM_DELLINK, _RTM_GETLINK, _RTM_SETLINK, _RTM_NEWADDR, _RTM_GETADDR = 17, 18, 19, 20, 22
_RT_SCOPE_UNIVERSE = 0
# linux/if_link.h, linux/if_addr.h, net/if.h
_IFLA_IFNAME, _IFLA_NET_NS_FD = 3, 28
_IFA_FLAGS = 8
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_RT_PRIORITY = 1, 2, 4, 9
_IFA_KEPT = (_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_RT_PRIORITY)
_IFA_F_PERMANENT = 0x80
_IFA_F_KEPT = 0x02 | 0x200 | 0x400  # NODAD, NOPREFIXROUTE, MCAUTOJOIN: what somebody chose; the rest is state
_IFF_UP = 1

_HEADER, _LINK, _ADDRESS = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=BBBBI")


class Link:
    """A network device: its ``index`` and ``name`` in its namespace, and whether it is ``up``."""

    __slots__ = ("index", "name", "up")

    def __init__(self, index: int, name: str, up: bool) -> None:
        self.index = index
        self.name = name
        self.up = up


class Address:
    """A permanent address of global scope, as :meth:`Rtnetlink.add_address` takes it."""

    __slots__ = ("_attributes", "_head")

    def __init__(self, head: tuple[int, int], attributes: bytes) -> None:
        self._head = head
        self._attributes = attributes

    def message(self, index: int) -> bytes:
        family, prefix = self._head
        return _ADDRESS.pack(family, prefix, 0, _RT_SCOPE_UNIVERSE, index) + self._attributes


class Rtnetlink:
    """A socket to the network namespace it was opened in, whichever we are in later. Methods raise OSError."""

    def __init__(self) -> None:
        self._socket = _socket.socket(_AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def links(self) -> dict[int, Link]:
        """Every device, by index."""
        found = {}
        for body in self._ask(_RTM_GETLINK, _NLM_F_DUMP, _LINK.pack(0, 0, 0, 0, 0)):
            _family, _kind, index, flags, _change = _LINK.unpack_from(body)
            attributes = _attributes(body[_LINK.size :])
            name = attributes[_IFLA_IFNAME].rstrip(b"\0").decode("utf-8", "surrogateescape")
            found[index] = Link(index, name, bool(flags & _IFF_UP))
        return found

    def addresses(self, index: int) -> list[Address]:
        """What somebody gave the device for good, for the whole world: its addresses of permanent and global kind."""
        found = []
        for body in self._ask(_RTM_GETADDR, _NLM_F_DUMP, _ADDRESS.pack(0, 0, 0, 0, 0)):
            family, prefix, flags, scope, where = _ADDRESS.unpack_from(body)
            attributes = _attributes(body[_ADDRESS.size :])
            if _IFA_FLAGS in attributes:
                flags = struct.unpack("=I", attributes[_IFA_FLAGS])[0]
            if where == index and scope == _RT_SCOPE_UNIVERSE and flags & _IFA_F_PERMANENT:
                kept = [_attribute(kind, attributes[kind]) for kind in _IFA_KEPT if kind in attributes]
                kept.append(_attribute(_IFA_FLAGS, struct.pack("=I", flags & _IFA_F_KEPT)))
                found.append(Address((family, prefix), b"".join(kept)))
        return found

    def add_address(self, index: int, address: Address) -> None:
        """Give the device *address*."""
        self._ask(_RTM_NEWADDR, _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_EXCL, address.message(index))

    def move(self, index: int, namespace: int, name: str) -> None:
        """Hand the device to the network namespace of the descriptor *namespace*, as *name* there (``eth%d``: any)."""
        body = _LINK.pack(0, 0, index, 0, 0)
        body += _attribute(_IFLA_NET_NS_FD, struct.pack("=I", namespace))
        body += _attribute(_IFLA_IFNAME, os.fsencode(name) + b"\0")
        self._ask(_RTM_SETLINK, _NLM_F_ACK, body)

    def set_up(self, index: int) -> None:
        """Switch the device on."""
        self._ask(_RTM_SETLINK, _NLM_F_ACK, _LINK.pack(0, 0, index, _IFF_UP, _IFF_UP))

    def delete(self, index: int) -> None:
        """Remove the device, of a kind that can be made and removed."""
        self._ask(_RTM_DELLINK, _NLM_F_ACK, _LINK.pack(0, 0, index, 0, 0))

    def _ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        self._sequence += 1
        message = _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | flags, self._sequence, 0) + body
        self._socket.send(message)
        answers: list[bytes] = []
        while True:
            for answer, content in _messages(self._socket.recv(1 << 16)):
                if answer == _NLMSG_DONE:
                    return answers
                if answer == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", content)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                    return answers
                answers.append(content)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
