# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config of an image as it comes from elsewhere (image-spec config.md), checked before anything relies on it."""

from __future__ import annotations

import json

from .errors import ImageError
from .reference import check_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What there may be below ``config``, by what it is; null counts as nothing everywhere.
_FIELDS = {
    "a string": ("User", "WorkingDir", "StopSignal"),
    "a list of strings": ("Env", "Entrypoint", "Cmd", "Shell", "OnBuild"),
    "an object": ("ExposedPorts", "Volumes", "Healthcheck"),
    "an object of strings": ("Labels",),
}


def parse_config(raw: bytes, manifest: dict[str, Any], name: str, verb: str = "pull") -> dict[str, Any]:
    """The config document, its layers checked against the manifest's. Raises ImageError: cannot *verb* *name*."""
    try:
        config = json.loads(raw)
        diff_ids = config["rootfs"]["diff_ids"]
        matches = isinstance(diff_ids, list) and len(diff_ids) == len(manifest["layers"])
    except (ValueError, KeyError, TypeError):
        config, diff_ids, matches = None, [], False
    if not isinstance(config, dict) or not matches:
        raise _damaged(name, verb, "its config does not name as many layers as its manifest has")
    for diff_id in diff_ids:
        check_digest(str(diff_id), name)
    fault = _fault_of(config.get("config"))
    if fault:
        raise _damaged(name, verb, f"its config has {fault}")
    return config


def _fault_of(section: Any) -> str:
    """What is wrong with the part of the config that says how to run the image; "" when nothing is."""
    if section is None:
        return ""
    if not isinstance(section, dict):
        return "no object as config"
    for kind, keys in _FIELDS.items():
        for key in keys:
            value = section.get(key)
            if value is not None and not _is(kind, value):
                return f"something else than {kind} as {key}"
    return ""


def _is(kind: str, value: Any) -> bool:
    if kind == "a string":
        return isinstance(value, str)
    if kind == "a list of strings":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if not isinstance(value, dict):
        return False
    return kind == "an object" or all(isinstance(item, str) for item in value.values())


def _damaged(name: str, verb: str, why: str) -> ImageError:
    return ImageError(
        f"cannot {verb} {name}: {why}",
        step="config",
        obj=name,
        hint="The image is damaged: make or push it again",
    )
