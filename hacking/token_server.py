# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A token server for tests: JSON web tokens that a real registry verifies (distribution's "Token Authentication").

Tokens are signed by RS256 with a key of the server's own, whose certificate is in the token (``x5c``) and is what the
registry is told to trust. ``openssl`` does the signing.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse
import uuid
from typing import Any

ISSUER = "tests"
SERVICE = "registry of the tests"
LEEWAY = 60  # seconds by which the registry's own clock may be wrong, in its opinion


class TokenServer(http.server.ThreadingHTTPServer):
    """Listens on a free loopback port as soon as it is made.

    users     name → password
    rights    (user or "" for anybody, repository) → actions, such as "pull,push"
    refresh   identity token → user, for the OAuth2 form
    lifetime  seconds that the registry takes a token for
    stated    seconds that the answer states (``expires_in``), None for nothing
    seen      (method, user or "", scopes) of every request
    """

    daemon_threads = True

    def __init__(self, directory: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        os.makedirs(directory, exist_ok=True)
        self.key = os.path.join(directory, "token.key")
        self.certificate = os.path.join(directory, "token.pem")
        self.users: dict[str, str] = {}
        self.rights: dict[tuple[str, str], str] = {}
        self.refresh: dict[str, str] = {}
        self.lifetime = 300.0
        self.stated: int | None = 300
        self.seen: list[tuple[str, str, list[str]]] = []
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.certificate,
             "-days", "30", "-subj", "/CN=token server of the tests"],
            check=True,
            capture_output=True,
        )  # fmt: skip
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def realm(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def registry_options(self) -> dict[str, str]:
        """What a registry's configuration has below ``auth.token``."""
        return {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": self.certificate}

    def token(self, user: str, scopes: list[str]) -> str:
        """What *user* may do of what *scopes* (``repository:NAME:ACTIONS``) ask for."""
        access = []
        for scope in scopes:
            kind, _colon, rest = scope.partition(":")
            name, _colon, wanted = rest.rpartition(":")
            allowed = {action for who in (user, "") for action in self.rights.get((who, name), "").split(",")}
            actions = [action for action in wanted.split(",") if action in allowed]
            access.append({"type": kind, "name": name, "actions": actions})
        now = time.time()
        with open(self.certificate, encoding="ascii") as file:
            der = "".join(line.strip() for line in file if "-----" not in line)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "iat": int(now) - 120,
            "nbf": int(now) - 120,
            "exp": int(now + self.lifetime - LEEWAY),
            "jti": str(uuid.uuid4()),
            "access": access,
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), check=True, capture_output=True
        ).stdout
        return f"{signed}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TokenServer

    def log_message(self, *_arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        user = ""
        sent = self.headers.get("Authorization") or ""
        if sent.startswith("Basic "):
            user, _colon, password = base64.b64decode(sent[6:]).decode().partition(":")
            if self.server.users.get(user) != password:
                self._reply(401, {"errors": [{"code": "UNAUTHORIZED"}]})
                return
        self._grant(user, query)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = urllib.parse.parse_qs(raw.decode())
        token = form.get("refresh_token", [""])[0]
        if form.get("grant_type") != ["refresh_token"] or token not in self.server.refresh:
            self._reply(400, {"error": "invalid_grant"})
            return
        form["scope"] = form["scope"][0].split(" ")
        self._grant(self.server.refresh[token], form)

    def _grant(self, user: str, query: dict[str, list[str]]) -> None:
        scopes = query.get("scope", [])
        self.server.seen.append((self.command, user, scopes))
        if query.get("service") != [SERVICE]:
            self._reply(400, {"error": "wrong service"})
            return
        answer: dict[str, Any] = {"token": self.server.token(user, scopes)}
        if self.server.stated is not None:
            answer["expires_in"] = self.server.stated
        self._reply(200, answer)

    def _reply(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
