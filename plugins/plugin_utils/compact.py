# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python source without what only its readers need: a third of the core's text, which no host has to be sent.

Comments, docstrings, annotations and the imports of type checkers go. Every statement stays on its line, so that a
traceback from a host leads to the right one in the collection, and the notice of copyright above it all stays as well.
"""

from __future__ import annotations

import ast
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BODIES = ("body", "orelse", "finalbody")
# A string literal, to be passed over whole, or blanks and a comment at the end of a line. A # in a literal begins none;
# prefixes make no difference, since a backslash keeps the next quote from ending a raw literal, too.
STRING = (
    r'"""(?:[^"\\]|\\.|"(?!""))*"""'
    r"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'(?:[^'\\\n]|\\.)*'"
)
_STRING_OR_REST = re.compile(STRING + r"|(?P<rest>[ \t]*#[^\n]*|[ \t]+(?=\n))", re.DOTALL)
_NOTICE = re.compile(r"(?:#[^\n]*\n)*")
_Cut = tuple[int, int, bytes]  # from here to there, in bytes, and what takes its place


def compact(source: str) -> str:
    """*source* without comments, docstrings, annotations of functions and variables, and blocks for type checkers.

    Annotations in a class stay, since those of some classes have a meaning. Raises SyntaxError.
    """
    text = _Text(source)
    left = text.without(sorted(_cuts(text, ast.parse(source).body, in_class=False)))
    notice = _NOTICE.match(left)
    start = notice.end() if notice else 0
    return left[:start] + _STRING_OR_REST.sub(lambda found: "" if found["rest"] else found[0], left[start:])


class _Text:
    """Source with the places that a syntax tree gives, which are lines and bytes in them."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._lines = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        """Where *node* begins."""
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Where *node* ends."""
        return self._lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def arrow(self, returns: ast.expr) -> int:
        """Where the arrow before the annotation *returns* begins, with the blanks before it."""
        return len(self._bytes[: self._bytes.rindex(b"->", 0, self.start(returns))].rstrip(b" "))

    def without(self, cuts: Sequence[_Cut]) -> str:
        """What the *cuts*, in order, leave: with all its line feeds."""
        pieces, done = [], 0
        for start, end, instead in cuts:
            pieces += [self._bytes[done:start], instead, b"\n" * self._bytes.count(b"\n", start, end)]
            done = end
        return b"".join([*pieces, self._bytes[done:]]).decode()


def _cuts(text: _Text, body: Sequence[ast.stmt], *, in_class: bool) -> Iterator[_Cut]:
    """The cuts of the statements *body*."""
    for statement in body:
        if _is_text(statement):
            # A body of nothing else must not become empty.
            yield text.start(statement), text.end(statement), b"" if body[1:] else b"0"
        elif _is_for_type_checkers(statement):
            yield text.start(statement), text.end(statement), b""
        else:
            if isinstance(statement, _FUNCTIONS):
                yield from _of_signature(text, statement)
            elif isinstance(statement, ast.AnnAssign) and statement.value and not in_class:
                yield from _on_one_line(text, text.end(statement.target), statement.annotation)
            inside = isinstance(statement, ast.ClassDef) or (in_class and not isinstance(statement, _FUNCTIONS))
            for below in _bodies(statement):
                yield from _cuts(text, below, in_class=inside)


def _bodies(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    for name in _BODIES:
        yield getattr(statement, name, [])
    for handler in getattr(statement, "handlers", []):
        yield handler.body


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_for_type_checkers(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Name)
        and statement.test.id == "TYPE_CHECKING"
        and not statement.orelse
    )


def _of_signature(text: _Text, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Cut]:
    given = function.args
    for argument in (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg):
        if argument is not None and argument.annotation is not None:
            # Inside the brackets of the signature, where line feeds do no harm.
            yield text.start(argument) + len(argument.arg.encode()), text.end(argument.annotation), b""
    if function.returns is not None:
        yield from _on_one_line(text, text.arrow(function.returns), function.returns)


def _on_one_line(text: _Text, start: int, annotation: ast.expr) -> Iterator[_Cut]:
    """The cut from *start* to the end of *annotation*, if no line ends there: nothing would hold them together then."""
    if annotation.lineno == annotation.end_lineno:
        yield start, text.end(annotation), b""
