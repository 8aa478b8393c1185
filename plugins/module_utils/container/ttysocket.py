# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a container's terminal comes to whoever supervises it: the console socket that OCI runtimes send its master to.

Imported by the monitor: modules written in C alone.
"""

from __future__ import annotations

import _socket
import fcntl
import posix
import sys

# asm-generic/ioctls.h; powerpc has another
_TIOCGPTPEER = 0x20005441 if posix.uname().machine.startswith("ppc") else 0x5441
_RIGHTS = 4  # bytes of one descriptor among the ancillary data


class Terminal:
    """What the container *container_id* sends its terminal to, from now until :meth:`receive`.

    ``where`` is the socket's path, in a directory that is root's alone, and short enough for a socket's address.
    """

    def __init__(self, run_dir: str, container_id: str) -> None:
        self.where = path(run_dir, container_id)
        _forget(self.where)
        self.server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self.server.bind(self.where)
        self.server.listen(1)
        self.server.setblocking(False)

    def receive(self) -> int:
        """The master that the runtime has sent by now, the last of several; -1 where it has sent none."""
        _forget(self.where)
        master = -1
        while True:
            try:
                fd, _address = self.server._accept()  # type: ignore[attr-defined]  # what socket.socket.accept() calls
            except BlockingIOError:
                self.server.close()
                return master
            connection = _socket.socket(fileno=fd)
            found = _sent(connection)
            connection.close()
            if found >= 0 and master >= 0:
                posix.close(master)  # of an attempt that failed
            master = found if found >= 0 else master


def _sent(connection: _socket.socket) -> int:
    connection.setblocking(False)
    try:
        _data, ancillary, _flags, _address = connection.recvmsg(
            4096, _socket.CMSG_SPACE(_RIGHTS), _socket.MSG_CMSG_CLOEXEC
        )
    except BlockingIOError:
        return -1
    for level, kind, data in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            return int.from_bytes(data[:_RIGHTS], sys.byteorder)
    return -1


def other_side(master: int) -> int:
    """A descriptor of the terminal itself, which does not become ours."""
    return fcntl.ioctl(master, _TIOCGPTPEER, posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC)


def path(run_dir: str, container_id: str) -> str:
    return f"{run_dir}/.{container_id[:12]}.tty"


def _forget(where: str) -> None:
    try:
        posix.unlink(where)
    except FileNotFoundError:
        return
