# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container that takes the place of another can, and whether it proves itself."""

from __future__ import annotations

import time

from ..kernel import procfs
from . import netmode, records
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

_LAST_LINES = 5
_LAST_CHARACTERS = 1000
_RECORDING = 5.0  # seconds for the monitor to write down an end


def check_side_by_side(old: Mapping[str, Any], new: Mapping[str, Any], *, ports_move: bool) -> None:
    """Raise ContainerError where containers with the specs *old* and *new* cannot run at the same time.

    *ports_move*: what *old* publishes can be handed over while both run.
    """
    for mine in netmode.ports(new["options"]) if not ports_move else ():
        for its in netmode.ports(old["options"]):
            same = (mine["host"], mine["protocol"]) == (its["host"], its["protocol"])
            if same and mine["host"].isdigit() and (mine["ip"] == its["ip"] or not mine["ip"] or not its["ip"]):
                raise _clash(f"published_ports: port {mine['host']}/{mine['protocol']}")
    addresses = {(entry["network"], address) for entry in netmode.wanted(old) for address in _fixed(entry)}
    for entry in netmode.wanted(new):
        for address in _fixed(entry):
            if (entry["network"], address) in addresses:
                raise _clash(f"networks: {entry['network']}: {address}")


def _fixed(entry: Mapping[str, Any]) -> list[str]:
    return [*entry["ips"], *([entry["mac"]] if entry["mac"] else ())]


def _clash(what: str) -> ContainerError:
    return ContainerError(
        f"update: with order start-first the old and the new container run at the same time, and both want {what}",
        step="update",
        obj="update",
        hint="Use order: stop-first, or leave that to be chosen",
    )


def prove(record: Record, seconds: float) -> None:
    """See the new container healthy within *seconds*; without a health check, see it run for so long.

    Raises ContainerError, with the last lines that it has written.
    """
    from . import health, healthwait

    try:
        if health.effective(record.spec["options"], record.spec["image"]["config"]) is None:
            _goes_on(record, seconds)
        else:
            healthwait.wait_healthy(record, seconds)
    except ContainerError as error:
        error.hint = ""  # what it says to look at is about to go
        said = last_output(record)
        error.message += f"; its last output: {said}" if said else "; it has written nothing"
        raise


def _goes_on(record: Record, seconds: float) -> None:
    begun = time.monotonic()
    pid = records.read_status(record).get("pid", 0)
    try:
        ended = not pid or procfs.wait_exit(pid, procfs.start_time(pid), seconds)
    except ProcessLookupError:
        ended = True
    if not ended:
        return
    after = time.monotonic() - begun
    end = begun + after + _RECORDING
    status = records.read_status(record)
    while status.get("status") == "running" and status.get("pid") == pid and time.monotonic() < end:
        time.sleep(0.01)
        status = records.read_status(record)
    raise ContainerError(
        f"the new container {record.name} ended after {after:.1f} seconds with exit code {status.get('exit_code')}",
        step="update",
        obj=record.name,
    )


def last_output(record: Record) -> str:
    """The last lines that the container has written, in one line."""
    from . import logs

    found = logs.tail(logs.entries(record), _LAST_LINES)
    text = b"".join(entry.text + (b"\n" if entry.full else b"") for entry in found).decode("utf-8", "replace")
    return " | ".join(text.splitlines())[-_LAST_CHARACTERS:]
