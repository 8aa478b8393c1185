# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that containers use: one file for each container, beside the names the other root of what is kept."""

from __future__ import annotations

import contextlib
import json
import os

from ..kernel.files import read_bytes, write_atomic
from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Pins:
    """Those in *directory*, by the ids of the containers."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, container_id: str) -> str:
        return os.path.join(self.directory, container_id)

    def all(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(container id, ``{"image": id, "manifest": digest, "layers": [directory below layers/]}``) of every pin.

        Raises ImageError for a damaged one: what it keeps is not known then, and nothing may be deleted.
        """
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = os.path.join(self.directory, name)
            try:
                pin = json.loads(read_bytes(path))
                yield name, {"image": pin["image"], "manifest": pin["manifest"], "layers": pin["layers"]}
            except FileNotFoundError:
                continue  # its container was removed meanwhile
            except (ValueError, KeyError, TypeError):
                raise ImageError(
                    f"{path}, which says what image container {name[:12]} uses, is damaged",
                    step="pins",
                    obj=path,
                    hint="Remove that container, or make it anew with recreate",
                ) from None

    def put(self, container_id: str, pin: dict[str, Any]) -> None:
        """Raises OSError."""
        write_atomic(self.path(container_id), json.dumps(pin).encode())

    def remove(self, container_id: str) -> None:
        """Its container is gone. The image stays until it is removed by name, or by :meth:`.store.Store.collect`."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.directory):
                # What a task killed while it wrote the pin has left goes too.
                if name == container_id or name.startswith(f".{container_id}."):
                    os.unlink(os.path.join(self.directory, name))
