# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device rules under cgroup v2: an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE attached to the group.

The program gets the kind of access, the type and the number of a device and answers 1 or 0 (bpf(2);
linux/bpf.h, struct bpf_cgroup_dev_ctx). Its name carries a digest of the rules, by which a later run knows
them again without decompiling.
"""

from __future__ import annotations

import os
import zlib

from ..kernel.foreign import addressof, buffer
from ..kernel.lean import struct
from ..kernel.syscalls import bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# enum bpf_cmd, enum bpf_prog_type, enum bpf_attach_type and flags of linux/bpf.h
_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH, _PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _PROG_QUERY = 5, 8, 9, 13, 15, 16
_PROG_TYPE_CGROUP_DEVICE = 15
_ATTACH_CGROUP_DEVICE = 6
_F_ALLOW_MULTI = 2
_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*
_ACCESS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*
_NAME = "ocidev_"
_MOST_PROGRAMS = 64  # BPF_CGROUP_MAX_PROGS


def _insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return struct.pack("<BBhi" if struct.pack("=H", 1) == b"\1\0" else ">BBhi", code, src << 4 | dst, off, imm)


# Registers: 1 the context, then 2 type, 3 access, 4 major, 5 minor. BPF_LDX|MEM|W 0x61, BPF_ALU|AND|K 0x54,
# BPF_ALU|RSH|K 0x74, BPF_ALU|MOV|X 0xbc, BPF_ALU64|MOV|K 0xb7, BPF_JMP|JNE|K 0x55, JEQ|K 0x15, JNE|X 0x5d, EXIT 0x95.
_PROLOGUE = b"".join(
    (
        _insn(0x61, 2, 1, 0),
        _insn(0x54, 2, imm=0xFFFF),
        _insn(0x61, 3, 1, 0),
        _insn(0x74, 3, imm=16),
        _insn(0x61, 4, 1, 4),
        _insn(0x61, 5, 1, 8),
    )
)


def program(default: bool, exceptions: Iterable[str]) -> bytes:
    """Instructions that answer *default* except for *exceptions*, ``"c 1:3 rw"`` each.

    An allowed exception must cover the whole access asked for; a denied one any part of it.
    """
    code = [_PROLOGUE]
    for line in exceptions:
        kind, node, access = line.split()
        major, _colon, minor = node.partition(":")
        mask = sum(_ACCESS[letter] for letter in access)
        body = [_insn(0xBC, 1, 3), _insn(0x54, 1, imm=mask)]
        tests = [(0x55, 2, 0, _TYPES[kind])]
        after = [(0x15, 1, 0, 0) if default else (0x5D, 1, 3, 0)]
        after += [(0x55, register, 0, int(n)) for register, n in ((4, major), (5, minor)) if n != "*"]
        left = len(tests) + len(body) + len(after) + 2  # to behind this exception
        for part in (tests, body, after):
            for step in part:
                left -= 1
                code.append(step if isinstance(step, bytes) else _insn(step[0], step[1], step[2], left, step[3]))
        code += [_insn(0xB7, 0, imm=int(not default)), _insn(0x95)]
    code += [_insn(0xB7, 0, imm=int(default)), _insn(0x95)]
    return b"".join(code)


def program_name(code: bytes) -> str:
    """15 characters, the most the kernel keeps: ours, and which rules."""
    return f"{_NAME}{zlib.crc32(code):08x}"


def attached(directory: str) -> dict[str, int]:
    """Our programs on the group: name → id."""
    group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ids = buffer(4 * _MOST_PROGRAMS)
        query = struct.pack("=IIIIQI4x", group, _ATTACH_CGROUP_DEVICE, 0, 0, addressof(ids), _MOST_PROGRAMS)
        _result, answer = bpf(_PROG_QUERY, query, directory)
    finally:
        os.close(group)
    count = struct.unpack_from("=I", answer, 24)[0]
    found = {}
    for number in struct.unpack_from(f"={count}I", ids):
        try:
            fd, _attributes = bpf(_PROG_GET_FD_BY_ID, struct.pack("=III4x", number, 0, 0), directory)
        except FileNotFoundError:
            continue  # detached meanwhile
        try:
            info = buffer(80)
            bpf(_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, len(info), addressof(info)), directory)
        finally:
            os.close(fd)
        name = info.raw[64:80].rstrip(b"\0").decode("ascii", "replace")
        if name.startswith(_NAME):
            found[name] = number
    return found


def attach(directory: str, code: bytes) -> None:
    """Load *code* and attach it to the group, then take our earlier programs off. Raises OSError."""
    old = attached(directory)
    instructions = buffer(len(code), code)
    licence = buffer(4, b"GPL")
    name = program_name(code)
    load = struct.pack("=IIQQIIQII16s", _PROG_TYPE_CGROUP_DEVICE, len(code) // 8, addressof(instructions),
                       addressof(licence), 0, 0, 0, 0, 0, name.encode())  # fmt: skip
    program_fd, _attributes = bpf(_PROG_LOAD, load, directory)
    try:
        group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            bpf(_PROG_ATTACH, struct.pack("=IIII", group, program_fd, _ATTACH_CGROUP_DEVICE, _F_ALLOW_MULTI), directory)
            for number in old.values():
                _detach(group, number, directory)
        finally:
            os.close(group)
    finally:
        os.close(program_fd)


def _detach(group: int, number: int, directory: str) -> None:
    fd, _attributes = bpf(_PROG_GET_FD_BY_ID, struct.pack("=III4x", number, 0, 0), directory)
    try:
        bpf(_PROG_DETACH, struct.pack("=IIII", group, fd, _ATTACH_CGROUP_DEVICE, 0), directory)
    finally:
        os.close(fd)
