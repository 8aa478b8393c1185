# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""create: one process becomes two, which go on in outside.py and in init.py.

What both need is loaded before the fork, the rest by each at the same time: with what is loaded and done twice as
little as can be, a container costs no more than it does with a compiled runtime.
"""

from __future__ import annotations

import errno
import os

from ..kernel import selfexe
from . import programfile
from .channel import Channel
from .errors import RuntimeFault, Unprotected
from .fork import fork_inside, signals_blocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from .config import Config
    from .state import State


def create(
    config: Config,
    container_id: str,
    run_dir: str,
    *,
    stdio: tuple[int, int, int] = (0, 1, 2),
    pid_file: str = "",
    console: _socket.socket | None = None,
    preserve_fds: int = 0,
    no_pivot: bool = False,
    new_keyring: bool = True,
    systemd_cgroup: bool = False,
) -> State:
    """Create the container *container_id* from *config* and return its state; its program waits for start.

    console       a connected socket that gets the terminal's master; needed where process.terminal is set
    preserve_fds  how many inherited descriptors after stdio the program keeps
    no_pivot, new_keyring  see init.Inheritance
    systemd_cgroup  let systemd make the cgroup; linux.cgroupsPath is then slice:prefix:name

    The caller's process must be single-threaded. What is made is unmade when anything fails. Raises Unprotected when
    it has to run from a read-only executable (kernel/selfexe.py) and does not; RuntimeFault, CgroupError, KernelError.
    """
    check_caller()
    if not selfexe.is_protected() and not programfile.usable(config):
        raise Unprotected
    if config.namespaces.get("user"):
        from .namespaces import learn_maps

        learn_maps(config)
    if config.terminal != (console is not None):
        raise RuntimeFault(
            "process.terminal is set, but nobody waits for the terminal"
            if config.terminal
            else "a console socket was given, but process.terminal is not set",
            step="console",
            hint="Give --console-socket exactly where process.terminal is true",
        )
    if config.seccomp is not None:
        from . import seccomp

        seccomp.prepare(config, run_dir)
    first = config.namespaces.get("pid") == "" and not {"user", "time"} & set(config.namespaces)
    ours, theirs = Channel.pair()
    with signals_blocked():
        child = _fork(inside=first)
        if child == 0:
            ours.close()
            from . import init

            given = init.Inheritance(config, theirs, stdio, console, preserve_fds, no_pivot, new_keyring)
            init.run(given, first=first)
    theirs.close()
    from .outside import Outside

    return Outside(config, ours, child, first=first).create(container_id, run_dir, pid_file, systemd=systemd_cgroup)


def _fork(*, inside: bool) -> int:
    try:
        return fork_inside() if inside else os.fork()
    except BlockingIOError as error:
        raise RuntimeFault.of(
            error,
            "cannot fork the container's first process",
            step="fork",
            hint="A limit of processes is reached: pids.max of our cgroup or of one above it, or RLIMIT_NPROC",
        ) from error


def check_caller() -> None:
    """Raise RuntimeFault unless this process may fork others into containers."""
    if os.geteuid() != 0:
        raise RuntimeFault(
            "containers need root", step="create", errno=errno.EPERM, hint="Run it with become: true or sudo"
        )
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeFault("the runtime must be single-threaded to fork containers", step="create")
