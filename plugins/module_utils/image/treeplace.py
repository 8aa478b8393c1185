# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place on the host where the files of an image lie as a directory, and what is known of it.

Whether the directory there is ours is told by a record in the state directory, by inode number and file handle: nothing
of it is in the tree. A new tree is made beside the old one and takes its place in one step. The record is on disk
before each step that it must explain, so that the next run can tell what a killed one has left:

    staging  {"name": beside the place, "identity": "" until the directory is made}; in it "tree", which is being
             made and afterwards the old one, or "old" where a file system cannot exchange two
    trees    what may lie at the place, each {"identity", "content", "image", "newest", "root"}; see Tree
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat

from ..kernel import constants as c
from ..kernel import inuse, safepath, syscalls
from ..kernel.files import locked, read_bytes, write_atomic
from ..kernel.lean import namedtuple
from .errors import ImageError
from .tarfields import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..statedir import StateDir

_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TREE, _OLD = "tree", "old"

Tree = namedtuple("Tree", "identity content image newest root")
"""A tree that we have made.

identity  of its root directory: inode number and, where the file system has one, file handle
content   what tells its content from any other's
image     id of the image it was made of
newest    the newest change time in it when it was whole, in ns, but for the root directory's
root      [mode, uid, gid, mtime in ns] of the root directory then
"""


class TreePlace:
    """The place *path* of a tree, which may be free. To be closed. Raises ImageError for what cannot be such a place.

    present  whether there is a directory
    tree     the Tree that it is, if we have made it
    """

    def __init__(self, state: StateDir, path: str) -> None:
        self.state = state
        self.path = os.path.abspath(path)
        directory, self._name = os.path.split(self.path)
        if not self._name or os.path.commonpath([self.path, state.root]) == state.root:
            raise _refused(self.path, "it is the root directory or in the state directory", "Give another path")
        try:
            self._parent = safepath.open_trusted(directory)
        except (FileNotFoundError, NotADirectoryError):
            raise _refused(self.path, f"there is no directory {directory}", "Make it first") from None
        except OSError as error:
            raise _refused(self.path, error.strerror or str(error), "Give a path that only root can change") from error
        self._key = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:32]
        self._record = os.path.join(state.trees, self._key)
        try:
            self.look()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._parent)

    def look(self) -> None:
        """Find out what is there now."""
        identity = self._identity()
        self.present = bool(identity)
        self.tree = next((tree for tree in self._read()["trees"] if tree.identity == identity), None)
        if self.present and self.tree is None and self._holds_something():
            raise _refused(
                self.path,
                "the directory is not empty and was not written by this option, as far as is known here",
                "Remove it or move it away, or give another path",
            )

    def changes(self) -> list[bytes]:
        """Paths in the tree that were changed since it was made, sorted; ``b"."`` is the directory itself."""
        if self.tree is None:
            return []
        fd = os.open(self._name, _DIR_FLAGS, dir_fd=self._parent)
        try:
            changed = [path for path, status in _entries(fd) if status.st_ctime_ns > self.tree.newest]
            if _root_of(fd) != self.tree.root:
                changed.append(b"")
        finally:
            os.close(fd)
        return innermost(changed)

    def check_free(self) -> None:
        """Raise ImageError unless what is there may be replaced."""
        if self.present:
            fd = os.open(self._name, _DIR_FLAGS, dir_fd=self._parent)
            try:
                why = inuse.reason(fd)
            finally:
                os.close(fd)
            if why:
                raise _refused(self.path, why, "Unmount it, or stop what runs in it")

    def replace(self, fill: Callable[[str], None], content: str, image: str) -> None:
        """Have *fill* fill an empty directory and put it here in one step; afterwards what was here is gone.

        Raises ImageError, OSError and what *fill* raises; what was here is still here then.
        """
        self.state.ensure(self.state.trees)
        with locked(self.state.lock_path("tree", self._key)):
            self._sweep()
            self.look()
            self.check_free()
            staging = f".{self._name[:200]}.{os.urandom(8).hex()}.aoci"
            trees = [self.tree] if self.tree else []
            self._write({"name": staging, "identity": ""}, trees)
            try:
                os.mkdir(staging, 0o700, dir_fd=self._parent)
                inside = os.open(staging, _DIR_FLAGS, dir_fd=self._parent)
                try:
                    self._write({"name": staging, "identity": _identity_of(inside)}, trees)
                    os.mkdir(_TREE, 0o755, dir_fd=inside)
                    fill(f"/proc/self/fd/{inside}/{_TREE}")
                    new = _made(inside, content, image)
                    self._write({"name": staging, "identity": _identity_of(inside)}, [*trees, new])
                    self._swap(inside)
                finally:
                    os.close(inside)
                os.fsync(self._parent)
            finally:
                self._sweep()
            self.look()

    def sweep(self) -> None:
        """Delete what a killed run has left beside the place, unless somebody is at work."""
        if self._read()["staging"]:
            with contextlib.suppress(BlockingIOError), locked(self.state.lock_path("tree", self._key), wait=False):
                self._sweep()

    def _swap(self, inside: int) -> None:
        """Put the tree in the directory *inside* here, and what is here there."""
        if self.tree is None:  # nothing, or an empty directory: all else is refused by the kernel
            try:
                os.rename(_TREE, self._name, src_dir_fd=inside, dst_dir_fd=self._parent)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
                    raise
                raise _refused(self.path, "somebody has put something there meanwhile", "Run the task again") from error
            return
        went = _TREE
        try:
            syscalls.renameat2(inside, _TREE, self._parent, self._name, c.RENAME_EXCHANGE)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                raise
            went = _OLD
            os.rename(self._name, _OLD, src_dir_fd=self._parent, dst_dir_fd=inside)
            self._put(inside, _TREE)
        if _identity_in(inside, went) != self.tree.identity:
            if went == _OLD:
                os.rename(self._name, _TREE, src_dir_fd=self._parent, dst_dir_fd=inside)
                self._put(inside, _OLD)
            else:
                syscalls.renameat2(inside, _TREE, self._parent, self._name, c.RENAME_EXCHANGE)
            raise _refused(self.path, "somebody has replaced it meanwhile", "Run the task again")

    def _put(self, inside: int, name: str) -> None:
        """Move *name* from *inside* to the place, which is free; if that fails, the old tree."""
        try:
            os.rename(name, self._name, src_dir_fd=inside, dst_dir_fd=self._parent)
        except OSError:
            if name != _OLD:
                os.rename(_OLD, self._name, src_dir_fd=inside, dst_dir_fd=self._parent)
            raise

    def _sweep(self) -> None:
        """Delete what the record says lies beside the place. The caller holds the lock."""
        from ..kernel.removal import remove_tree

        record = self._read()
        staging = record["staging"]
        if staging:
            name, identity = staging["name"], staging["identity"]
            found = _identity_in(self._parent, name)
            try:
                if found and found == identity:
                    if not self._identity():  # killed between two renames
                        with contextlib.suppress(FileNotFoundError):
                            os.rename(f"{name}/{_OLD}", self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
                    remove_tree(f"/proc/self/fd/{self._parent}/{name}")
                elif found and not identity:  # nothing is put in it before its identity is known
                    os.rmdir(name, dir_fd=self._parent)
            except OSError as error:
                raise ImageError(
                    f"cannot remove {os.path.join(os.path.dirname(self.path), name)}, which is not needed any more: "
                    f"{error.strerror}",
                    step="archive",
                    obj=self.path,
                    errno=error.errno or 0,
                    hint="Remove it by hand",
                ) from error
            here = self._identity()
            self._write(None, [tree for tree in record["trees"] if tree.identity == here])

    # What is on disk.

    def _identity(self) -> str:
        """Of the directory that is here; "" if there is nothing. Raises ImageError for anything else."""
        try:
            kind = stat.S_IFMT(os.stat(self._name, dir_fd=self._parent, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return ""
        if kind == stat.S_IFLNK:
            raise _refused(self.path, "it is a symlink", "Give the path that it leads to")
        if kind != stat.S_IFDIR:
            raise _refused(self.path, "it is no directory", "Give another path, or the format rootfs for an archive")
        return _identity_in(self._parent, self._name)

    def _holds_something(self) -> bool:
        fd = os.open(self._name, _DIR_FLAGS, dir_fd=self._parent)
        try:
            return bool(os.listdir(fd))
        finally:
            os.close(fd)

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads(read_bytes(self._record))
            return {"staging": record["staging"], "trees": [Tree(**tree) for tree in record["trees"]]}
        except FileNotFoundError:
            return {"staging": None, "trees": []}
        except (ValueError, KeyError, TypeError):
            raise ImageError(
                f"{self._record} is damaged, which says what is at {self.path}",
                step="archive",
                obj=self.path,
                hint="Remove both, or give another path",
            ) from None

    def _write(self, staging: dict[str, str] | None, trees: list[Tree]) -> None:
        record = {"path": printable(os.fsencode(self.path)), "staging": staging}
        write_atomic(self._record, json.dumps({**record, "trees": [tree._asdict() for tree in trees]}).encode())


def innermost(changed: list[bytes]) -> list[bytes]:
    """*changed* (paths below a directory, b"" itself) without directories in which something else of it lies; pure."""
    parents = {path.rpartition(b"/")[0] for path in changed if path}
    return sorted(path or b"." for path in changed if path not in parents)


def _made(inside: int, content: str, image: str) -> Tree:
    """What there is to know of the whole tree in the directory *inside*; it is on disk then."""
    fd = os.open(_TREE, _DIR_FLAGS, dir_fd=inside)
    try:
        syscalls.syncfs(fd)
        newest = max((status.st_ctime_ns for _path, status in _entries(fd)), default=0)
        return Tree(_identity_of(fd), content, image, newest, _root_of(fd))
    finally:
        os.close(fd)


def _root_of(fd: int) -> list[int]:
    status = os.fstat(fd)
    return [stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns]


def _identity_in(directory: int, name: str) -> str:
    """Of the directory *name* in *directory*; "" where there is none."""
    try:
        fd = os.open(name, _DIR_FLAGS, dir_fd=directory)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        return _identity_of(fd)
    finally:
        os.close(fd)


def _identity_of(fd: int) -> str:
    """No device number: that may be another after the next boot."""
    handle = b""
    try:
        handle = syscalls.file_handle(fd)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM):
            raise
    return f"{os.fstat(fd).st_ino} {handle.hex()}"


def _entries(top: int) -> Iterator[tuple[bytes, os.stat_result]]:
    """(path, status) of everything below the directory *top*, but not of what is mounted there.

    Somebody may be writing there: what vanishes meanwhile is passed over, and so is what lies deeper than images go.
    """
    device = os.fstat(top).st_dev
    pending = [b""]
    while pending:
        directory = pending.pop()
        try:
            fd = os.open(directory or b".", _DIR_FLAGS, dir_fd=top)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                raise
            continue
        try:
            for name in map(os.fsencode, os.listdir(fd)):
                path = directory + b"/" + name if directory else name
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
                        pending.append(path)
                    yield path, status
        finally:
            os.close(fd)


def _refused(path: str, why: str, hint: str) -> ImageError:
    return ImageError(f"cannot write the directory {path}: {why}", step="archive", obj=path, hint=hint)
