# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program in the foreground: signals and the terminal passed on, its end waited for."""

from __future__ import annotations

import os

from ..kernel.lean import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

# Not for the program: what cannot be caught, what is about ourselves, and SIGWINCH, which goes through the terminal.
_OURS = ("KILL", "STOP", "CHLD", "PIPE", "URG", "WINCH", "SEGV", "BUS", "FPE", "ILL", "ABRT", "TRAP", "SYS", "XFSZ")
_FORWARDED = signal.valid_signals() - {getattr(signal, f"SIG{name}") for name in _OURS}


def follow(pid: int, console: _socket.socket | None, start: Callable[[], None]) -> int:
    """Call *start* and stay with child *pid* to its end; *console* brings its terminal.

    The program's exit code, 128 + n for one that signal n ended.
    """

    def forward(number: int, _frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)  # our unreaped child: its pid cannot be another's

    for number in _FORWARDED:
        signal.signal(number, forward)
    if console is None:
        start()
    else:
        from ..runtime.console import receive_master
        from . import terminal

        master = receive_master(console)
        terminal.follow_size(0, master)
        with terminal.raw(0):
            start()
            terminal.relay(0, 1, master)
    ended = 0
    while ended != pid:  # others are orphans, which come to us where no process 1 of the container's takes them
        ended, status = os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
