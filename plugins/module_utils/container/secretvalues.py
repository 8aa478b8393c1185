# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of secrets, and how it is compared without being kept.

A canonical secret is a dictionary of name, target, uid, gid and mode. Recorded with it is ``seal``, a salted hash of
its content that is slow to compute, by which the next task sees whether it is still the same. The content itself goes
another way, from the task's memory into a file in memory (container/secretfiles.py), and no further.
"""

from __future__ import annotations

import os
from collections import namedtuple

from .errors import ContainerError
from .values import absolute_path, once, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

DIRECTORY = "/run/secrets"
MODE = 0o444
_LIMIT = 1 << 20  # bytes of one secret
_ROUNDS = 20_000
_SCHEME = "pbkdf2-sha256"
_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")

SUBOPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "target": {"type": "str", "aliases": ["dest", "filename"]},
    "content": {"type": "str", "no_log": True, "aliases": ["data"]},
    "content_is_b64": {"type": "bool", "aliases": ["data_is_b64"]},
    "source": {"type": "path", "aliases": ["src", "file"]},
    "uid": {"type": "int"},
    "gid": {"type": "int"},
    "mode": {"type": "raw"},
}

# Where the content of a secret comes from: said by the task, or a file of the host.
Origin = namedtuple("Origin", "content is_b64 path")


def secrets(value: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The dictionaries of the option; each has its Origin in ``origin`` until :func:`separate` takes that out."""
    result: dict[str, dict[str, Any]] = {}
    targets: dict[str, str] = {}
    for item in value:
        name = text(item["name"])
        if not name or set(name) - _CHARACTERS or name.startswith(".") or len(name) > 128:
            raise ValueError(f"{name!r} is not a name: letters, digits, '_', '.' and '-', not beginning with '.'")
        target = text(item.get("target") or name)
        target = absolute_path(target if target.startswith("/") else f"{DIRECTORY}/{target}")
        if target in ("/", DIRECTORY) or (target + "/").startswith("/proc/"):
            raise ValueError(f"{name}: {target} is not a place for a file")
        if (item.get("content") is None) == (item.get("source") is None):
            raise ValueError(f"{name} needs either content or source")
        entry = {"name": name, "target": target, "mode": _mode(name, item.get("mode"))}
        for key in ("uid", "gid"):
            number = item.get(key) or 0
            if not 0 <= number < (1 << 32) - 1:
                raise ValueError(f"{name}: {key} {number} is not an id")
            entry[key] = number
        entry["origin"] = Origin(item.get("content"), bool(item.get("content_is_b64")), item.get("source"))
        if name in result:
            raise ValueError(f"{name} is given twice")
        once(targets, target, name)
        result[name] = entry
    return [result[name] for name in sorted(result)]


def _mode(name: str, value: object) -> int:
    """A number, as YAML reads 0400, or octal digits in a string."""
    if value is None:
        return MODE
    try:
        mode = value if isinstance(value, int) and not isinstance(value, bool) else int(str(value), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ValueError(f"{name}: {value!r} is not a mode such as '0400'")
    return mode


def separate(declared: Mapping[str, Any]) -> dict[str, Origin]:
    """Take out of *declared* where the contents come from: by name."""
    return {entry["name"]: entry.pop("origin") for entry in declared.get("secrets", ()) if "origin" in entry}


def read(origins: Mapping[str, Origin]) -> dict[str, bytes]:
    """The contents. Raises ContainerError, which says nothing of them."""
    return {name: _read(name, origin) for name, origin in origins.items()}


def _read(name: str, origin: Origin) -> bytes:
    if origin.path is not None:
        try:
            with open(origin.path, "rb") as file:
                content = file.read(_LIMIT + 1)
        except OSError as error:
            raise _wrong(f"{name}: {origin.path}: {error.strerror}") from None
    elif origin.is_b64:
        import base64

        try:
            content = base64.b64decode(origin.content, validate=True)
        except ValueError:
            raise _wrong(f"{name}: the content is not base64") from None
    else:
        content = str(origin.content).encode("utf-8", "surrogateescape")
    if len(content) > _LIMIT:
        raise _wrong(f"{name} has more than {_LIMIT} bytes")
    return content


def seal(content: bytes, salt: str) -> str:
    """The salted hash of *content*; *salt* in hexadecimal digits."""
    import hashlib

    found = hashlib.pbkdf2_hmac("sha256", content, bytes.fromhex(salt), _ROUNDS)
    return f"{_SCHEME}:{_ROUNDS}:{salt}:{found.hex()}"


def fits(sealed: str, content: bytes) -> bool:
    """Whether *content* is what *sealed* was made of."""
    scheme, rounds, salt, _hash = sealed.split(":")
    return (scheme, rounds) == (_SCHEME, str(_ROUNDS)) and seal(content, salt) == sealed


def sealed(
    declared: Iterable[Mapping[str, Any]], contents: Mapping[str, bytes], recorded: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """*declared* with seals: the recorded ones where the contents fit them, so that what is the same is equal."""
    before = {entry["name"]: entry["seal"] for entry in recorded}
    found = []
    for entry in declared:
        content = contents[entry["name"]]
        known = before.get(entry["name"], "")
        found.append(
            {**entry, "seal": known if known and fits(known, content) else seal(content, os.urandom(16).hex())}
        )
    return found


def usable(
    entries: Iterable[Mapping[str, Any]], contents: Mapping[str, bytes], declared: Iterable[Mapping[str, Any]]
) -> dict[str, bytes]:
    """Those of *contents* that the secrets *entries* were sealed with; of *declared* that is known."""
    known = {entry["seal"] for entry in declared if "seal" in entry}
    return {
        entry["name"]: contents[entry["name"]]
        for entry in entries
        if entry["name"] in contents and (entry["seal"] in known or fits(entry["seal"], contents[entry["name"]]))
    }


def shown(entries: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]], mask: str) -> list[dict[str, Any]]:
    """*entries* for a diff with *other*: whether a content has changed, and nothing else of it."""
    before = {entry["name"]: entry["seal"] for entry in other}
    found = []
    for entry in entries:
        changed = before.get(entry["name"], entry["seal"]) != entry["seal"]
        found.append({**entry, "mode": f"{entry['mode']:04o}", "content": mask + (" (changed)" if changed else "")})
        del found[-1]["seal"]
    return found


def _wrong(message: str) -> ContainerError:
    return ContainerError(f"secrets: {message}", step="options", obj="secrets")
