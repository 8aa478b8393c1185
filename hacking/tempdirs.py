# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New directories whose names may be parts of an image's name: podman makes one of the path of an OCI layout.

tempfile's have underscores, and once in a while one at an end, which the grammar of references does not allow.
"""

from __future__ import annotations

import contextlib
import os
import tempfile


def make(prefix: str, directory: str | None = None) -> str:
    """A new directory, ours alone, in *directory*, or where tempfile has its own."""
    while True:
        path = os.path.join(directory or tempfile.gettempdir(), prefix + os.urandom(5).hex())
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
            return path
