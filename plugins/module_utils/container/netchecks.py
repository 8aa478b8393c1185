# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a container's network that contradict each other, or another option."""

from __future__ import annotations

from . import netmode
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_WHY = {
    netmode.NONE: "it has no network",
    netmode.HOST: "it uses the host's network as it is",
    netmode.JOINED: "it uses a network that is another's",
}


def check(options: Mapping[str, Any]) -> None:
    """Raise ContainerError where canonical *options*, taken together, make no sense."""
    kind, mode = netmode.kind(options), netmode.mode(options)
    if kind != netmode.NETWORKS:
        for name in netmode.CONNECTING:
            if options.get(name):
                raise _contradiction(name, f"network_mode: {mode}", _WHY[kind])
    if kind == netmode.JOINED:
        for name in ("dns_servers", "dns_opts", "dns_search_domains", "etc_hosts"):
            if options.get(name) and mode.startswith("container:"):
                raise _contradiction(name, f"network_mode: {mode}", "it has the other's files")
        for name in options.get("sysctls", ()):
            if name.startswith("net."):
                raise _contradiction(f"sysctls: {name}", f"network_mode: {mode}", "it would change the other's network")
    if kind == netmode.JOINED and options.get("userns_mode") == "private":
        raise _contradiction(
            f"network_mode: {mode}",
            "userns_mode: private",
            "the network belongs to another user namespace, and the container would have no power over it",
        )
    if kind == netmode.NONE and netmode.has_gateway(options):
        raise _contradiction("etc_hosts: host-gateway", "network_mode: none", _WHY[netmode.NONE])
    first: Mapping[str, Any] = next(iter(options.get("networks", ())), {})
    if options.get("mac_address", first.get("mac_address")) != first.get("mac_address", options.get("mac_address")):
        raise _contradiction("mac_address", f"networks: {first['name']}: mac_address", "both are the first network's")


def _contradiction(first: str, second: str, why: str) -> ContainerError:
    return ContainerError(
        f"{first} and {second} contradict each other: {why}", step="options", obj=first, hint="Leave one of them out"
    )
