# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies right below a layer that deletes: the directories of its whiteouts, empty.

overlayfs leaves whiteouts out only where it merges directories. One in a directory that no layer below has would be
listed, a name that nobody can open (kernel, fs/overlayfs/readdir.c: other directories are read as they are). Whether
a layer below has it differs from stack to stack, and the layer is shared by all of them. So every directory that has
whiteouts is given another of its name right below, with nothing in it: it is merged then, and shows the same.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUFFIX = ".underlay"


def place_of(layer: str) -> str:
    """Where the underlay of the layer in the directory *layer* is, if it has one."""
    return layer + _SUFFIX


def with_underlay(layer: str) -> list[str]:
    """The directories that stand for *layer* in a stack, base first."""
    underlay = place_of(layer)
    return [underlay, layer] if os.path.isdir(underlay) else [layer]


def make(layer: str, directories: Sequence[bytes]) -> None:
    """Make the underlay of *layer*; *directories* are clean paths below its root. None is made for none of them.

    Raises OSError.
    """
    from .rootdir import RootDir

    if not directories:
        return
    os.mkdir(place_of(layer), 0o755)
    root = RootDir(place_of(layer), [])
    try:
        for path in directories:
            root.directory(path)
        root.finish()
    finally:
        root.close()


def differences(expected: str, found: str) -> Iterator[str]:
    """How the underlay of the layer *found* differs from that of *expected*, a line for each difference."""
    from . import compare

    wanted, there = os.path.isdir(place_of(expected)), os.path.isdir(place_of(found))
    if wanted and there:
        yield from compare.differences(place_of(expected), place_of(found))
    elif wanted or there:
        yield "the directories below its deletions are " + ("missing" if wanted else "there, and should not be")
