# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of a project: what its containers name and nobody has declared is made with them, as by oci_network.

They bear the project's label, and with ``purge`` they go when no container of the project names them any more.
"""

from __future__ import annotations

import os

from . import netmode
from .fleetplan import PROJECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

    from ..statedir import StateDir


def named(wanted: Iterable[Mapping[str, Any]]) -> set[str]:
    """The networks that containers with these canonical options are on, but for the default one."""
    found = {entry["network"] for options in wanted for entry in netmode.wanted({"options": options})}
    return found - {netmode.DEFAULT_MODE}


def new(state: StateDir, project: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Name → conflist of those *names* of which there is no network. Raises NetworkError."""
    made: dict[str, dict[str, Any]] = {}
    for name in sorted(names):
        from ..network import networks

        if os.path.exists(networks.path_of(state, name)):
            continue
        with networks.foreseen(made):  # each has a subnet of its own
            made[name] = _desired(state, name, project)
    return made


def make(state: StateDir, project: str, names: Iterable[str]) -> None:
    """Make the networks *names*, unless somebody else just has. Raises NetworkError, OSError."""
    from ..network import networks

    with networks.lock(state):
        for name in names:
            if networks.load(state, name) is None:
                networks.save(state, _desired(state, name, project))


def unwanted(state: StateDir, project: str, names: Collection[str], members: Collection[str]) -> list[str]:
    """The networks of *project* that are not among *names*, unless others than its *members* are connected to them."""
    if not os.path.isdir(state.networks):
        return []
    from ..network import conflist, networks, record

    found = []
    for name in networks.names(state):
        labels = conflist.ours(networks.load(state, name) or {}).get("labels", {})
        strangers = set(record.members(state, name).values()) - set(members)
        if labels.get(PROJECT) == project and name not in names and not strangers:
            found.append(name)
    return found


def remove(state: StateDir, names: Iterable[str]) -> None:
    """Remove the networks *names*. Raises NetworkError where a container is connected all the same; OSError."""
    from ..network import module

    for name in names:
        module.apply({**_parameters(name, {}), "state": "absent", "root": state.root}, check_mode=False)


def _desired(state: StateDir, name: str, project: str) -> dict[str, Any]:
    from ..network import options

    parameters = _parameters(name, {PROJECT: project})
    options.check(parameters)
    return options.desired(state, parameters, None)


def _parameters(name: str, labels: dict[str, str]) -> dict[str, Any]:
    from ..network.options import ARGUMENT_SPEC

    defaults = {option: row.get("default") for option, row in ARGUMENT_SPEC.items()}
    return {**defaults, "name": name, "labels": labels}
