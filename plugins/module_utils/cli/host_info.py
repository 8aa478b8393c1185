# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module oci_host_info does: what the host is and what is on it; nothing is changed."""

from __future__ import annotations

import os
import shutil
import sys

from ..cgroup import hierarchy
from ..cgroup.systemd import BOOTED
from ..container.info import containers
from ..image.store import Store
from ..kernel.errors import answer
from ..statedir import StateDir
from .features import features
from .main import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RUNTIMES = ("crun", "runc", "youki")


def run(module: Any) -> None:
    """Return what is known of the host, and exit *module* (an AnsibleModule)."""
    answer(module, "host", lambda: {"changed": False, "host": host(module.params)})


def host(params: dict[str, Any]) -> dict[str, Any]:
    """What the host is, and what is on it, for the option ``root``."""
    state = StateDir(params["root"])
    system, found = os.uname(), hierarchy.detect()
    every = {"name": None, "status": None, "label": None, "root": params["root"]}
    statuses = [container["State"]["Status"] for container in containers(every)]
    images = Store(state).images()
    existing = state.root
    while not os.path.isdir(existing):  # nothing was ever made there
        existing = os.path.dirname(existing)
    place = os.statvfs(existing)
    return {
        "name": system.nodename,
        "kernel": system.release,
        "machine": system.machine,
        "python": ".".join(str(number) for number in sys.version_info[:3]),
        "version": VERSION,
        "init": "systemd" if os.path.isdir(BOOTED) else "other",
        "cgroup": {
            "mode": found.mode,
            "controllers": sorted({*found.v2_controllers, *(name for name in found.v1 if "=" not in name)}),
        },
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "cpus": os.sysconf("SC_NPROCESSORS_ONLN"),
        "runtimes": {name: path for name, path in ((name, shutil.which(name)) for name in _RUNTIMES) if path},
        "features": features(),
        "root": state.root,
        "size": place.f_blocks * place.f_frsize,
        "free": place.f_bavail * place.f_frsize,
        "images": len(images),
        "containers": len(statuses),
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
    }
