# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller's terminal, connected to a container's: raw, resized along, and put back as it was."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import termios
import tty

from ..kernel.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65536


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Terminal *fd* raw for the length of the block; anything else is left alone."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSADRAIN)  # what was typed ahead is for the container
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def follow_size(fd: int, master: int) -> None:
    """Give *master* the size that terminal *fd* has, now and at every SIGWINCH."""

    def resize(*_arguments: object) -> None:
        size = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)

    if os.isatty(fd):
        resize()
        signal.signal(signal.SIGWINCH, resize)


def relay(stdin: int, stdout: int, master: int) -> None:
    """Pass bytes both ways until the container's side of *master* is closed by its last user."""
    poller = select.poll()
    poller.register(master, select.POLLIN)
    poller.register(stdin, select.POLLIN)
    while True:
        for fd, _event in poller.poll():
            if fd == master:
                try:
                    data = os.read(master, _CHUNK)
                except OSError as error:
                    if error.errno != errno.EIO:  # what a master gives when no slave is open any more
                        raise
                    data = b""
                if not data:
                    return
                write_all(stdout, data)
            else:
                data = os.read(stdin, _CHUNK)
                if not data:
                    poller.unregister(stdin)
                    data = b"\x04"  # the end of our input is the end of the container's: Ctrl-D
                write_all(master, data)
