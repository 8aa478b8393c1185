# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a container runs as: a declared user against the image's own /etc/passwd and /etc/group.

Pure functions of the files' text. A name is looked up in the image, never on the host.
"""

from __future__ import annotations

from collections import namedtuple

from .errors import ContainerError

_MAX_ID = (1 << 32) - 2  # 2^32 - 1 means "no change" to setuid(2) (CVE-2024-40635)

# uid, gid, additional gids (sorted), and the home directory for $HOME.
User = namedtuple("User", "uid gid groups home")


def resolve(user: str, groups: list[str], passwd: str, group: str) -> User:
    """The numbers behind *user* (``""``, ``name``, ``uid``, ``name:group``, ``uid:gid``) and the extra *groups*.

    As with Docker: a number needs no entry; a name does. Without an explicit group the user's entry tells the group
    and every group it is a member of counts too. Raises ContainerError for what the image does not know.
    """
    name, colon, group_name = (user or "0").partition(":")
    users, known_groups = _entries(passwd, 7), _entries(group, 4)
    entry = _known(users, name, "user", "/etc/passwd")
    uid = _number(entry[2] if entry else name, "user")
    extra: set[int] = set()
    if colon and group_name:
        gid = _gid(group_name, known_groups)
    else:
        gid = _number(entry[3], "group") if entry else 0
        if entry:
            extra = {_number(row[2], "group") for row in known_groups if entry[0] in row[3].split(",")}
    extra.update(_gid(item, known_groups) for item in groups)
    return User(uid, gid, sorted(extra - {gid}), (entry[5] if entry else "") or "/")


def owner_id(name: str, passwd: str) -> int:
    """The number of the user *name*, which may be a number already. Raises ContainerError for an unknown one."""
    entry = _known(_entries(passwd, 7), name, "user", "/etc/passwd")
    return _number(entry[2] if entry else name, "user")


def group_id(name: str, group: str) -> int:
    """The same of a group."""
    return _gid(name, _entries(group, 4))


def _gid(name: str, known: list[list[str]]) -> int:
    entry = _known(known, name, "group", "/etc/group")
    return _number(entry[2] if entry else name, "group")


def _known(entries: list[list[str]], name: str, kind: str, file: str) -> list[str] | None:
    """The entry called *name*, else the one with that number; None for a number without one."""
    for field in (0, 2):
        for entry in entries:
            if entry[field] == name:
                return entry
    if name.isdigit():
        return None
    raise ContainerError(
        f"user: the image has no {kind} {name!r} in its {file}",
        step="user",
        obj=name,
        hint=f"Give a {kind} the image knows, or a number",
    )


def _entries(text: str, fields: int) -> list[list[str]]:
    """The well-formed lines of passwd(5) or group(5)."""
    rows = [line.strip().split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) >= fields and row[0] and row[2].isdigit()]


def _number(text: str, what: str) -> int:
    if not text.isdigit() or int(text) > _MAX_ID:
        raise ContainerError(f"user: {text!r} is not the number of a {what} (0 to {_MAX_ID})", step="user", obj=text)
    return int(text)
