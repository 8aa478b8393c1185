# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What already unpacked layers show together: a view of a stack in overlay form, without mounting it, and copies of
what it shows for a layer above.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OPAQUE = "trusted.overlay.opaque"
# The time, in ns, of a layer's root directory of which the layer says nothing. No archive's header can say that.
UNSAID = 1
DEFAULT_ACL = b"system.posix_acl_default"  # acl(5): what is made in a directory inherits it
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
            hidden = hidden or is_opaque(directory)
        return None, hidden
    finally:
        if not keep:
            os.close(directory)


def is_opaque(directory: int | str) -> bool:
    """Whether overlayfs shows nothing of the layers below in this directory."""
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise


def root_of(layers: Sequence[str]) -> str:
    """Which of *layers* (base first, at least one) says what the root directory of the stack is like.

    overlayfs takes the topmost one's, which may say nothing. Raises OSError.
    """
    said = [layer for layer in layers if os.stat(layer).st_mtime_ns != UNSAID]
    return (said or layers)[-1]


def copy_root(layer: str, directory: str) -> None:
    """Give *directory* all that the root directory of *layer* has. Raises OSError."""
    found = os.stat(layer)
    os.chown(directory, found.st_uid, found.st_gid)
    os.chmod(directory, stat.S_IMODE(found.st_mode))
    for attribute in os.listxattr(layer):
        if not attribute.startswith("trusted.overlay."):
            os.setxattr(directory, attribute, os.getxattr(layer, attribute))
    os.utime(directory, ns=(found.st_mtime_ns, found.st_mtime_ns))


def copy_metadata(found: Found, fd: int) -> bytes | None:
    """Owner, mode and xattrs of a directory of a layer below onto *fd*; times and the default ACL, which is returned,
    come last, elsewhere.
    """
    acl = None
    os.fchown(fd, found.stat.st_uid, found.stat.st_gid)
    os.fchmod(fd, stat.S_IMODE(found.stat.st_mode))
    for attribute in map(os.fsencode, os.listxattr(found.path, follow_symlinks=False)):
        value = os.getxattr(found.path, attribute, follow_symlinks=False)
        if attribute == DEFAULT_ACL:
            acl = value
        elif attribute != os.fsencode(OPAQUE):
            os.setxattr(fd, attribute, value)
    return acl


def copy_up(found: Found, fd: int, name: bytes) -> None:
    """The file *found* as *name* in *fd*, with everything it has."""
    status = found.stat
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(found.name, dir_fd=found.directory), name, dir_fd=fd)
    elif stat.S_ISREG(status.st_mode):
        source = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=found.directory)
        try:
            copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=fd)
            try:
                while os.sendfile(copy, source, None, 1 << 20):
                    pass
            finally:
                os.close(copy)
        finally:
            os.close(source)
    else:
        os.mknod(name, status.st_mode, status.st_rdev, dir_fd=fd)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=fd, follow_symlinks=False)
    path = b"/proc/self/fd/%d/%s" % (fd, name)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(path, stat.S_IMODE(status.st_mode))
    for attribute in os.listxattr(found.path, follow_symlinks=False):
        value = os.getxattr(found.path, attribute, follow_symlinks=False)
        os.setxattr(path, attribute, value, follow_symlinks=False)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=fd, follow_symlinks=False)
