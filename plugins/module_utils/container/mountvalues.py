# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users write of mounts and volumes, to canonical values; as values.py for the other options.

A canonical mount is a dictionary with ``target`` and ``read_only``, and what its type needs:

    bind    source, propagation; where they say something flags (of mount(8)), idmap, recursive, rro, create
    volume  type, source (the volume's name, "" for an anonymous one); where they say something no_copy, subpath,
            labels, driver_options, flags
    tmpfs   type, size, mode; where they say something options
    image   type, source (the image's name); where it says something subpath

Of ``volumes``, which long had binds alone, a bind has no type.
"""

from __future__ import annotations

from ..volume.names import is_name
from .values import absolute_path, once, size, string_dict, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
BIND, VOLUME, TMPFS, IMAGE = "bind", "volume", "tmpfs", "image"
TYPES = (BIND, VOLUME, TMPFS, IMAGE)

# Options of a volume that say nothing here: how files get to a virtual machine, and SELinux labels, which
# :func:`relabelled` is about.
_NOTHING = ("z", "Z", "consistent", "cached", "delegated", "default", "copy", "rbind")
_FLAGS = ("nosuid", "nodev", "noexec", "suid", "dev", "exec")
_CONSISTENCIES = ("cached", "consistent", "default", "delegated")

SUBOPTIONS: dict[str, Any] = {
    "target": {"type": "str", "required": True, "aliases": ["dest", "destination", "dst"]},
    "source": {"type": "str", "aliases": ["src"]},
    "type": {"type": "str", "choices": list(TYPES)},
    "read_only": {"type": "bool", "aliases": ["ro", "readonly"]},
    "propagation": {"type": "str", "choices": list(PROPAGATIONS)},
    "non_recursive": {"type": "bool"},
    "read_only_non_recursive": {"type": "bool"},
    "read_only_force_recursive": {"type": "bool"},
    "create_mountpoint": {"type": "bool"},
    "consistency": {"type": "str", "choices": list(_CONSISTENCIES)},
    "no_copy": {"type": "bool"},
    "labels": {"type": "dict"},
    "volume_driver": {"type": "str"},
    "volume_options": {"type": "dict"},
    "subpath": {"type": "str", "aliases": ["volume_subpath"]},
    "tmpfs_size": {"type": "str"},
    "tmpfs_mode": {"type": "str"},
    "tmpfs_options": {"type": "list", "elements": "dict"},
}
_OF_ALL = {"target", "type", "read_only", "consistency"}
_OF_TYPE = {
    BIND: {
        *("source", "propagation", "non_recursive", "read_only_non_recursive", "read_only_force_recursive"),
        "create_mountpoint",
    },
    VOLUME: {"source", "no_copy", "labels", "volume_driver", "volume_options", "subpath"},
    TMPFS: {"tmpfs_size", "tmpfs_mode", "tmpfs_options"},
    IMAGE: {"source", "subpath"},
}


def volumes(value: Iterable[str]) -> list[dict[str, Any]]:
    """``[SOURCE:]TARGET[:OPTIONS]``: a path of the host, the name of a volume, or nothing for an anonymous one.

    Options are ro, rw, nocopy, idmap, flags of mount(8), a propagation, and those that say nothing here.
    """
    result: dict[str, dict[str, Any]] = {}
    for item in value:
        parts = text(item).split(":")
        if len(parts) == 1:
            parts.insert(0, "")
        if len(parts) not in (2, 3) or not parts[1]:
            raise ValueError(f"{item!r} is not SOURCE:TARGET or SOURCE:TARGET:OPTIONS")
        entry: dict[str, Any] = {"target": _mount_target(parts[1]), "read_only": False}
        if parts[0].startswith("/"):
            entry.update(source=absolute_path(parts[0]), propagation="rprivate")
        else:
            entry.update(type=VOLUME, source=_volume_name(parts[0]))
        for option in parts[2].split(",") if len(parts) == 3 else ():
            _add_option(entry, option, str(item))
        once(result, entry["target"], entry)
    return [result[target] for target in sorted(result)]


def _add_option(entry: dict[str, Any], option: str, item: str) -> None:
    is_volume = entry.get("type") == VOLUME
    if option in ("ro", "rw"):
        entry["read_only"] = option == "ro"
    elif option in PROPAGATIONS and not is_volume:
        entry["propagation"] = option
    elif option == "bind" and not is_volume:
        entry["recursive"] = False
    elif option == "idmap" and not is_volume:
        entry["idmap"] = True
    elif option == "nocopy":
        if is_volume:
            entry["no_copy"] = True
    elif option in _FLAGS:
        entry["flags"] = sorted({*entry.get("flags", ()), option})
    elif option not in _NOTHING:
        raise ValueError(f"{item!r}: unknown option {option!r}" + (" for a volume" if is_volume else ""))


def relabelled(value: Iterable[str]) -> list[str]:
    """The paths of the host in the option ``volumes`` that have the option z or Z: SELinux shall let containers in.

    That is something for a task to do, and nothing that a container is: so it is no part of the canonical value.
    """
    found = set()
    for item in value:
        parts = str(item).split(":")
        if len(parts) == 3 and parts[0].startswith("/") and {"z", "Z"} & set(parts[2].split(",")):
            found.add(absolute_path(parts[0]))
    return sorted(found)


def mounts(value: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The dictionaries of the option ``mounts``."""
    result: dict[str, dict[str, Any]] = {}
    for item in value:
        target = _mount_target(item["target"])
        source = text(item.get("source") or "")
        kind = item.get("type") or (BIND if source.startswith("/") else VOLUME)
        given = {name for name, setting in item.items() if setting is not None} - _OF_ALL
        if given - _OF_TYPE[kind]:
            raise ValueError(f"{target}: {', '.join(sorted(given - _OF_TYPE[kind]))} is not for type {kind}")
        entry: dict[str, Any] = {"target": target, "type": kind, "read_only": bool(item.get("read_only"))}
        entry.update({BIND: _bind, VOLUME: _volume, TMPFS: _tmpfs, IMAGE: _image}[kind](item, target))
        once(result, target, entry)
    return [result[target] for target in sorted(result)]


def _bind(item: Mapping[str, Any], target: str) -> dict[str, Any]:
    if not item.get("source"):
        raise ValueError(f"{target}: a bind mount needs a source")
    entry = {"source": absolute_path(item["source"]), "propagation": item.get("propagation") or "rprivate"}
    if item.get("non_recursive"):
        entry["recursive"] = False
    if item.get("read_only_force_recursive"):
        if not item.get("read_only") or item.get("read_only_non_recursive") or item.get("non_recursive"):
            raise ValueError(f"{target}: read_only_force_recursive is for a read_only mount with all that is below")
        entry["rro"] = True
    if item.get("create_mountpoint"):
        entry["create"] = True
    return entry


def _volume(item: Mapping[str, Any], target: str) -> dict[str, Any]:
    from ..volume.driver import canonical

    entry: dict[str, Any] = {"source": _volume_name(text(item.get("source") or ""))}
    if item.get("volume_driver") not in (None, "", "local"):
        raise ValueError(f"{target}: there is no volume driver {item['volume_driver']!r}, only local")
    if item.get("no_copy"):
        entry["no_copy"] = True
    if item.get("labels"):
        entry["labels"] = string_dict(item["labels"])
    if item.get("volume_options"):
        entry["driver_options"] = canonical(item["volume_options"])
    return {**entry, **_subpath(item)}


def _image(item: Mapping[str, Any], target: str) -> dict[str, Any]:
    source = text(item.get("source") or "")
    if not source:
        raise ValueError(f"{target}: a mount of type image needs a source, the name of the image")
    return {"source": source, "read_only": True, **_subpath(item)}


def _subpath(item: Mapping[str, Any]) -> dict[str, str]:
    path = absolute_path("/" + text(item.get("subpath") or "").lstrip("/"))[1:]
    return {"subpath": path} if path else {}


def _tmpfs(item: Mapping[str, Any], _target: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "size": size(item["tmpfs_size"]) if item.get("tmpfs_size") else None,
        "mode": _octal(item["tmpfs_mode"]) if item.get("tmpfs_mode") else "1777",
    }
    options = []
    for given in item.get("tmpfs_options") or ():
        for name, setting in given.items():
            word = text(name) if setting in (None, "") else f"{text(name)}={text(setting)}"
            if "," in word:
                raise ValueError(f"tmpfs_options: {word!r} has a comma in it")
            options.append(word)
    if options:
        entry["options"] = sorted(options)
    return entry


def tmpfs(value: Iterable[str]) -> list[dict[str, Any]]:
    """``TARGET[:OPTIONS]`` with options of mount(8) for tmpfs."""
    result: dict[str, dict[str, Any]] = {}
    for item in value:
        path, _colon, options = str(item).partition(":")
        target = _mount_target(path)
        once(result, target, {"target": target, "options": sorted(option for option in options.split(",") if option)})
    return [result[target] for target in sorted(result)]


def volumes_from(value: Iterable[str]) -> list[dict[str, str]]:
    """``NAME[:ro|rw]``: the container whose volumes are wanted, and how they are mounted if not as there."""
    result: dict[str, dict[str, str]] = {}
    for item in value:
        name, _colon, mode = text(item).partition(":")
        if not name or mode.replace("z", "").replace("Z", "").strip(",") not in ("", "ro", "rw"):
            raise ValueError(f"{item!r} is not NAME, NAME:ro or NAME:rw")
        once(result, name, {"container": name, "mode": "ro" if mode.startswith("ro") else ""})
    return [result[name] for name in sorted(result)]


def image_volumes(config: Mapping[str, Any]) -> list[str]:
    """The paths that an image declares to be volumes (image-spec config.md, ``Volumes``), inside its root.

    An image is nobody's friend: what would lead out of the root stays in it. Raises ValueError for what cannot be one.
    """
    found = set()
    for path in config.get("Volumes") or ():
        parts: list[str] = []
        for part in text(path).split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        found.add(_mount_target("/" + "/".join(parts)))
    return sorted(found)


def _volume_name(value: str) -> str:
    if value and not is_name(value):
        raise ValueError(
            f"{value!r} is neither an absolute path nor the name of a volume (letters, digits, '_', '.' and '-', "
            "beginning with a letter or digit)"
        )
    return value


def _mount_target(value: str) -> str:
    target = absolute_path(value)
    if target == "/":
        raise ValueError("nothing can be mounted on / of a container")
    if target == "/proc" or target.startswith("/proc/"):
        raise ValueError(f"{target}: nothing may be mounted over /proc (CVE-2019-19921)")
    return target


def _octal(value: str) -> str:
    if not value or set(value) - set("01234567") or int(value, 8) > 0o7777:
        raise ValueError(f"{value!r} is not an octal mode such as 1777")
    return f"{int(value, 8):o}"
