# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``linux.seccomp`` of a container: our default profile, or one read from a file in Docker's format.

Pure but for reading the file and looking at the host beforehand: capabilities, machine and kernel are given.
"""

from __future__ import annotations

import errno
import json
import os

from ..runtime import seccomp as filters
from ..runtime.errors import ConfigError
from . import seccomp_profile as tables
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any, NoReturn

_LOW_32 = 0xFFFFFFFF
_TOP_KEYS = ("defaultAction", "defaultErrnoRet", "flags", "listenerPath", "listenerMetadata")


def default_profile(capabilities: Collection[str], machine: str) -> dict[str, Any]:
    """Our own profile for a container with the *capabilities* (``CAP_*``, bounding) on a *machine* (uname(2)).

    For Linux 4.8 and later; made once, and not to be written to. Raises ContainerError for a machine that the tables do
    not have.
    """
    key = (frozenset(capabilities), machine)
    if key not in _made:
        _made[key] = _profile(*key)
    return _made[key]


_made: dict[tuple[frozenset[str], str], dict[str, Any]] = {}


def _profile(capabilities: frozenset[str], machine: str) -> dict[str, Any]:
    allowed = set(" ".join(tables.ALWAYS).split())
    allowed.update(tables.BY_MACHINE.get(machine, "").split())
    for capability in capabilities:
        allowed.update(tables.BY_CAPABILITY.get(capability, "").split())
    rules = [_allow(sorted(allowed))]
    # The kernel takes an int from the low half of the register only, so the filter must as well: a comparison of
    # all 64 bits would let 0x100000026 pass for something else than AF_ALG.
    for mask, value in blocks(tables.AF_FAMILIES_END, tables.AF_REFUSED):
        rules.append(_allow(["socket"], _masked(0, mask, value)))
    for persona in tables.PERSONALITIES:
        rules.append(_allow(["personality"], _masked(0, _LOW_32, persona)))
    if "CAP_SYS_ADMIN" not in capabilities:
        flags = 1 if machine == "s390x" else 0  # clone(2), "C library/kernel differences"
        rules.append(_allow(["clone"], _masked(flags, tables.NAMESPACE_FLAGS, 0)))
        # Its flags lie in memory, where no filter sees them; on ENOSYS C libraries take clone instead.
        rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "architectures": list(_architectures(machine)),
        "syscalls": rules,
    }


def for_container(
    options: Mapping[str, Any], capabilities: Collection[str], machine: str, release: str
) -> dict[str, Any] | None:
    """``linux.seccomp`` of a container with canonical *options*; None where it is to have none.

    *capabilities*  the granted ones, bounding; *machine* and *release* as uname(2) says them. ``privileged`` has
    none unless one is declared. Raises ContainerError.
    """
    for item in options.get("security_opts", ()):
        if item == "seccomp=unconfined":
            return None
        if item.startswith("seccomp="):
            return translate(json.loads(item[len("seccomp=") :]), capabilities, machine, release)
    return None if options.get("privileged") else default_profile(capabilities, machine)


def check_on_host(options: Mapping[str, Any], capabilities: Collection[str]) -> None:
    """Raise unless the filter of a container with *options* can be made on this host: ContainerError, RuntimeFault."""
    machine, release = os.uname().machine, os.uname().release
    seccomp = for_container(options, capabilities, machine, release)
    if seccomp is None:
        return
    try:
        filters.check_usable(seccomp, no_new_privileges="no-new-privileges" in options.get("security_opts", ()))
    except ConfigError as error:
        _fault(error.message.replace("linux.seccomp", "the seccomp profile"))
    if not options.get("runtime"):  # another runtime brings its own
        from ..runtime import libseccomp

        libseccomp.load()


def _allow(names: list[str], *arguments: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ALLOW"}
    if arguments:
        rule["args"] = list(arguments)
    return rule


def _masked(index: int, mask: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


def blocks(end: int, without: Collection[int]) -> list[tuple[int, int]]:
    """The numbers 0 … *end* - 1 of 32 bits but *without* some, as the fewest ``(mask, value)`` with x & mask == value.

    As routes are summed up: blocks of a power of two that begin on a multiple of their size.
    """
    found, start = [], 0
    while start < end:
        size = 1
        while start % (size * 2) == 0 and start + size * 2 <= end and not _meets(start, size * 2, without):
            size *= 2
        if start not in without:
            found.append((_LOW_32 & ~(size - 1), start))
        start += size
    return found


def _meets(start: int, size: int, without: Collection[int]) -> bool:
    return any(start <= number < start + size for number in without)


def _architectures(machine: str) -> tuple[str, ...]:
    return _machine(machine)[0]


def _machine(machine: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        return tables.MACHINES[machine]
    except KeyError:
        raise ContainerError(
            f"there is no seccomp profile for the architecture {machine}",
            step="security_opts",
            obj=machine,
            hint="Declare security_opts: [seccomp=unconfined], knowing what that gives away",
        ) from None


def load_profile(source: str) -> dict[str, Any]:
    """The profile in *source*: the path of a file, or its text (which begins with ``{``).

    Not translated yet, see :func:`translate`. Raises ContainerError.
    """
    text, where = source, "seccomp profile"
    if not source.lstrip().startswith("{"):
        where = f"seccomp profile {source}"
        try:
            with open(source, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            _fault(f"cannot read the {where}: {getattr(error, 'strerror', None) or error}")
    try:
        profile = json.loads(text)
    except ValueError as error:
        _fault(f"{where} is not JSON: {error}")
    if not isinstance(profile, dict):
        _fault(f"{where} does not hold a JSON object")
    return profile


def _fault(message: str) -> NoReturn:
    raise ContainerError(message, step="security_opts", obj="seccomp")


def translate(
    profile: dict[str, Any], capabilities: Collection[str], machine: str, release: str = "99.0"
) -> dict[str, Any]:
    """A profile in Docker's format as ``linux.seccomp`` for a container; checked.

    *capabilities*  the granted ones, bounding; *machine* and *release* as uname(2) says them. Docker's conditions:
    ``includes`` wants all of its capabilities, one of its architectures and at least its kernel; ``excludes`` is met
    by any one of its. Raises ContainerError.
    """
    names = _machine(machine)[1]
    result: dict[str, Any] = {key: profile[key] for key in _TOP_KEYS if profile.get(key) is not None}
    if "defaultErrnoRet" not in result and profile.get("defaultErrno"):
        result["defaultErrnoRet"] = _errno(profile["defaultErrno"])
    if profile.get("architectures") and profile.get("archMap"):
        _fault("seccomp profile: architectures and archMap exclude each other")
    result["architectures"] = profile.get("architectures") or _mapped(profile.get("archMap") or [], machine)
    result["syscalls"] = []
    entries = profile.get("syscalls") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        _fault("seccomp profile: syscalls is not a list of objects")
    for entry in entries:
        if _applies(entry, capabilities, names, release):
            result["syscalls"].append(_rule(entry))
    try:
        filters.validate(result)
    except ConfigError as error:
        _fault(f"seccomp profile: {error.message.replace('linux.seccomp.', '')}")
    return result


def _mapped(entries: Any, machine: str) -> list[str]:
    """The native architecture's line of ``archMap``; without one only native programs run."""
    native = _architectures(machine)[0]
    if not isinstance(entries, list):
        _fault(f"seccomp profile: archMap is not a list: {entries!r}")
    for entry in entries:
        if isinstance(entry, dict) and entry.get("architecture") == native:
            return [native, *(entry.get("subArchitectures") or ())]
    return []


def _rule(entry: dict[str, Any]) -> dict[str, Any]:
    names = entry.get("names") or []
    if entry.get("name"):  # the format's older form
        if names:
            _fault("seccomp profile: name and names exclude each other")
        names = [entry["name"]]
    rule: dict[str, Any] = {"names": names, "action": entry.get("action")}
    if entry.get("args"):
        rule["args"] = entry["args"]
    if entry.get("errnoRet") is not None:
        rule["errnoRet"] = entry["errnoRet"]
    elif entry.get("errno"):
        rule["errnoRet"] = _errno(entry["errno"])
    return rule


def _errno(name: Any) -> int:
    number = getattr(errno, name, None) if isinstance(name, str) and name.startswith("E") else None
    if not isinstance(number, int):
        _fault(f"seccomp profile: {name!r} is the name of no errno")
    return number


def _applies(entry: dict[str, Any], capabilities: Collection[str], machine: Collection[str], release: str) -> bool:
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    for key, value in (("includes", includes), ("excludes", excludes)):
        if not isinstance(value, dict):
            _fault(f"seccomp profile: {key} is not an object: {value!r}")
    if any(capability not in capabilities for capability in includes.get("caps") or ()):
        return False
    if any(capability in capabilities for capability in excludes.get("caps") or ()):
        return False
    if includes.get("arches") and not set(includes["arches"]) & set(machine):
        return False
    if set(excludes.get("arches") or ()) & set(machine):
        return False
    if includes.get("minKernel") and _version(release) < _version(includes["minKernel"]):
        return False
    return not (excludes.get("minKernel") and _version(release) >= _version(excludes["minKernel"]))


def _version(text: str) -> tuple[int, int]:
    """The first two numbers of a kernel's release."""
    parts = [part.split("-")[0] for part in text.split(".")[:2]]
    if len(parts) < 2 or not all(part.isdigit() for part in parts):
        _fault(f"seccomp profile: {text!r} is no kernel version")
    return int(parts[0]), int(parts[1])
