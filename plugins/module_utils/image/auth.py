# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials for a registry, and the challenges that ask for them.

Formats: containers-auth.json(5), Docker's config.json (both ``auths``); RFC 7235 challenges; the token
protocol of the distribution project (``Bearer realm=…,service=…,scope=…``).
"""

from __future__ import annotations

import os

from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .reference import Reference

DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")


class Credentials:
    """A user name and password, or an identity token (``identitytoken`` of an authfile) in the password's place."""

    __slots__ = ("identity_token", "password", "source", "username")

    def __init__(self, username: str, password: str, *, identity_token: str = "", source: str = "options") -> None:
        self.username = username
        self.password = password
        self.identity_token = identity_token
        self.source = source  # for messages: where these came from

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        import base64

        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


class Access:
    """How to reach registries, as a task declares it. ``password`` never leaves this object but in a request."""

    __slots__ = ("authfile", "ca_path", "password", "username", "validate_certs")

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        authfile: str | None = None,
        validate_certs: bool = True,
        ca_path: str | None = None,
    ) -> None:
        if bool(username) != bool(password):
            missing = "password" if username else "username"
            raise ImageError(
                f"{missing} is missing: the registry's credentials are incomplete",
                step="auth",
                hint="Give username and password together, or neither",
            )
        self.username = username
        self.password = password
        self.authfile = authfile
        self.validate_certs = validate_certs
        self.ca_path = ca_path

    def credentials(self, reference: Reference) -> Credentials | None:
        """Those for *reference*'s repository: options first, then authfiles; None means anonymous."""
        if self.username and self.password:
            return Credentials(self.username, self.password)
        if self.authfile:
            return from_authfile(self.authfile, reference, required=True)
        for path in default_authfiles(os.environ):
            found = from_authfile(path, reference, required=False)
            if found:
                return found
        return None


def default_authfiles(environment: os._Environ[str] | dict[str, str]) -> Iterator[str]:
    """Where other tools leave credentials, in podman's order, then Docker's."""
    if environment.get("REGISTRY_AUTH_FILE"):
        yield environment["REGISTRY_AUTH_FILE"]
        return
    home = environment.get("HOME") or "/root"
    run = environment.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.geteuid()}"
    yield os.path.join(run, "containers", "auth.json")
    yield f"/run/containers/{os.geteuid()}/auth.json"
    yield os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers", "auth.json")
    yield os.path.join(environment.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")


def from_authfile(path: str, reference: Reference, *, required: bool) -> Credentials | None:
    """The entry of the authfile *path* for *reference*; a missing file is an error only if *required*."""
    import json

    from ..kernel.files import read_bytes

    try:
        document = json.loads(read_bytes(path))
    except FileNotFoundError:
        if not required:
            return None
        raise ImageError(
            f"the authfile {path} does not exist",
            step="auth",
            obj=path,
            hint="Create it with `podman login --authfile`, or give username and password",
        ) from None
    except OSError as error:
        raise ImageError(
            f"the authfile {path} cannot be read: {error.strerror}", step="auth", obj=path, errno=error.errno or 0
        ) from error
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("auths", {}), dict):
        raise ImageError(
            f"the authfile {path} is not valid JSON with a dictionary 'auths'", step="auth", obj=path, hint="Repair it"
        )
    auths = document.get("auths", {})
    for key in authfile_keys(reference):
        entry = auths.get(key)
        if isinstance(entry, dict):
            return _decode_entry(entry, path, key)
    return None


def authfile_keys(reference: Reference) -> Iterator[str]:
    """Keys to look for, the most specific first: ``host/a/b``, ``host/a``, ``host``, then Docker's URLs."""
    key = reference.repository
    while True:
        yield key
        if key == reference.host:
            break
        key = key.rpartition("/")[0]
    yield f"https://{reference.host}"
    yield f"https://{reference.host}/"
    yield f"http://{reference.host}"
    yield f"https://{reference.host}/v1/"
    yield f"https://{reference.host}/v2/"
    if reference.host == "docker.io":
        yield from DOCKER_HUB_KEYS


def _decode_entry(entry: dict[str, Any], path: str, key: str) -> Credentials | None:
    import base64
    import binascii

    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials("", "", identity_token=token, source=path)
    username, password = entry.get("username"), entry.get("password")
    auth = entry.get("auth")
    if isinstance(auth, str) and auth:
        try:
            username, colon, password = base64.b64decode(auth, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise ImageError(
                f"the entry {key} of the authfile {path} is no base64 of user:password",
                step="auth",
                obj=path,
                hint="Log in again to write it anew",
            )
    if not isinstance(username, str) or not isinstance(password, str) or not username:
        return None
    return Credentials(username, password.rstrip("\0"), source=path)


def parse_challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    """A WWW-Authenticate header as [(scheme in lower case, parameters)]; several challenges may share a header."""
    challenges: list[tuple[str, dict[str, str]]] = []
    position = 0
    length = len(header)
    while position < length:
        while position < length and header[position] in " \t,":
            position += 1
        start = position
        while position < length and header[position] not in " \t,=":
            position += 1
        word = header[start:position]
        if not word:
            position += 1
            continue
        while position < length and header[position] in " \t":
            position += 1
        if position < length and header[position] == "=":
            position += 1
            value, position = _parse_value(header, position)
            if challenges:
                challenges[-1][1][word.lower()] = value
        else:
            challenges.append((word.lower(), {}))
    return challenges


def _parse_value(header: str, position: int) -> tuple[str, int]:
    while position < len(header) and header[position] in " \t":
        position += 1
    if position < len(header) and header[position] == '"':
        position += 1
        characters = []
        while position < len(header) and header[position] != '"':
            if header[position] == "\\" and position + 1 < len(header):
                position += 1
            characters.append(header[position])
            position += 1
        return "".join(characters), position + 1
    start = position
    while position < len(header) and header[position] not in " \t,":
        position += 1
    return header[start:position], position
