# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs that are made here, so that their digest is known only at their end."""

from __future__ import annotations

import hashlib

from ..kernel.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .store import Store


def store_pieces(store: Store, pieces: Iterable[bytes]) -> tuple[str, int]:
    """Store *pieces* as one blob: (digest, size). The caller holds the store's lock, shared. Raises OSError."""
    hasher = hashlib.sha256()
    size = 0
    with store.new_blob() as (fd, name):
        for piece in pieces:
            hasher.update(piece)
            size += len(piece)
            write_all(fd, piece)
        digest = f"sha256:{hasher.hexdigest()}"
        name.append(digest)
    return digest, size
