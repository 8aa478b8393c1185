# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers without a mount namespace of their own: chroot(2), and not one mount.

Where ``linux.namespaces`` has no ``mount`` the container sees the host's mounts; where it names one by path, those of
whoever lives there. Neither are ours to change: a mount would appear to others and outlive the container. So whatever
would need one is an error, and the root is entered by chroot(2) in the place of pivot_root(2). It is no wall: a
process with CAP_SYS_CHROOT, or one with another way to a directory outside, gets out (chroot(2), NOTES).

Of /dev the default devices and linux.devices are made in the root as far as they are missing. A root that is
somebody's already, the host's own or one in a joined namespace, is taken as it is; and in a user namespace nobody
may make a device.
"""

from __future__ import annotations

import os

from ..kernel import capabilities, safepath, syscalls
from ..kernel import constants as c
from . import devices
from .errors import RuntimeFault
from .fields import get, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

# What would need a mount.
_PROPERTIES = (
    *("mounts", "root.readonly", "process.terminal", "linux.maskedPaths", "linux.readonlyPaths"),
    *("linux.rootfsPropagation", "linux.mountLabel"),
)


def check(config: Config) -> None:
    """Raise ConfigError, naming the property, for what such a container cannot have."""
    for path in _PROPERTIES:
        if get(config.document, path, object, None):
            hint = 'Leave it out, or add {"type": "mount"} to linux.namespaces'
            raise wrong(path, "the container has no mount namespace of its own, and the mounts are others'", hint=hint)
    if not config.namespaces.get("mount"):
        return
    if config.namespaces.get("user") == "":
        raise wrong("linux.namespaces", "a new user namespace has no privilege to join the mount namespace")
    if config.devices:
        raise wrong("linux.devices", "the devices of a joined mount namespace are its owner's")


def warnings(config: Config) -> list[str]:
    """What whoever declares such a container should know."""
    if not config.capabilities["bounding"] & capabilities.mask(["CAP_SYS_CHROOT"]):
        return []
    return ["process.capabilities: with CAP_SYS_CHROOT and without a mount namespace of its own it can leave its root"]


def make_devices(config: Config, rootfd: int) -> None:
    """Device nodes and links in the root *rootfd*, as far as they are missing. Raises RuntimeFault."""
    hosts = os.path.samestat(os.fstat(rootfd), os.stat("/"))
    if not hosts and "user" not in config.namespaces:
        devices.make_devices(config, rootfd, replace=False)
    elif config.devices:
        why = "the root is the host's own" if hosts else "a user namespace may make none"
        raise RuntimeFault(f"linux.devices: {why}", step="devices", obj="linux.devices")


def enter(config: Config, rootfd: int, namespace: int) -> None:
    """Join the mount *namespace* (a descriptor; -1 for none), resolve the root there, and make it our root.

    Without one the root is *rootfd*. Takes both descriptors. Raises RuntimeFault, OSError.
    """
    if namespace >= 0:
        os.close(rootfd)
        try:
            syscalls.setns(namespace, c.CLONE_NEWNS)
        except OSError as error:
            what = "linux.namespaces: cannot join the mount namespace"
            raise RuntimeFault.of(error, what, step="namespaces", obj="mount") from error
        os.close(namespace)
        rootfd = _open_root(config.rootfs)
    os.fchdir(rootfd)
    os.chroot(".")
    os.chdir("/")
    os.close(rootfd)


def _open_root(path: str) -> int:
    """*path* in the mount namespace that we have joined: no link of its /proc may lead out of it."""
    top = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return safepath.open_in_root(top, path, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        what = f"root.path: cannot open {path} in the mount namespace that is joined"
        raise RuntimeFault.of(error, what, step="mounts", obj="root.path") from error
    finally:
        os.close(top)
