# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core with a defence taken out, so that a test of an attack can show that it sees the attack succeed.

    @attack({"runtime/process.py": "def _check_cwd(cwd):\n    pass\n"})
    def test_cve_2024_21626(build):
        … assert escaped is not build.defended

runs the test twice: on the checkout's core, and on a copy whose module runtime/process.py has that text appended,
which takes the place of what the module defined before.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from typing import Any

import pytest

CORE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "plugins", "module_utils")
_NEW = "naive_"  # what a replacement adds for itself is called so; all else must be there to be replaced
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); import entry; entry.register(); sys.path.pop(0)\n"


def attack(patches: dict[str, str]) -> pytest.MarkDecorator:
    """Run the test on the core and on a copy with *patches*, by its fixture ``build``."""
    return pytest.mark.parametrize("build", [None, patches], ids=["defended", "undefended"], indirect=True)


class Build:
    """One core: ``defended`` or not; ``core`` its directory, ``entry`` what runs as the program."""

    def __init__(self, patches: dict[str, str] | None, directory: str) -> None:
        self.defended = not patches
        self.core = CORE
        if patches:
            self.core = os.path.join(directory, "core")
            copy(patches, self.core)
        self.entry = os.path.join(self.core, "entry.py")

    def python(self, script: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run *script*, in which the core is the package ``aoci``, in an interpreter of its own."""
        command = ["/usr/bin/python3", "-I", "-c", _BOOT + script, self.core, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def copy(patches: dict[str, str], target: str) -> None:
    """Copy the core to *target* with *patches* (path → text) appended. Raises ValueError for what replaces nothing."""
    shutil.copytree(CORE, target)
    for path, text in patches.items():
        file = os.path.join(target, path)
        with open(file, "r+", encoding="utf-8") as module:
            source = module.read()
            missing = [name for name in _replaced(text) if name not in _defined(source)]
            if missing:
                raise ValueError(f"{path} does not define {', '.join(missing)}: there is nothing to replace")
            module.write("\n\n" + text)


def _replaced(text: str) -> set[str]:
    return {name for name in _defined(text) if not name.rpartition(".")[2].startswith(_NEW)}


def _defined(source: str) -> set[str]:
    """What a module defines or imports at its top, and ``Class.method`` for what is in its classes."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            found |= {ast.unparse(target) for target in node.targets}
    return found
