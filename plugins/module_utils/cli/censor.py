# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of a result that lies on the host until it is asked for: as Ansible does in a module of its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

WHOLE = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
PART = "********"


def censored(value: Any, secrets: Sequence[str]) -> Any:
    """*value*, as JSON has it, without *secrets*: WHOLE stands for one alone and a number with one, PART for others.

    Keys of dictionaries stay: a module's result has its own.
    """
    if isinstance(value, dict):
        return {key: censored(inside, secrets) for key, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return [censored(inside, secrets) for inside in value]
    if isinstance(value, str):
        return _censored_text(value, secrets)
    if isinstance(value, bool) or value is None:
        return value
    return WHOLE if any(secret in str(value) for secret in secrets) else value


def _censored_text(value: str, secrets: Sequence[str]) -> str:
    if value in secrets:
        return WHOLE
    for secret in sorted(secrets, key=len, reverse=True):  # one may be in another
        value = value.replace(secret, PART)
    return value
