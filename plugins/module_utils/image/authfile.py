# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which other tools keep registry credentials: containers-auth.json(5) and Docker's config.json.

Both have ``auths`` (the credentials themselves) and ``credHelpers`` (registry → program that knows them); Docker's may
also have ``credsStore``, a program for all other registries. Its old file, ``~/.dockercfg``, holds what else is below
``auths``.
"""

from __future__ import annotations

import os

from .auth import Credentials
from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .reference import Reference

OLD_FORM = ".dockercfg"
DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")


def default_authfiles(environment: Mapping[str, str]) -> Iterator[str]:
    """Where other tools leave credentials, in podman's order, then Docker's."""
    if environment.get("REGISTRY_AUTH_FILE"):
        yield environment["REGISTRY_AUTH_FILE"]
        return
    home = environment.get("HOME") or "/root"
    if environment.get("XDG_RUNTIME_DIR"):
        yield os.path.join(environment["XDG_RUNTIME_DIR"], "containers", "auth.json")
    yield f"/run/containers/{os.geteuid()}/auth.json"
    yield os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers", "auth.json")
    yield os.path.join(environment.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")
    yield os.path.join(home, OLD_FORM)


def from_authfile(path: str, reference: Reference, *, required: bool) -> Credentials | None:
    """What the authfile *path* has for *reference*, None for nothing; a missing file is an error only if *required*.

    A helper named for the very registry goes first, then the file's own entries, the most specific one, then the
    helper for all registries. Raises ImageError.
    """
    document = _read(path, required=required)
    if document is None:
        return None
    helper = _helper_for(document.get("credHelpers"), reference)
    if helper:
        from .credhelper import ask

        return ask(helper, server_address(reference), path)
    auths = document.get("auths") or {}
    for key in authfile_keys(reference):
        entry = auths.get(key)
        found = _decode_entry(entry, path, key) if isinstance(entry, dict) else None
        if found:
            return found
    store = document.get("credsStore")
    if isinstance(store, str) and store:
        from .credhelper import ask

        return ask(store, server_address(reference), path)
    return None


def server_address(reference: Reference) -> str:
    """What a credential helper knows the registry of *reference* by."""
    return DOCKER_HUB_KEYS[0] if reference.host == "docker.io" else reference.host


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


def _read(path: str, *, required: bool) -> dict[str, Any] | None:
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
        raise ImageError.of(error, f"the authfile {path} cannot be read", step="auth", obj=path) from error
    except ValueError:
        document = None
    if os.path.basename(path) == OLD_FORM and isinstance(document, dict):
        document = {"auths": document}
    if not isinstance(document, dict) or not isinstance(document.get("auths") or {}, dict):
        raise ImageError(
            f"the authfile {path} is not valid JSON with a dictionary 'auths'", step="auth", obj=path, hint="Repair it"
        )
    return document


def _helper_for(helpers: Any, reference: Reference) -> str:
    """The program that ``credHelpers`` names for *reference*'s registry, "" for none."""
    if not isinstance(helpers, dict):
        return ""
    keys = [reference.host, *(DOCKER_HUB_KEYS if reference.host == "docker.io" else ())]
    return next((helpers[key] for key in keys if isinstance(helpers.get(key), str)), "")


def _decode_entry(entry: dict[str, Any], path: str, key: str) -> Credentials | None:
    import base64
    import binascii

    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials("", "", identity_token=token, source=f"authfile {path}")
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
    return Credentials(username, password.rstrip("\0"), source=f"authfile {path}")
