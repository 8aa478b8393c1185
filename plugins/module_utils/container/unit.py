# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service of systemd that supervises a container: what systemd says of it, and what is not done by it."""

from __future__ import annotations

import os
import time

from ..cgroup.systemd import BOOTED
from ..cgroup.systemd_bus import UNKNOWN_OBJECT, Bus, SystemdError
from . import health, logoptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .records import Record

_DEAD = ("inactive", "failed")
_ADOPTION_TIME = 30.0  # seconds


def lives(unit: str) -> bool:
    """Whether the service *unit* runs, is to, is between two runs or about to end. Raises SystemdError."""
    if not unit or not os.path.isdir(BOOTED):
        return False
    with Bus() as bus:
        path = bus.load(unit)
        return bus.property(path, "Unit", "ActiveState") not in _DEAD or bus.property(path, "Unit", "Job")[0] != 0


def is_told(bus: Bus, unit: str) -> bool:
    """Whether somebody has systemd stop or restart *unit*: that it ends is not its own wish."""
    number, job = bus.property(bus.load(unit), "Unit", "Job")
    if not number:
        return False
    try:
        return bus.property(job.encode(), "Job", "JobType") in ("stop", "restart")
    except SystemdError as error:
        if error.name != UNKNOWN_OBJECT:
            raise
        return False  # done meanwhile


def restarts(unit: str) -> int:
    """How often systemd has started *unit* again by itself; 0 where an administrator has. Raises SystemdError."""
    with Bus() as bus:
        return int(bus.property(bus.load(unit), "Service", "NRestarts"))


def wait_adopted(unit: str, pid: int) -> None:
    """Wait until process *pid* is the main process of *unit*, or half a minute. Raises SystemdError."""
    end = time.monotonic() + _ADOPTION_TIME
    with Bus() as bus:
        path = bus.load(unit)
        while bus.property(path, "Service", "MainPID") != pid and time.monotonic() < end:
            time.sleep(0.005)


def is_attended(record: Record) -> bool:
    """Whether a container that systemd supervises has somebody of ours beside it as well (container/attendant.py).

    Only for what systemd cannot do: bring what is written to where the log driver says, hold a terminal or a standard
    input open, carry out a health check.
    """
    options = record.spec["options"]
    return bool(
        options.get("log_driver") != logoptions.NONE
        or options.get("tty")
        or options.get("interactive")
        or health.effective(options, record.spec["image"]["config"]) is not None
    )
