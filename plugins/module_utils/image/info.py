# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_image_info does: the images that are here, chosen by name, id, label; nothing is changed."""

from __future__ import annotations

from ..kernel.errors import answer
from ..statedir import StateDir
from .filters import has_label
from .module import describe
from .store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .store import Image

_PATTERN = ("*", "?", "[")


def run(module: Any) -> None:
    """Return the images that *module* (an AnsibleModule) asks for, and exit it."""
    answer(module, "images", lambda: _result(module.params))


def _result(params: dict[str, Any]) -> dict[str, Any]:
    images = wanted(Store(StateDir(params["root"])), params)
    return {"changed": False, "images": [describe(image) for image in images]}


def wanted(store: Store, params: dict[str, Any]) -> list[Image]:
    """The images for the options ``name``, ``id``, ``label`` and ``dangling``, each once, those with names first.

    Of several names, or several ids, one is enough; an image must satisfy every option that is given. Raises
    ImageError for a name that is none.
    """
    images = store.images()
    if params["name"]:
        digests = set()
        for name in params["name"]:
            digests.update(_named(store, images, name))
        images = [image for image in images if image.digest in digests]
    if params["id"]:
        images = [image for image in images if has_id(image.id, params["id"])]
    if params["dangling"] is not None:
        images = [image for image in images if bool(image.names) is not params["dangling"]]
    for label in params["label"] or ():
        images = [image for image in images if has_label(image.labels, label)]
    return images


def _named(store: Store, images: Sequence[Image], name: str) -> list[str]:
    """Digests of the manifests of the images called *name*, which may be a pattern for whole names."""
    if any(sign in name for sign in _PATTERN):
        import fnmatch

        return [image.digest for image in images if fnmatch.filter(image.names, name)]
    found = store.find(name)
    return [found.digest] if found else []


def has_id(image_id: str, wanted_ids: Sequence[str]) -> bool:
    """Whether one of *wanted_ids* is *image_id* or its beginning, ``sha256:`` in front or not."""
    digits = image_id.partition(":")[2]
    return any(each and (image_id.startswith(each) or digits.startswith(each)) for each in wanted_ids)
