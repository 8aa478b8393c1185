# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a request failed, in words that tell a person what to do about it."""

from __future__ import annotations

from .errors import ImageError, NotInRegistry, RegistryUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .auth import Credentials


class NoAnswer(Exception):
    """A request to *url* that got no answer, or a part of one; its cause says why."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url


def error_text(response: Any) -> str:
    """What the registry itself says in an error's body (distribution-spec ``errors``), short and printable."""
    import json

    try:
        raw = response.raw.read(65536, decode_content=True)
        errors = json.loads(raw).get("errors") or []
        said = "; ".join(str(entry.get("message") or entry.get("code")) for entry in errors[:2])
    except (ValueError, AttributeError, TypeError, OSError):
        return ""
    except unwrapped():
        return ""
    return "".join(character for character in said if character.isprintable())[:200]


def spend(response: Any) -> None:
    """Close *response*, whose body nobody needs; a short one is read, so that its connection is good for more."""
    try:
        response.raw.read(65536, decode_content=False)
    except OSError:
        pass
    except unwrapped():
        pass
    finally:
        response.close()


def unwrapped() -> tuple[type[Exception], ...]:
    """What requests lets through of what it stands on; imported only when something was raised."""
    import urllib3

    return urllib3.exceptions.HTTPError, UnicodeError


def _causes(error: BaseException) -> list[BaseException]:
    """The error and all it wraps: requests hides the reason in args, urllib3 in ``reason``."""
    found: list[BaseException] = []
    queue: list[Any] = [error]
    while queue and len(found) < 20:
        item = queue.pop(0)
        if not isinstance(item, BaseException) or any(item is known for known in found):
            continue
        found.append(item)
        queue += [getattr(item, "reason", None), item.__cause__, item.__context__, *item.args]
    return found


def innermost(error: BaseException) -> str:
    """The words of the error that all others wrap, without the query of an address, which may hold a secret."""
    import re

    last = _causes(error)[-1]
    said = str(getattr(last, "strerror", None) or str(last) or type(last).__name__)
    return re.sub(r"(?<=//)[^/\s@]*@|\?\S*", "", said)[:200]


def reason_of(error: BaseException) -> str:
    """``proxy certificate tls name refused reset timeout other``: why a connection failed."""
    import socket
    import ssl

    causes = _causes(error)
    if any(type(cause).__name__ == "ProxyError" for cause in causes):
        return "proxy"
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "certificate"
    if any(isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError) for cause in causes):
        return "tls"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "name"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "refused"
    if any(isinstance(cause, (socket.timeout, TimeoutError)) for cause in causes):
        return "timeout"
    if any("NameResolution" in type(cause).__name__ for cause in causes):
        return "name"
    if any("Timeout" in type(cause).__name__ for cause in causes):
        return "timeout"
    if any(isinstance(cause, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)) for cause in causes):
        return "reset"
    return "other"


def unavailable(host: str, what: str, error: BaseException, obj: str) -> RegistryUnavailable:
    """The error for a request to *host* that got no answer; *what* was to be done for *obj*.

    When the registry had sent us on, the host that was asked last is the one to name.
    """
    from urllib.parse import urlsplit

    asked = error.url if isinstance(error, NoAnswer) else ""
    host = urlsplit(asked).netloc.rpartition("@")[2] or host
    reason = reason_of(error)
    if reason == "proxy":
        why = f"the proxy in between does not let us through ({innermost(error)})"
        hint = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the task's environment"
    elif reason == "certificate":
        why = "its certificate cannot be verified"
        hint = "Name its authority with ca_path, or set validate_certs to false"
    elif reason == "tls":
        said = innermost(error)
        if "alert" in said.lower():
            why = f"it refuses us ({said}), perhaps for want of a client certificate"
            hint = f"Put one into /etc/containers/certs.d/{host}, or into ca_path"
        else:
            why, hint = "it does not speak TLS", "Set validate_certs to false to allow plain HTTP"
    elif reason == "name":
        why, hint = "there is no such host", "Check the name and this host's DNS"
    elif reason == "refused":
        why, hint = "connection refused", "Check the port and that the registry runs"
    elif reason == "timeout":
        why, hint = "no answer in time", "Check the network, firewalls and proxies"
    else:
        why = f"the connection broke ({innermost(error)})"
        hint = "Try again; if it stays, look into the registry's log"
    return RegistryUnavailable(
        f"cannot {what}: the registry {host} cannot be reached: {why}", step="connect", obj=obj, hint=hint
    )


def refused(host: str, what: str, response: Any, obj: str) -> ImageError:
    """The error for an answer of *host* that is not the one hoped for, 401 apart. Closes *response*."""
    status = response.status_code
    said = error_text(response) or ("it does not have it" if status == 404 else "")
    response.close()
    message = f"cannot {what}: the registry {host} answers {status}{': ' + said if said else ''}"
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
    return kind(message, step=f"http {status}", obj=obj, hint=hint)


def unauthorized(host: str, what: str, credentials: Credentials | None, obj: str) -> ImageError:
    """The error for an answer 401 of *host*, given these *credentials*."""
    if credentials is None:
        why, hint = "it wants a login and none is given", "Set username and password, or authfile"
    else:
        who = f" of '{credentials.username}'" if credentials.username else ""
        why = f"it refuses the credentials{who} from the {credentials.source}"
        hint = "Check user name and password, and that they may use this repository"
    return ImageError(f"cannot {what}: the registry {host} answers 401: {why}", step="auth", obj=obj, hint=hint)
