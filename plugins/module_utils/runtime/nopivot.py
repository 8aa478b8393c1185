# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``--no-pivot``: the container's root moved over the old one, for a root on ramfs, which cannot be pivoted.

Weaker than pivot_root(2): the old root stays mounted below. The worst of it is taken away first. The kernel lets a user
namespace mount a proc or sysfs of its own only while one is to be seen whole in its mount namespace
(mount_namespaces(7)): the host's, left there, would let any process inside go around masks and read-only paths.
"""

from __future__ import annotations

import errno
import os

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.files import read_text
from ..kernel.procfs import unescape
from .errors import RuntimeFault

_WHOLE = ("proc", "sysfs")


def enter(rootfd: int) -> None:
    """Make *rootfd* the root. Needs a trusted /proc, for the last time."""
    for place in reversed(whole(read_text("/proc/self/mountinfo"), os.readlink(f"/proc/self/fd/{rootfd}"))):
        try:
            syscalls.umount2(place, c.MNT_DETACH)  # the mounts are no longer shared with the host
        except PermissionError as error:
            if error.errno == errno.EACCES:
                raise RuntimeFault(
                    f"--no-pivot: root of the user namespace may not walk to {place}, which would undo every mask",
                    step="pivot_root",
                    obj=place,
                    errno=errno.EACCES,
                    hint="Unmount it on the host, or leave out --no-pivot",
                ) from error
            _cover(place)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _cover(place)
    os.fchdir(rootfd)
    syscalls.mount(".", "/", None, c.MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _cover(place: str) -> None:
    """Hide *place*: in a user namespace the mounts that it has found are locked."""
    syscalls.mount("tmpfs", place, "tmpfs", c.MS_RDONLY)


def whole(mountinfo: str, root: str) -> list[str]:
    """Where *mountinfo* (proc_pid_mountinfo(5)) has a whole proc or sysfs outside of *root*, in its order; pure."""
    found = []
    for line in mountinfo.splitlines():
        before, _dash, after = line.partition(" - ")
        fields = before.split(" ")
        place = unescape(fields[4])
        inside = place == root or place.startswith(root.rstrip("/") + "/")
        if after.split(" ", 1)[0] in _WHOLE and fields[3] == "/" and not inside:
            found.append(place)
    return found
