# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the controller, described for the core: see container/copysource.py, class Sent."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import tarfile
import tempfile
from typing import Any

from ansible_collections.agentless.oci.plugins.module_utils.container.copyplan import DIRECTORY, FILE, LINK, kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_WHOLE = 1 << 16  # bytes: larger files go only where they are needed
_WHOLE_TOGETHER = 1 << 17  # so much of small ones goes with every task
_SHOWN_TOGETHER = 1 << 22  # and so much for a diff, which shows them
_CHUNK = 1 << 20


class Manifest:
    """The file, directory or symlink *path*, and all below it.

    follow  whether what it leads to is meant, if it is a symlink
    real    path → path of the same file as it is to be copied
    shows   whether the contents are to be shown
    Raises OSError, and ValueError for what cannot be copied.
    """

    def __init__(self, path: str, *, follow: bool, real: Callable[[str], str], shows: bool) -> None:
        self._real = real
        self._left = _SHOWN_TOGETHER if shows else _WHOLE_TOGETHER
        self._files: dict[str, str] = {}  # digest → path
        top = os.path.realpath(path) if follow else path.rstrip("/") or "/"
        self.entries: list[dict[str, Any]] = [self._entry(below, place) for below, place in _walk(top)]

    def _entry(self, below: str, path: str) -> dict[str, Any]:
        found = os.lstat(path)
        kind = kind_of(found.st_mode)
        entry: dict[str, Any] = {"path": below, "kind": kind, "mode": stat.S_IMODE(found.st_mode)}
        entry.update({"uid": found.st_uid, "gid": found.st_gid, "size": 0, "digest": "", "text": ""})
        if kind == FILE:
            entry.update(self._content(self._real(path)))
        elif kind == LINK:
            entry["text"] = os.readlink(path)
        elif kind != DIRECTORY:
            raise ValueError(f"{path} is a {kind}: only files, directories and symlinks are copied")
        return entry

    def _content(self, path: str) -> dict[str, Any]:
        digest, size, kept = hashlib.sha256(), 0, b""
        with open(path, "rb") as file:
            while True:
                chunk = file.read(_CHUNK)
                if not chunk:
                    break
                digest.update(chunk)
                size += len(chunk)
                if size <= _WHOLE:
                    kept += chunk
        found: dict[str, Any] = {"size": size, "digest": digest.hexdigest()}
        if size <= min(_WHOLE, self._left):
            self._left -= size
            found["content"] = base64.b64encode(kept).decode("ascii")
        self._files[found["digest"]] = path
        return found

    def packed(self, digests: Sequence[str]) -> tuple[str, bool]:
        """A local file with the contents that *digests* name: (its path, whether it is an archive to be deleted)."""
        if len(digests) == 1:
            return self._files[digests[0]], False
        fd, path = tempfile.mkstemp(suffix=".tar")
        try:
            with os.fdopen(fd, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
                for digest in digests:
                    archive.add(self._files[digest], arcname=digest, recursive=False)
        except BaseException:
            os.unlink(path)
            raise
        return path, True


def _walk(top: str) -> Iterator[tuple[str, str]]:
    """(path below *top*, path), *top* first and every directory before what is in it."""
    waiting = [("", top)]
    while waiting:
        below, path = waiting.pop()
        yield below, path
        if stat.S_ISDIR(os.lstat(path).st_mode):
            names = sorted(os.listdir(path), reverse=True)
            waiting += [(f"{below}/{name}" if below else name, os.path.join(path, name)) for name in names]
