# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By age and by label: what tasks choose images and containers by. Pure."""

from __future__ import annotations

import datetime
import re

from .errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhdw])+\Z")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?\Z"
)


def seconds_of(text: str) -> float | None:
    """The Unix time of an RFC 3339 time or date, UTC where it names no zone; None for anything else."""
    match = _TIME.match(text)
    if not match:
        return None
    date, clock, fraction, zone = match.groups()
    try:
        moment = datetime.datetime.fromisoformat(f"{date}T{clock or '00:00:00'}")
        if zone in (None, "Z", "z"):
            offset = datetime.timedelta()
        else:
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            offset = datetime.timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
        return moment.replace(tzinfo=datetime.timezone(offset)).timestamp() + float(fraction or 0)
    except (ValueError, OverflowError):
        return None


def parse_until(text: str, now: float, name: str = "until") -> float:
    """The Unix time that ``until``, or another option called *name*, means: before that, a thing counts as old.

    A duration back from *now* (``24h``, ``1h30m``, ``7d``), an RFC 3339 time, a date, or a Unix time in seconds.
    Raises ImageError.
    """
    if _DURATION.match(text):
        return now - sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if text.isascii() and text.isdigit():
        return float(text)
    moment = seconds_of(text)
    if moment is None:
        raise ImageError(
            f"{name} is '{text}', which is no time",
            step="options",
            obj=text,
            hint="Write a duration such as 24h or 7d, or a time such as 2026-01-31T12:00:00Z",
        )
    return moment


class Filter:
    """What a task chooses by; each part that is given must hold.

    until    Unix time; only what was created before it
    labels   ``key`` or ``key=value``: all of them must be there
    without  the same: none of them may be there
    """

    __slots__ = ("labels", "until", "without")

    def __init__(self, until: float | None = None, labels: Sequence[str] = (), without: Sequence[str] = ()) -> None:
        self.until = until
        self.labels = tuple(labels)
        self.without = tuple(without)

    @classmethod
    def of(cls, options: Mapping[str, object] | None, now: float) -> Filter:
        """From a module's suboptions ``until``, ``label`` and ``exclude_label``. Raises ImageError."""
        given = options or {}
        until, labels, without = given.get("until"), given.get("label") or (), given.get("exclude_label") or ()
        return cls(
            parse_until(str(until), now) if until else None,
            [str(label) for label in labels],  # type: ignore[attr-defined]
            [str(label) for label in without],  # type: ignore[attr-defined]
        )

    def accepts(self, created: float, labels: Mapping[str, str]) -> bool:
        """Whether a thing *created* at that Unix time with these *labels* is chosen."""
        if self.until is not None and created >= self.until:
            return False
        if not all(has_label(labels, label) for label in self.labels):
            return False
        return not any(has_label(labels, label) for label in self.without)


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Whether *labels* have *wanted*: ``key`` with any value, or ``key=value``."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
