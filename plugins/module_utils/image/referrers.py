# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry keeps beside a manifest: the artifacts that name it as their ``subject``.

distribution-spec 1.1, "Listing Referrers"; a registry without that has them in an index under the tag
``ALGORITHM-HEX``, which who pushes them keeps up ("Referrers Tag Schema").
"""

from __future__ import annotations

import json

from . import media
from .address import leading_to
from .errors import ImageError, NotInRegistry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .registry import Registry
    from .transport import Transport

MAX_PAGES = 16
UNTOLD = "application/vnd.oci.empty.v1+json"  # of the config; cosign 2 has it for the artifact's type in a tag's index
# What registries say that do not know the request.
_UNKNOWN = ("http 400", "http 404", "http 405", "http 501")


def referrers(registry: Registry, digest: str, artifact_type: str) -> list[dict[str, Any]]:
    """Descriptors of the manifests that refer to the manifest *digest* and may be of *artifact_type*.

    Only the manifest itself is certain to say what it is. Raises ImageError.
    """
    try:
        listed = registry.anywhere(lambda transport: _ask(registry, transport, digest, artifact_type))
    except ImageError as error:
        if error.step not in _UNKNOWN:
            raise
        listed = _by_tag(registry, digest)
    return [item for item in listed if item.get("artifactType") in (artifact_type, UNTOLD, None)]


def _ask(registry: Registry, transport: Transport, digest: str, artifact_type: str) -> list[dict[str, Any]]:
    """The list, page by page. A registry may pass over the filter."""
    from urllib.parse import quote

    listed: list[dict[str, Any]] = []
    path = f"referrers/{digest}?artifactType={quote(artifact_type, safe='')}"
    for _page in range(MAX_PAGES):
        raw, headers = registry.small(transport, path, f"pull {registry.reference}", {"Accept": media.OCI_INDEX})
        try:
            document = json.loads(raw)
            listed += [item for item in document["manifests"] if isinstance(item, dict)]
        except (ValueError, KeyError, TypeError):  # a web page, for instance: it does not know the request either
            raise _none(registry, transport) from None
        path = _next(transport, path, headers.get("Link") or "")
        if not path:
            break
    if not listed and transport.mirror:  # it need not have all that the registry has
        raise _none(registry, transport)
    return listed


def _none(registry: Registry, transport: Transport) -> NotInRegistry:
    return NotInRegistry(
        f"cannot pull {registry.reference}: the registry {transport.host} lists no referrers", step="http 404"
    )


def _next(transport: Transport, path: str, link: str) -> str:
    """The next page, as *path* is written; "" for none (RFC 8288). The registry leads to nowhere but itself."""
    from urllib.parse import urlsplit

    target, closed, parameters = link.partition(">")
    if not closed or 'rel="next"' not in parameters.replace(" ", "").replace("rel=next", 'rel="next"'):
        return ""
    base = f"/v2/{transport.reference.path}/"
    page = transport.url(base + path)
    parts = urlsplit(leading_to(target.strip().lstrip("<"), page, transport.host, str(transport.reference)))
    return f"{parts.path[len(base) :]}?{parts.query}" if parts.path.startswith(base) else ""


def _by_tag(registry: Registry, digest: str) -> list[dict[str, Any]]:
    try:
        manifest = registry.manifest(digest.replace(":", "-"))
    except NotInRegistry:
        return []
    listed: list[dict[str, Any]] = manifest.document.get("manifests", [])
    return listed
