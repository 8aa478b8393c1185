# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what users write of a container's privileges to canonical values (see values.py).

Nothing here looks at the host, but for the seccomp profile that security_opts names.
"""

from __future__ import annotations

from ..kernel.errors import Error
from .values import absolute_path, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LABEL_PARTS = ("user", "role", "type", "level", "filetype")


def capabilities(value: Iterable[str]) -> list[str]:
    """Names of capabilities(7) with or without ``CAP_``, in either case as the kernel's headers and Docker have
    them, or ``ALL``."""
    from ..kernel.capabilities import NAMES

    result = set()
    for item in value:
        name = str(item).upper()
        name = name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}"
        if name != "ALL" and name[4:] not in NAMES:
            raise ValueError(f"there is no capability {item!r}")
        result.add(name)
    return sorted(result)


def security_opts(value: Iterable[str]) -> list[str]:
    """What weakens or strengthens the container, as Docker and podman write it, sorted.

    ``no-new-privileges`` (also with ``true``), ``seccomp=PROFILE``, ``apparmor=PROFILE``, ``label=PART:VALUE``
    of an SELinux context, ``mask=PATHS`` and ``unmask=PATHS`` (``unmask=ALL`` and ``systempaths=unconfined`` are one).
    What says what is so anyway is left out: ``apparmor=unconfined``, ``label=disable``, ``seccomp=default``.

    A seccomp profile is canonical as its text, also where it is declared by the file that holds it: a changed file
    is a changed option.
    """
    result: set[str] = set()
    for item in value:
        name, separator, setting = _split_option(str(item))
        if name == "no-new-privileges" and setting in ("", "true", "false"):
            result.update({name} if setting != "false" else ())
        elif name == "seccomp" and separator:
            result.update({f"seccomp={_seccomp(setting)}"} if setting != "default" else ())
        elif name == "apparmor" and setting:
            result.update({f"apparmor={text(setting)}"} if setting != "unconfined" else ())
        elif name == "label" and setting:
            result.update({f"label={_label(setting)}"} if setting not in ("disable", "disable:true") else ())
        elif (name, setting) == ("systempaths", "unconfined"):
            result.add("unmask=ALL")
        elif name in ("mask", "unmask") and setting:
            paths = ["ALL"] if (name, setting) == ("unmask", "ALL") else _paths(setting)
            result.update(f"{name}={path}" for path in paths)
        else:
            raise ValueError(
                f"{item!r} is not supported; no-new-privileges, seccomp=, apparmor=, label=, mask= and unmask= are"
            )
    for name in ("seccomp", "apparmor", *(f"label={part}" for part in _LABEL_PARTS)):
        if len([item for item in result if item.startswith((f"{name}=", f"{name}:"))]) > 1:
            raise ValueError(f"{name} is given twice")
    return sorted(result)


def _label(setting: str) -> str:
    part, colon, name = setting.partition(":")
    if part not in _LABEL_PARTS or not colon or not text(name) or name.split() != [name]:
        raise ValueError(f"label={setting} is not one of label=disable, {', '.join(f'{p}:NAME' for p in _LABEL_PARTS)}")
    return setting


def _paths(setting: str) -> list[str]:
    return [absolute_path(path) for path in setting.split(":")]


def _split_option(item: str) -> tuple[str, str, str]:
    """``NAME=SETTING``, or ``NAME:SETTING`` as Docker once wrote it."""
    places = [place for place in (item.find("="), item.find(":")) if place >= 0]
    if not places:
        return item, "", ""
    return item[: min(places)], item[min(places)], item[min(places) + 1 :]


def _seccomp(setting: str) -> str:
    if setting == "unconfined":
        return setting
    if not setting.startswith(("/", "{")):
        raise ValueError(f"seccomp={setting} is neither unconfined nor an absolute path nor a JSON object")
    import json

    from .seccomp import load_profile

    try:
        return json.dumps(load_profile(setting), sort_keys=True, separators=(",", ":"))
    except Error as error:
        raise ValueError(error.message) from error
