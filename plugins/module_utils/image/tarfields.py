# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, times and names as the headers of a tar archive have them, and what is said of damaged ones."""

from __future__ import annotations

BLOCK = 512
MAX_EXTENDED = 1 << 20  # bytes of one PAX header: xattrs are at most 64 KiB each

_TOO_LARGE = 1 << 63  # off_t and time_t end there
_DIGITS = 19  # of what is smaller; int() of a million of them would take its time


class BadTar(Exception):
    """The stream is no tar archive, or a damaged one."""


def printable(name: bytes) -> str:
    """*name* for a message: bytes that are no UTF-8, and control characters, escaped."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)[:300]


def octal(field: bytes) -> int:
    try:
        return int(field.strip(b"\0 ") or b"0", 8)
    except ValueError:
        return -1


def number(field: bytes, what: str, negative: bool = False) -> int:
    first = field[0]
    if first & 0x80:  # GNU base-256, big endian; 0xff marks a negative number
        value = int.from_bytes(field, "big", signed=first == 0xFF)
        if first != 0xFF:
            value -= 0x80 << (8 * (len(field) - 1))
    else:
        text = field.strip(b"\0 ")
        if not text:
            return 0
        try:
            value = int(text, 8)
        except ValueError:
            try:
                value = int(text.partition(b"\0")[0].strip() or b"0", 8)
            except ValueError:
                raise BadTar(f"a header of the archive has no number as {what}") from None
    if value < 0 and not negative:
        raise BadTar(f"a header of the archive has a negative {what}")
    if not -_TOO_LARGE <= value < _TOO_LARGE:
        raise BadTar(f"a header of the archive has an impossible {what}")
    return value


def padded(size: int) -> int:
    return size + -size % BLOCK


def limited(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise BadTar(f"the archive has a {what} of {size} bytes; more than {limit} are not accepted")


def decimal(value: bytes, key: bytes) -> int:
    if not value.isdigit() or len(value) > _DIGITS or int(value) >= _TOO_LARGE:
        raise BadTar(f"an extended header of the archive has no number as {printable(key)}")
    return int(value)


def parse_time(value: bytes) -> int:
    """Nanoseconds from PAX's decimal seconds, without floating point's rounding."""
    negative = value.startswith(b"-")
    seconds, _dot, fraction = value.lstrip(b"-").partition(b".")
    if fraction and not fraction.isdigit():
        raise BadTar("an extended header of the archive has no time as mtime")
    nanoseconds = decimal(seconds, b"mtime") * 1_000_000_000 + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if negative else nanoseconds
