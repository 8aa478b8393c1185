# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of oci_network, and the conflist that they mean."""

from __future__ import annotations

import socket

from . import addresses, conflist, networks, subnets
from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..statedir import StateDir

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True, "aliases": ["network_name"]},
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "driver": {
        "type": "str",
        "choices": [conflist.BRIDGE, conflist.MACVLAN, conflist.IPVLAN],
        "default": conflist.BRIDGE,
    },
    "subnet": {"type": "str"},
    "gateway": {"type": "str"},
    "ip_range": {"type": "str", "aliases": ["iprange"]},
    "ipv6": {"type": "bool", "default": False, "aliases": ["enable_ipv6"]},
    "subnet_v6": {"type": "str"},
    "gateway_v6": {"type": "str"},
    "ipam_config": {
        "type": "list",
        "elements": "dict",
        "options": {
            "subnet": {"type": "str", "required": True},
            "gateway": {"type": "str"},
            "iprange": {"type": "str", "aliases": ["ip_range"]},
        },
    },
    "internal": {"type": "bool", "default": False},
    "mtu": {"type": "int"},
    "interface_name": {"type": "str"},
    "parent": {"type": "str"},
    "mode": {"type": "str"},
    "vlan": {"type": "int"},
    "driver_options": {"type": "dict", "aliases": ["opt"]},
    "labels": {"type": "dict"},
    "conflist": {"type": "dict"},
    "force": {"type": "bool", "default": False},
    "root": {"type": "path"},
}

# What docker_network and podman_network call our options in driver_options.
_DRIVER_OPTIONS = {
    "com.docker.network.bridge.name": "interface_name",
    "com.docker.network.driver.mtu": "mtu",
    "bridge_name": "interface_name",
    "ipvlan_mode": "mode",
    "macvlan_mode": "mode",
    **{name: name for name in ("mode", "mtu", "parent", "vlan")},
}
_SHAPE = ("subnet", "gateway", "ip_range", "subnet_v6", "gateway_v6", "ipam_config", "mtu", "parent", "mode", "vlan")


def merged(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """*parameters* with what is in ``driver_options`` in its place. Raises NetworkError."""
    found = dict(parameters)
    for given, value in (parameters.get("driver_options") or {}).items():
        name = _DRIVER_OPTIONS.get(given)
        if name is None:
            known = ", ".join(sorted(_DRIVER_OPTIONS))
            raise _wrong(f"driver_options: there is no option {given!r}", hint=f"There are {known}")
        if found.get(name) not in (None, value):
            raise _wrong(f"driver_options: {given} and {name} contradict each other", hint="Leave one of them out")
        if name in ("mtu", "vlan") and not str(value).isdigit():
            raise _wrong(f"driver_options: {given} must be a number, not {value!r}")
        found[name] = int(value) if name in ("mtu", "vlan") else str(value)
    return found


def check(parameters: Mapping[str, Any]) -> None:
    """Raise NetworkError where *parameters* (:func:`merged`) contradict each other."""
    conflist.check_name(parameters["name"])
    if parameters.get("conflist") is not None:
        given = [name for name in (*_SHAPE, "internal", "ipv6", "interface_name") if parameters.get(name)]
        if given:
            raise _wrong(f"conflist and {given[0]} contradict each other: the conflist says all of it")
        return
    if parameters.get("ipam_config"):
        given = [name for name in ("subnet", "subnet_v6", "gateway", "gateway_v6", "ip_range") if parameters.get(name)]
        if given:
            raise _wrong(f"ipam_config and {given[0]} contradict each other: both say which addresses there are")
    driver = parameters["driver"]
    if driver != conflist.BRIDGE:
        for name in ("interface_name", "vlan", "internal"):
            if parameters.get(name):
                raise _wrong(f"{name} is for the driver bridge, not for {driver}")
        if not parameters.get("parent"):
            raise _wrong(f"driver {driver} needs parent, the host's interface that leads to the network")
        modes = conflist.MODES[driver]
        if parameters.get("mode") and parameters["mode"] not in modes:
            raise _wrong(f"mode: {driver} has no mode {parameters['mode']!r}; it has {', '.join(modes)}")
    else:
        for name in ("parent", "mode"):
            if parameters.get(name):
                raise _wrong(f"{name} is for the drivers macvlan and ipvlan, not for bridge")
    for name in ("interface_name", "parent"):
        if parameters.get(name):
            conflist.interface_name(parameters[name])
    if parameters.get("mtu") is not None and not 68 <= parameters["mtu"] <= 65535:
        raise _wrong(f"mtu: {parameters['mtu']} is not from 68 to 65535")
    if parameters.get("vlan") is not None and not 1 <= parameters["vlan"] <= 4094:
        raise _wrong(f"vlan: {parameters['vlan']} is not from 1 to 4094")
    for name, needs in (("gateway", "subnet"), ("ip_range", "subnet"), ("gateway_v6", "subnet_v6")):
        if parameters.get(name) and not parameters.get(needs):
            raise _wrong(f"{name} needs {needs}")


def desired(state: StateDir, parameters: Mapping[str, Any], existing: Mapping[str, Any] | None) -> dict[str, Any]:
    """The conflist that *parameters* (:func:`merged`) mean; what they leave open stays as it is in *existing*.

    Raises NetworkError.
    """
    name, labels = parameters["name"], parameters.get("labels") or {}
    labels = {str(key): str(value) for key, value in labels.items()}
    if parameters.get("conflist") is not None:
        return conflist.of_raw(name, parameters["conflist"], labels)
    driver = parameters["driver"]
    before = existing if existing is not None and existing["plugins"][0]["type"] == driver else None
    ranges = _ranges(state, parameters, conflist.ranges_of(before) if before else [])
    _check_overlaps(state, name, ranges, driver)
    bridge = ""
    if driver == conflist.BRIDGE:
        bridge = parameters.get("interface_name") or (conflist.bridge_of(before) if before else "")
        bridge = bridge or subnets.bridge_name(networks.bridges(state))
        for other in networks.names(state):
            document = networks.load(state, other)
            if document is not None and other != name and conflist.bridge_of(document) == bridge:
                raise _wrong(f"interface_name: network {other} has the bridge {bridge}")
    elif parameters["parent"] not in {known for _index, known in socket.if_nameindex()}:
        raise _wrong(f"parent: this host has no interface {parameters['parent']}")
    return conflist.make(
        name,
        driver,
        ranges,
        bridge=bridge,
        parent=parameters.get("parent") or "",
        mtu=parameters.get("mtu") or 0,
        internal=bool(parameters.get("internal")),
        mode=parameters.get("mode") or "",
        vlan=parameters.get("vlan") or 0,
        leases=state.leases,
        version=str(before["cniVersion"]) if before else networks.version(driver),
        labels=labels,
    )


def _ranges(state: StateDir, parameters: Mapping[str, Any], before: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The ranges of addresses, IPv4 first."""
    given = [
        (entry["subnet"], entry.get("gateway") or "", entry.get("iprange") or "")
        for entry in parameters.get("ipam_config") or ()
    ]
    if not given:
        if parameters["driver"] != conflist.BRIDGE and not parameters.get("subnet") and not before:
            raise _wrong(
                f"driver {parameters['driver']} needs subnet: that of the network behind {parameters['parent']}",
                hint="Leave the addresses to DHCP or others with a conflist of your own",
            )
        v4 = parameters.get("subnet") or _known(before, 4)
        v4 = v4 or subnets.choose(networks.taken(state, parameters["name"]), default=False)
        if addresses.subnet(v4).version == 6:
            raise _wrong(f"subnet: {v4} is of IPv6", hint="Give it as subnet_v6")
        given.append((v4, parameters.get("gateway") or "", parameters.get("ip_range") or ""))
        if parameters.get("ipv6") or parameters.get("subnet_v6"):
            v6 = parameters.get("subnet_v6") or _known(before, 6)
            v6 = v6 or subnets.choose_v6(networks.taken(state, parameters["name"]))
            if addresses.subnet(v6).version == 4:
                raise _wrong(f"subnet_v6: {v6} is of IPv4", hint="Give it as subnet")
            given.append((v6, parameters.get("gateway_v6") or "", ""))
    return [addresses.address_range(*entry) for entry in given]


def _known(ranges: list[dict[str, Any]], version: int) -> str:
    found = [entry["subnet"] for entry in ranges if addresses.subnet(entry["subnet"]).version == version]
    return str(found[0]) if found else ""


def _check_overlaps(state: StateDir, name: str, ranges: list[dict[str, str]], driver: str) -> None:
    """Raise NetworkError where another network of ours has some of the addresses."""
    for other in networks.names(state):
        document = networks.load(state, other)
        if document is None or other == name or document["plugins"][0]["type"] != driver:
            continue
        for net in subnets.of_conflist(document):
            for entry in ranges:
                mine = addresses.subnet(entry["subnet"])
                if mine.version == net.version and mine.overlaps(net):
                    raise _wrong(f"subnet {mine} overlaps {net} of network {other}", hint="Declare another subnet")


def _wrong(message: str, hint: str = "") -> NetworkError:
    return NetworkError(message, step="options", hint=hint)
