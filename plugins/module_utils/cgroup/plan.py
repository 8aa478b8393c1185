# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From settings and what the kernel says to changes, and changes carried out whole or not at all."""

from __future__ import annotations

import errno

from ..kernel.lean import namedtuple
from .resources import ANY, FLAT, KEYED, NESTED, PAIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .resources import Row, Setting

Change = namedtuple("Change", "controller file before after")
Change.__doc__ = """One write to come: *after* to *file*; writing *before* instead puts back what is there now."""


class MissingFile(Exception):
    """A setting needs a control file that is not there; ``args[0]`` is its row."""


def changes(settings: Iterable[Setting], content: Callable[[Row], str | None]) -> Iterator[Change]:
    """A Change for each setting that differs from ``content(row)``, the text of the row's file.

    ``content`` gives None where the file is missing: fine for what a group has anyway, else MissingFile.
    """
    pairs: dict[str, tuple[Row, list[str]]] = {}
    for setting in settings:
        row = setting.row
        text = content(row)
        if text is None:
            if not is_default(row, setting.text):
                raise MissingFile(row)
            continue
        if row.shape == PAIR:
            wanted = pairs.setdefault(row.file, (row, text.split()))[1]
            if canon(row, wanted[int(row.name)]) != canon(row, setting.text):
                wanted[int(row.name)] = setting.text
            continue
        before = _current(row, setting.key, text)
        if canon(row, before) == canon(row, setting.text):
            continue
        yield Change(row.controller, row.file, _line(row, setting.key, before), _line(row, setting.key, setting.text))
    for row, wanted in pairs.values():
        text = content(row) or ""
        if wanted != text.split():
            yield Change(row.controller, row.file, text.strip(), " ".join(wanted))


def keep_weight(wanted: list[Change], content: Callable[[str], str | None]) -> list[Change]:
    """*wanted*, and ahead of a group that becomes idle the end of its weight.

    The kernel forgets it then (kernel/sched/fair.c, sched_group_set_idle()): so it is known what was there.
    ``content(file)`` is what a control file holds.
    """
    idle = [change for change in wanted if change.file == "cpu.idle" and change.after == "1"]
    for file, default in (("cpu.weight", "100"), ("cpu.shares", "1024")):
        before = (content(file) or default).strip() if idle else default
        if before != default:
            return [Change("cpu", file, before, default), *wanted]
    return wanted


def is_default(row: Row, text: str) -> bool:
    """Whether a group without the row's file has what *text* asks for."""
    return row.default is not None and (row.default == ANY or canon(row, row.default) == canon(row, text))


def initial(row: Row) -> str:
    """The content of the row's file in a new group; "" where we cannot know."""
    if row.shape == PAIR:
        return "max 100000"  # cpu.max, the only one
    if row.controller == "hugetlb":
        return "max"
    if row.field or row.default in (None, ANY) or (row.shape != FLAT and row.name != "default"):
        return ""
    return str(row.default) if row.shape == FLAT else f"{row.name} {row.default}"


def canon(row: Row, text: str) -> str:
    """*text* as the kernel would tell it."""
    result: str = text if text == "default" else row.kind.canon(text)
    return result


def _current(row: Row, key: str, text: str) -> str:
    """The value that *text*, the content of the row's file, holds for *key*."""
    if row.shape == FLAT:
        return text.strip()
    fallback = row.default if row.default not in (None, ANY) else "max" if row.shape != KEYED else "default"
    for line in text.splitlines():
        name, _space, value = line.strip().partition(" ")
        if name != key:
            continue
        if row.shape == KEYED:
            return value
        for pair in value.split():
            if pair.startswith(row.name + "="):
                return pair[len(row.name) + 1 :]
    return str(fallback)


def overlaid(row: Row, text: str, line: str) -> str:
    """The content of *row*'s file, now *text*, after *line* was written to it."""
    if row.shape in (FLAT, PAIR):
        return canon(row, line) if row.shape == FLAT else line
    key, _space, value = line.strip().partition(" ")
    lines = {}
    for name, _gap, rest in (old.strip().partition(" ") for old in text.splitlines()):
        lines[name] = rest
    if row.shape == NESTED:
        pairs = dict(pair.partition("=")[::2] for pair in f"{lines.get(key, '')} {value}".split())
        value = " ".join(f"{name}={number}" for name, number in pairs.items())
    return "\n".join(f"{name} {rest}" for name, rest in {**lines, key: value}.items())


def _line(row: Row, key: str, value: str) -> str:
    if row.shape == FLAT:
        return value
    return f"{key} {value}" if row.shape == KEYED else f"{key} {row.name}={value}"


def settle(
    wanted: Iterable[Change], write: Callable[[Change], None]
) -> tuple[list[Change], Change | None, OSError | None]:
    """Write *wanted*; gives (what was written, the change that could not be, its error).

    Several files bound each other (memory and memory+swap, quota and period, quota and burst), so the right order
    depends on both old and new values. A write refused with EINVAL is tried again after the others, as long as any
    of them succeeds.
    """
    done: list[Change] = []
    pending = list(wanted)
    while pending:
        refused: list[Change] = []
        first: OSError | None = None
        for change in pending:
            try:
                write(change)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    return done, change, error
                first = first or error
                refused.append(change)
            else:
                done.append(change)
        if len(refused) == len(pending):
            return done, refused[0], first
        pending = refused
    return done, None, None
