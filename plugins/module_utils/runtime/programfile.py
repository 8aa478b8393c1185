# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program pinned before it is executed, so that it cannot turn out to be the host's python.

Until execve(2) a container's first process *is* the host's interpreter, and an image that gets it executed again (as
/proc/self/exe, or by ``#!/proc/self/exe``) keeps a writable handle on it (CVE-2019-5736). One defence is to run from
a read-only copy (kernel/selfexe.py), at the price of starting the interpreter twice. The other is here: the file is
opened without magic links, ``#!`` lines are followed by us in the same way, and execveat(2) gets the descriptor of a
real binary. The descriptor is close-on-exec: should the file become a script after we looked, the kernel has no path
to give to its interpreter and refuses it (ENOENT, execveat(2), BUGS).

From Linux 6.14 on such a process is called by its file's name in /proc/PID/comm, before by the descriptor's number:
there the read-only copy is the better way.
"""

from __future__ import annotations

import errno
import os

from ..kernel import constants as c
from ..kernel import syscalls
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

_HEAD = 256  # BINPRM_BUF_SIZE, linux/binfmts.h
_DEPTH = 5  # interpreters of interpreters, as many as the kernel follows (fs/exec.c)


def usable(config: Config) -> bool:
    """Whether the program of *config* can be executed this way, and nobody else can look into us before.

    Alone in a new pid namespace there is nobody; in one that is shared, a process with CAP_SYS_PTRACE could.
    """
    if not supported() or config.namespaces.get("pid") != "":
        return False
    if config.seccomp is None:
        return True
    from . import seccomp

    # A filter that knows execve(2) alone, or tells somebody of it, is meant for execve(2).
    return all(seccomp.allows(config.seccomp, name) for name in ("execve", "execveat"))


def supported() -> bool:
    """Whether the kernel names a process well that was executed by descriptor."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(digit for digit in minor[:3] if digit.isdigit()))) >= (6, 14)


def pin(path: str, args: list[str]) -> tuple[int, list[str]]:
    """(descriptor, argument list) with which execveat(2) does what execve(path, args) would.

    Scripts are resolved as fs/binfmt_script.c does. Raises OSError as execve(2) would.
    """
    for _depth in range(_DEPTH):
        fd = _open(path)
        interpreter, argument = _shebang(fd)
        if not interpreter:
            return fd, args
        os.close(fd)
        args = [interpreter, *([argument] if argument else []), path, *args[1:]]
        path = interpreter
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _open(path: str) -> int:
    try:
        return syscalls.openat2(c.AT_FDCWD, path, os.O_RDONLY | os.O_NONBLOCK, c.RESOLVE_NO_MAGICLINKS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RuntimeFault(
                f"cannot execute {path}: it leads through a link of /proc, or through too many",
                step="exec",
                obj=path,
                errno=errno.ELOOP,
            ) from error
        if error.errno != errno.EACCES:
            raise
    # A binary that may be executed but not read; a script like that could not be run by its interpreter either.
    return syscalls.openat2(c.AT_FDCWD, path, os.O_PATH, c.RESOLVE_NO_MAGICLINKS)


def _shebang(fd: int) -> tuple[str, str]:
    """(interpreter, its one argument) of a script; ("", "") for anything else. Raises OSError (ENOEXEC)."""
    try:
        head = os.pread(fd, _HEAD, 0)
    except OSError as error:
        if error.errno != errno.EBADF:  # an O_PATH descriptor
            raise
        return "", ""
    if not head.startswith(b"#!"):
        return "", ""
    line, newline, _rest = head[2:].partition(b"\n")
    line = line.strip(b" \t")
    words = line.split(None, 1)
    if not words or (not newline and len(head) == _HEAD and len(words) == 1):
        raise OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC))  # there is no interpreter, or its path is cut off
    interpreter, argument = words[0], words[1] if len(words) > 1 else b""
    return os.fsdecode(interpreter.split(b"\0")[0]), os.fsdecode(argument.split(b"\0")[0])
