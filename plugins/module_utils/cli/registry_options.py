# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every verb that talks to a registry."""

from __future__ import annotations

from ..image.errors import ImageError
from . import packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ..image.auth import Access


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tls-verify",
        metavar="BOOL",
        nargs="?",
        const="true",
        default="true",
        choices=("true", "false"),
        help="false: accept any certificate, and plain HTTP",
    )
    parser.add_argument(
        "--cert-dir",
        metavar="PATH",
        help="the registry's authority, and perhaps a client certificate: a directory as below certs.d, or a PEM file",
    )
    parser.add_argument("--authfile", metavar="FILE", help="registry credentials, as podman login writes them")
    parser.add_argument(
        "--creds", metavar="USER[:PASSWORD]", help="log in with these; without a password it is asked for"
    )


def access(options: argparse.Namespace, mirrors: Sequence[str] = ()) -> Access:
    """How to reach the registry by the parsed *options*, any of *mirrors* before it. Raises ImageError."""
    from ..image.auth import Access

    packages.admit()  # requests is one of them
    username, password = credentials(options.creds) if options.creds else (None, None)
    verify = options.tls_verify == "true"
    return Access(
        username=username,
        password=password,
        authfile=options.authfile,
        validate_certs=verify,
        ca_path=options.cert_dir,
        mirrors={"*": list(mirrors)} if mirrors else None,
    )


def credentials(given: str) -> tuple[str, str]:
    """User and password of ``USER[:PASSWORD]``, the password asked for where it is missing. Raises ImageError."""
    user, colon, password = given.partition(":")
    if not user:
        raise ImageError("--creds names no user", step="options", hint="Write --creds USER:PASSWORD or --creds USER")
    if colon:
        return user, password
    import getpass

    try:
        return user, getpass.getpass(f"Password of {user}: ")
    except EOFError:
        raise ImageError(
            f"there is no password for {user}", step="options", hint="Write --creds USER:PASSWORD, or use --authfile"
        ) from None
