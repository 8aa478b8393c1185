# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What source is left of the core on its way to a host: the same program, line by line."""

from __future__ import annotations

import ast
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils import fingerprint
from ansible_collections.agentless.oci.plugins.plugin_utils.compact import compact

CORE = os.path.dirname(fingerprint.__file__)


class Executed(ast.NodeTransformer):
    """Leaves of a tree what has an effect when it is run."""

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        if node.value is None:
            return node
        return ast.copy_location(ast.Assign(targets=[node.target], value=self.visit(node.value)), node)

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_If(self, node):
        return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else self.generic_visit(node)


def executed(source):
    """(the tree of *source* as text, the lines of its statements)."""
    tree = Executed().visit(ast.parse(source))
    return ast.dump(tree), [node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def test_every_file_of_the_core_stays_the_same_program():
    before = after = 0
    for path in fingerprint.python_files(CORE):
        with open(path, encoding="utf-8") as file:
            source = file.read()
        small = compact(source)
        assert executed(small) == executed(source), path
        assert small.count("\n") == source.count("\n"), path
        before, after = before + len(source), after + len(small)
    assert after < before * 0.8


def test_docstrings_are_nothing_that_the_core_reads():
    for path in fingerprint.python_files(CORE):
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            reads = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
            assert not (reads and node.attr in ("__doc__", "__annotations__")), f"{path}:{node.lineno}"


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("# a notice\n# of two lines\n\n# a comment\nx = 1  # one\n", "# a notice\n# of two lines\n\n\nx = 1\n"),
        ('"""Doc."""\nx = "#"  # "\n', '\nx = "#"\n'),
        ("x = r'\\''  # c\ny = '#'\n", "x = r'\\''\ny = '#'\n"),
        ("x = '''\n# text  \n'''  # c\n", "x = '''\n# text  \n'''\n"),
        ('def f(a: int, *b: str, c: list[\n  int\n] = 3) -> A:\n    """Doc."""\n', "def f(a, *b, c\n\n = 3):\n    0\n"),
        ('def f():\n    """Doc\n    and more."""\n    return 1\n', "def f():\n\n\n    return 1\n"),
        ("x: int = 1\nself.y: str = ''\nz: int\n", "x = 1\nself.y = ''\nz: int\n"),
        ("class A:\n x: int = 1\n def f() -> int:\n  y: int = 2\n", "class A:\n x: int = 1\n def f():\n  y = 2\n"),
        ("if TYPE_CHECKING:\n    import a\n    import b\nc = 1\n", "\n\n\nc = 1\n"),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    a = 1\n", "if TYPE_CHECKING:\n    import a\nelse:\n    a = 1\n"),
        ("def f() -> tuple[\n    int\n]:\n    pass\n", "def f() -> tuple[\n    int\n]:\n    pass\n"),
        ("x = 'é'; y: str = 'ü'  # ö\n", "x = 'é'; y = 'ü'\n"),
        ("try:\n    'text'\nexcept E:\n    'a'\n    b()\n", "try:\n    0\nexcept E:\n\n    b()\n"),
    ],
)  # fmt: skip
def test_what_is_left(source, left):
    assert compact(source) == left
