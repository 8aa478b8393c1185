# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a bundle and a process."""

from __future__ import annotations

from ..kernel.errors import Error


class RuntimeFault(Error):
    """The runtime could not do what it was asked for; nothing is left half done unless the message says so."""


class DamagedState(RuntimeFault):
    """What is recorded of a container cannot be read."""


class NoSuchContainer(RuntimeFault):
    """No container has this id."""


class WrongState(RuntimeFault):
    """The container's state does not allow the operation (runtime-spec runtime.md, "Operations")."""


class ConfigError(RuntimeFault):
    """config.json is wrong, or asks for what this runtime or host cannot do; ``obj`` names the property."""


class Unprotected(RuntimeFault):
    """The container could overwrite the host's interpreter: start over with kernel/selfexe.py."""

    def __init__(self) -> None:
        super().__init__("the runtime's own executable is writable from the container", step="create")
