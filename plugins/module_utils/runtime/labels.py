# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of the kernel's security modules: ``process.apparmorProfile``, ``process.selinuxLabel`` and
``linux.mountLabel`` (runtime-spec config.md and config-linux.md).

What to become at execve(2) is written to a file of /proc/PID/attr. The file is opened before the pivot, in the
host's procfs, where nothing of the image can stand in its place (CVE-2019-16884), and written last of all.
"""

from __future__ import annotations

import os

from ..kernel import constants as c
from ..kernel import procfs, syscalls
from .errors import RuntimeFault
from .fields import text, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where each module says that it is there.
APPARMOR = "/sys/module/apparmor/parameters/enabled"
SELINUX = "/sys/fs/selinux"


class ProcessLabel:
    """One profile or label, for the program that the process will execute."""

    __slots__ = ("_fd", "_files", "_path", "_value")

    def __init__(self, path: str, files: tuple[str, ...], value: str) -> None:
        self._path = path
        self._files = files
        self._value = value
        self._fd = -1

    def open(self, procfd: int) -> None:
        """Open the file to write to, below the verified procfs *procfd*. Raises RuntimeFault."""
        process = os.readlink("self", dir_fd=procfd)
        for file in self._files:
            try:
                self._fd = procfs.open_below(procfd, f"{process}/attr/{file}", os.O_WRONLY)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._refused(error) from error
            return
        raise RuntimeFault(f"{self._path}: this kernel has no attr/{self._files[0]}", step="label", obj=self._path)

    def write(self) -> None:
        """Become it at the next execve(2). Raises RuntimeFault, for a profile that is not loaded for one."""
        try:
            os.write(self._fd, self._value.encode())
        except OSError as error:
            raise self._refused(error) from error
        finally:
            os.close(self._fd)

    def _refused(self, error: OSError) -> RuntimeFault:
        return RuntimeFault.of(
            error,
            f"{self._path}: the kernel refuses {self._value!r}",
            step="label",
            obj=self._path,
            hint="Is it loaded on this host?",
        )


def process_label(document: dict[str, Any]) -> ProcessLabel | None:
    """The label that *document* asks for, if any. Raises ConfigError where this host has no such module."""
    profile, label = (text(document, f"process.{name}", "") for name in ("apparmorProfile", "selinuxLabel"))
    if profile and label:
        raise wrong("process.selinuxLabel", "a process has an AppArmor profile or an SELinux label, not both")
    if profile:
        _need_apparmor("process.apparmorProfile")
        return ProcessLabel("process.apparmorProfile", ("apparmor/exec", "exec"), f"exec {profile}")
    if label:
        _need_selinux("process.selinuxLabel")
        return ProcessLabel("process.selinuxLabel", ("exec",), label)
    return None


def mount_label(document: dict[str, Any]) -> str:
    """``linux.mountLabel``, "" without one. Raises ConfigError where this host has no SELinux."""
    label = text(document, "linux.mountLabel", "")
    if label:
        _need_selinux("linux.mountLabel")
        if '"' in label:
            raise wrong("linux.mountLabel", f"{label!r} is not an SELinux context")
    return label


def _need_apparmor(path: str) -> None:
    try:
        with open(APPARMOR, encoding="ascii") as file:
            enabled = file.read().startswith("Y")
    except FileNotFoundError:
        enabled = False
    if not enabled:
        raise wrong(path, "this host has no AppArmor", hint=f"Remove {path} from config.json")


def _need_selinux(path: str) -> None:
    if not os.path.isdir(SELINUX) or syscalls.fs_type(SELINUX) != c.SELINUX_MAGIC:
        raise wrong(path, "this host has no SELinux", hint=f"Remove {path} from config.json")
