# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recorded of a container's network, in ``network.json`` of the container's directory.

    version      of this layout
    name         the container's name
    names        what the other containers of its networks call it
    boot         the boot of the host in which all this was made (boot_id of random(4)): nothing of it outlives that
    namespace    path of its network namespace; "" while it has none
    directories  where the plugins were found
    attachments  in the order of the interfaces, each with

        wanted       what was asked for: network, ips, mac, aliases, ports, default (whether the default route is its)
        interface    its name inside
        conflist     as it was executed, since the network may have been changed since
        runtime      the values of capabilities, the ports that were chosen among them
        result       of ADD; null while it is under way
        partial      while it is: the result of the last plugin that was done; beside a result, its ports are changing

    kept         network → ips and ports it had last, to have the same again
    silent       whether the others are not told of it (false where it is missing): it is a new container that is yet to
                 prove itself beside the one before it, or that one when it is about to end

An attachment is written before its ADD and taken out after its DEL: whoever reads the file knows what may be there.
"""

from __future__ import annotations

import json
import os

from ..kernel.files import read_text, write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..statedir import StateDir

FILE = "network.json"
VERSION = 1


def load(directory: str) -> dict[str, Any] | None:
    """The record in a container's *directory*; None where there is none. Raises OSError."""
    try:
        text = read_text(os.path.join(directory, FILE))
    except FileNotFoundError:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def new(name: str, names: list[str]) -> dict[str, Any]:
    """The record of a container that has had no network yet."""
    return {
        "version": VERSION,
        "name": name,
        "names": list(names),
        "boot": boot_id(),
        "namespace": "",
        "directories": [],
        "attachments": [],
        "kept": {},
    }


def save(directory: str, document: dict[str, Any]) -> None:
    """Write it, durably: what it names may outlive a crash of the host (leases in a directory on disk)."""
    write_atomic(os.path.join(directory, FILE), json.dumps(document, sort_keys=True).encode() + b"\n")


def boot_id() -> str:
    """What tells this boot of the host from all others."""
    return read_text("/proc/sys/kernel/random/boot_id").strip()


def live(state: StateDir) -> dict[str, dict[str, Any]]:
    """The records of all containers that are connected to something since this boot, by directory."""
    found = {}
    boot = boot_id()
    for entry in sorted(os.listdir(state.containers)) if os.path.isdir(state.containers) else ():
        if entry.startswith("."):
            directory = os.path.join(state.containers, entry)
            document = load(directory)
            if document is not None and document["boot"] == boot and document["attachments"]:
                found[directory] = document
    return found


def members(state: StateDir, network: str) -> dict[str, str]:
    """The containers that are connected to *network*: directory → name."""
    return {
        directory: str(document["name"])
        for directory, document in live(state).items()
        if any(entry["wanted"]["network"] == network for entry in document["attachments"])
    }


def addresses(attachment: dict[str, Any]) -> list[str]:
    """The addresses that an attachment has got, without their prefixes."""
    result = attachment["result"] or {}
    return [str(entry["address"]).partition("/")[0] for entry in result.get("ips", ())]
