# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that come back with the host: restart_policy always and unless-stopped."""

from __future__ import annotations

import os

from ..cgroup import bootunit
from ..kernel.errors import Error
from . import records
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..statedir import StateDir
    from .records import Record

_POLICIES = ("always", "unless-stopped")


def comes_back(options: Mapping[str, Any]) -> bool:
    return options.get("restart_policy") in _POLICIES


def keep(state: StateDir, entry: str) -> None:
    """Have the host's init bring containers back: install the unit, where systemd is process 1.

    *entry* is the core's entry.py; of a checkout, which nobody promises to be there at the next boot, none is made.
    """
    core = os.path.dirname(os.path.realpath(entry))
    if os.path.dirname(core) == os.path.realpath(state.lib) and bootunit.wanted(state, core, bootunit.CONTAINERS):
        bootunit.install(state, core, bootunit.CONTAINERS)


def start_all(state: StateDir, entry: str) -> list[Error | OSError]:
    """Start what is to run and does not; what went wrong, the rest done all the same."""
    failed: list[Error | OSError] = []
    for name in records.names(state):
        try:
            record = records.load(state, name)
            if record is not None and _due(record):
                _start(state, name, entry)
        except Error as error:
            failed.append(ContainerError(f"{name}: {error.message}", step=error.step, obj=name, hint=error.hint))
        except OSError as error:
            failed.append(error)
    return failed


def _due(record: Record) -> bool:
    """As Docker has it: one that was stopped on purpose stays so with unless-stopped, and not with always."""
    options = record.spec["options"]
    if options.get("restart_policy") == "unless-stopped" and records.stop_requested(record):
        return False
    return comes_back(options)


def _start(state: StateDir, name: str, entry: str) -> None:
    """What a task does that wants it started."""
    from . import options
    from .module import Task

    defaults = {option: spec.get("default") for option, spec in options.argument_spec().items()}
    Task({**defaults, "name": name, "state": "started", "root": state.root}, entry).run()
