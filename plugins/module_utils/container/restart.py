# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an ended container starts again, and after how long. Imported by the monitor: no imports of its own."""

from __future__ import annotations

FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
# A container that stayed up this long (seconds) was well: its next failure is a first one again.
STEADY = 10.0
# The exit code of a container that was killed with its supervisor.
KILLED = 137
# The file in a container's directory that says what is being done because it has become unhealthy: restart or stop.
UNHEALTHY = "unhealthy"


def should_restart(policy: str, exit_code: int, restarts: int, retries: int, stopped: bool) -> bool:
    """The restart policy, as Docker defines it.

    policy     ``no``, ``on-failure``, ``always`` or ``unless-stopped`` (which differs from ``always`` only when the
               host comes up again)
    exit_code  of the container that ended
    restarts   how often in a row it has been started again already
    retries    how often ``on-failure`` tries in a row; 0 is without end
    stopped    somebody asked for the stop
    """
    if stopped:
        return False
    if policy == "on-failure":
        return exit_code != 0 and (retries == 0 or restarts < retries)
    return policy in ("always", "unless-stopped")


def delay(restarts: int) -> float:
    """Seconds to wait before the restart that follows *restarts* others in a row."""
    return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(restarts, 20)))
