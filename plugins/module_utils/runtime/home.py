# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``HOME`` for a process whose environment has none.

The specification says nothing of it, but engines that know only a user's number leave it to the runtime, which sees
the image's /etc/passwd.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

_ANYWHERE = "/"  # whoever is not in /etc/passwd lives there
_LIMIT = 1 << 20


def complete(config: Config) -> None:
    """Give *config* the ``HOME`` of its user where it has none; inside, as that user: the file is the image's."""
    if any(entry.startswith("HOME=") for entry in config.env):
        return
    try:
        passwd = _read("/etc/passwd")
    except OSError:  # an image need not have it, nor let its users read it
        passwd = b""
    config.env = [*config.env, f"HOME={of(passwd.decode('utf-8', 'surrogateescape'), config.uid)}"]


def _read(path: str) -> bytes:
    """At most _LIMIT bytes of the regular file *path*; nothing of anything else, which might never end."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        chunks: list[bytes] = []
        while len(chunks) < _LIMIT >> 16:
            chunk = os.read(fd, 1 << 16)
            if not chunk:
                break
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(fd)


def of(passwd: str, uid: int) -> str:
    """The home of user *uid* by passwd(5); pure."""
    for line in passwd.split("\n"):
        fields = line.split(":")
        if len(fields) > 6 and fields[2] == str(uid) and fields[5] and "\0" not in fields[5]:
            return fields[5]
    return _ANYWHERE
