# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the C library's malloc deals with the kernel (mallopt(3))."""

from __future__ import annotations

from .foreign import c_int, function

_M_TRIM_THRESHOLD = -1  # glibc's malloc.h
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 << 20  # more is refused


def keep_freed_memory(count: int) -> None:
    """Let this process and those it forks keep up to *count* freed bytes instead of giving them back at once.

    Buffers of some hundred KiB that come and go would be taken from the kernel anew each time, page by page, and
    zeroed. Another C library than glibc has no mallopt(3), and rules of its own.
    """
    try:
        mallopt = function("mallopt", c_int, c_int)
    except OSError:
        return
    mallopt(_M_MMAP_THRESHOLD, min(count, _LARGEST_MMAP_THRESHOLD))
    mallopt(_M_TRIM_THRESHOLD, count)
