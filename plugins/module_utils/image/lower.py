# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What already unpacked layers show together: a read-only view of a stack in overlay form, without mounting it."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OPAQUE = "trusted.overlay.opaque"
DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Found:
    """One file of the stack: *directory* is an open descriptor of the directory that has it as *name*."""

    __slots__ = ("directory", "name", "stat")

    def __init__(self, directory: int, name: bytes, status: os.stat_result) -> None:
        self.directory = directory
        self.name = name
        self.stat = status

    @property
    def path(self) -> bytes:
        """A path that leads to the file itself and through no symlink of the image."""
        return b"/proc/self/fd/%d/%s" % (self.directory, self.name)

    def close(self) -> None:
        os.close(self.directory)


def is_whiteout(status: os.stat_result) -> bool:
    """Whether overlayfs takes this file for "deleted" (character device 0:0)."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def lookup(layers: Sequence[str], path: bytes) -> Found | None:
    """The file that the stack *layers* (base first) shows at *path*, whose parents are real directories.

    *path* is clean: no leading slash, no ``.`` or ``..``. None when there is nothing, or when a parent is none.
    """
    for layer in reversed(layers):
        found, hidden = _lookup_in(layer, path.split(b"/"))
        if found:
            return found
        if hidden:
            return None
    return None


def _lookup_in(layer: str, components: list[bytes]) -> tuple[Found | None, bool]:
    """What one layer says: the file, or whether it hides what lies below."""
    directory = os.open(layer, DIR_FLAGS)
    keep = False
    hidden = False
    try:
        for index, component in enumerate(components):
            try:
                status = os.stat(component, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                return None, hidden
            if is_whiteout(status):
                return None, True
            if index == len(components) - 1:
                keep = True
                return Found(directory, component, status), True
            if not stat.S_ISDIR(status.st_mode):
                return None, True
            below = os.open(component, DIR_FLAGS, dir_fd=directory)
            os.close(directory)
            directory = below
            hidden = hidden or _is_opaque(directory)
        return None, hidden
    finally:
        if not keep:
            os.close(directory)


def _is_opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise
