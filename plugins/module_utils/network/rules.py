# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packet filter rules that the firewall plugin makes for a bridge, and nobody's DEL takes away."""

from __future__ import annotations

import shlex
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import CompletedProcess

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHAINS = ("CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2")


def forget_bridge(bridge: str) -> None:
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
