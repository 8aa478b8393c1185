# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images to be thrown away: those that no container uses, by name, age and label."""

from __future__ import annotations

import contextlib
import os

from . import collect
from .filters import Filter, seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .store import Image, Store


class Pruned:
    """What a prune of images throws away, or threw away: the images, and the bytes of disk that this frees."""

    __slots__ = ("images", "size")

    def __init__(self, images: list[Image], size: int) -> None:
        self.images = images
        self.size = size


def choose(
    images: Sequence[Image], used: Collection[str], made: Mapping[str, float], chosen: Filter, *, dangling: bool
) -> list[Image]:
    """Those of *images* that go.

    used      digests of the manifests that containers use: these never go
    made      digest → Unix time that the image is as old as
    dangling  only images without a name
    """
    return [
        image
        for image in images
        if image.digest not in used
        and not (dangling and image.names)
        and chosen.accepts(made[image.digest], image.labels)
    ]


def made_at(store: Store, image: Image) -> float:
    """When *image* was made, as Unix time: what its config says, else when it came here."""
    moment = seconds_of(image.created)
    if moment is None:
        with contextlib.suppress(FileNotFoundError):
            return os.stat(store.blob_path(image.digest)).st_mtime
    return moment or 0.0


def prune(
    store: Store,
    chosen: Filter,
    *,
    dangling: bool = True,
    known: Sequence[Image] = (),
    without_pins: Collection[str] = (),
    check_mode: bool = False,
) -> Pruned:
    """Throw images away, and everything else in the store that nothing needs. Raises ImageError.

    without_pins  ids of containers that are gone, or count as gone in check mode
    known         the images that were here before those went
    In check mode nothing is changed; what is returned is the same as long as nobody else works on the store.
    """
    if not os.path.isdir(store.state.images):
        return Pruned([], 0)
    with contextlib.nullcontext() if check_mode else store.locked(exclusive=True):
        used = {pin["manifest"] for container_id, pin in store.pins.all() if container_id not in without_pins}
        listed = {descriptor["digest"] for descriptor in store.descriptors()}
        images = {image.digest: image for image in store.images()}
        made = {digest: made_at(store, image) for digest, image in images.items()}
        going = choose(
            [image for image in images.values() if image.digest in listed], used, made, chosen, dangling=dangling
        )
        digests = {image.digest for image in going}
        # Only a container that is gone knew of these: nothing keeps them, whatever the filters say.
        images = {**{image.digest: image for image in known if store.has_blob(image.digest)}, **images}
        going += [image for digest, image in images.items() if digest not in listed and digest not in used]
        found = collect.unneeded(store, images=digests, pins=without_pins)
        pruned = Pruned(going, found.size())
        if not check_mode:
            collect.take_away(store, lambda: store.forget(digests), digests, found)
    return pruned
