# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container writes, given to journald. Imported by its monitor alone: modules written in C.

Native protocol (systemd, JOURNAL_NATIVE_PROTOCOL): an entry is a datagram of fields.
"""

from __future__ import annotations

import _socket

_PATIENCE = 1.0  # seconds that journald has to take an entry, before it is lost
_PRIORITY = {b"stdout": b"PRIORITY=6\n", b"stderr": b"PRIORITY=3\n"}  # info and err, as Docker and podman have it


class Journal:
    """*extra* are the fields of each entry besides MESSAGE, PRIORITY and CONTAINER_PARTIAL_MESSAGE."""

    def __init__(self, path: str, extra: bytes) -> None:
        self.path = path
        self.extra = extra
        self.socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        self.socket.settimeout(_PATIENCE)

    def add(self, stream: bytes, data: bytes, when: int) -> None:
        lines = data.split(b"\n")
        last = lines.pop()
        for line in lines:
            self._send(stream, line, b"")
        if last:
            self._send(stream, last, b"CONTAINER_PARTIAL_MESSAGE=true\n")

    def _send(self, stream: bytes, line: bytes, partial: bytes) -> None:
        """Without a connection: journald may be started anew at any time. While it is not there, entries are lost."""
        try:
            self.socket.sendto(b"MESSAGE=" + line + b"\n" + _PRIORITY[stream] + partial + self.extra, self.path)
        except OSError:
            return

    def end(self) -> None:
        return

    def close(self) -> None:
        self.socket.close()
