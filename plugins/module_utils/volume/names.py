# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of volumes, and where a volume lies: what can be said without looking into one."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..statedir import StateDir

_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
RECORD = "volume.json"
DATA = "data"


def is_name(name: str) -> bool:
    """Whether *name* can be a volume's: what Docker allows, and short enough for a file."""
    return bool(name) and len(name) <= 128 and name.isascii() and name[0].isalnum() and not set(name) - _CHARACTERS


def new_name() -> str:
    """The name of an anonymous volume: 64 hexadecimal digits, as Docker has it."""
    return os.urandom(32).hex()


def directory(state: StateDir, name: str) -> str:
    return os.path.join(state.volumes, name)


def data(state: StateDir, name: str) -> str:
    """The directory that containers see."""
    return os.path.join(state.volumes, name, DATA)


def present(state: StateDir, name: str) -> bool:
    """Whether there is the volume *name*, whole."""
    path = directory(state, name)
    return os.path.isfile(os.path.join(path, RECORD)) and os.path.isdir(os.path.join(path, DATA))
