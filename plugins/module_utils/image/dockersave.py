# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in an archive of ``docker save``: manifest.json, a config per image, the layers' tar archives.

The format is Docker's image specification v1.2 (moby, image/spec/v1.2.md). It has no digests but those that the
config states of the uncompressed layers; a layer's file may be a link to another's. What Docker writes since version
25 is an OCI layout as well, and is read as that.
"""

from __future__ import annotations

import json
import re

from . import inflate, media
from .digest import algorithm_of, digest_of
from .manifest import Manifest
from .offers import Offer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .archive import Archive
    from .store import Store

_NAMED_BY_DIGEST = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")


def offers(archive: Archive) -> list[Offer]:
    """What manifest.json offers. Raises ImageError."""
    try:
        entries = json.loads(archive.document("manifest.json"))
        return [_offer(entry, archive) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise archive.broken("its manifest.json is not one of docker save") from None


def _offer(entry: dict[str, Any], archive: Archive) -> Offer:
    config, layers, tags = entry["Config"], entry.get("Layers") or [], entry.get("RepoTags") or []
    if not all(isinstance(text, str) for text in [config, *layers, *tags]):
        raise TypeError("a name that is no string")
    digest = digest_of(archive.document(config))
    return Offer(tags, digest, None, {"Config": config, "Layers": layers})


class SavedImage:
    """One image of the archive: its config is read, its layers are not. It has no manifest yet: ``digest`` is "".

    image_id, raw_config  as for LayoutImage
    layers                names of the layers' files in the archive, base first
    descriptors           of all blobs that it has here: the config's alone
    """

    digest = ""

    def __init__(self, archive: Archive, offer: Offer) -> None:
        self._archive = archive
        self.layers: list[Any] = offer.entry["Layers"]
        self.raw_config = archive.document(offer.entry["Config"])
        self.image_id = digest_of(self.raw_config)
        self.descriptors: list[dict[str, Any]] = [{"digest": self.image_id}]
        named = _NAMED_BY_DIGEST.fullmatch(offer.entry["Config"])
        if named and f"sha256:{named.group(1)}" != self.image_id:
            raise archive.broken(f"the config {offer.entry['Config']} does not have the digest that its name says")

    def bring(self, store: Store, diff_ids: list[str]) -> Manifest:
        """Store the layers as blobs, as they are in the archive, checked against *diff_ids*; a manifest for them.

        The caller holds the store's lock, shared. Raises ImageError, OSError.
        """
        known: dict[str, dict[str, Any]] = {}
        for member, diff_id in zip(self.layers, diff_ids):
            if diff_id not in known:
                known[diff_id] = self._layer(store, member, diff_id)
        return Manifest.of_image(self.raw_config, [known[diff_id] for diff_id in diff_ids])

    def _layer(self, store: Store, member: str, diff_id: str) -> dict[str, Any]:
        """Store one layer; its descriptor. The content of an uncompressed one has the diff id as its digest."""
        from .blobs import store_pieces
        from .layout import copy_blob

        with self._archive.open(member) as span:
            compression = inflate.sniff(span.head(4))
            if compression == "tar":
                copy_blob(self._archive, member, diff_id, span.size, store)
                return {"mediaType": media.layer_type(compression), "digest": diff_id, "size": span.size}
            digest, size = store_pieces(store, span.chunks())
        found = self._content_digest(store.blob_path(digest), size, compression, algorithm_of(diff_id))
        if found != diff_id:
            raise self._archive.broken(
                f"the layer {member} has the diff id {found}, not {diff_id} as its config states"
            )
        return {"mediaType": media.layer_type(compression), "digest": digest, "size": size}

    def _content_digest(self, path: str, size: int, compression: str, algorithm: str) -> str:
        """The diff id of the compressed layer that is stored as *path*. Raises ImageError, OSError."""
        import hashlib

        from .blobfile import BlobFile

        hasher = hashlib.new(algorithm)
        blob = BlobFile(path, size)
        try:
            for chunk in inflate.inflated(blob, compression):
                hasher.update(chunk)
        except inflate.Damaged as error:
            raise self._archive.broken(str(error)) from error
        finally:
            blob.close()
        return f"{algorithm}:{hasher.hexdigest()}"
