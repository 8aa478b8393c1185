# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of network a container has. Imported by every task: it knows words, and nothing of networks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What a container without network_mode has. Nowhere else is this decided.
DEFAULT_MODE = "bridge"
NONE, HOST, JOINED, NETWORKS = "none", "host", "joined", "networks"
CONNECTING = ("networks", "published_ports", "publish_all_ports", "mac_address")  # of no use without a network
_NONE_BY_DEFAULT = 1  # the version of specs (spec.py) in which a container that named none had none


def mode(options: Mapping[str, Any]) -> str:
    """The network mode of canonical *options*."""
    return str(options.get("network_mode", DEFAULT_MODE))


def settle(spec: dict[str, Any]) -> None:
    """Say in *spec*, as it was recorded, what leaving the network mode out meant to who recorded it."""
    if spec["version"] == _NONE_BY_DEFAULT and not wants_one(spec["options"]):
        spec["options"].setdefault("network_mode", NONE)


def unsaid(declared: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether the container of the spec *recorded* has no network because that was the default when it was made.

    And the task that has *declared* these options does not say what it is to have.
    """
    by_default = recorded["version"] == _NONE_BY_DEFAULT and recorded["options"].get("network_mode") == NONE
    return by_default and "network_mode" not in declared


def wants_one(options: Mapping[str, Any]) -> bool:
    """Whether *options* say something that makes no sense without a network of the container's own."""
    return any(options.get(name) for name in CONNECTING) or has_gateway(options)


def has_gateway(options: Mapping[str, Any]) -> bool:
    """Whether the container is to know the host's address on its network by a name."""
    return "host-gateway" in options.get("etc_hosts", {}).values()


def kind(options: Mapping[str, Any]) -> str:
    """NONE, HOST, JOINED (another's network namespace) or NETWORKS (one of its own, connected by CNI)."""
    found = mode(options)
    if found in (NONE, HOST):
        return found
    return JOINED if found.startswith(("container:", "ns:")) else NETWORKS


def wanted(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The attachments (network/record.py) of the container with *spec*; which has the default route is still open.

    network_mode names networks as well; ``bridge`` is meant for a container that names no others.
    """
    options = spec["options"]
    if kind(options) != NETWORKS:
        return []
    listed = {entry["name"]: entry for entry in options.get("networks", ())}
    named = mode(options).split(",")
    if named == ["bridge"] and listed:
        named = []
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys([*named, *listed]):
        entry = listed.get(name, {})
        addresses = [entry[family] for family in ("ipv4_address", "ipv6_address") if family in entry]
        found.append(
            {
                "network": name,
                "ips": addresses,
                "mac": entry.get("mac_address", ""),
                "aliases": entry.get("aliases", []),
                "ports": [],
                "default": False,
            }
        )
    if options.get("mac_address") and not found[0]["mac"]:
        found[0]["mac"] = options["mac_address"]
    return found


def ports(options: Mapping[str, Any]) -> list[dict[str, str]]:
    """The ports to publish, as network/ports.py has them."""
    from .netvalues import split_port

    return [split_port(port) for port in options.get("published_ports", ())]


def published(spec: Mapping[str, Any]) -> list[dict[str, str]]:
    """The same, and with publish_all_ports each other port that the image or the task exposes, on any of the host."""
    options = spec["options"]
    found = ports(options)
    if not options.get("publish_all_ports"):
        return found
    image = (spec.get("image") or {}).get("config") or {}
    taken = {f"{port['container']}/{port['protocol']}" for port in found}
    exposed = dict.fromkeys([*(image.get("ExposedPorts") or ()), *options.get("exposed_ports", ())])
    for port in exposed:
        number, _slash, protocol = port.partition("/")
        if f"{number}/{protocol or 'tcp'}" not in taken:
            found.append({"ip": "", "host": "", "container": number, "protocol": protocol or "tcp"})
    return found


def names(spec: Mapping[str, Any]) -> list[str]:
    """What the other containers of its networks call the container: Docker's names for it."""
    declared = spec["options"].get("hostname")
    return list(dict.fromkeys([spec["name"], *([declared] if declared else []), spec["id"][:12]]))
