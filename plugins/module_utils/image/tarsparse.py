# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of sparse files in tar archives: where in a file its data lies (GNU tar manual, "Storing Sparse Files")."""

from __future__ import annotations

from .tarfields import BLOCK, BadTar, decimal, number, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .tarstream import ByteSource, Entry

MAX_PAIRS = 1 << 18
MAX_MAP = 40 * MAX_PAIRS  # bytes of one in front of the data: two numbers of 19 digits, two line ends


def old_gnu(source: ByteSource, block: bytes, entry: Entry) -> None:
    """The map of type S: four pairs in the header, 21 in each extension block."""
    entry.realsize = number(block[483:495], "size")
    pairs = _pairs(block[386:482], 4)
    extended = block[482]
    while extended:
        block = source.exact(BLOCK)
        if len(block) < BLOCK:
            raise BadTar("the archive is cut off inside a sparse file's map")
        pairs += _pairs(block, 21)
        extended = block[504]
        _limited(len(pairs))
    entry.sparse = _checked_map(pairs, entry)


def _pairs(data: bytes, count: int) -> list[tuple[int, int]]:
    pairs = []
    for index in range(count):
        field = data[index * 24 : index * 24 + 24]
        if not field.strip(b"\0 "):
            break
        pairs.append((number(field[:12], "offset"), number(field[12:], "length")))
    return pairs


def pax(source: ByteSource, entry: Entry, records: dict[bytes, bytes], repeated: list[bytes]) -> None:
    """GNU sparse formats 0.0 (*repeated* keys), 0.1 (map in the header) and 1.0 (map in front of the data)."""
    if b"GNU.sparse.name" in records:
        entry.name = records[b"GNU.sparse.name"]
    numbers: list[int]
    if b"GNU.sparse.major" in records and records[b"GNU.sparse.major"] != b"0":
        entry.realsize = decimal(records.get(b"GNU.sparse.realsize", b""), b"GNU.sparse.realsize")
        numbers, used = _map_in_data(source, entry.size)
        entry.size -= used
    else:
        entry.realsize = decimal(records.get(b"GNU.sparse.size", b""), b"GNU.sparse.size")
        values = records[b"GNU.sparse.map"].split(b",") if b"GNU.sparse.map" in records else repeated
        numbers = [decimal(value, b"GNU.sparse.map") for value in values if value]
    if len(numbers) % 2:
        raise BadTar(f"the sparse file {printable(entry.name)} has a damaged map")
    entry.sparse = _checked_map(list(zip(numbers[::2], numbers[1::2])), entry)


def _map_in_data(source: ByteSource, size: int) -> tuple[list[int], int]:
    """Format 1.0: decimal lines, padded to a block: the count of pairs, then the pairs. Also the bytes it took."""
    numbers: list[int] = []
    wanted = -1
    used = 0
    rest = b""
    while wanted < 0 or len(numbers) < wanted:
        if used >= size or used > MAX_MAP:
            raise BadTar("a sparse file of the archive has a damaged map")
        *lines, rest = (rest + source.exact(BLOCK)).split(b"\n")
        used += BLOCK
        if wanted < 0 and lines:
            wanted = 2 * _limited(decimal(lines.pop(0), b"the count of a sparse map"))
        numbers += [decimal(line, b"a sparse map") for line in lines[: wanted - len(numbers)]]
    return numbers, used


def _limited(pairs: int) -> int:
    if pairs > MAX_PAIRS:
        raise BadTar(f"a sparse file of the archive is in {pairs} pieces; more than {MAX_PAIRS} are not accepted")
    return pairs


def _checked_map(pairs: list[tuple[int, int]], entry: Entry) -> list[tuple[int, int]]:
    end = 0
    total = 0
    for offset, length in pairs:
        if offset < end or offset + length > entry.realsize:
            raise BadTar(f"the sparse file {printable(entry.name)} has a damaged map")
        end = offset + length
        total += length
    if total != entry.size:
        raise BadTar(f"the sparse file {printable(entry.name)} has a map that does not fit its data")
    return pairs
