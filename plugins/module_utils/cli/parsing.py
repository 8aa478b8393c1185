# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs share that read their arguments by argparse: none of the runtime's, which cannot wait for it."""

from __future__ import annotations

import argparse
import os


def parser(verb: str, description: str) -> argparse.ArgumentParser:
    """The parser of ``aoci VERB``."""
    return argparse.ArgumentParser(
        prog=f"aoci {verb}", description=description, allow_abbrev=False, formatter_class=_Help
    )


class _Help(argparse.HelpFormatter):
    """argparse makes one for every option; asking how wide the terminal is imports more than all of argparse."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size().columns - 2
        except OSError:  # no terminal
            width = 78
        super().__init__(prog, width=width)
