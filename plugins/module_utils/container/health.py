# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health check that a container has: what is declared on top of the image's HEALTHCHECK, and Docker's defaults.

Times are whole nanoseconds, as in an image's config (image-spec, "Healthcheck" of Docker's config).
"""

from __future__ import annotations

import json
import os

from ..kernel.files import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

SECOND = 1_000_000_000
# The canonical option's names → those of an image's config, and what Docker takes for a value nobody gives.
FIELDS = {
    "test": ("Test", []),
    "interval": ("Interval", 30 * SECOND),
    "timeout": ("Timeout", 30 * SECOND),
    "retries": ("Retries", 3),
    "start_period": ("StartPeriod", 0),
    "start_interval": ("StartInterval", 5 * SECOND),
}
NONE = ["NONE"]
HEALTHY = "healthy"  # in health.json
_SHELL = ["/bin/sh", "-c"]


def effective(options: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any] | None:
    """All fields of the check; None where there is none. *image* is the ``config`` of the image's config.

    The image's value stands in for each one that is not declared.
    """
    declared, default = options.get("healthcheck", {}), image.get("Healthcheck") or {}
    result: dict[str, Any] = {}
    for name, (theirs, otherwise) in FIELDS.items():
        result[name] = declared.get(name) or default.get(theirs) or otherwise
    test = result["test"]
    return result if test and test[0] in ("CMD", "CMD-SHELL") and len(test) > 1 else None


def command(test: list[str], image: Mapping[str, Any]) -> list[str]:
    """The arguments of the program that *test* (``["CMD", …]``, ``["CMD-SHELL", TEXT]``) runs."""
    return test[1:] if test[0] == "CMD" else [*(image.get("Shell") or _SHELL), test[1]]


def docker_form(check: Mapping[str, Any]) -> dict[str, Any]:
    """*check* as ``docker inspect`` shows it in ``Config.Healthcheck``."""
    return {theirs: check[name] for name, (theirs, _default) in FIELDS.items()}


def read(record: Record) -> dict[str, Any]:
    """``State.Health`` as the monitor has written it last; empty before the container's first moment."""
    try:
        found: dict[str, Any] = json.loads(read_bytes(os.path.join(record.path, "health.json")))
    except FileNotFoundError:
        return {}
    return found


def monitor_settings(record: Record) -> dict[str, int]:
    """What the monitor has to know (container/probe.py), to go into its ``monitor.conf``; empty without a check.

    ``health`` is another number for another check.
    """
    import zlib

    check = effective(record.spec["options"], record.spec["image"]["config"])
    if check is None:
        return {}
    number = zlib.crc32(json.dumps(check, sort_keys=True).encode()) or 1
    return {"health": number, **{f"health_{name}": value for name, value in check.items() if name != "test"}}
