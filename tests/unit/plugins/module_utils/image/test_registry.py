# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry client against a server on loopback that refuses, cuts, delays, corrupts and lies."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import threading

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.image import auth, media, transport
from ansible_collections.agentless.oci.plugins.module_utils.image.errors import (
    ImageError,
    NotInRegistry,
    RegistryUnavailable,
)
from ansible_collections.agentless.oci.plugins.module_utils.image.fetch import Cancelled
from ansible_collections.agentless.oci.plugins.module_utils.image.reference import parse
from ansible_collections.agentless.oci.plugins.module_utils.image.registry import Registry

pytest.importorskip("requests")


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


BLOB = os.urandom(700_000)
CONFIG = {"mediaType": media.OCI_CONFIG, "digest": digest_of(b"{}"), "size": 2}
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": CONFIG, "layers": []}).encode()


class Server(http.server.ThreadingHTTPServer):
    """Answers by the function ``answer(handler)``; keeps (method, path, headers) of every request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.answer = lambda handler: handler.reply(404)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"

    def paths(self, method="GET"):
        return [path for verb, path, _headers in self.seen if verb == method and path != "/v2/"]

    def handle_error(self, request, client_address):
        pass  # TLS handshakes on a plain socket, and connections cut on purpose


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        self.server.answer(self)

    do_HEAD = do_PUT = do_POST = do_GET

    def reply(self, status, body=b"", *, cut=None, **headers):
        """Answer; with *cut* close the connection after that many bytes of *body*."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    running = Server()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def other_server():
    running = Server()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def no_credentials_of_the_tester(monkeypatch, tmp_path):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Client(Registry):
    def __init__(self, server, name="a/b:1", **access):
        self.slept = []
        super().__init__(parse(f"{server.address}/{name}"), auth.Access(**access), sleep=self.slept.append)


def fails(client, error=ImageError):
    """The message of the failed pull of the client's manifest."""
    with pytest.raises(error) as caught:
        client.manifest("1")
    assert str(client.reference) in str(caught.value)
    assert caught.value.hint
    return str(caught.value)


def sequence(server, *answers):
    """Give *answers* one after the other (the last again and again), after /v2/."""
    left = list(answers)

    def answer(handler):
        if handler.path == "/v2/":
            handler.reply(200)
        else:
            (left.pop(0) if len(left) > 1 else left[0])(handler)

    server.answer = answer


def manifest(handler):
    handler.reply(200, MANIFEST, Content_Type=media.OCI_MANIFEST, Docker_Content_Digest=digest_of(MANIFEST))


def status(code, body=b"", **headers):
    return lambda handler: handler.reply(code, body, **headers)


def test_a_manifest_and_its_digest(server):
    sequence(server, manifest)
    client = Client(server)
    assert client.manifest("1").digest == digest_of(MANIFEST)
    assert client.head() == digest_of(MANIFEST)
    assert server.paths() == ["/v2/a/b/manifests/1"]
    assert server.paths("HEAD") == ["/v2/a/b/manifests/1"]


def test_404(server):
    errors = json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest\x1b[31m unknown"}]}).encode()
    sequence(server, status(404, errors))
    said = fails(Client(server), NotInRegistry)
    assert "answers 404: manifest[31m unknown" in said
    assert Client(server).head_or_none("push") == ""


def test_500_is_tried_again_and_then_told(server):
    sequence(server, status(500))
    client = Client(server)
    assert "answers 500" in fails(client, RegistryUnavailable)
    assert len(server.paths()) == 3
    sequence(server, status(503), manifest)
    assert client.manifest("1").digest == digest_of(MANIFEST)


def test_429_honours_retry_after(server):
    sequence(server, status(429, Retry_After="7"), manifest)
    client = Client(server)
    client.manifest("1")
    [seconds] = client.slept
    assert 7 <= seconds < 7.5
    sequence(server, status(429, Retry_After="3600"))
    client = Client(server)
    assert "try again after 3600 s" in fails(client, RegistryUnavailable)
    assert client.slept == []
    sequence(server, status(429))
    client = Client(server)
    fails(client, RegistryUnavailable)
    assert len(client.slept) == transport.ATTEMPTS - 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>Welcome!</html>", "is no manifest"),
        (b"[]", "is no manifest"),
        (b"\xff\xfe", "is no manifest"),
        (b'{"schemaVersion": 2}', "is no image manifest"),
        (b'{"schemaVersion": 2, "config": {}, "layers": []}', "is no image manifest"),
        (b'{"schemaVersion": 2, "config": {"digest": "sha256:x", "size": 1}, "layers": []}', "'sha256:x' is no digest"),
        (b'{"schemaVersion": 1, "fsLayers": []}', "schema 1"),
    ],
)
def test_garbage(server, body, said):
    sequence(server, status(200, body))
    assert said in fails(Client(server))


def test_a_manifest_that_is_not_what_its_digest_says(server):
    sequence(server, status(200, MANIFEST, Docker_Content_Digest="sha256:" + "0" * 64))
    assert "not sha256:000" in fails(Client(server))


def test_a_manifest_by_its_sha512(server):
    digest = f"sha512:{hashlib.sha512(MANIFEST).hexdigest()}"
    sequence(server, lambda handler: handler.reply(200, MANIFEST, Content_Type=media.OCI_MANIFEST))
    client = Client(server, f"a/b@{digest}")
    assert client.manifest(digest).digest == digest
    sequence(server, status(200, MANIFEST + b" "))
    with pytest.raises(ImageError, match="not sha512:"):
        Client(server, f"a/b@{digest}").manifest(digest)


def test_a_manifest_that_breaks_off_is_asked_for_again(server):
    def cut(handler):
        handler.reply(200, MANIFEST, cut=20, Content_Type=media.OCI_MANIFEST)

    sequence(server, cut, cut, manifest)
    client = Client(server)
    assert client.manifest("1").digest == digest_of(MANIFEST)
    assert len(client.slept) == 2
    sequence(server, cut)
    fails(Client(server), RegistryUnavailable)


def test_an_error_that_breaks_off_is_told_all_the_same(server):
    sequence(server, lambda handler: handler.reply(404, b'{"errors": [{"message": "long"}]}', cut=5))
    assert "answers 404" in fails(Client(server), NotInRegistry)


def test_manifest_and_index_at_once(server):
    both = {"schemaVersion": 2, "manifests": [], "config": CONFIG, "layers": []}
    sequence(server, status(200, json.dumps(both).encode()))
    assert "manifest and index at once" in fails(Client(server))


def test_an_endless_manifest(server):
    sequence(server, status(200, b"x" * (5 << 20)))
    with pytest.raises(ImageError, match="more than 4 MiB"):
        Client(server).manifest("1")


def test_nobody_there():
    class Nowhere:
        address = "127.0.0.1:1"

    client = Client(Nowhere)
    assert "connection refused" in fails(client, RegistryUnavailable)
    assert client.slept == []


def test_an_unknown_host():
    class Nowhere:
        address = "no-such-host.invalid"

    client = Client(Nowhere)
    assert "there is no such host" in fails(client, RegistryUnavailable)
    assert client.slept == []


def test_plain_http_is_for_loopback_only(server):
    sequence(server, manifest)

    class Named:
        address = f"localhost.localdomain.invalid:{server.server_port}"

    assert not Client(Named).transport.plain_allowed
    assert Client(Named, validate_certs=False).transport.plain_allowed
    for host in ("localhost", "localhost:5", "127.9.9.9:5", "[::1]:5"):
        assert transport.is_loopback(host)
    for host in ("127.evil.example", "localhost.evil.example", "example.com:5", "10.0.0.1"):
        assert not transport.is_loopback(host)


# Logging in.

BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


def guarded(server, challenge, accepted):
    def answer(handler):
        if handler.headers.get("Authorization") == accepted:
            manifest(handler)
        else:
            handler.reply(401, WWW_Authenticate=challenge)

    server.answer = answer


def test_basic(server):
    guarded(server, 'Basic realm="r"', BASIC)
    assert Client(server, username="me", password="secret").manifest("1").digest == digest_of(MANIFEST)
    assert "wants a login and none is given" in fails(Client(server))
    said = fails(Client(server, username="me", password="wrong-secret"))
    assert "refuses the credentials of 'me' from the task's options" in said
    assert "wrong-secret" not in said


def test_bearer_with_scope_and_renewal(server, other_server):
    tokens = iter(["one", "two"])
    current = []

    def give_token(handler):
        current[:] = [next(tokens)]
        handler.reply(200, json.dumps({"token": current[0]}).encode())

    other_server.answer = give_token
    challenge = f'Bearer realm="http://{other_server.address}/token",service="svc",scope="repository:a/b:pull"'

    def answer(handler):
        if current and handler.headers.get("Authorization") == f"Bearer {current[0]}":
            manifest(handler)
        else:
            handler.reply(401, WWW_Authenticate=challenge)

    server.answer = answer
    client = Client(server, username="me", password="secret")
    client.manifest("1")
    client.manifest("1")
    assert len(other_server.seen) == 1
    current[:] = ["expired"]
    client.manifest("1")
    assert [path for _method, path, _headers in other_server.seen] == [
        "/token?scope=repository%3Aa%2Fb%3Apull&service=svc"
    ] * 2
    assert all(headers["Authorization"] == BASIC for _method, _path, headers in other_server.seen)


def test_a_token_server_that_refuses_or_babbles(server, other_server):
    guarded(server, f'Bearer realm="http://{other_server.address}/token"', "never")
    other_server.answer = status(401)
    assert "refuses the credentials of 'me'" in fails(Client(server, username="me", password="secret"))
    other_server.answer = status(200, b"<html>")
    assert "gave no token" in fails(Client(server))
    guarded(server, 'Bearer realm="ftp://x/"', "never")
    with pytest.raises(ImageError, match="names no usable token server"):
        Client(server).manifest("1")


def test_redirects_lose_the_credentials_elsewhere(server, other_server):
    def answer(handler):
        if handler.headers.get("Authorization") != BASIC:
            handler.reply(401, WWW_Authenticate="Basic")
        elif handler.path.endswith("/1"):
            handler.reply(307, Location="/v2/a/b/manifests/here")
        else:
            handler.reply(307, Location=f"http://{other_server.address}/elsewhere")

    server.answer = answer
    other_server.answer = manifest
    Client(server, username="me", password="secret").manifest("1")
    [(_method, path, headers)] = other_server.seen
    assert path == "/elsewhere"
    assert "Authorization" not in headers


def test_a_redirect_that_looks_like_this_machine(server):
    """``localhost:80@evil.example`` is a login for evil.example; plain HTTP is for this machine only."""
    sequence(server, status(307, Location="http://localhost:80@evil.example/x"))
    client = Client(server)
    client.transport.plain_allowed = False
    with pytest.raises(ImageError, match=r"sends us on to http://evil\.example, which is not encrypted"):
        client.transport.foreign(f"http://{server.address}/x", what="pull", expect=(200,), headers={})
    assert not transport.is_loopback("localhost:80@evil.example")


def test_the_scheme_is_found_without_a_request_of_its_own(server):
    sequence(server, manifest)
    Client(server).head()
    assert [(verb, path) for verb, path, _headers in server.seen] == [("HEAD", "/v2/a/b/manifests/1")]


def test_netrc_is_not_sent(server, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login x password y\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    sequence(server, manifest)
    Client(server).manifest("1")
    assert all("Authorization" not in headers for _method, _path, headers in server.seen)


def test_redirects_in_a_circle(server):
    sequence(server, status(302, Location="/v2/a/b/manifests/1"))
    with pytest.raises(ImageError, match="redirects more than 5 times"):
        Client(server).manifest("1")


NO_ADDRESSES = ["http://[bad/", "http://127.0.0.1:99999/x", "http://127.0.0.1:0/", "https://", "http://a:b/"]


@pytest.mark.parametrize("location", NO_ADDRESSES)
def test_redirects_to_what_is_no_address(server, location):
    sequence(server, status(302, Location=location))
    with pytest.raises(ImageError) as caught:
        Client(server).manifest("1")
    assert f"sends us on to '{location}', which is no address" in str(caught.value)


@pytest.mark.parametrize("host", ["a..b", "." * 300, "x" * 70 + ".invalid", "\u00e4" * 80 + ".invalid"])
def test_hosts_that_cannot_be(server, host):
    """Some are an error of requests, some of urllib3, some of Python's own."""
    location = f"https://{host}/x".encode().decode("latin-1")
    sequence(server, status(302, Location=location))
    with pytest.raises(ImageError):
        Client(server).manifest("1")


def test_the_body_of_a_redirect_is_not_waited_for(server):
    ended = threading.Event()

    def endless(handler):
        handler.send_response(307)
        handler.send_header("Location", "/v2/a/b/manifests/other")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            for _mebibyte in range(200):
                handler.wfile.write(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        except OSError:
            ended.set()
        handler.close_connection = True

    sequence(server, endless, manifest)
    assert Client(server).manifest("1").digest == digest_of(MANIFEST)
    assert ended.wait(20)


def test_the_connection_of_a_redirect_is_used_again(server):
    connections = set()

    def answer(handler):
        connections.add(handler.client_address)
        manifest(handler) if handler.path.endswith("other") else handler.reply(307, b"moved", Location="other")

    server.answer = answer
    client = Client(server)
    client.transport.scheme, client.transport._scheme_known = "http", True
    assert client.manifest("1").digest == digest_of(MANIFEST)
    assert len(connections) == 1


# Blobs.


def fetch(client, blob=BLOB, size=None, already=b"", cancelled=lambda: False):
    fd = os.open("/tmp", os.O_RDWR | os.O_TMPFILE)
    try:
        os.write(fd, already)
        client.blob_to_file(digest_of(blob), len(blob) if size is None else size, fd, cancelled=cancelled)
        return os.pread(fd, len(blob) + 1, 0)
    finally:
        os.close(fd)


def ranged(handler, blob=BLOB, cut=None):
    start = handler.headers.get("Range")
    if start:
        first = int(start[len("bytes=") : -1])
        handler.reply(206, blob[first:], cut=cut, Content_Range=f"bytes {first}-{len(blob) - 1}/{len(blob)}")
    else:
        handler.reply(200, blob, cut=cut)


def test_a_blob(server):
    sequence(server, ranged)
    assert fetch(Client(server)) == BLOB
    assert fetch(Client(server), b"") == b""  # which is not even asked for


def test_a_cut_blob_is_resumed(server):
    sequence(server, *[lambda handler: ranged(handler, cut=200_000)] * 3, ranged)
    client = Client(server)
    assert fetch(client) == BLOB
    ranges = [headers.get("Range") for _method, path, headers in server.seen if path != "/v2/"]
    assert ranges[0] is None
    assert len(ranges) == 4
    assert all(earlier is None or int(earlier[6:-1]) < int(later[6:-1]) for earlier, later in zip(ranges, ranges[1:]))


def test_a_server_without_ranges_starts_over(server):
    sequence(server, status(200, BLOB), lambda handler: handler.reply(200, BLOB))
    assert fetch(Client(server), already=BLOB[:1000]) == BLOB


def test_what_an_earlier_run_left_is_used(server):
    sequence(server, ranged)
    assert fetch(Client(server), already=BLOB[:-10]) == BLOB
    assert server.seen[-1][2]["Range"] == f"bytes={len(BLOB) - 10}-"
    requests = len(server.paths())
    assert fetch(Client(server), already=BLOB) == BLOB
    assert len(server.paths()) == requests


def test_wrong_leftovers_are_thrown_away(server):
    sequence(server, ranged)
    assert fetch(Client(server), already=b"x" * 1000) == BLOB
    assert fetch(Client(server), already=b"x" * (len(BLOB) + 5)) == BLOB


def test_a_server_that_has_less_than_we_do(server):
    sequence(server, status(416), ranged)
    assert fetch(Client(server), already=BLOB[:-10]) == BLOB
    assert [headers.get("Range") for _verb, path, headers in server.seen] == [f"bytes={len(BLOB) - 10}-", None]


def test_a_blob_that_is_wrong_in_every_piece_ends(server):
    lie = bytes(len(BLOB))
    sequence(server, *[lambda handler: ranged(handler, lie, cut=400_000), lambda handler: ranged(handler, lie)] * 5)
    with pytest.raises(ImageError, match="does not have that digest"):
        fetch(Client(server))
    assert len(server.seen) <= 6


def test_a_blob_from_elsewhere(server, other_server):
    """A layer that the registry does not have, at the addresses that the manifest names; no credentials go there."""

    def answer(handler):
        if handler.headers.get("Authorization") != BASIC:
            handler.reply(401, WWW_Authenticate="Basic")
        else:
            handler.reply(404)

    server.answer = answer
    sequence(other_server, ranged)
    client = Client(server, username="me", password="secret")
    client.transport.login.answer("Basic", "", "pull")
    client.transport.plain_allowed = False
    client.transport.scheme = "http"
    urls = [
        "http://[bad/",
        "x",
        "ftp://127.0.0.1/x",
        "http://example.com/not-encrypted",
        f"http://{other_server.address}/layer",
    ]
    fd = os.open("/tmp", os.O_RDWR | os.O_TMPFILE)
    try:
        client.blob_to_file(digest_of(BLOB), len(BLOB), fd, urls=urls, cancelled=lambda: False)
        assert os.pread(fd, len(BLOB), 0) == BLOB
    finally:
        os.close(fd)
    [(_verb, path, headers)] = other_server.seen
    assert path == "/layer"
    assert "Authorization" not in headers


def test_a_blob_that_keeps_breaking(server):
    sequence(server, lambda handler: handler.reply(200, BLOB, cut=0))
    client = Client(server)
    # urllib3 below 2 does not see that something is missing.
    with pytest.raises(RegistryUnavailable, match=r"the connection broke|sends only 0 of"):
        fetch(client)
    assert len(client.slept) == transport.ATTEMPTS - 1


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_blob_that_comes_in_crumbs(server, piece):
    sequence(server, lambda handler: ranged(handler, cut=piece))
    client = Client(server)
    with pytest.raises(RegistryUnavailable, match=r"the connection broke|sends only \d+ of"):
        fetch(client)
    assert len(server.paths()) == transport.ATTEMPTS


def test_a_blob_with_the_wrong_content(server):
    sequence(server, status(200, bytes(len(BLOB))))
    with pytest.raises(ImageError, match="does not have that digest"):
        fetch(Client(server))


def test_a_blob_of_the_wrong_size(server):
    sequence(server, ranged)
    with pytest.raises(ImageError, match="is longer than the 100 bytes"):
        fetch(Client(server), size=100)
    sequence(server, lambda handler: handler.reply(206 if handler.headers.get("Range") else 200, b""))
    with pytest.raises(RegistryUnavailable, match=f"sends only 0 of the {len(BLOB)} bytes"):
        fetch(Client(server))


def test_fetching_stops_when_the_rest_has_failed(server):
    sequence(server, ranged)
    with pytest.raises(Cancelled):
        fetch(Client(server), cancelled=lambda: True)


def test_requests_missing(server, monkeypatch):
    import builtins

    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "requests":
            raise ImportError("No module named 'requests'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImageError) as caught:
        Client(server)
    assert "needs the Python library requests" in str(caught.value)
    assert "python3-requests" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("5", 5),
        ("soon", None),
        ("\u00b2", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after(value, seconds):
    assert transport.retry_after(value, 10) == seconds


def test_back_off_grows_and_spreads():
    assert transport.back_off(0, 0) == 0.1
    assert transport.back_off(3, 0.5) == 1.6
    assert transport.back_off(3, 0.9) > transport.back_off(3, 0.1)
