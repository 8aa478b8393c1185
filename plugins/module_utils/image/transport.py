# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one registry: which scheme, retries, redirects, credentials, and errors a person understands.

``requests`` does the talking and is imported here only; a host without it gets an error that says what to install.
"""

from __future__ import annotations

import time

from .auth import parse_challenges
from .errors import ImageError, NotInRegistry, RegistryUnavailable
from .failures import error_text, innermost, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .auth import Access, Credentials
    from .reference import Reference

ATTEMPTS = 5
SERVER_ERROR_ATTEMPTS = 3
BACK_OFF = 0.2  # seconds, doubled at each attempt
MAX_RETRY_AFTER = 30.0  # seconds; a registry that asks for more has to be asked again later
TIMEOUTS = (10, 60)  # seconds to connect, seconds without a byte
MAX_REDIRECTS = 5
USER_AGENT = "agentless-oci"
_REDIRECTS = (301, 302, 303, 307, 308)


def import_requests() -> Any:
    """The module ``requests``. Raises ImageError saying how to install it."""
    try:
        import requests  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        import sys

        raise ImageError(
            f"talking to a registry needs the Python library requests, which {sys.executable} does not have ({error})",
            step="requests",
            hint="Install it on this host (Debian, Ubuntu: python3-requests; Fedora, RHEL: python3-requests; or pip)",
        ) from error
    return requests


def endpoint_host(host: str) -> str:
    """Where the registry *host* of a reference is reached."""
    return "registry-1.docker.io" if host == "docker.io" else host


def is_loopback(host: str) -> bool:
    """Whether *host* (``NAME``, ``NAME:PORT``, ``[::1]:PORT``) is this machine by its name alone."""
    name = host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]
    return name in ("localhost", "::1") or (name.startswith("127.") and name.count(".") == 3)


def back_off(attempt: int, jitter: float) -> float:
    """Seconds to wait after the failed *attempt* (0 is the first); *jitter* in [0, 1) spreads many clients."""
    return float(BACK_OFF * 2**attempt * (0.5 + jitter))


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110: seconds or a date); None when absent or garbage."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError):
        return None


class Transport:
    """Requests to the registry of one reference. Threads may share it."""

    def __init__(self, reference: Reference, access: Access, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.requests = import_requests()
        self.reference = reference
        self.access = access
        self.host = endpoint_host(reference.host)
        self.sleep = sleep
        self.plain_allowed = is_loopback(self.host) or not access.validate_certs
        self.verify: bool | str = self._verify()
        self.scheme = "https"
        self._scheme_known = not self.plain_allowed
        self._authorization = ""
        self._scope = "pull"
        self.session = self.requests.Session()
        adapter = self.requests.adapters.HTTPAdapter(pool_maxsize=8)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def _verify(self) -> bool | str:
        import os

        if not self.access.validate_certs:
            import warnings

            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
            return False
        if self.access.ca_path:
            if not os.path.exists(self.access.ca_path):
                raise ImageError(
                    f"ca_path {self.access.ca_path} does not exist",
                    step="tls",
                    obj=self.access.ca_path,
                    hint="Give a file of PEM certificates, or a directory of such files",
                )
            if os.path.isdir(self.access.ca_path):
                from .trust import bundle

                return bundle(self.access.ca_path)
            return self.access.ca_path
        return True

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.host}{path}"

    def close(self) -> None:
        self.session.close()

    def want_push(self) -> None:
        """From here on ask for tokens that may push."""
        if self._scope != "pull,push":
            self._scope = "pull,push"
            self._authorization = ""

    # One request, with everything around it.

    def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        expect: tuple[int, ...] = (200,),
        headers: dict[str, str] | None = None,
        make_body: Callable[[], Any] | None = None,
    ) -> Any:
        """A ``requests.Response`` (streamed: the caller reads and closes it) whose status is one of *expect*.

        *path* starts with ``/v2/`` or is a whole URL, as a registry's Location header gives it. *what* says what is
        done, for messages: ``cannot WHAT: …``. *make_body* is called anew for each attempt. Raises ImageError,
        NotInRegistry, RegistryUnavailable.
        """
        import random

        attempt = 0
        renewed = False
        waited = 0.0
        while True:
            try:
                response = self._follow(method, path, headers or {}, make_body)
            except self.requests.exceptions.RequestException as error:
                attempt += 1
                if attempt >= ATTEMPTS or not self._worth_retrying(error):
                    raise self.unavailable(what, error) from error
                self.sleep(back_off(attempt - 1, random.random()))
                continue
            status = response.status_code
            if status in expect:
                return response
            if status == 401 and not renewed:
                renewed = True
                self._authorize(response, what)
                continue
            attempt += 1
            pause = None
            if status == 429 and attempt < ATTEMPTS:
                asked = retry_after(response.headers.get("Retry-After"), time.time())
                pause = back_off(attempt, random.random()) if asked is None else asked
                if pause + waited > MAX_RETRY_AFTER:
                    pause = None
            elif status in (500, 502, 503, 504) and attempt < SERVER_ERROR_ATTEMPTS:
                pause = back_off(attempt, random.random())
            if pause is None:
                raise self._refused(response, what)
            response.close()
            waited += pause
            self.sleep(pause)

    def _follow(self, method: str, path: str, headers: dict[str, str], make_body: Callable[[], Any] | None) -> Any:
        """Send, following redirects; credentials go to the registry itself and nowhere else."""
        from urllib.parse import urljoin, urlsplit

        if not self._scheme_known:
            self._find_scheme()
        url = path if "://" in path else self.url(path)
        for _hop in range(MAX_REDIRECTS):
            sent = {"User-Agent": USER_AGENT, **headers}
            parts = urlsplit(url)
            if parts.scheme != "https" and not (self.plain_allowed or is_loopback(parts.netloc)):
                raise ImageError(
                    f"the registry {self.host} sends us on to {parts.scheme}://{parts.netloc}, which is not encrypted",
                    step="redirect",
                    obj=str(self.reference),
                    hint="Set validate_certs to false if that is meant",
                )
            if self._authorization and (parts.scheme, parts.netloc) == (self.scheme, self.host):
                sent["Authorization"] = self._authorization
            response = self.session.request(
                method,
                url,
                headers=sent,
                data=make_body() if make_body else None,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUTS,
                verify=self.verify,
                auth=_no_netrc,
            )
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return response
            response.close()
            url = urljoin(url, location)
        raise ImageError(
            f"the registry {self.host} redirects more than {MAX_REDIRECTS} times",
            step="redirect",
            obj=str(self.reference),
        )

    def _find_scheme(self) -> None:
        """HTTPS if the registry speaks it, else plain HTTP; called only where plain HTTP is allowed."""
        exceptions = self.requests.exceptions
        try:
            self.session.get(
                f"https://{self.host}/v2/",
                headers={"User-Agent": USER_AGENT},
                timeout=TIMEOUTS,
                verify=self.verify,
                allow_redirects=False,
                auth=_no_netrc,
                stream=True,
            ).close()
        except exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error) or "doesn't match" in str(error):
                raise
            self.scheme = "http"
        except exceptions.ConnectionError as error:
            # A plain server may also hang up on the handshake; who is not there at all is not asked twice.
            if reason_of(error) not in ("reset", "other"):
                raise
            self.scheme = "http"
        self._scheme_known = True

    # Authentication.

    def _authorize(self, response: Any, what: str) -> None:
        """Answer the 401 *response*: sets the Authorization header for what follows. Raises ImageError."""
        challenges = dict(parse_challenges(response.headers.get("WWW-Authenticate", "")))
        response.close()
        credentials = self.access.credentials(self.reference)
        if "bearer" in challenges:
            self._authorization = "Bearer " + self._token(challenges["bearer"], credentials, what)
        elif "basic" in challenges:
            if credentials is None or not credentials.username:
                raise self._unauthorized(what, credentials)
            self._authorization = credentials.basic()
        else:
            raise ImageError(
                f"cannot {what}: the registry {self.host} answers 401 without saying how to log in",
                step="auth",
                obj=str(self.reference),
                hint="Check the address; is it a registry?",
            )

    def _token(self, challenge: dict[str, str], credentials: Credentials | None, what: str) -> str:
        """A bearer token from the challenge's realm (distribution-spec token authentication)."""
        from urllib.parse import urlsplit

        realm = urlsplit(challenge.get("realm", ""))
        if realm.scheme not in ("http", "https") or not realm.netloc:
            raise ImageError(
                f"cannot {what}: the registry {self.host} names no usable token server"
                f" ('{challenge.get('realm', '')}')",
                step="auth",
                obj=str(self.reference),
            )
        if realm.scheme != "https" and not (self.plain_allowed or is_loopback(realm.netloc)):
            raise ImageError(
                f"cannot {what}: the token server {realm.netloc} of {self.host} is not encrypted",
                step="auth",
                obj=str(self.reference),
                hint="Set validate_certs to false if that is meant",
            )
        scope = challenge.get("scope") or f"repository:{self.reference.path}:{self._scope}"
        query = {"scope": scope.split(" ") if " " in scope else scope}
        if challenge.get("service"):
            query["service"] = challenge["service"]
        sent = {"User-Agent": USER_AGENT}
        common = {"timeout": TIMEOUTS, "verify": self.verify, "auth": _no_netrc, "allow_redirects": False}
        try:
            if credentials is not None and credentials.identity_token:
                form = {**query, "grant_type": "refresh_token", "refresh_token": credentials.identity_token}
                answer = self.session.post(
                    realm.geturl(), data={**form, "client_id": USER_AGENT}, headers=sent, **common
                )
            else:
                if credentials is not None:
                    sent["Authorization"] = credentials.basic()
                answer = self.session.get(realm.geturl(), params=query, headers=sent, **common)
        except self.requests.exceptions.RequestException as error:
            raise self.unavailable(f"{what} (asking {realm.netloc} for a token)", error, realm.netloc) from error
        if answer.status_code in (400, 401, 403):
            raise self._unauthorized(what, credentials)
        try:
            document = answer.json() if answer.status_code == 200 else {}
            token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token:
            raise ImageError(
                f"cannot {what}: the token server {realm.netloc} of {self.host} gave no token"
                f" (status {answer.status_code})",
                step="auth",
                obj=str(self.reference),
                hint="Try again later",
            )
        return token

    # Errors.

    def _unauthorized(self, what: str, credentials: Credentials | None) -> ImageError:
        if credentials is None:
            why, hint = "it wants a login and none is given", "Set username and password, or authfile"
        else:
            who = f" of '{credentials.username}'" if credentials.username else ""
            why = f"it refuses the credentials{who} from the {_source(credentials)}"
            hint = "Check user name and password, and that they may use this repository"
        return ImageError(
            f"cannot {what}: the registry {self.host} answers 401: {why}",
            step="auth",
            obj=str(self.reference),
            hint=hint,
        )

    def _refused(self, response: Any, what: str) -> ImageError:
        status = response.status_code
        said = error_text(response) or ("it does not have it" if status == 404 else "")
        response.close()
        if status == 401:
            return self._unauthorized(what, self.access.credentials(self.reference))
        message = f"cannot {what}: the registry {self.host} answers {status}{': ' + said if said else ''}"
        kind: type[ImageError] = ImageError
        if status == 403:
            hint = "The credentials given may not do this; check them and the repository's permissions"
        elif status == 404:
            kind, hint = NotInRegistry, "Check repository, tag and digest"
        elif status == 429:
            after = response.headers.get("Retry-After")
            kind = RegistryUnavailable
            when = f"after {after} s" if after else "later"
            hint = f"Too many requests; try again {when}, or log in for a higher limit"
        elif status >= 500:
            kind, hint = RegistryUnavailable, "The fault is the registry's; look into its log, or try again later"
        else:
            hint = "Check the address; is it a registry?"
        return kind(message, step="http", obj=str(self.reference), hint=hint)

    def unavailable(self, what: str, error: Exception, host: str = "") -> ImageError:
        """The error for a request that got no answer."""
        host = host or self.host
        reason = reason_of(error)
        if reason == "certificate":
            why = "its certificate cannot be verified"
            hint = "Name its authority with ca_path, or set validate_certs to false"
        elif reason == "tls":
            why, hint = "it does not speak TLS", "Set validate_certs to false to allow plain HTTP"
        elif reason == "name":
            why, hint = "there is no such host", "Check the name and this host's DNS"
        elif reason == "refused":
            why, hint = "connection refused", "Check the port and that the registry runs"
        elif reason == "timeout":
            why, hint = "no answer in time", "Check the network, firewalls and proxies"
        else:
            why, hint = (
                f"the connection broke ({innermost(error)})",
                "Try again; if it stays, look into the registry's log",
            )
        return RegistryUnavailable(
            f"cannot {what}: the registry {host} cannot be reached: {why}",
            step="connect",
            obj=str(self.reference),
            hint=hint,
        )

    def _worth_retrying(self, error: Exception) -> bool:
        return reason_of(error) in ("reset", "timeout", "other")


def _no_netrc(request: Any) -> Any:
    """An auth hook that adds nothing: without one, requests would send what ~/.netrc has for a host."""
    return request


def _source(credentials: Credentials) -> str:
    return "task's options" if credentials.source == "options" else f"authfile {credentials.source}"
