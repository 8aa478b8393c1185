# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checked configuration on its way to a process that was forked before it was there.

Checking takes as long as many of the steps that need no configuration, and whoever was just forked pays twice for
each page that it writes to. What arrives is as :meth:`Config.load` had it, and is not checked again; of a filter that
has been compiled what is left to be asked.
"""

from __future__ import annotations

import marshal

from ..kernel.mounts import MountOptions
from . import seccomp
from .config import Config, Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    Kind = TypeVar("Kind")


def pack(config: Config) -> bytes:
    """*config* for :func:`unpack` in a process of the same program; b"" for one with parts that few have.

    Those are hooks, what Config keeps in objects of their own, and all that asks for the document once more.
    """
    if not config.own_mounts:
        return b""
    given = {**vars(config), "document": {}}
    given["mounts"] = [_values(entry) for entry in config.mounts]
    if config.seccomp is not None and config.seccomp_program:
        given["seccomp"] = seccomp.summary(config.seccomp)
    try:
        return marshal.dumps(given)
    except ValueError:
        return b""


def unpack(data: bytes) -> Config:
    """What :func:`pack` was given."""
    config = Config.__new__(Config)
    vars(config).update(marshal.loads(data))
    config.mounts = [_filled(Mount, values) for values in vars(config)["mounts"]]
    for mount in config.mounts:
        mount.options = _filled(MountOptions, mount.options)
    return config


def _values(thing: Mount | MountOptions) -> tuple[Any, ...]:
    """The values of its slots, in their order."""
    values = [getattr(thing, name) for name in thing.__slots__]
    return tuple([_values(value) if isinstance(value, MountOptions) else value for value in values])


def _filled(kind: type[Kind], values: Any) -> Kind:
    """The one of *kind* that had these."""
    found = kind.__new__(kind)
    for name, value in zip(kind.__slots__, values):  # type: ignore[attr-defined]
        setattr(found, name, value)
    return found
