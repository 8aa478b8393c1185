# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small questions to registries and token servers, without ``requests``.

A run that finds everything present asks one such question. Importing ``requests`` for it, and loading all of the host's
authorities, would take longer than all else of that run. What this cannot do is said beforehand, by no answer:
proxies and the last word on a certificate are for ``requests``.
"""

from __future__ import annotations

import os
import ssl
import threading
from urllib.parse import urlencode, urlsplit

from .failures import NoAnswer
from .http11 import BadAnswer, Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .http11 import Headers
    from .trust import Trust


class Answer:
    """A whole answer, with those attributes of a ``requests.Response`` that small ones are read by."""

    __slots__ = ("_body", "headers", "status_code")

    def __init__(self, status_code: int, headers: Headers, body: bytes) -> None:
        self.status_code = status_code
        self.headers = headers
        self._body = body

    @property
    def raw(self) -> Answer:
        return self

    def read(self, count: int, *, decode_content: bool = True) -> bytes:
        """The first *count* bytes of the body; nothing of it is encoded, see Questions.ask()."""
        del decode_content
        return self._body[:count]

    def json(self) -> Any:
        """Raises ValueError."""
        import json

        return json.loads(self._body)

    def close(self) -> None:
        pass

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


class Questions:
    """Connections to whoever is asked, kept open for the next question. Threads may share it.

    trust     what TLS needs
    timeouts  seconds to connect, seconds without a byte
    """

    def __init__(self, trust: Trust, timeouts: tuple[float, float]) -> None:
        self._trust = trust
        self._timeouts = timeouts
        self._contexts: dict[str, ssl.SSLContext | None] = {}
        self._idle: dict[tuple[str, str], Connection] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.popitem()[1].close()

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """The answer of *url*, no redirect followed; None for what only ``requests`` can ask.

        *params* are added to the URL's query, *data* is sent as a form. Raises NoAnswer when the connection fails or
        breaks, ImageError for certificates that cannot be used.
        """
        parts = urlsplit(url)
        host = parts.netloc
        if proxied(host, os.environ) or not url.isascii() or not url.isprintable() or " " in url:
            return None
        context = self._context(host) if parts.scheme == "https" else None
        if parts.scheme == "https" and context is None:
            return None
        query = "&".join(filter(None, (parts.query, urlencode(params or {}, doseq=True))))
        target = (parts.path or "/") + (f"?{query}" if query else "")
        body = None if data is None else urlencode(data).encode("ascii")
        sent = dict(headers)
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            answer = self._exchange((parts.scheme, host), context, method, target, body, sent)
        except ssl.SSLCertVerificationError:
            return None  # the authorities may be known in another form, and the error is to be one and the same
        except (OSError, BadAnswer, ValueError) as error:  # ValueError: a name that is no host's
            raise NoAnswer(url) from error
        # We ask for no encoding; whoever sends one all the same has it undone by requests.
        encoding = answer.headers.get("Content-Encoding") or "identity"
        return answer if method == "HEAD" or encoding == "identity" else None

    def _context(self, host: str) -> ssl.SSLContext | None:
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._trust.context(host)
            return self._contexts[host]

    def _exchange(
        self,
        place: tuple[str, str],
        context: ssl.SSLContext | None,
        method: str,
        target: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> Answer:
        connection = self._open_one(place) or Connection(place[1], context, self._timeouts)
        try:
            answer = Answer(*connection.exchange(method, target, headers, body))
        except BaseException:
            connection.close()
            raise
        self._keep(place, connection)
        return answer

    def _keep(self, place: tuple[str, str], connection: Connection) -> None:
        with self._lock:
            if connection.usable and place not in self._idle:
                self._idle[place] = connection
                return
        connection.close()

    def _open_one(self, place: tuple[str, str]) -> Connection | None:
        with self._lock:
            connection = self._idle.pop(place, None)
        if connection is None or connection.is_quiet():
            return connection
        connection.close()
        return None


def proxied(host: str, environment: Mapping[str, str]) -> bool:
    """Whether *environment* may want a proxy for *host*; whether it does is for ``requests`` to tell, by no_proxy."""
    from .transport import is_loopback

    return not is_loopback(host) and any(
        value and name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name, value in environment.items()
    )
