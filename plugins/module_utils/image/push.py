# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the store into a registry: only what it lacks, the manifest last."""

from __future__ import annotations

from . import media
from .errors import ImageError
from .reference import parse
from .registry import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .auth import Access
    from .reference import Reference
    from .request import ImageRequest
    from .store import Image, Store

MOUNT_TRIES = 2  # repositories to try to mount a blob from; each costs a request


def is_pushed(request: ImageRequest, name: str, image: Image | None, digest: str) -> bool:
    """Whether the registry of *name* has this very image under it already; one HEAD.

    *digest* is the manifest's, "" when it is not known yet (the image is still to be pulled): then False, but a
    registry that cannot be reached is an error before anything is done. An index that the image was pulled from under
    the same name counts too: pushing would replace it by one of its images.
    """
    known = {digest}
    if image is not None and image.origin and image.digest == digest and name in image.names:
        known.add(image.origin)
    registry = Registry(parse(name), request.access, asks_only=True)
    try:
        there = registry.head_or_none(f"push {name}")
    finally:
        registry.close()
    return bool(digest) and there in known


def push(store: Store, image: Image, target: Reference, access: Access) -> None:
    """Upload *image* as *target*. Raises ImageError.

    A layer that its builder has put elsewhere (foreign: with ``urls`` and not to be distributed) is left there.
    """
    from ..kernel.files import read_bytes
    from .upload import Upload

    registry = Registry(target, access)
    registry.transport.login.want_push()
    upload = Upload(registry.transport, str(target))
    manifest = image.manifest
    elsewhere = repositories_of_blobs(store.images(), target)
    try:
        for digest, descriptor in {str(d["digest"]): d for d in [*manifest["layers"], manifest["config"]]}.items():
            if media.is_foreign(descriptor) or upload.has_blob(digest):
                continue
            if not store.has_blob(digest):
                raise ImageError(
                    f"cannot push {target}: blob {digest} of {image.name} is not here",
                    step="push",
                    obj=str(target),
                    hint="Pull or import the image again with force",
                )
            upload.blob(digest, int(descriptor["size"]), store.blob_path(digest), elsewhere.get(digest, ()))
        raw = read_bytes(store.blob_path(image.digest))
        upload.manifest(raw, image.media_type, target.tag)
    finally:
        registry.close()


def repositories_of_blobs(images: Iterable[Image], target: Reference) -> dict[str, list[str]]:
    """Blob → repositories of *target*'s registry that should have it, since images here are called so there."""
    found: dict[str, list[str]] = {}
    for image in images:
        references = [reference for reference in map(parse, image.names) if reference.host == target.host]
        paths = sorted({reference.path for reference in references} - {target.path})
        for descriptor in [*image.manifest["layers"], image.manifest["config"]]:
            known = found.setdefault(str(descriptor["digest"]), [])
            known += [path for path in paths if path not in known][: MOUNT_TRIES - len(known)]
    return found
