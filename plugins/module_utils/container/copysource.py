# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a copy comes from: a root directory (container/roots.py), or what a controller has sent."""

from __future__ import annotations

import base64
import hashlib
import os
import stat

from ..kernel import entries, idmap
from .copyplan import DIRECTORY, FILE, LINK, Item, kind_of
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .roots import Root

_CHUNK = 1 << 20


class Source:
    """Entries in the order in which they are to be made, the source itself first.

    trusted  whether its set-user-id bits may be taken over
    """

    trusted = True

    def __init__(self, items: list[Item]) -> None:
        self.items = items

    def content(self, item: Item) -> Iterator[bytes]:
        """What the file *item* has in it. Raises ContainerError where it is another than before."""
        digest = hashlib.sha256()
        for chunk in self._read(item):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != item.digest:
            raise ContainerError(f"{item.path or 'the source'} has changed while it was copied", step="copy")

    def missing(self, items: Iterable[Item]) -> list[str]:
        """The digests of the files among *items* whose content is not at hand."""
        return []

    def _read(self, item: Item) -> Iterable[bytes]:
        raise NotImplementedError


class Tree(Source):
    """The file or directory *path* below *root*; *follow* tells what a symlink there stands for."""

    def __init__(self, root: Root, path: str, *, follow: bool, trusted: bool) -> None:
        self.trusted = trusted
        self.root = root
        self.path = entries.resolve(root.fd, path) if follow and path.strip("/") else path
        found = entries.status(root.fd, self.path, follow=path.endswith("/"))
        if found is None:
            raise ContainerError(f"there is no {path} {root.where}", step="copy", obj=path)
        super().__init__(list(self._scan(found)))

    def _below(self, relative: str) -> str:
        return f"{self.path.rstrip('/')}/{relative}" if relative else self.path

    def _scan(self, found: os.stat_result) -> Iterator[Item]:
        waiting = [("", found)]
        while waiting:
            relative, status = waiting.pop()
            item = self._item(relative, status)
            yield item
            for name in reversed(entries.names(self.root.fd, self._below(relative)) if item.kind == DIRECTORY else ()):
                below = f"{relative}/{name}" if relative else name
                there = entries.status(self.root.fd, self._below(below))
                if there is not None:  # else it has just been removed
                    waiting.append((below, there))

    def _item(self, relative: str, found: os.stat_result) -> Item:
        path, kind = self._below(relative), kind_of(found.st_mode)
        if kind not in (FILE, DIRECTORY, LINK):
            raise ContainerError(
                f"{path} {self.root.where} is a {kind}: only files, directories and symlinks are copied",
                step="copy",
                obj=path,
            )
        owners = (idmap.inside(found.st_uid, self.root.uids), idmap.inside(found.st_gid, self.root.gids))
        size, digest = content_of(self.root.fd, path) if kind == FILE else (0, "")
        text = entries.target(self.root.fd, path) if kind == LINK else ""
        return Item(relative, kind, stat.S_IMODE(found.st_mode), *owners, size, digest, text)

    def changed(self, item: Item) -> int:
        """When *item* was changed, as a Unix time. Raises OSError."""
        found = entries.status(self.root.fd, self._below(item.path))
        return int(found.st_mtime) if found is not None else 0

    def _read(self, item: Item) -> Iterable[bytes]:
        return entries.chunks(self.root.fd, self._below(item.path), item.size)  # more may have been appended


def content_of(rootfd: int, path: str) -> tuple[int, str]:
    """(size, SHA-256) of the regular file *path*. Raises OSError."""
    size, digest = 0, hashlib.sha256()
    for chunk in entries.chunks(rootfd, path):
        size += len(chunk)
        digest.update(chunk)
    return size, digest.hexdigest()


class Text(Source):
    """One file with the content *data*."""

    def __init__(self, data: bytes) -> None:
        super().__init__([Item("", FILE, 0o644, 0, 0, len(data), hashlib.sha256(data).hexdigest(), "")])
        self.data = data

    def _read(self, item: Item) -> Iterable[bytes]:
        return [self.data]


class Sent(Source):
    """What the action plugin has sent: a manifest, in which small files are whole, and perhaps a file with the rest.

    manifest  a list of dictionaries with the fields of an Item, and ``content`` in base64
    staged    a file on this host: the content of the one file that was missing, or a tar archive whose members are
              named by their digests; "" at first
    """

    def __init__(self, manifest: list[dict[str, Any]], staged: str = "", *, archive: bool = False) -> None:
        super().__init__([Item(*(entry[field] for field in Item._fields)) for entry in manifest])
        self.staged = staged
        self.archive = archive
        self.whole = {
            entry["digest"]: base64.b64decode(entry["content"])
            for entry in manifest
            if entry.get("content") is not None
        }

    def missing(self, items: Iterable[Item]) -> list[str]:
        if self.staged:
            return []
        return sorted({item.digest for item in items if item.kind == FILE and item.digest not in self.whole})

    def _read(self, item: Item) -> Iterable[bytes]:
        if item.digest in self.whole:
            return [self.whole[item.digest]]
        return self._archived(item) if self.archive else self._plain()

    def _plain(self) -> Iterator[bytes]:
        with open(self.staged, "rb") as file:
            while True:
                chunk = file.read(_CHUNK)
                if not chunk:
                    return
                yield chunk

    def _archived(self, item: Item) -> Iterator[bytes]:
        import tarfile

        with tarfile.open(self.staged) as archive:
            content = archive.extractfile(item.digest)
            while content is not None:
                chunk = content.read(_CHUNK)
                if not chunk:
                    return
                yield chunk
