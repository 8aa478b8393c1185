# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a checked ``linux.seccomp`` object to a BPF program, by way of libseccomp and ctypes (seccomp(3) pages)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .errors import RuntimeFault
from .seccomp import ACTIONS, OPERATORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

_SONAME = "libseccomp.so.2"
_CTL_OPTIMIZE = 8  # SCMP_FLTATR_CTL_OPTIMIZE, libseccomp 2.5
_MANY = 32  # from about here on a binary search beats a list, and old versions build a good tree

# Instructions of linux/filter.h, and where struct seccomp_data has what we ask for
_LOAD, _JEQ, _JGT, _JGE, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
_OFFSET_NR, _OFFSET_ARCH = 0, 4
_RET_ENOSYS = ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS

_AUDIT_ARCH_X86_64, _SCMP_ARCH_X32 = 0xC000003E, 0x4000003E
_AUDIT_ARCH_S390, _AUDIT_ARCH_S390X = 0x00000016, 0x80000016
_AUDIT_ARCH_ARM = 0x40000028
_X32_BIT = 0x40000000  # asm/unistd.h: __X32_SYSCALL_BIT
_ARM_PRIVATE = 0x0F0000  # asm/unistd.h: __ARM_NR_BASE
_NUMBERS_END = 1 << 32


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class _Version(ctypes.Structure):
    """struct scmp_version"""

    _fields_ = [("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint)]


def load() -> ctypes.CDLL:
    """The library with the prototypes set. Raises RuntimeFault when it is not there: no filter, no container."""
    try:
        library = ctypes.CDLL(_SONAME)
    except OSError as error:
        raise RuntimeFault(
            f"linux.seccomp is set, and {_SONAME} is not on this host ({error})",
            step="seccomp",
            obj="linux.seccomp",
            hint="Install the package libseccomp2 (Debian, Ubuntu, SUSE) or libseccomp (Fedora, RHEL, Arch, Alpine)",
        ) from error
    context, text, word = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32
    for name, result, arguments in (
        ("seccomp_version", ctypes.POINTER(_Version), ()),
        ("seccomp_init", context, (word,)),
        ("seccomp_release", None, (context,)),
        ("seccomp_attr_set", ctypes.c_int, (context, ctypes.c_int, word)),
        ("seccomp_arch_native", word, ()),
        ("seccomp_arch_resolve_name", word, (text,)),
        ("seccomp_arch_add", ctypes.c_int, (context, word)),
        ("seccomp_syscall_resolve_name", ctypes.c_int, (text,)),
        ("seccomp_syscall_resolve_name_arch", ctypes.c_int, (word, text)),
        (
            "seccomp_rule_add_array",
            ctypes.c_int,
            (context, word, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Comparison)),
        ),
        ("seccomp_export_bpf", ctypes.c_int, (context, ctypes.c_int)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def version(library: ctypes.CDLL) -> str:
    found = library.seccomp_version().contents
    return f"{found.major}.{found.minor}.{found.micro}"


def compile_filter(library: ctypes.CDLL, seccomp: dict[str, Any]) -> bytes:
    """The whole program. Names that this libseccomp does not know are skipped. Raises RuntimeFault."""
    default = _action(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    context = library.seccomp_init(default)
    if not context:
        _fault(f"libseccomp {version(library)} or this kernel has no {seccomp['defaultAction']}")
    try:
        architectures = _add_architectures(library, context, seccomp)
        rules = seccomp.get("syscalls") or ()
        if sum(len(entry["names"]) for entry in rules) > _MANY:
            library.seccomp_attr_set(context, _CTL_OPTIMIZE, 2)  # an older version has only the list
        for index, entry in enumerate(rules):
            action = _action(entry["action"], entry.get("errnoRet"))
            if action == default:
                continue  # libseccomp refuses such rules, which change nothing
            for name in entry["names"]:
                _add(library, context, action, name, entry.get("args") or (), f"linux.seccomp.syscalls[{index}]")
        program = _export(library, context)
    finally:
        library.seccomp_release(context)
    if seccomp["defaultAction"] in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"):
        return program  # unknown calls are let through, or somebody decides who may know them
    names = {name for entry in rules for name in entry["names"]}
    return prologue(newest_numbers(library, architectures, names)) + program


def _action(name: str, number: int | None) -> int:
    action = ACTIONS[name]
    if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        action |= errno.EPERM if number is None else number
    return action


def _fault(message: str, number: int = 0, obj: str = "linux.seccomp") -> NoReturn:
    raise RuntimeFault(f"linux.seccomp: {message}", step="seccomp", obj=obj, errno=number)


def _add_architectures(library: ctypes.CDLL, context: int, seccomp: dict[str, Any]) -> list[int]:
    """Add the declared architectures to the native one, which is always there; the tokens of all."""
    tokens = [library.seccomp_arch_native()]
    for name in seccomp.get("architectures") or ():
        token = library.seccomp_arch_resolve_name(name[len("SCMP_ARCH_") :].lower().encode())
        if not token:
            _fault(f"architectures: libseccomp {version(library)} does not know {name}")
        if token in tokens:
            continue
        result = library.seccomp_arch_add(context, token)
        if result:
            _fault(f"architectures: cannot add {name}: {os.strerror(-result)}", -result)
        tokens.append(token)
    return tokens


def _add(library: ctypes.CDLL, context: int, action: int, name: str, arguments: Any, where: str) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == -1:  # no architecture of this libseccomp has it; other negative numbers: not the native one
        return
    comparisons = [
        _Comparison(entry["index"], OPERATORS[entry["op"]], entry["value"], entry.get("valueTwo") or 0)
        for entry in arguments
    ]
    # All comparisons of a rule must hold. libseccomp has no room for two on the same argument; as with runc and
    # crun, such a rule falls apart into rules of one comparison each, any of which is enough.
    alone = len({entry.arg for entry in comparisons}) < len(comparisons)
    for group in [[entry] for entry in comparisons] if alone else [comparisons]:
        array = (_Comparison * len(group))(*group)
        result = library.seccomp_rule_add_array(context, action, number, len(group), array)
        if result:
            _fault(f"cannot add the rule for {name}: {os.strerror(-result)}", -result, where)


def _export(library: ctypes.CDLL, context: int) -> bytes:
    fd = os.memfd_create("seccomp")
    try:
        result = library.seccomp_export_bpf(context, fd)
        if result:
            _fault(f"libseccomp cannot make the filter: {os.strerror(-result)}", -result)
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def newest_numbers(library: ctypes.CDLL, tokens: list[int], names: set[str]) -> dict[int, int]:
    """For each architecture's token the largest number among *names*: what its author can have known of."""
    newest = {}
    for token in tokens:
        limit = _ARM_PRIVATE if token == _AUDIT_ARCH_ARM else _NUMBERS_END
        numbers = [library.seccomp_syscall_resolve_name_arch(token, name.encode()) for name in names]
        known = [number for number in numbers if 0 <= number < limit]  # negative: unknown, or not on this one
        if known:
            newest[token] = max(known)
    return newest


def prologue(newest: dict[int, int]) -> bytes:
    """BPF that gives ENOSYS for system calls newer than the profile, and falls through for all others.

    C libraries try a new system call first and the old one on ENOSYS; a default of EPERM would break every program
    that is newer than the profile.
    """
    blocks = []
    for token, number in newest.items():
        if token == _SCMP_ARCH_X32:
            continue  # the kernel shows it as x86_64 with a bit set in the number
        body = _newer_than(number, _ARM_PRIVATE if token == _AUDIT_ARCH_ARM else _NUMBERS_END)
        if token == _AUDIT_ARCH_X86_64:
            body = _newer_than(number, _X32_BIT)
            if _SCMP_ARCH_X32 in newest:
                body += _newer_than(newest[_SCMP_ARCH_X32], _NUMBERS_END)
        if token in (_AUDIT_ARCH_S390, _AUDIT_ARCH_S390X):
            # There the kernel replaces a number that it does not know by 0, setup, which nobody may call.
            body += [(_JEQ, 0, 1, 0), (_RETURN, 0, 0, _RET_ENOSYS)]
        blocks.append((token, body))
    code: list[tuple[int, int, int, int]] = []
    for token, body in blocks:
        code += [(_LOAD, 0, 0, _OFFSET_ARCH), (_JEQ, 0, len(body) + 1, token), (_LOAD, 0, 0, _OFFSET_NR), *body]
    return b"".join(_instructions(code))


def _newer_than(number: int, limit: int) -> list[tuple[int, int, int, int]]:
    """ENOSYS for the numbers above *number* and below *limit*; the accumulator holds the call's number."""
    if limit >= _NUMBERS_END:
        return [(_JGT, 0, 1, number), (_RETURN, 0, 0, _RET_ENOSYS)]
    return [(_JGT, 0, 2, number), (_JGE, 1, 0, limit), (_RETURN, 0, 0, _RET_ENOSYS)]


def _instructions(code: list[tuple[int, int, int, int]]) -> Iterator[bytes]:
    for opcode, if_true, if_false, operand in code:
        yield struct.pack("=HBBI", opcode, if_true, if_false, operand)
