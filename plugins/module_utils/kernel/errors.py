# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of every error this collection raises on purpose, and the kernel layer's own.

Each layer derives one type from :class:`Error`. Whoever shows it to a person adds the host's name;
everything else a reader needs is in the message.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Self


class Error(Exception):
    """Something could not be done.

    message  what failed and why, one sentence without a final full stop
    step     the step of the work that failed (``"pivot_root"``, ``"memory"``), for tests and logs
    obj      the object it failed on (a path, a reference, a container's name)
    errno    the kernel's errno where there was one, else 0
    hint     what the reader can do about it, one sentence without a final full stop
    """

    def __init__(self, message: str, *, step: str = "", obj: str = "", errno: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.step = step
        self.obj = obj
        self.errno = errno
        self.hint = hint

    @classmethod
    def of(cls, error: OSError, message: str, *, step: str = "", obj: str = "", hint: str = "") -> Self:
        """Wrap *error* as ``message: strerror``, with its errno, and its file name where no *obj* is given."""
        code = error.errno or 0
        reason = error.strerror or os.strerror(code)
        return cls(f"{message}: {reason}", step=step, obj=obj or str(error.filename or ""), errno=code, hint=hint)

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}." if self.hint else self.message


def told(subject: str, error: Error | OSError) -> str:
    """*error* as a task fails with it: what it was about, on which host, and why."""
    if isinstance(error, Error):
        why = str(error)
    else:
        why = f"{error.strerror or error}: {error.filename}" if error.filename else str(error.strerror or error)
    return f"{subject} on {os.uname().nodename}: {why}"


def answer(module: Any, subject: str, work: Callable[[], Mapping[str, Any]]) -> None:
    """Leave *module* (an AnsibleModule) with what *work* gives, or fail as :func:`told` says of *subject*."""
    try:
        result = work()
    except (Error, OSError) as error:
        module.fail_json(msg=told(subject, error))
    else:
        module.exit_json(**result)


class KernelError(Error):
    """A system call failed, or the kernel lacks what was asked of it."""
