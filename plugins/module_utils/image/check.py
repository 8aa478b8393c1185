# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the store is whole: every blob is what its digest says, every layer what its diff id says.

A blob is read and hashed. A layer is a tree, whose digest nothing records; so its blob, verified, is unpacked once more
beside it (which verifies the diff id) and both trees are compared entry by entry. That needs room for one layer at a
time, costs a pull nothing, and has at hand what a repair puts in place.
"""

from __future__ import annotations

import contextlib
import json
import os

from ..kernel.errors import Error
from ..kernel.files import locked, read_bytes, write_atomic
from . import media
from .errors import ImageError
from .layers import chain_ids
from .reference import parse
from .stored import LAYOUT, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .auth import Access
    from .store import Store
    from .unpack import Layer

_SHOWN = 3  # differences of a layer that are named
_DOUBT = "it cannot be verified as long as a layer below it is damaged"


class Problem:
    """One thing that is not as it should be.

    what    ``blob sha256:… of NAME``, ``layer sha256:… of NAME`` or a path
    fault   what is wrong with it
    remedy  what was done about it; "" when nothing was
    """

    __slots__ = ("fault", "remedy", "what")

    def __init__(self, what: str, fault: str) -> None:
        self.what = what
        self.fault = fault
        self.remedy = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.fault}{f' ({self.remedy})' if self.remedy else ''}"


class Checked:
    """What was looked at, and what is wrong."""

    __slots__ = ("blobs", "images", "layers", "problems")

    def __init__(self) -> None:
        self.images = self.blobs = self.layers = 0
        self.problems: list[Problem] = []

    @property
    def left(self) -> list[Problem]:
        """The problems that are still there."""
        return [problem for problem in self.problems if not problem.remedy]


def check(
    store: Store,
    *,
    repair: bool = False,
    access: Access | None = None,
    users: Callable[[str], list[str]] | None = None,
) -> Checked:
    """Verify the whole store. Raises ImageError for an index or a pin that cannot be read, OSError.

    repair  fetch again what is damaged or missing, by *access*, and put right what is unpacked
    users   which running containers have the directory of a layer mounted: it is not replaced then
    """
    if not os.path.isdir(store.state.images):
        return Checked()
    with store.locked():  # nothing is removed meanwhile; pulls go on
        return _Check(store, repair, access, users or (lambda _path: [])).run()


class _Image:
    """What is known of one manifest: its names, and its parts as far as it can be read."""

    def __init__(self, store: Store, digest: str, names: list[str]) -> None:
        self.store = store
        self.digest = digest
        self.names = names

    @property
    def name(self) -> str:
        return self.names[0] if self.names else f"the unnamed image {self.digest}"

    def manifest(self) -> dict[str, Any]:
        """The document; empty where it is missing or damaged, since nothing in it can be believed then."""
        from .digest import algorithm_of, digest_of

        with contextlib.suppress(FileNotFoundError):
            raw = read_bytes(self.store.blob_path(self.digest))
            if digest_of(raw, algorithm_of(self.digest)) == self.digest:
                document: dict[str, Any] = json.loads(raw)
                return document
        return {}

    def blobs(self) -> list[str]:
        """Digests of the manifest, of the config, and of the layers' blobs."""
        manifest = self.manifest()
        parts = [manifest["config"], *manifest["layers"]] if manifest else []
        return [self.digest, *(str(part["digest"]) for part in parts)]

    def layers(self) -> Iterator[tuple[Layer, str, list[str]]]:
        """Each layer, the chain id of those below, and their diff ids; nothing where the config cannot be read."""
        from .unpack import Layer

        manifest = self.manifest()
        if not manifest:
            return
        try:
            config = json.loads(read_bytes(self.store.blob_path(str(manifest["config"]["digest"]))))
            diff_ids = [str(diff_id) for diff_id in config["rootfs"]["diff_ids"]]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        for index, (part, diff_id, parent) in enumerate(zip(manifest["layers"], diff_ids, chain_ids(diff_ids))):
            digest = str(part["digest"])
            compression = media.layer_compression(str(part.get("mediaType")), self.name)
            layer = Layer(self.store.blob_path(digest), digest, int(part["size"]), compression, diff_id)
            yield layer, parent, diff_ids[:index]


class _Check:
    def __init__(self, store: Store, repair: bool, access: Access | None, users: Callable[[str], list[str]]) -> None:
        self.store = store
        self.repair = repair
        self.access = access
        self.users = users
        self.done = Checked()
        self.bad: dict[str, Problem] = {}  # digest → what is wrong with that blob
        self.bad_layers: set[str] = set()  # directories of layers that are wrong and stay so

    def run(self) -> Checked:
        images = self._images()
        self.done.images = len(images)
        if images:
            self._mark()
        self._blobs(images)
        if self.repair:
            for image in images:
                self._fetch(image)
            self._drop()
        seen: set[tuple[str, str]] = set()
        mask = os.umask(0)  # as unpacking wants it
        try:
            for image in images:
                if any(digest in self.bad and not self.bad[digest].remedy for digest in image.blobs()[:2]):
                    continue  # without its manifest and its config nobody knows what its layers should be
                for layer, parent, below in image.layers():
                    if (layer.diff_id, parent) not in seen:
                        seen.add((layer.diff_id, parent))
                        self._layer(image, layer, parent, below)
        finally:
            os.umask(mask)
        return self.done

    def _images(self) -> list[_Image]:
        names: dict[str, list[str]] = {}
        for descriptor in self.store.descriptors():
            name = name_of(descriptor)
            names.setdefault(descriptor["digest"], []).extend([name] if name else [])
        for _container_id, pin in self.store.pins.all():
            names.setdefault(pin["manifest"], [])
        return [_Image(self.store, digest, sorted(known)) for digest, known in names.items()]

    def _problem(self, what: str, fault: str) -> Problem:
        problem = Problem(what, fault)
        self.done.problems.append(problem)
        return problem

    def _mark(self) -> None:
        """The file by which other tools tell that the directory is an image layout."""
        path = os.path.join(self.store.state.images, "oci-layout")
        try:
            version = json.loads(read_bytes(path))["imageLayoutVersion"]
            fault = "" if version == "1.0.0" else f"it is for version {version} of image layouts"
        except FileNotFoundError:
            fault = "it is missing"
        except (ValueError, KeyError, TypeError):
            fault = "it is damaged"
        if fault:
            problem = self._problem(path, fault)
            if self.repair:
                write_atomic(path, LAYOUT)
                problem.remedy = "written again"

    # Blobs.

    def _blobs(self, images: list[_Image]) -> None:
        owners: dict[str, _Image] = {}
        for image in images:
            for digest in image.blobs():
                owners.setdefault(digest, image)
        root = os.path.join(self.store.state.images, "blobs")
        for algorithm in sorted(os.listdir(root)) if os.path.isdir(root) else ():
            for digits in sorted(os.listdir(os.path.join(root, algorithm))):
                if digits.startswith("."):
                    continue  # somebody is writing it
                digest = f"{algorithm}:{digits}"
                try:
                    good = self._is_good(digest)
                except FileNotFoundError:
                    continue  # another check is about to replace it
                self.done.blobs += 1
                if not good:
                    whose = f" of {owners[digest].name}" if digest in owners else ", which no image needs"
                    self.bad[digest] = self._problem(f"blob {digest}{whose}", "its content does not have that digest")
        for digest, image in owners.items():
            if digest not in self.bad and not self.store.has_blob(digest):
                self.bad[digest] = self._problem(f"blob {digest} of {image.name}", "it is missing")

    def _is_good(self, digest: str) -> bool:
        from .digest import algorithm_of, digest_of_file

        return digest_of_file(self.store.blob_path(digest), algorithm_of(digest)) == digest

    def _fetch(self, image: _Image) -> None:
        """Have the blobs of *image* that are damaged or missing fetched again, from where one of its names is."""
        bad = [digest for digest in image.blobs() if digest in self.bad and not self.bad[digest].remedy]
        if not bad:
            return
        if not image.names:
            for digest in bad:
                self.bad[digest].fault += "; it cannot be pulled again, since the image has no name"
            return
        failures = []
        for repository in dict.fromkeys(parse(name).repository for name in image.names):
            try:
                self._pull(image, repository)
            except Error as error:
                failures.append(str(error))
                continue
            for digest in {*bad, *image.blobs()} & self.bad.keys():
                if self.store.has_blob(digest) and self._is_good(digest):
                    self.bad[digest].remedy = f"pulled again from {repository}"
            return
        for digest in bad:
            self.bad[digest].fault += f"; it could not be pulled again: {failures[-1]}"

    def _pull(self, image: _Image, repository: str) -> None:
        """Pull the manifest of *image* and all it lacks. Raises ImageError."""
        from .auth import Access
        from .pull import pull
        from .registry import Registry
        from .resolve import Resolved

        registry = Registry(parse(f"{repository}@{image.digest}"), self.access or Access())
        try:
            manifest = registry.manifest(image.digest)  # it has the image, so what is damaged may go
            self._discard(image.digest)
            for part in (manifest.document["config"], *manifest.document["layers"]):
                if str(part["digest"]) in self.bad:
                    self._discard(str(part["digest"]))
            pull(self.store, registry, Resolved("", manifest), image.names)
        finally:
            registry.close()

    def _discard(self, digest: str) -> None:
        """Delete a blob if it is still damaged: somebody else may have repaired it."""
        with self.store.blob_locked(digest), contextlib.suppress(FileNotFoundError):
            if not self._is_good(digest):
                os.unlink(self.store.blob_path(digest))

    def _drop(self) -> None:
        """Delete damaged blobs that no image needs."""
        for digest, problem in self.bad.items():
            if problem.what.endswith("which no image needs") and not problem.remedy:
                self._discard(digest)
                problem.remedy = "deleted"

    # Layers.

    def _layer(self, image: _Image, layer: Layer, parent: str, below: list[str]) -> None:
        self.done.layers += 1
        what = f"layer {layer.diff_id} of {image.name}"
        path = self.store.layers.find(layer.diff_id, parent)
        known = self.bad.get(layer.digest)
        if known is not None and not known.remedy:
            self._problem(what, f"it cannot be verified without its blob {layer.digest}")
            return
        if path is None and not self.repair:
            self._problem(what, "it is not unpacked")
            return
        lowers = self.store.layers.paths(below)
        doubtful = bool(self.bad_layers.intersection(lowers or ()))
        try:
            self._compare(what, layer, parent, lowers, path, doubtful)
        except Error as error:
            self._problem(what, _DOUBT if doubtful else f"its blob {layer.digest} cannot be unpacked: {error.message}")

    def _compare(
        self, what: str, layer: Layer, parent: str, lowers: list[str] | None, path: str | None, doubtful: bool
    ) -> None:
        """Unpack the layer anew and compare. Raises ImageError.

        doubtful  something below is damaged: what the layer took from there cannot be told from damage of its own
        """
        from itertools import chain, islice

        from . import underlay
        from .compare import differences
        from .rootdir import NeedsLower

        layers = self.store.layers
        try:
            with layers.unpacked_anew(layer, parent, lowers) as (fresh, place):
                if path is None:
                    layers.replace(fresh, place)
                    self._problem(what, "it was not unpacked").remedy = "unpacked"
                    return
                found = list(islice(chain(differences(fresh, path), underlay.differences(fresh, path)), _SHOWN + 1))
                if not found:
                    return
                if doubtful and layers.depends(place):
                    self._problem(what, _DOUBT)
                    return
                more = " and more" if len(found) > _SHOWN else ""
                problem = self._problem(what, f"{'; '.join(found[:_SHOWN])}{more}")
                if not self.repair:
                    self.bad_layers.add(path)
                    return
                with locked(self.store.state.lock_path("layers", "mounts")):  # nobody mounts it between look and change
                    users = self.users(path)
                    if not users:
                        layers.replace(fresh, path)
                if users:
                    problem.fault += f"; stop {', '.join(users)} first, which has it mounted"
                    self.bad_layers.add(path)
                    return
                problem.remedy = "unpacked again"
        except NeedsLower:
            raise ImageError("the layers below it are missing", step="lower") from None
