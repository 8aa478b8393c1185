# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and indexes as registries send them (image-spec 1.1; Docker's schema 2), their shape checked."""

from __future__ import annotations

from . import media
from .digest import canonical, digest_of
from .errors import ImageError
from .reference import check_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Manifest:
    """A manifest or index as it came, verified: ``raw`` has the digest ``digest``."""

    __slots__ = ("digest", "document", "media_type", "raw")

    def __init__(self, raw: bytes, digest: str, media_type: str, document: dict[str, Any]) -> None:
        self.raw = raw
        self.digest = digest
        self.media_type = media_type
        self.document = document

    @property
    def is_index(self) -> bool:
        return "manifests" in self.document

    @classmethod
    def of_image(cls, raw_config: bytes, layers: Sequence[dict[str, Any]]) -> Manifest:
        """The one of an image that is made here, from its config and the descriptors of its layers' blobs."""
        config = {"mediaType": media.OCI_CONFIG, "digest": digest_of(raw_config), "size": len(raw_config)}
        kind = media.OCI_MANIFEST
        document = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": list(layers)}
        raw = canonical(document)
        return cls(raw, digest_of(raw), kind, document)


def guess_type(document: dict[str, Any]) -> str:
    """The media type of a manifest that does not state it (image-spec leaves the field optional)."""
    return media.OCI_INDEX if "manifests" in document else media.OCI_MANIFEST


def read_manifest(raw: bytes, digest: str, content_type: str, obj: str) -> Manifest:
    """The Manifest in *raw*, which has *digest*; *content_type* counts when it does not say itself what it is."""
    document = parse_manifest(raw, content_type, obj)
    return Manifest(raw, digest, document.get("mediaType") or content_type or guess_type(document), document)


def parse_manifest(raw: bytes, content_type: str, obj: str) -> dict[str, Any]:
    """The document of a manifest or an index, its shape checked. Raises ImageError."""
    import json

    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _garbage(obj, "what the registry sends is no manifest")
    if document.get("schemaVersion") == 1 and "fsLayers" in document:
        raise _garbage(obj, "it has Docker's old manifest of schema 1", "Push it again with a tool of this decade")
    if "manifests" in document and "layers" in document:
        # One content that two readers may take for two things (CVE-2021-41190).
        raise _garbage(obj, "what the registry sends is manifest and index at once", "Push the image again")
    media_type = document.get("mediaType") or content_type
    if not isinstance(media_type, str):
        raise _garbage(obj, "what the registry sends has something else than a string as mediaType")
    if "manifests" in document and media_type not in media.MANIFESTS:
        listed = document["manifests"]
        if isinstance(listed, list) and all(isinstance(item, dict) and "digest" in item for item in listed):
            return document
    elif "layers" in document and media_type not in media.INDEXES:
        layers, config = document["layers"], document.get("config")
        if isinstance(layers, list) and isinstance(config, dict) and all(_is_descriptor(d) for d in [config, *layers]):
            for descriptor in [config, *layers]:
                check_digest(str(descriptor["digest"]), obj)
            return document
    raise _garbage(obj, "what the registry sends is no image manifest")


def _is_descriptor(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    urls = item.get("urls") or []
    return (
        isinstance(item.get("digest"), str)
        and isinstance(item.get("size"), int)
        and not isinstance(item["size"], bool)
        and item["size"] >= 0
        and isinstance(item.get("mediaType", ""), str)
        and isinstance(urls, list)
        and all(isinstance(url, str) for url in urls)
    )


def _garbage(
    obj: str, why: str, hint: str = "Check the address; is it a registry, and is this a container image?"
) -> ImageError:
    return ImageError(f"cannot pull {obj}: {why}", step="manifest", obj=obj, hint=hint)
