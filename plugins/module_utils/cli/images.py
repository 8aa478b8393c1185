# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs for images that are here: ``images``, ``rmi``."""

from __future__ import annotations

import sys

from ..image.store import Store
from ..statedir import StateDir
from .parsing import parser as _parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..image.store import Image


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def run(argv: list[str], root: str | None) -> int:
    """Run ``argv[0]`` with its arguments; the exit code. Raises Error, OSError."""
    verb = {"images": _images, "rmi": _rmi}[argv[0]]
    return verb(argv[1:], Store(StateDir(root)))


def _images(argv: list[str], store: Store) -> int:
    parser = _parser("images", "List the images of this host.")
    parser.add_argument("-q", "--quiet", action="store_true", help="image ids only")
    options = parser.parse_args(argv)
    images = store.images()
    if options.quiet:
        for image in images:
            _say(image.id)
        return 0
    rows = [("NAME", "IMAGE ID", "CREATED", "SIZE")]
    rows += [row for image in images for row in _rows(image)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        _say("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]))
    return 0


def _rows(image: Image) -> list[tuple[str, str, str, str]]:
    from .progress import size

    created = image.created.partition("T")[0] or "-"
    names = image.names or ["<none>"]
    return [(name, image.id.partition(":")[2][:12], created, size(image.size)) for name in names]


def _rmi(argv: list[str], store: Store) -> int:
    parser = _parser("rmi", "Remove names of images, and what nothing else needs.")
    parser.add_argument("reference", metavar="REF", nargs="+", help="a name or an image id")
    failed = False
    for reference in parser.parse_args(argv).reference:
        if store.remove(reference) is None:
            sys.stderr.write(f"aoci: there is no image {reference}\n")
            failed = True
        else:
            _say(f"removed {reference}")
    return 1 if failed else 0
