# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer without entries for its parents, unpacked before those below it are: on the guess that they are directories.

They are made as if nobody had them, and get what the layers below say when those are there. Where one of them is no
directory below, or the guess would matter before, the layer is unpacked once more.
"""

from __future__ import annotations

import os
import stat

from . import lower
from .rootdir import DEFAULT_ACL, DIR_FLAGS, NeedsLower, RootDir, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT = 1000  # guesses; real layers have a handful


class GuessingRoot(RootDir):
    """The tree of a layer whose lower ones are not known yet.

    guessed  canonical path of a directory that was guessed → whether its attributes are to come from below too, which
             they are not where the layer has an entry for it after all; parents first
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, None)
        self.guessed: dict[bytes, bool] = {}

    def _enter(self, fd: int, component: bytes, below: bytes, create: bool, through_symlink: bool) -> bytes | None:
        try:
            return super()._enter(fd, component, below, create, through_symlink)
        except NeedsLower:
            if not create or through_symlink or len(self.guessed) >= LIMIT:
                raise
        os.mkdir(component, 0o755, dir_fd=fd)
        opened = os.open(component, DIR_FLAGS, dir_fd=fd)
        self._remember(below, opened)
        plain(opened)
        self.seal_later(below, 0, 0, None)
        self.depended = True
        self.guessed[below] = True
        return None

    def seal_later(self, canonical: bytes, mtime: int, gid: int, acl: bytes | None) -> None:
        if canonical in self.guessed:
            self.guessed[canonical] = False
        super().seal_later(canonical, mtime, gid, acl)

    def remove(self, fd: int, name: bytes, canonical: bytes) -> None:
        """What lies in a guessed directory may lie elsewhere in truth: it must not go with it. Raises NeedsLower."""
        if any(path == canonical or path.startswith(canonical + b"/") for path in self.guessed):
            raise NeedsLower
        super().remove(fd, name, canonical)


def mend(directory: str, lowers: Sequence[str], guessed: Mapping[bytes, bool]) -> bool:
    """Give the *guessed* directories of the layer in *directory* what *lowers* say; False for a wrong guess.

    Raises OSError.
    """
    for path, all_of_it in guessed.items():
        found = lower.lookup(lowers, path)
        if found is None:
            continue
        try:
            if not stat.S_ISDIR(found.stat.st_mode):
                return False
            if all_of_it:
                _take_over(found, directory, path)
        finally:
            found.close()
    return True


def _take_over(found: lower.Found, directory: str, path: bytes) -> None:
    fd = os.open(directory, DIR_FLAGS)
    try:
        for component in path.split(b"/"):  # a whole path may be longer than open(2) takes
            below = os.open(component, DIR_FLAGS, dir_fd=fd)
            os.close(fd)
            fd = below
        acl = lower.copy_metadata(found, fd)
        if acl is not None:
            os.setxattr(fd, DEFAULT_ACL, acl)
        os.utime(fd, ns=(found.stat.st_mtime_ns, found.stat.st_mtime_ns))
    finally:
        os.close(fd)
