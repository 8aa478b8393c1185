# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an image archive, be it a directory or a tar archive: found by name, read in place.

Nothing is extracted. The names in a tar archive are keys and nothing else, its links are followed among those keys;
in a directory the kernel keeps every link inside (openat2(2), RESOLVE_IN_ROOT). So no name leads out of the archive.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat

from . import tarfields, tarstream
from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MEMBERS = 200_000  # of a tar archive: each costs some hundred bytes of memory
MAX_DOCUMENT = 4 << 20  # bytes of a JSON file; the limit that registries set for manifests
MAX_LINKS = 8
CHUNK = 1 << 20

# The only first components that archives of images have: OCI layouts, and what `docker save` and others in its form
# (skopeo, Jib, go-containerregistry) write.
_OURS = re.compile(
    r"oci-layout|index\.json|manifest\.json|repositories|blobs|ingest|config\.json|(sha256:)?[0-9a-f]{64}(\..*)?|\..*"
)
_ONCE = ("oci-layout", "index.json", "manifest.json")


class Span:
    """*size* bytes of the file *fd* from *offset* on."""

    __slots__ = ("fd", "offset", "size")

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self.fd = fd
        self.offset = offset
        self.size = size

    def chunks(self) -> Iterator[bytes]:
        """All bytes, a bounded piece at a time. Raises OSError when the file has become shorter."""
        position, end = self.offset, self.offset + self.size
        while position < end:
            chunk = os.pread(self.fd, min(CHUNK, end - position), position)
            if not chunk:
                raise OSError(0, "the archive became shorter while it was read")
            position += len(chunk)
            yield chunk

    def head(self, count: int) -> bytes:
        """The first *count* bytes, or as many as there are."""
        return os.pread(self.fd, min(count, self.size), self.offset)


class Archive:
    """What both kinds have in common. ``path`` is for messages."""

    def __init__(self, path: str) -> None:
        self.path = path

    def close(self) -> None:
        raise NotImplementedError

    def has(self, name: str) -> bool:
        raise NotImplementedError

    def open(self, name: str) -> contextlib.AbstractContextManager[Span]:
        """The regular file *name*, for the length of a with block. Raises ImageError when there is none."""
        raise NotImplementedError

    def document(self, name: str, size: int | None = None) -> bytes:
        """A small file as a whole, of exactly *size* bytes if given. Raises ImageError."""
        with self.open(name) as span:
            if span.size > MAX_DOCUMENT:
                raise self.broken(f"{name} has {span.size} bytes, more than {MAX_DOCUMENT} are not accepted")
            if size is not None and span.size != size:
                raise self.broken(f"{name} has {span.size} bytes, not {size} as stated")
            return b"".join(span.chunks())

    def broken(self, why: str) -> ImageError:
        return ImageError(
            f"cannot read the archive {self.path}: {why}",
            step="archive",
            obj=self.path,
            hint="The archive is damaged or incomplete: make it again",
        )


class DirectoryArchive(Archive):
    """A directory. Raises OSError."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def has(self, name: str) -> bool:
        try:
            with self.open(name):
                return True
        except ImageError:
            return False

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Span]:
        from ..kernel import safepath

        try:
            pinned = safepath.open_in_root(self._root, name, os.O_PATH)
            try:
                if not stat.S_ISREG(os.fstat(pinned).st_mode):  # a FIFO must not stop us, nor a device steer us
                    raise self.broken(f"{name} is no regular file")
                fd = safepath.reopen(pinned, os.O_RDONLY)
            finally:
                os.close(pinned)
        except OSError as error:
            raise self.broken(f"{name}: {error.strerror}") from error
        try:
            yield Span(fd, 0, os.fstat(fd).st_size)
        finally:
            os.close(fd)


class TarArchive(Archive):
    """A tar archive that is not compressed, in the file *fd*, which this object takes over. Raises ImageError."""

    def __init__(self, path: str, fd: int) -> None:
        super().__init__(path)
        self._fd = fd
        self._files: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            for name, entry, offset in _members(fd):
                self._add(name, entry, offset)
        except tarfields.BadTar as error:
            self.close()
            raise self.broken(str(error)) from error
        except BaseException:
            self.close()
            raise

    def _add(self, name: str | None, entry: tarstream.Entry, offset: int) -> None:
        if name is None or entry.sparse is not None:
            return  # cannot be asked for, or is not stored as it is
        if name in _ONCE and (name in self._files or name in self._links):
            raise self.broken(f"{name} is in it twice")  # which one counts depends on who reads
        if len(self._files) + len(self._links) >= MAX_MEMBERS:
            raise self.broken(f"it has more than {MAX_MEMBERS} files")
        self._files.pop(name, None)
        self._links.pop(name, None)
        if entry.type == tarstream.REGULAR:
            self._files[name] = (offset, entry.size)
        elif entry.type in (tarstream.SYMLINK, tarstream.HARDLINK):
            target = os.fsdecode(entry.linkname)
            base = os.path.dirname(name) if entry.type == tarstream.SYMLINK else ""
            resolved = clean("" if target.startswith("/") else base, target)
            if resolved is not None:
                self._links[name] = resolved

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _resolve(self, name: str) -> tuple[int, int] | None:
        key = clean("", name)
        for _link in range(MAX_LINKS):
            if key is None or key in self._files:
                break
            key = self._links.get(key)
        return self._files.get(key) if key is not None else None

    def has(self, name: str) -> bool:
        return self._resolve(name) is not None

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Span]:
        found = self._resolve(name)
        if found is None:
            raise self.broken(f"it has no file {name}")
        yield Span(self._fd, *found)


def clean(base: str, name: str) -> str | None:
    """*name*, seen from the directory *base*, as a key: no ``.``, no ``..``; None when it leads out or nowhere."""
    parts: list[str] = []
    for part in f"{base}/{name}".split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/".join(parts) or None


def looks_like_ours(name: str) -> bool:
    """Whether a member called *name* (clean) may be of an image archive, and need not be of a root file system."""
    return bool(_OURS.fullmatch(name.partition("/")[0]))


def _members(fd: int) -> Iterator[tuple[str | None, tarstream.Entry, int]]:
    """(clean name, entry, offset of its content) of each member; the contents are skipped, not read."""
    source = _Seeking(fd)
    for entry in tarstream.entries(source):
        offset = source.position
        source.skip(entry.size)
        yield clean("", os.fsdecode(entry.name)), entry, offset


def kind_of_members(names: Iterator[str | None]) -> str:
    """``"oci-archive"``, ``"docker-archive"`` or ``"rootfs"``: what a tar archive is whose members are called *names*.

    The first name that no archive of images has decides for a root file system, so a large one is not read far.
    """
    docker = False
    for name in names:
        if name is None:
            continue
        if name == "oci-layout":
            return "oci-archive"
        docker = docker or name in ("manifest.json", "repositories")
        if not looks_like_ours(name):
            return "rootfs"
    return "docker-archive" if docker else "rootfs"


def tar_kind(fd: int) -> str:
    """The kind (see kind_of_members) of the uncompressed tar archive *fd*. Raises BadTar."""
    return kind_of_members(name for name, _entry, _offset in _members(fd))


class _Seeking(tarstream.ByteSource):
    """A file to read headers from, passing over what is between them."""

    __slots__ = ("_fd", "_size", "position")

    def __init__(self, fd: int) -> None:
        super().__init__(iter(()))
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self.position = 0

    def exact(self, count: int) -> bytes:
        data = os.pread(self._fd, count, self.position)
        self.position += len(data)
        return data

    def skip(self, count: int) -> None:
        self.position += count
        if self.position > self._size:
            raise tarfields.BadTar("the archive is cut off inside a file")
