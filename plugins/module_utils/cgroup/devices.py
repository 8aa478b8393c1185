# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device nodes a group may use: the runtime spec's ordered rules, as cgroup v1 and as an eBPF program take them.

Rules say allow or deny for type, major, minor and access; a later rule wins over an earlier one (config-linux.md,
"Allowed Device list"). v1 keeps a default and a list of exceptions (devices.rst), so the rules are first played
through to that shape, which is also what devices.list shows and what a second run compares with.
"""

from __future__ import annotations

import errno
import os

from ..kernel.files import write_control
from .control import read_if_there
from .errors import CgroupError
from .plan import Change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .api import Cgroup

DEVICES_LIST = "devices.list"
PROGRAM = "BPF_CGROUP_DEVICE"
"""Stands for a file in a Change where v2 has none."""
_ALL = "a *:* rwm"
_ACCESS = "rwm"


def device_list(rules: Iterable[Mapping[str, Any]]) -> tuple[bool, list[str]]:
    """(whether what is not listed is allowed, exceptions as ``"c 1:3 rw"``) after all *rules* in order.

    Raises CgroupError for a rule that is none, and for a denial of a part of what a wildcard allows: v1 cannot
    hold that, and forgets it silently.
    """
    default = True  # a new group has what its parent has
    exceptions: dict[tuple[str, str, str], str] = {}
    for rule in rules:
        kind = rule.get("type") or "a"
        node = (kind, _number(rule.get("major")), _number(rule.get("minor")))
        access = "".join(letter for letter in _ACCESS if letter in (rule.get("access") or _ACCESS))
        allow = bool(rule.get("allow"))
        if kind not in ("a", "b", "c", "u") or set(rule.get("access") or "") - set(_ACCESS):
            raise CgroupError(f"{dict(rule)!r} is not a device rule", step="devices")
        if node == ("a", "*", "*") and access == _ACCESS:
            default, exceptions = allow, {}
            continue
        for one in ("b", "c") if kind == "a" else ("c" if kind == "u" else kind,):
            key = (one, *node[1:])
            have = set(exceptions.get(key, ""))
            if allow == default:
                _check_whole(exceptions, key, access, allow)
            have = have | set(access) if allow != default else have - set(access)
            if have:
                exceptions[key] = "".join(letter for letter in _ACCESS if letter in have)
            else:
                exceptions.pop(key, None)
    return default, [f"{kind} {major}:{minor} {access}" for (kind, major, minor), access in exceptions.items()]


def _check_whole(
    exceptions: Mapping[tuple[str, str, str], str], key: tuple[str, str, str], access: str, allow: bool
) -> None:
    """Raise CgroupError where taking *access* to *key* away would leave a hole in a wildcard of *exceptions*."""
    for other, letters in exceptions.items():
        covers = other[0] == key[0] and all(part in ("*", mine) for part, mine in zip(other[1:], key[1:]))
        if other != key and covers and set(letters) & set(access):
            word, wide = ("allow", "denied") if allow else ("deny", "allowed")
            raise CgroupError(
                f"cannot {word} {key[0]} {key[1]}:{key[2]} {access} alone: "
                f"{other[0]} {other[1]}:{other[2]} {letters} is {wide}",
                step="devices",
                hint="Declare the devices one by one instead of by a wildcard",
            )


def _number(value: Any) -> str:
    return "*" if value is None or value == -1 else str(int(value))


def device_change(group: Cgroup, rules: Iterable[Mapping[str, Any]]) -> Change | None:
    """The change that makes *rules* hold; None where devices.list says they do."""
    default, exceptions = device_list(rules)
    after = "\n".join([_ALL, *(f"!{line}" for line in exceptions)]) if default else "\n".join(exceptions)
    directory = group.directory("devices")
    if directory is None:
        return _program_change(group, after)
    before = listed(directory)
    if set(before.splitlines()) == set(after.splitlines()):
        return None
    return Change("devices", DEVICES_LIST, before, after)


def _program_change(group: Cgroup, after: str) -> Change | None:
    if not group.hierarchy.unified:
        raise CgroupError(
            f"cannot limit the devices of {group.path}: the devices controller is not mounted",
            step="devices",
            hint="Mount it: mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices",
        )
    from . import bpf

    directory = group.hierarchy.unified + group.path
    try:
        before = bpf.attached(directory) if os.path.isdir(directory) else {}
    except OSError as error:
        raise _no_bpf(error, group.path) from error
    if bpf.program_name(_compiled(after)) in before:
        return None
    if not before and after == _ALL:
        return None  # no program allows everything too
    return Change("devices", PROGRAM, next(iter(before), ""), after)


def _no_bpf(error: OSError, path: str) -> CgroupError:
    return CgroupError.of(
        error,
        f"cannot limit the devices of {path} by an eBPF program",
        step="devices",
        hint="The kernel needs CONFIG_CGROUP_BPF and CONFIG_BPF_SYSCALL for device rules under cgroup v2",
    )


def _compiled(lines: str) -> bytes:
    from . import bpf

    rules = lines.splitlines()
    default = rules[:1] == [_ALL]
    return bpf.program(default, [rule.lstrip("!") for rule in (rules[1:] if default else rules)])


def write_devices(directory: str, before: str, after: str) -> None:
    """Write what a Change of :func:`device_change` says under v1, which takes one exception per write.

    What is refused in the middle leaves the rules of *before*.
    """
    try:
        _write_list(directory, after)
    except OSError:
        _write_list(directory, before)
        raise
    _remember(directory, after)


def _write_list(directory: str, lines: str) -> None:
    default, *denied = lines.splitlines() or [""]
    if default == _ALL:
        write_control(directory + "/devices.allow", "a")
        write_control(directory + "/devices.deny", *(line.lstrip("!") for line in denied))
    else:
        write_control(directory + "/devices.deny", "a")
        write_control(directory + "/devices.allow", *lines.splitlines())


_MARK = "trusted.agentless-oci.devices"  # xattr(7); kernfs keeps it in memory with the directory


def _remember(directory: str, lines: str) -> None:
    """devices.list says "all" of a group that is allowed all but some devices: what those are stays with the group."""
    try:
        os.setxattr(directory, _MARK, lines.encode())
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EPERM):
            raise


def listed(directory: str) -> str:
    """The rules of a v1 group as a Change has them: devices.list, and the denials that it does not show."""
    lines = (read_if_there(f"{directory}/{DEVICES_LIST}") or _ALL).strip()
    if lines != _ALL:
        return lines
    try:
        kept = os.getxattr(directory, _MARK).decode()
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM, errno.ENOENT):
            raise
        return lines
    return kept if kept.startswith(_ALL) else lines


def rules_in_force(group: Cgroup, pending: Iterable[Change] = ()) -> str | None:
    """The lines of devices.list after *pending*; None where it says "all", and under v2, whose program tells none."""
    if group.directory("devices") is None:
        return None
    after = next((str(change.after) for change in pending if change.controller == "devices"), None)
    lines = (group.text_of(DEVICES_LIST) or _ALL).strip() if after is None else after
    return None if lines.startswith(_ALL) else lines


def attach_program(directory: str, lines: str) -> None:
    """Attach the program of a Change of :func:`device_change` under v2."""
    from . import bpf

    bpf.attach(directory, _compiled(lines))
