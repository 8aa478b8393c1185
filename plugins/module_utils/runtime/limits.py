# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource limits of one process (getrlimit(2)), set from outside: inside, the privilege for it may be gone."""

from __future__ import annotations

import errno

from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def set_rlimits(pid: int, rlimits: Iterable[tuple[int, int, int]]) -> None:
    """Set (number, soft, hard) on process *pid*. Raises RuntimeFault for one the host does not grant."""
    import resource

    for kind, soft, hard in rlimits:
        try:
            resource.prlimit(pid, kind, (soft, hard))
        except (PermissionError, ValueError) as error:
            named = {getattr(resource, key): key for key in dir(resource) if key.startswith("RLIMIT_")}
            name = named.get(kind, f"number {kind}")
            raise RuntimeFault(
                f"process.rlimits: cannot set {name} to {soft}:{hard}: {error}",
                step="rlimits",
                obj=name,
                errno=errno.EPERM,
                hint="A hard limit above the host's own needs CAP_SYS_RESOURCE",
            ) from error
