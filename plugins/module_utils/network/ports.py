# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host that containers publish: which are free, and which a container gets.

A wanted port is a dictionary: ``ip`` ("" for all addresses of the host), ``host`` (a number, a range ``LOW-HIGH`` to
choose from, "" for any), ``container`` and ``protocol``. A chosen one is an entry of CNI's ``portMappings``.
"""

from __future__ import annotations

import errno
import socket
from collections import namedtuple

from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

# A port of the host that the container *holder* has.
Used = namedtuple("Used", "ip port protocol holder")

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_ATTEMPTS = 200


def used_by(records: Iterable[Mapping[str, Any]]) -> list[Used]:
    """What the containers of *records* (record.py) publish."""
    return [
        Used(mapping.get("hostIP", ""), mapping["hostPort"], mapping["protocol"], document["name"])
        for document in records
        for attachment in document["attachments"]
        for mapping in attachment["runtime"].get("portMappings", ())
    ]


def choose(
    wanted: list[dict[str, str]], used: list[Used], kept: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """A port of the host for each of *wanted*, where possible the one in *kept*.

    *used* are those of other containers. Raises NetworkError that says who has a port.
    """
    taken = list(used)
    found = []
    for want in wanted:
        number = _choose(want, taken, kept)
        taken.append(Used(want["ip"], number, want["protocol"], "this container itself"))
        mapping = {"hostPort": number, "containerPort": int(want["container"]), "protocol": want["protocol"]}
        found.append({**mapping, "hostIP": want["ip"]} if want["ip"] else mapping)
    return found


def _choose(want: dict[str, str], taken: list[Used], kept: Iterable[Mapping[str, Any]]) -> int:
    ip, protocol = want["ip"], want["protocol"]
    low, dash, high = want["host"].partition("-")
    if low and not dash:
        number = int(low)
        why = _obstacle(ip, number, protocol, taken)
        if why:
            raise NetworkError(
                f"published_ports: port {number}/{protocol}{f' of {ip}' if ip else ''} is taken: {why}",
                step="ports",
                obj=f"{number}/{protocol}",
                hint="Publish another port, or stop what has it",
            )
        return number
    numbers = range(int(low), int(high) + 1) if low else None
    for mapping in kept:  # the one it had before, so that it does not wander
        number = mapping["hostPort"]
        same = (mapping["containerPort"], mapping["protocol"]) == (int(want["container"]), protocol)
        if same and (numbers is None or number in numbers) and not _obstacle(ip, number, protocol, taken):
            return int(number)
    for number in numbers if numbers is not None else _random(ip, protocol):
        if not _obstacle(ip, number, protocol, taken):
            return int(number)
    raise NetworkError(
        f"published_ports: none of the ports {want['host'] or 'of the host'}/{protocol} is free",
        step="ports",
        obj=f"{want['host']}/{protocol}",
    )


def _random(ip: str, protocol: str) -> Iterable[int]:
    """Ports that the kernel gives to whoever names none."""
    for _attempt in range(_ATTEMPTS):
        with socket.socket(_family(ip), _KINDS.get(protocol, socket.SOCK_STREAM)) as probe:
            probe.bind((ip, 0))
            number = probe.getsockname()[1]
        yield number


def _obstacle(ip: str, number: int, protocol: str, taken: list[Used]) -> str:
    """Who has the port; "" if nobody has."""
    for used in taken:
        if (used.port, used.protocol) == (number, protocol) and (used.ip == ip or not used.ip or not ip):
            return used.holder if " " in used.holder else f"container {used.holder} publishes it"
    if protocol not in _KINDS:
        return ""
    try:
        with socket.socket(_family(ip), _KINDS[protocol]) as probe:
            if protocol == "tcp":  # else one that was closed a minute ago would count
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((ip, number))
            if protocol == "tcp":
                probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "a process of the host uses it"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"the host has no address {ip}"
        raise NetworkError.of(error, f"published_ports: port {number}/{protocol}", step="ports") from error
    return ""


def _family(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET
