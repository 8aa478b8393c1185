# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs and manifests into a registry (distribution-spec 1.1, "Push").

A blob that another repository of the registry has is mounted; else it goes up in one piece, and in chunks when the
registry, or a proxy before it, does not take it whole or the connection breaks.
"""

from __future__ import annotations

import os

from .address import leading_to
from .errors import ImageError, RegistryUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .transport import Transport

CHUNK = 8 << 20  # bytes; a registry may ask for more by OCI-Chunk-Min-Length
MAX_CHUNK = 128 << 20  # as many are in memory
# Answers to a whole blob after which chunks may still do: no such method, too large, wrong type, not implemented.
NOT_WHOLE = (404, 405, 411, 413, 415, 501)


class Upload:
    """Puts content into the repository of *transport*, for the image called *name*."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._chunk = CHUNK
        self.transport = transport
        self.what = f"push {name}"
        self._base = f"/v2/{transport.reference.path}"

    def has_blob(self, digest: str) -> bool:
        path = f"{self._base}/blobs/{digest}"
        with self.transport.request("HEAD", path, what=self.what, expect=(200, 404)) as response:
            return bool(response.status_code == 200)

    def manifest(self, raw: bytes, media_type: str, wanted: str) -> None:
        """Put a manifest under the tag or digest *wanted*; what it names has to be there before."""
        self.transport.request(
            "PUT",
            f"{self._base}/manifests/{wanted}",
            what=self.what,
            expect=(201, 202),
            headers={"Content-Type": media_type},
            make_body=lambda: raw,
        ).close()

    def blob(self, digest: str, size: int, path: str, repositories: Iterable[str] = ()) -> str:
        """Bring blob *digest*, *size* bytes in the file *path*; other *repositories* of the registry may have it.

        Returns how: "mounted", "whole" or "chunks". Raises ImageError, RegistryUnavailable, OSError.
        """
        location = ""
        for repository in repositories:
            location = self._mount(digest, repository)
            if not location:
                return "mounted"
        location = location or self._begin()
        with open(path, "rb") as file:
            if self._whole(digest, size, file, location):
                return "whole"
            self._in_chunks(digest, size, file.fileno())
        return "chunks"

    def _mount(self, digest: str, repository: str) -> str:
        """Mount the blob from *repository*: "" when that is done, else where to upload it to."""
        from urllib.parse import urlencode

        query = urlencode({"mount": digest, "from": repository})
        # 401, 403, 404: that repository is not ours to read, or gone. An upload has to do.
        expect = (201, 202, 403, 404, 405)
        try:
            response = self.transport.request(
                "POST", f"{self._base}/blobs/uploads/?{query}", what=self.what, expect=expect
            )
        except RegistryUnavailable:
            raise
        except ImageError as error:
            if error.step != "auth":
                raise
            return self._begin()
        with response:
            # distribution 2.8 mounts a blob under its sha256 only, whatever digest was asked for.
            if response.status_code == 201 and (digest.startswith("sha256:") or self.has_blob(digest)):
                return ""
            if response.status_code == 202 and response.headers.get("Location"):
                return self._location(response)
        return self._begin()

    def _begin(self) -> str:
        """A new upload session; where to send to."""
        path = f"{self._base}/blobs/uploads/"
        with self.transport.request("POST", path, what=self.what, expect=(202,)) as response:
            self._chunk = CHUNK
            least = response.headers.get("OCI-Chunk-Min-Length") or ""
            if least.isdecimal():
                self._chunk = min(max(CHUNK, int(least)), MAX_CHUNK)
            return self._location(response)

    def _location(self, response: Any) -> str:
        """A response's Location as a whole URL; the transport adds credentials only for the registry itself."""
        from urllib.parse import urlsplit

        location = str(response.headers.get("Location") or "")
        if not location:
            raise ImageError(
                f"cannot {self.what}: the registry {self.transport.host} gives no place to upload to", step="upload"
            )
        base = self.transport.url(f"{self._base}/blobs/uploads/")
        url = leading_to(location, base, self.transport.host, str(self.transport.reference))
        if urlsplit(url).netloc == self.transport.host and urlsplit(url).scheme != self.transport.scheme:
            # Registries behind a proxy that ends TLS often name the inner scheme.
            url = f"{self.transport.scheme}://{url.partition('://')[2]}"
        return url

    def _whole(self, digest: str, size: int, file: Any, location: str) -> bool:
        """One PUT of everything; False when it has to be tried in chunks."""

        def body() -> Any:
            file.seek(0)
            return file if size else b""  # requests would send an empty file in chunks, which not every server takes

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            response = self.transport.request(
                "PUT",
                _with_digest(location, digest),
                what=self.what,
                expect=(201, 204, *NOT_WHOLE),
                headers=headers,
                make_body=body,
                attempts=1,
            )
        except RegistryUnavailable as error:
            if error.step != "connect":
                raise
            return False  # the connection broke; chunks lose less of what has gone up
        with response:
            return response.status_code in (201, 204)

    def _in_chunks(self, digest: str, size: int, fd: int) -> None:
        """PATCH by PATCH, each resumed where it broke off, then the PUT that ends the session."""
        location = self._begin()
        done = failures = restarts = 0
        while done < size:
            chunk = os.pread(fd, self._chunk, done)
            before = done
            cut: RegistryUnavailable | None = None
            try:
                location, done = self._patch(location, chunk, done)
            except RegistryUnavailable as error:
                if error.step != "connect":
                    raise
                cut = error
                location, done = self._status(location)
            if not location:  # some end a session whose client they have lost: all of it again, in a new one
                restarts += 1
                location = self._begin()
            failures = 0 if done > before else failures + 1
            if max(failures, restarts) >= self.transport.attempts:
                raise cut or self._stuck(digest, f"takes no chunk of blob {digest} from byte {done} on")
            if done > size:
                raise self._stuck(digest, f"says that it has more of blob {digest} than there is")
        self.transport.request(
            "PUT",
            _with_digest(location, digest),
            what=self.what,
            expect=(201, 204),
            headers={"Content-Length": "0"},
        ).close()

    def _stuck(self, digest: str, why: str) -> ImageError:
        return ImageError(
            f"cannot {self.what}: the registry {self.transport.host} {why}",
            step="upload",
            obj=digest,
            hint="Look into the registry's log",
        )

    def _patch(self, location: str, chunk: bytes, start: int) -> tuple[str, int]:
        """Send *chunk*, which begins at *start*; where the next goes, and where it begins."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{start}-{start + len(chunk) - 1}",
            "Content-Length": str(len(chunk)),
        }
        response = self.transport.request(
            "PATCH",
            location,
            what=self.what,
            expect=(201, 202, 204, 416),
            headers=headers,
            make_body=lambda: chunk,
            attempts=1,
        )
        with response:
            if response.status_code == 416:  # it has more or less than we think
                return self._status(location)
            return self._location(response), start + len(chunk)

    def _status(self, location: str) -> tuple[str, int]:
        """Where an upload session stands: where to send to, "" when it is gone, and the first byte that is missing."""
        with self.transport.request("GET", location, what=self.what, expect=(202, 204, 404)) as response:
            if response.status_code == 404:
                return "", 0
            last = (response.headers.get("Range") or "").rpartition("-")[2]
            # "0-0" is said for nothing at all and for one byte; that one is sent again.
            return self._location(response), int(last) + 1 if last.isdecimal() and int(last) else 0


def _with_digest(location: str, digest: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"
