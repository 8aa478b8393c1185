# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what users write of limits per device, and of where limits lie, to canonical values (see values.py)."""

from __future__ import annotations

from ..cgroup import spelling, units
from ..kernel.errors import Error
from .values import absolute_path, integer, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_ACCESS = "rwm"


def byte_rates(value: Iterable[object]) -> list[dict[str, Any]]:
    """``{path: /dev/sda, rate: 1m}`` or ``/dev/sda:1m``, bytes each second; told apart by their paths."""
    return _per_device(value, "rate", units.parse_bytes)


def rates(value: Iterable[object]) -> list[dict[str, Any]]:
    """The same with operations each second."""
    return _per_device(value, "rate", units.parse_count)


def weights(value: object) -> list[dict[str, Any]]:
    """A dictionary from devices to weights, as podman_container has it, or a list as for the rates."""
    items = [{"path": path, "weight": weight} for path, weight in value.items()] if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise ValueError("must be a dictionary from devices to weights, or a list")
    found = _per_device(items, "weight", units.parse_count)
    for entry in found:
        integer(10, 1000)(entry["weight"])
    return found


def _per_device(value: Iterable[object], field: str, parse: Callable[[str, str], int]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for item in value:
        if isinstance(item, dict):
            path, written = item.get("path"), item.get(field)
            strange = sorted(set(item) - {"path", field})
        else:
            path, _colon, written = str(item).rpartition(":")
            strange = []
        if strange or not path or written in (None, ""):
            raise ValueError(f"{item!r} does not tell a device and its {field}; write {{path: /dev/sda, {field}: …}}")
        path = _device(str(path))
        try:
            number = parse(str(written), field)
        except Error as error:
            raise ValueError(error.message) from error
        if path in found:
            raise ValueError(f"{path} is given twice")
        found[path] = {"path": path, field: number}
    # No limit says nothing; of a rate the kernel takes no 0.
    return [found[path] for path in sorted(found) if found[path][field] > 0]


def _device(path: str) -> str:
    """The path of a device's node, or MAJOR:MINOR."""
    major, colon, minor = path.partition(":")
    return path if colon and major.isdigit() and minor.isdigit() else absolute_path(path)


def device_rules(value: Iterable[object]) -> list[str]:
    """``TYPE MAJOR:MINOR ACCESS`` with ``*`` for any number: what is allowed besides the declared devices."""
    found = set()
    for item in value:
        words = text(item).split()
        try:
            rule = spelling.device_rules([" ".join(words)], "rule")[-1]
        except Error as error:
            raise ValueError(f"{item!r} is not TYPE MAJOR:MINOR ACCESS, as in 'c 42:* rmw'") from error
        if words[0] in ("allow", "deny"):
            raise ValueError(f"{item!r}: rules only allow, write TYPE MAJOR:MINOR ACCESS")
        numbers = ["*" if rule[key] is None else str(rule[key]) for key in ("major", "minor")]
        access = "".join(letter for letter in _ACCESS if letter in rule["access"])
        found.add(f"{rule['type']} {':'.join(numbers)} {access}")
    return sorted(found)


def control_files(value: Mapping[Any, Any]) -> dict[str, str]:
    """Control files of cgroup v2 by their names, as ``memory.high``, with what is written there."""
    found = {}
    for name, written in value.items():
        file = text(name)
        if "." not in file or "/" in file or file.startswith(("cgroup.", ".")):
            raise ValueError(f"{file!r} is not the name of a control file such as memory.high")
        if isinstance(written, (dict, list)) or written is None:
            raise ValueError(f"the value of {file} is not a string")
        found[file] = text(int(written) if isinstance(written, bool) else written).strip()
    return found


def cgroup_parent(value: str) -> str:
    """The path of a group from the root of the hierarchies; a slice of systemd by its name alone."""
    from ..cgroup.api import normal_path

    name = text(value)
    try:
        if name.endswith(".slice") and "/" not in name:
            from ..cgroup.systemd_units import expand_slice

            return normal_path(expand_slice(name))
        return normal_path(name)
    except Error as error:
        raise ValueError(error.message) from error


def umask(value: str) -> str:
    """A mask of permissions as an octal number."""
    digits = text(value)
    if not digits or set(digits) - set("01234567") or int(digits, 8) > 0o777:
        raise ValueError(f"{digits!r} is not an octal mask such as 0022")
    return f"{int(digits, 8):04o}"
