# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb ``pull``: an image from a registry, and what goes on meanwhile."""

from __future__ import annotations

import sys

from ..image.errors import ImageError
from ..image.store import Store
from ..statedir import StateDir
from . import parsing, registry_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..image.signature import Verify


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``pull`` with its arguments; the exit code. Raises Error, OSError."""
    from ..image.ensure import apply, plan
    from ..image.request import ImageRequest

    options = _parser().parse_args(argv[1:])
    request = ImageRequest(
        options.reference,
        pull="always",
        platform=options.platform,
        access=registry_options.access(options, options.mirror),
        verify=_verify(options),
        require_digest=options.require_digest,
    )
    store = Store(StateDir(root))
    made = plan(request, store)
    progress = None
    if made.actions and not options.quiet:
        from .progress import progress_to

        progress = progress_to(sys.stderr)
    try:
        image = apply(made, store, progress)
    finally:
        made.close()
        if progress:
            progress.end()
    if image is None:  # apply() gives none for absent images only
        raise ImageError(f"{options.reference} is gone", step="pull", obj=options.reference)
    if not options.quiet:
        for warning in made.warnings:
            sys.stderr.write(f"aoci: {warning}\n")
        for action in made.actions:
            sys.stdout.write(f"{action}\n")
        if not made.actions:
            sys.stdout.write(f"{request.full_name} is up to date\n")
    sys.stdout.write(f"{image.id}\n")
    return 0


def _verify(options: argparse.Namespace) -> Verify | None:
    """Raises ImageError."""
    if not options.verify:
        if options.identity:
            raise ImageError("--identity is given without --verify", step="options", hint="Name the key, too")
        return None
    from ..image.signature import Verify

    return Verify(options.verify, options.identity)


def _parser() -> argparse.ArgumentParser:
    parser = parsing.parser("pull", "Fetch an image from a registry and unpack it.")
    parser.add_argument("reference", metavar="REF", help="such as redis:7 or quay.io/team/app@sha256:…")
    registry_options.add(parser)
    parser.add_argument("--platform", metavar="OS/ARCH", help="instead of this host's own")
    parser.add_argument(
        "--mirror",
        metavar="HOST[:PORT][/PREFIX]",
        action="append",
        default=[],
        help="read from it before the registry itself; http:// in front if it has no TLS; may be repeated",
    )
    parser.add_argument(
        "--verify", metavar="KEY", help="refuse what no cosign signature by this public key, a PEM file, is there for"
    )
    parser.add_argument(
        "--identity", metavar="REPOSITORY", default="", help="that the signature is for, if it is not REF's"
    )
    parser.add_argument("--require-digest", action="store_true", help="refuse a REF without a digest")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the image id only")
    return parser
