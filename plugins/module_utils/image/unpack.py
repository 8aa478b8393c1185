# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One layer: from its compressed blob to a directory that overlayfs can stack.

Whiteouts become character devices 0:0 and ``trusted.overlay.opaque`` (kernel Documentation/filesystems/overlayfs),
whatever lies below: that is known to a stack only (underlay.py).
Per entry: owner, then mode, then xattrs, then times, since chown(2) clears set-uid bits and file capabilities.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat

from . import lower, tarstream
from .blobfile import BlobFile
from .digest import algorithm_of
from .errors import ImageError
from .inflate import Damaged, layer_content
from .readahead import ReadAhead
from .rootdir import DEFAULT_ACL, MAX_DEPTH, MAX_PATH, NeedsLower, RootDir
from .tarfields import BadTar, printable
from .tarstream import ByteSource, Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

WHITEOUT = b".wh."
OPAQUE_WHITEOUT = b".wh..wh..opq"

# A layer may grow to this many times its blob, and in any case to the floor. Real layers reach 3 to 20, gzip's
# own limit is 1032: a layer beyond is made to fill disks.
MAX_RATIO = 200
RATIO_FLOOR = 1 << 30

_MAX_ID = 2**32 - 2  # 2**32 - 1 means "leave as it is" to chown(2)
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Layer:
    """What to unpack: the blob's path and size, its compression, and the digest of its uncompressed content.

    With *partial*, the blob may still be coming in under that path (BlobFile). With *ahead* a thread inflates: a fifth
    more work, in half the time where another processor has nothing to do.
    """

    __slots__ = ("ahead", "blob", "compression", "diff_id", "digest", "partial", "size")

    def __init__(
        self,
        blob: str,
        digest: str,
        size: int,
        compression: str,
        diff_id: str,
        partial: str = "",
        *,
        ahead: bool = False,
    ) -> None:
        self.blob = blob
        self.partial = partial
        self.ahead = ahead
        self.digest = digest
        self.size = size
        self.compression = compression
        self.diff_id = diff_id


class Unpacked:
    """What came out of a layer.

    depended   whether it depends on the layers below (see RootDir)
    deleting   paths of the directories with whiteouts in them, but for the root
    guessed    what was guessed of the layers below (see GuessingRoot)
    """

    __slots__ = ("deleting", "depended", "guessed")

    def __init__(self, depended: bool, deleting: list[bytes], guessed: Mapping[bytes, bool]) -> None:
        self.depended = depended
        self.deleting = deleting
        self.guessed = guessed


def unpack(layer: Layer, destination: str, lowers: Sequence[str] | None, *, guess: bool = False) -> Unpacked:
    """Fill the empty directory *destination*; *lowers* are the layers below (see RootDir).

    With *guess*, what may be guessed of layers that are not known is not waited for.

    Expects umask 0 and root. Raises ImageError, NeedsLower; *destination* is then in pieces and the caller's to remove.
    """
    guessed: Mapping[bytes, bool] = {}
    if guess and lowers is None:
        from .guess import GuessingRoot

        root: RootDir = (guessing := GuessingRoot(destination))
        guessed = guessing.guessed
    else:
        root = RootDir(destination, lowers)
    try:
        with explained(destination):
            add(layer, root)
            root.finish()
        parents = {path.rpartition(b"/")[0] for path in root.whiteouts}
        return Unpacked(root.depended, sorted(parents - {b""}), guessed)
    except ImageError:
        if guessed:  # it may be a wrong guess that is to blame
            raise NeedsLower from None
        raise
    finally:
        root.close()


@contextlib.contextmanager
def explained(destination: str) -> Iterator[None]:
    """What goes wrong in the block, while a layer is written below *destination*, as ImageError."""
    try:
        yield
    except (BadTar, Damaged) as error:
        raise ImageError(str(error), step="archive") from error
    except OSError as error:
        raise _system_error(error, destination) from error


def add(layer: Layer, root: RootDir) -> None:
    """Put the entries of *layer* into *root*; RootDir.finish() is the caller's.

    Raises as unpack() does, and what explained() explains.
    """
    hasher = hashlib.new(algorithm_of(layer.diff_id))
    limit = max(RATIO_FLOOR, layer.size * MAX_RATIO)
    status = os.statvfs(root.root)
    free = status.f_bavail * status.f_frsize if status.f_blocks else limit  # some file systems have no measure
    budget = _Budget(limit, free)
    blob = BlobFile(layer.blob, layer.size, layer.partial)
    try:
        chunks = _hashed(layer_content(blob, layer.compression, checksum=False), hasher, limit)
        if layer.ahead:
            with ReadAhead(chunks) as inflating:
                try:
                    _fill(root, iter(inflating), budget)
                except BaseException:
                    blob.abandon()  # or its thread would go on waiting
                    raise
        else:
            _fill(root, chunks, budget)
        if hasher.hexdigest() != layer.diff_id.partition(":")[2]:
            raise ImageError(
                f"its content has the digest sha256:{hasher.hexdigest()}, not {layer.diff_id} as the image states",
                step="diff_id",
            )
    finally:
        blob.close()


def _fill(root: RootDir, chunks: Iterator[bytes], budget: _Budget) -> None:
    source = ByteSource(chunks)
    _Unpacker(root, source, budget).run()
    source.drain()


class _Budget:
    """How much may still be written: what the ratio allows and what the disk had free."""

    def __init__(self, limit: int, free: int) -> None:
        self.limit = limit
        self.free = free
        self.written = 0

    def take(self, size: int, name: bytes) -> None:
        """Before anything of a file is written: a header that claims too much is enough. Raises ImageError."""
        self.written += size
        if self.written > self.limit:
            raise _bomb(self.limit)
        if self.written > self.free:
            raise ImageError(
                f"no space left: it needs more than the {_mib(self.free)} that are free (at {printable(name)})",
                step="space",
                errno=errno.ENOSPC,
            )


def _hashed(chunks: Iterator[bytes], hasher: Any, limit: int) -> Iterator[bytes]:
    """Pass *chunks* on, hashing; stop a stream that grows beyond *limit* plus headers."""
    total = 0
    limit += limit // 4 + (64 << 20)  # headers and padding of many small files
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise _bomb(limit)
        hasher.update(chunk)
        yield chunk


class _Unpacker:
    def __init__(self, root: RootDir, source: ByteSource, budget: _Budget) -> None:
        self.root = root
        self.source = source
        self.budget = budget
        self.always_chown = os.geteuid() != 0 or os.getegid() != 0

    def run(self) -> None:
        noting = self.root.noting
        for entry in tarstream.entries(self.source):
            path = clean(entry.name, "name")
            if entry.uid > _MAX_ID or entry.gid > _MAX_ID:
                raise ImageError(
                    f"the entry {printable(path)} has the impossible owner {entry.uid}:{entry.gid}", step="owner"
                )
            if not path:
                self._root_entry(entry)
                continue
            parent, _slash, name = path.rpartition(b"/")
            fd, parent = self.root.directory(parent)
            canonical = parent + b"/" + name if parent else name
            kind = entry.type
            if noting:
                self.root.note(parent, b"" if name.startswith(WHITEOUT) else name)
            if name.startswith(WHITEOUT):
                self._whiteout(fd, name, canonical, entry)
            elif kind == tarstream.REGULAR:
                self._file(fd, name, canonical, entry, self.always_chown or parent in self.root.foreign)
            elif kind == tarstream.DIRECTORY:
                opened = self.root.make_directory(fd, name, canonical)
                self._directory_metadata(opened, canonical, entry)
            elif kind == tarstream.HARDLINK:
                target = clean(entry.linkname, "hard link")
                if not target:
                    raise ImageError(f"the hard link {printable(path)} names the root", step="hardlink")
                self.root.link(target, fd, name, canonical)
            elif kind == tarstream.SYMLINK:
                self._symlink(fd, name, canonical, entry)
            else:
                self._special(fd, name, canonical, entry)

    def _root_entry(self, entry: Entry) -> None:
        if entry.type != tarstream.DIRECTORY:  # CVE-2021-29136
            raise ImageError("an entry replaces the image's root by something that is no directory", step="path")
        self._directory_metadata(self.root.root, b"", entry)

    def _file(self, fd: int, name: bytes, canonical: bytes, entry: Entry, chown: bool) -> None:
        """A regular file. One that root makes belongs to root already, unless its directory says otherwise (*chown*),
        and has its mode, since the umask is 0 and directories get their default ACLs last.
        """
        if entry.size:
            self.budget.take(entry.size, canonical)
        mode = entry.mode & 0o7777
        try:
            file = os.open(name, _FILE_FLAGS, mode & 0o777, dir_fd=fd)
        except FileExistsError:
            self.root.remove(fd, name, canonical)
            file = os.open(name, _FILE_FLAGS, mode & 0o777, dir_fd=fd)
        try:
            if entry.sparse is None:
                if entry.size:
                    self.source.copy(file, entry.size)
            else:
                for offset, length in entry.sparse:
                    os.lseek(file, offset, os.SEEK_SET)
                    self.source.copy(file, length)
                os.ftruncate(file, entry.realsize)
            if chown or entry.uid or entry.gid:
                os.fchown(file, entry.uid, entry.gid)
            if mode > 0o777:  # set-uid bits: writing and chown(2) clear them
                os.fchmod(file, mode)
            if entry.xattrs:
                self.root.set_xattrs(file, entry.xattrs)
            os.utime(file, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(file)

    def _directory_metadata(self, fd: int, canonical: bytes, entry: Entry) -> None:
        """A second entry for a directory replaces the first one's attributes."""
        os.fchown(fd, entry.uid, entry.gid)
        os.fchmod(fd, entry.mode & 0o7777)
        if canonical in self.root.dir_times:
            for attribute in os.listxattr(fd):
                if attribute != lower.OPAQUE and attribute != "security.selinux":
                    os.removexattr(fd, attribute)
        acl = entry.xattrs.pop(DEFAULT_ACL, None)
        if entry.xattrs:
            self.root.set_xattrs(fd, entry.xattrs)
        self.root.seal_later(canonical, entry.mtime, entry.gid, acl)

    def _special(self, fd: int, name: bytes, canonical: bytes, entry: Entry) -> None:
        mode = entry.mode & 0o7777
        device = 0
        if entry.type == tarstream.FIFO:
            mode |= stat.S_IFIFO
        else:
            if entry.major > 0xFFF or entry.minor > 0xFFFFF:
                raise ImageError(f"the device {printable(canonical)} has impossible numbers", step="device")
            device = os.makedev(entry.major, entry.minor)
            mode |= stat.S_IFCHR if entry.type == tarstream.CHARACTER else stat.S_IFBLK
            if entry.type == tarstream.CHARACTER and device == 0:
                raise ImageError(
                    f"the device {printable(canonical)} has the numbers 0:0, which overlayfs takes for a deletion",
                    step="device",
                )
        try:
            os.mknod(name, mode, device, dir_fd=fd)
        except FileExistsError:
            self.root.remove(fd, name, canonical)
            os.mknod(name, mode, device, dir_fd=fd)
        self._metadata(fd, name, entry)

    def _symlink(self, fd: int, name: bytes, canonical: bytes, entry: Entry) -> None:
        try:
            os.symlink(entry.linkname, name, dir_fd=fd)  # its target verbatim: nothing here follows it
        except FileExistsError:
            self.root.remove(fd, name, canonical)
            os.symlink(entry.linkname, name, dir_fd=fd)
        self._metadata(fd, name, entry)

    def _metadata(self, fd: int, name: bytes, entry: Entry) -> None:
        """Owner, xattrs and times of what is neither file nor directory; the mode came with mknod(2)."""
        os.chown(name, entry.uid, entry.gid, dir_fd=fd, follow_symlinks=False)
        if entry.xattrs:
            self.root.set_xattrs(b"/proc/self/fd/%d/%s" % (fd, name), entry.xattrs, follow=False)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=fd, follow_symlinks=False)

    def _whiteout(self, fd: int, name: bytes, canonical: bytes, entry: Entry) -> None:
        if entry.size:
            self.source.skip(entry.size)
        parent = canonical.rpartition(b"/")[0]
        if name == OPAQUE_WHITEOUT:
            if self.root.base:
                self.root.depended = True  # nothing lies below; as an upper layer it would differ
            else:
                self.root.set_opaque(fd, parent)
            return
        deleted = name[len(WHITEOUT) :]
        if not deleted or deleted in (b".", b".."):
            raise ImageError(f"the whiteout {printable(canonical)} names nothing", step="whiteout")
        if deleted.startswith(WHITEOUT):
            return  # other AUFS bookkeeping (.wh..wh.plnk and the like), of no meaning outside it
        if self.root.base:
            self.root.depended = True
            return
        self.root.whiteout(fd, deleted, parent + b"/" + deleted if parent else deleted)


def clean(name: bytes, what: str) -> bytes:
    """*name* as a path below the root: without ``.``, ``..``, doubled, leading (as ko writes them) or trailing slashes.

    Raises ImageError for what leads out of the root.
    """
    if name.startswith(b"./"):
        name = name[2:]
    if name.endswith(b"/"):
        name = name.rstrip(b"/")
    if b".." in name or b"//" in name or b"/./" in name or name.startswith((b".", b"/")) or name.endswith(b"/."):
        parts: list[bytes] = []
        for part in name.split(b"/"):
            if part == b"..":
                if not parts:
                    raise ImageError(f"the {what} {printable(name)} in it leads out of the image's root", step="path")
                parts.pop()
            elif part not in (b"", b"."):
                parts.append(part)
        name = b"/".join(parts)
    if len(name) > MAX_PATH or name.count(b"/") >= MAX_DEPTH:
        raise ImageError(f"the {what} {printable(name)} in it is too long", step="path")
    if b"\0" in name:
        raise ImageError(f"the {what} {printable(name)} in it has a zero byte", step="path")
    return name


def _bomb(limit: int) -> ImageError:
    return ImageError(
        f"it expands to more than {_mib(limit)}, the limit for a blob of its size ({MAX_RATIO} times the blob, at least"
        f" {_mib(RATIO_FLOOR)}); it may be a decompression bomb",
        step="bomb",
    )


def _system_error(error: OSError, destination: str) -> ImageError:
    number = error.errno or 0
    if number in (errno.ENOSPC, errno.EDQUOT):
        return ImageError(f"no space left below {destination}", step="space", errno=number)
    name = error.filename
    where = f" at {printable(name) if isinstance(name, bytes) else name}" if name else ""
    return ImageError(f"{error.strerror or error}{where}", step="unpack", errno=number)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
