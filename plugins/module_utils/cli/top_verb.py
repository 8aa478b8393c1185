# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci top``: the processes of a container, with the columns of ``docker top``, and the pids that it has inside."""

from __future__ import annotations

import sys
import time

from ..container import inside
from ..container.processes import processes
from ..statedir import StateDir
from .parsing import parser
from .words import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD = ("UID", "PID", "NSPID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
_DAY = 86400


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``top``; the exit code. Raises Error."""
    options = parser("top", "Show the processes of a container that runs or is paused.")
    options.add_argument("--format", choices=("table", "json"), default="table")
    options.add_argument("name", metavar="NAME")
    chosen = options.parse_args(argv[1:])
    state = StateDir(root)
    found = processes(inside.live(state, inside.find(state, chosen.name)))
    if chosen.format == "json":
        import json

        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        now = time.time()
        sys.stdout.write(table([HEAD, *(row(one, _user(one["uid"]), now) for one in found)]))
    return 0


def _user(uid: int) -> str:
    """The host's name for *uid*, or the number."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def row(one: dict[str, Any], user: str, now: float) -> tuple[str, ...]:
    """One process in the table, as ps(1) writes it; *now* is a Unix time."""
    busy = int(100 * one["time"] / one["elapsed"]) if one["elapsed"] else 0
    began = time.localtime(one["started"])
    return (
        user,
        str(one["pid"]),
        str(one["nspid"]),
        str(one["ppid"]),
        str(min(busy, 99)),
        time.strftime("%H:%M" if now - one["started"] < _DAY else "%b%d", began),
        one["tty"],
        duration(int(one["time"])),
        " ".join("".join(sign if sign.isprintable() else "?" for sign in word) for word in one["cmd"]),
    )


def duration(seconds: int) -> str:
    """``[DD-]hh:mm:ss``."""
    days, rest = divmod(seconds, _DAY)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{days:02d}-{clock}" if days else clock
