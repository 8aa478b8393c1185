# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's verbs about containers: containers, inspect, logs."""

from __future__ import annotations

import os
import sys

from ..container import inside, records, turns
from ..container.errors import ContainerError
from ..container.observe import observe
from ..statedir import StateDir
from .parsing import parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..container.logs import Entry


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``argv[0]`` on the state directory *root*; the exit code. Raises Error."""
    verbs = {"containers": _containers, "inspect": _inspect, "logs": _logs}
    return verbs[argv[0]](argv[1:], StateDir(root))


def _containers(argv: list[str], state: StateDir) -> int:
    options = parser("containers", "List the containers of this host.")
    options.add_argument("-q", "--quiet", action="store_true", help="names only")
    options.add_argument("--format", choices=("table", "json"), default="table")
    options.add_argument(
        "--remove-ended", metavar="DIRECTORY", help="remove the container that has this directory, if it has ended"
    )
    chosen = options.parse_args(argv)
    if chosen.remove_ended:
        return _remove_ended(chosen.remove_ended, state)
    found = [record for record in (records.load(state, name) for name in records.names(state)) if record is not None]
    if chosen.quiet:
        for record in found:
            sys.stdout.write(record.name + "\n")
        return 0
    from ..container.inspect import inspect

    known = [inspect(record, observe(state, record)) for record in found]
    if chosen.format == "json":
        import json

        sys.stdout.write(json.dumps(known, indent=2) + "\n")
        return 0
    rows = [("NAME", "ID", "IMAGE", "STATUS", "PID", "MEMORY", "CPUS", "RESTARTS")]
    for entry in known:
        rows.append(
            (
                entry["Name"],
                entry["Id"][:12],
                entry["Config"]["Image"],
                _status(entry["State"]),
                str(entry["State"]["Pid"] or "-"),
                _size(entry["HostConfig"]["Memory"]),
                f"{entry['HostConfig']['NanoCpus'] / 1e9:g}" if entry["HostConfig"]["NanoCpus"] else "-",
                str(entry["RestartCount"]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n")
    return 0


def _status(state: dict[str, Any]) -> str:
    if state["Status"] == "running" and "Health" in state:
        return f"running ({state['Health']['Status']})"
    return f"exited ({state['ExitCode']})" if state["Status"] == "exited" else str(state["Status"])


def _size(count: int) -> str:
    from ..cgroup.units import format_bytes

    return format_bytes(count) if count else "-"


def _inspect(argv: list[str], state: StateDir) -> int:
    options = parser("inspect", "Print all that is known of containers, as JSON.")
    options.add_argument("names", metavar="NAME", nargs="+")
    chosen = options.parse_args(argv)
    import json

    from ..container.inspect import inspect

    found = [inside.find(state, name) for name in chosen.names]
    sys.stdout.write(json.dumps([inspect(record, observe(state, record)) for record in found], indent=2) + "\n")
    return 0


def _logs(argv: list[str], state: StateDir) -> int:
    options = parser("logs", "Print what a container wrote: its stdout on stdout, its stderr on stderr.")
    options.add_argument("-f", "--follow", action="store_true", help="go on until the container ends")
    options.add_argument("-n", "--tail", metavar="N", type=int, help="begin with the last N lines")
    options.add_argument(
        "--since", metavar="TIME", help="what was written since then: 10m, 2026-01-31T12:00:00Z or a Unix time"
    )
    options.add_argument("-t", "--timestamps", action="store_true", help="print when each line was written")
    options.add_argument("name", metavar="NAME")
    chosen = options.parse_args(argv)
    from ..container import logs
    from ..container.observe import supervised

    record = inside.find(state, chosen.name)
    kept = os.path.join(record.path, "log", logs.NAME)
    if record.spec["options"].get("log_driver") == "none" and not os.path.exists(kept):
        raise ContainerError(
            f"what container {record.name} writes is not kept", step="logs", obj=record.name, hint="See log_driver"
        )
    since = _since(chosen.since)
    if chosen.follow:
        found = logs.follow(record, chosen.tail, lambda: not supervised(record), since)
    else:
        found = logs.later(logs.entries(record), since)
        if chosen.tail is not None:
            found = iter(logs.tail(found, chosen.tail))
    outputs = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    begun: dict[str, bool] = {}
    try:
        for entry in found:
            output = outputs[entry.stream]
            output.write(_line(entry, chosen.timestamps and not begun.get(entry.stream)))
            begun[entry.stream] = not entry.full
            if chosen.follow:
                output.flush()
        for output in outputs.values():
            output.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # "aoci logs x | head": not a failure of ours
    return 0


def _since(text: str | None) -> str:
    """The time that --since means, as in the logs; "" without it. Raises Error."""
    if text is None:
        return ""
    import time

    from ..container.stamps import timestamp
    from ..image.filters import parse_until

    microseconds = int(parse_until(text, time.time(), "--since") * 1_000_000)
    return timestamp((microseconds - 1) * 1000)  # a float has no more digits: rather a line too many


def _line(entry: Entry, stamped: bool) -> bytes:
    head = f"{entry.time} ".encode() if stamped else b""
    return head + bytes(entry.text) + (b"\n" if entry.full else b"")


def _remove_ended(directory: str, state: StateDir) -> int:
    """What a monitor becomes at the end of a container with ``auto_remove``."""
    from ..container import places, userns
    from ..container.stop import destroy
    from ..kernel import constants, syscalls

    record = records.load_directory(directory)
    if record is None:
        return 0
    for place in (*places.everything(record), os.path.join(record.path, "bundle/rootfs"), userns.directory(record)):
        while os.path.ismount(place):  # we are still in the monitor's mount namespace
            syscalls.umount2(place, constants.MNT_DETACH)
    with turns.container_lock(state, record.name):
        # While we waited for the lock, a task may have removed it, or started it again.
        if os.path.isdir(record.path) and observe(state, record).status == "stopped":
            records.forget_volumes(record)
            destroy(state, record)
    return 0
