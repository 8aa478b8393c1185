# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux labels of files (selinux(8)), where the kernel has SELinux."""

from __future__ import annotations

import errno
import os

_ATTRIBUTE = "security.selinux"
_KERNEL = "/sys/fs/selinux/enforce"
# What the policies of container-selinux let every container use; without categories, so that all may share it.
SHARED = "system_u:object_r:container_file_t:s0"


def enabled() -> bool:
    """Whether the kernel has SELinux, and a policy."""
    return os.path.exists(_KERNEL)


def relabel(path: str, label: str = SHARED) -> None:
    """Give *path* and all below it *label*; symlinks are labelled themselves, and nothing is followed. Raises OSError.

    A file system that has no labels of its own is left as it is.
    """
    value = label.encode() + b"\0"
    try:
        _set(path, value)
        for directory, below, files in os.walk(path):
            for name in [*below, *files]:
                _set(os.path.join(directory, name), value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise


def _set(path: str, value: bytes) -> None:
    try:
        if os.getxattr(path, _ATTRIBUTE, follow_symlinks=False) == value:
            return
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
    os.setxattr(path, _ATTRIBUTE, value, follow_symlinks=False)
