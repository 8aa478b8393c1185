# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the option ``source`` names: an archive of images, or a root file system to make one of."""

from __future__ import annotations

import os
import stat

from . import archive, inflate, tarfields, tarstream
from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from .request import ImageRequest
    from .store import Image, Store

    class Prepared(Protocol):
        """A source that has been looked at; see importer.Prepared and load.Prepared."""

        image_id: str
        digest: str

        def store(self, store: Store, name: str) -> Image: ...

        def remember(self, store: Store) -> None: ...

        def close(self) -> None: ...


ROOTFS, OCI, OCI_ARCHIVE, DOCKER_ARCHIVE = FORMATS = ("rootfs", "oci", "oci-archive", "docker-archive")
ROOTFS_DIR = "rootfs-dir"  # as a destination: there a name must say whether it is the directory or its tar archive


class Kind:
    """What *path* is: one of FORMATS, and how it is compressed ("tar": not)."""

    __slots__ = ("compression", "format", "path")

    def __init__(self, path: str, kind: str, compression: str = "tar") -> None:
        self.path = path
        self.format = kind
        self.compression = compression


def prepare(request: ImageRequest, store: Store, image: Image | None) -> Prepared:
    """Look at the source of *request*; *image* is what its name means now. Changes nothing. Raises ImageError."""
    source = request.source or {}
    stated = str(source.get("format") or "auto")
    # Ansible hands over every suboption there is, None where the task is silent.
    configured = any(value is not None for value in (source.get("config") or {}).values())
    if source.get("rootfs"):
        if stated not in ("auto", ROOTFS):
            raise ImageError(
                f"source.rootfs is given and source.format is {stated}",
                step="options",
                obj=str(source["rootfs"]),
                hint="Give source.path instead, or leave out source.format",
            )
        kind = kind_of(str(source["rootfs"]), ROOTFS)
    else:
        if image is not None and not request.force and not configured:
            from . import load

            if load.is_known(request, store, image):
                return load.Prepared(request, store, image, None)
        kind = kind_of(str(source.get("path") or ""), stated)
    if kind.format == ROOTFS:
        if source.get("image"):
            raise ImageError(
                f"{kind.path} is a root file system and source.image is given",
                step="options",
                obj=kind.path,
                hint="Only an archive of images has several to choose from: leave out source.image",
            )
        from .importer import prepare as prepare_rootfs

        return prepare_rootfs(request, store, image)
    if configured:
        raise ImageError(
            f"{kind.path} is an archive of images and source.config is given",
            step="options",
            obj=kind.path,
            hint="Its images have their own configuration: leave out source.config",
        )
    from . import load

    return load.Prepared(request, store, image, kind)


def kind_of(path: str, stated: str = "auto") -> Kind:
    """What lies at *path*, by its content unless *stated*, one of FORMATS, says so. Raises ImageError."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            found = OCI if os.path.isfile(os.path.join(path, "oci-layout")) else ROOTFS
            return Kind(path, _agreed(path, stated, found, (ROOTFS, OCI)))
        if not stat.S_ISREG(mode):
            raise _useless(path, "it is neither a directory nor a file")
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            compression = compression_of(path, os.pread(fd, 512, 0))
            if stated != "auto":
                return Kind(path, _agreed(path, stated, stated, (ROOTFS, OCI_ARCHIVE, DOCKER_ARCHIVE)), compression)
            if compression == "tar":
                return Kind(path, archive.tar_kind(fd))
            return Kind(path, archive.kind_of_members(_names(path, compression)), compression)
        finally:
            os.close(fd)
    except (tarfields.BadTar, inflate.Damaged) as error:
        raise _useless(path, f"{error}") from error
    except OSError as error:
        raise _useless(path, error.strerror or str(error)) from error


def _agreed(path: str, stated: str, found: str, possible: tuple[str, ...]) -> str:
    if stated == "auto":
        return found
    if stated not in possible:
        what = "directory" if OCI in possible else "file"
        raise _useless(path, f"it is a {what}, and {stated} is none")
    return stated


def compression_of(path: str, head: bytes) -> str:
    """How the tar archive that starts with *head* (512 bytes) is compressed. Raises ImageError for what is none."""
    compression = inflate.sniff(head)
    if compression == "tar" and head[257:262] != b"ustar":
        raise _useless(path, "it is no tar archive, plain or compressed by gzip or zstd")
    return compression


def _names(path: str, compression: str) -> Iterator[str | None]:
    """Names of the members of a compressed archive, which is read only as far as they are asked for."""
    from .blobfile import BlobFile

    blob = BlobFile(path, os.stat(path).st_size)
    try:
        source = tarstream.ByteSource(inflate.inflated(blob, compression))
        for entry in tarstream.entries(source):
            yield archive.clean("", os.fsdecode(entry.name))
            source.skip(entry.size)
    finally:
        blob.close()


def _useless(path: str, why: str) -> ImageError:
    return ImageError(
        f"cannot import {path or 'an image'}: {why}",
        step="import",
        obj=path,
        hint="A source is a directory or a tar archive on the managed host: a root file system, an OCI image layout, "
        "or what docker save wrote",
    )
