# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels without the newer system calls: a filter in front of a program answers ENOSYS for them."""

from __future__ import annotations

import sys

# Numbers from 424 on are the same everywhere (asm-generic/unistd.h). What came with which kernel:
NEWER = {
    "5.11": range(442, 470),  # mount_setattr
    "5.5": range(436, 470),  # close_range, openat2, pidfd_getfd
    "4.18": range(424, 470),  # pidfds, open_tree, move_mount, fsopen, clone3
}
FILTER = """
import ctypes, errno, os, struct, sys
first, last = int(sys.argv[1]), int(sys.argv[2])
refuse, allow = 0x50000 | errno.ENOSYS, 0x7FFF0000
code = [(0x20, 0, 0, 0), (0x35, 0, 2, first), (0x35, 1, 0, last), (0x06, 0, 0, refuse), (0x06, 0, 0, allow)]
raw = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
program = struct.pack("@HP", len(code), ctypes.addressof(raw))
if ctypes.CDLL(None, use_errno=True).prctl(22, 2, ctypes.c_char_p(program), 0, 0):
    sys.exit("cannot install the filter")
os.execv(sys.argv[3], sys.argv[3:])
"""


def kernel(version: str, *command: str) -> list[str]:
    """The command line that runs *command* as on the kernel *version* of NEWER."""
    numbers = NEWER[version]
    return [sys.executable, "-c", FILTER, str(numbers[0]), str(numbers[-1] + 1), *command]
