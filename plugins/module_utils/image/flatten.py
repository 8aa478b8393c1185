# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All layers of an image in one ordinary directory: what they show together, with nothing of overlayfs in it.

They are applied one after another, so that even what only a stack of directories cannot show comes out: a file that a
layer links to another layer's keeps its other names.
"""

from __future__ import annotations

import errno
import os
import stat

from .errors import ImageError
from .rootdir import DEFAULT_ACL, DIR_FLAGS, RootDir, remove_tree
from .tarfields import printable
from .unpack import add, explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .unpack import Layer


def flatten(layers: Sequence[Layer], directory: str, place: str) -> None:
    """Fill the empty *directory* with *layers*, base first. It is called *place* in what is told.

    Expects umask 0 and root. Raises ImageError with the layer's digest as its object; the directory is then in pieces
    and the caller's to remove.
    """
    root = _Flat(directory)
    try:
        for index, layer in enumerate(layers):
            try:
                with explained(place):
                    root.begin(index)
                    add(layer, root)
            except ImageError as error:
                error.obj = layer.digest
                raise
        with explained(place):
            root.finish()
    finally:
        root.close()


class _Flat(RootDir):
    """The tree of a whole stack while its layers come in, one after another.

    What is deleted goes at once, but for what the layer that deletes it has itself.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, [])
        # Canonical path of a directory → names of what the present layer has in it, by an entry or as a parent.
        self._own: dict[bytes, set[bytes]] = {}

    def begin(self, index: int) -> None:
        """Layer number *index* comes next."""
        self.base = index == 0
        self.noting = not self.base  # it deletes nothing
        self._own = {}
        self._forget(b"")  # so that what it enters is noted

    def note(self, parent: bytes, name: bytes) -> None:
        if name:
            self._own.setdefault(parent, set()).add(name)

    def _enter(self, fd: int, component: bytes, below: bytes, create: bool, through_symlink: bool) -> bytes | None:
        """In the store, too, a layer has the directories that lead to what it has, deletes or links to."""
        target = super()._enter(fd, component, below, create, through_symlink)
        if target is None and self.noting:
            self.note(below.rpartition(b"/")[0], component)
        return target

    def whiteout(self, fd: int, name: bytes, canonical: bytes) -> None:
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return
        parent, _slash, leaf = canonical.rpartition(b"/")
        if leaf not in self._own.get(parent, ()):
            self.remove(fd, name, canonical)
        elif stat.S_ISDIR(status.st_mode):
            self.set_opaque(self.make_directory(fd, name, canonical), canonical)

    def set_opaque(self, fd: int, canonical: bytes) -> None:
        """Delete what the layers below have in this directory."""
        own = self._own.get(canonical, ())
        with os.scandir(fd) as entries:
            found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            below = canonical + b"/" + name if canonical else name
            if name not in own:
                self.remove(fd, name, below)
            elif is_directory:
                opened = os.open(name, DIR_FLAGS, dir_fd=fd)
                try:
                    self.set_opaque(opened, below)
                finally:
                    os.close(opened)

    def remove(self, fd: int, name: bytes, canonical: bytes) -> None:
        """What is noted of a directory that goes stays: finish() passes it over, and a new one is noted anew."""
        if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=fd)
            return
        self._forget(canonical)
        remove_tree(fd, name)

    def set_xattrs(self, target: int | bytes, xattrs: dict[bytes, bytes], *, follow: bool = True) -> None:
        """As the image means them, but overlayfs' own: who stacks this directory would see what is not there."""
        for name, value in xattrs.items():
            if name != b"security.selinux" and not name.startswith(b"trusted.overlay."):
                self.set_xattr(target, name, value, follow=follow)

    def set_xattr(self, target: int | bytes, name: bytes, value: bytes, *, follow: bool = True) -> None:
        """Set one attribute; unlike in the store, none may be lost. Raises ImageError, OSError."""
        try:
            os.setxattr(target, name, value, follow_symlinks=follow)
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                raise ImageError(
                    f"the file system has no extended attribute {printable(name)}, which a file of the image has",
                    step="xattr",
                    errno=error.errno,
                ) from error
            if error.errno != errno.EPERM or not name.startswith(b"user."):  # see RootDir.set_xattr()
                raise

    def finish(self) -> None:
        """Directories get their default ACLs and times; the root directory 1970, as parents do that no layer has."""
        self.dir_times.setdefault(b"", 0)
        for path, acl in self.dir_acls.items():
            fd = self._present(path)
            if fd is not None:
                self.set_xattr(fd, DEFAULT_ACL, acl)
        for path, mtime in self.dir_times.items():
            fd = self._present(path)
            if fd is not None:
                os.utime(fd, ns=(mtime, mtime))

    def _present(self, canonical: bytes) -> int | None:
        """The descriptor of a directory; None where a later layer has none there."""
        try:
            return self._walk(canonical)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            return None
