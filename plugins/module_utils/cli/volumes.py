# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's verb ``volumes``."""

from __future__ import annotations

import sys

from ..statedir import StateDir
from .parsing import parser


def run(argv: list[str], root: str | None) -> int:
    """List the volumes in the state directory *root*; the exit code. Raises Error."""
    from ..volume.module import everything

    options = parser("volumes", "List the volumes of this host.")
    options.add_argument("-q", "--quiet", action="store_true", help="names only")
    options.add_argument("--dangling", action="store_true", help="only those that no container uses")
    options.add_argument("--format", choices=("table", "json"), default="table")
    chosen = options.parse_args(argv[1:])
    found = everything(StateDir(root))
    if chosen.dangling:
        found = [volume for volume in found if not volume["Containers"]]
    if chosen.quiet:
        sys.stdout.write("".join(f"{volume['Name']}\n" for volume in found))
        return 0
    if chosen.format == "json":
        import json

        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    rows = [("NAME", "KIND", "CREATED", "CONTAINERS")]
    for volume in found:
        kind = "anonymous" if volume["Anonymous"] else volume["Options"].get("type") or "-"
        rows.append((volume["Name"], kind, volume["CreatedAt"], ", ".join(volume["Containers"]) or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n")
    return 0
