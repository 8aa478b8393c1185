# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a container wrote into the journal, by way of journalctl(1)."""

from __future__ import annotations

import json
import subprocess

from .errors import ContainerError
from .logs import Entry
from .stamps import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_PROGRAM = "journalctl"
_FIELDS = "MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE"
_ERR = "3"  # the priority of what came from stderr (container/journalsink.py)


class JournalReader:
    """As logs.Reader, of the container with this id."""

    poll = 1.0  # a process each time

    def __init__(self, container_id: str) -> None:
        self.container_id = container_id
        self.cursor = ""

    def new(self) -> Iterator[Entry]:
        """What has been written since the last time, oldest first. Raises ContainerError without a journalctl."""
        self._run("--sync")  # what journald has been given, it has written then
        after = [f"--after-cursor={self.cursor}"] if self.cursor else []
        found = self._run(
            *("--all", "--output=json", f"--output-fields={_FIELDS}", f"CONTAINER_ID_FULL={self.container_id}"), *after
        )
        for line in found.splitlines():
            fields = json.loads(line)
            self.cursor = fields["__CURSOR"]
            yield _entry(fields)

    def _run(self, *arguments: str) -> bytes:
        argv = [_PROGRAM, "--quiet", "--no-pager", *arguments]
        try:
            return subprocess.run(argv, check=True, capture_output=True).stdout
        except FileNotFoundError as error:
            raise ContainerError(
                "there is no journalctl to read the journal with", step="logs", obj=_PROGRAM
            ) from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip()
            raise ContainerError(f"journalctl cannot read the journal: {said}", step="logs", obj=_PROGRAM) from error


def _entry(fields: dict[str, Any]) -> Entry:
    message = fields.get("MESSAGE") or ""
    text = bytes(message) if isinstance(message, list) else str(message).encode()
    return Entry(
        timestamp(int(fields["__REALTIME_TIMESTAMP"]) * 1000),
        "stderr" if fields.get("PRIORITY") == _ERR else "stdout",
        fields.get("CONTAINER_PARTIAL_MESSAGE") != "true",
        text,
    )
