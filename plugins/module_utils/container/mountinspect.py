# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts and volumes of a container in the shape that users of ``docker inspect`` know."""

from __future__ import annotations

import os

from ..volume.driver import shown
from . import mountset
from .mountvalues import BIND, IMAGE, TMPFS, VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record


def mounts(record: Record) -> list[dict[str, Any]]:
    """``Mounts``: what the container has, its image's and others' volumes among that."""
    directory = os.path.join(os.path.dirname(os.path.dirname(record.path)), "volumes")
    return [
        _mount(entry, directory)
        for entry in mountset.everything(record.spec)
        if not entry.get("plain") and entry["type"] != mountset.SECRET
    ]


def _mount(entry: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found = {
        "Type": entry["type"],
        "Source": entry.get("source", ""),
        "Destination": entry["target"],
        "Mode": "",
        "RW": not entry["read_only"],
        "Propagation": "" if entry["type"] == TMPFS else entry.get("propagation", "rprivate"),
    }
    if entry["type"] == IMAGE:
        found.update(Propagation="")
    if entry["type"] == VOLUME:
        found.update(Name=entry["source"], Source=f"{directory}/{entry['source']}/data", Driver="local", Propagation="")
    return found


def host_config(options: Mapping[str, Any]) -> dict[str, Any]:
    """What ``HostConfig`` has of it: what was declared."""
    return {
        "Binds": [
            f"{entry['source']}:{entry['target']}:{','.join(_words(entry))}"
            for entry in options.get("volumes", ())
            if entry["source"]
        ],
        "Mounts": [_declared(entry) for entry in options.get("mounts", ())],
        "Tmpfs": {entry["target"]: ",".join(entry["options"]) for entry in options.get("tmpfs", ())},
        "VolumesFrom": [
            f"{entry['container']}:{entry['mode']}".rstrip(":") for entry in options.get("volumes_from", ())
        ],
    }


def _words(entry: Mapping[str, Any]) -> list[str]:
    words = ["ro" if entry["read_only"] else "rw"]
    words += [entry["propagation"]] if "propagation" in entry else []
    words += ["bind"] if entry.get("recursive") is False else []
    words += ["nocopy"] if entry.get("no_copy") else []
    words += entry.get("flags", ())
    return [*words, *(["idmap"] if entry.get("idmap") else ())]


def _declared(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "Type": entry["type"],
        "Source": entry.get("source", ""),
        "Target": entry["target"],
        "ReadOnly": entry["read_only"],
    }
    if entry["type"] == BIND:
        found["BindOptions"] = {
            "Propagation": entry["propagation"],
            "NonRecursive": entry.get("recursive") is False,
            "ReadOnlyForceRecursive": bool(entry.get("rro")),
            "CreateMountpoint": bool(entry.get("create")),
        }
    elif entry["type"] == VOLUME:
        found["VolumeOptions"] = {
            "NoCopy": bool(entry.get("no_copy")),
            "Labels": entry.get("labels", {}),
            "DriverConfig": {"Name": "local", "Options": shown(entry.get("driver_options", {}))},
            "Subpath": entry.get("subpath", ""),
        }
    elif entry["type"] == IMAGE:
        found["ImageOptions"] = {"Subpath": entry.get("subpath", "")}
    else:
        found["TmpfsOptions"] = {"SizeBytes": entry["size"] or 0, "Mode": int(entry["mode"], 8)}
    return found


def volumes(options: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """``Config.Volumes``: the places of anonymous volumes, by the options and by the image's *config*."""
    anonymous = [entry["target"] for entry in mountset.declared(options) if entry["type"] == VOLUME]
    named = {entry["target"] for entry in mountset.declared(options) if entry.get("source")}
    return {target: {} for target in sorted({*anonymous, *mountset.of_image(config)} - named)}


def secrets(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``Config.Secrets``, as podman has it, and where each is found."""
    return [
        {
            "Name": entry["name"],
            "Target": entry["target"],
            "UID": entry["uid"],
            "GID": entry["gid"],
            "Mode": entry["mode"],
        }
        for entry in options.get("secrets", ())
    ]
