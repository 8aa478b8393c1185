# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb ``check``: whether the store of images is whole, and how it becomes so again."""

from __future__ import annotations

import sys

from ..image.check import check
from ..image.store import Store
from ..statedir import StateDir
from . import parsing, registry_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``check`` with its arguments; 0 when all is whole in the end, else 1. Raises Error, OSError."""
    options = _parser().parse_args(argv[1:])
    state = StateDir(root)
    access = registry_options.access(options) if options.repair else None
    done = check(Store(state), repair=options.repair, access=access, users=lambda path: mounted_by(state, path))
    for problem in done.problems:
        sys.stdout.write(f"{problem}\n")
    looked = f"{_count(done.images, 'image')}, {_count(done.blobs, 'blob')} and {_count(done.layers, 'layer')}"
    left = len(done.left)
    mended = len(done.problems) - left
    told = f"{_count(left, 'problem')}, {mended} repaired" if done.problems else "all is whole"
    sys.stdout.write(f"{looked}: {told}\n")
    if left and not options.repair:
        sys.stderr.write("aoci: 'aoci check --repair' pulls and unpacks again what is damaged\n")
    return 1 if left else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def mounted_by(state: StateDir, path: str) -> list[str]:
    """The names of the containers that have the layer *path* mounted, or are being made of it and have no name yet.

    Sure while the lock of mounts is held exclusively: a monitor holds its own lock before it mounts.
    """
    from ..container import records
    from ..container.observe import monitor_pid, observe

    found = set()
    for directory in records.directories(state):
        record = records.load_directory(directory)
        if record is None or path not in record.spec["layers"]:
            continue
        if monitor_pid(directory) or observe(state, record).status != "stopped":
            found.add(record.name)
    return sorted(found)


def _parser() -> argparse.ArgumentParser:
    parser = parsing.parser("check", "Verify every blob and every unpacked layer of this host's images.")
    parser.add_argument(
        "--repair", action="store_true", help="pull again what is damaged, and unpack again from what is not"
    )
    registry_options.add(parser)
    return parser
