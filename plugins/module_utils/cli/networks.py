# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's verb ``networks``."""

from __future__ import annotations

import sys

from ..statedir import StateDir
from .parsing import parser


def run(argv: list[str], root: str | None) -> int:
    """List the networks in the state directory *root*; the exit code. Raises Error."""
    from ..network.module import everything

    options = parser("networks", "List the networks of this host.")
    options.add_argument("-q", "--quiet", action="store_true", help="names only")
    options.add_argument("--format", choices=("table", "json"), default="table")
    chosen = options.parse_args(argv[1:])
    found = everything(StateDir(root))
    if chosen.quiet:
        sys.stdout.write("".join(f"{network['name']}\n" for network in found))
        return 0
    if chosen.format == "json":
        import json

        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    rows = [("NAME", "DRIVER", "INTERFACE", "SUBNETS", "CONTAINERS")]
    for network in found:
        interface = network["interface"] or network["parent"] or "-"
        subnets = ", ".join(network["subnets"]) + (" (internal)" if network["internal"] else "")
        rows.append((network["name"], network["driver"], interface, subnets or "-", ", ".join(network["containers"])))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n")
    return 0
