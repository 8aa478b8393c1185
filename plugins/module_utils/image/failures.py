# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a request failed, in words that tell a person what to do about it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def error_text(response: Any) -> str:
    """What the registry itself says in an error's body (distribution-spec ``errors``), short and printable."""
    import json

    try:
        raw = response.raw.read(65536, decode_content=True)
        errors = json.loads(raw).get("errors") or []
        said = "; ".join(str(entry.get("message") or entry.get("code")) for entry in errors[:2])
    except (ValueError, AttributeError, TypeError, OSError):
        return ""
    return "".join(character for character in said if character.isprintable())[:200]


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
    last = _causes(error)[-1]
    return (getattr(last, "strerror", None) or str(last) or type(last).__name__)[:200]


def reason_of(error: BaseException) -> str:
    """``certificate tls name refused reset timeout other``: why a connection failed."""
    import socket
    import ssl

    causes = _causes(error)
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
