# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices: which of them every container may use, whatever its device rules, and their nodes (config-linux.md,
"Devices" and "Default Devices")."""

from __future__ import annotations

import errno
import os
import stat

from ..kernel import constants as c
from ..kernel import mounts, safepath
from ..kernel.mounts import MountOptions
from .errors import RuntimeFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .config import Config

# Path, major and minor number.
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
# (type, major, minor, access); None is any number. Making nodes is harmless: using them is what the rules decide.
_ALLOWED = (
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", 1, 3, "rwm"),  # null
    ("c", 1, 5, "rwm"),  # zero
    ("c", 1, 7, "rwm"),  # full
    ("c", 1, 8, "rwm"),  # random
    ("c", 1, 9, "rwm"),  # urandom
    ("c", 5, 0, "rwm"),  # tty
    ("c", 5, 2, "rwm"),  # ptmx
    ("c", 136, None, "rwm"),  # pts/*
)


def with_defaults(resources: dict[str, Any]) -> dict[str, Any]:
    """*resources* with the default devices behind its own device rules, as other runtimes add them.

    Without rules a container may use all devices already, and none are added.
    """
    rules = resources.get("devices")
    if not rules:
        return resources
    added = []
    for kind, major, minor, access in _ALLOWED:
        rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
        if major is not None:
            rule["major"] = major
        if minor is not None:
            rule["minor"] = minor
        added.append(rule)
    return {**resources, "devices": [*rules, *added]}


def borrowed(config: Config) -> str:
    """The directory of the host's that is bound on /dev, "" for none: nothing may be made in it, or replaced."""
    source = ""
    for entry in config.mounts:
        if os.path.normpath(entry.destination) == "/dev" and not entry.options.flags & c.MS_REMOUNT:
            source = entry.source if entry.options.is_bind else ""
    return source


def warnings(config: Config) -> list[str]:
    """What whoever declares devices in a /dev of the host's should know."""
    source = borrowed(config)
    missing = [
        device["path"]
        for device in (config.devices if source else ())
        if _is_in_dev(device["path"]) and not os.path.lexists(source + os.path.normpath(device["path"])[4:])
    ]
    return [f"linux.devices: {path} is not made, /dev is the host's {source}" for path in missing]


def _is_in_dev(path: str) -> bool:
    return os.path.normpath(path).startswith("/dev/")


def make_devices(config: Config, rootfd: int, *, replace: bool = True) -> None:
    """Device nodes and the links every program expects in /dev; *replace* False leaves all that is there already.

    In a /dev that is the host's nothing is made.
    """
    shared, hosts = "user" in config.namespaces, borrowed(config)
    by_path: dict[str, dict[str, Any]] = {
        path: {"path": path, "type": "c", "rdev": os.makedev(major, minor), "mode": 0o666, "uid": 0, "gid": 0}
        for path, major, minor in _DEFAULT_DEVICES
    }
    by_path.update({device["path"]: device for device in config.devices})
    if hosts:
        by_path = {path: device for path, device in by_path.items() if not _is_in_dev(path)}
    previous = os.umask(0)
    try:
        for device in by_path.values():
            try:
                _make_device(device, rootfd, shared)
            except OSError as error:
                raise RuntimeFault.of(
                    error,
                    f"cannot make the device {device['path']}",
                    step="devices",
                    obj=device["path"],
                ) from error
    finally:
        os.umask(previous)
    if hosts:
        return
    dev = safepath.mkdirs_in_root(rootfd, "/dev")
    try:
        links = [*_LINKS, ("core", "/proc/kcore")] if os.path.exists("/proc/kcore") else _LINKS
        for name, target in links:
            try:
                os.symlink(target, name, dir_fd=dev)
            except FileExistsError:
                if replace and name == "ptmx" and not stat.S_ISLNK(os.lstat(name, dir_fd=dev).st_mode):
                    os.unlink(name, dir_fd=dev)  # a node of the image would open the host's ptmx
                    os.symlink(target, name, dir_fd=dev)
    finally:
        os.close(dev)


def _make_device(device: dict[str, Any], rootfd: int, shared: bool) -> None:
    directory, name = os.path.split(device["path"])
    kind = _FILE_TYPES[device["type"]]
    if shared and kind != stat.S_IFIFO:
        _bind_device(device, kind, rootfd)
        return
    parent = safepath.mkdirs_in_root(rootfd, directory)
    try:
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


def _bind_device(device: dict[str, Any], kind: int, rootfd: int) -> None:
    """The host's node of the same path: a user namespace may not mknod(2)."""
    source = os.open(device["path"], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(source)
        if stat.S_IFMT(found.st_mode) != kind or found.st_rdev != device["rdev"]:
            raise OSError(errno.ENODEV, "the host has something else there, and a user namespace can only borrow it")
        target = safepath.make_file_in_root(rootfd, device["path"])
        try:
            mounts.bind(f"/proc/self/fd/{source}", target, MountOptions(["bind"]))
        finally:
            os.close(target)
    finally:
        os.close(source)
