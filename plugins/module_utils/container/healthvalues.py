# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``healthcheck``: from what users write, docker_container's way or podman_container's, to canonical values.

The canonical value is a dictionary of what is declared of ``test`` (``["NONE"]``, ``["CMD", WORD…]`` or
``["CMD-SHELL", TEXT]``), ``interval``, ``timeout``, ``start_period``, ``start_interval`` (nanoseconds) and ``retries``.
"""

from __future__ import annotations

from .health import FIELDS, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# podman_container has an option of its own for each of these.
FLAT: dict[str, dict[str, Any]] = {
    "healthcheck_interval": {"type": "str", "aliases": ["health_interval"]},
    "healthcheck_timeout": {"type": "str", "aliases": ["health_timeout"]},
    "healthcheck_retries": {"type": "int", "aliases": ["health_retries"]},
    "healthcheck_start_period": {"type": "str", "aliases": ["health_start_period"]},
}
_KINDS = ("CMD", "CMD-SHELL")
_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000, "ns": 1}
_LEAST = 10**6  # Docker's
_MOST = 365 * 24 * _UNITS["h"]


def folded(parameters: Mapping[str, Any]) -> Any:
    """The task's ``healthcheck`` with podman's options put into it; None when nothing is given."""
    given = parameters.get("healthcheck")
    flat = {name[len("healthcheck_") :]: parameters.get(name) for name in FLAT if parameters.get(name) is not None}
    if not flat:
        return given
    check = dict(given) if isinstance(given, dict) else {} if given is None else {"test": given}
    for name, value in flat.items():
        if check.get(name) is not None:
            raise ValueError(f"{name} is given twice, in healthcheck_{name} too")
        check[name] = value
    return check


def healthcheck(value: object) -> dict[str, Any] | None:
    """A dictionary, or the test alone; None for one that says nothing."""
    if not isinstance(value, dict):
        return {"test": _test(value)}
    known = {*FIELDS, "test_cli_compatible"}
    unknown = sorted(str(name) for name in value if name not in known)
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r}; there are {', '.join(FIELDS)}")
    result: dict[str, Any] = {}
    for name in FIELDS:
        given = value.get(name)
        if given is None:
            continue
        if name == "test":
            result[name] = _test(given)
        elif name == "retries":
            result[name] = _retries(given)
        else:
            result[name] = duration(name, given)
    if result.get("test") == NONE:
        return {"test": NONE}
    # As Docker has it, zero is "not said".
    return {name: entry for name, entry in result.items() if entry} or None


def _test(value: object) -> list[str]:
    words: list[str]
    if isinstance(value, str):
        words = _words(value)
    elif isinstance(value, list) and not any(isinstance(word, (dict, list)) or word is None for word in value):
        words = [str(word) for word in value]
    else:
        raise ValueError("test: must be a string or a list")
    if any("\0" in word for word in words):
        raise ValueError("test: a NUL byte is not allowed")
    if [word.upper() for word in words] == NONE:
        return NONE
    if not words or words[0] not in _KINDS:
        raise ValueError("test: the list must begin with CMD, CMD-SHELL or NONE")
    if len(words) < 2 or not words[1] or (words[0] == "CMD-SHELL" and len(words) > 2):
        one = "one string" if words[0] == "CMD-SHELL" else "a program"
        raise ValueError(f"test: {one} must follow {words[0]}")
    return words


def _words(text: str) -> list[str]:
    """One string: a command for the shell, or, as podman takes it, a keyword and what follows or a JSON list."""
    import json
    import shlex

    if text.strip().upper() in ("NONE", ""):
        return NONE
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except ValueError:
            return ["CMD-SHELL", text]  # a program called [
        if isinstance(listed, list) and listed and all(isinstance(word, str) for word in listed):
            if listed[0] in (*_KINDS, *NONE):
                return listed
            return ["CMD", *listed] if len(listed) > 1 else ["CMD-SHELL", listed[0]]
        raise ValueError(f"test: {text!r} is not a list of strings")
    kind, _space, rest = text.strip().partition(" ")
    if kind == "CMD":
        try:
            return ["CMD", *shlex.split(rest)]
        except ValueError as error:
            raise ValueError(f"test: {text!r} cannot be split into words ({error}); write it as a list") from error
    return ["CMD-SHELL", rest.strip()] if kind == "CMD-SHELL" else ["CMD-SHELL", text]


def _retries(value: object) -> int:
    if isinstance(value, bool) or not str(value).isdigit() or int(str(value)) > 1_000_000:
        raise ValueError(f"retries: {value!r} is not a number from 0 to 1000000")
    return int(str(value))


def duration(name: str, value: object) -> int:
    """Nanoseconds from ``5s``, ``1m30s``, ``1h5m3s20ms``; a bare number is seconds."""
    text = str(value).strip()
    total, rest = 0.0, text
    if isinstance(value, bool):
        rest = "?"
    elif _is_number(text):
        total, rest = float(text) * _UNITS["s"], ""
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("hmsnuµ"))]
        rest = rest[len(unit) :]
        if not _is_number(number) or unit not in _UNITS:
            raise ValueError(f"{name}: {value!r} is not a duration such as 5s, 1m30s or 500ms")
        total += float(number) * _UNITS[unit]
    if total and not _LEAST <= total <= _MOST:
        raise ValueError(f"{name}: {value!r} is not from 1ms to a year")
    return int(total)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit() and text.isascii()
