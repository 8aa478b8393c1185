# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the store into an archive: an OCI archive, one of ``docker save``, or an OCI layout directory.

The same images under the same names always make the same bytes: names sorted, no times, no owners. Whether an archive
is what it should be is told by its headers and by the digests of its content, so nothing is written to find out.
"""

from __future__ import annotations

import hashlib
import os

from . import imports, media, tarwrite
from .digest import algorithm_of, canonical
from .errors import ImageError
from .source import DOCKER_ARCHIVE, OCI, OCI_ARCHIVE, ROOTFS, ROOTFS_DIR
from .stored import LAYOUT
from .tarfields import BLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .store import Image, Store

FORMATS = (OCI_ARCHIVE, DOCKER_ARCHIVE, OCI, ROOTFS, ROOTFS_DIR)
CHUNK = 1 << 20
_END = bytes(1024)


class Part:
    """One file of an archive: *data*, or the blob *blob* whose content (uncompressed if *compression*) has *digest*.

    size  of the content; None where only reading the blob tells
    """

    __slots__ = ("blob", "compression", "data", "digest", "name", "size")

    def __init__(
        self,
        name: str,
        data: bytes = b"",
        *,
        blob: str = "",
        digest: str = "",
        size: int | None = None,
        compression: str = "",
    ) -> None:
        self.name = name
        self.data = data
        self.blob = blob
        self.digest = digest or f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.size = size if blob else len(data)
        self.compression = compression


def parts_of(store: Store, images: Sequence[tuple[Image, Sequence[str]]], kind: str) -> list[Part]:
    """The files of an archive of *images*, each with its names (full form), in the order in which they are written."""
    if kind == DOCKER_ARCHIVE:
        return _docker_parts(store, images)
    descriptors = [d for image, names in images for d in _descriptors(store, image, names)]
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": descriptors}
    blobs: dict[str, Part] = {}
    for image, _names in images:
        manifest = {"digest": image.digest, "size": os.stat(store.blob_path(image.digest)).st_size}
        for descriptor in [manifest, image.manifest["config"], *image.manifest["layers"]]:
            digest = str(descriptor["digest"])
            name = "blobs/" + digest.replace(":", "/")
            blobs[name] = Part(name, blob=store.blob_path(digest), digest=digest, size=int(descriptor["size"]))
    directories = sorted({f"{os.path.dirname(name)}/" for name in blobs})
    return [
        Part("oci-layout", LAYOUT),
        Part("index.json", canonical(index)),
        *[Part(name) for name in ["blobs/", *directories]],
        *[blobs[name] for name in sorted(blobs)],
    ]


def _descriptors(store: Store, image: Image, names: Sequence[str]) -> list[dict[str, Any]]:
    """index.json's entries: one for each name, or one without any."""
    from .offers import CONTAINERD_NAME

    entry: dict[str, Any] = {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": os.stat(store.blob_path(image.digest)).st_size,
    }
    if not names:
        return [entry]
    return [{**entry, "annotations": {media.REF_NAME: name, CONTAINERD_NAME: name}} for name in names]


def _docker_parts(store: Store, images: Sequence[tuple[Image, Sequence[str]]]) -> list[Part]:
    """manifest.json, the configs, and each layer once, uncompressed, called by its diff id."""
    manifest = []
    files: dict[str, Part] = {}
    for image, names in images:
        config = f"{image.id.partition(':')[2]}.json"
        layers = [f"{diff_id.partition(':')[2]}.tar" for diff_id in image.layers]
        manifest.append({"Config": config, "RepoTags": list(names), "Layers": layers})
        size = int(image.manifest["config"]["size"])
        files[config] = Part(config, blob=store.blob_path(image.id), digest=image.id, size=size)
        for name, diff_id, descriptor in zip(layers, image.layers, image.manifest["layers"]):
            compression = media.layer_compression(str(descriptor.get("mediaType")), image.name)
            path = store.blob_path(str(descriptor["digest"]))
            files[name] = Part(name, blob=path, digest=diff_id, compression=compression)
    return [Part("manifest.json", canonical(manifest)), *[files[name] for name in sorted(files)]]


def target_of(store: Store, path: str, kind: str, images: Sequence[tuple[Image, Sequence[str]]]) -> Target:
    """The archive that shall hold *images*, each with its names, at *path*, in one of FORMATS. Raises ImageError."""
    if kind == ROOTFS:
        from .rootfs_archive import RootfsTarget

        return RootfsTarget(store, path, images)
    if kind == ROOTFS_DIR:
        from .rootfs_dir import RootfsDirTarget

        return RootfsDirTarget(store, path, images)
    return Target(store, path, kind, images)


class Target:
    """An archive of images as such; made by :func:`target_of`."""

    def __init__(self, store: Store, path: str, kind: str, images: Sequence[tuple[Image, Sequence[str]]]) -> None:
        self._parts = parts_of(store, images, kind)
        self._take(store, path, kind, "".join(f"{part.name}\0{part.digest}\0" for part in self._parts))

    def _take(self, store: Store, path: str, kind: str, content: str) -> None:
        """*content* is what tells its content from any other's."""
        self.path = os.path.abspath(path)
        self.kind = kind
        self._store = store
        self._content = f"{kind} {hashlib.sha256(content.encode()).hexdigest()}"
        self._key = b"archive\0" + os.fsencode(self.path)

    def is_written(self) -> bool:
        """Whether it is there as it should be. Changes nothing. Raises ImageError for what it must not replace."""
        from . import layoutdir

        layoutdir.check_place(self.path, self.kind)
        fingerprint = self._fingerprint()
        if not fingerprint[0]:
            return False
        record = imports.read_record(self._store, self._key, "fingerprint", "content")
        if record == {"fingerprint": fingerprint[0], "content": self._content}:
            return True
        return self._matches()

    def _matches(self) -> bool:
        """Whether what is there, read again, is what should be."""
        from . import layoutdir

        if self.kind == OCI:
            return layoutdir.is_written(self.path, self._parts)
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return matches(fd, self._parts)
        finally:
            os.close(fd)

    def remember(self) -> None:
        """Record that it is as it should be, so that the next run need not read it."""
        fingerprint, changed = self._fingerprint()
        record = {"fingerprint": fingerprint, "content": self._content}
        if fingerprint and imports.is_settled(changed) and imports.read_record(self._store, self._key) != record:
            imports.write_record(self._store, self._key, record)

    def _fingerprint(self) -> tuple[str, float]:
        """Of all files that make it up, and their newest change time; "" while one of them is missing."""
        hasher = hashlib.sha256()
        newest = 0.0
        for path in self._files():
            try:
                status = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                return "", 0.0
            hasher.update(imports.file_fingerprint(status).encode() + b"\0")
            newest = max(newest, status.st_ctime)
        return hasher.hexdigest(), newest

    def _files(self) -> list[str]:
        if self.kind != OCI:
            return [self.path]
        return [os.path.join(self.path, part.name) for part in self._parts if not part.name.endswith("/")]

    def write(self) -> None:
        """Make it so. An archive appears in one step, or not at all. Raises ImageError, OSError."""
        from . import layoutdir

        layoutdir.check_place(self.path, self.kind)
        if self.kind == OCI:
            layoutdir.write(self.path, self._parts)
            return
        with layoutdir.replacing(self.path) as fd:
            write(fd, self._parts)


def content_of(part: Part) -> Iterator[bytes]:
    """The bytes of *part*. Raises ImageError when its blob is gone or damaged, OSError."""
    from . import inflate
    from .blobfile import BlobFile

    if not part.blob:
        yield part.data
        return
    hasher = hashlib.new(algorithm_of(part.digest))
    try:
        blob = BlobFile(part.blob, os.stat(part.blob).st_size)
    except FileNotFoundError:
        raise _no_blob(part, "is not here") from None
    try:
        layer = part.compression
        for chunk in inflate.layer_content(blob, layer) if layer else inflate.inflated(blob, "tar"):
            hasher.update(chunk)
            yield chunk
    except inflate.Damaged as error:
        raise _no_blob(part, f"is damaged ({error})") from error
    finally:
        blob.close()
    if hasher.hexdigest() != part.digest.partition(":")[2]:
        raise _no_blob(part, "is damaged")


def _no_blob(part: Part, why: str) -> ImageError:
    return ImageError(
        f"cannot write the archive: the blob {part.blob} {why}",
        step="archive",
        obj=part.blob,
        hint="Pull or import the image again with force",
    )


def write(fd: int, parts: Sequence[Part]) -> None:
    """Write the tar archive of *parts* to the empty file *fd*. Raises ImageError, OSError."""
    from ..kernel.files import write_all

    position = 0
    for part in parts:
        os.lseek(fd, position + BLOCK, os.SEEK_SET)
        size = 0
        for chunk in content_of(part):
            write_all(fd, chunk)
            size += len(chunk)
        write_all(fd, bytes(-size % BLOCK))
        os.pwrite(fd, tarwrite.plain_header(part.name, size), position)  # now that the size is known
        position += BLOCK + size + -size % BLOCK
    os.lseek(fd, position, os.SEEK_SET)
    write_all(fd, _END)


def matches(fd: int, parts: Sequence[Part]) -> bool:
    """Whether the file *fd* is the tar archive of *parts*, byte by byte. Reads no blob. Raises OSError."""
    from .archive import Span

    end = os.fstat(fd).st_size
    position = 0
    for part in parts:
        header = os.pread(fd, BLOCK, position)
        size = part.size if part.size is not None else stated_size(header)
        position += BLOCK
        if size < 0 or position + size > end or header != tarwrite.plain_header(part.name, size):
            return False
        hasher = hashlib.new(algorithm_of(part.digest))
        for chunk in Span(fd, position, size).chunks():
            hasher.update(chunk)
        padding = -size % BLOCK
        if hasher.hexdigest() != part.digest.partition(":")[2]:
            return False
        if os.pread(fd, padding, position + size) != bytes(padding):
            return False
        position += size + padding
    return os.pread(fd, len(_END) + 1, position) == _END


def stated_size(header: bytes) -> int:
    """The size in a header as plain_header() writes it; -1 for anything else."""
    field = header[124:136]
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    return int(field[:11], 8) if field[:11].isdigit() and b"8" not in field and b"9" not in field else -1
