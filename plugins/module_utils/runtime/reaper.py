# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Process 1 for programs that are not made to be it: reaps zombies, and passes signals on to the program.

It cannot be the interpreter: that is megabytes for each container, with the memory of whoever created it in it, and it
finds none of its modules inside. And a host has no such program unless somebody installed one. So the first process
forks, the program runs as its child, and it itself becomes the few instructions below, an executable of 300 bytes that
is put together here and lies in memory alone. They are the listing's left column; a test assembles the right one.

Signals are blocked from before the fork on: even those that process 1 would ignore wait for it then, until
rt_sigtimedwait(2) takes them.
"""

from __future__ import annotations

import errno
import os

from ..kernel import constants as c
from ..kernel import syscalls
from ..kernel.lean import signal, struct
from . import process
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .channel import Channel
    from .config import Config

ANNOTATION = "agentless.oci.init"  # config.py

# rt_sigtimedwait(&set, NULL, NULL, 8); SIGCHLD: wait4(-1, &status, WNOHANG, NULL) until there is none, and when it was
# the program, exit_group() with its code, or 128 and its signal; any other signal: kill(pid, signal).
X86_64 = """
                     loop:
b8 80 00 00 00           mov $128, %eax
48 8d 3d 6c 00 00 00     lea set(%rip), %rdi
31 f6                    xor %esi, %esi
31 d2                    xor %edx, %edx
41 ba 08 00 00 00        mov $8, %r10d
0f 05                    syscall
83 f8 11                 cmp $17, %eax
74 15                    je reap
85 c0                    test %eax, %eax
7e df                    jle loop
89 c6                    mov %eax, %esi
8b 3d 57 00 00 00        mov pid(%rip), %edi
b8 3e 00 00 00           mov $62, %eax
0f 05                    syscall
eb ce                    jmp loop
                     reap:
b8 3d 00 00 00           mov $61, %eax
48 c7 c7 ff ff ff ff     mov $-1, %rdi
48 89 e6                 mov %rsp, %rsi
ba 01 00 00 00           mov $1, %edx
45 31 d2                 xor %r10d, %r10d
0f 05                    syscall
85 c0                    test %eax, %eax
7e b1                    jle loop
3b 05 2b 00 00 00        cmp pid(%rip), %eax
75 db                    jne reap
8b 3c 24                 mov (%rsp), %edi
89 f9                    mov %edi, %ecx
83 e1 7f                 and $0x7f, %ecx
74 08                    je exited
8d b9 80 00 00 00        lea 128(%rcx), %edi
eb 03                    jmp exit
                     exited:
c1 ef 08                 shr $8, %edi
                     exit:
b8 e7 00 00 00           mov $231, %eax
0f 05                    syscall
"""
AARCH64 = """
                     loop:
28 11 80 d2              mov x8, #137
20 04 00 10              adr x0, set
01 00 80 d2              mov x1, #0
02 00 80 d2              mov x2, #0
03 01 80 d2              mov x3, #8
01 00 00 d4              svc #0
1f 44 00 71              cmp w0, #17
00 01 00 54              b.eq reap
1f 00 00 71              cmp w0, #0
ed fe ff 54              b.le loop
e1 03 00 2a              mov w1, w0
20 03 00 18              ldr w0, pid
28 10 80 d2              mov x8, #129
01 00 00 d4              svc #0
f2 ff ff 17              b loop
                     reap:
88 20 80 d2              mov x8, #260
00 00 80 92              mov x0, #-1
e1 03 00 91              mov x1, sp
22 00 80 d2              mov x2, #1
03 00 80 d2              mov x3, #0
01 00 00 d4              svc #0
1f 00 00 71              cmp w0, #0
4d fd ff 54              b.le loop
a1 01 00 18              ldr w1, pid
1f 00 01 6b              cmp w0, w1
c1 fe ff 54              b.ne reap
e0 03 40 b9              ldr w0, [sp]
01 18 00 72              ands w1, w0, #0x7f
60 00 00 54              b.eq exited
20 00 02 11              add w0, w1, #128
02 00 00 14              b exit
                     exited:
00 7c 08 53              lsr w0, w0, #8
                     exit:
c8 0b 80 d2              mov x8, #94
01 00 00 d4              svc #0
"""
_COLUMN = 21  # where the listing's right side begins
# uname(2)'s machine → the listing, and e_machine of elf(5)
MACHINES = {"x86_64": (X86_64, 62), "aarch64": (AARCH64, 183)}

_EHDR, _PHDR = struct.Struct("<4s5B7xHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
_BASE = 0x400000
_PAGE = 0x10000  # no machine's page is larger
_MFD_EXEC = 0x10  # linux/memfd.h, since Linux 6.3


def supported(machine: str) -> bool:
    return machine in MACHINES


def check() -> None:
    """Raise RuntimeFault where there is none for this machine."""
    machine = os.uname().machine
    if not supported(machine):
        raise RuntimeFault(f"there is no init for machines of type {machine}", step="init", obj=ANNOTATION)


def code(listing: str, pid: int) -> bytes:
    """The instructions of *listing*, then ``set`` (all signals) and ``pid``, the program's."""
    text = b"".join([bytes.fromhex(line[:_COLUMN]) for line in listing.split("\n")])
    return text + b"\0" * (-len(text) % 8) + struct.pack("<Qi", (1 << 64) - 1, pid)


def image(machine: str, pid: int) -> bytes:
    """The executable (elf(5)): one segment to be read and executed, and a stack that is not."""
    listing, number = MACHINES[machine]
    body = code(listing, pid)
    start = _EHDR.size + 2 * _PHDR.size
    ident = (b"\x7fELF", 2, 1, 1, 0, 0)  # 64 bits, little-endian, System V
    header = _EHDR.pack(*ident, 2, number, 1, _BASE + start, _EHDR.size, 0, 0, _EHDR.size, _PHDR.size, 2, 0, 0, 0)
    size = start + len(body)
    load = _PHDR.pack(1, 5, 0, _BASE, _BASE, size, size, _PAGE)  # PT_LOAD, PF_R | PF_X
    stack = _PHDR.pack(0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK, PF_R | PF_W
    return header + load + stack + body


def enter(config: Config, last_capabilities: tuple[int, int, int] | None, starter: Channel) -> None:
    """Come back in a child that is to run the program; the process itself becomes init, with all that confines it.

    The child goes on when its parent is the interpreter no longer, which the program could otherwise reach
    (CVE-2019-5736). What goes wrong is told to *starter*.
    """
    if config.seccomp is not None:
        from . import seccomp

        if seccomp.notifies(config.seccomp):
            raise RuntimeFault(
                "init and a seccomp filter that asks an agent exclude each other", step="init", obj=ANNOTATION
            )
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.setpgid(0, 0)
        if config.terminal:
            os.tcsetpgrp(0, os.getpid())
        os.read(reader, 1)  # the end of the file, when execve(2) closes the other side
        os.close(reader)
        return
    try:
        _become(config, pid, last_capabilities, starter)
    except BaseException as error:  # noqa: BLE001  as in init.py; outside a pid namespace the child outlives us
        os.kill(pid, signal.SIGKILL)
        starter.fail(error, "init")
    finally:
        os._exit(127)


def _become(config: Config, pid: int, last_capabilities: tuple[int, int, int] | None, starter: Channel) -> None:
    fd = _memory_file()
    os.write(fd, image(os.uname().machine, pid))
    syscalls.prctl(c.PR_SET_CHILD_SUBREAPER, 1)  # where there is no pid namespace
    if config.process_label is not None:
        config.process_label.write()
    process.confine(config, last_capabilities, starter)
    try:
        os.execve(fd, ["init", "--", *config.args], {})
    except OSError as error:
        raise RuntimeFault.of(
            error,
            "cannot run init",
            step="init",
            obj=ANNOTATION,
            hint="The kernel, or the seccomp profile, does not let a file in memory be executed; leave init out",
        ) from error


def _memory_file() -> int:
    try:
        return os.memfd_create("init", os.MFD_CLOEXEC | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a kernel that does not know the flag: there it may be executed anyway
            raise
        return os.memfd_create("init", os.MFD_CLOEXEC)
