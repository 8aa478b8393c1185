# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the container's cgroup is given to (runtime-spec config-linux.md, "Cgroup ownership")."""

from __future__ import annotations

import os

from ..kernel import constants as c
from ..kernel import idmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..cgroup.api import Cgroup
    from .config import Config


def delegate(config: Config, cgroup: Cgroup) -> None:
    """Give *cgroup*, which create made under cgroup v2, to its :func:`owner`. Raises CgroupError."""
    uid = owner(config)
    if uid is not None:
        cgroup.delegate(uid)


def owner(config: Config) -> int | None:
    """The host's uid that is to own the container's group under cgroup v2: that of the container's process.

    None unless the container has a cgroup namespace of its own and sees its group, and nothing above it, writable.
    """
    if config.namespaces.get("cgroup") != "":
        return None
    for entry in config.mounts:
        if entry.type in ("cgroup", "cgroup2") and os.path.normpath(entry.destination) == "/sys/fs/cgroup":
            if entry.options.flags & c.MS_RDONLY:
                return None
            if "user" not in config.namespaces:
                return config.uid
            outside = idmap.outside(config.uid, config.uid_mappings)
            return outside if outside >= 0 else None
    return None
