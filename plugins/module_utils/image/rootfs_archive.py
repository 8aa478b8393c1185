# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's root file system as a tar archive: what importing a tarball takes in, given out again."""

from __future__ import annotations

import contextlib

from . import layoutdir, merged
from .errors import ImageError
from .save import Target
from .source import ROOTFS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from .store import Image, Store


class RootfsTarget(Target):
    """The archive that shall hold the files of one image at *path*. Names and configuration are not in it."""

    def __init__(self, store: Store, path: str, images: Sequence[tuple[Image, Sequence[str]]]) -> None:
        self._images = [image for image, _names in images]
        only(self._images)
        layers = " ".join(layer for image, _names in images for layer in image.layers)
        self._take(store, path, ROOTFS, layers)

    def _files(self) -> list[str]:
        return [self.path]

    def _matches(self) -> bool:
        with open(self.path, "rb") as file, contextlib.closing(stream(self._store, self._images)) as chunks:
            return all(file.read(len(chunk)) == chunk for chunk in chunks) and not file.read(1)

    def write(self) -> None:
        from ..kernel.files import write_all

        layoutdir.check_place(self.path, self.kind)
        with layoutdir.replacing(self.path) as fd:
            for chunk in stream(self._store, self._images):
                write_all(fd, chunk)


def stream(store: Store, images: Sequence[Image]) -> Generator[bytes, None, None]:
    """The archive of the one image in *images*. Raises ImageError, also for several."""
    return merged.stream(store.layer_paths(only(images)), store.state.images)


def only(images: Sequence[Image]) -> Image:
    """The one image in *images*. Raises ImageError for several."""
    if len(images) != 1:
        raise ImageError(
            f"one root file system cannot be that of {len(images)} images",
            step="options",
            hint="Save them one by one, or in another format",
        )
    return images[0]
