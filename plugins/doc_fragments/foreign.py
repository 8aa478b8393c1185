# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of docker_container and podman_container that have no meaning here, as their table describes them."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.agentless.oci.plugins.module_utils.container import foreign

_SAID = {
    foreign.SILENT: "Taken and not needed.",
    foreign.WARNED: "Not supported; a warning says so.",
    foreign.REFUSED: "Not supported; the task fails.",
}
_FOR = "For playbooks written for other modules."


def _described(row: foreign.Foreign) -> dict[str, Any]:
    spec = foreign.argument_spec()[row.name]
    fine = f" V({row.fine[0]}) is so here." if row.fine and row.verdict != foreign.SILENT else ""
    found: dict[str, Any] = {"description": [f"{_FOR} {_SAID[row.verdict]} {row.why}{fine}"], "type": spec["type"]}
    for key in ("elements", "aliases"):
        if key in spec:
            found[key] = spec[key]
    return found


class ModuleDocFragment:
    DOCUMENTATION: str


# JSON is YAML, and in the class ansible-test reads nothing but texts.
ModuleDocFragment.DOCUMENTATION = json.dumps({"options": {row.name: _described(row) for row in foreign.TABLE.values()}})
