# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one registry: which scheme, retries, redirects, credentials, and errors a person understands.

``requests`` does the talking, but for questions of a run that may have nothing to move (question.py). It is imported
here only; a host without it gets an error that says what to install.
"""

from __future__ import annotations

import threading
import time

from .address import leading_to
from .errors import ImageError
from .failures import NoAnswer, innermost, reason_of, refused, spend, unavailable, unwrapped
from .login import Login
from .mirrors import Place
from .trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .auth import Access
    from .question import Questions
    from .reference import Reference

ATTEMPTS = 5
SERVER_ERROR_ATTEMPTS = 3
MIRROR_ATTEMPTS = 2  # another place is left to ask
BACK_OFF = 0.2  # seconds, doubled at each attempt
MAX_RETRY_AFTER = 30.0  # seconds; a registry that asks for more has to be asked again later
TIMEOUTS = (10, 60)  # seconds to connect, seconds without a byte
MAX_REDIRECTS = 5
USER_AGENT = "agentless-oci"
_REDIRECTS = (301, 302, 303, 307, 308)
_SAME_METHOD = (307, 308)  # the others turn whatever it was into a GET (RFC 9110, section 15.4)


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
    if "@" in host:  # user@host, whose user may look like anything
        return False
    name = host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]
    return name in ("localhost", "::1") or (name.startswith("127.") and name.count(".") == 3)


def back_off(attempt: int, jitter: float) -> float:
    """Seconds to wait after the failed *attempt* (0 is the first); *jitter* in [0, 1) spreads many clients."""
    return float(BACK_OFF * 2**attempt * (0.5 + jitter))


def jitter() -> float:
    """A number in [0, 1)."""
    import random

    return random.random()


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110: seconds or a date); None when absent or garbage."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError):
        return None


class Transport:
    """Requests to one place (mirrors.Place) for the repository of one reference. Threads may share it.

    host    where it is reached, ``HOST[:PORT]``
    scheme  "https", or "http" once a place that may be plain has turned out to be

    With *asks_only* nothing is expected to be moved: HEADs and what logging in takes are small questions, until there
    is something to move after all. Otherwise all go over the connections that are needed anyway; only whether this
    machine's own registry speaks TLS is found out by a question, which loads no authorities for a no.
    """

    def __init__(
        self,
        place: Place | Reference,
        access: Access,
        *,
        sleep: Callable[[float], None] = time.sleep,
        asks_only: bool = False,
    ) -> None:
        if not isinstance(place, Place):
            place = Place(place)
        self.reference = place.reference
        self.access = access.for_mirror() if place.mirror else access
        self.host = endpoint_host(self.reference.host)
        self.sleep = sleep
        self.mirror = place.mirror
        self.attempts = MIRROR_ATTEMPTS if place.mirror else ATTEMPTS
        self.plain_allowed = place.scheme == "http" or (
            not place.scheme and (is_loopback(self.host) or not access.validate_certs)
        )
        self.scheme = place.scheme or "https"
        self._scheme_known = bool(place.scheme) or not self.plain_allowed
        self.login = Login(self.reference, self.host, self.access, self._ask_token_server, self._encrypted_only)
        self._trust = Trust(self.access, (self.reference.host, self.host))
        self._closed_until: dict[str, float] = {}  # host → time.monotonic() before which it wants no request
        self._lock = threading.Lock()
        self._questions: Questions | None = None
        self._session: Any = None
        if asks_only or (is_loopback(self.host) and not self._scheme_known):
            from .question import Questions

            self._questions = Questions(self._trust, TIMEOUTS)
        if not asks_only:
            self._session = self._new_session()

    @property
    def requests(self) -> Any:
        return import_requests()

    @property
    def session(self) -> Any:
        """A ``requests.Session``, made when something is to be moved."""
        with self._lock:
            if self._session is None:
                self._session = self._new_session()
            return self._session

    def _new_session(self) -> Any:
        requests = import_requests()
        if not self.access.validate_certs:
            import warnings

            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        session = requests.Session()
        session.trust_env = False  # of the environment only proxies and authorities are heeded, no ~/.netrc
        session.get_redirect_target = lambda _response: None  # or it reads the bodies of redirects, however long
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=8)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.host}{path}"

    def close(self) -> None:
        if self._questions is not None:
            self._questions.close()
        if self._session is not None:
            self._session.close()
        self._trust.close()

    def _encrypted_only(self, host: str) -> bool:
        return not (self.plain_allowed or is_loopback(host))

    def unavailable(self, what: str, error: Exception) -> ImageError:
        """The error for a request that got no answer."""
        return unavailable(self.host, what, error, str(self.reference))

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
        attempts: int = 0,
    ) -> Any:
        """A ``requests.Response`` (streamed: the caller reads and closes it) whose status is one of *expect*.

        *path* starts with ``/v2/`` or is a whole URL, as a registry's Location header gives it. *what* says what is
        done, for messages: ``cannot WHAT: …``. *make_body* is called anew for each attempt; *attempts* is how many
        there are when the connection breaks. Raises ImageError, NotInRegistry, RegistryUnavailable.
        """
        renewed = False
        while True:
            authorization = self.login.header(what)

            def send(authorization: str = authorization) -> Any:
                return self._follow(method, path, headers or {}, make_body, authorization)

            response = self._patiently(send, self.host, what, (*expect, 401), attempts)
            if response.status_code in expect:
                return response
            challenge = response.headers.get("WWW-Authenticate", "")
            response.close()
            if renewed:
                raise self.login.refused(what)
            renewed = True
            self.login.answer(challenge, authorization, what)

    def foreign(self, url: str, *, what: str, expect: tuple[int, ...], headers: dict[str, str]) -> Any:
        """A GET of *url*, which a manifest names and which is not the registry's: without any credentials."""
        from urllib.parse import urlsplit

        host = urlsplit(leading_to(url, "", self.host, str(self.reference))).netloc.rpartition("@")[2]
        return self._patiently(lambda: self._follow("GET", url, headers, None, ""), host, what, expect)

    def _ask_token_server(self, method: str, url: str, what: str, arguments: dict[str, Any]) -> Any:
        from urllib.parse import urlsplit

        host = urlsplit(url).netloc
        return self._patiently(
            lambda: self._send(method, url, small=True, **arguments), host, what, (200, 400, 401, 403)
        )

    def _patiently(
        self, send: Callable[[], Any], host: str, what: str, expect: tuple[int, ...], attempts: int = 0
    ) -> Any:
        """*send*'s response once its status is one of *expect*; what may pass is tried again, after a pause."""
        attempt = 0
        waited = 0.0
        self._heed_pause(host)
        while True:
            attempt += 1
            pause: float | None = None
            try:
                response = send()
            except NoAnswer as error:
                if attempt >= (attempts or self.attempts) or reason_of(error) not in ("reset", "timeout", "other"):
                    raise unavailable(host, what, error, str(self.reference)) from error
                self.sleep(back_off(attempt - 1, jitter()))
                continue
            status = response.status_code
            if status in expect:
                return response
            if status in (429, 503):
                asked = retry_after(response.headers.get("Retry-After"), time.time())
                if attempt < (self.attempts if status == 429 else SERVER_ERROR_ATTEMPTS):
                    pause = back_off(attempt, jitter()) if asked is None else asked + jitter() / 4
                if self.mirror or (asked is not None and asked + waited > MAX_RETRY_AFTER):
                    pause = None
            elif status in (500, 502, 504) and attempt < min(self.attempts, SERVER_ERROR_ATTEMPTS):
                pause = back_off(attempt, jitter())
            if pause is None:
                raise refused(host, what, response, str(self.reference))
            response.close()
            waited += pause
            self._pause(host, pause, everybody=status in (429, 503))

    def _pause(self, host: str, seconds: float, *, everybody: bool) -> None:
        """Sleep; with *everybody* all threads' requests to *host* wait as long."""
        until = time.monotonic() + seconds
        if everybody:
            with self._lock:
                self._closed_until[host] = max(until, self._closed_until.get(host, 0.0))
        self.sleep(seconds)
        with self._lock:
            if self._closed_until.get(host) == until:
                del self._closed_until[host]

    def _heed_pause(self, host: str) -> None:
        with self._lock:
            seconds = self._closed_until.get(host, 0.0) - time.monotonic()
        if seconds > 0:
            self.sleep(seconds)

    def _follow(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        make_body: Callable[[], Any] | None,
        authorization: str,
    ) -> Any:
        """Send, following redirects; *authorization* goes to the registry itself and nowhere else."""
        from urllib.parse import urlsplit

        url = path
        if "://" not in path:
            if not self._scheme_known:
                return self._find_scheme(method, path, headers, make_body, authorization)
            url = self.url(path)
        for _hop in range(MAX_REDIRECTS):
            parts = urlsplit(url)
            host = parts.netloc.rpartition("@")[2]
            if parts.scheme not in ("http", "https") or (parts.scheme == "http" and self._encrypted_only(host)):
                raise ImageError(
                    f"the registry {self.host} sends us on to {parts.scheme}://{host}, which is not encrypted",
                    step="redirect",
                    obj=str(self.reference),
                    hint="Set validate_certs to false if that is meant",
                )
            sent = dict(headers)
            if authorization and (parts.scheme, host) == (self.scheme, self.host):
                sent["Authorization"] = authorization
            # What stands before an @ would be sent as a password, to whoever the sender likes.
            url = parts._replace(netloc=host).geturl()
            body = {"data": make_body()} if make_body else {}
            response = self._send(method, url, headers=sent, **body)
            if response.status_code == 401 and host != self.host:
                response.close()
                # Met with the registry's login, their challenge would get its password (CVE-2020-15157).
                raise ImageError(
                    f"{host}, where the registry {self.host} sends us, wants a login of its own",
                    step="redirect",
                    obj=str(self.reference),
                    hint="What an image consists of has to be had with the registry's login; ask who runs it",
                )
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                return response
            if method not in ("GET", "HEAD") and response.status_code not in _SAME_METHOD:
                return response
            spend(response)
            url = leading_to(location, url, self.host, str(self.reference))
        raise ImageError(
            f"the registry {self.host} redirects more than {MAX_REDIRECTS} times",
            step="redirect",
            obj=str(self.reference),
        )

    def _find_scheme(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        make_body: Callable[[], Any] | None,
        authorization: str,
    ) -> Any:
        """Send by HTTPS, and if the registry does not speak it, by plain HTTP; only where plain HTTP is allowed."""
        rest = (headers, make_body, authorization)
        response = None
        try:
            response = self._follow(method, f"https://{self.host}{path}", *rest)
        except NoAnswer as error:
            # SSLError is one too. A plain server may also hang up on the handshake; who is not there is not asked
            # twice, and who answers with an alert does speak TLS.
            if reason_of(error) not in ("tls", "reset", "other") or "alert" in innermost(error).lower():
                raise
        if response is None:  # not within the except clause: what fails now has nothing to do with TLS
            response = self._follow(method, f"http://{self.host}{path}", *rest)
            self.scheme = "http"
        self._scheme_known = True
        return response

    def _send(
        self, method: str, url: str, *, small: bool = False, headers: dict[str, str] | None = None, **arguments: Any
    ) -> Any:
        """One request, no redirect followed; *small* when its answer is. Raises NoAnswer."""
        from urllib.parse import urlsplit

        sent = {"User-Agent": USER_AGENT, **(headers or {})}
        if self._questions and (small or method == "HEAD") and (self._session is None or not self._scheme_known):
            answer = self._questions.ask(method, url, sent, **arguments)
            if answer is not None:
                return answer
        session = self.session
        host = urlsplit(url).netloc
        verify, cert = self._trust.of(host)
        requests = self.requests
        try:
            return session.request(
                method,
                url,
                headers=sent,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUTS,
                verify=verify,
                cert=cert,
                # A proxy elsewhere could not reach this machine by such a name (Go's net/http has the same rule).
                proxies={} if is_loopback(host) else requests.utils.get_environ_proxies(url),
                **arguments,
            )
        except (requests.exceptions.RequestException, *unwrapped()) as error:
            raise NoAnswer(url) from error
