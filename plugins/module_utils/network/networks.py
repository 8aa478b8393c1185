# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of this host: ``networks/NAME.conflist`` in the state directory, CNI configuration lists."""

from __future__ import annotations

import contextlib
import functools
import json
import os

from ..kernel.files import fsync_directory, locked, read_text, write_atomic
from . import conflist
from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..kernel.files import locked as Locked
    from ..statedir import StateDir

DEFAULT = "bridge"  # made when the first container wants it
_SUFFIX = ".conflist"
_VERSIONS = ("1.0.0", "0.4.0", "0.3.1")
_foreseen: dict[str, dict[str, Any]] = {}


def path_of(state: StateDir, name: str) -> str:
    return os.path.join(state.networks, name + _SUFFIX)


def lock(state: StateDir, *, exclusive: bool = True) -> Locked:
    """Hold this to change which networks there are, or not *exclusive* to keep others from that."""
    return locked(state.lock_path("network", "all"), exclusive=exclusive)


@contextlib.contextmanager
def foreseen(documents: Mapping[str, dict[str, Any]]) -> Iterator[None]:
    """For a plan: meanwhile the networks *documents* (name → conflist), which are only to be made, count as there."""
    before = dict(_foreseen)
    _foreseen.update(documents)
    try:
        yield
    finally:
        _foreseen.clear()
        _foreseen.update(before)


def names(state: StateDir) -> list[str]:
    """The names of all networks, sorted."""
    found = os.listdir(state.networks) if os.path.isdir(state.networks) else []
    return sorted({*_foreseen, *(name[: -len(_SUFFIX)] for name in found if name.endswith(_SUFFIX))})


def load(state: StateDir, name: str) -> dict[str, Any] | None:
    """The conflist of network *name*; None when there is none. Raises NetworkError for one that is damaged."""
    path = path_of(state, name)
    try:
        found = json.loads(read_text(path))
    except FileNotFoundError:
        return _foreseen.get(name)
    except ValueError as error:
        raise NetworkError(
            f"{path} is not JSON: {error}", step="networks", obj=path, hint="Remove it and declare the network again"
        ) from error
    document: dict[str, Any] = found
    return document


def known(state: StateDir, name: str) -> dict[str, Any]:
    """The conflist of network *name*, the default one as it would be made. Raises NetworkError."""
    found = load(state, name)
    if found is not None:
        return found
    if name == DEFAULT:
        return default(state)
    there = ", ".join(sorted({*names(state), DEFAULT}))
    raise NetworkError(
        f"there is no network {name}", step="networks", obj=name, hint=f"Make it with oci_network. There are: {there}"
    )


def ensure(state: StateDir, name: str) -> dict[str, Any]:
    """As :func:`known`; the default network is made where it is not there. Raises NetworkError, OSError."""
    if name == DEFAULT and load(state, name) is None:
        with lock(state):
            if load(state, name) is None:
                save(state, default(state))
    return known(state, name)


def default(state: StateDir) -> dict[str, Any]:
    """The default network as it would be made now. Raises NetworkError."""
    from . import addresses, subnets

    ranges = [addresses.address_range(subnets.choose(taken(state), default=True), "", "")]
    return conflist.make(
        DEFAULT,
        conflist.BRIDGE,
        ranges,
        bridge=subnets.bridge_name(bridges(state)),
        leases=state.leases,
        version=version(conflist.BRIDGE),
    )


def save(state: StateDir, document: dict[str, Any]) -> None:
    """Write the conflist, durably."""
    state.ensure(state.networks)
    text = json.dumps(document, indent=2) + "\n"
    write_atomic(path_of(state, document["name"]), text.encode())


def remove(state: StateDir, name: str) -> None:
    """Remove the conflist."""
    os.unlink(path_of(state, name))
    fsync_directory(state.networks)


def bridges(state: StateDir) -> list[str]:
    """The bridges of all networks."""
    found = (load(state, name) for name in names(state))
    return [conflist.bridge_of(document) for document in found if document is not None]


def taken(state: StateDir, but: str = "") -> list[Any]:
    """The subnets that a new network must keep away from: ours (less *but*'s), others' and what is routed."""
    from . import subnets

    found: list[Any] = []
    for name in names(state):
        document = load(state, name)
        if document is not None and name != but:
            found += subnets.of_conflist(document)
    return [*found, *subnets.of_others(), *subnets.of_routes()]


@functools.cache
def version(driver: str) -> str:
    """The version to write a conflist in: plugins before 1.0, which some distributions have, speak older ones only.

    Raises NetworkError when the plugin is not there, or speaks none that we know.
    """
    from . import cni

    spoken = cni.versions(driver, cni.directories())
    for candidate in _VERSIONS:
        if candidate in spoken:
            return candidate
    raise NetworkError(
        f"the CNI plugin {driver} speaks versions {', '.join(spoken) or 'unknown'} of CNI, and none of"
        f" {', '.join(_VERSIONS)}",
        step="plugins",
        obj=driver,
        hint="Install a current containernetworking-plugins",
    )
