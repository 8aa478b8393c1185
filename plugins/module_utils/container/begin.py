# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process does first that was forked to be a container's monitor, by the task or by its fork server."""

from __future__ import annotations

import gc
import os
import sys

from ..kernel import selfexe, syscalls
from ..kernel.errors import Error
from ..kernel.lean import dumps, namedtuple, suppress
from .spec import PATH, joined
from .userns import is_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any, NoReturn

    from ..runtime.config import Config
    from .records import Record

# The descriptor on which the monitor finds its end of the conversation with the task.
REPORT = 3
# What the monitor says when something happens that nobody foresaw.
TRACE = "log/monitor.log"
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8"}

# What is known of a container: nothing of it can be there; the same, and the task says over the conversation what its
# configuration is, or that it is not known yet (hand_over()); it has run before.
NEW, HANDED, AGAIN = "new", "handed", "again"
_SIZE = 4  # bytes that tell how many follow

Order = namedtuple("Order", "root path entry kind")
Order.__doc__ = """A monitor that is wanted: of the container in *path*, in the state directory *root*, by the core's
program *entry*; *kind* is one of the above."""


def tell(report: int, message: dict[str, Any]) -> None:
    """Say *message* to the task."""
    with suppress(BrokenPipeError):  # it was killed: nobody waits for it
        os.write(report, dumps(message).encode() + b"\n")


def tell_failure(report: int, error: Error) -> None:
    """Say to the task why there will be no container."""
    tell(report, {"error": error.message, "step": error.step, "hint": error.hint})


def prepare(path: str, run_dir: str) -> Config:
    """Load the bundle of the container in *path* as the runtime does, its filter compiled. Raises Error.

    Before the fork it costs a third: every page that the forked child writes to, it first has to copy.
    """
    from ..runtime import seccomp
    from ..runtime.config import Config

    config = Config.load(os.path.join(path, "bundle"))
    seccomp.prepare(config, run_dir)
    return config


def is_plain(record: Record) -> bool:
    """Whether the task can say what the configuration is: it needs nothing that only the monitor will hold."""
    options = record.spec["options"]
    return not joined(options) and not is_private(options)


def hand_over(end: _socket.socket, config: Config | None) -> None:
    """Say to the monitor at the other *end* what its container's configuration is; None, that it has to find out."""
    from ..runtime import packing

    data = packing.pack(config) if config is not None else b""
    with suppress(BrokenPipeError, ConnectionResetError):  # it has said why by then
        end.sendall(len(data).to_bytes(_SIZE, "big") + data)


def handed(report: int) -> tuple[bool, Config | None]:
    """(whether the task is there still, what it has handed over)."""
    head = _exactly(report, _SIZE)
    size = int.from_bytes(head, "big")
    data = _exactly(report, size)
    if len(head) < _SIZE or len(data) < size:
        return False, None
    if not data:
        return True, None
    from ..runtime import packing

    return True, packing.unpack(data)


def _exactly(report: int, size: int) -> bytes:
    """The next *size* bytes; less where there are no more."""
    data = b""
    while len(data) < size:
        piece = os.read(report, size - len(data))
        if not piece:
            break
        data += piece
    return data


def detach() -> None:
    """Leave the task: a session of its own, no terminal, and nothing of its environment."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(2):
        os.dup2(null, fd, inheritable=True)
    if null > 2:
        os.close(null)
    os.chdir("/")
    os.umask(0o022)
    if os.environ != ENVIRONMENT:
        os.environ.clear()
        os.environ.update(ENVIRONMENT)


def become_monitor(
    order: Order,
    report: int,
    *,
    here: bool,
    detached: bool = False,
    of_many: bool = False,
    record: Record | None = None,
    config: Config | None = None,
) -> NoReturn:
    """In the forked child: no descriptor of its parent's, and the core's program.

    report    the descriptor of our end of the conversation with the task
    here      this process may create the container; without it another interpreter is started first (kernel/selfexe.py)
    detached  the parent is already
    of_many   the task makes others as well
    record, config  what the parent has in its memory
    """
    try:
        os.dup2(report, REPORT, inheritable=True)
        if not detached:
            detach()
        trace = os.open(os.path.join(order.path, TRACE), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.dup2(trace, 2, inheritable=True)
        if here:
            from .start import run

            # The parent's own end of our conversation, and its locks, must not live on in us.
            os.closerange(REPORT + 1, os.sysconf("SC_OPEN_MAX"))
            gc.disable()  # as in init.py; it is not for long
            argv = ["monitor-start", order.path, str(REPORT), order.kind]
            run(argv, order.root, record, config, of_many=of_many)
        else:
            syscalls.close_on_exec(REPORT + 1)
            arguments = ["-I", "-S", order.entry, "--root", order.root, "monitor-start", order.path, str(REPORT)]
            selfexe.exec_protected([*arguments, order.kind], ENVIRONMENT)
    except OSError as error:
        tell_failure(REPORT, Error(f"cannot start the monitor: {error.strerror}", step="monitor"))
    except BaseException:  # noqa: BLE001 - goes into the trace, and must not run the parent's own code a second time
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
