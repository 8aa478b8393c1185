# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's terminal: a pair from its own devpts, its master handed over a socket (pty(7), ioctl_tty(2)).

The terminal must be one of this devpts and of no other: a file system that the image put in its place would let it
choose the file that becomes /dev/console (CVE-2025-52565).
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct

from ..kernel import constants as c
from ..kernel import descriptors, mounts, safepath, syscalls
from ..kernel.mounts import MountOptions
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

# asm-generic/ioctls.h; the same on all our architectures but powerpc, where the last two differ
_TIOCSCTTY = 0x540E
_TIOCSWINSZ = 0x5414
_POWER = os.uname().machine.startswith("ppc")
_TIOCSPTLCK = 0x80045431 if _POWER else 0x40045431
_TIOCGPTPEER = 0x20005441 if _POWER else 0x5441


def connect(path: str) -> _socket.socket:
    """Connect to the console socket of whoever called us. Raises RuntimeFault."""
    import _socket

    end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        end.connect(path)
    except OSError as error:
        end.close()
        raise RuntimeFault.of(
            error,
            f"cannot connect to the console socket {path}",
            step="console",
            obj=path,
        ) from error
    return end


def open_pair(rootfd: int, owner: int, size: tuple[int, int] | None) -> tuple[int, int]:
    """(master, slave) of a new terminal on the devpts of the root *rootfd*.

    *owner* is the user's id, *size* (rows, columns). Needs a trusted /proc. Raises OSError, RuntimeFault.
    """
    master = _open_master(rootfd)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if size is not None:
        fcntl.ioctl(slave, _TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
    if os.fstat(slave).st_uid != owner:
        os.fchown(slave, owner, -1)
    return master, slave


def hand_over(pair: tuple[int, int], receiver: _socket.socket) -> None:
    """Send the master of *pair* to *receiver*; make the slave our controlling terminal and stdio.

    For the leader of a session without a terminal.
    """
    master, slave = pair
    name = f"/dev/pts/{os.minor(os.fstat(slave).st_rdev)}".encode()
    descriptors.send(receiver, name, master)
    receiver.close()
    os.close(master)
    fcntl.ioctl(slave, _TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd, inheritable=True)
    os.close(slave)


def _open_master(rootfd: int) -> int:
    pinned = safepath.open_in_root(rootfd, "/dev/pts/ptmx", os.O_PATH | os.O_NOFOLLOW, follow=False)
    try:
        found = os.fstat(pinned)
        genuine = stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(5, 2)
        if syscalls.fs_type(pinned) != c.DEVPTS_SUPER_MAGIC or not genuine:
            raise RuntimeFault("/dev/pts/ptmx of the container is not a devpts's", step="console", obj="/dev/pts/ptmx")
        return safepath.reopen(pinned, os.O_RDWR | os.O_NOCTTY)
    finally:
        os.close(pinned)


def bind_console(rootfd: int, slave: int) -> None:
    """Make the terminal *slave* /dev/console of the root *rootfd*; before the pivot."""
    target = safepath.make_file_in_root(rootfd, "/dev/console", 0o600)
    source = f"/proc/self/fd/{slave}"
    try:
        mounts.bind(source, target, MountOptions(["bind"]))
    finally:
        os.close(target)


def receive_master(end: _socket.socket) -> int:
    """The descriptor that :func:`hand_over` sent, received on the other end."""
    _name, master = descriptors.receive(end, 4096)
    if master < 0:
        raise RuntimeFault("no terminal came over the console socket", step="console")
    return master
