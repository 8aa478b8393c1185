# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's Python packages, which the core starts without: finding them costs as much as starting does."""

from __future__ import annotations

import importlib.machinery
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

# What the core imports where it is there.
_OPTIONAL = ("cryptography", "isal", "requests", "urllib3", "zstandard")


def admit() -> None:
    """Let them be imported from now on."""
    if sys.flags.no_site:
        import site

        site.main()


def admit_when_asked_for() -> None:
    """The same as soon as one is asked for that the core may use."""
    if sys.flags.no_site:
        sys.meta_path.append(_Finder)


class _Finder:
    """Comes last: asked for what nobody else has found."""

    @classmethod
    def find_spec(
        cls, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in _OPTIONAL:
            return None
        sys.meta_path.remove(cls)
        admit()
        return importlib.machinery.PathFinder.find_spec(name)
