# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's network as its options want it, on the network layer. Imported for containers that have one."""

from __future__ import annotations

import contextlib
import os

from ..network import conflist, networks, record
from ..network.errors import NetworkError
from ..runtime import state as runtime_state
from ..runtime.errors import NoSuchContainer
from . import netmode, records, userns
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..network.sandbox import Sandbox
    from ..statedir import StateDir
    from .records import Record


def load() -> None:
    """Load what connecting needs; for whoever forks processes that connect."""
    import subprocess  # noqa: F401

    from ..network import addresses, cni, namespace, ports, sandbox  # noqa: F401


def sandbox(state: StateDir, record_: Record, *, instead_of: str = "") -> Sandbox:
    """What connects the container, and takes it off its networks; *instead_of* as for Sandbox."""
    from ..network.sandbox import Sandbox

    return Sandbox(state, record_.path, record_.id, record_.name, netmode.names(record_.spec), instead_of)


def attachments(state: StateDir, spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the container is to be connected to. The first network that leads out has the default route and the ports.

    Raises NetworkError for a network that there is not.
    """
    found = netmode.wanted(spec)
    published = netmode.published(spec)
    for entry in found:
        network = networks.known(state, entry["network"])
        if not conflist.is_internal(network):
            entry["default"] = True
            break
    for entry in found if published else ():
        network = networks.known(state, entry["network"])
        if conflist.has_capability(network, "portMappings"):
            entry["ports"] = published
            break
    return found


def check_plugins(state: StateDir, options: Mapping[str, Any]) -> None:
    """Raise NetworkError where this host lacks a network of the *options*, or what connects containers to it."""
    from ..network import cni

    try:
        for entry in netmode.wanted({"options": options}):
            cni.check_plugins(networks.known(state, entry["network"]), cni.directories())
    except NetworkError as error:
        if error.step == "plugins":
            others = "host" if netmode.wants_one(options) else "none, or host,"
            error.hint += f"; a container with network_mode: {others} does without"
        raise


def check(
    state: StateDir, spec: Mapping[str, Any], before: Record | None, leaving: frozenset[str] = frozenset()
) -> None:
    """Raise where the container with *spec* could not be connected; nothing is changed. *before* has its name now.

    What the containers in the directories *leaving* have does not count.
    A network, a plugin, an address in its subnet, a free port of the host: NetworkError, ContainerError.
    """
    from ..network import addresses, ports

    options = spec["options"]
    if netmode.kind(options) == netmode.JOINED:
        _source(state, netmode.mode(options), spec["name"])
        return
    check_plugins(state, options)
    own = {*leaving, *([before.path] if before is not None else ())}
    wanted = attachments(state, spec)
    others = {}
    if any(entry["ips"] or entry["ports"] for entry in wanted):
        others = {path: found for path, found in record.live(state).items() if path not in own}
    for entry in wanted:
        network = networks.known(state, entry["network"])
        addresses.check_addresses(network, entry["ips"])
        _check_unused(entry, others)
        if entry["mac"] and not conflist.has_capability(network, "mac"):
            raise NetworkError(
                f"mac_address: network {entry['network']} has no plugin that sets one (capability mac)",
                step="networks",
                obj=entry["network"],
            )
        if entry["ports"]:
            kept = (record.load(before.path) or {}).get("kept", {}) if before is not None else {}
            ports.choose(
                entry["ports"], ports.used_by(others.values()), kept.get(entry["network"], {}).get("ports", ())
            )
    if options.get("published_ports") and not any(entry["ports"] for entry in wanted):
        named = ", ".join(entry["network"] for entry in wanted)
        raise ContainerError(
            f"published_ports: none of the container's networks ({named}) can publish ports",
            step="ports",
            obj="published_ports",
            hint="Connect it to a network of the driver bridge that is not internal",
        )


def _check_unused(entry: dict[str, Any], others: Mapping[str, Mapping[str, Any]]) -> None:
    for document in others.values():
        for other in document["attachments"]:
            if other["wanted"]["network"] == entry["network"]:
                for address in set(entry["ips"]) & set(record.addresses(other)):
                    raise NetworkError(
                        f"network {entry['network']}: container {document['name']} has the address {address}",
                        step="networks",
                        obj=address,
                    )


def prepare(state: StateDir, record_: Record) -> None:
    """Make, or join, the container's network namespace, which config.json names.

    Raises NetworkError, ContainerError.
    """
    mode = netmode.mode(record_.spec["options"])
    source = _source(state, mode, record_.name) if netmode.kind(record_.spec["options"]) == netmode.JOINED else ""
    maps = (userns.mapping(record_.spec),) * 2 if userns.is_private(record_.spec["options"]) else None
    sandbox(state, record_).prepare(source, maps)


def connect(state: StateDir, record_: Record, *, silent: bool = False) -> None:
    """Connect the container as its options say. Where it is to be *silent* nothing leads to it for now: the others are
    not told of it, and its ports are not published.

    Raises NetworkError; what it had connected is given back then.
    """
    made = sandbox(state, record_)
    wanted = attachments(state, record_.spec)
    try:
        made.connect([{**entry, "ports": []} for entry in wanted] if silent else wanted, silent=silent)
        _say_gateway(state, record_)
    except NetworkError as error:
        try:
            made.release()
        except NetworkError as failure:
            error.message += f"; nor could all be given back: {failure.message}"
        raise


def can_hand_over_ports(state: StateDir, spec: Mapping[str, Any]) -> bool:
    """Whether a container with *spec* can take published ports over from one that runs. Raises NetworkError."""
    for entry in attachments(state, spec):
        if entry["ports"] and conflist.publisher(networks.known(state, entry["network"])) is None:
            return False
    return True


def publish(state: StateDir, old: Record, new: Record) -> None:
    """Publish the ports of *new*, which is connected and silent. Those that *old* has lead to that until hand_over().

    The rules of a port are asked in the order in which they were made. Raises NetworkError.
    """
    if netmode.kind(new.spec["options"]) == netmode.NETWORKS:
        sandbox(state, new, instead_of=old.path).connect(attachments(state, new.spec), silent=True)


def hand_over(state: StateDir, old: Record, new: Record) -> None:
    """Have all find *new* under the names and by the ports, and *old* no more, though both run.

    Raises NetworkError.
    """
    from ..network import hosts

    touched: list[str] = []
    for record_, silent in ((new, False), (old, True)):
        if netmode.kind(record_.spec["options"]) == netmode.NETWORKS:
            touched += sandbox(state, record_).announce(silent=silent)
    hosts.refresh(state, touched)
    if netmode.kind(old.spec["options"]) == netmode.NETWORKS:
        sandbox(state, old).unpublish()
    if netmode.kind(new.spec["options"]) == netmode.NETWORKS:
        sandbox(state, new).forget_flows()


def update(state: StateDir, record_: Record) -> None:
    """Connect a running container as its options say now, and write its files of /etc. Raises NetworkError."""
    sandbox(state, record_).connect(attachments(state, record_.spec))
    _rewrite(state, record_)


def _say_gateway(state: StateDir, record_: Record) -> None:
    """Write the files again where one has the host's address in it, which is known only once it is connected."""
    if netmode.has_gateway(record_.spec["options"]):
        _rewrite(state, record_)


def _rewrite(state: StateDir, record_: Record) -> None:
    from ..network import hosts
    from .etcfiles import rewrite

    rewrite(record_)
    hosts.refresh(state, [entry["network"] for entry in netmode.wanted(record_.spec)])


def release(state: StateDir, record_: Record) -> None:
    """Give back whatever the container has of networks. Raises NetworkError."""
    sandbox(state, record_).release()


def observe(state: StateDir, record_: Record, pid: int) -> tuple[str, str]:
    """(why it must be started anew, what of its networks differs) of a running container; "" twice if all is well."""
    from ..network import look

    lost = look.lost(record_.path, pid)
    options = record_.spec["options"]
    if lost:
        return lost, ""
    if netmode.kind(options) == netmode.JOINED:
        try:
            source = _source(state, netmode.mode(options), record_.name)
            same = os.path.samestat(os.stat(source), os.stat(f"/proc/{pid}/ns/net"))
        except (ContainerError, OSError):
            return "", ""  # what it joined has ended; what it has goes on
        return ("" if same else f"{netmode.mode(options)} has another network now"), ""
    try:
        return "", look.disconnected(record_.path, attachments(state, record_.spec))
    except NetworkError as error:
        return "", error.message


def joined_record(state: StateDir, mode: str) -> Record | None:
    """The container that ``container:NAME`` names, by its name or the beginning of its id; None for a path."""
    kind, _colon, name = mode.partition(":")
    if kind != "container":
        return None
    from .joining import find

    return find(state, name, "network_mode")


def _source(state: StateDir, mode: str, own_name: str) -> str:
    """The path of the network namespace that ``container:NAME`` or ``ns:/PATH`` means. Raises ContainerError."""
    target = joined_record(state, mode)
    if target is None:
        path = mode.partition(":")[2]
        if not os.path.exists(path):
            raise ContainerError(f"network_mode: there is no network namespace {path}", step="network", obj=path)
        return path
    if target.name == own_name:
        raise ContainerError("network_mode: a container cannot join itself", step="network", obj=own_name)
    with contextlib.suppress(NoSuchContainer):
        live = runtime_state.load(state.runtime, target.id)
        if live.status in ("running", "paused"):
            return f"/proc/{live.pid}/ns/net"
    raise ContainerError(
        f"network_mode: container {target.name} does not run, so there is no network to join",
        step="network",
        obj=target.name,
        hint="Start it first",
    )


def run(argv: list[str], root: str | None) -> int:
    """Carry out the monitor's ``network-release DIRECTORY``: its container has ended for good. Raises Error."""
    from ..statedir import StateDir

    found = records.load_directory(argv[1])
    if found is not None:
        release(StateDir(root), found)
    return 0
