# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan whose image must be signed: verified before anything is pulled, and remembered, so that it is asked once."""

from __future__ import annotations

from .errors import ImageError
from .signature import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ensure import Plan
    from .store import Store


def settle(made: Plan, store: Store) -> None:
    """Have the image that *made* ends with verified as its request wants. Changes nothing.

    One that is here counts as verified only if this very key and identity were asked for when it was. Raises ImageError
    for an image that is refused, RegistryUnavailable when its registry cannot be asked for the signature.
    """
    from .registry import Registry
    from .request import wanted_platform

    request = made.request
    if request.verify is None:
        return
    comes = made.same_origin or any(action.verb == "pulled image" for action in made.actions)
    image = made.image
    if not comes and image is not None and request.verify.mark in image.verified:
        return
    if not comes and (request.by_id or request.pull == "never"):
        why = "an image id says not where its signature is" if request.by_id else "pull is never"
        raise ImageError(
            f"refused {request.full_name}: it is here, but was not verified with this key; the registry is not asked,"
            f" since {why}",
            step="signature",
            obj=request.full_name,
            hint="Give its name and let pull be missing once",
        )
    registry = made.registry = made.registry or Registry(request.reference, request.access)
    if comes or image is None:
        from .resolve import resolve

        made.resolved = made.resolved or resolve(registry, wanted_platform(request), store, made.origin)
        digests = [made.resolved.origin, made.resolved.manifest.digest]
    else:
        digests = [image.origin or image.digest, image.digest]
    check(registry, digests, request.verify)
    made.verified = request.verify.mark
