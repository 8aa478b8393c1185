# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every forked child of the runtime does first, whether it becomes a container or enters one."""

from __future__ import annotations

import errno
import os
import stat
import sys

from ..cgroup.control import attach
from ..kernel import procfs, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import Config

_FIRST_AFTER_STDIO = 3
_ALL_CPUS = 8192  # the most that Linux can be built for, CONFIG_NR_CPUS


class Step:
    """Where we are, for errors that do not say so themselves."""

    def __init__(self) -> None:
        self.name = "fork"


class Told:
    """Between two processes: the second speaks to our creator only after the first has said who it is."""

    __slots__ = ("_reader", "_writer")

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def done(self) -> None:
        """By the first, which has spoken."""
        os.close(self._writer)

    def wait(self) -> None:
        """By the second, until then."""
        os.close(self._writer)
        os.read(self._reader, 1)  # the end of the file
        os.close(self._reader)


def leave_caller(config: Config, stdio: tuple[int, int, int], preserve_fds: int) -> None:
    """Let go of all that our caller had and the container must not have: descriptors, groups, OOM score.

    *stdio* become 0, 1 and 2; *preserve_fds* more after them are kept on purpose.
    """
    kept = [os.dup(fd) for fd in stdio]
    for target, fd in enumerate(kept):
        os.dup2(fd, target, inheritable=True)
        os.close(fd)
    user = config.uid
    if "user" in config.namespaces:
        from ..kernel import idmap

        user = idmap.outside(user, config.uid_mappings)
    own_stdio((0, 1, 2), user)
    os.setgroups(())
    _heed_signals()
    syscalls.close_on_exec(_FIRST_AFTER_STDIO + preserve_fds)  # CVE-2024-21626
    if config.oom_score_adj is not None:
        _write_oom_score(config.oom_score_adj)


def own_stdio(fds: tuple[int, ...], user: int) -> None:
    """Let *user* (the host's uid) open the descriptors *fds* again, as /dev/stdout: they belong to who made them.

    Done while we still have the host's privilege; the null device stays everybody's.
    """
    for fd in fds:
        found = os.fstat(fd)
        if found.st_uid != user and not (stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3)):
            try:
                os.fchown(fd, user, -1)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EINVAL, errno.EROFS):  # what has no owner to change
                    raise


def _heed_signals() -> None:
    """Python ignores SIGPIPE and SIGXFSZ, our caller perhaps others, and execve(2) would pass that on.

    Even what glibc keeps to itself, the two below SIGRTMIN. All are blocked up to execve(2).
    """
    for number in procfs.ignored_signals():
        syscalls.reset_signal(number)


def _write_oom_score(value: int) -> None:
    fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    try:
        if int(os.read(fd, 16)) != value:  # lowering it needs CAP_SYS_RESOURCE: do not ask for nothing
            os.write(fd, b"%d" % value)
    finally:
        os.close(fd)


def join_cgroup(entrances: Iterable[tuple[str, str]]) -> None:
    """Enter the cgroup by its *entrances* and run on all of its CPUs, whichever our caller was bound to."""
    for directory, file in entrances:
        attach(directory, 0, file=file)
    if len(os.sched_getaffinity(0)) < (os.cpu_count() or 1):
        os.sched_setaffinity(0, range(_ALL_CPUS))  # the kernel takes those that are there and that the cgroup allows


def new_keyring() -> None:
    """A session keyring of the container's own, so that keys of the host's session stay out of it."""
    try:
        syscalls.new_session_keyring()
    except OSError as error:
        if error.errno != errno.ENOSYS:  # a kernel without CONFIG_KEYS has none to hide
            raise


def load_nothing_more() -> None:
    """After the pivot the interpreter's library is the image's: an import would run hostile code (CVE-2019-14271)."""
    sys.meta_path.clear()
    sys.path.clear()
