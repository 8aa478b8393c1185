# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy before a registry, for tests: counts what is asked, and cuts, delays, corrupts, refuses and lies on demand.

It stands in the registry's place (clients are given its address), ends TLS when it is given a context, and is an
ordinary HTTP proxy too (absolute URLs and CONNECT), which takes everybody to the one registry behind it.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import select
import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, Optional

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "transfer-encoding"}
CHUNK = 1 << 16


class Fault:
    """What goes wrong with one answer.

    status   answer this instead, with *headers* and *body*, and do not ask the registry
    headers  headers to add to the answer or to put in place of the registry's; None takes one away
    cut      close the connection after this many bytes of the body
    stall    send nothing more after this many bytes of the body, and leave the connection to the client
    delay    seconds before the answer begins
    rate     bytes a second; the client has read what was sent before it is sent more
    corrupt  position of a byte of the body to change
    drop     "before": close the connection instead of asking the registry; "after": it was asked, the answer is lost
    body     this body instead of the registry's, with its true length unless *headers* say otherwise
    """

    def __init__(
        self,
        *,
        status: int = 0,
        headers: dict[str, str | None] | None = None,
        cut: int | None = None,
        stall: int | None = None,
        delay: float = 0.0,
        rate: float = 0.0,
        corrupt: int | None = None,
        drop: str = "",
        body: bytes | None = None,
    ) -> None:
        self.drop = drop
        self.status = status
        self.headers = headers or {}
        self.cut = cut
        self.stall = stall
        self.delay = delay
        self.rate = rate
        self.corrupt = corrupt
        self.body = body


class Seen:
    """One request and what became of it: ``sent`` counts the body's bytes that were handed to the client."""

    def __init__(self, method: str, path: str, headers: dict[str, str], received: int) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.received = received
        self.status = 0
        self.sent = 0
        self.at = time.monotonic()

    def __repr__(self) -> str:
        return f"{self.method} {self.path} → {self.status}"


Rule = Callable[[Seen], Optional[Fault]]


class FaultyProxy(http.server.ThreadingHTTPServer):
    """Listens on a free loopback port as soon as it is made; ``rule`` decides on each request's fault.

    target   "HOST:PORT" of the registry, plain HTTP
    context  for TLS towards clients
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: str, *, context: ssl.SSLContext | None = None, name: str = "127.0.0.1") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.tls = context is not None
        self.name = name
        self.seen: list[Seen] = []
        self.rule: Rule = lambda _seen: None
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"{self.name}:{self.server_port}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that end early, and handshakes that fail, are what tests are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def asked(self, method: str, part: str = "") -> list[Seen]:
        """The requests with *method* whose path has *part* in it."""
        return [one for one in list(self.seen) if one.method == method and part in one.path]

    def bytes_of(self, digest: str) -> int:
        """How many bytes of a blob went to clients in all."""
        return sum(one.sent for one in self.asked("GET", f"/blobs/{digest}"))


def unread(port: int, peer: int) -> int:
    """How many bytes lie unread in the TCP socket on *port* of loopback that is connected to port *peer*.

    0 when there is none. The kernel's own count (proc_net_tcp.txt in its documentation).
    """
    ends = [f"0100007F:{number:04X}" for number in (port, peer)]
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file:
            fields = line.split()
            if fields[1:3] == ends:
                return int(fields[4].partition(":")[2], 16)
    return 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(60)

    def log_message(self, *_arguments: Any) -> None:
        pass

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path
        if "://" in path:  # as to a proxy
            path = "/" + path.partition("://")[2].partition("/")[2]
        seen = Seen(self.command, path, dict(self.headers), len(body))
        self.server.seen.append(seen)
        fault = self.server.rule(seen) or Fault()
        time.sleep(fault.delay)
        if fault.drop == "before":
            self._hang_up()
            return
        if fault.status:
            seen.status = fault.status
            self._answer(seen, fault, {}, [fault.body or b""], len(fault.body or b""))
            return
        upstream = http.client.HTTPConnection(self.server.target, timeout=60)
        try:
            sent = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
            if self.server.tls:
                sent["X-Forwarded-Proto"] = "https"
            upstream.request(self.command, path, body=body or None, headers=sent)
            response = upstream.getresponse()
            seen.status = response.status
            if fault.drop:
                self._hang_up()
                return
            headers = {key: value for key, value in response.getheaders() if key.lower() not in HOP_BY_HOP}
            length = int(response.getheader("Content-Length") or 0)
            parts: Any = iter(lambda: response.read(CHUNK), b"")
            if fault.body is not None:
                parts, length = [fault.body], len(fault.body)
            self._answer(seen, fault, headers, parts, length)
        finally:
            upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, seen: Seen, fault: Fault, headers: dict[str, str], parts: Any, length: int) -> None:
        merged: dict[str, str | None] = {**headers, "Content-Length": str(length), **fault.headers}
        if seen.status == 204:
            merged["Content-Length"] = None
        self.send_response_only(seen.status)
        for key, value in merged.items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if fault.cut is not None:
            self.close_connection = True
        if self.command == "HEAD":
            return
        for part in parts:
            data = part
            if fault.cut is not None:
                data = data[: max(0, fault.cut - seen.sent)]
            if fault.stall is not None:
                data = data[: max(0, fault.stall - seen.sent)]
            if fault.corrupt is not None and seen.sent <= fault.corrupt < seen.sent + len(data):
                at = fault.corrupt - seen.sent
                data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            self.wfile.write(data)
            seen.sent += len(data)
            if fault.rate:
                time.sleep(len(data) / fault.rate)
                while unread(self.client_address[1], self.server.server_port):
                    time.sleep(0.01)
            if fault.cut is not None and seen.sent >= fault.cut:
                self._hang_up()
                return
            if fault.stall is not None and seen.sent >= fault.stall:
                self.close_connection = True
                select.select([self.connection], [], [], 60)  # until the client goes
                return

    def do_CONNECT(self) -> None:
        """A tunnel to the registry, whatever name was asked for."""
        seen = Seen("CONNECT", self.path, dict(self.headers), 0)
        self.server.seen.append(seen)
        fault = self.server.rule(seen) or Fault()
        seen.status = fault.status or 200
        self.send_response_only(seen.status)
        self.end_headers()
        self.close_connection = True
        if fault.status:
            return
        host, _colon, port = self.server.target.partition(":")
        with socket.create_connection((host, int(port)), timeout=60) as upstream, contextlib.suppress(OSError):
            ends = {self.connection: upstream, upstream: self.connection}
            while True:
                for one in select.select(list(ends), [], [], 60)[0]:
                    data = one.recv(CHUNK)
                    if not data:
                        return
                    ends[one].sendall(data)
