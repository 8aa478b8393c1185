# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNI network configuration lists: made of what a network is declared to be, checked, and read. Pure.

What we have to remember of a network lies in its conflist under :data:`OURS`, which other users of CNI pass over.
"""

from __future__ import annotations

from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

OURS = "agentless.oci"
BRIDGE, MACVLAN, IPVLAN = "bridge", "macvlan", "ipvlan"
FIREWALL = "firewall"  # the plugin that makes rules
PORTMAP = "portmap"  # the plugin that publishes ports
MODES = {
    MACVLAN: ("bridge", "private", "vepa", "passthru"),
    IPVLAN: ("l2", "l3", "l3s"),
}
_LONGEST = 15  # IFNAMSIZ less the NUL, linux/if.h
_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_RESERVED = ("none", "host", "default", "private")
_DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")  # of IPv4, of IPv6


def check_name(name: str) -> None:
    """Raise NetworkError unless *name* can be a network's."""
    if not name or len(name) > 128 or not name[0].isalnum() or not name.isascii() or set(name) - _CHARACTERS:
        raise NetworkError(
            f"{name!r} cannot be the name of a network",
            step="options",
            obj=name,
            hint="Use at most 128 letters, digits, '_', '.' and '-', beginning with a letter or digit",
        )
    if name in _RESERVED:
        raise NetworkError(f"{name!r} is a network_mode and cannot be the name of a network", step="options", obj=name)


def make(
    name: str,
    driver: str,
    ranges: list[dict[str, str]],
    *,
    bridge: str = "",
    parent: str = "",
    mtu: int = 0,
    internal: bool = False,
    mode: str = "",
    vlan: int = 0,
    leases: str,
    version: str = "1.0.0",
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The conflist of a network with the addresses of *ranges*; *leases* is host-local's directory."""
    ipam: dict[str, Any] = {"type": "host-local", "dataDir": leases, "ranges": [[entry] for entry in ranges]}
    if not internal:
        families = {":" in entry["subnet"] for entry in ranges}
        ipam["routes"] = [{"dst": _DEFAULT_ROUTES[family]} for family in sorted(families)]
    first: dict[str, Any] = {"type": driver, "capabilities": {"ips": True, "mac": True}, "ipam": ipam}
    plugins = [first]
    if driver == BRIDGE:
        first.update({"bridge": bridge, "isGateway": not internal, "ipMasq": not internal, "hairpinMode": True})
        if vlan:
            first["vlan"] = vlan
        if not internal:
            plugins.append({"type": PORTMAP, "capabilities": {"portMappings": True}, "snat": True})
        plugins.append({"type": FIREWALL, "ingressPolicy": "same-bridge"})
        plugins.append({"type": "tuning"})
    else:
        first["master"] = parent
        first["mode"] = mode or MODES[driver][0]
        if driver == IPVLAN:
            del first["capabilities"]["mac"]  # all interfaces have their parent's
    if mtu:
        first["mtu"] = mtu
    ours: dict[str, Any] = {"driver": driver, "internal": internal, "labels": dict(labels or {})}
    return {"cniVersion": version, "name": name, "plugins": plugins, OURS: ours}


def of_raw(name: str, given: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A conflist that the user wrote, or one plugin's configuration, as the network *name*. Raises NetworkError."""
    document = dict(given)
    if "plugins" not in document and "type" in document:
        own = {key: value for key, value in document.items() if key not in ("cniVersion", "name")}
        document = {key: document[key] for key in ("cniVersion", "name") if key in document}
        document["plugins"] = [own]
    if document.setdefault("name", name) != name:
        raise NetworkError(
            f"conflist: its name is {document['name']!r}, and the network's is {name!r}", step="options", obj="conflist"
        )
    document.setdefault("cniVersion", "1.0.0")
    plugins = document.get("plugins")
    if not isinstance(plugins, list) or not plugins:
        raise NetworkError("conflist: plugins must be a list of at least one plugin", step="options", obj="conflist")
    for plugin in plugins:
        if not isinstance(plugin, dict) or not isinstance(plugin.get("type"), str) or not plugin["type"]:
            raise NetworkError("conflist: each of its plugins needs a type", step="options", obj="conflist")
    document[OURS] = {"driver": plugins[0]["type"], "internal": False, "labels": dict(labels or {}), "raw": True}
    return document


def interface_name(text: str) -> str:
    """The name of a network device. Raises NetworkError."""
    if not 0 < len(text) <= _LONGEST or "/" in text or ":" in text or text.split() != [text] or text in (".", ".."):
        raise NetworkError(f"{text!r} cannot be the name of a network interface", step="options", obj=text)
    return text


# -- reading ------------------------------------------------------------------------------------------------------


def ours(document: Mapping[str, Any]) -> dict[str, Any]:
    """What we remember of the network; empty for one that others have written."""
    found = document.get(OURS)
    return found if isinstance(found, dict) else {}


def bridge_of(document: Mapping[str, Any]) -> str:
    """The name of its bridge; "" where it has none."""
    first = document["plugins"][0]
    return str(first.get("bridge", "cni0")) if first.get("type") == BRIDGE else ""


def gateway_of(document: Mapping[str, Any]) -> str:
    """The interface by which the host is on its bridge: in a VLAN the bridge plugin gives it one of its own."""
    vlan = document["plugins"][0].get("vlan")
    return f"{bridge_of(document)}.{vlan}" if vlan else bridge_of(document)


def ranges_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The address ranges of host-local in it."""
    ipam = document["plugins"][0].get("ipam")
    if not isinstance(ipam, dict) or ipam.get("type") != "host-local":
        return []
    found = [entry for group in ipam.get("ranges", ()) for entry in group if "subnet" in entry]
    return [*found, *([ipam] if "subnet" in ipam else [])]


def is_internal(document: Mapping[str, Any]) -> bool:
    """Whether nothing outside of it can be reached through it."""
    return bool(ours(document).get("internal"))


def has_capability(document: Mapping[str, Any], name: str) -> bool:
    """Whether one of its plugins takes the capability *name*."""
    return any(plugin.get("capabilities", {}).get(name) for plugin in document["plugins"])


def publisher(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plugin that publishes a container's ports, where it does nothing else: only that can be done anew.

    None where there is none, or another than portmap, of which we know nothing.
    """
    able = [plugin for plugin in document["plugins"][1:] if plugin.get("capabilities", {}).get("portMappings")]
    return able[0] if len(able) == 1 and able[0]["type"] == PORTMAP else None


def without_default_route(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same network for an interface beside another one that has the default route already."""
    plugins = []
    for plugin in document["plugins"]:
        changed = {key: value for key, value in plugin.items() if key != "isDefaultGateway"}
        ipam = changed.get("ipam")
        if isinstance(ipam, dict) and "routes" in ipam:
            routes = [route for route in ipam["routes"] if route.get("dst") not in _DEFAULT_ROUTES]
            changed["ipam"] = {**ipam, "routes": routes}
        plugins.append(changed)
    return {**document, "plugins": plugins}


def for_container(document: Mapping[str, Any], *, ports: bool, ruled: bool) -> dict[str, Any]:
    """A network of ours less what its plugins need not do for one container.

    ports  it publishes some
    ruled  the rules of the network are made once, for all (rules.py)
    Each plugin is a program to be started, twice in a container's life, and portmap looks for rules that were never
    made.
    """
    if not ours(document) or ours(document).get("raw"):
        return dict(document)
    kept = []
    for plugin in document["plugins"]:
        named = set(plugin) - {"type", "capabilities", "snat"}
        if plugin["type"] == FIREWALL and ruled:
            continue
        if plugin["type"] not in (PORTMAP, "tuning") or named or (plugin["type"] == PORTMAP and ports):
            kept.append({**plugin, "ipMasq": False} if ruled and plugin.get("ipMasq") else plugin)
    return {**document, "plugins": kept}
