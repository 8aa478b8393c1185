# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What procfs(5) tells of a process and of mounts, and signals that cannot hit a stranger."""

from __future__ import annotations

import errno
import os
import select
import time

from . import constants as c
from . import files, syscalls
from .lean import signal

_PF_FORKNOEXEC = 0x40  # linux/sched.h; cleared by execve(2) before it closes what is close-on-exec


def start_time(pid: int) -> int:
    """When *pid* started, in clock ticks since boot (proc_pid_stat(5), field 22).

    A pid together with its start time names one process for good. Raises ProcessLookupError when it is gone or
    only its zombie is left.
    """
    fields = stat_fields(pid)
    if fields[0] in (b"Z", b"X"):
        raise ProcessLookupError(errno.ESRCH, "no such process", str(pid))
    return int(fields[19])


def name(pid: int, started: int) -> bytes:
    """What the process (*pid*, *started*), dead or alive, is called: its program, until it says otherwise.

    15 bytes at most (proc_pid_comm(5)); none where there is no such process.
    """
    try:
        raw = _raw_stat(pid)
    except ProcessLookupError:
        return b""
    head, _end, rest = raw.rpartition(b")")
    return head.partition(b"(")[2] if int(rest.split()[19]) == started else b""


def stat_fields(pid: int) -> list[bytes]:
    """The fields of proc_pid_stat(5) from the third on, a zombie's too. Raises ProcessLookupError."""
    # The command name (field 2) may hold spaces and parentheses: fields count from the last ")".
    return _raw_stat(pid).rpartition(b")")[2].split()


def _raw_stat(pid: int) -> bytes:
    try:
        return files.read_bytes(f"/proc/{pid}/stat")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            raise ProcessLookupError(errno.ESRCH, "no such process", str(pid)) from None
        raise


def has_executed(pid: int, started: int) -> bool | None:
    """Whether the process (*pid*, *started*), dead or alive, has called execve(2) since its fork.

    None when it is gone for good, reaped by its parent: then nobody can tell.
    """
    try:
        fields = stat_fields(pid)
    except ProcessLookupError:
        return None
    return None if int(fields[19]) != started else not int(fields[6]) & _PF_FORKNOEXEC


def alive(pid: int, started: int) -> bool:
    """Whether the process that had *pid* and start time *started* still runs."""
    try:
        return pid > 0 and start_time(pid) == started
    except ProcessLookupError:
        return False


def mask(field: str) -> int:
    """A set of bits of the calling process: its *field* in proc_pid_status(5)."""
    status = files.read_bytes("/proc/self/status")
    return int(status.partition(f"\n{field}:".encode())[2].split(None, 1)[0], 16)


def ignored_signals() -> list[int]:
    """The signals that the calling process ignores."""
    ignored = mask("SigIgn")
    return [number for number in range(1, ignored.bit_length() + 1) if ignored >> (number - 1) & 1]


def boot_id() -> str:
    """The kernel's random name of this boot (random(4))."""
    return files.read_text("/proc/sys/kernel/random/boot_id").strip()


def _open_process(pid: int, started: int) -> int:
    """A pidfd of exactly the process (*pid*, *started*). Raises ProcessLookupError when it is gone.

    First the pidfd, *then* the start time: the other way round the pid could be reused in between. -1 stands for a
    process that is there on a kernel without pidfds (before Linux 5.3), or a Python built for one.
    """
    pidfd_open = getattr(os, "pidfd_open", None)
    fd = -1
    if pidfd_open is not None:
        try:
            fd = pidfd_open(pid, 0)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
    try:
        if start_time(pid) != started:
            raise ProcessLookupError(errno.ESRCH, "no such process", str(pid))
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise
    return fd


def send_signal(pid: int, started: int, number: int) -> None:
    """Signal exactly the process (*pid*, *started*). Raises ProcessLookupError when it is gone."""
    fd = _open_process(pid, started)
    if fd < 0:
        os.kill(pid, number)  # in the moment since we looked its pid has hardly come to another
        return
    try:
        signal.pidfd_send_signal(fd, number)
    finally:
        os.close(fd)


def wait_exit(pid: int, started: int, timeout: float | None) -> bool:
    """Wait up to *timeout* seconds (None: for ever) until the process is gone; whether it is."""
    try:
        fd = _open_process(pid, started)
    except ProcessLookupError:
        return True
    if fd < 0:
        return _look_until_gone(pid, started, timeout)
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(None if timeout is None else max(0, int(timeout * 1000))))
    finally:
        os.close(fd)


def _look_until_gone(pid: int, started: int, timeout: float | None) -> bool:
    deadline = None if timeout is None else time.monotonic() + timeout
    while alive(pid, started):
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def open_proc() -> int:
    """An O_PATH descriptor of /proc, verified to be a procfs and its root (CVE-2019-16884, CVE-2019-19921)."""
    fd = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if syscalls.fs_type(fd) != c.PROC_SUPER_MAGIC or os.fstat(fd).st_ino != 1:
        os.close(fd)
        raise OSError(errno.EINVAL, "/proc is not a proc file system", "/proc")
    return fd


def open_below(procfd: int, path: str, flags: int) -> int:
    """Open *path* below the verified procfs *procfd*: no symlink, no mount on top is crossed."""
    resolve = c.RESOLVE_BENEATH | c.RESOLVE_NO_SYMLINKS | c.RESOLVE_NO_XDEV
    try:
        return syscalls.openat2(procfd, path, flags, resolve)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=procfd)
    if syscalls.fs_type(fd) != c.PROC_SUPER_MAGIC:
        os.close(fd)
        raise OSError(errno.EXDEV, "not on the proc file system", path)
    return fd


def write_proc(procfd: int, path: str, data: str) -> None:
    """Write *data* to *path* below the verified procfs *procfd*, opened as :func:`open_below` does."""
    fd = open_below(procfd, path, os.O_WRONLY)
    try:
        os.write(fd, data.encode())
    finally:
        os.close(fd)


# How mountinfo writes what would end a field: three octal digits (proc_pid_mountinfo(5)).
_ESCAPES = (("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012"))


def escape(path: str) -> str:
    """*path* as a field of mountinfo has it."""
    for character, code in _ESCAPES:
        path = path.replace(character, code)
    return path


def unescape(field: str) -> str:
    """The path that a *field* of mountinfo means."""
    for character, code in reversed(_ESCAPES):
        field = field.replace(code, character)
    return field


def is_mounted(path: str) -> bool:
    """Whether *path* is a mount point of this mount namespace; a directory that is mounted on itself is one, too."""
    place = escape(os.path.realpath(path))
    return any(line.split(" ", 5)[4] == place for line in files.read_text("/proc/self/mountinfo").splitlines())
