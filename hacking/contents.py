# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write plugins/module_utils/contents.py anew: the list of the core's files that Ansible sends along.

To be run after a file of the core was added, renamed or removed; a unit test compares the list with the tree.
"""

from __future__ import annotations

from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "plugins" / "module_utils"
LEFT_OUT = {"__init__.py", "core.py", "contents.py"}


def imports(package: Path) -> str:
    """The statement that names every module of *package*; nothing for one without any."""
    names = sorted(path.stem for path in package.glob("*.py") if path.name not in LEFT_OUT)
    where = "." if package == CORE else f".{package.name}"
    return "".join((f"from {where} import (\n", *(f"    {name},\n" for name in names), ")\n")) if names else ""


def main() -> None:
    listed = CORE / "contents.py"
    head, _first, _rest = listed.read_text(encoding="utf-8").partition("from . import (")
    packages = [CORE, *sorted({path.parent for path in CORE.glob("*/*.py")})]
    listed.write_text(head + "".join(map(imports, packages)), encoding="utf-8")


if __name__ == "__main__":
    main()
