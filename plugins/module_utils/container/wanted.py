# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that a container is to be made from: planned by the image layer, obtained only when the plan says so."""

from __future__ import annotations

from ..image.options import REGISTRY
from ..kernel.errors import Error
from .errors import ContainerError
from .plan import Wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..image.ensure import Plan
    from ..image.progress import Tracker
    from ..image.request import ImageRequest
    from ..image.store import Image, Store
    from ..statedir import StateDir

# The options that say which image is meant, and how it comes here.
_OF_THE_IMAGE = ("image", "pull", "platform", *REGISTRY)


class Images:
    """What the tasks of a set have found out about images: each is planned, and brought, once for all of them."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.failures: dict[str, Error] = {}
        self.progress: Tracker | None = None

    def plan(self, parameters: Mapping[str, Any], store: Store) -> Plan:
        """What is to be done for the image that *parameters* name. Raises ImageError, the same for all who ask."""
        from ..image import ensure

        key = repr([parameters.get(name) for name in _OF_THE_IMAGE])
        if key in self.failures:
            raise self.failures[key]
        if key not in self.plans:
            try:
                self.plans[key] = ensure.plan(_request(parameters), store)
            except Error as error:
                self.failures[key] = error
                raise
        return self.plans[key]

    def bring(self, state: StateDir) -> list[str]:
        """Pull and unpack what the plans say, and remember what registries said; what was done. Raises ImageError.

        Whoever asks afterwards finds the images here, with nothing to be done.
        """
        from ..image import ensure
        from ..image.store import Store

        done = []
        for made in self.plans.values():
            done += [str(action) for action in made.actions]
            if made.actions or made.verified or made.same_origin:
                made.image = ensure.apply(made, Store(state), self.progress)
                made.actions, made.resolved, made.same_origin = [], None, ""
        return done

    def close(self) -> None:
        for made in self.plans.values():
            made.close()


class WantedImage:
    """The image named by a task; what follows from the pull policy is found out at once, and nothing is changed.

    images    what other tasks have found out, which then also says how the image comes here
    progress  who is told what a pull does, None for nobody
    Raises ImageError, for a registry that has to be asked and does not answer too.
    """

    def __init__(
        self,
        state: StateDir,
        parameters: Mapping[str, Any],
        recorded: Mapping[str, Any] | None,
        images: Images | None = None,
    ) -> None:
        from ..image.store import Store

        self.store = Store(state)
        self.recorded = recorded
        self.made: Plan | None = None
        self.progress: Tracker | None = None
        self._image: Image | None = None
        self.name = str(parameters.get("image") or "")
        self.shared = images is not None
        if not self.name:
            return
        self.made = (images or Images()).plan(parameters, self.store)
        self._resolve()

    def _resolve(self) -> None:
        """Where the image is not here, but the container may be made from that very one: only its id can tell."""
        made = self.made
        if self.recorded is None or made is None or made.registry is None or made.resolved is not None:
            return
        if made.actions:
            from ..image.request import wanted_platform
            from ..image.resolve import resolve

            made.resolved = resolve(made.registry, wanted_platform(made.request), self.store, made.origin)

    @property
    def wanted(self) -> Wanted | None:
        """What the plan needs to know; None when the task names no image."""
        if self.made is None:
            return None
        actions = tuple(str(action) for action in self.made.actions)
        if self.made.resolved is not None:
            return Wanted(self.name, self.made.resolved.image_id, "", actions)
        if self.made.image is not None and not any(action.startswith("pulled") for action in actions):
            return Wanted(self.name, self.made.image.id, self.made.image.digest, actions)
        return Wanted(self.name, "", "", actions)

    def known_config(self) -> Mapping[str, Any] | None:
        """The ``config`` of the config of the image that the task names, where that is here already."""
        if self.made is None or self.made.image is None:
            return None
        return self.made.image.config.get("config") or {}

    @property
    def warnings(self) -> list[str]:
        return self.made.warnings if self.made else []

    def obtain(self) -> Image:
        """The image, pulled and unpacked as planned; without a name in the task, the container's own.

        Raises ImageError, and ContainerError when the container's image is no longer here.
        """
        if self._image is None:
            if self.made is not None:
                from ..image import ensure

                self._image = ensure.apply(self.made, self.store, self.progress)
            elif self.recorded is not None:
                self._image = self.store.find(self.recorded["id"])
        if self._image is None:
            name = self.recorded["name"] if self.recorded else self.name
            raise ContainerError(f"image {name} is no longer here", step="image", obj=name, hint="Give image")
        return self._image

    def settle(self) -> None:
        """Where nothing is to be done, remember at least what the registry said, so that it is not asked again."""
        if self.made is not None and (self.made.verified or self.made.same_origin) and not self.made.actions:
            from ..image import ensure

            ensure.apply(self.made, self.store)

    def close(self) -> None:
        if self.made is not None and not self.shared:
            self.made.close()


def _request(parameters: Mapping[str, Any]) -> ImageRequest:
    from ..image.auth import Access
    from ..image.module import verify_of
    from ..image.request import ImageRequest

    return ImageRequest(
        str(parameters["image"]),
        pull=parameters.get("pull") or "missing",
        platform=parameters.get("platform"),
        access=Access(
            parameters.get("username"),
            parameters.get("password"),
            parameters.get("authfile"),
            parameters.get("validate_certs", True),
            parameters.get("ca_path"),
            parameters.get("mirrors"),
        ),
        verify=verify_of(parameters.get("verify")),
        require_digest=bool(parameters.get("require_digest")),
    )
