# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``aoci boot [STAGE …]``: bring back what is to outlive a reboot of the host; for its init to call.

Every stage may run any number of times. A stage does all it can before it tells what it could not.
"""

from __future__ import annotations

import os
import sys

from ..kernel.errors import Error
from ..statedir import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def run(argv: list[str], root: str | None) -> int:
    """Carry out the stages named in *argv*, all in their order by default; 1 if anything failed."""
    named = argv[1:]
    unknown = [name for name in named if name not in STAGES]
    if unknown:
        raise Error(f"boot: there is no stage {unknown[0]!r}", hint=f"There is {', '.join(STAGES)}")
    if os.geteuid() != 0:
        raise Error("boot: this needs root", hint="Run it with sudo")
    state = StateDir(root)
    failed: list[Error | OSError] = []
    for name, stage in STAGES.items():
        if not named or name in named:
            failed += stage(state)
    for error in failed:
        text = str(error) if isinstance(error, Error) else f"{error.strerror}: {error.filename}"
        sys.stderr.write(f"aoci: boot: {text}\n")
    return 1 if failed else 0


def _limits(state: StateDir) -> list[Error | OSError]:
    from ..cgroup.persist import apply_all

    return apply_all(state)


def _containers(state: StateDir) -> list[Error | OSError]:
    from ..container.boot import start_all

    return start_all(state, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "entry.py"))


STAGES: dict[str, Callable[[StateDir], list[Error | OSError]]] = {"limits": _limits, "containers": _containers}
"""Name → what carries it out and gives what went wrong; in the order in which one builds on another."""
