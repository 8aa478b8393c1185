# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate authorities as users keep them, for a library that wants one file."""

from __future__ import annotations

from .errors import ImageError


def bundle(directory: str) -> str:
    """One PEM file of all certificates in *directory*: OpenSSL's own directories need hashed names."""
    import atexit
    import contextlib
    import os
    import tempfile

    parts = []
    for name in sorted(os.listdir(directory)):
        if name.endswith((".crt", ".pem", ".cert", ".ca", ".0")):
            with open(os.path.join(directory, name), "rb") as file:
                content = file.read()
            if b"BEGIN CERTIFICATE" in content and b"PRIVATE KEY" not in content:
                parts.append(content.rstrip() + b"\n")
    if not parts:
        raise ImageError(
            f"ca_path {directory} holds no PEM certificates (*.crt, *.pem)",
            step="tls",
            obj=directory,
            hint="Give a file of PEM certificates, or a directory of such files",
        )
    fd, path = tempfile.mkstemp(suffix=".pem", prefix="agentless-oci-")
    with os.fdopen(fd, "wb") as bundle:
        bundle.writelines(parts)

    def remove() -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    atexit.register(remove)
    return path
