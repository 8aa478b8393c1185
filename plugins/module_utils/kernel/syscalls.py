# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that Python's os module lacks, one thin function each.

Every function raises OSError with the errno and, where there is one, the path. A call the kernel does not know
gives ENOSYS. Single-threaded callers only where the call itself demands it (unshare(2), setns(2)).
"""

from __future__ import annotations

import errno
import os
import sys

from . import constants as c
from .foreign import addressof, buffer, c_char_p, c_int, c_long, c_ulong, function, get_errno
from .lean import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ctypes import Array, c_char

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

_MAX_HANDLE = 128  # MAX_HANDLE_SZ, linux/exportfs.h

_SECCOMP_SET_MODE_FILTER = 1  # linux/seccomp.h

# Older ones that glibc does not wrap, or not whole:
# (pivot_root, keyctl, seccomp, sched_setattr, ioprio_set, set_mempolicy, rt_sigaction, bpf, renameat2,
# name_to_handle_at).
# arm64 and riscv64 share the generic table.
_OLD_NUMBERS = {
    "x86_64": (155, 250, 317, 314, 251, 238, 13, 321, 316, 303),
    "aarch64": (41, 219, 277, 274, 30, 237, 134, 280, 276, 264),
    "riscv64": (41, 219, 277, 274, 30, 237, 134, 280, 276, 264),
    "ppc64le": (203, 271, 358, 355, 273, 261, 173, 361, 357, 345),
    "s390x": (217, 280, 348, 345, 282, 270, 174, 351, 347, 335),
    "armv7l": (218, 311, 383, 380, 314, 321, 174, 386, 382, 370),
    "i686": (217, 288, 354, 351, 289, 276, 174, 357, 353, 341),
}


_syscall = function("syscall", restype=c_long)
_mount = function("mount", c_char_p, c_char_p, c_char_p, c_ulong, c_char_p)
_umount2 = function("umount2", c_char_p, c_int)
_unshare = function("unshare", c_int)
_setns = function("setns", c_int, c_int)
_prctl = function("prctl", c_int, c_ulong, c_ulong, c_ulong, c_ulong)
_capget = function("capget", c_char_p, c_char_p)
_capset = function("capset", c_char_p, c_char_p)
_personality = function("personality", c_ulong)
_setdomainname = function("setdomainname", c_char_p, c_ulong)
_syncfs = function("syncfs", c_int)
_setfsuid = function("setfsuid", c_ulong)
_setfsgid = function("setfsgid", c_ulong)
_statfs = function("statfs", c_char_p, c_char_p)
_fstatfs = function("fstatfs", c_int, c_char_p)


def _check(result: int, path: str | None = None) -> int:
    if result == -1:
        number = get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _call(number: int, *arguments: int | bytes | Array[c_char] | None, path: str | None = None) -> int:
    """syscall(2): each argument a whole register, or the address of its bytes."""
    words = [c_ulong(word) if isinstance(word, int) else word for word in arguments]
    return _check(_syscall(c_long(number), *words), path)


def _old_number(index: int) -> int:
    try:
        return _OLD_NUMBERS[_MACHINE][index]
    except KeyError:
        raise OSError(errno.ENOSYS, f"no system call table for {_MACHINE}") from None


def syncfs(fd: int) -> None:
    """syncfs(2): all of the file system behind *fd* is on disk."""
    _check(_syncfs(fd))


def mount(source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    _check(_mount(_bytes(source), os.fsencode(target), _bytes(fstype), flags, _bytes(data)), target)


def umount2(target: str, flags: int) -> None:
    """umount2(2)."""
    _check(_umount2(os.fsencode(target), flags), target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    _call(_old_number(0), os.fsencode(new_root), os.fsencode(put_old), path=new_root)


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
    _call(_old_number(3), pid, attributes, 0)


def ioprio_set(which: int, who: int, priority: int) -> None:
    """ioprio_set(2)."""
    _call(_old_number(4), which, who, priority)


def set_mempolicy(mode: int, nodes: Iterable[int]) -> None:
    """set_mempolicy(2) of the calling thread, kept over execve(2); *mode* holds the flags too."""
    bits = sum(1 << node for node in nodes)
    size = struct.calcsize("@L")
    raw = bits.to_bytes((bits.bit_length() // (8 * size) + 1) * size, sys.byteorder)  # an array of unsigned long
    if sys.byteorder == "big":
        raw = b"".join(reversed([raw[start : start + size] for start in range(0, len(raw), size)]))
    mask = raw if bits else None
    # One bit more than the mask has: the kernel takes one away.
    _call(_old_number(5), mode, mask, 8 * len(raw) + 1 if bits else 0)


def new_session_keyring() -> None:
    """Join a fresh anonymous session keyring (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING)."""
    _call(_old_number(1), 1, None)


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2), version 3, for the calling thread; each set is a bit mask."""
    header = struct.pack("=Ii", 0x20080522, 0)
    low, high = 0xFFFFFFFF, 32
    sets = (effective, permitted, inheritable)
    _check(_capset(header, struct.pack("=6I", *[s & low for s in sets], *[s >> high for s in sets])))


def seccomp_set_mode_filter(flags: int, program: bytes) -> int:
    """seccomp(2), SECCOMP_SET_MODE_FILTER, with an array of struct sock_filter; what the kernel returns."""
    instructions = buffer(len(program), program)
    fprog = struct.pack("@HP", len(program) // 8, addressof(instructions))
    return _call(_old_number(2), _SECCOMP_SET_MODE_FILTER, flags, fprog)


def bpf(command: int, attributes: bytes, path: str) -> tuple[int, bytes]:
    """bpf(2): its result, and *attributes* (union bpf_attr) as the kernel left them; *path* is for errors alone."""
    filled = buffer(len(attributes), attributes)
    return _call(_old_number(7), command, filled, len(attributes), path=path), filled.raw


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """pidfd_getfd(2), Linux 5.6: our own descriptor, close-on-exec, of another process's *fd*."""
    return _call(_NR_PIDFD_GETFD, pidfd, fd, 0)


def renameat2(source: int, old: str, target: int, new: str, flags: int) -> None:
    """renameat2(2): *old* in the directory *source* to *new* in *target*, by RENAME_* *flags*.

    EINVAL where the file system does not know them.
    """
    _call(_old_number(8), source, os.fsencode(old), target, os.fsencode(new), flags, path=new)


def file_handle(fd: int) -> bytes:
    """name_to_handle_at(2): what tells this file from any other that ever had its inode number.

    EOPNOTSUPP where the file system has no such thing.
    """
    handle = buffer(8 + _MAX_HANDLE, struct.pack("=I", _MAX_HANDLE))
    mount = buffer(4)
    _call(_old_number(9), fd, b"", handle, mount, c.AT_EMPTY_PATH)
    size, kind = struct.unpack_from("=Ii", handle)
    return struct.pack("=i", kind) + handle.raw[8 : 8 + size]


def setfsuid(uid: int) -> None:
    """setfsuid(2), of the calling thread; it cannot fail for root."""
    _setfsuid(uid)


def setfsgid(gid: int) -> None:
    """setfsgid(2), likewise."""
    _setfsgid(gid)


def capget() -> tuple[int, int, int]:
    """capget(2), version 3, of the calling thread: (effective, permitted, inheritable) as bit masks."""
    header = struct.pack("=Ii", 0x20080522, 0)
    data = buffer(24)
    _check(_capget(header, data))
    low = struct.unpack("=6I", data.raw)
    return low[0] | low[3] << 32, low[1] | low[4] << 32, low[2] | low[5] << 32


def reset_signal(number: int) -> None:
    """Give signal *number* its default action by rt_sigaction(2), those that glibc keeps to itself included."""
    # struct sigaction of the kernel: handler (0 is SIG_DFL), flags, restorer, mask; the order differs, zeros do not.
    _call(_old_number(6), number, bytes(64), None, 8)


def fs_type(target: str | int) -> int:
    """f_type of statfs(2) for a path or a descriptor: one of the ``*_MAGIC`` constants."""
    found = buffer(256)
    if isinstance(target, int):
        _check(_fstatfs(target, found))
    else:
        _check(_statfs(os.fsencode(target), found), target)
    # The first member is a long everywhere but on s390x, where it is an unsigned int.
    kind: int = struct.unpack_from("=I" if _MACHINE == "s390x" else "@L", found)[0]
    return kind & 0xFFFFFFFF


def openat2(dirfd: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """openat2(2), Linux 5.6; the descriptor is close-on-exec."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return _call(
        _NR_OPENAT2,
        dirfd,
        os.fsencode(path),
        how,
        len(how),
        path=path,
    )


def open_tree(dirfd: int, path: str, flags: int) -> int:
    """open_tree(2), Linux 5.2; with OPEN_TREE_CLONE the descriptor of a detached copy of the mount."""
    return _call(
        _NR_OPEN_TREE,
        dirfd,
        os.fsencode(path),
        flags | c.OPEN_TREE_CLOEXEC,
        path=path,
    )


def move_mount(tree: int, target: int) -> None:
    """move_mount(2), Linux 5.2: attach the detached mount *tree* on the file or directory behind *target*."""
    _call(
        _NR_MOVE_MOUNT,
        tree,
        b"",
        target,
        b"",
        c.MOVE_MOUNT_F_EMPTY_PATH | c.MOVE_MOUNT_T_EMPTY_PATH,
    )


def mount_setattr(fd: int, set_: int, clear: int, *, propagation: int = 0, userns: int = 0, recursive: bool) -> None:
    """mount_setattr(2), Linux 5.12, on the mount whose root is *fd*."""
    attributes = struct.pack("=QQQQ", set_, clear, propagation, userns)
    _call(
        _NR_MOUNT_SETATTR,
        fd,
        b"",
        c.AT_EMPTY_PATH | (c.AT_RECURSIVE if recursive else 0),
        attributes,
        len(attributes),
    )


def fsopen(fstype: str) -> int:
    """fsopen(2), Linux 5.2."""
    return _call(_NR_FSOPEN, fstype.encode(), c.FSOPEN_CLOEXEC, path=fstype)


def fsconfig_string(fd: int, key: str, value: str) -> None:
    """fsconfig(2), FSCONFIG_SET_STRING."""
    _call(
        _NR_FSCONFIG,
        fd,
        c.FSCONFIG_SET_STRING,
        key.encode(),
        os.fsencode(value),
        0,
        path=value,
    )


def fsconfig_create(fd: int) -> None:
    """fsconfig(2), FSCONFIG_CMD_CREATE."""
    _call(_NR_FSCONFIG, fd, c.FSCONFIG_CMD_CREATE, None, None, 0)


def fsmount(fd: int, attributes: int) -> int:
    """fsmount(2), Linux 5.2: the descriptor of a detached mount."""
    return _call(_NR_FSMOUNT, fd, c.FSMOUNT_CLOEXEC, attributes)


def close_on_exec(first: int) -> None:
    """Mark every open descriptor from *first* on close-on-exec: close_range(2), Linux 5.11, else one by one.

    The slow way needs a trusted /proc.
    """
    try:
        _call(_NR_CLOSE_RANGE, first, 0xFFFFFFFF, _CLOSE_RANGE_CLOEXEC)
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
