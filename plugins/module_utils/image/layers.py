# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacked layers on disk, by diff id, each made once whatever runs at the same time.

``layers/sha256/HEX`` is a layer that stands alone. One that needed what lies below (RootDir.depended) is right for
that stack only: its key is ``HEX-`` and 16 digits of the chain id of the layers below (image-spec config.md, "Layer
ChainID"). One that deletes something has an underlay beside it, under its key and ``.underlay``. ``.HEX.unpacking`` is
being made; ``.HEX.waiting`` is made but for what the layers below say of its parents (guess.py).
"""

from __future__ import annotations

import contextlib
import os

from ..kernel.errors import Error
from ..kernel.files import fsync_directory, locked
from . import underlay
from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..statedir import StateDir
    from .unpack import Layer

_STAGING = ".unpacking"
_WAITING = ".waiting"
_REMOVING = ".removing"


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """The chain id of each layer's parents: "" for the first."""
    import hashlib

    chain = ""
    parents = []
    for diff_id in diff_ids:
        parents.append(chain)
        chain = f"sha256:{hashlib.sha256(f'{chain} {diff_id}'.encode()).hexdigest()}" if chain else diff_id
    return parents


class LayerStore:
    """The directory ``layers/`` of one state directory."""

    def __init__(self, state: StateDir) -> None:
        self.state = state

    def _directory(self, algorithm: str) -> str:
        return os.path.join(self.state.layers, algorithm)

    def _keys(self, diff_id: str, parent_chain: str) -> tuple[str, str]:
        """Directory names of the layer when it stands alone, and when it depends on *parent_chain*."""
        digits = diff_id.partition(":")[2]
        return digits, f"{digits}-{parent_chain.partition(':')[2][:16] if parent_chain else '0' * 16}"

    def find(self, diff_id: str, parent_chain: str) -> str | None:
        """The directory of an unpacked layer on top of *parent_chain*, or None."""
        directory = self._directory(diff_id.partition(":")[0])
        for key in self._keys(diff_id, parent_chain):
            path = os.path.join(directory, key)
            if os.path.isdir(path):
                return path
        return None

    def paths(self, diff_ids: Sequence[str]) -> list[str] | None:
        """Directories of a whole stack, base first, underlays among them; None when a layer is missing.

        overlayfs refuses a directory that occurs twice; the upper of two equal layers says all that the lower one says.
        It joins the roots of all layers, opaque or not: what lies below an opaque one is left out here.
        """
        from .lower import is_opaque

        found: list[str] = []
        for diff_id, parent in zip(diff_ids, chain_ids(diff_ids)):
            path = self.find(diff_id, parent)
            if path is None:
                return None
            parts = underlay.with_underlay(path)
            if path in found:
                found = [other for other in found if other not in parts]
            if is_opaque(path):
                found.clear()
            found += parts
        return found

    def ensure(self, layer: Layer, parent_chain: str, lowers: Sequence[str] | None, *, guess: bool = False) -> str:
        """Unpack *layer* unless it is there; its directory. Raises ImageError, NeedsLower.

        Runs in a process of its own (umask 0). The layer appears under its key in one step, or not at all. With
        *guess*, one that only wants what the layers below say of some directories waits for :meth:`mend`.
        """
        from .rootdir import NeedsLower

        with self._locked(layer):
            present = self.find(layer.diff_id, parent_chain)
            if present:
                return present
            with self._staged(layer, parent_chain, lowers, guess) as (staging, path, guessed):
                if guessed:
                    waiting = self._half(layer, _WAITING)
                    self._discard_with_underlay(waiting)
                    _move_with_underlay(staging, waiting)
                    raise NeedsLower(guessed)
                self.replace(staging, path)
            return path

    def mend(self, layer: Layer, parent_chain: str, lowers: Sequence[str], guessed: Mapping[bytes, bool]) -> str | None:
        """The directory of *layer*, of which :meth:`ensure` has *guessed* something, now that *lowers* are there.

        None where the guess was wrong, or somebody has cleaned up meanwhile: nobody locks what waits. Raises OSError.
        """
        from . import guess

        with self._locked(layer):
            present = self.find(layer.diff_id, parent_chain)
            if present:
                return present
            staging = self._half(layer, _STAGING)
            self._discard_with_underlay(staging)
            try:
                try:
                    _move_with_underlay(self._half(layer, _WAITING), staging)
                except FileNotFoundError:
                    return None
                if not guess.mend(staging, lowers, guessed):
                    return None
                path = os.path.join(os.path.dirname(staging), self._keys(layer.diff_id, parent_chain)[1])
                self.replace(staging, path)
                return path
            finally:
                self._discard_with_underlay(staging)

    @contextlib.contextmanager
    def unpacked_anew(self, layer: Layer, parent_chain: str, lowers: Sequence[str] | None) -> Iterator[tuple[str, str]]:
        """*layer* unpacked beside its place, whatever is there: (that directory, its place). Raises as ensure().

        The directory goes when the block ends, unless :meth:`replace` has put it somewhere.
        """
        with self._locked(layer), self._staged(layer, parent_chain, lowers) as (staging, path, _guessed):
            yield staging, path

    @contextlib.contextmanager
    def _locked(self, layer: Layer) -> Iterator[None]:
        self.state.ensure(self.state.layers, self._directory(layer.diff_id.partition(":")[0]))
        lock = self.state.lock_path("layer", self._keys(layer.diff_id, "")[0])
        with locked(lock), removed_at_end(lock):
            yield

    def _half(self, layer: Layer, what: str) -> str:
        """Where *layer* lies while it has no name yet."""
        algorithm, _colon, digits = layer.diff_id.partition(":")
        return os.path.join(self._directory(algorithm), f".{digits}{what}")

    @contextlib.contextmanager
    def _staged(
        self, layer: Layer, parent_chain: str, lowers: Sequence[str] | None, guess: bool = False
    ) -> Iterator[tuple[str, str, Mapping[bytes, bool]]]:
        from .unpack import unpack

        staging = self._half(layer, _STAGING)
        alone, dependent = self._keys(layer.diff_id, parent_chain)
        self._discard_with_underlay(staging)
        os.mkdir(staging, 0o755)
        try:
            unpacked = unpack(layer, staging, lowers, guess=guess)
            underlay.make(staging, unpacked.deleting)
            key = dependent if unpacked.depended else alone
            yield staging, os.path.join(os.path.dirname(staging), key), unpacked.guessed
        finally:
            self._discard_with_underlay(staging)

    def depends(self, path: str) -> bool:
        """Whether the layer in *path* took something from those below it."""
        return "-" in os.path.basename(path)

    def replace(self, staging: str, path: str) -> None:
        """Put the whole directory *staging* where a layer belongs, on disk, in place of what is there.

        A layer is whole once it has its name: its underlay comes before it, and goes after it.
        """
        directory, name = os.path.split(path)
        going = os.path.join(directory, f".{name}{_REMOVING}")
        _sync_tree(staging)
        for place, leftover in ((path, going), (underlay.place_of(path), underlay.place_of(going))):
            self._discard(leftover)
            with contextlib.suppress(FileNotFoundError):
                os.rename(place, leftover)
        with contextlib.suppress(FileNotFoundError):
            os.rename(underlay.place_of(staging), underlay.place_of(path))
        os.rename(staging, path)
        fsync_directory(directory)
        self._discard_with_underlay(going)

    def remove_except(self, keep: Iterable[str]) -> int:
        """Delete all but the directories *keep*, and leftovers nobody works on. Returns how many directories went.

        The caller holds the store's lock exclusively.
        """
        kept = set(keep)
        removed = 0
        if not os.path.isdir(self.state.layers):
            return 0
        for algorithm in os.listdir(self.state.layers):
            directory = self._directory(algorithm)
            going: list[str] = []
            for name in sorted(os.listdir(directory)):  # a layer before its underlay
                path = os.path.join(directory, name)
                if name.startswith("."):
                    self._discard_leftover(path)
                elif path not in kept:
                    # Renamed first, and that on disk: neither a kill nor a power cut leaves half a layer under its key.
                    going.append(os.path.join(directory, f".{name}{_REMOVING}"))
                    self._discard(going[-1])
                    os.rename(path, going[-1])
                    removed += 1
            if going:
                fsync_directory(directory)
            for path in going:
                self._discard(path)
        return removed

    def sweep(self) -> None:
        """Delete what killed runs left half done."""
        for algorithm in os.listdir(self.state.layers) if os.path.isdir(self.state.layers) else ():
            directory = self._directory(algorithm)
            for name in os.listdir(directory):
                if name.startswith("."):
                    self._discard_leftover(os.path.join(directory, name))

    def _discard_leftover(self, path: str) -> None:
        """Delete what is half made, unless somebody is making it, or half removed."""
        key, _dot, what = os.path.basename(path)[1:].partition(".")
        if f".{what}".startswith((_STAGING, _WAITING)):
            lock = self.state.lock_path("layer", key)
            with contextlib.suppress(BlockingIOError), locked(lock, wait=False), removed_at_end(lock):
                self._discard(path)
        else:
            self._discard(path)

    def _discard_with_underlay(self, path: str) -> None:
        self._discard(path)
        self._discard(underlay.place_of(path))

    def _discard(self, path: str) -> None:
        from .rootdir import remove_tree

        parent, name = os.path.split(path)
        try:
            fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            remove_tree(fd, os.fsencode(name))
        except FileNotFoundError:
            return
        finally:
            os.close(fd)


def _move_with_underlay(path: str, target: str) -> None:
    """Rename the half made layer *path* to *target*, where nothing is. Raises FileNotFoundError, OSError."""
    os.rename(path, target)
    with contextlib.suppress(FileNotFoundError):
        os.rename(underlay.place_of(path), underlay.place_of(target))


@contextlib.contextmanager
def removed_at_end(lock: str) -> Iterator[None]:
    """Delete the file of a lock while it is held: who waits for it notices (files.locked) and makes it anew."""
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock)


def _sync_tree(path: str) -> None:
    """Put all of *path* on disk before its name says that it is whole (syncfs(2); one call for 50,000 files)."""
    from ..kernel.syscalls import syncfs

    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs(fd)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def described(error: Error, layer: Layer, image: str) -> ImageError:
    """*error* of unpacking as a whole sentence that names the image and its layer."""
    hint = error.hint
    if not hint:
        hint = {
            "space": "Free some space there, or move the state directory with the option root",
            "diff_id": "The image is damaged or was tampered with: push it again",
        }.get(error.step, "The layer is damaged or hostile: do not use this image, or build it again")
    if error.step == "zstd":
        return ImageError(f"cannot unpack {image}: {error.message}", step=error.step, obj=layer.digest, hint=hint)
    return ImageError(
        f"cannot unpack {image}: layer {layer.digest}: {error.message}",
        step=error.step,
        obj=layer.digest,
        errno=error.errno,
        hint=hint,
    )
