# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an archive of images into the store.

Nothing in an archive is believed: each blob is compared with its digest while it is copied, each layer with the diff
id that the config states. A compressed archive cannot be read here and there, so it is unpacked into an unnamed file
first, which goes with the process.
"""

from __future__ import annotations

import os
import stat

from . import imports, inflate
from .archive import Archive, DirectoryArchive, TarArchive
from .errors import ImageError, refuse_full
from .offers import Offer, choose
from .source import DOCKER_ARCHIVE, OCI, ROOTFS, kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .dockersave import SavedImage
    from .layout import LayoutImage
    from .media import Platform
    from .request import ImageRequest
    from .source import Kind
    from .store import Image, Store


class Prepared:
    """An image in an archive that has been looked at, or is known from the last time.

    image_id  what the image's id will be
    digest    its manifest's digest: of the image that is here if that is the same, "" where the archive has none
    """

    def __init__(self, request: ImageRequest, store: Store, image: Image | None, kind: Kind | None) -> None:
        self._request = request
        self._path = kind.path if kind else path_of(request)
        self._status = os.stat(self._path)
        self._archive: Archive | None = None
        self._found: LayoutImage | SavedImage | None = None
        self.image_id = self.digest = ""
        if kind is None and image is not None:
            self.image_id, self.digest = image.id, image.digest
            return
        self._look(store, kind)
        if image is not None and image.id == self.image_id:
            self.digest = image.digest

    def _look(self, store: Store, kind: Kind | None) -> LayoutImage | SavedImage:
        from .request import wanted_platform

        request = self._request
        source = request.source or {}
        kind = kind or kind_of(self._path, str(source.get("format") or "auto"))
        platform = wanted_platform(request)
        self._archive = open_archive(kind, store)
        offers = offers_of(self._archive, kind)
        offer = choose(offers, str(source.get("image") or ""), request.full_name, platform, kind.path)
        found = self._found = read(self._archive, kind, offer, platform)
        _check_platform(found, request, kind.path)
        self.image_id, self.digest = found.image_id, found.digest
        return found

    def store(self, store: Store, name: str) -> Image:
        """Bring the image into the store and name it *name*. The caller holds the store's lock, shared."""
        found = self._found or self._look(store, None)
        if self._request.force:
            from .ensure import distrust

            distrust(store, found.descriptors)
        return store_image(found, store, [name])

    def remember(self, store: Store) -> None:
        """Record which image it was, so that the next run need not open the archive."""
        if not stat.S_ISREG(self._status.st_mode) or not imports.is_settled(self._status.st_ctime):
            return
        key = _key(self._request)
        record = {"fingerprint": imports.file_fingerprint(self._status), "image_id": self.image_id}
        if imports.read_record(store, key) != record:
            imports.write_record(store, key, record)

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()


def is_known(request: ImageRequest, store: Store, image: Image) -> bool:
    """Whether *image* is what the source of *request* held the last time, and nobody has written to it since."""
    record = imports.read_record(store, _key(request), "fingerprint", "image_id")
    if record.get("image_id") != image.id:
        return False
    try:
        return bool(record["fingerprint"] == imports.file_fingerprint(os.stat(path_of(request))))
    except OSError:
        return False  # which whoever looks says with more words


def path_of(request: ImageRequest) -> str:
    return str((request.source or {}).get("path") or "")


def _key(request: ImageRequest) -> bytes:
    """Under which the record is kept: all that says which image is meant."""
    from .request import wanted_platform

    source = request.source or {}
    path = os.path.abspath(path_of(request))
    words = (path, source.get("format"), source.get("image"), request.full_name, wanted_platform(request))
    return "\0".join(map(str, words)).encode("utf-8", "surrogateescape")


def open_archive(kind: Kind, store: Store) -> Archive:
    """The archive *kind*, to be closed. Raises ImageError, OSError."""
    if kind.format == OCI:
        return DirectoryArchive(kind.path)
    if kind.compression != "tar":
        return TarArchive(kind.path, _unpacked(kind, store))
    return TarArchive(kind.path, os.open(kind.path, os.O_RDONLY | os.O_CLOEXEC))


def offers_of(archive: Archive, kind: Kind) -> list[Offer]:
    """The images in it. Raises ImageError."""
    if kind.format == DOCKER_ARCHIVE:
        from . import dockersave

        return dockersave.offers(archive)
    from . import layout

    return layout.offers(archive)


def read(archive: Archive, kind: Kind, offer: Offer, platform: Platform) -> LayoutImage | SavedImage:
    """One of them, its config read. Raises ImageError."""
    if kind.format == DOCKER_ARCHIVE:
        from .dockersave import SavedImage

        return SavedImage(archive, offer)
    from .layout import LayoutImage

    return LayoutImage(archive, offer, platform)


def store_image(found: LayoutImage | SavedImage, store: Store, names: list[str]) -> Image:
    """Bring *found* into the store, unpack it, give it *names* (full form, at least one).

    The caller holds the store's lock, shared. Raises ImageError, OSError.
    """
    from .imageconfig import parse_config
    from .pull import bring_layers, layer_tasks

    name = names[0]
    config = parse_config(found.raw_config, {"layers": found.layers}, name, "import")
    try:
        manifest = found.bring(store, config["rootfs"]["diff_ids"])
    except OSError as error:
        refuse_full(error, "import", name, store.state.images)
        raise
    bring_layers(store, None, layer_tasks(store, manifest.document, config, name), name, None)
    return store.add(manifest, found.raw_config, names)


def load(store: Store, kind: Kind, platform: Platform, wanted: str = "", name: str = "") -> list[Image]:
    """Bring all images of the archive *kind* under the names that it gives them, or one of them as *name*.

    *wanted* says which one (see offers.choose). Raises ImageError, OSError.
    """
    from ..kernel.files import locked
    from .collect import undone_unless
    from .reference import normalise

    if kind.format == ROOTFS:
        raise ImageError(
            f"{kind.path} is no archive of images",
            step="archive",
            obj=kind.path,
            hint="The module oci_image makes an image of a root file system, by its option source",
        )
    archive = open_archive(kind, store)
    images = []
    try:
        with undone_unless(store, lambda _error: False):
            offers = offers_of(archive, kind)
            chosen = [choose(offers, wanted, name, platform, kind.path)] if wanted or name else offers
            if not chosen:
                raise archive.broken("it holds no image")
            store.prepare()
            for offer in chosen:
                names = [normalise(name)] if name else list(offer.names)
                if not names:
                    raise ImageError(
                        f"the image {offer} in {kind.path} has no name",
                        step="archive",
                        obj=kind.path,
                        hint="Give it one: aoci load -i FILE NAME",
                    )
                found = read(archive, kind, offer, platform)
                with locked(store.state.lock_path("image", names[0])), store.locked():
                    images.append(store_image(found, store, names))
    finally:
        archive.close()
    return images


def _check_platform(found: LayoutImage | SavedImage, request: ImageRequest, path: str) -> None:
    """Only a platform that was asked for must be the image's. Raises ImageError."""
    import json

    from .media import Platform

    if request.platform is None:
        return
    try:
        has = Platform.of(json.loads(found.raw_config))
    except (ValueError, AttributeError):
        return  # no config at all, which store_image() says with more words
    if not request.platform.accepts(has):
        raise ImageError(
            f"cannot import {request.full_name} from {path}: it is for {has}, not for {request.platform}",
            step="platform",
            obj=path,
            hint="Choose another archive, or another platform",
        )


def _unpacked(kind: Kind, store: Store) -> int:
    """A descriptor of an unnamed file with the uncompressed archive. Raises ImageError, OSError."""
    import tempfile

    from ..kernel.files import write_all
    from .blobfile import BlobFile

    # Beside the blobs, which it has to fit beside anyway; in check mode on a fresh host there is no such place yet.
    place = store.partial if os.path.isdir(store.partial) else None
    blob = BlobFile(kind.path, os.stat(kind.path).st_size)
    try:
        with tempfile.TemporaryFile(dir=place, buffering=0) as file:
            for chunk in inflate.inflated(blob, kind.compression):
                write_all(file.fileno(), chunk)
            return os.dup(file.fileno())
    except OSError as error:
        refuse_full(error, "import", kind.path, place or tempfile.gettempdir())
        raise
    except inflate.Damaged as error:
        raise ImageError(
            f"cannot import {kind.path}: {error}",
            step="import",
            obj=kind.path,
            hint="The archive is damaged: copy it again",
        ) from error
    finally:
        blob.close()
