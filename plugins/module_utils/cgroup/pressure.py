# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pressure stall information of a group: how long its tasks waited for CPU, memory and I/O.

Source: kernel Documentation/accounting/psi.rst and cgroup-v2.rst, cpu.pressure; since Linux 4.20, on v2 alone.
"""

from __future__ import annotations

RESOURCES = ("cpu", "memory", "io")


def parse(text: str) -> dict[str, dict[str, float | int]]:
    """``{"some": {"avg10": 1.5, "avg60": 0.2, "avg300": 0.0, "total_usec": 1234}, "full": …}``.

    ``avg10`` is the percentage of the last ten seconds. A line or a field that this kernel lacks is left out:
    before 5.13 there is no ``full`` for cpu.
    """
    found: dict[str, dict[str, float | int]] = {}
    for line in text.splitlines():
        kind, _space, rest = line.partition(" ")
        values: dict[str, float | int] = {}
        for pair in rest.split():
            name, _equals, value = pair.partition("=")
            if name == "total":
                values["total_usec"] = int(value)
            else:
                values[name] = float(value)
        if values:
            found[kind] = values
    return found
