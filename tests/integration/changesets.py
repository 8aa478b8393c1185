# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of what a stack of layers means (image-spec, layer.md "Applying Changesets"): a tree in memory.

It knows no overlayfs and shares no code with the unpacker. Where the specification is silent it states what we chose:
parents nobody has are root's, 0755, of time 0; symlinks in parents are followed inside the image; a hard link to a
file of a lower layer takes a copy along, which the other names of that file do not share.
"""

from __future__ import annotations

import copy
import io
import os
import stat
import tarfile

MAX_SYMLINKS = 40


class Refused(Exception):
    """The layer is none that anybody may apply."""


class Entry:
    """One entry of a layer: *kind* is dir, file, symlink, fifo, device, hardlink, whiteout or opaque.

    *path* is a tuple of names; *value* a file's content, a symlink's target or a hard link's path.
    """

    def __init__(self, kind, path, value=None, mode=0o755, uid=0, gid=0, mtime=0, xattrs=()):
        self.kind, self.path, self.value = kind, path, value
        self.mode, self.uid, self.gid, self.mtime, self.xattrs = mode, uid, gid, mtime, dict(xattrs)

    def __repr__(self):
        return f"{self.kind}:/{'/'.join(self.path)}" + (f"={self.value!r}" if self.value is not None else "")


class Node:
    """A file of the tree. *layer* made it, *touched* is the last layer that has it, by an entry or as a parent.

    A copy of it, which another layer takes along for a hard link, has the same *inode*.
    """

    def __init__(self, kind, layer, value=None, mode=0o755, uid=0, gid=0, mtime=0, xattrs=()):
        self.kind, self.layer, self.touched, self.value = kind, layer, layer, value
        self.mode, self.uid, self.gid, self.mtime, self.xattrs = mode, uid, gid, mtime, dict(xattrs)
        self.inode = object()
        self.children = {}
        self.copied = set()  # names of children that are here for a hard link to them only

    def attributes(self):
        xattrs = tuple(sorted(self.xattrs.items()))
        if self.kind == "symlink":
            return (self.kind, self.value, self.uid, self.gid, self.mtime, xattrs)
        return (self.kind, self.value, self.mode, self.uid, self.gid, self.mtime, xattrs)


class Tree:
    def __init__(self):
        self.root = Node("dir", -1)

    def apply(self, entries, layer):
        """Apply one layer. Raises Refused."""
        for entry in entries:
            self._apply(entry, layer)

    def _apply(self, entry, layer):
        if entry.kind == "opaque":
            self._hide_below(self._directory(entry.path, layer), layer)
            return
        if not entry.path:
            if entry.kind != "dir":
                raise Refused("root")
            self._directory((), layer)
            return
        parent, name = self._directory(entry.path[:-1], layer), entry.path[-1]
        old = parent.children.get(name)
        if entry.kind == "whiteout":
            if old is None:  # what nobody has; also where nobody has the directory
                pass
            elif old.kind == "dir" and old.touched == layer:
                self._hide_below(old, layer)
            elif old.layer != layer or name in parent.copied:
                del parent.children[name]
                parent.copied.discard(name)
            return
        if entry.kind == "hardlink":
            directory, node = self._link_target(entry.value, layer)
            if old is not node:
                if old is not None and self._holds(old, directory):
                    raise Refused("the link replaces the directory of its target")
                parent.children[name] = node
            parent.copied.discard(name)
            return
        made = Node(entry.kind, layer, entry.value, entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)
        if entry.kind == "dir" and old is not None and old.kind == "dir":
            made.children, made.copied = old.children, old.copied
        parent.copied.discard(name)
        parent.children[name] = made

    def _holds(self, directory, node):
        return directory is node or any(self._holds(child, node) for child in directory.children.values())

    def _hide_below(self, directory, layer):
        """What lower layers have below *directory* goes; what this one has stays."""
        for name, child in list(directory.children.items()):
            if child.touched != layer or name in directory.copied:
                del directory.children[name]
                directory.copied.discard(name)
            elif child.kind == "dir":
                self._hide_below(child, layer)

    def _directory(self, path, layer, create=True):
        stack, pending, links = [self.root], list(path), 0
        while pending:
            name = pending.pop(0)
            if name == "..":
                if len(stack) == 1:
                    raise Refused("outside")
                stack.pop()
                continue
            child = stack[-1].children.get(name)
            if child is None:
                if links or not create:
                    raise Refused("nothing there")
                child = stack[-1].children[name] = Node("dir", layer)
            elif child.kind == "symlink":
                links += 1
                if links > MAX_SYMLINKS:
                    raise Refused("loop")
                if child.value.startswith("/"):
                    stack = [self.root]
                pending[:0] = [part for part in child.value.split("/") if part not in ("", ".")]
                continue
            elif child.kind != "dir":
                raise Refused("no directory")
            if layer is not None:
                child.touched = layer
            stack.append(child)
        return stack[-1]

    def _link_target(self, path, layer):
        parent = self._directory(path[:-1], layer, create=False)
        node = parent.children.get(path[-1])
        if node is None or node.kind == "dir":
            raise Refused("no file to link to")
        if node.touched != layer:
            node = copy.copy(node)
            node.layer = node.touched = layer
            parent.copied.add(path[-1])
            parent.children[path[-1]] = node
        return parent, node

    def flat(self, linked=False):
        """Path → (attributes, first path of the same file); *linked*: what a layer links to is no copy."""

        def same(node):
            return id(node.inode if linked else node)

        found, first = {}, {}
        pending = [((), self.root)]
        while pending:
            path, node = pending.pop()
            if path:
                found[path] = node
            pending += [(path + (name,), child) for name, child in node.children.items()]
        for path in sorted(found):
            first.setdefault(same(found[path]), path)
        return {path: (node.attributes(), first[same(node)]) for path, node in found.items()}


def on_disk(root):
    """The same of a directory."""
    found, first = {}, {}
    for directory, directories, files in os.walk(os.fsencode(root)):
        for name in directories + files:
            full = os.path.join(directory, name)
            found[tuple(os.fsdecode(os.path.relpath(full, os.fsencode(root))).split("/"))] = full
    result = {}
    for path in sorted(found):
        status = os.lstat(found[path])
        same = first.setdefault((status.st_dev, status.st_ino), path)
        result[path] = (_attributes(found[path], status), same)
    return result


def _attributes(path, status):
    mtime = status.st_mtime_ns // 10**9
    xattrs = tuple(
        sorted(
            (name, os.getxattr(path, name, follow_symlinks=False)) for name in os.listxattr(path, follow_symlinks=False)
        )
    )
    if stat.S_ISLNK(status.st_mode):
        return ("symlink", os.readlink(os.fsdecode(path)), status.st_uid, status.st_gid, mtime, xattrs)
    kind, value = (
        {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFIFO: "fifo", stat.S_IFCHR: "device"}[
            stat.S_IFMT(status.st_mode)
        ],
        None,
    )
    if kind == "file":
        with open(path, "rb") as file:
            value = file.read()
    elif kind == "device":
        value = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return (kind, value, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, mtime, xattrs)


def as_tar(entries, prefix, tar_format):
    """The layer as a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tar_format, errors="surrogateescape") as archive:
        for entry in entries:
            info = tarfile.TarInfo(prefix + ("/".join(entry.path) or "."))
            info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, entry.mtime
            info.pax_headers = {
                f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape") for name, value in entry.xattrs.items()
            }
            content = b""
            if entry.kind == "dir":
                info.type = tarfile.DIRTYPE
            elif entry.kind == "file":
                content = entry.value
            elif entry.kind == "symlink":
                info.type, info.linkname = tarfile.SYMTYPE, entry.value
            elif entry.kind == "fifo":
                info.type = tarfile.FIFOTYPE
            elif entry.kind == "device":
                info.type, (info.devmajor, info.devminor) = tarfile.CHRTYPE, entry.value
            elif entry.kind == "hardlink":
                info.type, info.linkname = tarfile.LNKTYPE, prefix + "/".join(entry.value)
            elif entry.kind == "whiteout":
                info.name = prefix + "/".join((*entry.path[:-1], ".wh." + entry.path[-1]))
            else:
                info.name = prefix + "/".join((*entry.path, ".wh..wh..opq"))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()
