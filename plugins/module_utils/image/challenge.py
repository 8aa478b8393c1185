# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry's answer 401 asks for: the WWW-Authenticate header (RFC 9110, section 11.6.1)."""

from __future__ import annotations


def parse_challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    """A WWW-Authenticate header as [(scheme in lower case, parameters)]; several challenges may share a header."""
    challenges: list[tuple[str, dict[str, str]]] = []
    position = 0
    length = len(header)
    while position < length:
        while position < length and header[position] in " \t,":
            position += 1
        start = position
        while position < length and header[position] not in " \t,=":
            position += 1
        word = header[start:position]
        if not word:
            position += 1
            continue
        while position < length and header[position] in " \t":
            position += 1
        if position < length and header[position] == "=":
            position += 1
            value, position = _parse_value(header, position)
            if challenges:
                challenges[-1][1][word.lower()] = value
        else:
            challenges.append((word.lower(), {}))
    return challenges


def _parse_value(header: str, position: int) -> tuple[str, int]:
    while position < len(header) and header[position] in " \t":
        position += 1
    if position < len(header) and header[position] == '"':
        position += 1
        characters = []
        while position < len(header) and header[position] != '"':
            if header[position] == "\\" and position + 1 < len(header):
                position += 1
            characters.append(header[position])
            position += 1
        return "".join(characters), position + 1
    start = position
    while position < len(header) and header[position] not in " \t,":
        position += 1
    return header[start:position], position
