# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge of a network, and the firewall plugin's rules for it: no DEL of a container takes them away."""

from __future__ import annotations

import shlex
import shutil

from ..kernel.rtnetlink import Rtnetlink
from . import conflist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from subprocess import CompletedProcess
    from typing import Any

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHAINS = ("CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2")


def remove(document: Mapping[str, Any]) -> None:
    """Remove the bridge of a network that nobody is connected to, one that is ours; none is fine. Raises OSError."""
    name = conflist.bridge_of(document)
    if not name or not conflist.ours(document) or conflist.ours(document).get("raw"):
        return
    link = Rtnetlink()
    try:
        for found in link.links().values():
            if found.name == name:
                link.delete(found.index)
    finally:
        link.close()
    _forget_rules(name)


def _forget_rules(bridge: str) -> None:
    """Remove the rules that keep other bridges' traffic from *bridge*; none, or no iptables, is fine."""
    for program in ("iptables", "ip6tables"):
        path = shutil.which(program, path=_PATH)
        for chain in _CHAINS if path else ():
            for line in _run([str(path), "-w", "-S", chain]).stdout.splitlines():
                words = shlex.split(line)
                if words[0] == "-A" and bridge in words:
                    _run([str(path), "-w", "-D", *words[1:]])


def _run(argv: list[str]) -> CompletedProcess[str]:
    import subprocess

    return subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": _PATH})
