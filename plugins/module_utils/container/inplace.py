# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a container that stays the same one, and perhaps runs: its limits, its networks, what its monitor heeds."""

from __future__ import annotations

import contextlib
import json
import os

from ..kernel import procfs
from ..kernel.files import read_bytes, write_atomic
from . import netmode, records
from .observe import monitor_pid
from .plan import monitor_reads, network_changes
from .resources import device_rules, resources, updated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..statedir import StateDir
    from .observe import Observed
    from .plan import Plan
    from .records import Record


def update(
    state: StateDir,
    record: Record,
    observed: Observed,
    plan: Plan,
    *,
    image: str = "",
    remove_at_end: bool,
) -> None:
    """Make of the container *record* what *plan* says, first what the kernel may refuse: then nothing was changed.

    image          the name under which the task knows its image, where that is another one now
    remove_at_end  see records.write_monitor_config()
    Raises Error.
    """
    before = record.spec["options"]
    alive = observed.status in ("running", "paused")
    if alive:
        _set_limits(record, before, plan.options)
    _remove_log_link(state, record.name, before, plan.options)
    record.spec["options"] = plan.options
    if alive and not observed.lost:
        _update_network(state, record, observed, plan)
    if image:
        record.spec["image"]["name"] = image
    records.save(record)
    _update_bundle(record, before)
    if monitor_reads(plan.changed):
        records.write_monitor_config(record, remove_at_end=remove_at_end)
        if not _wake_monitor(record) and alive and not observed.alone and records.unit(record):
            _attend(state, record)


def _set_limits(record: Record, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    from ..cgroup.api import open_cgroup
    from .bundle import cgroups_path

    limits = updated(after, before)
    if device_rules(after) != device_rules(before):
        from ..runtime.devices import with_defaults

        limits.update(with_defaults({"devices": _device_rules(_bundle(record), before, after)}))
    cgroup = open_cgroup(cgroups_path(record.spec, records.unit(record)), owner="container")
    cgroup.apply(cgroup.plan(limits))


def _remove_log_link(state: StateDir, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    if "path" in before.get("log_options", {}):
        from . import loglink

        if loglink.path_of(before) != loglink.path_of(after):
            loglink.remove(state, name, loglink.path_of(before))


def _update_network(state: StateDir, record: Record, observed: Observed, plan: Plan) -> None:
    drifted = [option for option, _now, _declared in observed.drift]
    if not network_changes([*plan.changed, *drifted]):
        return
    if netmode.kind(record.spec["options"]) == netmode.NETWORKS:
        from .networking import update as update_network

        update_network(state, record)
    else:
        from .etcfiles import rewrite

        rewrite(record)


def _update_bundle(record: Record, before: Mapping[str, Any]) -> None:
    """The bundle too, which the monitor starts the container from again."""
    try:
        document = _bundle(record)
    except FileNotFoundError:
        return  # never started
    rules = _device_rules(document, before, record.spec["options"])
    document["linux"]["resources"] = {**resources(record.spec["options"]), "devices": rules}
    write_atomic(_bundle_file(record), json.dumps(document).encode(), durable=False)


def _bundle_file(record: Record) -> str:
    return os.path.join(record.path, "bundle/config.json")


def _bundle(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read_bytes(_bundle_file(record)))
    return document


def _device_rules(
    document: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The rules of the bundle *document*; at its end those that are declared by themselves, as in *after*."""
    rules: list[dict[str, Any]] = document["linux"]["resources"]["devices"]
    return [*rules[: len(rules) - len(device_rules(before))], *device_rules(after)]


def _wake_monitor(record: Record) -> bool:
    """Have the monitor, or the attendant, read its settings again; whether there is one."""
    import signal

    pid = monitor_pid(record.path)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            procfs.send_signal(pid, procfs.start_time(pid), signal.SIGHUP)
    return bool(pid)


def _attend(state: StateDir, record: Record) -> None:
    """Give a container that systemd alone looks after somebody who carries out its health check, if it has one now."""
    from . import health

    if health.effective(record.spec["options"], record.spec["image"]["config"]) is not None:
        from .service import attend

        attend(state, record)
