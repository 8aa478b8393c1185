# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's file system: mounts, devices, masks, and pivot_root.

Runs in the container's first process, inside its namespaces and before the pivot, while the host's /proc can still
be trusted. The image is hostile: every target is a descriptor pinned inside the root before anything is mounted on
it.
"""

from __future__ import annotations

import errno
import os
import stat

from ..kernel import constants as c
from ..kernel import mounts, safepath, syscalls
from ..kernel.mounts import PROPAGATION, MountOptions
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .config import Config, Mount

# config-linux.md, "Default Devices"
_DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
_FILE_TYPES = {"b": stat.S_IFBLK, "c": stat.S_IFCHR, "u": stat.S_IFCHR, "p": stat.S_IFIFO}
_REAL_DIRECTORIES = ("proc", "sysfs")
_BIND = ["rbind"]


class Trees:
    """Detached copies of what is bound into the container, opened while we still have the host's privilege.

    A user namespace could neither reach the sources nor clone their mounts. ``binds`` maps the index of a mount to
    its tree (absent: the kernel is too old for them); ``cgroups`` maps a v1 hierarchy's name, or "" for v2, to
    one.
    """

    __slots__ = ("binds", "cgroups")

    def __init__(self) -> None:
        self.binds: dict[int, int] = {}
        self.cgroups: dict[str, int] = {}


def open_trees(config: Config, cgroup_paths: dict[str, str]) -> Trees:
    """Open every bind source, and the container's own cgroup directories. Raises RuntimeFault naming the mount."""
    trees = Trees()
    for index, entry in enumerate(config.mounts):
        if entry.type == "cgroup":
            options = MountOptions(["bind", *(["ro"] if entry.options.flags & c.MS_RDONLY else [])])
            unified = list(cgroup_paths) == [""]
            for path in cgroup_paths.values():
                tree = _open_bind(path, options, entry)
                if tree is not None:
                    trees.cgroups["" if unified else _hierarchy_name(path)] = tree
        elif entry.options.is_bind:
            tree = _open_bind(entry.source, entry.options, entry)
            if tree is not None:
                trees.binds[index] = tree
    return trees


def _open_bind(source: str, options: MountOptions, entry: Mount) -> int | None:
    try:
        return mounts.open_bind(source, options)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return None
        raise _fault(entry, error) from error


def _hierarchy_name(path: str) -> str:
    """``cpu`` of ``/sys/fs/cgroup/cpu/agentless-oci/x``: where users of cgroup v1 look for it."""
    return path.split("/")[4]


def enter_root(config: Config) -> int:
    """Make the root file system, our working directory since before the namespaces, a mount of its own.

    Returns a descriptor of it. By working directory, since a mapped root may not be able to walk to it.
    """
    propagation = PROPAGATION.get(config.rootfs_propagation, c.MS_SLAVE | c.MS_REC)
    syscalls.mount(None, "/", None, propagation)
    try:
        tree = syscalls.open_tree(c.AT_FDCWD, ".", c.OPEN_TREE_CLONE | c.AT_RECURSIVE)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        syscalls.mount(".", ".", None, c.MS_BIND | c.MS_REC)
        return os.open(config.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    place = os.open(".", os.O_PATH | os.O_CLOEXEC)
    syscalls.mount_setattr(tree, 0, 0, propagation=c.MS_PRIVATE, recursive=True)
    syscalls.move_mount(tree, place)
    os.close(place)
    return tree


def mount_all(config: Config, rootfd: int, trees: Trees) -> None:
    """Mount the configuration's ``mounts``, in order."""
    for index, entry in enumerate(config.mounts):
        try:
            if entry.type == "cgroup":
                _mount_cgroup(config, entry, rootfd, trees)
            elif entry.options.is_bind:
                _mount_bind(entry, rootfd, trees.binds.get(index))
            else:
                _mount_type(entry, rootfd)
        except OSError as error:
            raise _fault(entry, error) from error


def _fault(entry: Mount, error: OSError) -> RuntimeFault:
    source = f" of {entry.source}" if entry.source and entry.options.is_bind else ""
    hint = ""
    if error.errno == errno.ENOENT and entry.options.is_bind and not os.path.exists(entry.source):
        hint = f"Create {entry.source} on the host, or correct the path"
    return RuntimeFault(
        f"cannot mount {entry.type}{source} on {entry.destination}: {error.strerror}",
        step="mounts",
        obj=entry.destination,
        errno=error.errno or 0,
        hint=hint,
    )


def _mount_bind(entry: Mount, rootfd: int, tree: int | None) -> None:
    is_directory = stat.S_ISDIR(os.fstat(tree).st_mode if tree is not None else os.stat(entry.source).st_mode)
    make = safepath.mkdirs_in_root if is_directory else safepath.make_file_in_root
    target = make(rootfd, entry.destination)
    try:
        if tree is None:
            mounts.bind_legacy(entry.source, target, entry.options)
        else:
            mounts.attach(tree, target)
    finally:
        os.close(target)


def _open_target(entry: Mount, rootfd: int) -> int:
    """The mount point; procfs and sysfs go on real directories only, or later writes to them would be steered."""
    if entry.type in _REAL_DIRECTORIES:
        try:
            return safepath.open_in_root(rootfd, entry.destination, os.O_PATH | os.O_DIRECTORY, follow=False)
        except FileNotFoundError:
            pass  # it is made below
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            raise RuntimeFault(
                f"the image has {entry.destination} as something else than a directory, where {entry.type} belongs",
                step="mounts",
                obj=entry.destination,
                errno=error.errno or 0,
            ) from error
    return safepath.mkdirs_in_root(rootfd, entry.destination)


def _mount_type(entry: Mount, rootfd: int) -> None:
    options = entry.options
    target = _open_target(entry, rootfd)
    try:
        data = options.data
        if entry.type == "tmpfs" and "mode=" not in data:
            # As runc: a tmpfs takes the mode of the directory it covers.
            mode = stat.S_IMODE(os.fstat(target).st_mode)
            data = f"{data},mode={mode:04o}" if data else f"mode={mode:04o}"
        # Read-only comes last, when what belongs inside is inside.
        late = options.flags & c.MS_RDONLY if entry.type == "tmpfs" else 0
        path = f"/proc/self/fd/{target}"
        syscalls.mount(entry.source or entry.type, path, entry.type, options.flags & ~late, data or None)
        mounted = safepath.open_in_root(rootfd, entry.destination, os.O_PATH | os.O_DIRECTORY)
        try:
            if options.tmpcopyup:
                _copy_up(target, mounted)
            if late and entry.destination != "/dev":  # /dev is filled with devices first, see finish_dev
                mounts.set_read_only(mounted)
            if options.set or options.clear:
                syscalls.mount_setattr(mounted, options.set, options.clear, recursive=True)
            for change in options.propagation:
                syscalls.mount(None, f"/proc/self/fd/{mounted}", None, change)
        finally:
            os.close(mounted)
    finally:
        os.close(target)


def _copy_up(covered: int, mounted: int) -> None:
    """Fill a fresh tmpfs with what it covers: runc's tmpcopyup."""
    import shutil

    source, target = safepath.reopen(covered, os.O_RDONLY), f"/proc/self/fd/{mounted}"
    try:
        for name in os.listdir(source):
            origin = f"/proc/self/fd/{source}/{name}"
            information = os.lstat(origin)
            if stat.S_ISDIR(information.st_mode):
                shutil.copytree(origin, f"{target}/{name}", symlinks=True)
            else:
                shutil.copy2(origin, f"{target}/{name}", follow_symlinks=False)
            os.chown(f"{target}/{name}", information.st_uid, information.st_gid, follow_symlinks=False)
    finally:
        os.close(source)


def _mount_cgroup(config: Config, entry: Mount, rootfd: int, trees: Trees) -> None:
    """/sys/fs/cgroup as the container sees it: its own cgroups only (CVE-2023-25809)."""
    target = _open_target(entry, rootfd)
    try:
        if "" in trees.cgroups:  # cgroup v2
            tree = trees.cgroups.pop("")
            if config.namespaces.get("cgroup") == "":
                try:
                    flags = entry.options.flags
                    syscalls.mount("cgroup", f"/proc/self/fd/{target}", "cgroup2", flags, entry.options.data or None)
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.EBUSY):
                        raise
                else:
                    os.close(tree)
                    return
            mounts.attach(tree, target)
            return
        syscalls.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "mode=755")
        top = safepath.open_in_root(rootfd, entry.destination, os.O_PATH | os.O_DIRECTORY)
        try:
            for name, tree in sorted(trees.cgroups.items()):
                place = safepath.mkdirs_in_root(top, name)
                mounts.attach(tree, place)
                os.close(place)
                if "," in name:  # cpu,cpuacct is found as cpu and as cpuacct, too
                    for alias in name.split(","):
                        os.symlink(name, alias, dir_fd=top)
            if entry.options.flags & c.MS_RDONLY:
                mounts.set_read_only(top)
        finally:
            os.close(top)
    finally:
        os.close(target)


def make_devices(config: Config, rootfd: int) -> None:
    """Device nodes and the links every program expects in /dev."""
    shared = "user" in config.namespaces
    by_path: dict[str, dict[str, Any]] = {
        path: {"path": path, "type": "c", "rdev": os.makedev(major, minor), "mode": 0o666, "uid": 0, "gid": 0}
        for path, major, minor in _DEFAULT_DEVICES
    }
    by_path.update({device["path"]: device for device in config.devices})
    previous = os.umask(0)
    try:
        for device in by_path.values():
            try:
                _make_device(device, rootfd, shared)
            except OSError as error:
                raise RuntimeFault(
                    f"cannot make the device {device['path']}: {error.strerror}",
                    step="devices",
                    obj=device["path"],
                    errno=error.errno or 0,
                ) from error
    finally:
        os.umask(previous)
    dev = safepath.mkdirs_in_root(rootfd, "/dev")
    try:
        links = [*_LINKS, ("core", "/proc/kcore")] if os.path.exists("/proc/kcore") else _LINKS
        for name, target in links:
            try:
                os.symlink(target, name, dir_fd=dev)
            except FileExistsError:
                if name == "ptmx" and not stat.S_ISLNK(os.lstat(name, dir_fd=dev).st_mode):
                    os.unlink(name, dir_fd=dev)  # a node of the image would open the host's ptmx
                    os.symlink(target, name, dir_fd=dev)
    finally:
        os.close(dev)


def _make_device(device: dict[str, Any], rootfd: int, shared: bool) -> None:
    directory, name = os.path.split(device["path"])
    if shared:  # a user namespace may not mknod(2): bind the host's node
        target = safepath.make_file_in_root(rootfd, device["path"])
        try:
            mounts.attach(mounts.open_bind(device["path"], MountOptions(["bind"])), target)
        finally:
            os.close(target)
        return
    parent = safepath.mkdirs_in_root(rootfd, directory)
    try:
        kind = _FILE_TYPES[device["type"]]
        try:
            os.mknod(name, kind | device["mode"], device["rdev"], dir_fd=parent)
        except FileExistsError:
            found = os.lstat(name, dir_fd=parent)
            if stat.S_IFMT(found.st_mode) != kind or (kind != stat.S_IFIFO and found.st_rdev != device["rdev"]):
                raise OSError(errno.EEXIST, "the image has something else there", device["path"]) from None
            return
        if device["uid"] or device["gid"]:
            os.chown(name, device["uid"], device["gid"], dir_fd=parent, follow_symlinks=False)
    finally:
        os.close(parent)


def finish(config: Config, rootfd: int) -> None:
    """What makes things unreachable or read-only: after all that had to be written."""
    for entry in config.mounts:
        if entry.destination == "/dev" and entry.type == "tmpfs" and entry.options.flags & c.MS_RDONLY:
            dev = safepath.open_in_root(rootfd, "/dev", os.O_PATH | os.O_DIRECTORY)
            mounts.set_read_only(dev)
            os.close(dev)
    for path in config.readonly_paths:
        _cover(rootfd, path, _bind_read_only)
    if config.masked_paths:
        null = _verified_null()
        for path in config.masked_paths:
            _cover(rootfd, path, lambda target: _mask(target, null))
        os.close(null)
    if config.readonly:
        mounts.set_read_only(rootfd)


def _cover(rootfd: int, path: str, cover: Any) -> None:
    """Apply *cover* to *path*; what the container does not have needs no cover."""
    try:
        target = safepath.open_in_root(rootfd, path, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        cover(target)
    except OSError as error:
        raise RuntimeFault(
            f"cannot protect {path}: {error.strerror}", step="masks", obj=path, errno=error.errno or 0
        ) from error
    finally:
        os.close(target)


def _bind_read_only(target: int) -> None:
    options = MountOptions([*_BIND, "ro"])
    path = f"/proc/self/fd/{target}"
    try:
        mounts.attach(mounts.open_bind(path, options), target)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        mounts.bind_legacy(path, target, options)


def _mask(target: int, null: int) -> None:
    if stat.S_ISDIR(os.fstat(target).st_mode):
        options = "nr_blocks=1,nr_inodes=1"
        syscalls.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", c.MS_RDONLY, options)
    else:
        syscalls.mount(f"/proc/self/fd/{null}", f"/proc/self/fd/{target}", None, c.MS_BIND)


def _verified_null() -> int:
    """The host's /dev/null, and really it: never a file that the container can swap (CVE-2025-31133)."""
    fd = os.open("/dev/null", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(fd)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != os.makedev(1, 3):
        os.close(fd)
        raise RuntimeFault("/dev/null of this host is not the null device", step="masks", obj="/dev/null")
    return fd


def pivot(config: Config, rootfd: int, *, no_pivot: bool = False) -> None:
    """Make *rootfd* the root and let go of the old one, without a directory to put it (pivot_root(2), NOTES).

    With *no_pivot* the old root is covered instead, for a root on ramfs; weaker, since it stays mounted below.
    """
    if no_pivot:
        os.fchdir(rootfd)
        syscalls.mount(".", "/", None, c.MS_MOVE)
        os.chroot(".")
        os.chdir("/")
        return
    old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(rootfd)
    syscalls.pivot_root(".", ".")
    os.fchdir(old)
    syscalls.mount(None, ".", None, c.MS_SLAVE | c.MS_REC)  # unmounting must not reach the host
    syscalls.umount2(".", c.MNT_DETACH)
    os.chdir("/")
    os.close(old)
    if config.rootfs_propagation:
        syscalls.mount(None, "/", None, PROPAGATION[config.rootfs_propagation])
