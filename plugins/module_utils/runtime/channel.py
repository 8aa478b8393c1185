# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation between the creating process and the container's processes: JSON over SOCK_SEQPACKET.

_socket, the C half of the socket module, is used directly: the Python half costs as much start-up time as the
rest of the runtime together.
"""

from __future__ import annotations

import _socket
import os

from ..kernel.errors import Error
from ..kernel.lean import dumps, loads
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

START_SOCKET = "start.sock"
_LIMIT = 1 << 17


class Channel:
    """One end; a message is a small dictionary, a reply the empty one."""

    def __init__(self, end: _socket.socket) -> None:
        self._socket = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Both ends, close-on-exec."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def send(self, message: dict[str, Any]) -> None:
        self._socket.send(dumps(message).encode())

    def receive(self) -> dict[str, Any] | None:
        """The next message; None when the other side is gone. Raises the error that the other side sent."""
        try:
            raw = self._socket.recv(_LIMIT)
        except ConnectionResetError:  # it went without reading all that we sent; what it said before is here still
            raw = self._socket.recv(_LIMIT)
        if not raw:
            return None
        message: dict[str, Any] = loads(raw)
        if "error" in message:
            raise RuntimeFault(**message["error"])
        return message

    def ask(self, message: dict[str, Any]) -> None:
        """Send and wait for the reply. Raises RuntimeFault as :meth:`wait` does."""
        self.send(message)
        self.wait()

    def wait(self) -> dict[str, Any]:
        """The next message. Raises RuntimeFault when the other side has gone: nobody waits for us then."""
        message = self.receive()
        if message is None:
            raise RuntimeFault("the creating process has gone away", step="sync")
        return message

    def fail(self, error: BaseException, step: str) -> None:
        """Report *error*; a peer that has gone away cannot be told, and does not need to be."""
        if isinstance(error, Error):
            fields = {"message": error.message, "step": error.step or step, "obj": error.obj, "errno": error.errno}
            fields["hint"] = error.hint
        elif isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            fields = {"message": f"{step}: {error.strerror}{where}", "step": step, "errno": error.errno or 0}
        else:
            fields = {"message": f"{step}: {type(error).__name__}: {error}", "step": step}
        try:
            self.send({"error": fields})
        except (BrokenPipeError, ConnectionResetError):
            return

    def close(self) -> None:
        self._socket.close()

    def detach(self) -> int:
        """The descriptor, which is the caller's from now on."""
        return self._socket.detach()


def listen(directory: str, name: str) -> _socket.socket:
    """A listening socket ``directory/name``, reached through a descriptor: sun_path holds only 108 bytes."""
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)
    listener.listen(1)
    return listener


def connect(directory: str, name: str) -> Channel:
    """Connect to what :func:`listen` made. Raises OSError (ECONNREFUSED when its owner is dead)."""
    end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end.connect(f"/proc/self/fd/{fd}/{name}")
    except OSError:
        end.close()
        raise
    finally:
        os.close(fd)
    return Channel(end)


def accept(listener: _socket.socket) -> Channel:
    """Wait for the one that connects."""
    fd, _address = listener._accept()  # type: ignore[attr-defined]  # typeshed knows the public class only
    return Channel(_socket.socket(fileno=fd))
