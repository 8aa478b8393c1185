# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's API (distribution-spec 1.1): manifests and blobs of one repository, read from its mirrors too."""

from __future__ import annotations

import time

from . import media
from .digest import algorithm_of, digest_of
from .errors import ImageError, NotInRegistry, RegistryUnavailable
from .failures import unavailable
from .manifest import Manifest, read_manifest
from .mirrors import places
from .reference import check_digest
from .transport import Transport, back_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from .auth import Access
    from .reference import Reference

    Answer = TypeVar("Answer")

MAX_MANIFEST = 4 << 20  # bytes; the limit registries themselves have


class Registry:
    """The repository of one reference. Threads may share it.

    With *asks_only* it is likely that nothing is to be moved, see Transport.

    transport   to the registry itself
    transports  to all places that may be read from, in order: the mirrors, then the registry itself
    """

    def __init__(
        self,
        reference: Reference,
        access: Access,
        *,
        sleep: Callable[[float], None] = time.sleep,
        asks_only: bool = False,
    ) -> None:
        self.reference = reference
        self.transports = [
            Transport(place, access, sleep=sleep, asks_only=asks_only) for place in places(reference, access.mirrors)
        ]
        self.transport = self.transports[-1]
        self._base = f"/v2/{reference.path}"
        self._useless: set[str] = set()  # mirrors that could not be reached
        self._manifests: dict[str, Manifest] = {}  # by digest: what is known is not asked for again

    def close(self) -> None:
        for transport in self.transports:
            transport.close()

    def anywhere(self, ask: Callable[[Transport], Answer]) -> Answer:
        """What *ask* gets from the first place that can tell. Raises the registry's own ImageError."""
        failures: list[str] = []
        for transport in self.transports[:-1]:
            if transport.host in self._useless:
                continue
            try:
                return ask(transport)
            except ImageError as error:
                self.blame(transport, error)
                failures.append(error.message.partition(": ")[2])
        try:
            return ask(self.transport)
        except ImageError as error:
            if failures:
                error.message += f" (and before, {'; '.join(failures)})"
                error.args = (error.message,)
            raise

    def blame(self, transport: Transport, error: ImageError) -> None:
        """A mirror that could not be asked, or wants a login that there is none for, is not asked again."""
        if transport is not self.transport and (isinstance(error, RegistryUnavailable) or error.step == "auth"):
            self._useless.add(transport.host)

    def usable(self) -> list[Transport]:
        return [transport for transport in self.transports if transport.host not in self._useless]

    # Reading.

    def head(self, what: str = "") -> str:
        """The digest that the reference has now, by one HEAD. Raises NotInRegistry."""
        return self.anywhere(lambda transport: self._head(transport, what or f"look up {self.reference}"))

    def head_or_none(self, what: str) -> str:
        """As :meth:`head` of the registry itself, no mirror; "" when it does not have it."""
        try:
            return self._head(self.transport, what)
        except NotInRegistry:
            return ""

    def _head(self, transport: Transport, what: str) -> str:
        response = transport.request(
            "HEAD",
            f"/v2/{transport.reference.path}/manifests/{self.reference.wanted}",
            what=what,
            headers={"Accept": media.ACCEPT},
        )
        digest = response.headers.get("Docker-Content-Digest") or ""
        response.close()
        if not digest:  # optional in the specification
            return self._manifest(transport, self.reference.wanted).digest
        if self.reference.digest and digest != self.reference.digest:
            raise _wrong_manifest(what, digest, self.reference.digest, str(self.reference))
        return check_digest(digest, str(self.reference))

    def manifest(self, wanted: str) -> Manifest:
        """The manifest or index under the tag or digest *wanted*, its digest verified."""
        if wanted in self._manifests:
            return self._manifests[wanted]
        return self.anywhere(lambda transport: self._manifest(transport, wanted))

    def _manifest(self, transport: Transport, wanted: str) -> Manifest:
        what = f"pull {self.reference}"
        raw, headers = self.small(transport, f"manifests/{wanted}", what, {"Accept": media.ACCEPT})
        stated = wanted if ":" in wanted else headers.get("Docker-Content-Digest") or ""
        algorithm = algorithm_of(stated) if stated else "sha256"
        digest = digest_of(raw, algorithm) if algorithm in ("sha256", "sha512") else ""
        content_type = (headers.get("Content-Type") or "").partition(";")[0].strip()
        if stated and digest != stated:
            raise _wrong_manifest(what, digest, stated, str(self.reference))
        manifest = read_manifest(raw, digest, content_type, str(self.reference))
        self._manifests[digest] = manifest
        return manifest

    def small_blob(self, descriptor: dict[str, Any]) -> bytes:
        """A config blob in memory, digest and size verified."""
        digest = check_digest(str(descriptor.get("digest")), str(self.reference))
        return self.anywhere(lambda transport: self._small_blob(transport, digest))

    def _small_blob(self, transport: Transport, digest: str) -> bytes:
        what = f"pull {self.reference}"
        raw, _headers = self.small(transport, f"blobs/{digest}", what, {})
        if digest_of(raw, algorithm_of(digest)) != digest:
            raise wrong_digest(what, digest, str(self.reference))
        return raw

    def small(
        self, transport: Transport, path: str, what: str, headers: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        """A small document and its headers; a connection that breaks within is tried again."""
        import random

        sent = {"Accept-Encoding": "identity", **headers}
        for attempt in range(transport.attempts):
            response = transport.request("GET", f"/v2/{transport.reference.path}/{path}", what=what, headers=sent)
            try:
                return self._small_body(transport, response, what), response.headers
            except transport.requests.exceptions.RequestException as error:
                failure = error
            finally:
                response.close()
            if attempt + 1 < transport.attempts:
                transport.sleep(back_off(attempt, random.random()))
        raise unavailable(transport.host, what, failure, str(self.reference)) from failure

    def _small_body(self, transport: Transport, response: Any, what: str) -> bytes:
        parts = []
        total = 0
        for chunk in response.iter_content(65536):
            total += len(chunk)
            if total > MAX_MANIFEST:
                raise ImageError(
                    f"cannot {what}: the registry {transport.host} sends more than {MAX_MANIFEST >> 20} MiB"
                    " where a small document should be",
                    step="manifest",
                    obj=str(self.reference),
                )
            parts.append(chunk)
        stated = response.headers.get("Content-Length") or ""
        if stated.isdecimal() and total < int(stated):  # urllib3 below 2 does not look
            raise transport.requests.exceptions.ConnectionError(f"{total} of {stated} bytes came")
        return b"".join(parts)

    def blob_to_file(
        self,
        digest: str,
        size: int,
        fd: int,
        *,
        urls: Sequence[str] = (),
        cancelled: Callable[[], bool],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Stream blob *digest* of *size* bytes into *fd*, going on where the file ends, and verify it.

        *urls* are other places that the manifest names for it. Raises ImageError, Cancelled, OSError. On return the
        file holds the whole blob.
        """
        from .fetch import Download

        Download(self, digest, size, fd, cancelled, progress).run(urls)


def wrong_digest(what: str, digest: str, obj: str) -> ImageError:
    return ImageError(
        f"cannot {what}: the content of blob {digest} does not have that digest",
        step="digest",
        obj=obj,
        hint="The registry or something on the way changed it; nothing was stored",
    )


def _wrong_manifest(what: str, digest: str, stated: str, obj: str) -> ImageError:
    return ImageError(
        f"cannot {what}: the manifest has the digest {digest}, not {stated} as it should",
        step="digest",
        obj=obj,
        hint="The registry or something on the way changed it; nothing was stored",
    )
