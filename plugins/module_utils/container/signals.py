# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of signals, as images and options name them."""

from __future__ import annotations

import signal

from .errors import ContainerError


def number(name: str) -> int:
    """The signal of an image's StopSignal or of an option: ``SIGTERM``, ``TERM``, ``15``, ``SIGRTMIN+3``.

    Raises ContainerError for what is none.
    """
    word = name.upper()
    word = word[3:] if word.startswith("SIG") else word
    for base in ("RTMIN+", "RTMAX-"):
        if word.startswith(base) and word[6:].isdigit():
            return signal.SIGRTMIN + int(word[6:]) if base == "RTMIN+" else signal.SIGRTMAX - int(word[6:])
    if word.isdigit() and 0 < int(word) < signal.NSIG:
        return int(word)
    if "SIG" + word not in signal.Signals.__members__:
        raise ContainerError(
            f"the image's stop signal {name!r} is not a signal", step="stop", hint="Declare stop_signal"
        )
    return int(signal.Signals["SIG" + word])
