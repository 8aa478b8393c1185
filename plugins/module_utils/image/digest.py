# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of content, ``ALGORITHM:HEX`` (image-spec, descriptor.md): sha256 or sha512."""

from __future__ import annotations

import hashlib
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def digest_of(raw: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"


def digest_of_file(path: str, algorithm: str = "sha256") -> str:
    """The digest of a file's content. Raises OSError."""
    hasher = hashlib.new(algorithm)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            chunk = os.read(fd, 1 << 20)
            if not chunk:
                return f"{algorithm}:{hasher.hexdigest()}"
            hasher.update(chunk)
    finally:
        os.close(fd)


def canonical(document: Any) -> bytes:
    """*document* as JSON, always the same bytes for the same content, since a digest is to be made of them."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def algorithm_of(digest: str) -> str:
    return digest.partition(":")[0]
