# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock that keeps a host's copy of the core while something runs from it (core.py)."""

from __future__ import annotations

import fcntl
import os

LOCK = ".lock"


def hold(copy: str) -> int:
    """Keep the copy in the directory *copy* for as long as the descriptor given back is open.

    Raises FileNotFoundError where there is none: a checkout, or a copy that has just been removed.
    """
    fd = os.open(os.path.join(copy, LOCK), os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd
