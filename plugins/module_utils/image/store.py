# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of one host: an OCI image layout that other tools can read, plus the unpacked layers.

``images/index.json`` has one descriptor per name; its annotation ``org.opencontainers.image.ref.name`` is the full
name. Names are the only roots: what no name and no container's pin reaches, goes with the next removal.

Locks: ``store`` shared while something is added, exclusive while things are removed; ``index`` for the moment of a
change of index.json. They are taken in this order.
"""

from __future__ import annotations

import contextlib
import json
import os

from ..kernel.files import fsync_directory, locked, read_bytes, write_atomic
from . import media
from .errors import ImageError
from .layers import LayerStore, removed_at_end
from .pins import Pins
from .reference import Reference, is_image_id, is_short_id, parse
from .stored import LAYOUT, ORIGIN, VERIFIED, Image, name_of, origin_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from ..statedir import StateDir
    from .manifest import Manifest

__all__ = ["Image", "Store"]


class Store:
    """Images below one state directory. Reading takes no lock and makes no directory."""

    def __init__(self, state: StateDir) -> None:
        self.state = state
        self.layers = LayerStore(state)
        self.pins = Pins(os.path.join(state.images, "pins"))
        self.partial = os.path.join(state.images, "partial")
        self.imports = os.path.join(state.images, "imports")
        self._index = os.path.join(state.images, "index.json")

    # Reading.

    def blob_path(self, digest: str) -> str:
        algorithm, _colon, digits = digest.partition(":")
        return os.path.join(self.state.images, "blobs", algorithm, digits)

    def partial_path(self, digest: str) -> str:
        """Where a blob lies while it comes in."""
        return os.path.join(self.partial, digest.replace(":", "-"))

    def has_blob(self, digest: str) -> bool:
        return os.path.isfile(self.blob_path(digest))

    def get(self, name: str) -> Image:
        """The image that was just named *name*. Raises ImageError when somebody has removed it since."""
        image = self.find(name)
        if image is None:
            raise _removed(name)
        return image

    def find(self, name: str) -> Image | None:
        """The image called *name*: a reference as users write it, or an image id, whole or its first 12 digits.

        Raises ImageError for a name that is neither.
        """
        descriptors = self.descriptors()
        if is_image_id(name):
            return self._find_id(descriptors, name.rpartition(":")[2])
        if is_short_id(name):
            return self._find_name(descriptors, parse(name)) or self._find_id(descriptors, name)
        return self._find_name(descriptors, parse(name))

    def _find_name(self, descriptors: list[dict[str, Any]], reference: Reference) -> Image | None:
        full = str(reference)
        for descriptor in descriptors:
            known = name_of(descriptor)
            if known == full or (
                reference.digest
                and reference.digest in (descriptor["digest"], origin_of(descriptor))
                and known
                and parse(known).repository == reference.repository
            ):
                return self._load(descriptor, descriptors, full)
        return None

    def _find_id(self, descriptors: list[dict[str, Any]], digits: str) -> Image | None:
        """The image whose id's hexadecimal digits start so. Raises ImageError for several."""
        found: Image | None = None
        for descriptor in [*descriptors, *self._pinned_descriptors()]:
            image = self._load(descriptor, descriptors, "")
            if image is None or not image.id.partition(":")[2].startswith(digits) or (found and found.id == image.id):
                continue
            if found is not None:
                raise ImageError(
                    f"several images have an id that starts with {digits}",
                    step="find",
                    obj=digits,
                    hint="Give the whole id, or a name",
                )
            found = image
        if found:
            found.name = found.id
        return found

    def images(self) -> list[Image]:
        """All images, those with names first, each once."""
        descriptors = self.descriptors()
        found: dict[str, Image] = {}
        for descriptor in [*descriptors, *self._pinned_descriptors()]:
            if descriptor["digest"] not in found:
                image = self._load(descriptor, descriptors, "")
                if image:
                    image.name = image.names[0] if image.names else image.id
                    found[image.digest] = image
        return sorted(found.values(), key=lambda image: (not image.names, image.name))

    def _load(self, descriptor: dict[str, Any], descriptors: list[dict[str, Any]], name: str) -> Image | None:
        """The Image behind *descriptor*; None when its blobs are gone (removed meanwhile, or damaged)."""
        digest = descriptor["digest"]
        try:
            manifest = json.loads(read_bytes(self.blob_path(digest)))
            config = json.loads(read_bytes(self.blob_path(manifest["config"]["digest"])))
            image = Image(name, digest, manifest, config)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        image.names = sorted({name_of(other) for other in descriptors if other["digest"] == digest} - {""})
        image.origin = origin_of(descriptor)
        named = {name_of(d): d.get("annotations") or {} for d in descriptors if d["digest"] == digest}
        repository = parse(name).repository if name and any(VERIFIED in known for known in named.values()) else ""
        image.verified = frozenset(
            str(annotations[VERIFIED])
            for known, annotations in named.items()
            if VERIFIED in annotations and (not repository or parse(known).repository == repository)
        )
        return image

    def load(self, digest: str) -> Image | None:
        """The image of the manifest *digest*, with its names; None when its blobs are gone or damaged."""
        image = self._load({"digest": digest}, self.descriptors(), "")
        if image is not None:
            image.name = digest
        return image

    def is_complete(self, image: Image) -> bool:
        """Whether all layers are unpacked."""
        return self.layers.paths(image.layers) is not None

    def layer_paths(self, image: Image) -> list[str]:
        """Directories of the image's layers for overlayfs, base first. Raises ImageError when one is missing."""
        paths = self.layers.paths(image.layers)
        if paths is None:
            raise ImageError(
                f"a layer of {image.name} is missing below {self.state.layers}",
                step="layers",
                obj=image.name,
                hint="Run oci_image for it: it is unpacked again, or pulled where needed",
            )
        return paths

    def descriptors(self) -> list[dict[str, Any]]:
        """The entries of index.json as they stand. Raises ImageError for a damaged file."""
        try:
            raw = read_bytes(self._index)
        except FileNotFoundError:
            return []
        try:
            manifests = json.loads(raw)["manifests"]
            return [descriptor for descriptor in manifests if isinstance(descriptor["digest"], str)]
        except (ValueError, KeyError, TypeError):
            raise ImageError(
                f"{self._index} is not a valid OCI image index",
                step="index",
                obj=self._index,
                hint="Move the file away; images are then pulled again",
            ) from None

    def _pinned_descriptors(self) -> list[dict[str, Any]]:
        return [{"digest": pin["manifest"]} for _container_id, pin in self.pins.all()]

    # Writing.

    def prepare(self) -> None:
        """Make the layout's directories."""
        blobs = os.path.join(self.state.images, "blobs")
        self.state.ensure(
            self.state.images,
            blobs,
            os.path.join(blobs, "sha256"),
            self.state.layers,
            self.partial,
            self.pins.directory,
        )
        layout = os.path.join(self.state.images, "oci-layout")
        if not os.path.exists(layout):
            write_atomic(layout, LAYOUT)

    @contextlib.contextmanager
    def locked(self, *, exclusive: bool = False, wait: bool = True) -> Iterator[None]:
        """The store's lock: shared for adding, exclusive for removing."""
        with locked(self.state.lock_path("store", "images"), exclusive=exclusive, wait=wait):
            yield

    @contextlib.contextmanager
    def blob_locked(self, digest: str) -> Iterator[None]:
        """The lock of one blob, below the store's: one fetches it, who waits finds it then."""
        lock = self.state.lock_path("blob", digest.replace(":", "-"))
        with locked(lock), removed_at_end(lock):
            yield

    @contextlib.contextmanager
    def partial_blob(self, digest: str) -> Iterator[int | None]:
        """A descriptor to write blob *digest* to, under its lock; None when the blob is there already.

        What an earlier run left is in the file. When the block ends well, the file is the blob.
        """
        with self.blob_locked(digest):
            path = self.blob_path(digest)
            if os.path.isfile(path):
                yield None
                return
            self.state.ensure(os.path.dirname(path))
            partial = self.partial_path(digest)
            fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(fd, 0o600)
                yield fd
                os.fsync(fd)
                os.rename(partial, path)
                fsync_directory(os.path.dirname(path))
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def new_blob(self) -> Iterator[tuple[int, list[str]]]:
        """A descriptor to write a blob to whose digest is not known before; the block appends it to the list."""
        temporary = os.path.join(self.partial, f"new-{os.getpid()}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        digest: list[str] = []
        try:
            yield fd, digest
            os.fchmod(fd, 0o600)
            os.fsync(fd)
            path = self.blob_path(digest[0])
            os.rename(temporary, path)
            fsync_directory(os.path.dirname(path))
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)

    def put_blob(self, raw: bytes, digest: str = "") -> str:
        """Store a small blob, also where a damaged one lies; its *digest*, by sha256 where none is given."""
        from .digest import digest_of

        digest = digest or digest_of(raw)
        path = self.blob_path(digest)
        with contextlib.suppress(FileNotFoundError):
            if read_bytes(path) == raw:
                return digest
        self.state.ensure(os.path.dirname(path))
        write_atomic(path, raw)
        return digest

    def add(self, manifest: Manifest, raw_config: bytes, names: Sequence[str], origin: str = "") -> Image:
        """Let *names* (full form) mean an image whose layers are here already, and return it. See set_names."""
        self.put_blob(raw_config, str(manifest.document["config"]["digest"]))
        self.put_blob(manifest.raw, manifest.digest)
        self.set_names(manifest.digest, manifest.media_type, len(manifest.raw), names, origin)
        return self.get(names[0])

    def set_names(self, digest: str, media_type: str, size: int, names: Sequence[str], origin: str = "") -> None:
        """Let *names* mean the manifest *digest*. An image that loses its last name so stays, without one."""
        with self._changing() as descriptors:
            before = {name_of(d): d for d in descriptors if name_of(d) in names}
            keep = [d for d in descriptors if name_of(d) not in names]
            held = {d["digest"] for d in keep} | {digest}
            for name, old in before.items():
                if old["digest"] not in held:
                    held.add(old["digest"])
                    keep.append({key: value for key, value in old.items() if key != "annotations"})
                elif old["digest"] == digest and not origin:
                    origin = origin_of(before[name])
            keep = [d for d in keep if name_of(d) or d["digest"] != digest]
            for name in names:
                annotations = {media.REF_NAME: name, **({ORIGIN: origin} if origin else {})}
                known = before.get(name, {})
                if known.get("digest") == digest and VERIFIED in known["annotations"]:
                    annotations[VERIFIED] = known["annotations"][VERIFIED]
                keep.append({"mediaType": media_type, "digest": digest, "size": size, "annotations": annotations})
            descriptors[:] = keep

    def tag(self, image: Image, names: Sequence[str], origin: str = "") -> None:
        """Give *image* more names (full form); a name that means another image moves. *origin*: see set_names."""
        try:
            size = os.stat(self.blob_path(image.digest)).st_size
        except FileNotFoundError:
            raise _removed(image.name) from None
        self.set_names(image.digest, image.media_type, size, names, origin)

    def mark_verified(self, digest: str, repository: str, mark: str) -> None:
        """Remember that the manifest *digest* was verified in *repository*, with what *mark* stands for."""
        with self._changing() as descriptors:
            for descriptor in descriptors:
                name = name_of(descriptor)
                if descriptor["digest"] == digest and name and parse(name).repository == repository:
                    descriptor["annotations"][VERIFIED] = mark

    def untag(self, names: Sequence[str]) -> None:
        """Take *names* away; the images stay until :meth:`collect`."""
        with self._changing() as descriptors:
            descriptors[:] = [d for d in descriptors if name_of(d) not in names]

    def forget(self, digests: Collection[str]) -> None:
        """Take all names of the manifests *digests* away, and their entries."""
        if not digests:
            return
        with self._changing() as descriptors:
            descriptors[:] = [d for d in descriptors if d["digest"] not in digests]

    def index_locked(self) -> AbstractContextManager[int]:
        """The lock for the moment of a change of index.json."""
        return locked(self.state.lock_path("index", "images"))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[dict[str, Any]]]:
        """The index's descriptors, to be changed in place; written when the block ends well."""
        with self.index_locked():
            descriptors = self.descriptors()
            yield descriptors
            index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": descriptors}
            write_atomic(self._index, json.dumps(index, indent=1).encode())

    def remove(self, name: str) -> Image | None:
        """Take *name* away and delete what nothing needs any more. An image id takes all its names away.

        Returns the image it was, None when there was none.
        """
        image = self.find(name)
        if image is None:
            return None
        from .collect import take_away

        with self.locked(exclusive=True):  # which waits for every pull that is about to name something
            if is_image_id(name) or image.name == image.id:
                # Several manifests may have this config, for one compressed otherwise.
                digests = {other.digest for other in self.images() if other.id == image.id}
                take_away(self, lambda: self.forget(digests), digests)
            else:
                names = [image.name, *self._same(image)]
                take_away(self, lambda: self.untag(names), self._only_called(names))
        return image

    def _only_called(self, names: Collection[str]) -> set[str]:
        """The manifests that have no names but *names*."""
        descriptors = self.descriptors()
        return {d["digest"] for d in descriptors} - {d["digest"] for d in descriptors if name_of(d) not in names}

    def _same(self, image: Image) -> list[str]:
        """Names under which *image* is known when it was found by digest and not by its own name."""
        reference = parse(image.name)
        if image.name in image.names or not reference.digest:
            return []
        return [name for name in image.names if parse(name).repository == reference.repository]

    def collect(self) -> None:
        """Delete blobs and layers that no name and no pin reaches."""
        from .collect import collect

        with self.locked(exclusive=True):
            collect(self)

    def pin(self, container_id: str, image: Image, others: Sequence[str] = ()) -> None:
        """Keep *image* and its layers while container *container_id* exists. Raises ImageError when it is gone.

        others  directories of further layers that it needs
        """
        self.state.ensure(self.state.images, self.pins.directory)
        with self.locked():
            keys = [os.path.relpath(path, self.state.layers) for path in [*self.layer_paths(image), *others]]
            if self.load(image.digest) is None:
                raise _removed(image.name)
            self.pins.put(container_id, {"image": image.id, "manifest": image.digest, "layers": keys})


def _removed(name: str) -> ImageError:
    return ImageError(
        f"{name} was removed meanwhile by another task", step="store", obj=name, hint="Run the task again"
    )
