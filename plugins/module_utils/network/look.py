# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a running container's network is as it was recorded. Cheap: each task that changes nothing looks, too."""

from __future__ import annotations

from ..kernel.rtnetlink import Rtnetlink
from . import namespace, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def lost(directory: str, pid: int) -> str:
    """Why process *pid* has to be started anew to have its network again; "" if it does not.

    A namespace can only be chosen when a process begins.
    """
    document = record.load(directory)
    if document is None or document["boot"] != record.boot_id() or not document["namespace"]:
        return "it had no network namespace"
    if not namespace.is_alive(document["namespace"]):
        return "its network namespace was gone"
    if not namespace.is_of(document["namespace"], pid):
        return "it was in another network namespace"
    return ""


def disconnected(directory: str, wanted: list[dict[str, Any]]) -> str:
    """What of the attachments *wanted* (record.py) is not there, or there in excess, for people; "" if all is well."""
    document = record.load(directory) or {"attachments": []}
    entries = document["attachments"]
    there = [entry["wanted"] for entry in entries if entry["result"] is not None]
    for want in wanted:
        if want not in there:
            return f"not connected to {want['network']}"
    for entry in entries:
        if entry["wanted"] not in wanted:
            return f"connected to {entry['wanted']['network']}"
        gone = missing(entry)
        if gone:
            return f"{entry['interface']} has lost {gone}"
    return "unknown to the others" if document.get("silent") and wanted else ""


def missing(entry: dict[str, Any]) -> str:
    """The first interface of an attachment that is not on the host any more; "" when all are there."""
    result = entry["result"] or {}
    names = [interface.get("name") for interface in result.get("interfaces", ()) if not interface.get("sandbox")]
    if not any(names):
        return ""
    link = Rtnetlink()
    try:
        there = {found.name for found in link.links().values()}
    finally:
        link.close()
    return next((str(name) for name in names if name and name not in there), "")
