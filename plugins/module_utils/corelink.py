# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``core`` in the state directory: a link to the host's copy of the core that was installed last.

What a host's init calls must not change its name; copies, named by their content, come and go. In the directory of a
container the link of this name leads to the copy that systemd has made it from, and calls again when it ends.
"""

from __future__ import annotations

import contextlib
import os

from .kernel.files import fsync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .statedir import StateDir


NAME = "core"


def point(state: StateDir, copy: str) -> None:
    """Let the link lead to *copy*, one of the directories in ``lib``."""
    link(os.path.relpath(copy, state.root), state.core)


def link(target: str, path: str) -> None:
    """Make *path* a symbolic link to *target*, whatever it was before; in one step, durably."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.rename(temporary, path)
    fsync_directory(os.path.dirname(path))


def targets(state: StateDir) -> set[str]:
    """Where the links of the containers lead."""
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir(state.containers):
            with contextlib.suppress(OSError):  # none, or the link that is the container's name
                found.add(os.readlink(os.path.join(state.containers, entry, NAME)))
    return found
