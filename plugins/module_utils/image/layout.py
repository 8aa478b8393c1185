# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in an OCI image layout (image-spec, image-layout.md), a directory or in a tar archive."""

from __future__ import annotations

import json

from . import media
from .digest import algorithm_of, digest_of
from .errors import ImageError
from .manifest import Manifest, read_manifest
from .offers import CONTAINERD_NAME, Offer
from .reference import check_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .archive import Archive
    from .media import Platform
    from .store import Store

MAX_DEPTH = 3  # of indexes in each other


def offers(archive: Archive) -> list[Offer]:
    """What index.json offers. Raises ImageError."""
    try:
        version = json.loads(archive.document("oci-layout"))["imageLayoutVersion"]
        descriptors = json.loads(archive.document("index.json"))["manifests"]
        if not str(version).startswith("1."):
            raise archive.broken(f"it is a layout of version {version}; version 1 is known")
        return [_offer(descriptor, archive) for descriptor in descriptors if _is_image(descriptor)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise archive.broken("its oci-layout or index.json is not as the image specification has it") from None


def _is_image(descriptor: dict[str, Any]) -> bool:
    """Whether it may be an image: not a signature or another artifact that lies in the layout as well."""
    known = descriptor.get("mediaType", media.OCI_MANIFEST) in (*media.MANIFESTS, *media.INDEXES)
    return known and not descriptor.get("artifactType")


def _offer(descriptor: dict[str, Any], archive: Archive) -> Offer:
    annotations = descriptor.get("annotations") or {}
    called = [annotations[key] for key in (CONTAINERD_NAME, media.REF_NAME) if isinstance(annotations.get(key), str)]
    platform = descriptor.get("platform")
    digest = check_digest(str(descriptor["digest"]), archive.path)
    return Offer(
        list(dict.fromkeys(filter(None, called))), digest, media.Platform.of(platform) if platform else None, descriptor
    )


class LayoutImage:
    """One image of a layout: its manifest and config are read and verified, its layers are not.

    image_id, digest  of config and manifest
    raw_config        the image config
    layers            descriptors of its layers, base first
    descriptors       of all blobs that it has here
    """

    def __init__(self, archive: Archive, offer: Offer, platform: Platform) -> None:
        self._archive = archive
        self._manifest = _resolve(archive, offer.entry, platform)
        descriptor = self._manifest.document["config"]
        if descriptor.get("mediaType") not in (media.OCI_CONFIG, media.DOCKER_CONFIG):
            raise ImageError(
                f"{offer} in {archive.path} is no container image but '{descriptor.get('mediaType')}'",
                step="manifest",
                obj=archive.path,
                hint="Choose another with source.image",
            )
        self.raw_config = _verified(archive, descriptor)
        self.image_id = str(descriptor["digest"])
        self.digest = self._manifest.digest
        self.layers: list[Any] = self._manifest.document["layers"]
        self.descriptors: list[dict[str, Any]] = [descriptor, *self.layers]

    def bring(self, store: Store, _diff_ids: list[str]) -> Manifest:
        """Copy the layers' blobs into the store, each verified; the manifest. The caller holds the store's lock."""
        for descriptor in self.layers:
            digest = str(descriptor["digest"])
            name = blob_name(digest, self._archive)
            copy_blob(self._archive, name, digest, int(descriptor["size"]), store)
        return self._manifest


def _resolve(archive: Archive, descriptor: dict[str, Any], platform: Platform) -> Manifest:
    """The manifest behind *descriptor*, through indexes by *platform*. Raises ImageError."""
    for _depth in range(MAX_DEPTH + 1):
        digest = str(descriptor["digest"])
        raw = _verified(archive, descriptor)
        manifest = read_manifest(raw, digest, str(descriptor.get("mediaType") or ""), f"{digest} of {archive.path}")
        if not manifest.is_index:
            return manifest
        descriptor = media.choose(manifest.document["manifests"], platform, archive.path)
    raise archive.broken("its image indexes are nested too deep")


def blob_name(digest: str, archive: Archive) -> str:
    """Where blob *digest* lies in a layout. Raises ImageError for what is no digest (and may be a path to anywhere)."""
    algorithm, _colon, digits = check_digest(digest, archive.path).partition(":")
    return f"blobs/{algorithm}/{digits}"


def _verified(archive: Archive, descriptor: dict[str, Any]) -> bytes:
    """A small blob, its size and digest as *descriptor* states them."""
    digest = str(descriptor.get("digest"))
    raw = archive.document(blob_name(digest, archive), descriptor.get("size"))
    if digest_of(raw, algorithm_of(digest)) != digest:
        raise archive.broken(f"the content of blob {digest} does not have that digest")
    return raw


def copy_blob(archive: Archive, name: str, digest: str, size: int, store: Store) -> None:
    """Copy the file *name* into the store as the blob *digest* of *size* bytes, unless that is there.

    Raises ImageError; nothing wrong gets its name.
    """
    import hashlib
    import os

    from ..kernel.files import write_all

    with store.partial_blob(digest) as fd:
        if fd is None:
            return
        hasher = hashlib.new(algorithm_of(digest))
        os.ftruncate(fd, 0)  # what a killed run left is not worth a look: reading here is as fast
        try:
            with archive.open(name) as span:
                if span.size != size:
                    raise archive.broken(f"{name} has {span.size} bytes, not {size} as stated")
                for chunk in span.chunks():
                    hasher.update(chunk)
                    write_all(fd, chunk)
            if hasher.hexdigest() != digest.partition(":")[2]:
                raise archive.broken(f"the content of {name} does not have the digest {digest}")
        except BaseException:
            os.ftruncate(fd, 0)
            raise
