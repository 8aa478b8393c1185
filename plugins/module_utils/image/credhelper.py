# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that keep registry credentials: ``docker-credential-NAME``.

Protocol of docker-credential-helpers: ``get`` reads the server's address on stdin and writes a JSON object with
``Username`` and ``Secret``; the user ``<token>`` means that the secret is an identity token. A failure is told on
stdout, with an exit status other than 0.
"""

from __future__ import annotations

import re

from .auth import Credentials
from .errors import ImageError

PATIENCE = 30  # seconds; a helper that asks a person would wait for ever
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_NOTHING = ("credentials not found in native keychain", "credentials server URL missing")


def ask(name: str, server: str, authfile: str) -> Credentials | None:
    """The credentials that the helper *name* of *authfile* has for *server*; None when it has none.

    Raises ImageError when there is no such helper, when it fails, and when it does not keep to the protocol.
    """
    import json
    import subprocess

    program = f"docker-credential-{name}"
    if not _NAME.match(name):
        raise _failed(repr(program), authfile, "that is no name of a program", "Repair the authfile")
    try:
        done = subprocess.run(
            [program, "get"], input=f"{server}\n".encode(), capture_output=True, timeout=PATIENCE, check=False
        )
    except FileNotFoundError:
        raise _failed(
            program, authfile, "there is no such program", "Install it on this host, or give username and password"
        ) from None
    except subprocess.TimeoutExpired:
        raise _failed(
            program, authfile, f"it does not answer within {PATIENCE} s", "Does it wait for a person? Use another one"
        ) from None
    except OSError as error:
        raise _failed(program, authfile, error.strerror or str(error), "Repair it") from error
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()
        if said in _NOTHING:
            return None
        said = "".join(character for character in said.partition("\n")[0] if character.isprintable())[:200]
        raise _failed(program, authfile, said or f"it ends with status {done.returncode}", "Run it by hand to see more")
    try:
        answer = json.loads(done.stdout)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError):
        username = secret = None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise _failed(program, authfile, "what it writes is no JSON object with Username and Secret", "Repair it")
    if not secret:
        return None
    if username == "<token>":
        return Credentials("", "", identity_token=secret, source=f"credential helper {program}")
    return Credentials(username, secret, source=f"credential helper {program}")


def _failed(program: str, authfile: str, why: str, hint: str) -> ImageError:
    return ImageError(
        f"the credential helper {program}, which {authfile} names, gives no credentials: {why}",
        step="auth",
        obj=authfile,
        hint=hint,
    )
