# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values out of a configuration, by their dotted path and of the right type; anything else is a ConfigError."""

from __future__ import annotations

from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

MAX_ID = (1 << 32) - 2  # 2^32 - 1 means "no change" to setuid(2) (CVE-2024-40635)


def wrong(path: str, why: str, *, hint: str = "") -> ConfigError:
    """The error for the property at *path*; its message is ``path: why``."""
    return ConfigError(f"{path}: {why}", step="config", obj=path, hint=hint)


def get(document: Any, path: str, kind: type, *default: Any, where: str = "") -> Any:
    """The value at the dotted *path*; without a *default* it is required.

    *where* is the path of *document* itself, for messages. Raises ConfigError for a wrong type.
    """
    value = document
    for key in path.split("."):
        if value is not None and not isinstance(value, dict):
            raise wrong(where or path, f"expected an object, found {value!r}")
        value = value.get(key) if value is not None else None
    full = f"{where}.{path}" if where else path
    if value is None:
        if default:
            return default[0]
        raise ConfigError(f"{full} is missing", step="config", obj=full)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise wrong(full, f"expected {kind.__name__}, found {value!r}")
    return value


def strings(document: Any, path: str, *default: list[str], where: str = "") -> list[str]:
    """A list of strings without NUL, which execve(2) and mount(2) would cut off there."""
    values: list[str] = get(document, path, list, *default, where=where)
    for value in values:
        if not isinstance(value, str) or "\0" in value:
            raise wrong(f"{where}.{path}" if where else path, f"{value!r} is not a string without NUL")
    return values


def text(document: Any, path: str, *default: str, where: str = "") -> str:
    """A string without NUL."""
    value: str = get(document, path, str, *default, where=where)
    if "\0" in value:
        raise wrong(f"{where}.{path}" if where else path, f"{value!r} holds a NUL")
    return value


def number(document: Any, path: str, low: int, high: int, *default: int, where: str = "") -> int:
    """A whole number from *low* to *high*."""
    value: int = get(document, path, int, *default, where=where)
    if not low <= value <= high:
        raise wrong(f"{where}.{path}" if where else path, f"{value} is not between {low} and {high}")
    return value


def choice(document: Any, path: str, known: Collection[str], *default: str, where: str = "") -> str:
    """One of the *known* words."""
    value: str = get(document, path, str, *default, where=where)
    if value not in known:
        raise wrong(f"{where}.{path}" if where else path, f"{value!r} is none of {', '.join(sorted(known))}")
    return value


def choices(document: Any, path: str, known: Collection[str], *, where: str = "") -> list[str]:
    """Some of the *known* words; an absent list is an empty one."""
    values = strings(document, path, [], where=where)
    for value in values:
        if value not in known:
            raise wrong(f"{where}.{path}" if where else path, f"{value!r} is none of {', '.join(sorted(known))}")
    return values


def check_id(value: Any, path: str) -> int:
    """A user's or group's id."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ID:
        raise wrong(path, f"{value!r} is not a number from 0 to {MAX_ID}")
    return value


def mappings(document: Any, path: str, *, where: str = "") -> list[tuple[int, int, int]]:
    """An id map (config-linux.md, "User namespace mappings") as (first inside, first outside, how many)."""
    full = f"{where}.{path}" if where else path
    found = []
    for index, entry in enumerate(get(document, path, list, [], where=where)):
        place = f"{full}[{index}]"
        inside, outside = (
            check_id(get(entry, key, object, where=place), f"{place}.{key}") for key in ("containerID", "hostID")
        )
        found.append((inside, outside, number(entry, "size", 1, MAX_ID + 1, where=place)))
    return found
