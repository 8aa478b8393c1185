# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say in another way what an option of the table says: docker_container's and podman_container's words.

They are put into the option that they mean before anything is normalised, so nothing after this knows of them.
"""

from __future__ import annotations

from . import foreign
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

SPEC: dict[str, dict[str, Any]] = {
    "arch": {"type": "str"},
    "cleanup": {"type": "bool"},
    "default_host_ip": {"type": "str"},
    "delete_volumes": {"type": "bool"},
    "env_file": {"type": "list", "elements": "path", "aliases": ["env_files"]},
    "ignore_image": {"type": "bool"},
    "image_strict": {"type": "bool"},
    "ip": {"type": "str"},
    "ip6": {"type": "str"},
    "label_file": {"type": "list", "elements": "path"},
    "network_aliases": {"type": "list", "elements": "str", "aliases": ["network_alias"]},
    "no_healthcheck": {"type": "bool"},
    "os": {"type": "str"},
    "read_only_tmpfs": {"type": "bool"},
    "timezone": {"type": "str"},
    "variant": {"type": "str"},
}
_READ_ONLY_TMPFS = ("/run", "/tmp", "/var/tmp")


def folded(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """*parameters* of a task in the table's own words, and what is to be warned of.

    Reads the files that env_file and label_file name. Raises ContainerError that names the option.
    """
    found = dict(parameters)
    warnings = foreign.check(found)
    for fold in _FOLDS:
        try:
            fold(found)
        except ValueError as error:
            name = str(error).partition(":")[0]
            raise ContainerError(str(error), step="options", obj=name) from error
    warnings += _unquoted(found)
    return found, warnings


def _unquoted(found: Mapping[str, Any]) -> list[str]:
    """What is a string here and was none in the playbook: YAML may have spelled it anew."""
    said = []
    for name in ("env", "labels", "sysctls"):
        for key, value in (found.get(name) or {}).items():
            if isinstance(value, (bool, float)):
                said.append(f"{name}: the value of {key} is not a string and is taken as {value}; put it in quotes")
    for name in ("command", "entrypoint"):
        words = found.get(name)
        for word in words if isinstance(words, list) else ():
            if isinstance(word, (bool, float)):
                said.append(f"{name}: {word} is not a string; put it in quotes")
    return said


# -- files ---------------------------------------------------------------------------------------------------------


def _files(found: dict[str, Any]) -> None:
    for name, target in (("env_file", "env"), ("label_file", "labels")):
        paths = found.get(name)
        if not paths or found.get("state") == "absent":  # what is to go may have lost them already
            continue
        read: dict[str, Any] = {}
        for path in paths:
            read.update(_pairs(name, path))
        found[target], found[name] = {**read, **(found.get(target) or {})}, None


def _pairs(name: str, path: str) -> dict[str, str]:
    """``NAME=VALUE`` lines of a file on the managed host; empty lines and those that begin with # are none."""
    import os

    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"{name}: cannot read {path}: {reason}") from error
    pairs = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{name}: {path}: line {number} is not NAME=VALUE")
        pairs[key.strip()] = value
    return pairs


# -- the image -----------------------------------------------------------------------------------------------------


def _platform(found: dict[str, Any]) -> None:
    parts = {name: found[name] for name in ("os", "arch", "variant") if found.get(name)}
    if not parts:
        return
    if found.get("platform"):
        raise ValueError(f"platform: is given twice, in {next(iter(parts))} too")
    if "arch" not in parts:
        raise ValueError(f"{next(iter(parts))}: arch is needed with it; or give platform, as in linux/arm64")
    found["platform"] = "/".join([str(parts.get("os", "linux")), str(parts["arch"]), str(parts.get("variant", ""))])
    found["platform"] = found["platform"].rstrip("/")
    found.update(dict.fromkeys(parts))


def _image(found: dict[str, Any]) -> None:
    chosen = found.get("comparisons") or {}
    if found.get("ignore_image"):
        if chosen.get("image", "ignore") != "ignore":
            raise ValueError("ignore_image: comparisons says something else of image")
        found["comparisons"], found["ignore_image"] = {**chosen, "image": "ignore"}, None
    if found.get("image_strict") and found.get("image_name_mismatch") in (None, "recreate"):
        found["image_name_mismatch"], found["image_strict"] = "recreate", None
    elif found.get("image_strict"):
        raise ValueError("image_strict: image_name_mismatch says something else")


def _state(found: dict[str, Any]) -> None:
    if found.get("state") == "created":
        found["state"] = "present"


def _pull(found: dict[str, Any]) -> None:
    words = {"true": "always", "false": "missing", "yes": "always", "no": "missing"}
    pull = str("missing" if found.get("pull") is None else found["pull"])
    pull = words.get(pull.lower(), pull)
    if pull not in PULLS:
        raise ValueError(f"pull: {pull!r} is not one of {', '.join(PULLS)}")
    found["pull"] = pull


PULLS = ("always", "missing", "never", "newer")

# -- the network ---------------------------------------------------------------------------------------------------


def _network_settings(found: dict[str, Any]) -> None:
    """``NAME:ip=…,alias=…`` of podman's network, and its options for all networks or the first one."""
    modes = found.get("network_mode")
    entries = [dict(entry) for entry in found.get("networks") or ()]
    if isinstance(modes, (str, list)):
        items = modes if isinstance(modes, list) else [modes]
        found["network_mode"] = (
            [_bare(item, entries) for item in items] if isinstance(modes, list) else _bare(modes, entries)
        )
    aliases = found.get("network_aliases") or []
    addresses = {"ipv4_address": found.get("ip"), "ipv6_address": found.get("ip6")}
    if aliases or any(addresses.values()):
        names = _names(found, entries)
        option = "network_aliases" if aliases else "ip" if addresses["ipv4_address"] else "ip6"
        if not names:
            raise ValueError(f"{option}: there is no network of its own to have that in with network_mode: {modes}")
        for name in names:
            if not any(entry["name"] == name for entry in entries):
                entries.append({"name": name})
        for entry in entries:
            entry["aliases"] = [*(entry.get("aliases") or ()), *aliases]
        first = next(entry for entry in entries if entry["name"] == names[0])
        for family, address in addresses.items():
            if address and first.get(family) not in (None, address):
                raise ValueError(f"{'ip' if family[3] == '4' else 'ip6'}: networks has another address")
            first[family] = address or first.get(family)
        found.update(dict.fromkeys(("network_aliases", "ip", "ip6")))
    if entries:
        found["networks"] = entries


def _names(found: Mapping[str, Any], entries: list[dict[str, Any]]) -> list[str]:
    """The networks of the container, the first one first."""
    modes = found.get("network_mode") or []
    words = [word.strip() for item in (modes if isinstance(modes, list) else [modes]) for word in str(item).split(",")]
    if any(word in ("none", "host") or ":" in word for word in words):
        return []
    words = ["bridge" if word in ("default", "private") else word for word in words]
    listed = [str(entry["name"]) for entry in entries]
    if words in ([], ["bridge"]) and listed:
        return listed
    return list(dict.fromkeys([*(words or ["bridge"]), *listed]))


_SETTINGS = {"ip": "", "ip6": "ipv6_address", "mac": "mac_address", "alias": "aliases"}


def _bare(item: Any, entries: list[dict[str, Any]]) -> Any:
    """The network's name of ``NAME:ip=…``; its settings go into *entries*."""
    name, colon, settings = str(item).partition(":")
    if not colon or name in ("container", "ns") or "=" not in settings:
        return item
    entry: dict[str, Any] = next((entry for entry in entries if entry["name"] == name), {})
    if not entry:
        entry["name"] = name
        entries.append(entry)
    for setting in settings.split(","):
        key, _equals, value = setting.partition("=")
        if key not in _SETTINGS or not value:
            raise ValueError(f"network_mode: {item}: {setting!r} is not supported; {', '.join(_SETTINGS)} are")
        target = _SETTINGS[key] or ("ipv6_address" if ":" in value else "ipv4_address")
        entry[target] = [*(entry.get(target) or ()), value] if target == "aliases" else value
    return name


def _ports(found: dict[str, Any]) -> None:
    ports = found.get("published_ports")
    if [str(port).lower() for port in ports or ()] == ["all"]:  # as docker_container once had it
        found["published_ports"], found["publish_all_ports"] = None, True
        return
    address = found.get("default_host_ip")
    if not ports or not address:
        return
    import ipaddress

    try:
        host = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        raise ValueError(f"default_host_ip: {address!r} is not an IP address") from None
    found["published_ports"], found["default_host_ip"] = [_with_address(str(port), host) for port in ports], None


def _with_address(port: str, host: str) -> str:
    if port.startswith("[") or port.count(":") > 1:
        return port
    return f"{host}:{port}" if ":" in port else f"{host}::{port}"


# -- its life ------------------------------------------------------------------------------------------------------


def _health(found: dict[str, Any]) -> None:
    if not found.get("no_healthcheck"):
        return
    if found.get("healthcheck") is not None:
        raise ValueError("no_healthcheck: healthcheck is given, too")
    found["healthcheck"], found["no_healthcheck"] = {"test": ["NONE"]}, None


def _restarts(found: dict[str, Any]) -> None:
    """``on-failure:3`` as podman and Docker's command line have it; a policy by itself has no number of retries."""
    policy = found.get("restart_policy")
    if not isinstance(policy, str):
        return
    name, colon, retries = policy.partition(":")
    if not colon:
        if found.get("restart_retries") is None:
            found["restart_retries"] = 0
        return
    if name != "on-failure" or not retries.isdigit():
        raise ValueError(f"restart_policy: {policy!r} is not a policy, or on-failure and a number as in on-failure:3")
    if found.get("restart_retries") not in (None, int(retries)):
        raise ValueError("restart_policy: restart_retries is another number")
    found["restart_policy"], found["restart_retries"] = name, int(retries)


def _volumes(found: dict[str, Any]) -> None:
    if found.get("delete_volumes"):
        found["keep_volumes"], found["delete_volumes"] = False, None


def _cleanup(found: dict[str, Any]) -> None:
    if found.get("cleanup") and found.get("detach") is False:
        if found.get("auto_remove") is False:
            raise ValueError("cleanup: auto_remove is false")
        found["auto_remove"], found["cleanup"] = True, None


# -- files of the container ----------------------------------------------------------------------------------------


def _timezone(found: dict[str, Any]) -> None:
    zone = found.get("timezone")
    if not zone:
        return
    if zone.startswith("/") or ".." in zone:
        raise ValueError(f"timezone: {zone!r} is not the name of a time zone such as Europe/Berlin")
    source = "/etc/localtime" if zone == "local" else f"/usr/share/zoneinfo/{zone}"
    mount = {"target": "/etc/localtime", "source": source, "type": "bind", "read_only": True}
    found["mounts"], found["timezone"] = [*(found.get("mounts") or ()), mount], None


def _tmpfs(found: dict[str, Any]) -> None:
    """A dictionary from paths to options as podman_container has it."""
    given = found.get("tmpfs")
    if isinstance(given, dict):
        found["tmpfs"] = [f"{path}:{options}" if options else str(path) for path, options in given.items()]
    elif isinstance(given, str):
        found["tmpfs"] = [given]
    elif not (given is None or isinstance(given, list)):
        raise ValueError("tmpfs: must be a list, or a dictionary from paths to options")


def _read_only(found: dict[str, Any]) -> None:
    if not (found.get("read_only") and found.get("read_only_tmpfs")):
        return
    taken = [*(found.get("volumes") or ()), *(entry["target"] for entry in found.get("mounts") or ())]
    declared = found.get("tmpfs") or []
    used = {part for item in [*taken, *declared] for part in str(item).split(":")}
    found["tmpfs"] = [*declared, *(path for path in _READ_ONLY_TMPFS if path not in used)]
    found["read_only_tmpfs"] = None


_FOLDS: tuple[Callable[[dict[str, Any]], None], ...] = (
    _state,
    _files,
    _platform,
    _image,
    _pull,
    _network_settings,
    _ports,
    _health,
    _restarts,
    _cleanup,
    _volumes,
    _timezone,
    _tmpfs,
    _read_only,
)
