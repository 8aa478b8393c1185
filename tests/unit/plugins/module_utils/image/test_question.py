# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small questions: HTTP as servers speak it and as they break it, and the same outcome as by requests."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import auth, http11, question, trust
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import (
    ImageError,
    NotInRegistry,
    RegistryUnavailable,
)
from ansible_collections.agentless.oci.plugins.module_utils.image.failures import NoAnswer, reason_of
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse
from ansible_collections.agentless.oci.plugins.module_utils.image.registry import Registry

pytest.importorskip("requests")

DIGEST = "sha256:" + "5" * 64
FOUND = f"HTTP/1.1 200 OK\r\nDocker-Content-Digest: {DIGEST}\r\nContent-Length: 300\r\n\r\n"
BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


class Server:
    """Sends the next of *answers* for each request, the last again and again, and keeps the requests' heads.

    An answer is text, or a function of the request's head that gives it; None closes the connection.
    """

    def __init__(self, context=None):
        self.answers = []
        self.heads = []
        self.connections = 0
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError), contextlib.closing(connection):
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            elif connection.recv(1, socket.MSG_PEEK) == b"\x16":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            self.connections += 1
            with contextlib.closing(connection), connection.makefile("rb") as stream:
                while self._answer(connection, stream):
                    pass

    def _answer(self, connection, stream):
        lines = []
        while True:
            line = stream.readline().decode()
            if not line.strip():
                break
            lines.append(line.rstrip("\r\n"))
        if not lines:
            return False
        length = [line for line in lines if line.startswith("Content-Length")]
        body = stream.read(int(length[0].partition(":")[2])).decode() if length else ""
        self.heads.append("\n".join([*lines, body]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = answer(self.heads[-1]) if callable(answer) else answer
        if answer is None:
            return False
        connection.sendall(answer.encode("latin-1"))
        return "close" not in answer

    @property
    def asked(self):
        return [head.partition(" HTTP")[0] for head in self.heads]


@pytest.fixture
def servers():
    made = []

    def make(*answers, context=None):
        made.append(Server(context))
        made[-1].answers = list(answers)
        return made[-1]

    yield make
    for server in made:
        server.listener.close()


@pytest.fixture(autouse=True)
def a_plain_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    monkeypatch.setattr(trust, "CERTS_D", (str(tmp_path / "certs.d"),))
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("CA_BUNDLE"):
            monkeypatch.delenv(name)


@pytest.fixture
def no_requests(monkeypatch):
    """Nothing may ask by requests."""
    from ansible_collections.agentless.oci.plugins.module_utils.image import transport

    def refuse():
        raise AssertionError("requests is wanted")

    monkeypatch.setattr(transport, "import_requests", refuse)


def client(server, **access):
    slept = []
    made = Registry(parse(f"{server.address}/a/b:1"), auth.Access(**access), sleep=slept.append, asks_only=True)
    made.slept = slept
    return made


def exchange(sent, method="GET"):
    """What Connection makes of the bytes *sent*, after which the other side closes."""
    ours, theirs = socket.socketpair()
    connection = object.__new__(http11.Connection)
    connection.host, connection.usable = "r.example", True
    connection._socket, connection._stream = ours, ours.makefile("rb")

    def send():
        with contextlib.suppress(OSError), theirs:
            theirs.sendall(sent)
            theirs.shutdown(socket.SHUT_WR)
            theirs.recv(1 << 16)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return connection.exchange(method, "/v2/", {}), connection.usable
    finally:
        connection.close()
        sender.join()


# HTTP.


@pytest.mark.parametrize(
    ("rest", "body", "usable"),
    [
        (b"Content-Length: 2\r\n\r\nhi", b"hi", True),
        (b"content-length:2\n\nhi", b"hi", True),
        (b"Content-Length: 2\r\nConnection: Keep-Alive, Close\r\n\r\nhi", b"hi", False),
        (b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\nA \r\nabcdefghij\r\n0\r\nT: x\r\n\r\n", b"hiabcdefghij", 1),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi", False),
        (b"\r\nuntil it closes", b"until it closes", False),
        (b"Content-Length: 1048577\r\n\r\n" + b"x" * 1048577, b"x" * 1048576, False),
        (b"Transfer-Encoding: chunked\r\n\r\n100001\r\n" + b"x" * 1048577, b"x" * 1048576, False),
    ],
)  # fmt: skip
def test_bodies(rest, body, usable):
    (status, _headers, content), still = exchange(b"HTTP/1.1 200 OK\r\n" + rest)
    assert (status, content, still) == (200, body, usable)


def test_no_body_where_there_is_none():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 7000\r\n\r\n"
    (status, headers, content), usable = exchange(head, method="HEAD")
    assert (status, headers.get("CONTENT-length"), content, usable) == (200, "7000", b"", True)
    (status, _headers, content), usable = exchange(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (status, content, usable) == (204, b"", True)


def test_headers():
    lines = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.0 401 \r\nA: 1\r\n  2\r\na: 3\r\nContent-Length: 0\r\n\r\n"
    (status, headers, _content), usable = exchange(lines)
    assert (status, headers.get("a"), headers.get("Link"), headers.get("b", "-")) == (401, "1 2, 3", None, "-")
    assert not usable  # HTTP/1.0


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhim\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 300 + b"\r\n",
    ],
)
def test_garbage(garbage):
    with pytest.raises(http11.BadAnswer):
        exchange(garbage)


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nA: x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
    ],
)
def test_what_breaks_off(cut):
    with pytest.raises(ConnectionResetError):
        exchange(cut)


def test_a_line_end_gets_into_no_request(servers):
    connection = http11.Connection(servers(FOUND).address, None, (5, 5))
    with pytest.raises(ValueError, match="line end"):
        connection.exchange("GET", "/x", {"Authorization": "Bearer x\r\nEvil: y"})
    connection.close()


def test_how_hosts_are_named(monkeypatch):
    monkeypatch.setattr(http11.socket, "create_connection", lambda *_arguments: socket.socketpair()[0])
    monkeypatch.setattr(http11.socket.socket, "setsockopt", lambda *_arguments: None)
    for netloc, host in (("r:80", "r"), ("r:5000", "r:5000"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("r", "r")):
        assert http11.Connection(netloc, None, (5, 5)).host == host


# Questions.


def test_one_head_over_one_connection(servers, no_requests):
    server = servers(FOUND)
    made = client(server)
    for _again in range(3):
        assert made.head() == DIGEST
    made.close()
    assert server.asked == ["HEAD /v2/a/b/manifests/1"] * 3
    assert server.connections == 1
    assert "Accept: application/vnd.oci" in server.heads[0]
    assert f"Host: {server.address}" in server.heads[0]
    assert "Authorization" not in server.heads[0]


def test_a_connection_that_was_closed_meanwhile_is_made_anew(servers, no_requests):
    server = servers(FOUND.replace("\r\n\r\n", "\r\nX-Then: close\r\n\r\n"), FOUND)
    made = client(server)
    assert made.head() == DIGEST
    [connection] = made.transport._questions._idle.values()
    assert select.select([connection._socket], [], [], 10)[0]  # its end has come
    assert made.head() == DIGEST
    assert made.slept == []
    assert server.connections == 2
    made.close()


def test_basic(servers, no_requests):
    asks = 'HTTP/1.1 401 U\r\nWWW-Authenticate: Digest realm="x"\r\nWWW-Authenticate: Basic realm="r"\r\n'
    server = servers(lambda head: FOUND if BASIC in head else f"{asks}Content-Length: 0\r\n\r\n")
    assert client(server, username="me", password="secret").head() == DIGEST
    with pytest.raises(ImageError, match="wants a login and none is given"):
        client(server).head()
    with pytest.raises(ImageError, match="refuses the credentials of 'me' from the task's options"):
        client(server, username="me", password="other").head()


@pytest.mark.parametrize("known", [{}, {"username": "me", "password": "secret"}])
def test_a_token(servers, no_requests, known):
    document = json.dumps({"token": "t0"})
    tokens = servers(f"HTTP/1.1 200 OK\r\nContent-Length: {len(document)}\r\n\r\n{document}")
    challenge = f'Bearer realm="http://{tokens.address}/token?a=b",service="s v",scope="repository:a/b:pull"'
    asks = f"HTTP/1.1 401 U\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
    server = servers(lambda head: FOUND if "Authorization: Bearer t0" in head else asks)
    assert client(server, **known).head() == DIGEST
    assert tokens.asked == ["GET /token?a=b&scope=repository%3Aa%2Fb%3Apull&service=s+v"]
    assert (BASIC in tokens.heads[0]) == bool(known)
    assert server.asked == ["HEAD /v2/a/b/manifests/1"] * 2
    assert server.connections == 1


def test_an_identity_token(servers, no_requests, tmp_path):
    document = json.dumps({"access_token": "t0"})
    tokens = servers(f"HTTP/1.1 200 OK\r\nContent-Length: {len(document)}\r\n\r\n{document}")
    asks = f'HTTP/1.1 401 U\r\nWWW-Authenticate: Bearer realm="http://{tokens.address}/t"\r\nContent-Length: 0\r\n\r\n'
    server = servers(lambda head: FOUND if "Authorization: Bearer t0" in head else asks)
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {server.address: {"identitytoken": "i&d"}}}))
    assert client(server, authfile=str(tmp_path / "auth.json")).head() == DIGEST
    assert tokens.asked == ["POST /t"]
    assert "Content-Type: application/x-www-form-urlencoded" in tokens.heads[0]
    assert "grant_type=refresh_token&refresh_token=i%26d" in tokens.heads[0]


def test_redirects_lose_the_credentials_elsewhere(servers, no_requests):
    other = servers(FOUND)
    elsewhere = f"HTTP/1.1 307 T\r\nLocation: http://{other.address}/x?y\r\nContent-Length: 0\r\n\r\n"
    asks = "HTTP/1.1 401 U\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
    server = servers(lambda head: elsewhere if BASIC in head else asks)
    assert client(server, username="me", password="secret").head() == DIGEST
    assert other.asked == ["HEAD /x?y"]
    assert "Authorization" not in other.heads[0]


def test_refusals_are_those_of_requests(servers, no_requests):
    with pytest.raises(NotInRegistry, match="answers 404: it does not have it"):
        client(servers("HTTP/1.1 404 N\r\nContent-Length: 9\r\n\r\n")).head()
    server = servers("HTTP/1.1 429 T\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", FOUND)
    made = client(server)
    assert made.head() == DIGEST
    assert 7 <= made.slept[0] < 7.5
    with pytest.raises(RegistryUnavailable, match="answers 500"):
        client(servers("HTTP/1.1 500 I\r\nContent-Length: 0\r\n\r\n")).head()


def test_what_breaks_is_tried_again(servers, no_requests):
    server = servers(None, None, FOUND)
    made = client(server)
    made.transport.scheme, made.transport._scheme_known = "http", True
    assert made.head() == DIGEST
    assert len(made.slept) == 2
    server = servers(None)
    with pytest.raises(RegistryUnavailable, match="the connection broke"):
        client(server).head()


def test_nobody_there(no_requests):
    class Nowhere:
        address = "127.0.0.1:1"

    with pytest.raises(RegistryUnavailable, match="connection refused"):
        client(Nowhere).head()
    Nowhere.address = "no-such-host.invalid"
    with pytest.raises(RegistryUnavailable, match="there is no such host"):
        client(Nowhere).head()


def test_what_is_moved_goes_by_requests(servers):
    document = json.dumps({"schemaVersion": 2, "layers": [], "config": {"digest": DIGEST, "size": 1}})
    server = servers(FOUND, f"HTTP/1.1 200 OK\r\nContent-Length: {len(document)}\r\nX: close\r\n\r\n{document}", FOUND)
    made = client(server)
    made.head()
    assert made.transport._session is None
    made.manifest("1")
    made.head()  # and so does what follows: that connection is open anyway
    assert ["python-requests" in head or "Connection: keep-alive" in head for head in server.heads] == [
        False, True, True,
    ]  # fmt: skip
    made.close()


def test_whether_this_machines_registry_speaks_tls_is_asked_without_authorities(servers, monkeypatch):
    from ansible_collections.agentless.oci.plugins.module_utils.image import transport

    def refuse(*_arguments, **_options):
        raise AssertionError("requests would load them")

    server = servers(FOUND)
    made = Registry(parse(f"{server.address}/a/b:1"), auth.Access())
    with monkeypatch.context() as patch:
        patch.setattr(transport.import_requests().Session, "request", refuse)
        assert made.head() == DIGEST
        with pytest.raises(AssertionError):  # from there on all goes over one kind of connection
            made.head()
    assert made.head() == DIGEST
    made.close()


def test_a_proxy_is_for_requests(monkeypatch):
    assert not question.proxied("r.example", {})
    assert not question.proxied("r.example", {"no_proxy": "x", "NO_PROXY": "x", "HTTPS_PROXY": ""})
    for name in ("https_proxy", "HTTP_PROXY", "all_proxy"):
        assert question.proxied("r.example:5", {name: "http://p:1"})
        assert not question.proxied("localhost:5", {name: "http://p:1"})
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    asked = question.Questions(trust.Trust(auth.Access(), ("r.example",)), (5, 5))
    assert asked.ask("HEAD", "https://r.example/v2/", {}) is None


def test_odd_addresses_and_encodings_are_for_requests(servers):
    server = servers("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx")
    asked = question.Questions(trust.Trust(auth.Access(), (server.address,)), (5, 5))
    for path in ("/a b", "/\u00e9", "/\n"):
        assert asked.ask("GET", f"http://{server.address}{path}", {}) is None
    assert server.heads == []
    assert asked.ask("GET", f"http://{server.address}/", {}) is None
    asked.close()


# TLS.


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A directory with a certificate for this machine, and one for a client: each its own authority."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    made = tmp_path_factory.mktemp("pem")
    for name, subject in (("server", "IP:127.0.0.1"), ("me", "DNS:me")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", made / f"{name}.key", "-out", made / f"{name}.crt", "-days", "30", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName={subject}"],
            check=True,
            capture_output=True,
        )  # fmt: skip
    return made


@pytest.fixture
def context(pem):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem / "server.crt", pem / "server.key")
    return made


def test_ca_path(servers, context, pem, no_requests):
    server = servers(FOUND, context=context)
    made = client(server, ca_path=str(pem / "server.crt"))
    assert made.head() == made.head() == DIGEST
    assert server.connections == 1
    assert client(server, validate_certs=False).head() == DIGEST


def test_certs_d_and_a_client_certificate(servers, context, pem, no_requests, tmp_path):
    context.load_verify_locations(pem / "me.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = servers(FOUND, context=context)
    directory = tmp_path / "certs.d" / server.address
    directory.mkdir(parents=True)
    shutil.copy(pem / "server.crt", directory / "ca.crt")
    shutil.copy(pem / "me.crt", directory / "me.cert")
    shutil.copy(pem / "me.key", directory / "me.key")
    assert client(server).head() == DIGEST


def test_a_certificate_that_is_not_trusted_is_refused_by_requests_words(servers, context):
    server = servers(FOUND, context=context)
    with pytest.raises(RegistryUnavailable) as caught:
        client(server).head()
    with pytest.raises(RegistryUnavailable) as by_requests:
        Registry(parse(f"{server.address}/a/b:1"), auth.Access()).head("look up")
    assert "its certificate cannot be verified" in str(caught.value)
    assert str(caught.value).partition(": ")[2] == str(by_requests.value).partition(": ")[2]
    assert server.heads == []


def test_authorities_of_the_environment(servers, context, pem, no_requests, monkeypatch):
    server = servers(FOUND, context=context)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem / "server.crt"))
    assert client(server).head() == DIGEST


def test_authorities_one_by_one(servers, context, pem, no_requests, monkeypatch, tmp_path):
    """A distribution's file of all authorities is not read where they also lie by their hashes."""
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    shutil.copy(pem / "server.crt", hashed / "server.pem")
    subprocess.run(["openssl", "rehash", hashed], check=True)
    bundle = tmp_path / "all.crt"
    bundle.write_text("not read")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setattr(trust, "_ONE_BY_ONE", {str(bundle): str(hashed)})
    assert client(servers(FOUND, context=context)).head() == DIGEST


def test_an_authority_that_lies_in_the_file_only(servers, context, pem, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem / "server.crt"))
    monkeypatch.setattr(trust, "_ONE_BY_ONE", {str(pem / "server.crt"): str(tmp_path)})
    assert client(servers(FOUND, context=context)).head() == DIGEST


def test_without_a_known_file_of_authorities_requests_is_to_find_it(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.crt"))
    assert trust.Trust(auth.Access(), ("r.example",)).context("r.example") is None


def test_why_it_failed_is_found_in_the_cause(servers, context):
    asked = question.Questions(trust.Trust(auth.Access(validate_certs=False), ()), (5, 5))
    with pytest.raises(NoAnswer) as caught:
        asked.ask("HEAD", f"https://{servers(FOUND).address}/v2/", {})
    assert reason_of(caught.value) in ("tls", "reset")
