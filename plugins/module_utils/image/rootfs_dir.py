# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's root file system as a directory, for a chroot, systemd-nspawn or a network boot.

What programs write into it stays as long as the image is the same, and goes with the old tree when that is another.
"""

from __future__ import annotations

import errno
import os

from . import media
from .errors import ImageError
from .rootfs_archive import only
from .save import Target
from .source import ROOTFS_DIR
from .tarfields import printable
from .treeplace import TreePlace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .store import Image, Store

_NAMED = 3  # changed files that a warning names


class RootfsDirTarget(Target):
    """The directory at *path* that shall hold the files of one image. Names and configuration are not in it."""

    def __init__(self, store: Store, path: str, images: Sequence[tuple[Image, Sequence[str]]]) -> None:
        self._image = only([image for image, _names in images])
        self._take(store, path, ROOTFS_DIR, " ".join(self._image.layers))

    def is_written(self) -> bool:
        place = TreePlace(self._store.state, self.path)
        try:
            return place.tree is not None and place.tree.content == self._content
        finally:
            place.close()

    def remember(self) -> None:
        """The record is there since the directory is. What a killed run has left goes."""
        place = TreePlace(self._store.state, self.path)
        try:
            place.sweep()
        finally:
            place.close()

    def write(self) -> None:
        place = TreePlace(self._store.state, self.path)
        umask = os.umask(0)
        try:
            place.replace(self._fill, self._content, self._image.id)
        except ImageError:
            raise
        except OSError as error:
            raise self._failed(error.strerror or str(error), error.errno or 0) from error
        finally:
            os.umask(umask)
            place.close()

    def _fill(self, directory: str) -> None:
        from .flatten import flatten
        from .unpack import Layer

        image = self._image
        layers = []
        for diff_id, descriptor in zip(image.layers, image.manifest["layers"]):
            digest, size = str(descriptor["digest"]), int(descriptor["size"])
            compression = media.layer_compression(str(descriptor.get("mediaType")), image.name)
            if not self._store.has_blob(digest):
                raise self._failed(f"the layer {digest} is not here", 0, "Pull or import the image again with force")
            layers.append(Layer(self._store.blob_path(digest), digest, size, compression, diff_id, ahead=True))
        try:
            flatten(layers, directory, self.path)
        except ImageError as error:
            # It does not always know the error's base.  pylint: disable-next=bad-exception-cause
            raise self._failed(f"layer {error.obj}: {error.message}", error.errno, error.hint, error.step) from error

    def _failed(self, why: str, number: int, hint: str = "", step: str = "archive") -> ImageError:
        if not hint:
            hint = "Pull or import the image again with force"
            if number in (errno.ENOSPC, errno.EDQUOT):
                hint = "Free some space there: the old tree goes only when the new one is whole"
            elif number:
                hint = (
                    "It takes a file system with owners, modes, devices and extended attributes, as ext4, XFS and Btrfs"
                )
        return ImageError(
            f"cannot write the directory {self.path}: {why}", step=step, obj=self.path, errno=number, hint=hint
        )


class Standing:
    """What a task finds at the place of such a directory, before it writes there or not.

    image    id of the image that the tree is of; "" where there is no tree of ours
    warning  what to tell of files that were changed in it; "" where none was
    """

    __slots__ = ("image", "warning")

    def __init__(self, store: Store, path: str, *, stays: bool) -> None:
        """*stays*: whether the tree is to stay. Raises ImageError if it is not, and must."""
        place = TreePlace(store.state, path)
        try:
            if not stays:
                place.check_free()
            self.image = place.tree.image if place.tree else ""
            self.warning = told(place.path, place.changes(), stays)
        finally:
            place.close()


def told(path: str, changes: Sequence[bytes], stays: bool) -> str:
    """The warning about *changes* in the tree at *path*; "" where there are none; pure."""
    if not changes:
        return ""
    more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    what = f"{', '.join(map(printable, changes[:_NAMED]))}{more} in {path}"
    if stays:
        return f"{what} changed since the image was written there, and stay so; with force it is written anew."
    return f"{what} changed since the image was written there; that goes with the old files."
