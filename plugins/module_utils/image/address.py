# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that others give us, which need not be any."""

from __future__ import annotations

from .errors import ImageError


def leading_to(location: str, base: str, host: str, obj: str) -> str:
    """The URL that *location* means, seen from the URL *base*; the registry *host* gave it for *obj*.

    Raises ImageError for what is no address.
    """
    from urllib.parse import urljoin, urlsplit

    try:
        url = urljoin(base, location)
        parts = urlsplit(url)
        if parts.hostname and (parts.port is None or parts.port > 0):
            return url
    except ValueError:  # brackets and ports that do not fit together
        pass
    said = "".join(character for character in location.partition("?")[0] if character.isprintable())[:100]
    raise ImageError(
        f"the registry {host} sends us on to '{said.rpartition('@')[2]}', which is no address",
        step="redirect",
        obj=obj,
        hint="Look into the registry's configuration",
    )
