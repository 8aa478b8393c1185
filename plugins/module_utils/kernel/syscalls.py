# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that Python's os module lacks, one thin function each.

Every function raises OSError with the errno and, where there is one, the path. A call the kernel does not know
gives ENOSYS. Single-threaded callers only where the call itself demands it (unshare(2), setns(2)).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

from . import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

_MACHINE = os.uname().machine

# Numbers from 424 on are the same on every architecture we know (asm-generic/unistd.h).
_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_FSOPEN = 430
_NR_FSCONFIG = 431
_NR_FSMOUNT = 432
_NR_CLOSE_RANGE = 436
_NR_OPENAT2 = 437
_NR_PIDFD_GETFD = 438
_NR_MOUNT_SETATTR = 442

_CLOSE_RANGE_CLOEXEC = 4  # linux/close_range.h

_SECCOMP_SET_MODE_FILTER = 1  # linux/seccomp.h

# Older ones that glibc does not wrap, or not whole:
# (pivot_root, keyctl, seccomp, sched_setattr, ioprio_set, set_mempolicy, rt_sigaction).
# arm64 and riscv64 share the generic table.
_OLD_NUMBERS = {
    "x86_64": (155, 250, 317, 314, 251, 238, 13),
    "aarch64": (41, 219, 277, 274, 30, 237, 134),
    "riscv64": (41, 219, 277, 274, 30, 237, 134),
    "ppc64le": (203, 271, 358, 355, 273, 261, 173),
    "s390x": (217, 280, 348, 345, 282, 270, 174),
    "armv7l": (218, 311, 383, 380, 314, 321, 174),
    "i686": (217, 288, 354, 351, 289, 276, 174),
}


def _prototype(name: str, *argtypes: type) -> ctypes._NamedFuncPointer:
    function = _libc[name]
    function.argtypes = argtypes
    function.restype = ctypes.c_int
    return function


_mount = _prototype("mount", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_umount2 = _prototype("umount2", ctypes.c_char_p, ctypes.c_int)
_unshare = _prototype("unshare", ctypes.c_int)
_setns = _prototype("setns", ctypes.c_int, ctypes.c_int)
_prctl = _prototype("prctl", *[ctypes.c_int] + [ctypes.c_ulong] * 4)
_capget = _prototype("capget", ctypes.c_char_p, ctypes.c_char_p)
_capset = _prototype("capset", ctypes.c_char_p, ctypes.c_char_p)
_personality = _prototype("personality", ctypes.c_ulong)
_setdomainname = _prototype("setdomainname", ctypes.c_char_p, ctypes.c_size_t)
_statfs = _prototype("statfs", ctypes.c_char_p, ctypes.c_char_p)
_fstatfs = _prototype("fstatfs", ctypes.c_int, ctypes.c_char_p)


def _check(result: int, path: str | None = None) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _call(number: int, *arguments: object, path: str | None = None) -> int:
    return _check(_syscall(ctypes.c_long(number), *arguments), path)


def _old_number(index: int) -> int:
    try:
        return _OLD_NUMBERS[_MACHINE][index]
    except KeyError:
        raise OSError(errno.ENOSYS, f"no system call table for {_MACHINE}") from None


def mount(source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    _check(_mount(_bytes(source), os.fsencode(target), _bytes(fstype), flags, _bytes(data)), target)


def umount2(target: str, flags: int) -> None:
    """umount2(2)."""
    _check(_umount2(os.fsencode(target), flags), target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    _call(_old_number(0), ctypes.c_char_p(os.fsencode(new_root)), ctypes.c_char_p(os.fsencode(put_old)), path=new_root)


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_unshare(flags))


def setns(fd: int, nstype: int) -> None:
    """setns(2)."""
    _check(_setns(fd, nstype))


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """prctl(2) with integer arguments."""
    return _check(_prctl(option, arg2, arg3, arg4, arg5))


def setdomainname(name: str) -> None:
    """setdomainname(2)."""
    raw = os.fsencode(name)
    _check(_setdomainname(raw, len(raw)))


def personality(persona: int) -> None:
    """personality(2): the calling process's execution domain, kept over execve(2)."""
    _check(_personality(persona))


def sched_setattr(pid: int, attributes: bytes) -> None:
    """sched_setattr(2), Linux 3.14, with a struct sched_attr."""
    _call(_old_number(3), ctypes.c_long(pid), ctypes.c_char_p(attributes), ctypes.c_ulong(0))


def ioprio_set(which: int, who: int, priority: int) -> None:
    """ioprio_set(2)."""
    _call(_old_number(4), ctypes.c_long(which), ctypes.c_long(who), ctypes.c_long(priority))


def set_mempolicy(mode: int, nodes: Iterable[int]) -> None:
    """set_mempolicy(2) of the calling thread, kept over execve(2); *mode* holds the flags too."""
    bits = sum(1 << node for node in nodes)
    size = ctypes.sizeof(ctypes.c_ulong)
    raw = bits.to_bytes((bits.bit_length() // (8 * size) + 1) * size, sys.byteorder)  # an array of unsigned long
    if sys.byteorder == "big":
        raw = b"".join(reversed([raw[start : start + size] for start in range(0, len(raw), size)]))
    mask = ctypes.create_string_buffer(raw, len(raw)) if bits else None
    # One bit more than the mask has: the kernel takes one away.
    _call(_old_number(5), ctypes.c_long(mode), mask, ctypes.c_ulong(8 * len(raw) + 1 if bits else 0))


def new_session_keyring() -> None:
    """Join a fresh anonymous session keyring (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING)."""
    _call(_old_number(1), ctypes.c_long(1), ctypes.c_char_p(None))


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2), version 3, for the calling thread; each set is a bit mask."""
    header = struct.pack("=Ii", 0x20080522, 0)
    low, high = 0xFFFFFFFF, 32
    sets = (effective, permitted, inheritable)
    _check(_capset(header, struct.pack("=6I", *[s & low for s in sets], *[s >> high for s in sets])))


def seccomp_set_mode_filter(flags: int, program: bytes) -> int:
    """seccomp(2), SECCOMP_SET_MODE_FILTER, with an array of struct sock_filter; what the kernel returns."""
    instructions = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    mode = ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER)
    return _call(_old_number(2), mode, ctypes.c_ulong(flags), ctypes.c_char_p(fprog))


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """pidfd_getfd(2), Linux 5.6: our own descriptor, close-on-exec, of another process's *fd*."""
    return _call(_NR_PIDFD_GETFD, ctypes.c_ulong(pidfd), ctypes.c_ulong(fd), ctypes.c_ulong(0))


def capget() -> tuple[int, int, int]:
    """capget(2), version 3, of the calling thread: (effective, permitted, inheritable) as bit masks."""
    header = struct.pack("=Ii", 0x20080522, 0)
    data = ctypes.create_string_buffer(24)
    _check(_capget(header, data))
    low = struct.unpack("=6I", data.raw)
    return low[0] | low[3] << 32, low[1] | low[4] << 32, low[2] | low[5] << 32


def reset_signal(number: int) -> None:
    """Give signal *number* its default action by rt_sigaction(2), those that glibc keeps to itself included."""
    # struct sigaction of the kernel: handler (0 is SIG_DFL), flags, restorer, mask; the order differs, zeros do not.
    action = ctypes.c_char_p(bytes(64))
    _call(_old_number(6), ctypes.c_long(number), action, ctypes.c_char_p(None), ctypes.c_size_t(8))


def fs_type(target: str | int) -> int:
    """f_type of statfs(2) for a path or a descriptor: one of the ``*_MAGIC`` constants."""
    buffer = ctypes.create_string_buffer(256)
    if isinstance(target, int):
        _check(_fstatfs(target, buffer))
    else:
        _check(_statfs(os.fsencode(target), buffer), target)
    # The first member is a long everywhere but on s390x, where it is an unsigned int.
    kind: int = struct.unpack_from("=I" if _MACHINE == "s390x" else "@L", buffer)[0]
    return kind & 0xFFFFFFFF


def openat2(dirfd: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """openat2(2), Linux 5.6; the descriptor is close-on-exec."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return _call(
        _NR_OPENAT2,
        ctypes.c_long(dirfd),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
        path=path,
    )


def open_tree(dirfd: int, path: str, flags: int) -> int:
    """open_tree(2), Linux 5.2; with OPEN_TREE_CLONE the descriptor of a detached copy of the mount."""
    return _call(
        _NR_OPEN_TREE,
        ctypes.c_long(dirfd),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_long(flags | c.OPEN_TREE_CLOEXEC),
        path=path,
    )


def move_mount(tree: int, target: int) -> None:
    """move_mount(2), Linux 5.2: attach the detached mount *tree* on the file or directory behind *target*."""
    _call(
        _NR_MOVE_MOUNT,
        ctypes.c_long(tree),
        ctypes.c_char_p(b""),
        ctypes.c_long(target),
        ctypes.c_char_p(b""),
        ctypes.c_long(c.MOVE_MOUNT_F_EMPTY_PATH | c.MOVE_MOUNT_T_EMPTY_PATH),
    )


def mount_setattr(fd: int, set_: int, clear: int, *, propagation: int = 0, userns: int = 0, recursive: bool) -> None:
    """mount_setattr(2), Linux 5.12, on the mount whose root is *fd*."""
    attributes = struct.pack("=QQQQ", set_, clear, propagation, userns)
    _call(
        _NR_MOUNT_SETATTR,
        ctypes.c_long(fd),
        ctypes.c_char_p(b""),
        ctypes.c_long(c.AT_EMPTY_PATH | (c.AT_RECURSIVE if recursive else 0)),
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
    )


def fsopen(fstype: str) -> int:
    """fsopen(2), Linux 5.2."""
    return _call(_NR_FSOPEN, ctypes.c_char_p(fstype.encode()), ctypes.c_long(c.FSOPEN_CLOEXEC), path=fstype)


def fsconfig_string(fd: int, key: str, value: str) -> None:
    """fsconfig(2), FSCONFIG_SET_STRING."""
    _call(
        _NR_FSCONFIG,
        ctypes.c_long(fd),
        ctypes.c_long(c.FSCONFIG_SET_STRING),
        ctypes.c_char_p(key.encode()),
        ctypes.c_char_p(os.fsencode(value)),
        ctypes.c_long(0),
        path=value,
    )


def fsconfig_create(fd: int) -> None:
    """fsconfig(2), FSCONFIG_CMD_CREATE."""
    null = ctypes.c_char_p(None)
    _call(_NR_FSCONFIG, ctypes.c_long(fd), ctypes.c_long(c.FSCONFIG_CMD_CREATE), null, null, ctypes.c_long(0))


def fsmount(fd: int, attributes: int) -> int:
    """fsmount(2), Linux 5.2: the descriptor of a detached mount."""
    return _call(_NR_FSMOUNT, ctypes.c_long(fd), ctypes.c_long(c.FSMOUNT_CLOEXEC), ctypes.c_long(attributes))


def close_on_exec(first: int) -> None:
    """Mark every open descriptor from *first* on close-on-exec: close_range(2), Linux 5.11, else one by one.

    The slow way needs a trusted /proc.
    """
    try:
        flag = ctypes.c_ulong(_CLOSE_RANGE_CLOEXEC)
        _call(_NR_CLOSE_RANGE, ctypes.c_ulong(first), ctypes.c_ulong(0xFFFFFFFF), flag)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
        for name in os.listdir("/proc/self/fd"):
            if int(name) >= first:
                try:
                    os.set_inheritable(int(name), False)
                except OSError as gone:  # the descriptor of the listing itself
                    if gone.errno != errno.EBADF:
                        raise
