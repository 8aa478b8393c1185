# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reference means in its registry: from its index, or indexes, down to the manifest for one platform."""

from __future__ import annotations

from . import media
from .errors import ImageError
from .manifest import read_manifest
from .reference import check_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .manifest import Manifest
    from .media import Platform
    from .registry import Registry
    from .store import Store

MAX_NESTING = 3  # indexes within indexes
MAX_CANDIDATES = 8  # entries of one index to look into


class Resolved:
    """What a reference means in its registry now, for one platform.

    origin    digest under the tag itself (of the index, where there is one)
    manifest  the image's own manifest
    """

    __slots__ = ("manifest", "origin")

    def __init__(self, origin: str, manifest: Manifest) -> None:
        self.origin = origin
        self.manifest = manifest

    @property
    def image_id(self) -> str:
        return str(self.manifest.document["config"]["digest"])


def resolve(registry: Registry, platform: Platform, store: Store, origin: str = "") -> Resolved:
    """What the registry's reference means for *platform*; *origin* is its digest, where that is known by a HEAD.

    Manifests that are in *store* are not asked for. Raises ImageError, NotInRegistry, RegistryUnavailable.
    """
    name = str(registry.reference)
    top = _manifest(registry, store, origin or registry.reference.wanted)
    offered: set[str] = set()
    manifest = _descend(registry, store, top, platform, offered, MAX_NESTING)
    if manifest is None:
        raise media.no_image(offered, platform, name)
    config_type = manifest.document["config"].get("mediaType")
    if config_type not in (media.OCI_CONFIG, media.DOCKER_CONFIG) or manifest.document.get("artifactType"):
        raise ImageError(
            f"cannot pull {name}: it is no container image but"
            f" '{manifest.document.get('artifactType') or config_type}'",
            step="manifest",
            obj=name,
            hint="Choose the repository of an image",
        )
    return Resolved(top.digest, manifest)


def _descend(
    registry: Registry, store: Store, manifest: Manifest, platform: Platform, offered: set[str], depth: int
) -> Manifest | None:
    """The image's manifest for *platform* below *manifest*; None when it has none, *offered* is then what it has."""
    if not manifest.is_index:
        return manifest
    if not depth:
        name = str(registry.reference)
        raise ImageError(f"cannot pull {name}: its image indexes are nested too deep", step="manifest", obj=name)
    listed = manifest.document["manifests"]
    offered |= media.offers(listed)
    for descriptor in media.candidates(listed, platform)[:MAX_CANDIDATES]:
        below = _manifest(registry, store, check_digest(str(descriptor["digest"]), str(registry.reference)))
        found = _descend(registry, store, below, platform, offered, depth - 1)
        if found is not None:
            return found
    return None


def _manifest(registry: Registry, store: Store, wanted: str) -> Manifest:
    """The manifest under a tag or digest; one that is here and what its digest says is not asked for."""
    raw = whole_blob(store, wanted) if ":" in wanted else None
    return registry.manifest(wanted) if raw is None else read_manifest(raw, wanted, "", str(registry.reference))


def whole_blob(store: Store, digest: str) -> bytes | None:
    """A small blob that is here and what its digest says."""
    from ..kernel.files import read_bytes
    from .digest import algorithm_of, digest_of

    try:
        raw = read_bytes(store.blob_path(digest))
    except FileNotFoundError:
        return None
    return raw if digest_of(raw, algorithm_of(digest)) == digest else None
