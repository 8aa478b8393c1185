# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options ``log_driver`` and ``log_options``, and what the monitor needs to know of them.

A driver puts lines into a file (``k8s-file``, ``json-file``), gives them to journald or drops them (``none``).
"""

from __future__ import annotations

import json
import os
import re
import struct

from .errors import ContainerError
from .values import absolute_path, size_or_unlimited, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

K8S_FILE, JSON_FILE, JOURNALD, NONE = DRIVERS = ("k8s-file", "json-file", "journald", "none")
FILES = (K8S_FILE, JSON_FILE)
SOCKET = "/run/systemd/journal/socket"  # where journald listens (systemd's JOURNAL_NATIVE_PROTOCOL)

_SIZES = ("max-size", "max-file")
_MARKS = ("tag", "labels")
# The option → the drivers it means something to.
_FOR = {"path": FILES, **dict.fromkeys(_SIZES, FILES), **dict.fromkeys(_MARKS, (JSON_FILE, JOURNALD))}
_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
_NAMES = ("ID", "FullID", "Name", "ImageName", "ImageID", "ImageFullID")


def log_options(value: Mapping[Any, Any]) -> dict[str, Any]:
    """The canonical form: ``max-size`` in bytes (0: never rotate), ``max-file``, how many files are kept, the current
    one included, ``path``, where a link to that is, ``tag``, ``labels`` (names, sorted, with commas).
    """
    result: dict[str, Any] = {}
    for given, setting in value.items():
        name = str(given).replace("_", "-")
        if name == "max-size":
            result[name] = max(size_or_unlimited(setting) or 0, 0)
        elif name == "max-file":
            if not str(setting).isdigit() or not 1 <= int(setting) <= 1000:
                raise ValueError(f"max-file must be a number from 1 to 1000, not {setting!r}")
            result[name] = int(setting)
        elif name == "path":
            result[name] = absolute_path(setting)
        elif name == "tag":
            result[name] = _tag(text(setting))
        elif name == "labels":
            words = setting if isinstance(setting, list) else str(setting).split(",")
            result[name] = ",".join(sorted({text(word).strip() for word in words} - {""}))
        else:
            raise ValueError(f"there is no option {given!r}; there are {', '.join(_FOR)}")
    return {name: setting for name, setting in result.items() if setting != ""}


def _tag(template: str) -> str:
    unknown = [name for name in _FIELD.findall(template) if name not in _NAMES]
    if unknown or "{{" in _FIELD.sub("", template):
        known = ", ".join("{{." + name + "}}" for name in _NAMES)
        raise ValueError(f"tag: {template!r} has something else in braces than {known}")
    return template


def check(options: Mapping[str, Any]) -> None:
    """Raise ContainerError for a log option that says nothing to the driver."""
    driver = options.get("log_driver", K8S_FILE)
    for name in options.get("log_options", {}):
        if driver not in _FOR[name]:
            raise ContainerError(
                f"log_options: {name} means nothing to log_driver: {driver}",
                step="options",
                obj="log_options",
                hint=f"Leave it out, or choose {' or '.join(_FOR[name])}",
            )


def check_on_host(options: Mapping[str, Any]) -> None:
    """Raise ContainerError where nobody takes what the driver gives."""
    if options.get("log_driver") == JOURNALD and not os.path.exists(SOCKET):
        raise ContainerError(
            "log_driver: there is no journald on this host",
            step="options",
            obj="log_driver",
            hint="Choose k8s-file or json-file",
        )


def monitor_settings(record: Record) -> dict[str, Any]:
    """What goes into ``monitor.conf``; ``log_extra`` is, in hexadecimal, what each entry has besides its text."""
    options = record.spec["options"]
    driver, chosen = options.get("log_driver", K8S_FILE), options.get("log_options", {})
    result: dict[str, Any] = {name.replace("-", "_"): chosen[name] for name in _SIZES if name in chosen}
    if driver == K8S_FILE:
        return result
    result["log_driver"] = driver
    if driver == JSON_FILE:
        marks = {**({"tag": _filled(record)} if "tag" in chosen else {}), **_labels(record)}
        if marks:
            result["log_extra"] = f'"attrs":{json.dumps(marks, separators=(",", ":"))},'.encode().hex()
    elif driver == JOURNALD:
        result["log_socket"] = SOCKET
        result["log_extra"] = b"".join(_field(name, value) for name, value in _journal_fields(record).items()).hex()
    return result


def _filled(record: Record) -> str:
    """The tag of the container: its short id unless one is declared."""
    image = record.spec["image"]
    values = {
        "ID": record.id[:12],
        "FullID": record.id,
        "Name": record.name,
        "ImageName": image["name"],
        "ImageID": image["id"].rpartition(":")[2][:12],
        "ImageFullID": image["id"],
    }
    template = record.spec["options"].get("log_options", {}).get("tag", "{{.ID}}")
    return _FIELD.sub(lambda found: str(values[found.group(1)]), template)


def _labels(record: Record) -> dict[str, str]:
    from .spec import labels

    known = labels(record.spec["options"], record.spec["image"]["config"])
    wanted = record.spec["options"].get("log_options", {}).get("labels", "").split(",")
    return {name: known[name] for name in wanted if name in known}


def _journal_fields(record: Record) -> dict[str, str]:
    """As podman and Docker name them; a label's name becomes a field's as Docker does it."""
    tagged = "tag" in record.spec["options"].get("log_options", {})
    fields = {
        "CONTAINER_NAME": record.name,
        "CONTAINER_ID": record.id[:12],
        "CONTAINER_ID_FULL": record.id,
        "IMAGE_NAME": record.spec["image"]["name"],
        "CONTAINER_TAG": _filled(record),
        "SYSLOG_IDENTIFIER": _filled(record) if tagged else record.name,
    }
    for name, value in _labels(record).items():
        key = re.sub("[^A-Z0-9_]", "_", name.upper()).lstrip("_0123456789")
        if key:
            fields.setdefault(key[:64], value)
    return fields


def _field(name: str, value: str) -> bytes:
    """One field of journald's native protocol (systemd, JOURNAL_NATIVE_PROTOCOL)."""
    data = value.encode("utf-8", "replace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
