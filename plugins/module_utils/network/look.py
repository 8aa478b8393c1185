# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a running container's network is as it was recorded. Cheap: each task that changes nothing looks, too."""

from __future__ import annotations

import _socket
import os

from ..kernel import constants as c
from ..kernel import syscalls
from . import record

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
    if not is_alive(document["namespace"]):
        return "its network namespace was gone"
    if not _is_of(document["namespace"], pid):
        return "it was in another network namespace"
    return ""


def disconnected(directory: str, wanted: list[dict[str, Any]]) -> str:
    """What of the attachments *wanted* (record.py) is not there, or there in excess, for people; "" if all is well."""
    document = record.load(directory) or {"attachments": []}
    entries = document["attachments"]
    there = [entry["wanted"] for entry in entries if is_done(entry)]
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


def is_done(entry: dict[str, Any]) -> bool:
    """Whether nobody was killed while connecting this attachment."""
    return entry["result"] is not None and not entry.get("partial")


def missing(entry: dict[str, Any]) -> str:
    """The first interface of an attachment that is not on the host any more; "" when all are there."""
    result = entry["result"] or {}
    for interface in result.get("interfaces", ()):
        if not interface.get("sandbox") and interface.get("name"):
            try:
                _socket.if_nametoindex(interface["name"])
            except OSError:
                return str(interface["name"])
    return ""


def is_alive(path: str) -> bool:
    """Whether a namespace is kept at *path*."""
    try:
        return syscalls.fs_type(path) == c.NSFS_MAGIC
    except OSError:
        return False


def _is_of(path: str, pid: int) -> bool:
    """Whether process *pid* runs in the namespace kept at *path*."""
    try:
        return os.path.samestat(os.stat(path), os.stat(f"/proc/{pid}/ns/net"))
    except OSError:
        return False
