# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what users write of a container's network to canonical values (see values.py), with Docker's spellings.

Ports are canonical as ``IP:HOST:CONTAINER/PROTOCOL``: IP in brackets where it is an IPv6 address, nothing where it is
all addresses; HOST a number, a range to choose from, or nothing for any.
"""

from __future__ import annotations

from .netmode import DEFAULT_MODE
from .values import hostname, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_PROTOCOLS = ("tcp", "udp", "sctp")
_SYNONYMS = {"default": "bridge", "private": "bridge"}  # Docker's and podman's words for the network by default
_FOREIGN = ("slirp4netns", "pasta", "service", "pod")


def network_mode(value: object) -> str:
    """``none``, ``host``, ``bridge``, ``container:NAME``, ``ns:/PATH``, or names of networks, joined by commas.

    A list is how podman_container has it.
    """
    items = value if isinstance(value, list) else [value]
    names: list[str] = []
    for item in items:
        if not isinstance(item, str):
            raise ValueError(f"{item!r} is not a string")
        names += [part.strip() for part in text(item).split(",")] if not item.startswith("ns:") else [text(item)]
    if not all(names):
        raise ValueError("a name is empty")
    names = [_SYNONYMS.get(name, name) for name in names]
    for name in names:
        kind, colon, rest = name.partition(":")
        if kind in _FOREIGN:
            raise ValueError(f"{name!r} is not supported; bridge, none, host, container:NAME and ns:/PATH are")
        if kind == "container" and not rest:
            raise ValueError(f"{name!r} names no container")
        if kind == "ns" and not rest.startswith("/"):
            raise ValueError(f"{name!r} has no absolute path")
        if colon and kind not in ("container", "ns"):
            raise ValueError(f"{name!r}: settings of a network belong in the option networks")
        if len(names) > 1 and (colon or name in ("none", "host")):
            raise ValueError(f"{name!r} cannot be combined with others")
    if len(set(names)) < len(names):
        raise ValueError("a network is named twice")
    return ",".join(names) or DEFAULT_MODE


def networks(value: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The dictionaries of the option ``networks``, in their order: the first one has the default route."""
    found: list[dict[str, Any]] = []
    for item in value:
        name = text(item["name"])
        if not name or name in ("none", "host") or ":" in name or "," in name:
            raise ValueError(f"{name!r} is not the name of a network")
        name = _SYNONYMS.get(name, name)
        if any(entry["name"] == name for entry in found):
            raise ValueError(f"{name} is given twice")
        entry: dict[str, Any] = {"name": name}
        for family, version in (("ipv4_address", 4), ("ipv6_address", 6)):
            if item.get(family):
                entry[family] = _address(item[family], version)
        if item.get("aliases"):
            entry["aliases"] = sorted({hostname(text(alias)) for alias in item["aliases"]})
        if item.get("mac_address"):
            entry["mac_address"] = mac_address(item["mac_address"])
        found.append(entry)
    return found


def mac_address(value: str) -> str:
    """Six bytes in hexadecimal digits, with colons or dashes, of one device."""
    parts = text(value).lower().replace("-", ":").split(":")
    if len(parts) != 6 or not all(len(part) == 2 and not set(part) - set("0123456789abcdef") for part in parts):
        raise ValueError(f"{value!r} is not a MAC address such as 02:00:00:00:00:01")
    if int(parts[0], 16) & 1:
        raise ValueError(f"{value!r} is the address of a group, not of a device")
    return ":".join(parts)


def published_ports(value: Iterable[object]) -> list[str]:
    """``[[IP:][HOST]:]CONTAINER[/PROTOCOL]`` with ranges, each range taken apart."""
    found: dict[str, None] = {}
    for item in value:
        for port in _published(text(item)):
            if _on_host(port) and any(_on_host(port) == _on_host(other) for other in found if other != port):
                raise ValueError(f"port {_on_host(port)} of the host is given twice")
            found[port] = None
    return sorted(found)


def _published(item: str) -> list[str]:
    rest, protocol = _protocol(item)
    head, _colon, container = rest.rpartition(":")
    ip, host = "", head
    if head.startswith("["):
        ip, bracket, host = head[1:].partition("]")
        if not bracket or not host.startswith(":"):
            raise ValueError(f"{item!r} is not [IP]:HOST:CONTAINER")
        host = host[1:]
        ip = _host_ip(ip, item)
    elif ":" in head:
        ip, _colon, host = head.rpartition(":")
        ip = _host_ip(ip, item)
    first, last = _range(container, item)
    if not host:
        return [_port(ip, "", number, protocol) for number in range(first, last + 1)]
    low, high = _range(host, item)
    if first == last and low != high:
        return [_port(ip, f"{low}-{high}", first, protocol)]
    if high - low != last - first:
        raise ValueError(f"{item!r}: the two ranges have not the same length")
    return [_port(ip, str(low + number), first + number, protocol) for number in range(last - first + 1)]


def _port(ip: str, host: str, container: int, protocol: str) -> str:
    return f"{f'[{ip}]' if ':' in ip else ip}:{host}:{container}/{protocol}"


def _on_host(port: str) -> str:
    """What a canonical port takes of the host; "" where that is yet to be chosen."""
    head, slash, protocol = port.rpartition("/")
    ip_and_host = head.rpartition(":")[0]
    host = ip_and_host.rpartition(":")[2]
    return f"{ip_and_host.lstrip(':')}{slash}{protocol}" if host.isdigit() else ""


def split_port(port: str) -> dict[str, str]:
    """A canonical port taken apart: ``ip``, ``host``, ``container``, ``protocol``."""
    head, _slash, protocol = port.rpartition("/")
    ip_and_host, _colon, container = head.rpartition(":")
    ip, _colon, host = ip_and_host.rpartition(":")
    return {"ip": ip.strip("[]"), "host": host, "container": container, "protocol": protocol}


def _host_ip(value: str, item: str) -> str:
    import ipaddress

    if not value:
        return ""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{item!r}: {value!r} is not an IP address") from None
    if address.version == 6 and address.is_loopback:
        raise ValueError(f"{item!r}: Linux forwards nothing that is sent to ::1; publish on 127.0.0.1")
    return "" if address.is_unspecified else str(address)


def exposed_ports(value: Iterable[object]) -> list[str]:
    """``PORT[/PROTOCOL]`` with ranges, as ``NUMBER/PROTOCOL``."""
    found: set[str] = set()
    for item in value:
        ports, protocol = _protocol(text(item))
        first, last = _range(ports, text(item))
        found.update(f"{number}/{protocol}" for number in range(first, last + 1))
    return sorted(found, key=lambda port: (int(port.partition("/")[0]), port))


def _protocol(item: str) -> tuple[str, str]:
    rest, slash, protocol = item.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in _PROTOCOLS:
        raise ValueError(f"{item!r}: there is no protocol {protocol!r}; there are {', '.join(_PROTOCOLS)}")
    return rest, protocol


def _range(value: str, item: str) -> tuple[int, int]:
    low, dash, high = value.partition("-")
    high = high if dash else low
    for number in (low, high):
        if not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= 65535:
            raise ValueError(f"{item!r}: {number!r} is not a port from 1 to 65535")
    if int(low) > int(high):
        raise ValueError(f"{item!r}: the range {value} ends before it begins")
    return int(low), int(high)


def _address(value: object, version: int = 0) -> str:
    import ipaddress

    try:
        address = ipaddress.ip_address(text(value))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None
    if version and address.version != version:
        raise ValueError(f"{value!r} is not an IPv{version} address")
    return str(address)


def addresses(value: Iterable[object]) -> list[str]:
    """IP addresses whose order matters."""
    return list(dict.fromkeys(_address(item) for item in value))


def words(value: Iterable[object]) -> list[str]:
    """Words of a line of resolv.conf(5), whose order matters."""
    found = []
    for item in value:
        word = text(item)
        if not word or word.split() != [word]:
            raise ValueError(f"{word!r} is not one word")
        found.append(word)
    return list(dict.fromkeys(found))


def etc_hosts(value: object) -> dict[str, str]:
    """Host name → IP address, or ``host-gateway`` for the host itself; also a list of ``NAME:ADDRESS``."""
    items: Iterable[tuple[object, object]]
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and all(":" in str(item) or "=" in str(item) for item in value):
        items = [_host_line(text(item)) for item in value]
    else:
        raise ValueError("must be a dictionary from names to addresses, or a list of NAME:ADDRESS")
    found: dict[str, str] = {}
    for name, address in items:
        one = "host-gateway" if address == "host-gateway" else _address(address)
        if found.setdefault(hostname(text(name)), one) != one:
            raise ValueError(f"{name} is given twice")
    return found


def _host_line(item: str) -> tuple[str, str]:
    """``NAME:ADDRESS`` or ``NAME=ADDRESS``; an IPv6 address may be in brackets."""
    end = min(place for place in (item.find(":"), item.find("=")) if place >= 0)
    return item[:end], item[end + 1 :].removeprefix("[").removesuffix("]")
