# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""create and run, as other OCI runtimes have them on their command lines.

Nothing is imported here that only the time after the fork needs (runtime/create.py).
"""

from __future__ import annotations

import _socket
import os

from ..cgroup.errors import CgroupError
from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.errors import Error
from ..runtime.config import Config
from ..runtime.create import create
from .main import state_directory, warn
from .words import Syntax, sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.state import State
    from .words import Words

_VALUES = ("--bundle", "--pid-file", "--console-socket", "--preserve-fds")
_FLAGS = ("--no-pivot", "--no-new-keyring", "--systemd-cgroup")
_SHORT = {"-b": "--bundle", "-d": "--detach"}
_SYNTAX = {
    "create": Syntax(_VALUES, _FLAGS, short=_SHORT),
    "run": Syntax(_VALUES, (*_FLAGS, "--detach", "--keep"), short=_SHORT),
}


def run(argv: list[str], root: str | None) -> int:
    """Carry out ``argv[0]``; *root* is the directory of the runtime's state. Returns the exit code."""
    verb = argv[0]
    words = sort(verb, _SYNTAX[verb], argv[1:])
    run_dir, container_id = state_directory(root), words.arguments[0]
    config = Config.load(words.values.get("--bundle", "."))
    if verb == "run":
        return _run(config, run_dir, container_id, words)
    _create(config, run_dir, container_id, words)
    return 0


def preserved(words: Words, activated: int = 0) -> int:
    """How many descriptors after stdio the program keeps: *activated*, and as many more as told. Raises Error."""
    told = words.number("--preserve-fds") or 0
    if told < 0:
        raise Error(f"--preserve-fds takes a number of descriptors, not {told}")
    for fd in range(3, 3 + activated + told):
        try:
            os.fstat(fd)
        except OSError as error:
            raise Error.of(error, f"descriptor {fd} of {activated + told} to be kept", step="stdio") from error
    return activated + told


def _activated() -> int:
    """How many descriptors socket activation has given to us, and not to another process (sd_listen_fds(3))."""
    count = os.environ.get("LISTEN_FDS", "")
    return int(count) if os.environ.get("LISTEN_PID") == str(os.getpid()) and count.isdigit() else 0


def _create(
    config: Config, run_dir: str, container_id: str, words: Words, console: _socket.socket | None = None
) -> State:
    """create with what *words* say; *console* takes the terminal where no console socket is named."""
    path = words.values.get("--console-socket")
    if path:
        from ..runtime.console import connect

        console = connect(path)
    config.activated = _activated()
    try:
        created = create(
            config,
            container_id,
            run_dir,
            pid_file=words.values.get("--pid-file", ""),
            console=console,
            preserve_fds=preserved(words, config.activated),
            no_pivot="--no-pivot" in words.flags,
            new_keyring="--no-new-keyring" not in words.flags,
            systemd_cgroup="--systemd-cgroup" in words.flags,
        )
    except CgroupError as error:
        from ..runtime.resources import naming_property

        raise naming_property(error, config.resources) from error
    warn(created.warnings)
    return created


def _run(config: Config, run_dir: str, container_id: str, words: Words) -> int:
    detach = "--detach" in words.flags
    if detach:
        ours, theirs = None, None
    else:
        syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)  # so that the container's process becomes ours to wait for
        ours, theirs = _own_console(config, words)
    created = _create(config, run_dir, container_id, words, theirs)
    if theirs is not None:
        theirs.close()
    created.warnings = []  # told
    from ..runtime import lifecycle
    from ..runtime.dismantle import dismantle

    try:
        if detach:
            lifecycle.start_found(run_dir, created)
            return 0
        from . import foreground

        code = foreground.follow(created.pid, ours, lambda: lifecycle.start_found(run_dir, created))
        if "--keep" not in words.flags:
            warn(dismantle(run_dir, created))
        return code
    except BaseException:
        # A hook that fails has it taken apart already.
        warn(created.warnings + lifecycle.delete(run_dir, container_id, force=True))
        raise


def _own_console(config: Config, words: Words) -> tuple[_socket.socket, _socket.socket] | tuple[None, None]:
    """Both ends of a socket for a terminal that we show ourselves; none where there is no terminal to show."""
    if "--console-socket" in words.values or not config.terminal:
        return None, None
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
