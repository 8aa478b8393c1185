# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits in force, read back through the tables that set them, and what is used of them."""

from __future__ import annotations

from . import units
from .control import flat_keyed, read_if_there
from .plan import canon
from .resources import KEYED, NESTED, PAIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .api import Cgroup
    from .resources import Row


def read_limits(table: Iterable[Row], content: Callable[[Row], str | None]) -> dict[str, Any]:
    """OCI ``linux.resources`` from the content of control files; what has no file is left out."""
    found: dict[str, Any] = {}
    for row in table:
        section = found.setdefault(row.section, {})
        if row.key in section:
            continue
        text = content(row)
        if text is None:
            continue
        if row.field:
            entries = _devices(row, text)
            if entries:
                section[row.key] = entries
            continue
        value = text
        if row.shape == PAIR:
            value = text.split()[int(row.name)]
        elif row.shape == KEYED:
            value = _keyed(text).get(row.name) or text.split()[0]
        section[row.key] = row.kind.decode(canon(row, value))
        if row.file == "memory.swap.max":
            section[row.key] = _with_memory(section.get("limit", units.UNLIMITED), section[row.key])
    return {section: values for section, values in found.items() if values}


def _with_memory(limit: int, swap: int) -> int:
    """v2's swap alone as OCI's memory and swap together."""
    return units.UNLIMITED if units.UNLIMITED in (limit, swap) else limit + swap


def _keyed(text: str) -> dict[str, str]:
    return {key: value for key, _space, value in (line.strip().partition(" ") for line in text.splitlines()) if value}


def _devices(row: Row, text: str) -> list[dict[str, Any]]:
    """The entries of a list of devices: ``[{"major": 8, "minor": 0, "rate": 1048576}]``."""
    entries: list[dict[str, Any]] = []
    for key, value in _keyed(text).items():
        if row.shape == NESTED:
            value = dict(pair.partition("=")[::2] for pair in value.split()).get(row.name, "max")
        if value in ("max", "0", row.default):
            continue
        major, colon, minor = key.partition(":")
        where: dict[str, Any] = {"major": int(major), "minor": int(minor)} if colon else {"name": key}
        if colon and not (major.isdigit() and minor.isdigit()):
            continue
        if key != "default":
            entries.append({**where, row.field: row.kind.decode(canon(row, value))})
    return entries


_USAGE = (
    ("memory", "memory", "memory.current"),
    ("memory", "memory", "memory.usage_in_bytes"),
    ("memory_peak", "memory", "memory.peak"),
    ("memory_peak", "memory", "memory.max_usage_in_bytes"),
    ("pids", "pids", "pids.current"),
)


def read_usage(group: Cgroup) -> dict[str, int]:
    """See :meth:`Cgroup.usage`."""
    found: dict[str, int] = {}
    for key, controller, file in _USAGE:
        text = _text(group, controller, file)
        if text is not None:
            found[key] = int(text)
    text = _text(group, "cpuacct", "cpuacct.usage")
    if text is not None:
        found["cpu_usec"] = int(text) // 1000
    stat = flat_keyed(_text(group, "cpu", "cpu.stat") or "")
    if "usage_usec" in stat:
        found["cpu_usec"] = stat["usage_usec"]
    if "throttled_usec" in stat:
        found["throttled_usec"] = stat["throttled_usec"]
    elif "throttled_time" in stat:
        found["throttled_usec"] = stat["throttled_time"] // 1000  # v1 counts nanoseconds
    return found


def _text(group: Cgroup, controller: str, file: str) -> str | None:
    directory = group.directory(controller)
    return read_if_there(f"{directory}/{file}") if directory else None
