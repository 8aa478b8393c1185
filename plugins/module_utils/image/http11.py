# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 (RFC 9112) for small questions: one request, one short answer, over a connection that may be used again.

The standard library's http.client would do; importing it, for the sake of its headers with all of email, takes a third
of the time that a run has which finds everything present.
"""

from __future__ import annotations

import select
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import BinaryIO

MAX_BODY = 1 << 20  # bytes of an answer; the rest of a longer one is not read
_MAX_LINE = 1 << 16  # bytes
_MAX_LINES = 200  # of a header
_PORTS = {"http": 80, "https": 443}


class BadAnswer(Exception):
    """What came is no answer of HTTP."""


class Headers:
    """The fields of a header, whatever the case of their names; the values of one name are joined."""

    __slots__ = ("_fields",)

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        known = self._fields.get(name.lower())
        self._fields[name.lower()] = value if known is None else f"{known}, {value}"

    def get(self, name: str, default: str | None = None) -> str | None:
        return self._fields.get(name.lower(), default)


class Connection:
    """A connection to *netloc* (``HOST[:PORT]``). ``usable`` is whether it is good for another request.

    timeouts  seconds to connect, seconds without a byte

    Raises OSError, ValueError for a *netloc* that is none.
    """

    def __init__(self, netloc: str, context: ssl.SSLContext | None, timeouts: tuple[float, float]) -> None:
        from urllib.parse import urlsplit

        scheme = "http" if context is None else "https"
        parts = urlsplit(f"{scheme}://{netloc}")
        port = parts.port or _PORTS[scheme]
        name = parts.hostname or ""
        self.host = netloc if port != _PORTS[scheme] else netloc.rpartition(":")[0] if parts.port else netloc
        self.usable = True
        connected = socket.create_connection((name, port), timeouts[0])
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = connected if context is None else context.wrap_socket(connected, server_hostname=name)
            self._socket.settimeout(timeouts[1])
        except BaseException:
            connected.close()
            raise
        self._stream: BinaryIO = self._socket.makefile("rb")

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def is_quiet(self) -> bool:
        """Whether nothing has come unasked, be it the end."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, Headers, bytes]:
        """Send a request; the answer's status, header and body. Raises OSError, BadAnswer, ValueError."""
        self.usable = False
        fields = {"Host": self.host, "Accept-Encoding": "identity", **headers}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line of the request has a line end in it")
        self._socket.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1") + (body or b""))
        status = 100
        while 100 <= status < 200:  # what comes before the answer proper
            version, status = self._status()
            found = self._headers()
        content, whole = (b"", True) if method == "HEAD" or status in (204, 304) else self._body(found)
        options = [option.strip().lower() for option in (found.get("Connection") or "").split(",")]
        self.usable = whole and version == "HTTP/1.1" and "close" not in options
        return status, found, content

    def _line(self) -> bytes:
        line = self._stream.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise BadAnswer("a line of it is too long")
        if not line.endswith(b"\n"):
            raise ConnectionResetError("closed before the answer was whole")
        return line.rstrip(b"\r\n")

    def _status(self) -> tuple[str, int]:
        version, _space, rest = self._line().partition(b" ")
        digits = rest[:3]
        if not version.startswith(b"HTTP/1.") or not digits.isdigit() or not (b"100" <= digits <= b"599"):
            raise BadAnswer("it does not start as one")
        return version.decode("latin-1"), int(digits)

    def _headers(self) -> Headers:
        fields: list[tuple[str, str]] = []
        for _number in range(_MAX_LINES):
            line = self._line().decode("latin-1")
            if not line:
                found = Headers()
                for name, value in fields:
                    found.add(name, value)
                return found
            if line[0] in " \t" and fields:  # the rest of the one before (section 5.2)
                name, value = fields[-1]
                fields[-1] = name, f"{value} {line.strip()}"
                continue
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadAnswer("its header has a line that is no field")
            fields.append((name, value.strip()))
        raise BadAnswer("its header has too many lines")

    def _body(self, headers: Headers) -> tuple[bytes, bool]:
        """The body as far as MAX_BODY, and whether the connection stands at its end (section 6.3)."""
        coding = (headers.get("Transfer-Encoding") or "").lower()
        length = headers.get("Content-Length")
        if coding == "chunked":
            content, whole = self._chunks()
            return content, whole and length is None
        if coding or length is None:
            return self._stream.read(MAX_BODY), False
        if not (length.isascii() and length.isdigit()):
            raise BadAnswer("its length is no number")
        return self._exactly(min(int(length), MAX_BODY)), int(length) <= MAX_BODY

    def _chunks(self) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        left = MAX_BODY
        while True:
            digits = self._line().partition(b";")[0].strip()
            try:
                size = int(digits, 16)
            except ValueError:
                raise BadAnswer("a chunk's size is no number") from None
            if size < 0:
                raise BadAnswer("a chunk's size is no number")
            if not size:
                while self._line():  # trailers
                    pass
                return b"".join(parts), True
            parts.append(self._exactly(min(size, left)))
            if size > left:
                return b"".join(parts), False
            left -= size
            if self._line():
                raise BadAnswer("a chunk is longer than its size")

    def _exactly(self, count: int) -> bytes:
        content = self._stream.read(count)
        if len(content) < count:
            raise ConnectionResetError("closed before the answer was whole")
        return content
