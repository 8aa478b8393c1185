# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a copy has to do: pure functions of what is to be there and what is."""

from __future__ import annotations

import stat
from collections import namedtuple

from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE, DIRECTORY, LINK = "file", "directory", "link"
PRESERVE = "preserve"
_NEW_MODE = {FILE: 0o644, DIRECTORY: 0o755, LINK: 0o777}
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: LINK}
_OTHERS = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}

# One entry of a source. path is relative to it, "" for itself; uid and gid are those that the source's side sees; size
# and digest (SHA-256, hexadecimal) are a file's, text a link's.
Item = namedtuple("Item", "path kind mode uid gid size digest text")
# What is to be at path. mode, uid, gid: None leaves what is there as it is, and means the default where nothing is.
Wanted = namedtuple("Wanted", "path kind mode uid gid size digest text")
# What is there. digest is "" where the size tells already that the content is another.
Found = namedtuple("Found", "kind mode uid gid size digest text")
# What is to be done: writes says whether content, link or directory has to be made, or only mode and owners be set.
Change = namedtuple("Change", "wanted found writes mode uid gid")


def kind_of(mode: int) -> str:
    """FILE, DIRECTORY or LINK for a st_mode, or the word for what is not copied."""
    kind = stat.S_IFMT(mode)
    return _KINDS.get(kind) or _OTHERS.get(kind, "special file")


def parse_mode(value: str | int | None, option: str) -> int | str | None:
    """The option *option*: permission bits, PRESERVE or None. Raises ContainerError."""
    if value is None or value == PRESERVE:
        return value
    try:
        mode = value if isinstance(value, int) and not isinstance(value, bool) else int(str(value), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ContainerError(
            f"{option}: {value!r} is no mode",
            step="options",
            obj=option,
            hint="Write an octal number in quotes, as '0644', or preserve",
        )
    return mode


def mode_for(item: Item, files: int | str | None, directories: int | str | None, *, trusted: bool) -> int | None:
    """The mode that *item* is to have, of the options for files and for directories; None to leave it open.

    What is preserved of a source that is not *trusted* has no set-user-id and set-group-id bits.
    """
    if item.kind == LINK:
        return None
    chosen = directories if item.kind == DIRECTORY else files
    if chosen == PRESERVE:
        return int(item.mode) if trusted else int(item.mode) & ~(stat.S_ISUID | stat.S_ISGID)
    return None if chosen is None else int(chosen)


def decide(wanted: Wanted, found: Found | None, where: str) -> Change | None:
    """What has to be done for *wanted*; None for nothing. *where* is for messages.

    Raises ContainerError where a directory would have to give way to something else, or something else to it.
    """
    if found is not None and found.kind != wanted.kind and DIRECTORY in (found.kind, wanted.kind):
        raise ContainerError(
            f"{wanted.path} is a {found.kind} {where}, and a {wanted.kind} was to be copied there",
            step="copy",
            obj=wanted.path,
            hint="Remove it first, or choose another dest",
        )
    kept = found if found is not None and found.kind == wanted.kind else None
    mode, uid, gid = (
        given if given is not None else default
        for given, default in zip(
            (wanted.mode, wanted.uid, wanted.gid),
            (kept.mode, kept.uid, kept.gid) if kept is not None else (_NEW_MODE[wanted.kind], 0, 0),
        )
    )
    writes = found is None or found.kind != wanted.kind or (found.digest, found.text) != (wanted.digest, wanted.text)
    same_mode = wanted.kind == LINK or (found is not None and found.mode == mode)
    if not writes and found is not None and same_mode and (found.uid, found.gid) == (uid, gid):
        return None
    return Change(wanted, found, writes, mode, uid, gid)


def action(change: Change) -> str:
    """The line for the result's ``actions``."""
    path = change.wanted.path
    if change.writes:
        verb = {FILE: "wrote", DIRECTORY: "made directory", LINK: "linked"}[change.wanted.kind]
        return f"{verb} {path}"
    found = change.found
    what = [
        *([f"mode {change.mode:04o}"] if change.wanted.kind != LINK and found.mode != change.mode else []),
        *([f"owner {change.uid}:{change.gid}"] if (found.uid, found.gid) != (change.uid, change.gid) else []),
    ]
    return f"set {' and '.join(what)} of {path}"


def difference(change: Change) -> dict[str, Any]:
    """The attributes that differ, before and after, for diff mode; content is not among them."""
    found, wanted = change.found, change.wanted
    before: dict[str, Any] = {"path": wanted.path, "state": "absent"}
    if found is not None:
        before = _attributes(wanted.path, found.kind, found.mode, found.uid, found.gid, found.text)
    after = _attributes(wanted.path, wanted.kind, change.mode, change.uid, change.gid, wanted.text)
    for key in [key for key in after if key != "path" and before.get(key) == after[key]]:
        del before[key], after[key]
    return {"before": before, "after": after}


def _attributes(path: str, kind: str, mode: int, uid: int, gid: int, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {"path": path, "state": kind, "owner": uid, "group": gid}
    return {**found, "target": text} if kind == LINK else {**found, "mode": f"{mode:04o}"}
