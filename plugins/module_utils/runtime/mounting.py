# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration's ``mounts``.

The sources are opened in the first process, with the host's privilege and eyes; the rest happens in the container's
first process, inside its namespaces. Every target is a descriptor pinned inside the root.
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
    from .config import Config, Mount

_REAL_DIRECTORIES = ("proc", "sysfs")
_UNLABELLED = ("proc", "sysfs", "mqueue", "cgroup", "cgroup2")  # they label their files themselves


class Trees:
    """Detached copies of what is bound into the container, opened while we still have the host's privilege.

    A user namespace could neither reach the sources nor clone their mounts. ``binds`` maps the index of a mount to
    its tree (absent: the kernel is too old for them); ``cgroups`` maps a v1 hierarchy's name, or "" for v2, to one,
    or to the path of the group on a kernel too old. ``namespace`` is the mount namespace that is joined, -1 for none.
    """

    __slots__ = ("binds", "cgroups", "namespace")

    def __init__(self) -> None:
        self.binds: dict[int, int] = {}
        self.cgroups: dict[str, int | str] = {}
        self.namespace = -1

    def open_cgroups(self, config: Config, paths: dict[str, str]) -> None:
        """Open the container's own cgroup directories, *paths* of Cgroup.paths(), where a mount shows them."""
        unified = list(paths) == [""]
        for entry in config.mounts:
            if entry.type == "cgroup":
                options = MountOptions(["bind", *(["ro"] if entry.options.flags & c.MS_RDONLY else [])])
                for path in paths.values():
                    tree = _open_bind(path, options, entry, c.MS_PRIVATE)
                    self.cgroups["" if unified else _hierarchy_name(path)] = path if tree is None else tree


def open_trees(config: Config, joined: dict[str, int]) -> Trees:
    """Open every bind source. Raises RuntimeFault naming the mount.

    *joined* are descriptors of the namespaces to be joined. That of the mount namespace goes over to what is given
    back, to be joined last: until then we need the host's files.
    """
    trees = Trees()
    trees.namespace = joined.pop("mount", -1)
    # How the host's mounts and our copies of them are related before any option says otherwise: by default the
    # host's mounts appear here, and ours not there.
    wanted = PROPAGATION.get(config.rootfs_propagation, c.MS_SLAVE)
    propagation = (c.MS_PRIVATE if wanted & c.MS_UNBINDABLE else wanted) | c.MS_REC
    for index, entry in enumerate(config.mounts):
        if entry.options.is_bind and not entry.options.flags & c.MS_REMOUNT:
            userns = _id_maps(config, entry, joined) if entry.options.idmap else -1
            tree = _open_bind(entry.source, entry.options, entry, propagation, userns)
            if tree is not None:
                trees.binds[index] = tree
            if userns >= 0 and userns != joined.get("user"):
                os.close(userns)
    return trees


def _open_bind(source: str, options: MountOptions, entry: Mount, propagation: int, userns: int = -1) -> int | None:
    try:
        return mounts.open_bind(source, options, propagation=propagation, userns=userns)
    except OSError as error:
        if error.errno == errno.ENOSYS and not options.idmap:
            return None
        raise _fault(entry, error) from error


def _id_maps(config: Config, entry: Mount, joined: dict[str, int]) -> int:
    """A user namespace with the id maps for *entry*: its own ones, else the container's."""
    if entry.maps is None and "user" in joined:
        return joined["user"]
    from ..kernel import idmap

    uids, gids = entry.maps or (config.uid_mappings, config.gid_mappings)
    return idmap.user_namespace(uids, gids)


def _hierarchy_name(path: str) -> str:
    """``cpu`` of ``/sys/fs/cgroup/cpu/agentless-oci/x``: where users of cgroup v1 look for it."""
    return path.split("/")[4]


def mount_all(config: Config, rootfd: int, trees: Trees) -> None:
    """Mount the configuration's ``mounts``, in order."""
    for index, entry in enumerate(config.mounts):
        try:
            if entry.options.flags & c.MS_REMOUNT:
                _remount(config, entry, rootfd)
            elif entry.type == "cgroup":
                _mount_cgroup(config, entry, rootfd, trees)
            elif entry.options.is_bind:
                _mount_bind(entry, rootfd, trees.binds.get(index))
            else:
                _mount_type(config, entry, rootfd)
        except OSError as error:
            raise _fault(entry, error) from error


def _fault(entry: Mount, error: OSError) -> RuntimeFault:
    source = f" of {entry.source}" if entry.source and entry.options.is_bind else ""
    hint = ""
    if error.errno == errno.ENOSYS:
        hint = "Recursive attributes (rro, rnosuid and the like) and id-mapped mounts need Linux 5.12"
    if entry.options.idmap and error.errno in (errno.EINVAL, errno.EPERM, errno.ENOSYS):
        from ..kernel.idmap import NEEDS

        hint = NEEDS
    if error.errno == errno.ENOENT and entry.options.is_bind and not os.path.exists(entry.source):
        hint = f"Create {entry.source} on the host, or correct the path"
    return RuntimeFault.of(
        error,
        f"cannot mount {entry.type}{source} on {entry.destination}",
        step="mounts",
        obj=entry.destination,
        hint=hint,
    )


def _mount_bind(entry: Mount, rootfd: int, tree: int | None) -> None:
    is_directory = stat.S_ISDIR(os.fstat(tree).st_mode if tree is not None else os.stat(entry.source).st_mode)
    make = safepath.mkdirs_in_root if is_directory else safepath.make_file_in_root
    target = make(rootfd, entry.destination)
    try:
        if stat.S_ISDIR(os.fstat(target).st_mode) and not is_directory:  # of which the kernel would say EINVAL
            raise RuntimeFault(
                f"cannot mount the file {entry.source} on {entry.destination}, a directory in the image",
                step="mounts",
                obj=entry.destination,
                errno=errno.EISDIR,
                hint="Mount it on another path",
            )
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


def _remount(config: Config, entry: Mount, rootfd: int) -> None:
    """Change what an earlier entry, or the root file system, has mounted there."""
    options = entry.options
    target = safepath.open_in_root(rootfd, entry.destination)
    try:
        if options.is_bind:
            mounts.change(target, options)
        else:
            data = options.data or None
            syscalls.mount(entry.source or None, f"/proc/self/fd/{target}", entry.type or None, options.flags, data)
        for change in options.propagation:
            syscalls.mount(None, f"/proc/self/fd/{target}", None, change)
    finally:
        os.close(target)


def _mount_type(config: Config, entry: Mount, rootfd: int) -> None:
    options = entry.options
    target = _open_target(entry, rootfd)
    try:
        data = labelled(options.data, config.mount_label, entry.type)
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
                from .copyup import copy_up

                copy_up(target, mounted)
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


def labelled(data: str, label: str, fstype: str) -> str:
    """The option string *data* of a mount with the SELinux context *label* (``linux.mountLabel``) added."""
    if not label or fstype in _UNLABELLED:
        return data
    context = f'context="{label}"'
    return f"{data},{context}" if data else context


def _mount_cgroup(config: Config, entry: Mount, rootfd: int, trees: Trees) -> None:
    """/sys/fs/cgroup as the container sees it: its own cgroups only (CVE-2023-25809)."""
    target = _open_target(entry, rootfd)
    try:
        if "" in trees.cgroups:  # cgroup v2
            source = trees.cgroups.pop("")
            if config.namespaces.get("cgroup") == "":
                try:
                    flags = entry.options.flags
                    syscalls.mount("cgroup", f"/proc/self/fd/{target}", "cgroup2", flags, entry.options.data or None)
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.EBUSY):
                        raise
                else:
                    if isinstance(source, int):
                        os.close(source)
                    return
            _attach_cgroup(source, target, entry)
            return
        syscalls.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC, "mode=755")
        top = safepath.open_in_root(rootfd, entry.destination, os.O_PATH | os.O_DIRECTORY)
        try:
            for name in sorted(trees.cgroups):
                place = safepath.mkdirs_in_root(top, name)
                _attach_cgroup(trees.cgroups[name], place, entry)
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


def _attach_cgroup(source: int | str, target: int, entry: Mount) -> None:
    if isinstance(source, int):
        mounts.attach(source, target)
    else:
        options = MountOptions(["bind", "private", *(["ro"] if entry.options.flags & c.MS_RDONLY else [])])
        mounts.bind_legacy(source, target, options)
