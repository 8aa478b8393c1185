# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of a newer Debian than the host's, taken out of their packages and not installed, as peers for tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(CHECKOUT, ".venv", "cache")
NEWER = "trixie"


def newer_program(package: str, program: str) -> str:
    """The path of *program* (a path in *package*), fetched once.

    Raises SubprocessError or OSError where there are no packages to fetch.
    """
    path = os.path.join(CACHE, f"{os.path.basename(program)}-{NEWER}")
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, f".{os.path.basename(program)}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            root = path + ".root"
            shutil.rmtree(root, ignore_errors=True)
            try:
                # Whatever it mounts there is gone with it, however it ends.
                command = ["unshare", "--mount", "mmdebstrap", "--quiet", "--variant=extract", f"--include={package}"]
                command += ["--dpkgopt=path-exclude=/usr/share/*", NEWER, root]
                subprocess.run(command, check=True, capture_output=True, timeout=300)
                os.rename(root + program, path)
            finally:
                shutil.rmtree(root, ignore_errors=True)
    return path
