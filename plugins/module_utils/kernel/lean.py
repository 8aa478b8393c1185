# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small parts of the standard library without what it imports for them.

A runtime is started once per container. json, signal, contextlib and collections bring re, enum and functools along
and together cost as much as the interpreter itself; their C halves, which do the work, cost nothing. The type
checker sees the standard library's own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import struct
    from collections import namedtuple
    from contextlib import suppress
    from json import dumps, loads
else:
    import _json
    import _signal as signal
    import _struct as struct
    from _collections import _tuplegetter as _field

    class suppress:
        """End the block at one of these exceptions."""

        __slots__ = ("_exceptions",)

        def __init__(self, *exceptions):
            self._exceptions = exceptions

        def __enter__(self):
            return self

        def __exit__(self, kind, value, traceback):
            return kind is not None and issubclass(kind, self._exceptions)

    def namedtuple(name, fields, *, defaults=()):
        """A tuple type with names; what collections' has beyond that is left out."""
        names = tuple(fields.replace(",", " ").split())
        arguments = ", ".join(names)
        new = eval(f"lambda cls, {arguments}: new(cls, ({arguments},))", {"new": tuple.__new__})
        new.__defaults__ = tuple(defaults)
        space = {
            "__slots__": (),
            "__match_args__": names,
            "_fields": names,
            "__new__": new,
            "__repr__": lambda self: f"{name}({', '.join(f'{k}={v!r}' for k, v in zip(names, self))})",
            "_replace": lambda self, **changed: type(self)(**{**dict(zip(names, self)), **changed}),
            "_asdict": lambda self: dict(zip(names, self)),
            "__getnewargs__": tuple,
        }
        space.update((field, _field(position, "")) for position, field in enumerate(names))
        return type(name, (tuple,), space)

    class _Decoding:
        """What json.decoder.JSONDecoder tells its C scanner."""

        strict = True
        object_hook = object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}.__getitem__
        memo = {}

    _scan = _json.make_scanner(_Decoding())
    _WHITE = " \t\n\r"

    def loads(text):
        """json.loads() of str or UTF-8 bytes. Raises ValueError."""
        if not isinstance(text, str):
            text = text.decode("utf-8", "surrogatepass")
        start = len(text) - len(text.lstrip(_WHITE))
        try:
            value, end = _scan(text, start)
        except StopIteration as stopped:
            raise ValueError(f"expected a value at character {stopped.value}") from None
        except SystemError:  # CPython 3.10 to 3.12: the scanner's own error needs json.decoder to be imported
            import json

            return json.loads(text)
        if text[end:].strip(_WHITE):
            raise ValueError(f"extra data at character {end}")
        return value

    def _no_default(value):
        raise TypeError(f"{type(value).__name__} is not JSON")

    def dumps(value, *, sort_keys=False):
        """json.dumps() without most of its options."""
        quote = _json.encode_basestring_ascii
        encode = _json.make_encoder(None, _no_default, quote, None, ": ", ", ", sort_keys, False, True)
        return "".join(encode(value, 0))


__all__ = ["dumps", "loads", "namedtuple", "signal", "struct", "suppress"]
