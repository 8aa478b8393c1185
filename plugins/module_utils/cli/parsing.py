# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs share that read their arguments by argparse: none of the runtime's, which cannot wait for it."""

from __future__ import annotations

import argparse
import sys


def parser(verb: str, description: str) -> argparse.ArgumentParser:
    """The parser of ``aoci VERB``."""
    return argparse.ArgumentParser(prog=f"aoci {verb}", description=description, allow_abbrev=False)


def admit_packages() -> None:
    """Let the host's Python packages be imported: aoci starts without them, and requests or zstandard may be some."""
    if sys.flags.no_site:
        import site

        site.main()
