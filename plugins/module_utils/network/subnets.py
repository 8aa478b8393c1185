# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets and bridge names that nothing on this host uses."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import struct

from ..kernel.files import read_text
from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Union

    Net = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# Where other programs keep their networks: CNI's own place, podman's (both of its kinds).
_OTHERS = ("/etc/cni/net.d", "/etc/containers/networks")
# Between the ranges that Docker (172.17 to 172.31, 192.168) and podman (10.88, 10.89) take for themselves.
_POOLS = ("10.90.0.0/15", "10.92.0.0/14", "10.96.0.0/11", "172.16.0.0/12", "192.168.0.0/16")
_DEFAULT_BITS, _BITS = 16, 24
_BRIDGE = "aoci"


def free(taken: Iterable[Net], bits: int) -> str:
    """The first IPv4 subnet of *bits* that overlaps none of *taken*. Raises NetworkError."""
    used = [net for net in taken if net.version == 4]
    for pool in _POOLS:
        block = ipaddress.ip_network(pool)
        if block.prefixlen > bits:
            continue
        for candidate in block.subnets(new_prefix=bits):
            if not any(candidate.overlaps(net) for net in used):
                return str(candidate)
    raise NetworkError("no subnet is free on this host", step="subnet", hint="Declare the subnet of the network")


def choose(taken: Iterable[Net], *, default: bool) -> str:
    """A subnet for the network of containers that name none (*default*), or for another."""
    return free(taken, _DEFAULT_BITS if default else _BITS)


def choose_v6(taken: Iterable[Net]) -> str:
    """A subnet of unique local addresses (RFC 4193: 40 random bits)."""
    used = [net for net in taken if net.version == 6]
    while True:
        candidate = ipaddress.IPv6Network((b"\xfd" + os.urandom(5) + bytes(10), 64))
        if not any(candidate.overlaps(net) for net in used):
            return str(candidate)


def of_conflist(document: Any) -> Iterator[Net]:
    """Every subnet that is named anywhere in a network's configuration, whoever wrote it."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "subnet" and isinstance(value, str):
                try:
                    yield ipaddress.ip_network(value, strict=False)
                except ValueError:
                    continue
            else:
                yield from of_conflist(value)
    elif isinstance(document, list):
        for value in document:
            yield from of_conflist(value)


def of_others() -> list[Net]:
    """The subnets of the networks that other programs have on this host."""
    found: list[Net] = []
    for directory in _OTHERS:
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            if name.endswith((".conflist", ".conf", ".json")):
                try:
                    found += of_conflist(json.loads(read_text(os.path.join(directory, name))))
                except ValueError:
                    continue  # no configuration, whatever it is
    return found


def of_routes() -> list[Net]:
    """What this host has routes to, less the default route (/proc/net/route and ipv6_route)."""
    found: list[Net] = []
    for line in _lines("/proc/net/route")[1:]:
        fields = line.split()
        if int(fields[7], 16):
            address, mask = (socket.inet_ntoa(struct.pack("=I", int(fields[place], 16))) for place in (1, 7))
            found.append(ipaddress.IPv4Network((address, mask), strict=False))
    for line in _lines("/proc/net/ipv6_route"):
        fields = line.split()
        if int(fields[1], 16) and fields[9] != "lo":
            found.append(ipaddress.IPv6Network((bytes.fromhex(fields[0]), int(fields[1], 16)), strict=False))
    return found


def _lines(path: str) -> list[str]:
    try:
        return read_text(path).splitlines()
    except FileNotFoundError:  # a kernel without the protocol
        return []


def bridge_name(used: Iterable[str]) -> str:
    """The first of aoci0, aoci1 … that is neither *used* nor a device of this host."""
    known = {*used, *(name for _index, name in socket.if_nameindex())}
    number = 0
    while f"{_BRIDGE}{number}" in known:
        number += 1
    return f"{_BRIDGE}{number}"
