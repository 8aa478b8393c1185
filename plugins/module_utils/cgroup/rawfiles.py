# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw control files as settings: OCI's ``unified``, the module's ``conf``, and limits that only cgroup v2 has.

Sources: cgroup-v2.rst; kernel/cgroup/misc.c, dmem.c, rdma.c. How the kernel tells a value is known for the files
below and for those of resources.py; of any other the words are compared, numbers as numbers.
"""

from __future__ import annotations

from . import kinds, units
from .errors import CgroupError
from .freezer import FREEZE, SELF_FREEZING
from .resources import FLAT, KEYED, NESTED, PAIR, V1, V2, Row, Setting
from .v2 import PARTITION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


def _row(file: str, kind: kinds.Kind, default: str | None, shape: str = FLAT, name: str = "") -> Row:
    return Row("unified", file, file.split(".", 1)[0], file, kind, default, shape, name)


RAW = (
    _row("memory.high", kinds.BYTES_V2, "max"),
    _row("memory.min", kinds.BYTES_V2, "0"),
    _row("memory.swap.high", kinds.BYTES_V2, "max"),
    _row("memory.zswap.max", kinds.BYTES_V2, "max"),
    _row("memory.oom.group", kinds.INT, "0"),
    _row("cpu.uclamp.min", kinds.PERCENT, None),
    _row("cpu.uclamp.max", kinds.PERCENT, None),
    _row("cpuset.cpus.exclusive", kinds.LIST, ""),
    _row(PARTITION, kinds.PARTITION, "member"),
    _row("io.latency", kinds.INT, "0", NESTED, "target"),
    _row("misc.max", kinds.COUNT, "max", KEYED),
    _row("rdma.max", kinds.COUNT, "max", NESTED, "hca_handle"),
    _row("rdma.max", kinds.COUNT, "max", NESTED, "hca_object"),
    _row("dmem.max", kinds.COUNT, "max", KEYED),
    _row("dmem.min", kinds.COUNT, "0", KEYED),
    _row("dmem.low", kinds.COUNT, "0", KEYED),
    _row("cgroup.max.depth", kinds.COUNT, "max"),
    _row("cgroup.max.descendants", kinds.COUNT, "max"),
    _row(FREEZE, kinds.INT, "0"),
    _row(SELF_FREEZING, kinds.INT, "0"),
)
_ROWS: dict[str, list[Row]] = {}
for _one in V1 + V2 + RAW:
    _ROWS.setdefault(_one.file, []).append(_one)

V2_FILES = frozenset(row.file for row in V2) | {row.file for row in RAW} - {SELF_FREEZING, "misc.max", "rdma.max"}
"""Files that only cgroup v2 has, or has under this name."""

_BYTES = (kinds.BYTES_V1, kinds.BYTES_V2, kinds.RESERVATION_V2)
_NO_LIMITS = {
    "cgroup.procs": "Move processes in with the option processes",
    "cgroup.threads": "Move processes in with the option processes",
    "cgroup.kill": "Remove the group with state absent",
    "cgroup.subtree_control": "Controllers are enabled when the group, or one below it, is made",
    "cgroup.event_control": "Leave it out",
    "devices.allow": "Declare the option device_cgroup_rules",
    "devices.deny": "Declare the option device_cgroup_rules",
    "devices.list": "Declare the option device_cgroup_rules",
    "freezer.state": "Declare the option frozen",
    "memory.reclaim": "Write it with ansible.builtin.shell",
    "memory.force_empty": "Write it with ansible.builtin.shell",
    "blkio.reset_stats": "Write it with ansible.builtin.shell",
}
"""Files that start something and keep nothing: declaring them has no meaning."""


def rows_of(file: str) -> list[Row]:
    """The rows that say how control *file* is written and read; of one that we do not know a row of plain words."""
    known = _ROWS.get(file)
    if known is None:
        words = file.split(".")
        if words[0] == "hugetlb" and words[-1] in ("max", "limit_in_bytes"):
            unified = words[-1] == "max"
            kind = kinds.huge(units.parse_bytes(words[1], file), unified=unified)
            return [Row("hugepageLimits", words[1], "hugetlb", file, kind, "max" if unified else "-1")]
        return [Row("conf", file, words[0], file, kinds.TEXT, None)]
    return known


def raw_settings(values: Mapping[str, Any]) -> Iterator[Setting]:
    """Raw ``file: value`` pairs; a line of a value is a write of its own. Raises CgroupError."""
    for file, value in values.items():
        controller, dot, rest = file.partition(".")
        if not dot or not rest or "/" in file or not controller:
            raise CgroupError(
                f"{file!r} is not the name of a control file", step="conf", hint="Write it as in memory.high or io.max"
            )
        if file in _NO_LIMITS:
            raise CgroupError(f"{file} holds no limit", step="conf", obj=file, hint=_NO_LIMITS[file])
        rows = rows_of(file)
        for line in str(value).strip().splitlines() or [""]:
            for setting in _of_line(rows, line.strip()):
                _check(setting)
                yield setting


def _of_line(rows: list[Row], line: str) -> Iterator[Setting]:
    row = rows[0]
    key, _space, text = line.partition(" ")
    if row.shape == PAIR:
        for one, word in zip(rows, line.split()):
            yield Setting(one, "", word)
    elif row.section == "conf" and (":" in key or key == "default") and text:
        if "=" in text:
            yield from _pairs([row._replace(shape=NESTED)], key, text)
        else:
            yield Setting(row._replace(shape=KEYED), key, text)
    elif row.shape == FLAT:
        if row.kind in _BYTES and line:
            size = units.parse_bytes(line, row.file)
            line = str(size) if size >= 0 else "-1" if row.kind is kinds.BYTES_V1 else "max"
        yield Setting(row, "", line)
    elif row.shape == NESTED:
        yield from _pairs(rows, key, text)
    elif not text and row.name:
        yield Setting(row, row.name, key)  # io.weight takes the default without its name
    else:
        yield Setting(next((one for one in rows if one.name == key), rows[-1]), key, text)


def _pairs(rows: list[Row], key: str, text: str) -> Iterator[Setting]:
    for pair in text.split():
        name, equals, value = pair.partition("=")
        if not equals:
            raise CgroupError(f"{rows[0].file}: {pair!r} is not NAME=VALUE", step="conf", obj=rows[0].file)
        known = next((row for row in rows if row.name == name), None)
        yield Setting(known or rows[0]._replace(kind=kinds.TEXT, name=name), key, value)


def _check(setting: Setting) -> None:
    file = setting.row.file
    try:
        if setting.text != "default":
            setting.row.kind.canon(setting.text)
    except ValueError:
        raise CgroupError(f"{file}: {setting.text!r} is not a number", step="conf", obj=file) from None
