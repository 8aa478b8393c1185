# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of ``docker inspect`` that tells of networks: NetworkSettings. Read from the container's record alone."""

from __future__ import annotations

import json
import os

from ..kernel.files import read_bytes
from . import netmode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

_V4 = ("IPAddress", "IPPrefixLen", "Gateway")
_V6 = ("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway")


def network_settings(record: Record, exposed: Mapping[str, Any], running: bool) -> dict[str, Any]:
    """NetworkSettings of the container; *exposed* is its Config.ExposedPorts."""
    options = record.spec["options"]
    kind = netmode.kind(options)
    if kind != netmode.NETWORKS:
        return {"Networks": {netmode.mode(options): {}} if kind != netmode.JOINED else {}, "Ports": {}}
    document: dict[str, Any] = _load(record) if running else {"namespace": "", "attachments": []}
    entries = {entry["wanted"]["network"]: entry for entry in document["attachments"]}
    found = {want["network"]: _endpoint(want, entries.get(want["network"])) for want in netmode.wanted(record.spec)}
    found.update({name: _endpoint(entry["wanted"], entry) for name, entry in entries.items() if name not in found})
    ports: dict[str, Any] = dict.fromkeys(exposed)
    for entry in entries.values():
        for mapping in entry["runtime"].get("portMappings", ()):
            key = f"{mapping['containerPort']}/{mapping['protocol']}"
            shown = {"HostIp": mapping.get("hostIP") or "0.0.0.0", "HostPort": str(mapping["hostPort"])}
            ports[key] = [*(ports.get(key) or []), shown]
    first = next(iter(found.values()), {})
    return {
        **{name: first.get(name, "") for name in (*_V4, *_V6, "MacAddress")},
        "SandboxKey": document["namespace"],
        "Networks": found,
        "Ports": ports,
    }


def _load(record: Record) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(read_bytes(os.path.join(record.path, "network.json")))
    except FileNotFoundError:
        return {"namespace": "", "attachments": []}
    return document


def _endpoint(want: Mapping[str, Any], entry: Mapping[str, Any] | None) -> dict[str, Any]:
    """One network as Docker shows it: what was asked for, and what it came to."""
    fixed = {("IPv6Address" if ":" in address else "IPv4Address"): address for address in want["ips"]}
    found: dict[str, Any] = {
        "IPAMConfig": fixed or None,
        "Aliases": list(want["aliases"]),
        "MacAddress": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPv6Gateway": "",
    }
    if entry is None or not entry["result"]:
        return found
    found["Interface"] = entry["interface"]
    for interface in entry["result"].get("interfaces", ()):
        if interface.get("sandbox") and interface.get("name") == entry["interface"]:
            found["MacAddress"] = interface.get("mac", "")
    for address in entry["result"].get("ips", ()):
        ip, _slash, bits = address["address"].partition("/")
        names = _V6 if ":" in ip else _V4
        if not found[names[0]]:
            found.update(dict(zip(names, (ip, int(bits or 0), address.get("gateway", "")))))
    return found
