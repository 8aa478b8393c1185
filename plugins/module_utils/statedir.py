# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything lies on the managed host.

``/var/lib/agentless-oci`` holds what must survive a reboot, ``/run/agentless-oci`` what must not. A state
directory elsewhere (module option ``root``, environment ``AGENTLESS_OCI_ROOT``) keeps its live state inside
itself, so that two state directories on one host never meet.
"""

from __future__ import annotations

import os
import stat

DEFAULT_ROOT = "/var/lib/agentless-oci"
DEFAULT_RUN = "/run/agentless-oci"


class StateDir:
    """The paths below one state directory; nothing is created before :meth:`ensure`."""

    def __init__(self, root: str | None = None) -> None:
        self.root = os.path.abspath(root or os.environ.get("AGENTLESS_OCI_ROOT") or DEFAULT_ROOT)
        self.run = DEFAULT_RUN if self.root == DEFAULT_ROOT else os.path.join(self.root, "run")
        self.images = os.path.join(self.root, "images")
        self.layers = os.path.join(self.root, "layers")
        self.containers = os.path.join(self.root, "containers")
        self.volumes = os.path.join(self.root, "volumes")
        self.limits = os.path.join(self.root, "limits")
        self.networks = os.path.join(self.root, "networks")
        self.trees = os.path.join(self.root, "trees")  # records of root file systems that were written elsewhere
        self.lib = os.path.join(self.root, "lib")
        self.core = os.path.join(self.root, "core")
        self.runtime = os.path.join(self.run, "runtime")
        self.netns = os.path.join(self.run, "netns")
        self.leases = os.path.join(self.run, "leases")
        self.locks = os.path.join(self.run, "locks")

    def ensure(self, *directories: str) -> None:
        """Make the state directory, and *directories* below it, 0700 and owned by root.

        Traversable state directories let users of the host reach set-uid files inside images
        (CVE-2021-41091, CVE-2024-25621).
        """
        for path in (self.root, self.run, *directories):
            try:
                mode = os.stat(path).st_mode
            except FileNotFoundError:
                mode = 0
            if not stat.S_ISDIR(mode):
                os.makedirs(path, mode=0o700, exist_ok=True)
                mode = os.stat(path).st_mode
            if mode & 0o077:
                os.chmod(path, 0o700)

    def lock_path(self, kind: str, name: str) -> str:
        """The lock file of one object: ``kind`` is ``"container"``, ``"image"`` or ``"store"``."""
        self.ensure(self.locks)
        return os.path.join(self.locks, f"{kind}-{name.replace('/', '%')}")
