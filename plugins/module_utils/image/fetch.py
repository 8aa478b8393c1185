# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One blob into a file: resumed where it broke off, from whichever place has it, verified at the end."""

from __future__ import annotations

import hashlib
import os

from ..kernel.files import write_all
from .digest import algorithm_of
from .errors import ImageError, NotInRegistry, RegistryUnavailable
from .registry import wrong_digest
from .transport import back_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .registry import Registry
    from .transport import Transport

READ_SIZE = 1 << 18
WORTHWHILE = 1 << 14  # bytes; an attempt that brings less counts as one that failed, or a trickle would go on for days


class Cancelled(Exception):
    """The work a thread was part of has failed elsewhere."""


class _Cut(Exception):
    """A blob's stream broke off."""


class Download:
    """A blob on its way into the file *fd*; ``have`` is how many good bytes are there."""

    def __init__(
        self,
        registry: Registry,
        digest: str,
        size: int,
        fd: int,
        cancelled: Callable[[], bool],
        progress: Callable[[int], None] | None,
    ) -> None:
        self.registry = registry
        self.digest = digest
        self.size = size
        self.fd = fd
        self.cancelled = cancelled
        self.progress = progress or (lambda _received: None)
        self.what = f"pull {registry.reference}"
        self.have = 0
        self.hasher = hashlib.new(algorithm_of(digest))

    def run(self, urls: Sequence[str] = ()) -> None:
        """Fetch what is missing from the first place that has it. Raises ImageError, Cancelled, OSError."""
        self._keep_what_is_there()
        if self.have == self.size and self._is_right():
            return
        sources: list[tuple[Transport, str]] = [(transport, "") for transport in self.registry.usable()]
        sources += [(self.registry.transport, url) for url in urls]
        failure: ImageError | None = None
        for transport, url in sources:
            try:
                self._from(transport, url)
                return
            except ImageError as error:
                self.registry.blame(transport, error)
                # Of all places that do not have it, the registry's own word tells the most.
                if failure is None or not isinstance(error, NotInRegistry):
                    failure = error
        raise failure if failure else ImageError(f"cannot {self.what}: there is no place to ask", step="blob")

    def _keep_what_is_there(self) -> None:
        """Hash what an earlier run left; too much of it is thrown away."""
        if os.fstat(self.fd).st_size > self.size:
            os.ftruncate(self.fd, 0)
        while True:
            chunk = os.pread(self.fd, READ_SIZE, self.have)
            if not chunk:
                break
            self.hasher.update(chunk)
            self.have += len(chunk)
        self.progress(self.have)

    def _start_over(self) -> None:
        self.progress(-self.have)
        self.have = 0
        self.hasher = hashlib.new(algorithm_of(self.digest))
        os.ftruncate(self.fd, 0)

    def _is_right(self) -> bool:
        """Whether the whole is what it should be; nothing is kept if not."""
        if self.hasher.hexdigest() == self.digest.partition(":")[2]:
            return True
        self._start_over()
        return False

    def _from(self, transport: Transport, url: str) -> None:
        """Fetch the rest from one place, and all of it once more if what was there before was wrong."""
        import random

        resumed = self.have > 0
        failures = wrong = 0
        while True:
            before = self.have
            error: Exception | None = None
            if self.have < self.size or not self.size:
                try:
                    self._rest(transport, url)
                except (transport.requests.exceptions.RequestException, _Cut) as cut:
                    error = cut
            if self.have >= self.size:
                if self._is_right():
                    return
                wrong += 1
                if wrong > 1 or not resumed:
                    raise wrong_digest(self.what, self.digest, str(self.registry.reference))
                failures = 0  # what lay there before, or a splice, may be the wrong part: once more from the start
                continue
            resumed = resumed or self.have > 0
            failures = 1 if self.have - before >= WORTHWHILE else failures + 1
            if failures >= transport.attempts:
                raise self._given_up(transport, error) from error
            transport.sleep(back_off(failures - 1, random.random()))

    def _given_up(self, transport: Transport, error: Exception | None) -> ImageError:
        if error is not None:
            return transport.unavailable(self.what, error)
        return RegistryUnavailable(
            f"cannot {self.what}: the registry {transport.host} sends only {self.have} of the {self.size} bytes of"
            f" blob {self.digest}",
            step="blob",
            obj=self.digest,
            hint="Try again; if it stays, look into the registry's log",
        )

    def _rest(self, transport: Transport, url: str) -> None:
        """One GET for the bytes from ``have`` on. Raises _Cut when it breaks off."""
        headers = {"Accept-Encoding": "identity"}
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
        expect = (200, 206, 416) if self.have else (200,)
        if url:
            response = transport.foreign(url, what=self.what, expect=expect, headers=headers)
        else:
            path = f"/v2/{transport.reference.path}/blobs/{self.digest}"
            response = transport.request("GET", path, what=self.what, expect=expect, headers=headers)
        try:
            content_range = response.headers.get("Content-Range") or ""
            if self.have and not (
                response.status_code == 206 and content_range.startswith(f"bytes {self.have}-")
            ):  # it knows no ranges, or has less than we do: from the start
                self._start_over()
                if response.status_code != 200:
                    return
            os.lseek(self.fd, self.have, os.SEEK_SET)
            self._receive(transport, response.raw)
        finally:
            response.close()

    def _receive(self, transport: Transport, raw: Any) -> None:
        import urllib3

        while True:
            if self.cancelled():
                raise Cancelled
            try:
                chunk = raw.read(READ_SIZE, decode_content=False)
            except (OSError, urllib3.exceptions.HTTPError) as error:
                raise _Cut(str(error)) from error
            if not chunk:
                return
            if self.have + len(chunk) > self.size:
                self._start_over()
                raise ImageError(
                    f"cannot {self.what}: blob {self.digest} is longer than the {self.size} bytes that the manifest"
                    " states",
                    step="size",
                    obj=self.digest,
                    hint="The registry or something on the way changed it; nothing was stored",
                )
            write_all(self.fd, chunk)
            self.hasher.update(chunk)
            self.have += len(chunk)
            self.progress(len(chunk))
