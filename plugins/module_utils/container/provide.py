# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container finds of volumes, secrets and labels on this host: seen to before it is made or started.

Nothing that does the work is imported for a container that has none of it.
"""

from __future__ import annotations

from . import mountset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..statedir import StateDir
    from .records import Record


def chosen_volumes(
    state: StateDir, options: Mapping[str, Any], config: Mapping[str, Any], old: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the spec of a new container says of volumes (volumes.chosen)."""
    if not mountset.has_any(options, config):
        return {}
    from .volumes import chosen

    return chosen(state, options, config, old)


def provide(
    state: StateDir,
    record: Record,
    secrets: Mapping[str, bytes],
    relabelled: Sequence[str] = (),
    old: Record | None = None,
) -> None:
    """See that all is there that *record* wants.

    secrets     contents that the task has
    relabelled  paths that SELinux is to let containers use
    old         the container whose place it takes
    Raises Error, OSError.
    """
    if relabelled:
        from ..kernel import selinux

        for path in relabelled if selinux.enabled() else ():
            selinux.relabel(path)
    if record.spec.get("volumes"):
        from .volumes import prepare

        prepare(state, record)
    deliver_secrets(state, record, secrets, old)


def deliver_secrets(state: StateDir, record: Record, secrets: Mapping[str, bytes], old: Record | None = None) -> None:
    """Write the secrets of *record* where it finds them (secretfiles.deliver)."""
    if record.spec["options"].get("secrets"):
        from .secretfiles import deliver

        deliver(state, record, secrets, old)
