# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The v1 side: groups that must exist in every hierarchy, cpusets that start empty."""

from __future__ import annotations

import os

from ..kernel.files import read_text, write_control
from .control import make_group, make_parent
from .errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def make(mount: str, path: str, *, cpuset: bool = False) -> None:
    """mkdir(2) group *path* and its parents below *mount*; with *cpuset* give each its parent's CPUs and memory."""
    directory = mount + path
    try:
        _mkdir_with_parents(directory)
        if cpuset:
            _seed(directory, mount)
    except OSError as error:
        raise CgroupError.of(error, f"cannot create cgroup {directory}", step="path") from error


def _mkdir_with_parents(directory: str, make: Callable[[str], None] = make_group) -> None:
    try:
        make(directory)
    except FileExistsError:
        return
    except FileNotFoundError:
        _mkdir_with_parents(os.path.dirname(directory), make_parent)
        _mkdir_with_parents(directory, make)


def _seed(directory: str, mount: str) -> None:
    """A new v1 cpuset is empty and takes no process: fill it, and its parents first (cpusets.rst, 1.6)."""
    parent = os.path.dirname(directory)
    for name in ("/cpuset.cpus", "/cpuset.mems"):
        if read_text(directory + name).strip():
            continue
        value = read_text(parent + name).strip()
        if not value and parent != mount:
            _seed(parent, mount)
            value = read_text(parent + name).strip()
        write_control(directory + name, value)
