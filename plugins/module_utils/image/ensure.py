# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of one image: what is to be done for it, and the doing.

:func:`plan` finds out what is here and what the registry has, asking it only where the pull policy needs it, and has
:func:`.decide.decide` say what follows; :func:`apply` does what the plan says and decides nothing.
"""

from __future__ import annotations

import os

from ..kernel.errors import Error
from .decide import Action, Local, decide
from .errors import ImageError, RegistryUnavailable
from .reference import parse
from .request import ImageRequest, wanted_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .pull import Progress
    from .registry import Registry
    from .resolve import Resolved
    from .save import Target
    from .source import Prepared
    from .store import Image, Store

__all__ = ["ImageRequest", "Plan", "apply", "distrust", "plan"]


class Plan:
    """What :func:`apply` is to do. ``image``: what is there before; ``warnings``: what to tell the user."""

    __slots__ = (
        "actions", "archived", "image", "origin", "prepared", "registry", "request", "resolved", "same_origin",
        "verified", "warnings",
    )  # fmt: skip

    def __init__(self, request: ImageRequest, image: Image | None) -> None:
        self.request = request
        self.verified = ""  # the mark of what the image was verified with just now
        self.image = image
        self.archived = ""  # id of the image that the archive holds before, where that is known
        self.actions: list[Action] = []
        self.warnings: list[str] = []
        self.registry: Registry | None = None
        self.resolved: Resolved | None = None
        self.prepared: Prepared | None = None
        self.origin = ""  # the digest that the registry has under the name now, where it was asked
        self.same_origin = ""  # the registry's new digest for an image that is the same for this platform

    @property
    def changed(self) -> bool:
        return bool(self.actions)

    def close(self) -> None:
        if self.registry is not None:
            self.registry.close()
        if self.prepared is not None:
            self.prepared.close()


def plan(request: ImageRequest, store: Store) -> Plan:
    """Find out what is and what shall be. Changes nothing. Raises ImageError."""
    image = store.find(request.name)
    made = Plan(request, image)
    local = None
    if image is not None:
        local = Local(
            image.id, image.digest, image.origin, image.platform, store.is_complete(image), _has_blobs(store, image)
        )
    remote_id: str | None = None
    if request.state == "present":
        if request.source:
            from .source import prepare

            made.prepared = prepare(request, store, image)
            remote_id = made.prepared.image_id
        else:
            remote_id = _ask_registry(request, store, local, made)
    tagged = {}
    for tag in request.tags:
        other = store.find(tag)
        tagged[tag] = other.digest if other else ""
    pushed = {}
    if request.push and request.state == "present":
        from .push import is_pushed

        digest = made.prepared.digest if made.prepared else (local.digest if local and remote_id is None else "")
        pushed = {name: is_pushed(request, name, image, digest) for name in request.push_names()}
    written = False
    if request.archive and request.state == "present":
        written = _is_archived(made, store, image if image and remote_id in (None, image.id) else None)
    made.actions = decide(request, local, remote_id, tagged, pushed, written)
    if request.verify is not None and request.state == "present":
        from .verified import settle

        settle(made, store)
    return made


def _is_archived(made: Plan, store: Store, image: Image | None) -> bool:
    """Whether the archive holds *image* (None: what is not here yet), and may else be written. Raises ImageError."""
    from .source import ROOTFS_DIR

    request = made.request
    path, kind = (request.archive or {})["path"], (request.archive or {})["format"]
    written = image is not None and _target(request, store, image).is_written()
    if kind == ROOTFS_DIR:
        from .rootfs_dir import Standing

        standing = Standing(store, path, stays=written and not request.force)
        made.archived = standing.image
        if standing.warning:
            made.warnings.append(standing.warning)
    else:
        from .layoutdir import check_place

        check_place(os.path.abspath(path), kind)
        made.archived = image.id if image and written else ""
    return written


def _target(request: ImageRequest, store: Store, image: Image) -> Target:
    """The archive that *request* wants of *image*, under the name it was asked for by, if that is one."""
    from .save import target_of

    archive = request.archive or {}
    names = [] if request.by_id else [request.full_name]
    return target_of(store, archive["path"], archive["format"], [(image, names)])


def _has_blobs(store: Store, image: Image) -> bool:
    return all(store.has_blob(str(layer["digest"])) for layer in image.manifest["layers"])


def _ask_registry(request: ImageRequest, store: Store, local: Local | None, made: Plan) -> str | None:
    """The image id in the registry, where the policy wants it known; else None. One HEAD when all is as it was."""
    fits = request.fitted_by(local)
    whole = local is not None and fits and (local.complete or local.has_blobs)
    if whole and (request.pull in ("missing", "never") or request.by_id) and not request.force:
        return None
    if request.by_id or request.pull == "never":
        why = "it is an image id, which only images already here have" if request.by_id else "pull is never"
        missing = "for the platform " + str(request.platform) if local is not None and not fits else ""
        raise ImageError(
            f"the image {request.full_name} is not here {missing}".rstrip() + f" and cannot be pulled: {why}",
            step="find",
            obj=request.name,
            hint="Give its name, or another pull policy",
        )
    if whole and local is not None and request.reference.digest and not request.force:
        return None  # what a digest means never changes
    from .registry import Registry

    made.registry = Registry(request.reference, request.access, asks_only=whole and not request.force)
    try:
        origin = made.origin = made.registry.head(f"pull {request.full_name}")
        if local is None or not whole:
            return local.id if local is not None and fits and origin == local.origin else ""
        if origin in (local.origin, local.digest):
            return local.id
        from .resolve import resolve

        made.resolved = resolve(made.registry, wanted_platform(request), store, origin)
    except RegistryUnavailable as error:
        if request.pull != "newer" or not whole or local is None or request.force:
            raise
        made.warnings.append(f"{error} The image that is here is used.")
        return local.id
    if made.resolved.image_id == local.id:
        made.same_origin = origin
    return made.resolved.image_id


def apply(made: Plan, store: Store, progress: Progress | None = None) -> Image | None:
    """Do what *made* says; the image then (None when absent). Raises ImageError."""
    request = made.request
    if request.state == "absent":
        if made.actions:
            store.remove(request.name)
        return None
    if not made.actions and not made.same_origin:
        if made.image is not None:
            _remember(made, store, made.image)
            _note_verified(made, store, made.image)
        return made.image
    from .collect import undone_unless

    with undone_unless(store, _can_go_on):
        return _bring(made, store, progress)


def _can_go_on(error: BaseException) -> bool:
    """Whether the next run may succeed where this one failed, so that what has come in is worth keeping for it."""
    import errno

    if isinstance(error, RegistryUnavailable) or not isinstance(error, Error):
        return True  # the network, a full disk, an interrupt
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or error.step == "space"


def _bring(made: Plan, store: Store, progress: Progress | None) -> Image | None:
    from ..kernel.files import locked
    from .pull import pull, unpack_present
    from .registry import Registry
    from .resolve import resolve

    request = made.request
    verbs = {action.verb for action in made.actions}
    image = made.image
    store.prepare()
    with locked(store.state.lock_path("image", request.full_name)), store.locked():
        if made.same_origin and image and not _note_origin(store, image, request.full_name, made.same_origin):
            verbs.add("pulled image")  # somebody has removed it meanwhile
        if "pulled image" in verbs:
            registry = made.registry = made.registry or Registry(request.reference, request.access)
            resolved = made.resolved or resolve(registry, wanted_platform(request), store, made.origin)
            if request.force:
                document = resolved.manifest.document
                distrust(store, [document["config"], *document["layers"]])
            image = pull(store, registry, resolved, [request.full_name], request.platform, progress)
        elif "imported image" in verbs and made.prepared:
            image = made.prepared.store(store, request.full_name)
        elif "unpacked image" in verbs and image:
            unpack_present(store, image, progress)
        tags = [action.object for action in made.actions if action.verb == "tagged image"]
        if tags and image:
            store.tag(image, tags)
        if image and "wrote archive" in verbs:
            _target(request, store, image).write()
        if image:
            _remember(made, store, image)
            _note_verified(made, store, image)
        for action in made.actions:
            if action.verb == "pushed image" and image:
                from .push import push

                push(store, image, parse(action.object), request.access)
        # Under the lock still: afterwards somebody may remove it.
        return store.find(image.name) if image else None


def _note_verified(made: Plan, store: Store, image: Image) -> None:
    """Remember that *image* was verified, so that the next run need not ask for its signature."""
    if made.verified:
        store.mark_verified(image.digest, made.request.reference.repository, made.verified)


def _note_origin(store: Store, image: Image, name: str, origin: str) -> bool:
    """Remember that *name* is *origin* in its registry now, which is the same image; False when that is gone here."""
    there = store.find(name)
    if there is None or there.id != image.id:
        return False
    store.tag(there, [name], origin)
    return True


def _remember(made: Plan, store: Store, image: Image) -> None:
    """What the next run need not look at again."""
    if made.prepared:
        made.prepared.remember(store)
    if made.request.archive:
        _target(made.request, store, image).remember()


def distrust(store: Store, descriptors: Sequence[dict[str, Any]]) -> None:
    """Before a forced run: blobs that are not what their digests say go, so that they are brought again."""
    import contextlib

    from .digest import algorithm_of, digest_of_file

    for descriptor in descriptors:
        digest = str(descriptor["digest"])
        path = store.blob_path(digest)
        with contextlib.suppress(FileNotFoundError):
            if digest_of_file(path, algorithm_of(digest)) != digest:
                os.unlink(path)
