# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a command line, sorted by a table. argparse alone would cost as much as a third of a container's start."""

from __future__ import annotations

from ..kernel.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Syntax:
    """What a verb takes.

    valued     options with a value
    flags      options without
    repeated   options with a value that may come more than once
    arguments  (fewest, most)
    command    whether words after the last argument are a command line, options and all
    short      other spellings: ``-b`` → ``--bundle``
    """

    __slots__ = ("command", "fewest", "flags", "most", "repeated", "short", "valued")

    def __init__(
        self,
        valued: Sequence[str] = (),
        flags: Sequence[str] = (),
        repeated: Sequence[str] = (),
        arguments: tuple[int, int] = (1, 1),
        command: bool = False,
        short: dict[str, str] | None = None,
    ) -> None:
        self.valued = valued
        self.flags = flags
        self.repeated = repeated
        self.fewest, self.most = arguments
        self.command = command
        self.short = short or {}


class Words:
    """A command line sorted out: values of options, arguments, and the command behind them."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        self.flags: set[str] = set()
        self.arguments: list[str] = []
        self.command: list[str] = []

    def number(self, option: str) -> int | None:
        """The whole number given for *option*; None where it was left out. Raises Error."""
        text = self.values.get(option)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise Error(f"{option} takes a whole number, not {text!r}") from None

    def form(self) -> str:
        """The value of --format: table or json. Raises Error."""
        form = self.values.get("--format", "table")
        if form not in ("table", "json"):
            raise Error(f"--format takes table or json, not {form!r}")
        return form


def sort(verb: str, syntax: Syntax, argv: Sequence[str]) -> Words:
    """Sort *argv*. Raises Error for what the verb does not take."""
    words = Words()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if syntax.command and len(words.arguments) == syntax.most:
            words.command = [word, *rest] if word != "--" else rest
            break
        if word == "--":
            words.arguments += rest
            break
        if not word.startswith("-") or word == "-":
            words.arguments.append(word)
            continue
        letters = [syntax.short.get(f"-{letter}") for letter in word[1:]]
        if len(letters) > 1 and all(letter in syntax.flags for letter in letters):  # -it
            words.flags.update(str(letter) for letter in letters)
            continue
        name, equals, value = word.partition("=")
        name = syntax.short.get(name, name)
        if name in syntax.flags:
            if equals and value not in ("true", "false"):
                raise Error(f"{verb}: {name} takes no value")
            if value != "false":
                words.flags.add(name)
            continue
        if name not in syntax.valued and name not in syntax.repeated:
            raise Error(f"{verb} has no option {word}", hint="'aoci help' shows what it takes")
        if not equals:
            if not rest:
                raise Error(f"{verb}: {name} needs a value")
            value = rest.pop(0)
        if name in syntax.repeated:
            words.lists.setdefault(name, []).append(value)
        else:
            words.values[name] = value
    if not syntax.fewest <= len(words.arguments) <= syntax.most:
        amount = str(syntax.fewest) if syntax.fewest == syntax.most else f"{syntax.fewest} to {syntax.most}"
        noun = "argument" if amount == "1" else "arguments"
        raise Error(f"{verb} takes {amount} {noun}, not {len(words.arguments)}", hint="'aoci help' shows them")
    return words


def table(rows: Sequence[Sequence[str]]) -> str:
    """*rows* in aligned columns, two spaces between them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "".join(line + "\n" for line in lines)
