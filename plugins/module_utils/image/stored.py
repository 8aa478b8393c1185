# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One image that is here, and what its entries in index.json say of it."""

from __future__ import annotations

from . import media

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The content of the file oci-layout (image-layout.md).
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

# The digest that a name had in its registry when it was pulled: of the index, where the image came out of one.
ORIGIN = "io.github.agentless-oci.origin"

# What the image was verified with under this name (signature.Verify.mark).
VERIFIED = "io.github.agentless-oci.verified"


class Image:
    """One image that is here.

    name       the name it was found by (full form), or its id
    id         digest of its config: equal ids run equally
    digest     digest of its manifest
    config     the whole OCI config document
    manifest   the manifest document
    layers     diff ids, base first
    size       bytes of its blobs, as a registry holds them
    created    RFC 3339 time from the config, "" if it has none
    names      all its names, sorted
    origin     see ORIGIN, "" for an image that was not pulled
    verified   see VERIFIED, of the names in the repository by whose name it was found; of all for an id
    """

    __slots__ = (
        "config", "created", "digest", "id", "layers", "manifest", "name", "names", "origin", "size", "verified",
    )  # fmt: skip

    def __init__(self, name: str, digest: str, manifest: dict[str, Any], config: dict[str, Any]) -> None:
        self.name = name
        self.digest = digest
        self.manifest = manifest
        self.config = config
        self.id = str(manifest["config"]["digest"])
        self.layers: tuple[str, ...] = tuple(config.get("rootfs", {}).get("diff_ids") or ())
        self.size = int(manifest["config"]["size"]) + sum(int(layer["size"]) for layer in manifest["layers"])
        self.created = str(config.get("created") or "")
        self.names: list[str] = []
        self.origin = ""
        self.verified: frozenset[str] = frozenset()

    @property
    def media_type(self) -> str:
        """Of its manifest."""
        return str(self.manifest.get("mediaType") or media.OCI_MANIFEST)

    @property
    def labels(self) -> dict[str, str]:
        return (self.config.get("config") or {}).get("Labels") or {}

    @property
    def platform(self) -> media.Platform:
        return media.Platform.of(self.config)


def name_of(descriptor: dict[str, Any]) -> str:
    """The name of an entry of index.json, "" for one without."""
    return str((descriptor.get("annotations") or {}).get(media.REF_NAME) or "")


def origin_of(descriptor: dict[str, Any]) -> str:
    """See ORIGIN."""
    return str((descriptor.get("annotations") or {}).get(ORIGIN) or "")
