# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems compared entry by entry, and one that has everything an image can hold.

usage: python3 hacking/trees.py A B      print the differences of two directories, one a line; exit 1 if there are any
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
from typing import NamedTuple

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


class Entry(NamedTuple):
    """One file as a process in the container sees it. ``blocks``, of 512 bytes, is for has_less_holes() alone."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int  # ns
    device: tuple[int, int]
    target: bytes
    content: str  # size and sha256
    xattrs: tuple[tuple[str, bytes], ...]
    links: tuple[bytes, ...]  # all names of the same file, for more than one
    blocks: int


def read_tree(root: str) -> dict[bytes, Entry]:
    """Everything below *root*, itself as ``b"."``; nothing is followed."""
    top = os.fsencode(root)
    found: dict[bytes, os.stat_result] = {b".": os.lstat(top)}
    for directory, subdirectories, names in os.walk(top):
        for name in subdirectories + names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, top)] = os.lstat(path)
    inodes: dict[tuple[int, int], list[bytes]] = {}
    for path, status in found.items():
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            inodes.setdefault((status.st_dev, status.st_ino), []).append(path)
    return {
        path: _entry(os.path.join(top, path), status, inodes.get((status.st_dev, status.st_ino), []))
        for path, status in found.items()
    }


def _entry(full: bytes, status: os.stat_result, names: list[bytes]) -> Entry:
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    content = ""
    if kind == "file":
        hasher = hashlib.sha256()
        with open(full, "rb") as file:
            for chunk in iter(lambda: file.read(1 << 20), b""):
                hasher.update(chunk)
        content = f"{status.st_size} bytes {hasher.hexdigest()[:16]}"
    xattrs = tuple(
        (name, os.getxattr(full, name, follow_symlinks=False))
        for name in sorted(os.listxattr(full, follow_symlinks=False))
        if not name.startswith(("trusted.overlay.", "security.selinux", "user.containers.", "user.rootlesscontainers"))
    )
    device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if "device" in kind else (0, 0)
    target = os.readlink(full) if kind == "symlink" else b""
    return Entry(
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        device,
        target,
        content,
        xattrs,
        tuple(sorted(names)) if len(names) > 1 else (),
        status.st_blocks,
    )


def differences(ours: dict[bytes, Entry], theirs: dict[bytes, Entry], names: str = "ours theirs") -> list[str]:
    """What is not equal, one line each; ``blocks`` is left out."""
    one, other = names.split()
    lines = [f"{path!r} is only in {one}" for path in sorted(ours.keys() - theirs.keys())]
    lines += [f"{path!r} is only in {other}" for path in sorted(theirs.keys() - ours.keys())]
    for path in sorted(ours.keys() & theirs.keys()):
        for field in Entry._fields[:-1]:
            mine, yours = getattr(ours[path], field), getattr(theirs[path], field)
            if mine != yours:
                lines.append(f"{path!r} {field}: {one} {mine!r}, {other} {yours!r}")
    return lines


def has_less_holes(ours: dict[bytes, Entry], theirs: dict[bytes, Entry]) -> list[str]:
    """Files for which *ours* takes more blocks on disk than *theirs*, beyond a file system's own rounding."""
    return [
        f"{path!r}: {ours[path].blocks} blocks, {theirs[path].blocks}"
        for path in sorted(ours.keys() & theirs.keys())
        if ours[path].kind == "file" and ours[path].blocks > theirs[path].blocks + 16
    ]


# cap_net_bind_service=ep as the kernel keeps it (linux/capability.h, VFS_CAP_REVISION_2)
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
PAST = 1_500_000_000


def build_lower(root: str) -> None:
    """Fill *root* with one of everything. Needs root."""

    def file(name: bytes, content: bytes = b"", mode: int = 0o644) -> bytes:
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as opened:
            opened.write(content)
        os.chmod(path, mode)
        return path

    su = file(b"bin/su", b"su" * 50_000, 0o4755)
    os.link(su, os.path.join(os.path.dirname(su), b"sudo"))
    os.link(su, file(b"usr/bin/x")[:-1] + b"su")
    os.setxattr(file(b"bin/serve", b"serve", 0o755), "security.capability", CAPABILITY)
    os.setxattr(file(b"etc/labelled"), "user.label", b"a\0b\nc")
    os.chown(file(b"home/one/file", b"1"), 3_000_000, 2_500_000)
    os.chown(os.path.join(root, "home/one"), 1000, 1000)
    os.chmod(os.path.join(root, "home/one"), 0o2750)
    os.mkdir(os.path.join(root, "tmp"))
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    os.symlink("/nowhere/at/all", os.path.join(root, "etc/dangling"))
    os.symlink("x" * 200, os.path.join(root, "etc/long"))
    os.lchown(os.path.join(root, "etc/dangling"), 5, 6)
    os.mkfifo(os.path.join(root, "etc/fifo"), 0o620)
    os.mknod(os.path.join(root, "etc/null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chmod(os.path.join(root, "etc/null"), 0o666)
    os.mknod(os.path.join(root, "etc/disk"), stat.S_IFBLK | 0o660, os.makedev(259, 300))
    os.chmod(os.path.join(root, "etc/disk"), 0o660)
    file("etc/grün".encode(), b"green")
    file(b"etc/caf\xe9", b"no UTF-8")
    file(b"deep/" + b"d" * 120 + b"/" + b"e" * 130 + b"/" + b"f" * 140, b"long")
    sparse = os.open(file(b"var/sparse"), os.O_WRONLY)
    try:
        os.pwrite(sparse, b"head", 0)
        os.pwrite(sparse, b"tail", 30 << 20)
    finally:
        os.close(sparse)
    for name in (
        b"gone/file",
        b"gone/dir/file",
        b"opaque/old",
        b"opaque/dir/old",
        b"was-dir/file",
        b"was-file",
        b"edit/it",
    ):
        file(name, name)
    file(b"was-link/real/file", b"real")
    os.symlink("real", os.path.join(root, "was-link/link"))
    set_times(root)


def change_upper(root: str) -> None:
    """What a second layer does to a copy of build_lower(): removes, hides, replaces, links."""
    shutil.rmtree(os.path.join(root, "gone/dir"))
    os.unlink(os.path.join(root, "gone/file"))
    shutil.rmtree(os.path.join(root, "opaque"))
    os.mkdir(os.path.join(root, "opaque"))
    with open(os.path.join(root, "opaque/new"), "wb") as file:
        file.write(b"new")
    shutil.rmtree(os.path.join(root, "was-dir"))
    with open(os.path.join(root, "was-dir"), "wb") as file:
        file.write(b"a file now")
    os.unlink(os.path.join(root, "was-file"))
    os.mkdir(os.path.join(root, "was-file"))
    os.symlink("../edit/it", os.path.join(root, "was-file/link"))
    with open(os.path.join(root, "edit/it"), "ab") as file:
        file.write(b" and more")
    os.chmod(os.path.join(root, "edit"), 0o711)
    os.unlink(os.path.join(root, "was-link/link"))
    os.mkdir(os.path.join(root, "was-link/link"))
    os.link(os.path.join(root, "edit/it"), os.path.join(root, "edit/again"))
    for name in (
        "opaque",
        "opaque/new",
        "was-dir",
        "was-file",
        "edit/it",
        "edit",
        "gone",
        "was-link/link",
        "was-link",
        ".",
    ):
        os.utime(os.path.join(root, name), (PAST, PAST + 1000))


def set_times(root: str) -> None:
    """Times in the past, whole seconds, each another."""
    for number, (directory, subdirectories, names) in enumerate(os.walk(os.fsencode(root), topdown=False)):
        for name in subdirectories + names:
            os.utime(os.path.join(directory, name), (PAST, PAST + number), follow_symlinks=False)
    os.utime(root, (PAST, PAST))


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        sys.stderr.write((__doc__ or "").partition("\n\n")[2])
        return 2
    lines = differences(read_tree(argv[0]), read_tree(argv[1]), "A B")
    for line in lines:
        sys.stdout.write(line + "\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
