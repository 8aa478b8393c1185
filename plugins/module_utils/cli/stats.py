# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci stats``: what containers use, live: a table that is redrawn in place on a terminal, or JSON."""

from __future__ import annotations

import os
import sys
import time

from ..cgroup.units import format_bytes
from ..container import inside, records
from ..container.sample import report, take
from ..statedir import StateDir
from .parsing import parser
from .progress import size, terminal_size
from .words import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, TextIO

    from ..container.records import Record

HEAD = (
    "NAME",
    "ID",
    "CPU %",
    "MEM USAGE / LIMIT",
    "MEM %",
    "PIDS",
    "BLOCK I/O",
    "NET I/O",
    "THROTTLED",
    "OOM",
    "PRESSURE",
)
_NONE = "-"


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``stats``; the exit code. Raises Error."""
    options = parser("stats", "Show what containers use: all that run, or those named.")
    options.add_argument("-a", "--all", action="store_true", help="those too that do not run")
    options.add_argument("--no-stream", action="store_true", help="show it once and end")
    options.add_argument(
        "--format", choices=("table", "json"), default="table", help="json: a line for each container, every time"
    )
    options.add_argument("--interval", type=_seconds, default=1.0, metavar="SECONDS", help="between two looks (1)")
    options.add_argument("names", metavar="NAME", nargs="*")
    chosen = options.parse_args(argv[1:])
    state = StateDir(root)
    named = [inside.find(state, name).name for name in chosen.names]
    # A table that nobody watches is wanted once; a program that reads JSON may want to go on.
    once = chosen.no_stream or (chosen.format == "table" and not sys.stdout.isatty())
    looks = _looks(state, named, shows_ended=chosen.all or bool(named), interval=chosen.interval)
    try:
        if once:
            next(looks)
            sys.stdout.write(_lines(next(looks), chosen.format))
        elif chosen.format == "json":
            next(looks)
            for look in looks:
                sys.stdout.write(_lines(look, "json"))
                sys.stdout.flush()
        else:
            _watch(looks, sys.stdout)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 0  # the way to end it
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # "aoci stats --format json | head": not a failure of ours
    return 0


def _seconds(text: str) -> float:
    value = float(text.rstrip("s"))
    if not 0.1 <= value <= 3600:
        raise ValueError(text)
    return value


def _looks(
    state: StateDir, named: Sequence[str], *, shows_ended: bool, interval: float
) -> Iterator[list[dict[str, Any]]]:
    """Reports of the containers, *interval* seconds between two; ends when all that were named have been removed."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    before: dict[str, Any] = {}
    due = time.monotonic()
    while True:
        wanted = _records(state, named)
        if named and not wanted:
            return
        samples = take(state, wanted)
        yield [
            report(sample, before.get(sample.id), memory)
            for sample in samples
            if shows_ended or sample.status != "stopped"
        ]
        before = {sample.id: sample for sample in samples}
        due = max(due + interval, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0))


def _records(state: StateDir, named: Sequence[str]) -> list[Record]:
    found = (records.load(state, name) for name in named or records.names(state))
    return [record for record in found if record is not None]


def _lines(look: Sequence[dict[str, Any]], form: str) -> str:
    if form == "json":
        import json

        return "".join(json.dumps(one) + "\n" for one in look)
    return table([HEAD, *map(row, look)])


def row(one: dict[str, Any]) -> tuple[str, ...]:
    """One container in the table."""
    if one["status"] == "stopped":
        return (one["name"], one["id"][:12], *[_NONE] * (len(HEAD) - 2))
    return (
        one["name"],
        one["id"][:12],
        _percent(one["cpu_percent"]),
        f"{_bytes(one['memory_working_set'])} / {_bytes(one['memory_limit'])}",
        _percent(one["memory_percent"]),
        _NONE if one["pids"] is None else str(one["pids"]),
        _pair(one["io_read_bytes"], one["io_write_bytes"]),
        _pair(one["net_rx_bytes"], one["net_tx_bytes"]),
        _percent(one["throttled_percent"]),
        _NONE if one["oom_kill"] is None else str(one["oom_kill"]),
        _waits(one["pressure"]),
    )


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}%"


def _bytes(count: int | None) -> str:
    return _NONE if count is None else format_bytes(count)


def _pair(one: int | None, other: int | None) -> str:
    return _NONE if one is None or other is None else f"{size(one)} / {size(other)}"


def _waits(pressure: Mapping[str, Any]) -> str:
    """How much of the last ten seconds somebody in it waited for each: ``cpu 12%, io 3%``; the greatest first."""
    if not pressure:
        return _NONE
    shares = sorted(((-found["some"]["avg10"], name) for name, found in pressure.items() if "some" in found))
    return ", ".join(f"{name} {-share:.0f}%" for share, name in shares if -share >= 0.5) or "0%"


def _watch(looks: Iterator[list[dict[str, Any]]], stream: TextIO) -> None:
    drawn = 0
    for look in looks:
        lines = frame(_lines(look, "table").splitlines(), *terminal_size(stream))
        up = f"\x1b[{drawn}A" if drawn else ""
        stream.write(f"{up}\r\x1b[J" + "".join(line + "\n" for line in lines))
        stream.flush()
        drawn = len(lines)


def frame(lines: Sequence[str], columns: int, height: int) -> list[str]:
    """*lines* of a table as they fit a terminal, whose last line and column stay free; what is left out is counted."""
    room = max(height - 1, 2)
    shown = list(lines)
    if len(shown) > room:
        shown = [*shown[: room - 1], f"and {len(lines) - room + 1} more"]
    return [line[: columns - 1] for line in shown]
