# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs share that read their arguments by argparse: none of the runtime's, which cannot wait for it."""

from __future__ import annotations

import argparse
import os

from ..kernel.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def parser(verb: str, description: str) -> argparse.ArgumentParser:
    """The parser of ``aoci VERB``."""
    return _Parser(prog=f"aoci {verb}", description=description, allow_abbrev=False, formatter_class=_Help)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong words are an error as all others are: one line, and in the file of --log."""
        verb = self.prog.rpartition(" ")[2]
        raise Error(f"{verb}: {message}", hint=f"'{self.prog} --help' shows what it takes")


class _Help(argparse.HelpFormatter):
    """argparse makes one for every option; asking how wide the terminal is imports more than all of argparse."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size().columns - 2
        except OSError:  # no terminal
            width = 78
        super().__init__(prog, width=width)
