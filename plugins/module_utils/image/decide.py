# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps for one image, from what is to what shall be: a pure function, and the words it has for them."""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import media
    from .request import ImageRequest

_Action = namedtuple("_Action", "verb object detail")


class Action(_Action):
    """One step: *verb* in the past tense ("pulled image"), *object*, *detail*; printed the same in check mode."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self.verb} {self.object}{f' {self.detail}' if self.detail else ''}"


class Local:
    """What the store has under a name."""

    __slots__ = ("complete", "digest", "has_blobs", "id", "origin", "platform")

    def __init__(
        self, image_id: str, digest: str, origin: str, platform: media.Platform, complete: bool, has_blobs: bool
    ) -> None:
        self.id = image_id
        self.digest = digest
        self.origin = origin
        self.platform = platform
        self.complete = complete  # all layers unpacked
        self.has_blobs = has_blobs


def decide(
    request: ImageRequest,
    local: Local | None,
    remote_id: str | None,
    tagged: dict[str, str],
    pushed: dict[str, bool],
    written: bool = False,
) -> list[Action]:
    """The steps from what is to what shall be.

    remote_id  image id that the registry (or the import) has now; None: not asked, or not to be asked
    tagged     tag → manifest digest it has here, "" for none
    pushed     name → whether the registry has this very image under it
    written    whether the archive that is wanted holds what is here now
    """
    name = request.full_name
    if request.state == "absent":
        return [Action("removed image", name, "")] if local else []
    actions = []
    brought = "imported image" if request.source else "pulled image"
    fits = request.fitted_by(local)
    anew = local is None or not fits or request.force or (remote_id is not None and remote_id != local.id)
    if local is None or anew:
        actions.append(Action(brought, name, ""))
    elif not local.complete:
        actions.append(Action("unpacked image" if local.has_blobs else brought, name, ""))
    digest = local.digest if local and not actions else ""
    actions += [Action("tagged image", tag, "") for tag in request.tags if not digest or tagged.get(tag) != digest]
    if request.archive and (anew or not written):
        actions.append(Action("wrote archive", request.archive["path"], ""))
    if request.push:
        actions += [Action("pushed image", target, "") for target in request.push_names() if not pushed.get(target)]
    return actions
