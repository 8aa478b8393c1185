# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nothing needs any more: found by what names and containers reach, and deleted.

Roots are the entries of index.json and the pins of containers. A manifest reaches its config, its layers' blobs and
the layers that are unpacked of it; everything else in the store is left over.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat

from ..kernel.files import read_bytes
from .layers import chain_ids
from .underlay import with_underlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from .store import Store


class Unneeded:
    """What a collection deletes.

    files   blobs, what killed runs left of blobs, and temporary files
    layers  directories of unpacked layers, and what killed runs left of layers
    keep    the directories of layers that stay
    """

    __slots__ = ("files", "keep", "layers")

    def __init__(self, files: list[str], layers: list[str], keep: set[str]) -> None:
        self.files = files
        self.layers = layers
        self.keep = keep

    def size(self) -> int:
        """Bytes of disk that deleting it frees."""
        return usage([*self.files, *self.layers])


def unneeded(store: Store, *, images: Collection[str] = (), pins: Collection[str] = ()) -> Unneeded:
    """What would be left over without the entries of the manifests *images* and the *pins* of those containers.

    Changes nothing. Only sure while the store's lock is held exclusively.
    """
    blobs: set[str] = set()
    keep: set[str] = set()
    manifests = {descriptor["digest"] for descriptor in store.descriptors() if descriptor["digest"] not in images}
    for container_id, pin in store.pins.all():
        if container_id not in pins:
            manifests.add(pin["manifest"])
            keep.update(os.path.join(store.state.layers, key) for key in pin["layers"])
    for digest in manifests:
        reached, diff_ids = _reached(store, digest)
        blobs.update((digest, *reached))
        keep.update(_present_layers(store, diff_ids))
    files = [path for digest, path in _blobs(store) if digest not in blobs]
    files += _partial(store)
    for directory in (store.state.images, store.pins.directory, store.imports):
        files += [os.path.join(directory, name) for name in _listed(directory) if _is_temporary(name)]
    layers = [path for path in _layers(store) if path not in keep]
    return Unneeded(files, layers, keep)


def collect(store: Store, spared: Collection[str] = ()) -> None:
    """Delete what nothing needs, but the paths *spared*. The caller holds the store's lock exclusively."""
    found = unneeded(store)
    delete(store, Unneeded([path for path in found.files if path not in spared], [], found.keep | set(spared)))


@contextlib.contextmanager
def undone_unless(store: Store, worth_keeping: Callable[[BaseException], bool]) -> Iterator[None]:
    """Delete again what the block has brought when it fails; not where that is worth keeping for the next run.

    Nor what lay there before, from which another pull that was killed or cut off goes on. Nothing is deleted while
    somebody else works on the store.
    """
    before = {*(path for _digest, path in _blobs(store)), *_partial(store), *_layers(store)}
    try:
        yield
    except BaseException as error:
        if not worth_keeping(error):
            with contextlib.suppress(BlockingIOError), store.locked(exclusive=True, wait=False):
                collect(store, before)
        raise


def take_away(store: Store, names: Callable[[], None], images: Collection[str], found: Unneeded | None = None) -> None:
    """Have *names* take the last names of the manifests *images* away, then delete what nothing needs without them.

    found  what that is, where the caller knows it
    The caller holds the store's lock exclusively. Raises OSError, with nothing that has a name lost but layers that
    are unpacked again from their blobs.
    """
    found = found or unneeded(store, images=images)
    try:
        names()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # Not even index.json can be written, and who removes an image then does it to have space. What is left over
        # may go at any time, and so may layers: as long as there is the name, there are the blobs they come from.
        delete(store, Unneeded(unneeded(store).files, [], found.keep))
        names()
    delete(store, found)


def delete(store: Store, found: Unneeded) -> None:
    """Delete what :func:`unneeded` has found, under the same lock."""
    with store.index_locked():  # index.json's temporary file is somebody's as long as that lock is held
        for path in found.files:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    store.layers.remove_except(found.keep)
    for name in _listed(store.state.locks):
        # What is added to the store is locked below its lock, so whoever made these was killed.
        if name.startswith(("blob-", "layer-")):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(store.state.locks, name))


def _blobs(store: Store) -> Iterator[tuple[str, str]]:
    """(digest, path) of every blob, and of temporary files among them, by what is no digest."""
    root = os.path.join(store.state.images, "blobs")
    for algorithm in _listed(root):
        for name in _listed(os.path.join(root, algorithm)):
            yield f"{algorithm}:{name}", os.path.join(root, algorithm, name)


def _partial(store: Store) -> list[str]:
    return [os.path.join(store.partial, name) for name in _listed(store.partial)]


def _layers(store: Store) -> Iterator[str]:
    """Directories of all unpacked layers, half ones among them."""
    for algorithm in _listed(store.state.layers):
        directory = os.path.join(store.state.layers, algorithm)
        yield from (os.path.join(directory, name) for name in _listed(directory))


def _is_temporary(name: str) -> bool:
    """Whether it is a file of write_atomic() whose writer was killed."""
    return name.startswith(".") and name.endswith(".tmp")


def _reached(store: Store, digest: str) -> tuple[list[str], list[str]]:
    """Digests of the blobs that a manifest names, and diff ids of its layers; as far as its files can be read."""
    blobs: list[str] = []
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        manifest = json.loads(read_bytes(store.blob_path(digest)))
        blobs = [str(descriptor["digest"]) for descriptor in (manifest["config"], *manifest["layers"])]
        return blobs, list(json.loads(read_bytes(store.blob_path(blobs[0])))["rootfs"]["diff_ids"])
    return blobs, []


def _present_layers(store: Store, diff_ids: list[str]) -> Iterator[str]:
    for diff_id, parent in zip(diff_ids, chain_ids(diff_ids)):
        path = store.layers.find(diff_id, parent)
        if path:
            yield from with_underlay(path)


def _listed(directory: str) -> list[str]:
    """The names in *directory*, sorted; none where there is no such directory."""
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def usage(paths: Iterable[str]) -> int:
    """Bytes of disk below *paths*, as du(1) counts them: what has several names once, holes not at all."""
    seen: set[tuple[int, int]] = set()
    total = 0
    pending = list(paths)
    while pending:
        path = pending.pop()
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(path) as entries:
                    pending += [entry.path for entry in entries]
        except FileNotFoundError:
            continue
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        total += status.st_blocks * 512
    return total
