# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options as people write them, and mounts attached by descriptor."""

from __future__ import annotations

import errno
import os

from . import constants as c
from . import syscalls
from .errors import KernelError

# Option → (clears the flag, flag of mount(2)); mount(8), and the table of runtime-spec config.md "Linux mount options".
_FLAGS = {
    "async": (True, c.MS_SYNCHRONOUS),
    "atime": (True, c.MS_NOATIME),
    "bind": (False, c.MS_BIND),
    "defaults": (False, 0),
    "dev": (True, c.MS_NODEV),
    "diratime": (True, c.MS_NODIRATIME),
    "dirsync": (False, c.MS_DIRSYNC),
    "exec": (True, c.MS_NOEXEC),
    "iversion": (False, c.MS_I_VERSION),
    "lazytime": (False, c.MS_LAZYTIME),
    "loud": (True, c.MS_SILENT),
    "mand": (False, c.MS_MANDLOCK),
    "noatime": (False, c.MS_NOATIME),
    "nodev": (False, c.MS_NODEV),
    "nodiratime": (False, c.MS_NODIRATIME),
    "noexec": (False, c.MS_NOEXEC),
    "noiversion": (True, c.MS_I_VERSION),
    "nolazytime": (True, c.MS_LAZYTIME),
    "nomand": (True, c.MS_MANDLOCK),
    "norelatime": (True, c.MS_RELATIME),
    "nostrictatime": (True, c.MS_STRICTATIME),
    "nosuid": (False, c.MS_NOSUID),
    "nosymfollow": (False, c.MS_NOSYMFOLLOW),
    "rbind": (False, c.MS_BIND | c.MS_REC),
    "relatime": (False, c.MS_RELATIME),
    "remount": (False, c.MS_REMOUNT),
    "ro": (False, c.MS_RDONLY),
    "rw": (True, c.MS_RDONLY),
    "silent": (False, c.MS_SILENT),
    "strictatime": (False, c.MS_STRICTATIME),
    "suid": (True, c.MS_NOSUID),
    "symfollow": (True, c.MS_NOSYMFOLLOW),
    "sync": (False, c.MS_SYNCHRONOUS),
}
PROPAGATION = {
    "private": c.MS_PRIVATE,
    "rprivate": c.MS_PRIVATE | c.MS_REC,
    "rshared": c.MS_SHARED | c.MS_REC,
    "rslave": c.MS_SLAVE | c.MS_REC,
    "runbindable": c.MS_UNBINDABLE | c.MS_REC,
    "shared": c.MS_SHARED,
    "slave": c.MS_SLAVE,
    "unbindable": c.MS_UNBINDABLE,
}
# Option → (attributes set, attributes cleared) of mount_setattr(2), for the mount and all below it.
_RECURSIVE = {
    "ratime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR_ATIME),
    "rdev": (0, c.MOUNT_ATTR_NODEV),
    "rdiratime": (0, c.MOUNT_ATTR_NODIRATIME),
    "rexec": (0, c.MOUNT_ATTR_NOEXEC),
    "rnoatime": (c.MOUNT_ATTR_NOATIME, c.MOUNT_ATTR_ATIME),
    "rnodev": (c.MOUNT_ATTR_NODEV, 0),
    "rnodiratime": (c.MOUNT_ATTR_NODIRATIME, 0),
    "rnoexec": (c.MOUNT_ATTR_NOEXEC, 0),
    "rnorelatime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR_ATIME),  # the kernel has no atime beside these three
    "rnostrictatime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR_ATIME),
    "rnosuid": (c.MOUNT_ATTR_NOSUID, 0),
    "rnosymfollow": (c.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "rrelatime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR_ATIME),
    "rro": (c.MOUNT_ATTR_RDONLY, 0),
    "rrw": (0, c.MOUNT_ATTR_RDONLY),
    "rstrictatime": (c.MOUNT_ATTR_STRICTATIME, c.MOUNT_ATTR_ATIME),
    "rsuid": (0, c.MOUNT_ATTR_NOSUID),
    "rsymfollow": (0, c.MOUNT_ATTR_NOSYMFOLLOW),
}
_IDMAP = ("idmap", "ridmap")
# The flags that belong to a mount rather than to its file system, with their attribute of mount_setattr(2).
_MOUNT_FLAGS = (
    (c.MS_RDONLY, c.MOUNT_ATTR_RDONLY),
    (c.MS_NOSUID, c.MOUNT_ATTR_NOSUID),
    (c.MS_NODEV, c.MOUNT_ATTR_NODEV),
    (c.MS_NOEXEC, c.MOUNT_ATTR_NOEXEC),
    (c.MS_NODIRATIME, c.MOUNT_ATTR_NODIRATIME),
    (c.MS_NOSYMFOLLOW, c.MOUNT_ATTR_NOSYMFOLLOW),
)
_ATIME_FLAGS = (
    (c.MS_NOATIME, c.MOUNT_ATTR_NOATIME),
    (c.MS_STRICTATIME, c.MOUNT_ATTR_STRICTATIME),
    (c.MS_RELATIME, c.MOUNT_ATTR_RELATIME),
)
# statvfs(3) flag → mount(2) flag: what a remount of a locked mount must repeat, mount_namespaces(7).
_LOCKABLE = (
    (os.ST_RDONLY, c.MS_RDONLY),
    (os.ST_NOSUID, c.MS_NOSUID),
    (getattr(os, "ST_NODEV", 4), c.MS_NODEV),
    (getattr(os, "ST_NOEXEC", 8), c.MS_NOEXEC),
    (getattr(os, "ST_NOATIME", 1024), c.MS_NOATIME),
    (getattr(os, "ST_NODIRATIME", 2048), c.MS_NODIRATIME),
    (getattr(os, "ST_RELATIME", 4096), c.MS_RELATIME),
)


def option_names() -> list[str]:
    """Every option that is not left to the file system, sorted."""
    return sorted([*_FLAGS, *PROPAGATION, *_RECURSIVE, *_IDMAP, "tmpcopyup"])


class MountOptions:
    """A list of mount options, sorted out.

    flags        MS_* flags to set
    cleared      MS_* flags named by their negation (``rw``, ``suid`` …)
    propagation  MS_* propagation changes, in order
    set, clear   recursive attributes (``rro`` …)
    idmap        "idmap", "ridmap" (all mounts below too) or ""
    tmpcopyup    fill the tmpfs with what the image has at its place
    data         what is left: options of the file system itself
    """

    __slots__ = ("clear", "cleared", "data", "flags", "idmap", "propagation", "set", "tmpcopyup")

    def __init__(self, options: list[str]) -> None:
        self.flags = self.cleared = self.set = self.clear = 0
        self.propagation: list[int] = []
        self.tmpcopyup = False
        self.idmap = ""
        data = []
        for option in options:
            if option in _FLAGS:
                negated, flag = _FLAGS[option]
                self.flags = self.flags & ~flag if negated else self.flags | flag
                self.cleared = self.cleared | flag if negated else self.cleared & ~flag
            elif option in PROPAGATION:
                self.propagation.append(PROPAGATION[option])
            elif option in _RECURSIVE:
                set_, clear = _RECURSIVE[option]
                self.set, self.clear = (self.set & ~clear) | set_, (self.clear & ~set_) | clear
            elif option in _IDMAP:
                self.idmap = option
            elif option == "tmpcopyup":
                self.tmpcopyup = True
            else:
                data.append(option)
        self.data = ",".join(data)

    @property
    def is_bind(self) -> bool:
        return bool(self.flags & c.MS_BIND)

    def attributes(self) -> tuple[int, int]:
        """The mount's own flags as (set, clear) for mount_setattr(2)."""
        set_ = clear = 0
        for flag, attribute in _MOUNT_FLAGS:
            if self.flags & flag:
                set_ |= attribute
            if self.cleared & flag:
                clear |= attribute
        for flag, attribute in _ATIME_FLAGS:
            if self.flags & flag:
                return set_ | attribute, clear | c.MOUNT_ATTR_ATIME
        return set_, clear


def open_bind(source: str, options: MountOptions, *, propagation: int = 0, userns: int = -1) -> int:
    """A detached copy of the mount at *source* with *options* applied, to be attached by :func:`attach`.

    *propagation* is changed before the options' own; *userns* is a descriptor of the namespace whose id maps an
    id-mapped mount takes. Nothing can see it half made, and its place cannot be swapped under it (CVE-2021-30465).
    Needs Linux 5.12; raises OSError(ENOSYS) before.
    """
    recursive = bool(options.flags & c.MS_REC)
    tree = syscalls.open_tree(c.AT_FDCWD, source, c.OPEN_TREE_CLONE | (c.AT_RECURSIVE if recursive else 0))
    try:
        set_, clear = options.attributes()
        if set_ or clear:
            syscalls.mount_setattr(tree, set_, clear, recursive=False)
        if options.set or options.clear:
            syscalls.mount_setattr(tree, options.set, options.clear, recursive=True)
        if options.idmap:
            everything = options.idmap == "ridmap"
            syscalls.mount_setattr(tree, c.MOUNT_ATTR_IDMAP, 0, userns=userns, recursive=everything)
        for change in (propagation, *options.propagation):
            if change:
                syscalls.mount_setattr(tree, 0, 0, propagation=change & ~c.MS_REC, recursive=bool(change & c.MS_REC))
    except BaseException:
        os.close(tree)
        raise
    return tree


def bind_legacy(source: str, target: int, options: MountOptions) -> None:
    """The same by mount(2) alone, for kernels before 5.12. *target* is a descriptor; needs a trusted /proc."""
    if options.set or options.clear:
        raise KernelError(
            f"cannot mount {source}: recursive attributes need mount_setattr(2), Linux 5.12",
            step="mount",
            obj=source,
            errno=errno.ENOSYS,
            hint="Use ro, nosuid, nodev, noexec instead of rro, rnosuid, rnodev, rnoexec",
        )
    place = os.readlink(f"/proc/self/fd/{target}")
    syscalls.mount(source, f"/proc/self/fd/{target}", None, c.MS_BIND | options.flags & c.MS_REC)
    wanted = options.flags & ~(c.MS_BIND | c.MS_REC)
    if wanted or options.cleared:
        mounted = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _remount_legacy(f"/proc/self/fd/{mounted}", wanted, options)
        finally:
            os.close(mounted)
    for change in options.propagation:
        syscalls.mount(None, place, None, change)


def bind(source: str, target: int, options: MountOptions) -> None:
    """Bind *source* on the descriptor *target*, the way this kernel has; needs a trusted /proc."""
    try:
        attach(open_bind(source, options), target)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        bind_legacy(source, target, options)


def change(target: int, options: MountOptions) -> None:
    """Give the mount whose root is *target* the flags that *options* name, as mount(8) does with bind,remount.

    Unlike mount(2), which resets what is not named. Needs a trusted /proc before Linux 5.12.
    """
    set_, clear = options.attributes()
    try:
        syscalls.mount_setattr(target, set_, clear, recursive=False)
        if options.set or options.clear:
            syscalls.mount_setattr(target, options.set, options.clear, recursive=True)
    except OSError as error:
        if error.errno != errno.ENOSYS or options.set or options.clear:
            raise
        _remount_legacy(f"/proc/self/fd/{target}", options.flags & ~(c.MS_BIND | c.MS_REC | c.MS_REMOUNT), options)


def _remount_legacy(path: str, wanted: int, options: MountOptions) -> None:
    kept = sum(flag for bit, flag in _LOCKABLE if os.statvfs(path).f_flag & bit) & ~options.cleared
    syscalls.mount(None, path, None, c.MS_BIND | c.MS_REMOUNT | wanted | kept)


def attach(tree: int, target: int) -> None:
    """Attach the detached mount *tree* over the file or directory *target*; closes *tree*."""
    try:
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)


def set_read_only(mount_fd: int) -> None:
    """Make the mount whose root is *mount_fd* read-only, its file system left alone."""
    try:
        syscalls.mount_setattr(mount_fd, c.MOUNT_ATTR_RDONLY, 0, recursive=False)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        path = f"/proc/self/fd/{mount_fd}"
        kept = sum(flag for bit, flag in _LOCKABLE if os.statvfs(path).f_flag & bit)
        syscalls.mount(None, path, None, c.MS_BIND | c.MS_REMOUNT | c.MS_RDONLY | kept)


def mount_overlay(target: str, lower: list[str], upper: str = "", work: str = "") -> None:
    """Mount an overlay on *target*; *lower* lists the layers, base first. Without *upper* it is read-only.

    Layers are given by descriptor, so their number is not bounded by the page that mount(2) passes its options in
    (overlayfs itself allows 500). Raises KernelError.
    """
    layers = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in reversed(lower)]
    try:
        stack = ":".join(f"/proc/self/fd/{fd}" for fd in layers)
        data = f"lowerdir={stack}"
        if upper:
            data += f",upperdir={_escape(upper)},workdir={_escape(work)}"
        syscalls.mount("overlay", target, "overlay", 0 if upper else c.MS_RDONLY, data)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise KernelError(
                "this kernel has no overlay file system",
                step="overlay",
                obj=target,
                errno=error.errno,
                hint="Load the module with 'modprobe overlay', or use a kernel that has CONFIG_OVERLAY_FS",
            ) from error
        hint = ""
        if error.errno == errno.EINVAL and upper and syscalls.fs_type(upper) == c.OVERLAYFS_SUPER_MAGIC:
            hint = "The state directory lies on an overlay itself: move it to another file system with the option root"
        raise KernelError.of(error, f"cannot mount an overlay of {len(lower)} layers on {target}", hint=hint) from error
    finally:
        for fd in layers:
            os.close(fd)


def _escape(path: str) -> str:
    """overlayfs splits its options at commas and colons (Documentation/filesystems/overlayfs)."""
    return path.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")
