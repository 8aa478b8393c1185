# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge of a network, the host's interface on it, and the rules for it: no DEL of a container takes them away."""

from __future__ import annotations

from ..kernel.rtnetlink import Rtnetlink
from . import conflist, rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def remove(document: Mapping[str, Any]) -> None:
    """Remove the bridge of a network that nobody is connected to, one that is ours, and the host's interface on it.

    None is fine. Raises OSError, NetworkError.
    """
    names = {conflist.bridge_of(document), conflist.gateway_of(document)}
    if "" in names or not conflist.ours(document) or conflist.ours(document).get("raw"):
        return
    link = Rtnetlink()
    try:
        for found in link.links().values():
            if found.name in names:
                link.delete(found.index)
    finally:
        link.close()
    rules.forget(document)
