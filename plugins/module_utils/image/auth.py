# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a task reaches registries: credentials, TLS, mirrors."""

from __future__ import annotations

from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .reference import Reference


class Credentials:
    """A user name and password, or an identity token (``identitytoken`` of an authfile) in the password's place.

    source  where these came from, for messages: ``task's options``, ``authfile PATH``, ``credential helper PROGRAM``
    """

    __slots__ = ("identity_token", "password", "source", "username")

    def __init__(
        self, username: str, password: str, *, identity_token: str = "", source: str = "task's options"
    ) -> None:
        self.username = username
        self.password = password
        self.identity_token = identity_token
        self.source = source

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        import base64

        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


class Access:
    """How to reach registries, as a task declares it. ``password`` never leaves this object but in a request.

    mirrors  registry (``docker.io``, or ``*`` for any) → mirrors to ask before it, see :mod:`.mirrors`
    """

    __slots__ = ("authfile", "ca_path", "mirrors", "password", "username", "validate_certs")

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        authfile: str | None = None,
        validate_certs: bool = True,
        ca_path: str | None = None,
        mirrors: Mapping[str, Any] | None = None,
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
        self.mirrors: dict[str, list[str]] = {}
        if mirrors:
            from .mirrors import checked

            self.mirrors = checked(mirrors)

    def for_mirror(self) -> Access:
        """The same for a mirror, which the task's own user name and password are not for."""
        return Access(authfile=self.authfile, validate_certs=self.validate_certs, ca_path=self.ca_path)

    def credentials(self, reference: Reference) -> Credentials | None:
        """Those for *reference*'s repository: options first, then authfiles; None means anonymous.

        Raises ImageError for an authfile or a credential helper that cannot be used.
        """
        import os

        from .authfile import default_authfiles, from_authfile

        if self.username and self.password:
            return Credentials(self.username, self.password)
        if self.authfile:
            return from_authfile(self.authfile, reference, required=True)
        for path in default_authfiles(os.environ):
            found = from_authfile(path, reference, required=False)
            if found:
                return found
        return None
