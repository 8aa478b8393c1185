# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying a source (container/copysource.py) to a place below a root directory (container/roots.py).

What differs is changed and nothing else: type, content, mode and owners are compared, as they are seen at the place.
"""

from __future__ import annotations

import errno
import stat
from collections import namedtuple

from ..kernel import entries, idmap
from . import copyplan
from .copyplan import DIRECTORY, FILE, LINK, PRESERVE, Change, Found, Item, Wanted
from .copysource import content_of
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .copysource import Source
    from .roots import Root

# mode, directory_mode  permission bits, PRESERVE, or None for what is there, or the default
# uid, gid              numbers as the place sees them, PRESERVE, or None likewise
Attributes = namedtuple("Attributes", "mode directory_mode uid gid")
_SHOWN = 1 << 16  # bytes of a file whose content a diff shows


def destination(root: Root, dest: str, name: str, *, directory: bool, contents: bool, makes: bool) -> str:
    """Where the source goes: *dest*, or *name* in it where *dest* is a directory.

    directory  whether the source is one, whose contents alone go into *dest* with *contents*
    makes      whether a *dest* that ends in / or that a directory goes to is to be made where it is missing
    Raises ContainerError.
    """
    there = entries.status(root.fd, dest, follow=True)
    if there is not None and stat.S_ISDIR(there.st_mode):
        return dest if directory and contents else f"{dest.rstrip('/')}/{name}"
    if directory:
        return dest if contents else f"{dest.rstrip('/')}/{name}"
    if dest.endswith("/"):
        if there is None and makes:
            return dest + name
        raise ContainerError(f"there is no directory {dest} {root.where}", step="copy", obj=dest)
    return dest


def plan(source: Source, root: Root, path: str, wishes: Attributes, *, makes: bool, named: str = "") -> list[Change]:
    """What has to be done so that *path* is as the source is, in order. Raises ContainerError, OSError.

    named  the path that was given for it: a symlink to a directory in that place is meant, whoever the source is
    """
    changes = []
    made: set[str] = set()
    for wanted in [*_above(root, path, makes=makes), *(_wanted(item, source, path, wishes) for item in source.items)]:
        # Where the container has planted links on the host before, by a copy of links, nothing follows them now.
        follow = source.trusted or wanted.path == path.rstrip("/") == named.rstrip("/")
        found = None if wanted.path.rpartition("/")[0] in made else look(root, wanted, follow=follow)
        if wanted.kind == DIRECTORY and found is None:
            made.add(wanted.path)
        change = copyplan.decide(wanted, found, root.where)
        if change is not None:
            changes.append(change)
    return changes


def _above(root: Root, path: str, *, makes: bool) -> list[Wanted]:
    """The directories above *path* that are missing. Raises ContainerError unless they are to be made."""
    missing: list[Wanted] = []
    above = entries.split(path)[0] if path.strip("/") else "/"
    while above != "/":
        there = entries.status(root.fd, above, follow=True)
        if there is not None and not stat.S_ISDIR(there.st_mode):
            raise ContainerError(f"{above} {root.where} is not a directory", step="copy", obj=path)
        if there is not None:
            break
        missing.insert(0, Wanted(above, DIRECTORY, None, None, None, 0, "", ""))
        above = entries.split(above)[0]
    if missing and not makes:
        raise ContainerError(
            f"there is no directory {missing[-1].path} {root.where}",
            step="copy",
            obj=path,
            hint="Let dest end in / to have it made",
        )
    return missing


def _wanted(item: Item, source: Source, path: str, wishes: Attributes) -> Wanted:
    uid, gid = (
        kept if chosen == PRESERVE else chosen for chosen, kept in ((wishes.uid, item.uid), (wishes.gid, item.gid))
    )
    mode = copyplan.mode_for(item, wishes.mode, wishes.directory_mode, trusted=source.trusted)
    place = f"{path.rstrip('/')}/{item.path}" if item.path else path.rstrip("/") or "/"
    return Wanted(place, item.kind, mode, uid, gid, item.size, item.digest, item.text)


def look(root: Root, wanted: Wanted, *, follow: bool = True) -> Found | None:
    """What is there in the place of *wanted*. Raises OSError.

    With *follow* a symlink to a directory is one where a directory is wanted.
    """
    found = entries.status(root.fd, wanted.path)
    if found is None:
        return None
    kind = copyplan.kind_of(found.st_mode)
    if kind == LINK and wanted.kind == DIRECTORY and follow:
        behind = entries.status(root.fd, wanted.path, follow=True)
        if behind is not None and stat.S_ISDIR(behind.st_mode):
            found, kind = behind, DIRECTORY
    same_size = kind == FILE and wanted.kind == FILE and found.st_size == wanted.size
    return Found(
        kind,
        stat.S_IMODE(found.st_mode),
        idmap.inside(found.st_uid, root.uids),
        idmap.inside(found.st_gid, root.gids),
        found.st_size if kind == FILE else 0,
        content_of(root.fd, wanted.path)[1] if same_size else "",
        entries.target(root.fd, wanted.path) if kind == LINK else "",
    )


def apply(changes: list[Change], source: Source, root: Root) -> None:
    """Carry *changes* out. Raises ContainerError."""
    contents = {(item.size, item.digest): item for item in source.items if item.kind == FILE}
    for change in changes:
        path = change.wanted.path
        uid, gid = _outside("user", change.uid, root.uids, root), _outside("group", change.gid, root.gids, root)
        try:
            _carry_out(change, root.fd, uid, gid, source, contents)
        except OSError as error:
            raise _explained(error, path, root) from error


def _carry_out(
    change: Change, rootfd: int, uid: int, gid: int, source: Source, contents: dict[tuple[int, str], Item]
) -> None:
    wanted = change.wanted
    path = wanted.path
    if wanted.kind == LINK:
        if change.writes:
            entries.make_link(rootfd, path, wanted.text, uid, gid)
        else:
            entries.set_link_owner(rootfd, path, uid, gid)
    elif change.writes and wanted.kind == FILE:
        content = source.content(contents[(wanted.size, wanted.digest)])
        entries.write_file(rootfd, path, content, change.mode, uid, gid)
    elif change.writes:
        entries.make_directory(rootfd, path, change.mode, uid, gid)
    else:
        kind = stat.S_IFREG if wanted.kind == FILE else stat.S_IFDIR
        resolved = entries.resolve(rootfd, path) if kind == stat.S_IFDIR and path.strip("/") else path
        entries.set_attributes(rootfd, resolved, kind, change.mode, uid, gid)


def _outside(kind: str, number: int, entries_: list[tuple[int, int, int]], root: Root) -> int:
    found = idmap.outside(number, entries_)
    if found < 0:
        raise ContainerError(
            f"there is no {kind} {number} {root.where}: its user namespace does not have it",
            step="copy",
            obj=str(number),
            hint="Choose another owner and group",
        )
    return found


def _explained(error: OSError, path: str, root: Root) -> ContainerError:
    hint = ""
    if error.errno == errno.EROFS:
        hint = "What is mounted there is read-only, or there only while the container runs"
    elif error.errno == errno.EBUSY:
        hint = "A file of the host is mounted there: change that one"
    return ContainerError.of(error, f"cannot write {path} {root.where}", step="copy", obj=path, hint=hint)


def differences(changes: list[Change], source: Source, root: Root) -> list[dict[str, object]]:
    """Diffs of what *changes* do, attributes and contents, for diff mode. Raises OSError."""
    found: list[dict[str, object]] = []
    contents = {(item.size, item.digest): item for item in source.items if item.kind == FILE}
    for change in changes:
        attributes = copyplan.difference(change)
        if len(attributes["after"]) > 1:
            found.append(attributes)
        wanted = change.wanted
        if wanted.kind == FILE and change.writes:
            item = contents[(wanted.size, wanted.digest)]
            was = change.found
            before = ""
            if was is not None and was.kind == FILE:
                before = _shown(was.size, was.size > _SHOWN, entries.chunks(root.fd, wanted.path))
            unknown = item.size > _SHOWN or bool(source.missing([item]))
            after = _shown(item.size, unknown, source.content(item), item.digest)
            header = {"before_header": wanted.path, "after_header": wanted.path}
            found.append({**header, "before": before, "after": after})
    return found


def _shown(size: int, unknown: bool, content: Iterator[bytes], digest: str = "") -> str:
    """The text of a file, or a line about one that is long or no text."""
    data = b"\0" if unknown else b"".join(content)
    if b"\0" not in data:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass  # no text either
    return f"({size} bytes{', SHA-256 ' + digest if digest else ''})\n"


def is_there(root: Root, path: str) -> bool:
    return entries.status(root.fd, path) is not None


def state_of(root: Root, path: str, change: Change | None) -> dict[str, object]:
    """What the result says of *path*, as it is or, with *change*, is about to be."""
    if change is not None:
        wanted = change.wanted
        return _described(wanted.kind, change.mode, change.uid, change.gid, wanted.size, wanted.digest)
    there = entries.status(root.fd, path)
    if there is None:
        return {}
    found = look(root, Wanted(path, copyplan.kind_of(there.st_mode), 0, 0, 0, there.st_size, "", ""))
    return {} if found is None else _described(found.kind, found.mode, found.uid, found.gid, found.size, found.digest)


def _described(kind: str, mode: int, uid: int, gid: int, size: int, digest: str) -> dict[str, object]:
    found: dict[str, object] = {"state": kind, "mode": f"{mode:04o}", "uid": uid, "gid": gid}
    return {**found, "size": size, "checksum": digest} if kind == FILE else found
