# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the frames of a zstd stream end (RFC 8878, section 3).

For a library to which a stream that is cut off has just ended.
"""

from __future__ import annotations

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50  # and the fifteen after it
_DICTIONARY = (0, 1, 2, 4)  # bytes of the dictionary's id, by the flag
_CONTENT_SIZE = (0, 2, 4, 8)  # bytes of the content's size, by the flag
_RLE = 1  # a type of blocks: one byte that is repeated


class Frames:
    """A stream as it is passed on; ``whole`` is whether it may end here. What is no stream at all never is."""

    def __init__(self) -> None:
        self._need = 4  # bytes of the field to be read next
        self._next = self._magic
        self._field = b""
        self._skip = 0  # bytes that say nothing
        self._checksum = 0
        self._seen = False

    @property
    def whole(self) -> bool:
        return self._seen and self._next == self._magic and not self._field and not self._skip

    def feed(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            if self._skip:
                step = min(self._skip, len(data) - position)
                self._skip -= step
                position += step
                continue
            step = min(self._need - len(self._field), len(data) - position)
            self._field += data[position : position + step]
            position += step
            if len(self._field) == self._need:
                field, self._field = self._field, b""
                self._next(field)

    def _magic(self, field: bytes) -> None:
        number = int.from_bytes(field, "little")
        self._seen = True
        if number == _MAGIC:
            self._need, self._next = 1, self._descriptor
        elif number & ~0xF == _SKIPPABLE:
            self._need, self._next = 4, self._skippable
        else:
            self._need, self._next = 1 << 62, self._descriptor  # nothing that follows can end it

    def _skippable(self, field: bytes) -> None:
        self._skip = int.from_bytes(field, "little")
        self._need, self._next = 4, self._magic

    def _descriptor(self, field: bytes) -> None:
        flags = field[0]
        single = flags >> 5 & 1
        self._checksum = 4 * (flags >> 2 & 1)
        content_size = _CONTENT_SIZE[flags >> 6] or single
        self._skip = (1 - single) + _DICTIONARY[flags & 3] + content_size
        self._need, self._next = 3, self._block

    def _block(self, field: bytes) -> None:
        header = int.from_bytes(field, "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        self._skip = 1 if kind == _RLE else size
        if last:
            self._skip += self._checksum
            self._need, self._next = 4, self._magic
