# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image layer's error type."""

from __future__ import annotations

import errno

from ..kernel.errors import Error


class ImageError(Error):
    """An image could not be named, fetched, unpacked, stored or sent."""


class NotInRegistry(ImageError):
    """The registry answered that it has no such repository, tag or digest."""


class RegistryUnavailable(ImageError):
    """The registry could not be asked at all: no address, no connection, no usable answer."""


def refuse_full(error: OSError, verb: str, what: str, place: str) -> None:
    """Raise ImageError, cannot *verb* *what*, if *error* says that there is no space left, which is at *place*."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise ImageError(
            f"cannot {verb} {what}: no space left below {place}",
            step="space",
            obj=what,
            errno=error.errno,
            hint="Free some space there, or move the state directory with the option root",
        ) from error
