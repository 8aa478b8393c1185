# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is mounted in a container beside what every container has: of its options, of its image, of others. Pure.

A mount is a dictionary as container/mountvalues.py describes it, here always with its type. In a spec, beside the
options, there is recorded what was found out or chosen when the container was made:

    volumes    the names of all volumes it uses
    anonymous  target → name of the anonymous volume there
    inherited  the mounts it has by volumes_from
    images     target → id and layers of the image that is mounted there
"""

from __future__ import annotations

from . import mountvalues, userns
from .errors import ContainerError
from .mountvalues import BIND, IMAGE, TMPFS, VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

# What a spec holds of all this.
KEYS = ("volumes", "anonymous", "inherited", "images")
SECRET = "secret"  # the type of the mounts of the option secrets


def declared(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mounts of the options volumes, mounts and tmpfs."""
    found = [{"type": BIND, **entry} for entry in options.get("volumes", ())]
    found += [dict(entry) for entry in options.get("mounts", ())]
    found += [{"type": TMPFS, "read_only": False, "plain": True, **entry} for entry in options.get("tmpfs", ())]
    return found


def everything(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mounts of the container of *spec*, parents before what lies in them; anonymous volumes have their names.

    What is declared comes before what other containers have, and that before what the image wants.
    """
    found = {entry["target"]: entry for entry in declared(spec["options"])}
    for secret in spec["options"].get("secrets", ()):
        found[secret["target"]] = {"type": SECRET, "read_only": True, **secret}
    for entry in spec.get("inherited", ()):
        found.setdefault(entry["target"], entry)
    for target in of_image(spec["image"]["config"]):
        found.setdefault(target, {"type": VOLUME, "target": target, "source": "", "read_only": False})
    names = spec.get("anonymous", {})
    for target, entry in found.items():
        if entry["type"] == VOLUME and not entry["source"]:
            found[target] = {**entry, "source": names.get(target, "")}
    if userns.is_private(spec["options"]):
        for target, entry in found.items():
            if entry["type"] == VOLUME:
                found[target] = {**entry, "idmap": True}
    return sorted(found.values(), key=lambda entry: (str(entry["target"]).count("/"), str(entry["target"])))


def of_image(config: Mapping[str, Any]) -> list[str]:
    """The paths that an image declares to be volumes. Raises ContainerError for what cannot be one."""
    try:
        return mountvalues.image_volumes(config)
    except ValueError as error:
        raise ContainerError(f"the image declares a volume that cannot be one: {error}", step="volumes") from error


def has_place(entry: Mapping[str, Any]) -> bool:
    """Whether the mount is made by itself first (container/places.py), and then bound from there."""
    return bool(entry.get("subpath")) or entry["type"] == IMAGE


def named(options: Mapping[str, Any]) -> list[str]:
    """The names of the volumes that *options* name, sorted."""
    return sorted({entry["source"] for entry in declared(options) if entry["type"] == VOLUME and entry["source"]})


def has_any(options: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a container of *options*, and of an image with *config*, has something that a spec says of volumes."""
    if config.get("Volumes") or options.get("volumes_from"):
        return True
    return any(entry["type"] in (VOLUME, IMAGE) for entry in declared(options))


def missing(options: Mapping[str, Any], recorded: Mapping[str, Any] | None, there: frozenset[str]) -> list[str]:
    """The volumes that are to be made before a container runs, as far as they have a name already.

    *recorded* is the spec of one that stays, None for a new one. *there*: those that are there.
    """
    wanted = named(options) if recorded is None else recorded.get("volumes", ())
    return sorted(set(wanted) - there)


def without_names(options: Mapping[str, Any], config: Mapping[str, Any], inherited: list[dict[str, Any]]) -> list[str]:
    """The targets of the anonymous volumes of a new container."""
    spec = {"options": options, "image": {"config": config}, "inherited": inherited}
    return [entry["target"] for entry in everything(spec) if entry["type"] == VOLUME and not entry["source"]]


def inherited(other: Mapping[str, Any], mode: str) -> list[dict[str, Any]]:
    """What a container gets from the one of the spec *other*: its directories of the host and its volumes.

    With the *mode* "ro" read-only, whatever they are there.
    """
    found = []
    for entry in everything(other):
        if entry["type"] in (BIND, VOLUME):
            entry = {name: value for name, value in entry.items() if name not in ("labels", "driver_options", "create")}
            if entry["type"] == VOLUME:
                entry.pop("idmap", None)
            found.append({**entry, "read_only": entry["read_only"] or mode == "ro"})
    return found


def shown(mounts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The option mounts for a diff: a password of a volume's driver is masked."""
    from ..volume.driver import shown as masked

    return [
        {**entry, "driver_options": masked(entry["driver_options"])} if "driver_options" in entry else dict(entry)
        for entry in mounts
    ]
