# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of oci_volume, and what they ask for."""

from __future__ import annotations

from . import driver, names
from .errors import VolumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NEVER, ALWAYS, CHANGED = "never", "always", "options-changed"

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True, "aliases": ["volume_name"]},
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "driver": {"type": "str", "choices": [driver.LOCAL], "default": driver.LOCAL},
    "driver_options": {"type": "dict", "aliases": ["options"]},
    "labels": {"type": "dict", "aliases": ["label"]},
    "recreate": {"type": "str", "choices": [ALWAYS, NEVER, CHANGED], "default": NEVER},
    "root": {"type": "path"},
}


def declared(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """*parameters* with labels and driver options in canonical form, None where they are left out.

    Raises VolumeError.
    """
    name = parameters["name"]
    if not names.is_name(name):
        raise VolumeError(
            f"{name!r} cannot be the name of a volume",
            step="options",
            obj=name,
            hint="Use at most 128 letters, digits, '_', '.' and '-', beginning with a letter or digit",
        )
    found = dict(parameters)
    if parameters["driver_options"] is not None:
        try:
            found["driver_options"] = driver.canonical(parameters["driver_options"])
        except ValueError as error:
            raise VolumeError(f"driver_options: {error}", step="options", obj=name) from error
    if parameters["labels"] is not None:
        for label, value in parameters["labels"].items():
            if isinstance(value, (bool, float, dict, list)) or value is None:
                raise VolumeError(
                    f"labels: the value of {label} is not a string", step="options", obj=name, hint="Put it in quotes"
                )
        found["labels"] = {str(label): str(value) for label, value in parameters["labels"].items()}
    return found
