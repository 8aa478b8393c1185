# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to a registry: what a 401 asks for is given, once for all threads, and anew before it expires.

The token protocol is that of the distribution project (``Bearer realm=…,service=…,scope=…``), with its OAuth2 form for
identity tokens.
"""

from __future__ import annotations

import threading
import time

from .challenge import parse_challenges
from .errors import ImageError
from .failures import unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .auth import Access
    from .reference import Reference

    # (method, URL, what for, keyword arguments for requests) → response
    Ask = Callable[[str, str, str, dict[str, Any]], Any]

CLIENT_ID = "agentless-oci"
LIFETIME = 60  # seconds; what the protocol says when a token's answer does not
EARLY = 5  # seconds before its end that a token is renewed


class Login:
    """The Authorization header for one repository. Threads may share it.

    ask      sends a request to the token server; statuses 200, 400, 401 and 403 come back, all else raises
    encrypted_only  whether a token server may not be asked without TLS
    """

    def __init__(
        self, reference: Reference, host: str, access: Access, ask: Ask, encrypted_only: Callable[[str], bool]
    ):
        self.reference = reference
        self.host = host
        self.access = access
        self.ask = ask
        self.encrypted_only = encrypted_only
        self.actions = "pull"
        self._lock = threading.Lock()
        self._header = ""
        self._expires = 0.0  # time.monotonic(); 0 for never
        self._challenge: dict[str, str] = {}

    def want_push(self) -> None:
        """From here on ask for tokens that may push."""
        if self.actions == "pull":
            self.actions = "pull,push"
            self._header = ""
            self._challenge = {}

    def header(self, what: str) -> str:
        """What to send now, "" before anything was asked for; a token about to expire is renewed first."""
        with self._lock:
            if self._challenge and self._expires and time.monotonic() > self._expires - EARLY:
                self._renew(self._challenge, what)
            return self._header

    def answer(self, challenge: str, sent: str, what: str) -> None:
        """Meet the *challenge* (WWW-Authenticate) of a 401 to a request that had the header *sent*. Raises ImageError.

        When another thread has logged in anew meanwhile, that will do.
        """
        with self._lock:
            if sent != self._header:
                return
            challenges = dict(parse_challenges(challenge))
            if "bearer" in challenges:
                self._renew(challenges["bearer"], what)
            elif "basic" in challenges:
                credentials = self.access.credentials(self.reference)
                if credentials is None or not credentials.username:
                    raise unauthorized(self.host, what, credentials, str(self.reference))
                self._header = credentials.basic()
            else:
                raise ImageError(
                    f"cannot {what}: the registry {self.host} answers 401 without saying how to log in",
                    step="auth",
                    obj=str(self.reference),
                    hint="Check the address; is it a registry?",
                )

    def refused(self, what: str) -> ImageError:
        """The error for a 401 that a login did not help against."""
        return unauthorized(self.host, what, self.access.credentials(self.reference), str(self.reference))

    def _renew(self, challenge: dict[str, str], what: str) -> None:
        asked = time.monotonic()
        token, lifetime = self._token(challenge, what)
        self._header = f"Bearer {token}"
        self._challenge = challenge
        # A lifetime hardly longer than the margin would have every request ask for a token: then a 401 is to tell.
        self._expires = asked + lifetime if lifetime > 2 * EARLY else 0.0

    def _token(self, challenge: dict[str, str], what: str) -> tuple[str, float]:
        """A bearer token from the challenge's realm, and the seconds it is good for."""
        from urllib.parse import urlsplit

        try:
            realm = urlsplit(challenge.get("realm", ""))
            server = realm.netloc.rpartition("@")[2] if realm.port != 0 else ""
        except ValueError:
            realm, server = urlsplit(""), ""
        if realm.scheme not in ("http", "https") or not server:
            raise ImageError(
                f"cannot {what}: the registry {self.host} names no usable token server"
                f" ('{challenge.get('realm', '')}')",
                step="auth",
                obj=str(self.reference),
            )
        if realm.scheme != "https" and self.encrypted_only(server):
            raise ImageError(
                f"cannot {what}: the token server {server} of {self.host} is not encrypted",
                step="auth",
                obj=str(self.reference),
                hint="Set validate_certs to false if that is meant",
            )
        scope = challenge.get("scope") or f"repository:{self.reference.path}:{self.actions}"
        query = {"service": challenge["service"]} if challenge.get("service") else {}
        credentials = self.access.credentials(self.reference)
        url = realm._replace(netloc=server, fragment="").geturl()
        why = f"{what} (asking {server} for a token)"
        if credentials is not None and credentials.identity_token:
            form = {
                **query,
                "scope": scope,
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": CLIENT_ID,
            }
            response = self.ask("POST", url, why, {"data": form})
        else:
            headers = {"Authorization": credentials.basic()} if credentials is not None else {}
            arguments = {"params": {"scope": scope.split(" "), **query}, "headers": headers}
            response = self.ask("GET", url, why, arguments)
        with response:
            if response.status_code != 200:
                raise unauthorized(self.host, what, credentials, str(self.reference))
            return self._parsed(response, server, what)

    def _parsed(self, response: Any, server: str, what: str) -> tuple[str, float]:
        try:
            document = response.json()
            token = document.get("token") or document.get("access_token")
            lifetime = document.get("expires_in", LIFETIME)
        except (ValueError, AttributeError):
            token = lifetime = None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise ImageError(
                f"cannot {what}: the token server {server} of {self.host} gave no token",
                step="auth",
                obj=str(self.reference),
                hint="Try again later",
            )
        return token, float(lifetime) if isinstance(lifetime, (int, float)) and lifetime > 0 else LIFETIME
