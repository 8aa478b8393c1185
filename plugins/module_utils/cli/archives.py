# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs for archives of images: ``save`` and ``load``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile

from ..image.errors import ImageError
from ..image.store import Store
from ..statedir import StateDir
from . import packages
from .parsing import parser as _parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def run(argv: list[str], root: str | None) -> int:
    """Run ``argv[0]`` with its arguments; the exit code. Raises Error, OSError."""
    packages.admit()  # what reads zstd may be one of them
    verb = {"save": _save, "load": _load}[argv[0]]
    return verb(argv[1:], Store(StateDir(root)))


def _save(argv: list[str], store: Store) -> int:
    from ..image.reference import is_image_id, is_short_id, normalise
    from ..image.save import FORMATS, parts_of, target_of, write
    from ..image.source import OCI, OCI_ARCHIVE, ROOTFS, ROOTFS_DIR

    parser = _parser("save", "Write images to an archive.")
    parser.add_argument("reference", metavar="REF", nargs="+", help="a name or an image id")
    parser.add_argument("-o", "--output", metavar="PATH", help="instead of standard output; may be a directory")
    parser.add_argument("--format", default=OCI_ARCHIVE, choices=FORMATS, help=f"default {OCI_ARCHIVE}")
    options = parser.parse_args(argv)
    images = []
    for reference in options.reference:
        image = store.find(reference)
        if image is None:
            raise ImageError(
                f"there is no image {reference}", step="find", obj=reference, hint="aoci images lists them"
            )
        by_id = is_image_id(reference) or (is_short_id(reference) and image.name == image.id)
        images.append((image, [] if by_id else [normalise(reference)]))
    if options.output:
        target_of(store, options.output, options.format, images).write()
        return 0
    if options.format in (OCI, ROOTFS_DIR) or sys.stdout.isatty():
        raise ImageError("the archive cannot be written to here", step="options", hint="Give -o PATH")
    if options.format == ROOTFS:
        from ..image.rootfs_archive import stream

        for chunk in stream(store, [image for image, _names in images]):
            sys.stdout.buffer.write(chunk)
        return 0
    with tempfile.TemporaryFile() as file:
        write(file.fileno(), parts_of(store, images, options.format))
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    return 0


def _load(argv: list[str], store: Store) -> int:
    from ..image.load import load
    from ..image.media import host_platform, parse_platform
    from ..image.source import kind_of

    parser = _parser("load", "Bring the images of an archive: an OCI layout, or what docker or podman save wrote.")
    parser.add_argument("name", metavar="NAME", nargs="?", default="", help="for an image that has none, or another")
    parser.add_argument("-i", "--input", metavar="PATH", help="instead of standard input")
    parser.add_argument("--image", metavar="WHICH", default="", help="one of several, by name, tag or digest")
    parser.add_argument("--platform", metavar="OS/ARCH", help="instead of this host's own")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the image ids only")
    options = parser.parse_args(argv)
    platform = parse_platform(options.platform) if options.platform else host_platform(os.uname().machine)
    if not options.input and sys.stdin.isatty():
        raise ImageError("there is no archive on standard input", step="options", hint="Give -i PATH")
    with contextlib.nullcontext(options.input) if options.input else _standard_input() as path:
        for image in load(store, kind_of(path), platform, options.image, options.name):
            sys.stdout.write(f"{image.id if options.quiet else f'loaded {image.name} {image.id}'}\n")
    return 0


@contextlib.contextmanager
def _standard_input() -> Iterator[str]:
    """All of it as a file, for an archive is read here and there."""
    with tempfile.NamedTemporaryFile(prefix="aoci-load-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        file.flush()
        yield file.name
