# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's root directory while it is filled: every path is resolved inside it, descriptor by descriptor.

Nothing here follows a symlink through the kernel: a parent that is a symlink is read and walked component by
component below the pinned root, as chroot(2) would resolve it (CVE-2021-32760, CVE-2025-47290). So a hostile layer
cannot name anything outside, whatever it made first.
"""

from __future__ import annotations

import errno
import os
import stat

from . import lower
from .errors import ImageError
from .tarfields import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIR_FLAGS = lower.DIR_FLAGS
DEFAULT_ACL = lower.DEFAULT_ACL
MAX_PATH = 4096  # PATH_MAX, limits.h
MAX_DEPTH = 256  # directories below each other; real images stay below 50
MAX_SYMLINKS = 40  # as the kernel's own limit, namei.h
CACHE = 128  # open directories


class NeedsLower(Exception):
    """This layer cannot be unpacked without those below it (a parent or a link target only they know).

    guessed  where it is all there but for what they say of these directories (GuessingRoot.guessed); else {}
    """

    def __init__(self, guessed: Mapping[bytes, bool] | None = None) -> None:
        super().__init__()
        self.guessed = guessed or {}


class RootDir:
    """The directory tree of one layer.

    lowers      directories of the layers below, base first; None: not known yet, NeedsLower asks for them
    depended    whether anything was taken from them (or would have been, at the base)
    dir_times   canonical path → mtime in ns, to be set when all is in place
    dir_acls    canonical path → default ACL, as late, since what is made before must not inherit it
    foreign     canonical paths of directories of a group other than root's: new files may come by that group
    opaque      canonical paths of directories that hide what lies below
    whiteouts   canonical paths of whiteouts made so far; after finish() of those that stay
    copied      canonical paths of files of the layers below, here because a hard link names them
    noting      whether note() wants to hear of every entry
    """

    noting = False

    def __init__(self, path: str, lowers: Sequence[str] | None) -> None:
        self.root = os.open(path, DIR_FLAGS)
        plain(self.root)
        self.lowers = lowers
        self.base = lowers is not None and not lowers
        self.depended = False
        self.dir_times: dict[bytes, int] = {}
        self.dir_acls: dict[bytes, bytes] = {}
        self.foreign: set[bytes] = set()
        self.opaque: set[bytes] = set()
        self.whiteouts: set[bytes] = set()
        self.copied: set[bytes] = set()
        self._open: dict[bytes, int] = {}

    def close(self) -> None:
        self._forget(b"")
        os.close(self.root)

    # Directories.

    def directory(self, path: bytes, *, create: bool = True) -> tuple[int, bytes]:
        """(descriptor, canonical path) of the directory *path*, which is clean.

        A missing one is made as the layers below have it, else as 0755 root, unless not *create* (FileNotFoundError).
        The descriptor stays this object's and is good until the next call.
        """
        fd = self._open.get(path)
        if fd is not None:
            return fd, path
        if not path:
            return self.root, b""
        fd, canonical = self.root, b""
        pending = path.split(b"/")
        pending.reverse()
        symlinks = 0
        while pending:
            component = pending.pop()
            if component == b"..":  # only from a symlink's target: names were checked before
                if not canonical:
                    raise _outside(path)
                canonical = canonical.rpartition(b"/")[0]
                fd = self._walk(canonical)
                continue
            below = canonical + b"/" + component if canonical else component
            cached = self._open.get(below)
            if cached is None:
                target = self._enter(fd, component, below, create, bool(symlinks))
                if target is not None:
                    symlinks += 1
                    if symlinks > MAX_SYMLINKS:
                        raise ImageError(f"the path {printable(path)} leads through too many symlinks", step="path")
                    if target.startswith(b"/"):
                        fd, canonical = self.root, b""
                    pending.extend(part for part in reversed(target.split(b"/")) if part not in (b"", b"."))
                    continue
                cached = self._open[below]
            fd, canonical = cached, below
        return fd, canonical

    def _enter(self, fd: int, component: bytes, below: bytes, create: bool, through_symlink: bool) -> bytes | None:
        """Put directory *below* into the cache; or the target when it is a symlink."""
        if len(below) > MAX_PATH or below.count(b"/") >= MAX_DEPTH:
            raise ImageError(f"the path {printable(below)} is too deep", step="path")
        try:
            opened = os.open(component, DIR_FLAGS, dir_fd=fd)
        except FileNotFoundError:
            found = self._from_lower(below)
            if found is None:
                if not create:
                    raise
                if through_symlink:
                    raise _through_symlink(below) from None
                os.mkdir(component, 0o755, dir_fd=fd)
                self.depended = True
                opened = os.open(component, DIR_FLAGS, dir_fd=fd)
                self._remember(below, opened)
                plain(opened)
                self.seal_later(below, 0, 0, None)
                return None
            try:
                if stat.S_ISLNK(found.stat.st_mode):
                    return os.readlink(found.name, dir_fd=found.directory)
                if not stat.S_ISDIR(found.stat.st_mode):
                    raise _not_a_directory(below) from None
                os.mkdir(component, 0o700, dir_fd=fd)
                opened = os.open(component, DIR_FLAGS, dir_fd=fd)
                self._remember(below, opened)
                acl = lower.copy_metadata(found, opened)
                self.seal_later(below, found.stat.st_mtime_ns, found.stat.st_gid, acl)
            finally:
                found.close()
            return None
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            status = os.stat(component, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return os.readlink(component, dir_fd=fd)
            if below in self.whiteouts:  # deleted, then made anew without an entry of its own
                if not create:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), below) from None
                if through_symlink:
                    raise _through_symlink(below) from None
                plain(self.make_directory(fd, component, below))
                self.seal_later(below, 0, 0, None)
                return None
            raise _not_a_directory(below) from None
        self._remember(below, opened)
        return None

    def _walk(self, canonical: bytes) -> int:
        """The descriptor of a directory known to be there, by its canonical path."""
        fd = self.root
        path = b""
        for component in canonical.split(b"/") if canonical else ():
            path = path + b"/" + component if path else component
            cached = self._open.get(path)
            if cached is None:
                cached = os.open(component, DIR_FLAGS, dir_fd=fd)
                self._remember(path, cached)
            fd = cached
        return fd

    def _remember(self, canonical: bytes, fd: int) -> None:
        if len(self._open) >= CACHE:
            # Whatever is used now is near the end; drop the older half.
            for path in list(self._open)[: CACHE // 2]:
                if not canonical.startswith(path + b"/"):
                    os.close(self._open.pop(path))
        self._open[canonical] = fd

    def _forget(self, canonical: bytes) -> None:
        """Close what is cached at and below *canonical* ("" means all)."""
        prefix = canonical + b"/"
        for path in list(self._open):
            if not canonical or path == canonical or path.startswith(prefix):
                os.close(self._open.pop(path))

    def _from_lower(self, canonical: bytes) -> lower.Found | None:
        if self.hidden(canonical):
            return None
        if self.lowers is None:
            raise NeedsLower
        self.depended = True
        return lower.lookup(self.lowers, canonical)

    def hidden(self, canonical: bytes) -> bool:
        """Whether an opaque directory of this layer lies above *canonical*."""
        if self.opaque:
            while canonical:
                canonical = canonical.rpartition(b"/")[0]
                if canonical in self.opaque:
                    return True
        return False

    # Entries.

    def note(self, parent: bytes, name: bytes) -> None:
        """The layer has an entry for *name* (b"": a deletion) in the directory of the canonical path *parent*."""

    def set_xattrs(self, target: int | bytes, xattrs: dict[bytes, bytes], *, follow: bool = True) -> None:
        """Set an entry's extended attributes as the image means them on a file that will lie in an overlay's layer.

        security.selinux belongs to the host that packed the image; trusted.overlay.* would be taken by overlayfs for
        its own, so it is escaped the way overlayfs does (kernel 6.7, overlayfs.rst "Nesting overlayfs mounts").
        """
        for name, value in xattrs.items():
            if name == b"security.selinux":
                continue
            if name.startswith(b"trusted.overlay."):
                name = b"trusted.overlay.overlay." + name[len(b"trusted.overlay.") :]
            self.set_xattr(target, name, value, follow=follow)

    def set_xattr(self, target: int | bytes, name: bytes, value: bytes, *, follow: bool = True) -> None:
        """Set one attribute; a file system that has no such attributes is no error. Raises OSError."""
        try:
            os.setxattr(target, name, value, follow_symlinks=follow)
        except OSError as error:
            # user.* on symlinks and devices is EPERM for everybody (xattr(7)); some writers store it all the same.
            if error.errno != errno.ENOTSUP and not (error.errno == errno.EPERM and name.startswith(b"user.")):
                raise

    def make_directory(self, fd: int, name: bytes, canonical: bytes) -> int:
        """A directory *name* in *fd*: an existing one stays, anything else is replaced. Returns its descriptor."""
        opened = self._open.get(canonical)
        if opened is not None:
            return opened
        replaced = False
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            replaced = not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
            if replaced:
                self.remove(fd, name, canonical)
                os.mkdir(name, 0o700, dir_fd=fd)
        opened = os.open(name, DIR_FLAGS, dir_fd=fd)
        self._remember(canonical, opened)
        if replaced and not self.base:  # what was there, deletion or file, hid what the layers below have there
            self.set_opaque(opened, canonical)
            return self._walk(canonical)  # which may have left the cache meanwhile
        return opened

    def seal_later(self, canonical: bytes, mtime: int, gid: int, acl: bytes | None) -> None:
        """Note what a directory gets when all is in place, and whether its group is one to be inherited."""
        self.dir_times[canonical] = mtime
        if acl is not None:
            self.dir_acls[canonical] = acl
        elif self.dir_acls:
            self.dir_acls.pop(canonical, None)
        if gid:
            self.foreign.add(canonical)
        else:
            self.foreign.discard(canonical)

    def set_opaque(self, fd: int, canonical: bytes) -> None:
        """Hide what the layers below have in this directory, and what came from them for a hard link."""
        os.setxattr(fd, lower.OPAQUE, b"y")
        self.opaque.add(canonical)
        for path in [path for path in self.copied if self.hidden(path)]:
            parent, _slash, leaf = path.rpartition(b"/")
            os.unlink(leaf, dir_fd=self._walk(parent))
            self.copied.discard(path)

    def whiteout(self, fd: int, name: bytes, canonical: bytes) -> None:
        """Delete *canonical* of the layers below; what this layer itself has there stays, whichever came first."""
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=fd)
        except FileExistsError:
            if canonical not in self.whiteouts:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    self.set_opaque(self.make_directory(fd, name, canonical), canonical)
                elif canonical in self.copied:  # that was no entry of this layer
                    self.remove(fd, name, canonical)
                    self.whiteout(fd, name, canonical)
            return
        self.whiteouts.add(canonical)

    def remove(self, fd: int, name: bytes, canonical: bytes) -> None:
        """Make way for another entry of the same name."""
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=fd)
            self.whiteouts.discard(canonical)
            self.copied.discard(canonical)
            return
        self._forget(canonical)
        remove_tree(fd, name)
        prefix = canonical + b"/"
        for path in [path for path in self.dir_times if path == canonical or path.startswith(prefix)]:
            del self.dir_times[path]
            self.dir_acls.pop(path, None)
        for paths in (self.whiteouts, self.opaque, self.foreign, self.copied):
            paths.difference_update([path for path in paths if path == canonical or path.startswith(prefix)])

    def link(self, target: bytes, fd: int, name: bytes, canonical: bytes) -> None:
        """A hard link *name* in *fd* to the clean path *target*; a file of a layer below is copied up first."""
        parent, _slash, leaf = target.rpartition(b"/")
        # Resolving may close cached descriptors: keep our own of the directory that gets the link.
        kept = os.dup(fd)
        try:
            try:
                source, source_path = self.directory(parent, create=False)
                where = source_path + b"/" + leaf if source_path else leaf
                self._link_target(source, leaf, where)
            except FileNotFoundError:
                raise ImageError(
                    f"the hard link {printable(canonical)} names {printable(target)}, which the image does not have",
                    step="hardlink",
                ) from None
            if where == canonical:
                self.copied.discard(canonical)
                return
            if where.startswith(canonical + b"/"):
                raise ImageError(
                    f"the hard link {printable(canonical)} replaces the directory its target lies in", step="hardlink"
                )
            try:
                os.link(leaf, name, src_dir_fd=source, dst_dir_fd=kept, follow_symlinks=False)
            except FileExistsError:
                self.remove(kept, name, canonical)
                os.link(leaf, name, src_dir_fd=source, dst_dir_fd=kept, follow_symlinks=False)
        finally:
            os.close(kept)

    def _link_target(self, fd: int, leaf: bytes, canonical: bytes) -> None:
        """Make sure that this layer has the file *canonical*. Raises FileNotFoundError, ImageError."""
        try:
            status = os.stat(leaf, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            found = self._from_lower(canonical)
            if found is None:
                raise
            try:
                if stat.S_ISDIR(found.stat.st_mode):
                    raise ImageError(
                        f"a hard link names the directory {printable(canonical)}", step="hardlink"
                    ) from None
                lower.copy_up(found, fd, leaf)
                self.copied.add(canonical)
            finally:
                found.close()
            return
        if canonical in self.whiteouts:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), canonical)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"a hard link names the directory {printable(canonical)}", step="hardlink")

    def finish(self) -> None:
        """Whiteouts that an opaque directory makes needless go; then directories get their default ACLs and times."""
        for path in [path for path in self.whiteouts if self.hidden(path)]:
            parent, _slash, leaf = path.rpartition(b"/")
            os.unlink(leaf, dir_fd=self._walk(parent))
            self.whiteouts.discard(path)
        for path, acl in self.dir_acls.items():
            self.set_xattr(self._walk(path), DEFAULT_ACL, acl)
        self.dir_times.setdefault(b"", lower.UNSAID)
        for path, mtime in self.dir_times.items():
            os.utime(self._walk(path), ns=(mtime, mtime))


def remove_tree(fd: int, name: bytes) -> None:
    """Delete the directory *name* in *fd* with all that is in it; follows no symlink."""
    below = os.open(name, DIR_FLAGS, dir_fd=fd)
    try:
        with os.scandir(below) as iterator:
            children = [(os.fsencode(child.name), child.is_dir(follow_symlinks=False)) for child in iterator]
        for child, is_directory in children:
            if is_directory:
                remove_tree(below, child)
            else:
                os.unlink(child, dir_fd=below)
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=fd)


def plain(fd: int) -> None:
    """Make a new directory root's, 0755, whatever it inherited from the one above."""
    os.fchown(fd, 0, 0)
    os.fchmod(fd, 0o755)
    for attribute in os.listxattr(fd):
        if attribute.startswith("system.posix_acl_"):
            os.removexattr(fd, attribute)


def _outside(path: bytes) -> ImageError:
    return ImageError(f"the path {printable(path)} leads out of the image's root", step="path")


def _through_symlink(path: bytes) -> ImageError:
    return ImageError(f"the path {printable(path)} leads through a symlink to where the image has nothing", step="path")


def _not_a_directory(path: bytes) -> ImageError:
    return ImageError(
        f"the path {printable(path)} is not a directory, but the archive puts files below it", step="path"
    )
