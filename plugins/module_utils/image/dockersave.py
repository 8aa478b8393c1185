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
from .digest import digest_of
from .manifest import Manifest
from .offers import Offer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .archive import Archive, Span
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
        """Store the layers as blobs, checked against *diff_ids*; the manifest that goes with them.

        Plain ones are compressed, as for a registry. The caller holds the store's lock, shared. Raises ImageError.
        """
        known: dict[str, dict[str, Any]] = {}
        for member, diff_id in zip(self.layers, diff_ids):
            if diff_id not in known:
                known[diff_id] = self._layer(store, member, diff_id)
        document = {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": {"mediaType": media.OCI_CONFIG, "digest": self.image_id, "size": len(self.raw_config)},
            "layers": [known[diff_id] for diff_id in diff_ids],
        }
        raw = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        return Manifest(raw, digest_of(raw), media.OCI_MANIFEST, document)

    def _layer(self, store: Store, member: str, diff_id: str) -> dict[str, Any]:
        """Store one layer; its descriptor."""
        import hashlib

        from . import deflate
        from .blobs import store_pieces

        content = hashlib.new(diff_id.partition(":")[0])

        def hashed(chunks: Iterator[bytes]) -> Iterator[bytes]:
            for chunk in chunks:
                content.update(chunk)
                yield chunk

        with self._archive.open(member) as span:
            compression = inflate.sniff(span.head(4))
            media_type = media.OCI_LAYER_GZIP
            if compression == "tar":
                digest, size = store_pieces(store, deflate.gzipped(hashed(span.chunks())))
            else:
                media_type = media.OCI_LAYER_GZIP.replace("gzip", compression)
                digest, size = store_pieces(store, span.chunks())
                self._inflate(span, store.blob_path(digest), compression, hashed)
        found = f"{diff_id.partition(':')[0]}:{content.hexdigest()}"
        if found != diff_id:
            raise self._archive.broken(
                f"the layer {member} has the diff id {found}, not {diff_id} as its config states"
            )
        return {"mediaType": media_type, "digest": digest, "size": size}

    def _inflate(self, span: Span, path: str, compression: str, hashed: Any) -> None:
        """Send the content of a compressed layer, which is stored as *path* now, through *hashed*."""
        from .blobfile import BlobFile

        blob = BlobFile(path, span.size)
        try:
            for _chunk in hashed(inflate.inflated(blob, compression)):
                pass
        except inflate.Damaged as error:
            raise self._archive.broken(str(error)) from error
        finally:
            blob.close()
