# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a container is healthy."""

from __future__ import annotations

import time

from . import health, records
from .errors import ContainerError
from .observe import supervised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

_POLL = 0.05  # seconds


def require(name: str, options: Mapping[str, Any], image: Mapping[str, Any] | None) -> None:
    """Raise ContainerError where container *name* of canonical *options* has nothing to wait for.

    *image* is the ``config`` of its image's config, None where that is not known yet.
    """
    if image is None and options.get("healthcheck", {}).get("test") != health.NONE:
        return
    if health.effective(options, image or {}) is None:
        raise ContainerError(
            f"container {name} has no health check to wait for",
            step="health",
            obj=name,
            hint="Declare healthcheck, or use state: started",
        )


def wait_healthy(record: Record, seconds: float) -> None:
    """Wait until the started container is healthy, at most *seconds*; 0 is without limit.

    An unhealthy one may recover, and is waited for. Raises ContainerError with the last check's output when the time is
    over, and when the container has ended for good.
    """
    require(record.name, record.spec["options"], record.spec["image"]["config"])
    end = time.monotonic() + seconds if seconds > 0 else None
    while True:
        alive = supervised(record)  # asked first: what was written before the end is read after it
        found = health.read(record)
        if alive and found.get("Status") == health.HEALTHY:
            return
        if not alive:
            code = records.read_status(record).get("exit_code", 0)
            raise _failure(record, f"ended with exit code {code} before it was healthy", found)
        if end is not None and time.monotonic() > end:
            raise _failure(record, f"was not healthy within {seconds:g} seconds", found)
        time.sleep(_POLL)


def _failure(record: Record, what: str, found: dict[str, object]) -> ContainerError:
    checks = found.get("Log")
    if isinstance(checks, list) and checks:
        said = str(checks[-1]["Output"]).strip() or "no output"
        last = f"the last check ended with exit code {checks[-1]['ExitCode']}: {said}"
    else:
        last = "no check has ended yet"
    return ContainerError(
        f"container {record.name} {what}; {last}",
        step="health",
        obj=record.name,
        hint=f"See 'aoci inspect {record.name}' and 'aoci logs {record.name}'",
    )
