# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's API (distribution-spec 1.1): manifests and blobs of one repository, both ways."""

from __future__ import annotations

import hashlib
import os
import time

from . import media
from .errors import ImageError, NotInRegistry, RegistryUnavailable
from .reference import check_digest
from .transport import ATTEMPTS, Transport, back_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .auth import Access
    from .reference import Reference

MAX_MANIFEST = 4 << 20  # bytes; the limit registries themselves have
READ_SIZE = 1 << 18


class Manifest:
    """A manifest or index as the registry sent it, verified: ``raw`` has the digest ``digest``."""

    __slots__ = ("digest", "document", "media_type", "raw")

    def __init__(self, raw: bytes, digest: str, media_type: str, document: dict[str, Any]) -> None:
        self.raw = raw
        self.digest = digest
        self.media_type = media_type
        self.document = document

    @property
    def is_index(self) -> bool:
        return self.media_type in media.INDEXES


class Cancelled(Exception):
    """The work a thread was part of has failed elsewhere."""


class Registry:
    """The repository of one reference."""

    def __init__(self, reference: Reference, access: Access, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.reference = reference
        self.transport = Transport(reference, access, sleep=sleep)
        self._base = f"/v2/{reference.path}"

    def close(self) -> None:
        self.transport.close()

    # Reading.

    def head(self, what: str = "") -> str:
        """The digest that the reference has in the registry now, by one HEAD. Raises NotInRegistry."""
        response = self.transport.request(
            "HEAD",
            f"{self._base}/manifests/{self.reference.wanted}",
            what=what or f"look up {self.reference}",
            headers={"Accept": media.ACCEPT},
        )
        digest = response.headers.get("Docker-Content-Digest") or ""
        response.close()
        if not digest:  # optional in the specification
            return self.manifest(self.reference.wanted).digest
        return check_digest(digest, str(self.reference))

    def manifest(self, wanted: str) -> Manifest:
        """The manifest or index under the tag or digest *wanted*, its digest verified."""
        what = f"pull {self.reference}"
        response = self.transport.request(
            "GET", f"{self._base}/manifests/{wanted}", what=what, headers={"Accept": media.ACCEPT}
        )
        raw = self._small_body(response, what)
        stated = wanted if ":" in wanted else response.headers.get("Docker-Content-Digest") or ""
        algorithm = stated.partition(":")[0] if stated else "sha256"
        digest = digest_of(raw, algorithm) if algorithm in ("sha256", "sha512") else ""
        content_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip()
        document = parse_manifest(raw, content_type, str(self.reference))
        if stated and digest != stated:
            raise ImageError(
                f"cannot {what}: the manifest has the digest {digest}, not {stated} as it should",
                step="digest",
                obj=str(self.reference),
                hint="The registry or something on the way changed it; nothing was stored",
            )
        return Manifest(raw, digest, document.get("mediaType") or content_type or guess_type(document), document)

    def small_blob(self, descriptor: dict[str, Any]) -> bytes:
        """A config blob in memory, digest and size verified."""
        digest = check_digest(str(descriptor.get("digest")), str(self.reference))
        what = f"pull {self.reference}"
        response = self.transport.request("GET", f"{self._base}/blobs/{digest}", what=what)
        raw = self._small_body(response, what)
        if digest_of(raw, digest.partition(":")[0]) != digest:
            raise _wrong_digest(what, digest, str(self.reference))
        return raw

    def _small_body(self, response: Any, what: str) -> bytes:
        exceptions = self.transport.requests.exceptions
        parts = []
        total = 0
        try:
            for chunk in response.iter_content(65536):
                total += len(chunk)
                if total > MAX_MANIFEST:
                    raise ImageError(
                        f"cannot {what}: the registry {self.transport.host} sends more than {MAX_MANIFEST >> 20} MiB"
                        " where a small document should be",
                        step="manifest",
                        obj=str(self.reference),
                    )
                parts.append(chunk)
        except exceptions.RequestException as error:
            raise self.transport.unavailable(what, error) from error
        finally:
            response.close()
        return b"".join(parts)

    def blob_to_file(
        self,
        digest: str,
        size: int,
        fd: int,
        *,
        cancelled: Callable[[], bool],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Stream blob *digest* of *size* bytes into *fd*, going on where the file ends, and verify it.

        A connection cut in the middle is resumed with a Range request. Raises ImageError, Cancelled, OSError.
        On return the file holds the whole blob.
        """
        import random

        what = f"pull {self.reference}"
        hasher = hashlib.new(digest.partition(":")[0])
        have = _hash_existing(fd, hasher, size)
        resumed = have > 0
        failures = 0
        while have < size:
            before = have
            error: Exception | None = None
            try:
                have, hasher = self._blob_rest(digest, size, fd, have, hasher, what, cancelled, progress)
            except self.transport.requests.exceptions.RequestException as cut:
                error = cut
            except _Cut as cut:
                have, hasher, error = cut.have, cut.hasher, cut.reason
            if have >= size:
                break
            resumed = resumed or have > 0
            failures = 1 if have > before else failures + 1
            if failures >= ATTEMPTS:
                if error is None:
                    raise RegistryUnavailable(
                        f"cannot {what}: the registry {self.transport.host} sends only {have} of the {size} bytes of"
                        f" blob {digest}",
                        step="blob",
                        obj=digest,
                        hint="Try again; if it stays, look into the registry's log",
                    )
                raise self.transport.unavailable(what, error) from error
            self.transport.sleep(back_off(failures - 1, random.random()))
        if hasher.hexdigest() == digest.partition(":")[2]:
            return
        os.ftruncate(fd, 0)
        if resumed:  # what lay there before, or a splice, may be the wrong part: once more, in one piece
            self.blob_to_file(digest, size, fd, cancelled=cancelled, progress=progress)
            return
        raise _wrong_digest(what, digest, str(self.reference))

    def _blob_rest(
        self,
        digest: str,
        size: int,
        fd: int,
        have: int,
        hasher: Any,
        what: str,
        cancelled: Callable[[], bool],
        progress: Callable[[int], None] | None,
    ) -> tuple[int, Any]:
        """One GET for the bytes from *have* on; returns the new state, or raises _Cut with it."""
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        response = self.transport.request(
            "GET", f"{self._base}/blobs/{digest}", what=what, expect=(200, 206), headers=headers
        )
        try:
            content_range = response.headers.get("Content-Range") or ""
            if have and not (response.status_code == 206 and content_range.startswith(f"bytes {have}-")):
                have = 0  # the server knows no ranges: from the start
                hasher = hashlib.new(digest.partition(":")[0])
                os.ftruncate(fd, 0)
            os.lseek(fd, have, os.SEEK_SET)
            raw = response.raw
            while True:
                if cancelled():
                    raise Cancelled
                try:
                    chunk = raw.read(READ_SIZE, decode_content=False)
                except (OSError, self._urllib3_error()) as error:
                    raise _Cut(have, hasher, error) from error
                if not chunk:
                    return have, hasher
                have += len(chunk)
                if have > size:
                    raise ImageError(
                        f"cannot {what}: blob {digest} is longer than the {size} bytes that the manifest states",
                        step="size",
                        obj=digest,
                        hint="The registry or something on the way changed it; nothing was stored",
                    )
                hasher.update(chunk)
                _write_all(fd, chunk)
                if progress:
                    progress(len(chunk))
        finally:
            response.close()

    def _urllib3_error(self) -> type[Exception]:
        import urllib3

        error: type[Exception] = urllib3.exceptions.HTTPError
        return error

    # Writing.

    def has_blob(self, digest: str) -> bool:
        response = self.transport.request(
            "HEAD", f"{self._base}/blobs/{digest}", what=f"push {self.reference}", expect=(200, 404)
        )
        response.close()
        return bool(response.status_code == 200)

    def push_blob(self, digest: str, size: int, path: str) -> None:
        """Upload the file *path* as blob *digest* (POST, then one PUT of the whole)."""
        what = f"push {self.reference}"
        response = self.transport.request("POST", f"{self._base}/blobs/uploads/", what=what, expect=(202,))
        location = response.headers.get("Location")
        response.close()
        if not location:
            raise ImageError(
                f"cannot {what}: the registry {self.transport.host} gives no place to upload to",
                step="upload",
                obj=digest,
            )
        url = self._same_registry(location, what)
        url += ("&" if "?" in url else "?") + f"digest={digest}"
        with open(path, "rb") as file:

            def body() -> Any:
                file.seek(0)
                return file

            self.transport.request(
                "PUT",
                url,
                what=what,
                expect=(201, 204),
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
                make_body=body,
            ).close()

    def _same_registry(self, location: str, what: str) -> str:
        """An upload's Location as a whole URL; the transport adds credentials only for the registry itself."""
        from urllib.parse import urljoin, urlsplit

        url = urljoin(self.transport.url(f"{self._base}/blobs/uploads/"), location)
        if urlsplit(url).netloc == self.transport.host and urlsplit(url).scheme != self.transport.scheme:
            # Registries behind a proxy that ends TLS often name the inner scheme.
            url = f"{self.transport.scheme}://{url.partition('://')[2]}"
        return url

    def push_manifest(self, raw: bytes, media_type: str, wanted: str) -> None:
        self.transport.request(
            "PUT",
            f"{self._base}/manifests/{wanted}",
            what=f"push {self.reference}",
            expect=(201, 202),
            headers={"Content-Type": media_type},
            make_body=lambda: raw,
        ).close()

    def head_or_none(self, what: str) -> str:
        """As :meth:`head`, "" when the registry does not have it."""
        try:
            return self.head(what)
        except NotInRegistry:
            return ""


class _Cut(Exception):
    """A blob's stream broke off after *have* good bytes."""

    def __init__(self, have: int, hasher: Any, reason: Exception) -> None:
        super().__init__(str(reason))
        self.have = have
        self.hasher = hasher
        self.reason = reason


def digest_of(raw: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"


def guess_type(document: dict[str, Any]) -> str:
    """The media type of a manifest that does not state it (image-spec leaves the field optional)."""
    return media.OCI_INDEX if "manifests" in document else media.OCI_MANIFEST


def parse_manifest(raw: bytes, content_type: str, obj: str) -> dict[str, Any]:
    """The document of a manifest or an index, its shape checked. Raises ImageError."""
    import json

    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _garbage(obj, "what the registry sends is no manifest")
    if document.get("schemaVersion") == 1 and "fsLayers" in document:
        raise _garbage(obj, "it has Docker's old manifest of schema 1", "Push it again with a tool of this decade")
    media_type = document.get("mediaType") or content_type
    if "manifests" in document and media_type not in media.MANIFESTS:
        listed = document["manifests"]
        if isinstance(listed, list) and all(isinstance(item, dict) and "digest" in item for item in listed):
            return document
    elif "layers" in document and media_type not in media.INDEXES:
        layers, config = document["layers"], document.get("config")
        if isinstance(layers, list) and isinstance(config, dict) and all(_is_descriptor(d) for d in [config, *layers]):
            for descriptor in [config, *layers]:
                check_digest(str(descriptor["digest"]), obj)
            return document
    raise _garbage(obj, "what the registry sends is no image manifest")


def _is_descriptor(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("digest"), str)
        and isinstance(item.get("size"), int)
        and not isinstance(item["size"], bool)
        and item["size"] >= 0
        and isinstance(item.get("mediaType", ""), str)
    )


def _garbage(
    obj: str, why: str, hint: str = "Check the address; is it a registry, and is this a container image?"
) -> ImageError:
    return ImageError(f"cannot pull {obj}: {why}", step="manifest", obj=obj, hint=hint)


def _wrong_digest(what: str, digest: str, obj: str) -> ImageError:
    return ImageError(
        f"cannot {what}: the content of blob {digest} does not have that digest",
        step="digest",
        obj=obj,
        hint="The registry or something on the way changed it; nothing was stored",
    )


def _hash_existing(fd: int, hasher: Any, size: int) -> int:
    """Hash what an earlier run left in *fd*; too much of it is thrown away. Returns the bytes kept."""
    have = os.fstat(fd).st_size
    if have > size:
        os.ftruncate(fd, 0)
        return 0
    position = 0
    while position < have:
        chunk = os.pread(fd, READ_SIZE, position)
        if not chunk:
            break
        hasher.update(chunk)
        position += len(chunk)
    return position


def _write_all(fd: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(fd, view) :]


def digest_of_file(path: str, algorithm: str = "sha256") -> str:
    """The digest of a file's content. Raises OSError."""
    hasher = hashlib.new(algorithm)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            chunk = os.read(fd, 1 << 20)
            if not chunk:
                return f"{algorithm}:{hasher.hexdigest()}"
            hasher.update(chunk)
    finally:
        os.close(fd)
