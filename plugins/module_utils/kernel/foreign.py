# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions of libc, called by way of ctypes' C half.

The Python half imports struct, types and more, and costs three milliseconds of every runtime's start; what is needed
of it fits here. The type checker sees ctypes' own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import Array, addressof, c_char, c_char_p, c_int, c_long, c_ulong, get_errno
    from typing import Any

    _ctypes: Any
    _Function: Any
    _libc: int
else:
    import _ctypes
    from _ctypes import addressof, get_errno

    class c_char(_ctypes._SimpleCData):
        _type_ = "c"

    class c_char_p(_ctypes._SimpleCData):
        _type_ = "z"

    class c_int(_ctypes._SimpleCData):
        _type_ = "i"

    class c_long(_ctypes._SimpleCData):
        _type_ = "l"

    class c_ulong(_ctypes._SimpleCData):
        _type_ = "L"

    class _Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = c_int

    _libc = _ctypes.dlopen(None, 0)


def function(name: str, *argtypes: type, restype: type = c_int) -> Callable[..., int]:
    """libc's function *name*; :func:`get_errno` tells its errno afterwards. Raises OSError where libc has none."""
    found: Any = _Function(_ctypes.dlsym(_libc, name))
    found.restype = restype
    if argtypes:
        found.argtypes = argtypes
    typed: Callable[..., int] = found
    return typed


def buffer(size: int, content: bytes = b"") -> Array[c_char]:
    """*size* bytes of memory that C may write to: *content*, then zeros."""
    made = (c_char * size)()
    made.raw = content.ljust(size, b"\0")
    return made


__all__ = ["addressof", "buffer", "c_char_p", "c_int", "c_long", "c_ulong", "function", "get_errno"]
