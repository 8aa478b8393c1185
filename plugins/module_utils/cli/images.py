# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs for images: ``images``, ``pull``, ``rmi``."""

from __future__ import annotations

import sys

from ..image.errors import ImageError
from ..image.store import Store
from ..statedir import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..image.store import Image


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def run(argv: list[str], root: str | None) -> int:
    """Run ``argv[0]`` with its arguments; the exit code. Raises Error, OSError."""
    verb = {"images": _images, "pull": _pull, "rmi": _rmi}[argv[0]]
    return verb(argv[1:], Store(StateDir(root)))


def _parser(verb: str, description: str) -> argparse.ArgumentParser:
    import argparse

    return argparse.ArgumentParser(prog=f"aoci {verb}", description=description, allow_abbrev=False)


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
    created = image.created.partition("T")[0] or "-"
    names = image.names or ["<none>"]
    return [(name, image.id.partition(":")[2][:12], created, size(image.size)) for name in names]


def size(count: int) -> str:
    """*count* bytes for people: ``41.2 MB``, decimal as registries count."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _pull(argv: list[str], store: Store) -> int:
    from ..image.auth import Access
    from ..image.ensure import ImageRequest, apply, plan

    parser = _parser("pull", "Fetch an image from a registry and unpack it.")
    parser.add_argument("reference", metavar="REF", help="such as redis:7 or quay.io/team/app@sha256:…")
    parser.add_argument(
        "--tls-verify",
        metavar="BOOL",
        nargs="?",
        const="true",
        default="true",
        choices=("true", "false"),
        help="false: accept any certificate, and plain HTTP",
    )
    parser.add_argument("--authfile", metavar="FILE", help="registry credentials, as podman login writes them")
    parser.add_argument("--platform", metavar="OS/ARCH", help="instead of this host's own")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the image id only")
    options = parser.parse_args(argv)
    if sys.flags.no_site:  # aoci starts without the host's packages; requests is one of them
        import site

        site.main()
    access = Access(authfile=options.authfile, validate_certs=options.tls_verify == "true")
    request = ImageRequest(options.reference, pull="always", platform=options.platform, access=access)
    made = plan(request, store)
    progress = None if options.quiet else _Progress()
    try:
        image = apply(made, store, progress)
    finally:
        made.close()
        if progress:
            progress.end()
    if image is None:  # apply() gives none for absent images only
        raise ImageError(f"{options.reference} is gone", step="pull", obj=options.reference)
    if not options.quiet:
        for action in made.actions:
            _say(str(action))
        if not made.actions:
            _say(f"{request.full_name} is up to date")
    _say(image.id)
    return 0


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


class _Progress:
    """What a pull does: one line that is written over on a terminal, a line per layer elsewhere. Called by threads."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self.fetched: dict[str, int] = {}
        self.total: dict[str, int] = {}
        self.unpacked = 0
        self.shown = 0.0

    def __call__(self, digest: str, state: str, done: int, total: int) -> None:
        self.total[digest] = total
        if state == "fetching":
            self.fetched[digest] = done
        elif state == "unpacked":
            self.unpacked += 1
        if self.terminal:
            self._line(state == "unpacked")
        elif state == "unpacked" or (state == "fetching" and done == total):
            word = "fetched" if state == "fetching" else "unpacked"
            sys.stderr.write(f"{digest.partition(':')[2][:12]} {word} {size(total)}\n")

    def _line(self, now: bool) -> None:
        import time

        if not now and time.monotonic() - self.shown < 0.1:
            return
        self.shown = time.monotonic()
        fetched = sum(list(self.fetched.values()))
        sys.stderr.write(f"\r\x1b[Kfetched {size(fetched)}, unpacked {self.unpacked} layers")
        sys.stderr.flush()

    def end(self) -> None:
        if self.terminal and self.shown:
            sys.stderr.write("\r\x1b[K")
