# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``update``: how a container is replaced by a newer one."""

from __future__ import annotations

from collections import namedtuple

from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STOP_FIRST, START_FIRST = "stop-first", "start-first"
ROLLBACK, STOP, CONTINUE = "rollback", "stop", "continue"

# order       which of the two runs alone meanwhile: none (STOP_FIRST), or both do (START_FIRST)
# seconds     how long the new one has to become healthy, or to go on running if it has no health check; 0: no proof
# on_failure  ROLLBACK to the old one, STOP (fail, with the new one in place) or CONTINUE with the new one all the same
Wishes = namedtuple("Wishes", "order seconds on_failure")

DEFAULT = Wishes(STOP_FIRST, 0.0, ROLLBACK)

# What a task takes.
OPTION: dict[str, Any] = {
    "type": "dict",
    "options": {
        "order": {"type": "str", "choices": [STOP_FIRST, START_FIRST], "default": STOP_FIRST},
        "wait_healthy": {"type": "str"},
        "on_failure": {"type": "str", "choices": [ROLLBACK, STOP, CONTINUE], "default": ROLLBACK},
    },
}


def wishes(value: Mapping[str, Any] | None) -> Wishes:
    """The task's ``update``, its defaults where it says nothing. Raises ContainerError."""
    if value is None:
        return DEFAULT
    seconds = 0.0
    if value.get("wait_healthy") is not None:
        from .healthvalues import duration

        try:
            seconds = duration("wait_healthy", value["wait_healthy"]) / 1e9
        except ValueError as error:
            raise ContainerError(f"update: {error}", step="options", obj="update") from error
    return Wishes(value.get("order") or STOP_FIRST, seconds, value.get("on_failure") or ROLLBACK)
