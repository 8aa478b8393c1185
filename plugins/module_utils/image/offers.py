# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the images that an archive offers is meant. No file is touched here."""

from __future__ import annotations

from . import media
from .errors import ImageError
from .reference import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# Under which containerd and Docker keep an image's full name; ref.name is then its tag alone.
CONTAINERD_NAME = "io.containerd.image.name"


class Offer:
    """One image of an archive.

    called    what the archive calls it, as it stands there: names, tags or nothing
    names     those of them that are full names, normalised
    digest    of its manifest or index, or its image id where the archive has no manifests
    platform  None where the archive does not say
    entry     the archive's own description of it: a descriptor, or an entry of manifest.json
    """

    __slots__ = ("called", "digest", "entry", "names", "platform")

    def __init__(
        self, called: Sequence[str], digest: str, platform: media.Platform | None, entry: dict[str, Any]
    ) -> None:
        self.called = tuple(called)
        self.digest = digest
        self.platform = platform
        self.entry = entry
        self.names = tuple(name for name in map(_full_name, self.called) if name)

    def __str__(self) -> str:
        return ", ".join(self.called) or self.digest

    def answers_to(self, wanted: str) -> bool:
        """Whether *wanted* means this image: what it is called, its name in any spelling, or its digest."""
        if wanted in self.called or wanted in (self.digest, self.digest.partition(":")[2]):
            return True
        full = _full_name(wanted)
        return bool(full) and full in self.names


def _full_name(called: str) -> str:
    """*called* as a full name; "" for a mere tag, which says nothing about a repository, and for what is no name."""
    if "/" not in called and ":" not in called:
        return ""
    try:
        return normalise(called)
    except ImageError:
        return ""


def choose(offers: Sequence[Offer], wanted: str, name: str, platform: media.Platform, path: str) -> Offer:
    """The image *wanted* of the archive *path*; with "" the only one, or the one that is called *name*.

    Of several for different platforms the one for *platform*. Raises ImageError that lists what there is.
    """
    if not offers:
        raise ImageError(f"the archive {path} holds no image", step="archive", obj=path, hint="Make it again")
    fitting = list(offers)
    if wanted:
        fitting = [offer for offer in offers if offer.answers_to(wanted)]
    elif len(offers) > 1 and not _differ_by_platform(offers):
        fitting = [offer for offer in offers if name and offer.answers_to(name)]
    if len(fitting) > 1 and _differ_by_platform(fitting):
        by_platform = [{"platform": _document(offer.platform), "offer": offer} for offer in fitting if offer.platform]
        chosen: Offer = media.choose(by_platform, platform, path)["offer"]
        return chosen
    if len(fitting) > 1 and len({offer.digest for offer in fitting}) == 1:
        fitting = fitting[:1]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(sorted({str(offer) for offer in offers}))
    what = f"has no image {wanted}" if wanted else "holds several images"
    if fitting:
        what = f"has {len(fitting)} images called {wanted or name}"
    raise ImageError(
        f"the archive {path} {what}; it holds {listed}",
        step="archive",
        obj=path,
        hint="Say which one with source.image, by name, tag or digest",
    )


def _differ_by_platform(offers: Sequence[Offer]) -> bool:
    """Whether these are one image for several platforms, as some tools write them into index.json itself."""
    platforms = {str(offer.platform) for offer in offers if offer.platform}
    return len(platforms) == len(offers) and len({offer.called for offer in offers}) == 1


def _document(platform: media.Platform | None) -> dict[str, str]:
    if platform is None:
        return {}
    return {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
