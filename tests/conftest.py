# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ``ansible_collections.agentless.oci`` this checkout, whatever folder it lies in.

ansible-test and an install do that by where the files lie; plain pytest needs it done. A path entry would not
do: where the big ``ansible`` package is installed, its regular package ``ansible_collections`` hides ours.
"""

from __future__ import annotations

import importlib
import os
import sys
import types

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _package(name: str) -> types.ModuleType:
    """The package *name*, imported if there is one, else made empty."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module = types.ModuleType(name)
        module.__path__ = []
        sys.modules[name] = module
        return module


def _name_this_checkout() -> None:
    parent = _package("ansible_collections")
    agentless = _package("ansible_collections.agentless")
    oci = types.ModuleType("ansible_collections.agentless.oci")
    oci.__path__ = [CHECKOUT]
    sys.modules[oci.__name__] = oci
    parent.agentless = agentless  # type: ignore[attr-defined]
    agentless.oci = oci  # type: ignore[attr-defined]


if not CHECKOUT.endswith(os.path.join("ansible_collections", "agentless", "oci")):
    _name_this_checkout()
