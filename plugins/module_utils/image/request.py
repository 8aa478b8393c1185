# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of one image, checked for contradictions."""

from __future__ import annotations

import os

from . import media
from .errors import ImageError
from .reference import Reference, is_image_id, normalise, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .auth import Access
    from .decide import Local
    from .signature import Verify

PULL_POLICIES = ("missing", "always", "newer", "never")


class ImageRequest:
    """What a task wants of one image.

    name      reference as the user wrote it, or an image id (which can only be found, tagged, pushed or removed)
    state     "present" or "absent"
    pull      one of PULL_POLICIES
    source    {"rootfs" or "path": path, "format": …, "image": …, "config": {…}} to import from (see source), or None
              for the registry
    archive   {"path": path, "format": one of save.FORMATS} to write the image to, or None
    platform  "linux/arm64" or None for this host's
    access    credentials and TLS (auth.Access), None: defaults
    tags      more names; push, force: see the module
    verify    what it must be signed with (signature.Verify), None: nothing
    require_digest  whether a reference to a registry must name a digest
    """

    __slots__ = (
        "access", "archive", "force", "name", "platform", "pull", "push", "require_digest", "source", "state", "tags",
        "verify",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        *,
        state: str = "present",
        pull: str = "missing",
        source: dict[str, Any] | None = None,
        platform: str | None = None,
        access: Access | None = None,
        tags: Sequence[str] = (),
        push: bool = False,
        force: bool = False,
        archive: dict[str, str] | None = None,
        verify: Verify | None = None,
        require_digest: bool = False,
    ) -> None:
        from .auth import Access

        self.name = name
        self.state = state
        self.pull = pull
        self.source = source
        self.platform = media.parse_platform(platform) if platform else None
        self.access = access or Access()
        self.tags = [normalise(tag) for tag in tags]
        self.push = push
        self.force = force
        self.archive = archive
        self.verify = verify
        self.require_digest = require_digest
        if pull not in PULL_POLICIES:
            raise ImageError(f"pull is '{pull}'", step="options", hint=f"It is one of {', '.join(PULL_POLICIES)}")
        self._check()

    def _check(self) -> None:
        if not self.by_id and self.reference.digest and (self.source or (self.push and not self.tags)):
            raise ImageError(
                f"{self.name} names a digest, which follows from an image's content",
                step="options",
                obj=self.name,
                hint="Give a tag to import or push under",
            )
        for tag in self.tags:
            if "@" in tag:
                raise ImageError(f"the tag {tag} names a digest", step="options", obj=tag, hint="Write NAME:TAG")
        if self.verify and self.source:
            raise ImageError(
                "source and verify are given: only images of a registry have signatures there",
                step="options",
                hint="Leave out one of the two",
            )
        remote = self.state == "present" and not self.source and not self.by_id
        if self.require_digest and remote and not self.reference.digest:
            raise ImageError(
                f"refused {self.full_name}: it names no digest, and require_digest is set",
                step="options",
                obj=self.name,
                hint=f"Write {self.reference.repository}@sha256:…; a tag may mean another image tomorrow",
            )
        if self.by_id and self.source:
            raise ImageError(
                f"{self.name} is an image id, which follows from an image's content",
                step="options",
                obj=self.name,
                hint="Give a name to import it under",
            )

    @property
    def by_id(self) -> bool:
        return is_image_id(self.name)

    @property
    def reference(self) -> Reference:
        return parse(self.name)

    @property
    def full_name(self) -> str:
        return self.name if self.by_id else str(self.reference)

    def fitted_by(self, local: Local | None) -> bool:
        """Whether what is here is for a platform that will do."""
        return local is not None and (self.platform is None or self.platform.accepts(local.platform))

    def push_names(self) -> list[str]:
        """Where to push: to the tags; to the name itself when the image was made here or there is no tag."""
        names = [self.full_name] if self.source or not self.tags else []
        return names + [tag for tag in self.tags if tag not in names]


def wanted_platform(request: ImageRequest) -> media.Platform:
    return request.platform or media.host_platform(os.uname().machine)
