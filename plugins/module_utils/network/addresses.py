# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets of a network, their ranges, and the fixed addresses that containers want in them. Pure."""

from __future__ import annotations

import ipaddress

from . import conflist
from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def subnet(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A subnet with room for a gateway and a container. Raises NetworkError."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        raise NetworkError(f"subnet {text!r}: {error}", step="options", obj=text) from error
    if found.num_addresses < 4:
        raise NetworkError(f"subnet {text} has no room for a gateway and a container", step="options", obj=text)
    return found


def address_range(where: str, gateway: str, ip_range: str) -> dict[str, str]:
    """A range of host-local: *where* is its subnet, *gateway* ("" for the first address) and *ip_range* in it.

    Raises NetworkError.
    """
    net = subnet(where)
    made = {"subnet": str(net), "gateway": str(net[1])}
    if gateway:
        made["gateway"] = str(_inside(net, gateway, "gateway"))
    if ip_range:
        try:
            part = ipaddress.ip_network(ip_range)
        except ValueError as error:
            raise NetworkError(f"ip_range {ip_range!r}: {error}", step="options", obj=ip_range) from error
        if part.version != net.version or not (part[0] in net and part[-1] in net):
            raise NetworkError(f"ip_range {part} does not lie in the subnet {net}", step="options", obj=ip_range)
        first, last = part[0], part[-1]
        made["rangeStart"] = str(first + 1 if first == net[0] else first)
        made["rangeEnd"] = str(last - 1 if last == net[-1] else last)
    return made


def _inside(
    net: ipaddress.IPv4Network | ipaddress.IPv6Network, text: str, what: str
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise NetworkError(f"{what} {text!r}: {error}", step="options", obj=text) from error
    if address not in net or address in (net[0], net[-1] if net.version == 4 else net[0]):
        raise NetworkError(f"{what} {address} is not an address of a host in {net}", step="options", obj=text)
    return address


def usable_addresses(document: Mapping[str, Any], addresses: list[str]) -> list[str]:
    """*addresses*, if the network has a place for all of them still; else none."""
    try:
        check_addresses(document, addresses)
    except NetworkError:
        return []
    return list(addresses)


def check_addresses(document: Mapping[str, Any], addresses: list[str]) -> None:
    """Raise NetworkError where the network has no place for a container's fixed *addresses*."""
    name = document["name"]
    if addresses and not conflist.has_capability(document, "ips"):
        raise NetworkError(
            f"network {name} has no plugin that takes fixed addresses (capability ips)",
            step="networks",
            obj=name,
            hint="Leave the address out",
        )
    ranges = conflist.ranges_of(document)
    for text in addresses if ranges else ():
        address = ipaddress.ip_address(text)
        for entry in ranges:
            net = ipaddress.ip_network(entry["subnet"])
            if address in net:
                if str(address) == entry.get("gateway", str(net[1])):
                    raise NetworkError(f"network {name}: {address} is its gateway's address", step="networks", obj=name)
                _inside(net, text, f"network {name}: address")
                low, high = (entry.get("rangeStart", str(net[1])), entry.get("rangeEnd", str(net[-1])))
                if not ipaddress.ip_address(low) <= address <= ipaddress.ip_address(high):  # type: ignore[operator]
                    raise NetworkError(
                        f"network {name}: {address} is outside of its range {low} to {high}", step="networks", obj=name
                    )
                break
        else:
            subnets = " and ".join(str(entry["subnet"]) for entry in ranges)
            raise NetworkError(
                f"network {name}: {address} does not lie in its subnet {subnets}", step="networks", obj=name
            )
