# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what users write to canonical values.

Every function takes one value as Ansible hands it over and returns its canonical form, or raises ValueError with
the reason. Nothing here looks at the host.
"""

from __future__ import annotations

import signal

from ..cgroup.units import format_cpu_list, parse_bytes, parse_cpu_list
from ..kernel.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

# ulimit names of setrlimit(2), as Docker spells them.
RLIMITS = (
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
)

# Sysctls of the kernel that belong to one namespace; a container may set no others (runc's and Docker's rule).
_IPC_SYSCTLS = (
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax"),
    *("kernel.shmmni", "kernel.shm_rmid_forced"),
)


def text(value: object) -> str:
    """A string without NUL bytes."""
    result = str(value)
    if "\0" in result:
        raise ValueError("a NUL byte is not allowed")
    return result


def runtime(value: str) -> str:
    """The name of a program, or its absolute path; nothing, and ``aoci``, is our own runtime."""
    name = text(value)
    if name.startswith("/"):
        return absolute_path(name)
    if name and (not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name[0] in ".-"):
        raise ValueError(f"{name!r} is neither the name of a program nor an absolute path")
    return "" if name == "aoci" else name


def integer(low: int, high: int) -> Callable[[int], int]:
    """A check for whole numbers from *low* to *high*."""

    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"{value} is not from {low} to {high}")
        return value

    return check


def argv(value: object) -> list[str]:
    """A command: a list, or one string that is split as a shell would."""
    if isinstance(value, str):
        import shlex

        try:
            return [text(word) for word in shlex.split(value)]
        except ValueError as error:
            raise ValueError(f"{value!r} cannot be split into words ({error}); write it as a list") from error
    if not isinstance(value, list):
        raise ValueError("must be a string or a list")
    for word in value:
        if isinstance(word, (dict, list)) or word is None:
            raise ValueError(f"{word!r} is not a string; put it in quotes")
    return [text(word) for word in value]


def entrypoint(value: object) -> list[str]:
    """As :func:`argv`, or a JSON list; an empty list, or an empty string, takes the image's entrypoint away."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        import json

        try:
            value = json.loads(value)
        except ValueError:
            return argv(value)  # a program called [
    return [] if value == [""] else argv(value)


def string_dict(value: Mapping[Any, Any]) -> dict[str, str]:
    """A dictionary of strings. Numbers and booleans are taken as Python prints them (spellings.py warns of it)."""
    result = {}
    for name, item in value.items():
        if isinstance(item, (dict, list)) or item is None:
            raise ValueError(f"the value of {name} is not a string; put it in quotes")
        key = text(name)
        if not key or "=" in key:
            raise ValueError(f"{key!r} is not a name")
        result[key] = text(item)
    return result


def string_set(value: Iterable[object]) -> list[str]:
    """Strings whose order and repetition do not matter."""
    return sorted({text(item) for item in value})


def absolute_path(value: str) -> str:
    """A path inside the container, cleaned of ``//``, ``/./`` and a final slash."""
    path = text(value)
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not an absolute path")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{path!r} has '..' in it")
    return "/" + "/".join(parts)


def hostname(value: str) -> str:
    """A host's or domain's name the kernel takes (sethostname(2): at most 64 bytes)."""
    if not value or len(value) > 64 or not all(part and _is_label(part) for part in value.split(".")):
        raise ValueError(f"{value!r} is not a host name")
    return value


def _is_label(part: str) -> bool:
    return part.replace("-", "").replace("_", "").isalnum() and part.isascii() and not part.startswith("-")


def user_namespace(value: str) -> str:
    """``private`` or ``host``; ``auto`` is podman's word for the former."""
    word = text(value)
    return "private" if word == "auto" else word


def namespace(value: str) -> str:
    """``private`` or ``host``; what others of the same namespace may be called (``shareable``) is ``private``."""
    word = text(value)
    if word in ("private", "shareable", ""):
        return "private"
    if word != "host":
        raise ValueError(f"{word!r} is not supported; private and host are")
    return word


def pid_namespace(value: str) -> str:
    """As :func:`namespace`, or ``container:NAME``."""
    return _of_another(value) or namespace(value)


def ipc_namespace(value: str) -> str:
    """``container:NAME``, or one of Docker's words: ``shareable``, ``private``, ``none``, ``host``."""
    word = _of_another(value) or text(value) or "shareable"
    if word not in ("shareable", "private", "none", "host") and not word.startswith("container:"):
        raise ValueError(f"{word!r} is not supported; shareable, private, none, host and container:NAME are")
    return word


def _of_another(value: str) -> str:
    """``container:NAME``; "" for anything else."""
    kind, _colon, name = text(value).partition(":")
    if kind != "container":
        return ""
    if not name or "/" in name:
        raise ValueError(f"{value!r} names no container")
    return text(value)


def choice(*words: str, synonyms: Mapping[str, str]) -> Callable[[object], str]:
    """A check for one of *words*; of *synonyms* each becomes the word that it stands for."""

    def check(value: object) -> str:
        word = text(value)
        word = synonyms.get(word, word)
        if word not in words:
            raise ValueError(f"{word!r} is not one of {', '.join(words)}")
        return word

    return check


def size(value: object) -> int | None:
    """Bytes from ``100m`` and the like; 0 and ``unlimited`` mean not set."""
    number = size_or_unlimited(value)
    return None if number == -1 else number


def size_or_unlimited(value: object) -> int | None:
    """As :func:`size`, but ``-1`` and ``unlimited`` are -1."""
    try:
        return parse_bytes(str(value)) or None
    except Error as error:
        raise ValueError(f"{value!r} is not a size such as 512m or 2g") from error


def cpus(value: float) -> float | None:
    """A number of processors; 0 means not set. 0.01 is the least the kernel's scheduler can keep apart."""
    if value < 0 or 0 < value < 0.01:
        raise ValueError(f"{value:g} is too little; the least is 0.01")
    return value or None


def cpu_quota(value: int) -> int | None:
    """Microseconds per period; 0 and -1 mean not set (the kernel takes 1000 at least)."""
    if value in (0, -1):
        return None
    return integer(1000, 1 << 44)(value)


def pids_limit(value: int) -> int:
    """A number of processes; 0 and -1 mean no limit."""
    return integer(1, 1 << 22)(value) if value not in (0, -1) else -1


def cpuset(value: str) -> str | None:
    """A list of numbers and ranges, as cpuset(7) prints it: ``3,0-1`` is ``0-1,3``."""
    try:
        return format_cpu_list(parse_cpu_list(value)) or None
    except Error as error:
        raise ValueError(f"{value!r} is not a list of numbers and ranges such as 0-2,4") from error


def ulimits(value: Iterable[str]) -> list[dict[str, Any]]:
    """``NAME=SOFT[:HARD]`` or ``NAME:SOFT[:HARD]``; -1 is no limit."""
    result: dict[str, dict[str, Any]] = {}
    for item in value:
        name, _sep, rest = str(item).replace("=", ":", 1).partition(":")
        soft, _colon, hard = rest.partition(":")
        limits = [soft, hard or soft]
        if name not in RLIMITS:
            raise ValueError(f"there is no limit {name!r}")
        if not all(limit == "-1" or limit.isdigit() for limit in limits):
            raise ValueError(f"{item!r} is not NAME:SOFT:HARD in numbers")
        low, high = (int(limit) for limit in limits)
        if high != -1 and (low == -1 or low > high):
            raise ValueError(f"{item!r}: the soft limit is above the hard one")
        once(result, name, {"name": name, "soft": low, "hard": high})
    return [result[name] for name in sorted(result)]


def sysctls(value: Mapping[Any, Any]) -> dict[str, str]:
    """Kernel parameters of a namespace (CVE-2022-0811: nothing else may ride along in name or value)."""
    result = string_dict(value)
    for name, setting in result.items():
        if not (name in _IPC_SYSCTLS or name.startswith(("net.", "fs.mqueue."))):
            raise ValueError(f"{name} belongs to the whole host, not to a container")
        if not name.replace(".", "").replace("_", "").replace("-", "").replace("/", "").isalnum() or ".." in name:
            raise ValueError(f"{name!r} is not the name of a kernel parameter")
        if "\n" in setting or "+" in setting or "=" in setting:
            raise ValueError(f"the value of {name} has a character that is not allowed")
    return result


def devices(value: Iterable[str]) -> list[dict[str, str]]:
    """``HOST[:CONTAINER[:PERMISSIONS]]``."""
    result: dict[str, dict[str, str]] = {}
    for item in value:
        parts = str(item).split(":")
        if len(parts) == 2 and not parts[1].startswith("/"):
            parts.insert(1, parts[0])
        source = absolute_path(parts[0])
        target = absolute_path(parts[1]) if len(parts) > 1 else source
        access = parts[2] if len(parts) > 2 else "rwm"
        if len(parts) > 3 or not access or set(access) - set("rwm"):
            raise ValueError(f"{item!r} is not HOST:CONTAINER:PERMISSIONS with permissions out of r, w and m")
        ordered = "".join(letter for letter in "rwm" if letter in access)
        once(result, target, {"source": source, "target": target, "permissions": ordered})
    return [result[target] for target in sorted(result)]


def once(result: dict[str, Any], target: str, entry: Any) -> None:
    """Put *entry* into *result*; raise ValueError where *target* has another one."""
    if result.setdefault(target, entry) != entry:
        raise ValueError(f"{target} is given twice")


def signal_name(value: str) -> str:
    """``SIGTERM`` from ``TERM``, ``sigterm`` or ``15``; ``SIGRTMIN+3`` as init systems want it."""
    name = str(value).strip().upper()
    if name.isdigit():
        try:
            return signal.Signals(int(name)).name
        except ValueError:
            raise ValueError(f"there is no signal {value}") from None
    name = name if name.startswith("SIG") else f"SIG{name}"
    base, number = name[:9], name[9:]
    if base in ("SIGRTMIN+", "SIGRTMAX-") and number.isdigit() and int(number) <= signal.SIGRTMAX - signal.SIGRTMIN:
        return name
    if name not in signal.Signals.__members__:
        raise ValueError(f"there is no signal {value!r}")
    return name
