# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running CNI plugins (Container Network Interface specification 1.0 and 1.1, sections 2 to 4).

A conflist is a dictionary: ``name``, ``cniVersion`` and ``plugins``, each of them the configuration of one plugin by
its ``type``. A call names the container, its namespace and the interface; see :class:`Call`.
"""

from __future__ import annotations

import json
import os

from .conflist import FIREWALL
from .errors import NetworkError
from .rules import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

DIRECTORIES = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
ENVIRONMENT = "AGENTLESS_OCI_CNI_PATH"  # further directories, before those, separated by colons
_RULES = "iptables"
_TIMEOUT = 90.0  # seconds: the dhcp plugin may wait for its server
_TRY_AGAIN = 11  # the specification's code for what passes by itself
_ATTEMPTS = 3


class Call:
    """What all plugins of one operation are told.

    container_id  of the container, by which plugins remember what they did
    namespace     path of its network namespace; "" when that is gone
    interface     name of the interface in it
    runtime       the values of capabilities: ``portMappings``, ``ips``, ``mac``, ``aliases``
    directories   where plugins lie
    lock          descriptor of a lock that every plugin holds with us: one that survives us is waited for
    """

    __slots__ = ("container_id", "directories", "interface", "lock", "namespace", "runtime")

    def __init__(
        self,
        container_id: str,
        namespace: str,
        interface: str,
        runtime: Mapping[str, Any],
        directories: Sequence[str],
        lock: int,
    ) -> None:
        self.container_id = container_id
        self.namespace = namespace
        self.interface = interface
        self.runtime = runtime
        self.directories = directories
        self.lock = lock


def directories() -> list[str]:
    """Where plugins are looked for on this host, in order."""
    further = [path for path in os.environ.get(ENVIRONMENT, "").split(":") if path.startswith("/")]
    return [*further, *(path for path in DIRECTORIES if path not in further)]


def find(kind: str, places: Sequence[str]) -> str:
    """The path of the plugin *kind*. Raises NetworkError."""
    if kind and "/" not in kind and not kind.startswith("."):
        for place in places:
            path = os.path.join(place, kind)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    from . import package

    raise NetworkError(
        f"the CNI plugin {kind!r} is not on this host (looked in {', '.join(places)})",
        step="plugins",
        obj=kind,
        hint=f"{package.advice()}, or name the plugin's directory in the environment variable {ENVIRONMENT}",
    )


def check_plugins(conflist: Mapping[str, Any], places: Sequence[str]) -> None:
    """Raise NetworkError unless every plugin of *conflist* is there, that of its address management too.

    And the program that those of a bridge of ours make their rules with.
    """
    for plugin in conflist["plugins"]:
        find(plugin["type"], places)
        ipam = plugin.get("ipam")
        if isinstance(ipam, dict) and ipam.get("type"):
            find(ipam["type"], places)
    needed = any(
        plugin["type"] == FIREWALL and plugin.get("backend", _RULES) == _RULES for plugin in conflist["plugins"]
    )
    if needed and not any(os.access(f"{place}/{_RULES}", os.X_OK) for place in PATH.split(":")):
        raise NetworkError(
            f"the program {_RULES} is not on this host (looked in {PATH.replace(':', ', ')}), and the CNI plugin"
            f" {FIREWALL} needs it",
            step="plugins",
            obj=_RULES,
            hint=f"Install the package {_RULES}, as the role agentless.oci.host does",
        )


def add(conflist: Mapping[str, Any], call: Call, each: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Connect: ADD of every plugin in order; the last one's result. Raises NetworkError.

    *each* is told every result before the next plugin runs: plugins that know addresses from there alone find what
    they did only by it.
    """
    result: dict[str, Any] = {}
    for plugin in conflist["plugins"]:
        answer = _execute("ADD", plugin, _configuration(conflist, plugin, call, result), call)
        if not isinstance(answer, dict):
            raise NetworkError(f"the CNI plugin {plugin['type']} gave no result", step="ADD", obj=plugin["type"])
        result = answer
        each(result)
    return result


def delete(conflist: Mapping[str, Any], call: Call, result: Mapping[str, Any]) -> None:
    """Disconnect: DEL of every plugin in reverse order; *result* is ADD's, empty if unknown. Raises NetworkError."""
    for plugin in reversed(conflist["plugins"]):
        _execute("DEL", plugin, _configuration(conflist, plugin, call, result), call)


def again(command: str, plugin: Mapping[str, Any], conflist: Mapping[str, Any], call: Call, result: Any) -> None:
    """DEL or ADD of one *plugin* alone, whatever the others have made staying as it is. Raises NetworkError.

    *result* is that of the ADD of all. For plugins that only make rules about it, as portmap does: the specification
    knows operations of whole lists.
    """
    _execute(command, plugin, _configuration(conflist, plugin, call, result), call)


def versions(kind: str, places: Sequence[str]) -> list[str]:
    """The versions of the specification that the plugin *kind* speaks. Raises NetworkError."""
    call = Call("version", "", "eth0", {}, places, -1)
    answer = _execute("VERSION", {"type": kind}, {"cniVersion": "1.0.0"}, call)
    return [str(version) for version in answer.get("supportedVersions", ())] if isinstance(answer, dict) else []


def _configuration(
    conflist: Mapping[str, Any], plugin: Mapping[str, Any], call: Call, result: Mapping[str, Any]
) -> dict[str, Any]:
    """What a plugin reads on stdin (section 3, "Deriving execution configuration")."""
    document = {name: value for name, value in plugin.items() if name != "capabilities"}
    document["name"] = conflist["name"]
    document["cniVersion"] = conflist["cniVersion"]
    wanted = [name for name, used in plugin.get("capabilities", {}).items() if used and call.runtime.get(name)]
    if wanted:
        document["runtimeConfig"] = {name: call.runtime[name] for name in wanted}
    if result:
        document["prevResult"] = dict(result)
    return document


def _execute(command: str, plugin: Mapping[str, Any], document: dict[str, Any], call: Call) -> Any:
    """Run one plugin; what it printed, parsed. Raises NetworkError with its own words."""
    import time

    kind = str(plugin["type"])
    path = find(kind, call.directories)
    environment = {
        "PATH": PATH,
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": call.container_id,
        "CNI_NETNS": call.namespace,
        "CNI_IFNAME": call.interface,
        "CNI_PATH": ":".join(call.directories),
    }
    for attempt in range(_ATTEMPTS):
        code, output, errors = _run(kind, path, environment, json.dumps(document).encode(), call.lock)
        try:
            answer = json.loads(output) if output.strip() else None
        except ValueError:
            answer = None
            code = code or 1
        if code == 0:
            return answer
        told = answer if isinstance(answer, dict) else {}
        if told.get("code") != _TRY_AGAIN or attempt == _ATTEMPTS - 1:
            break
        time.sleep(1.0)
    words = " ".join(f"{told.get('msg', '')} {told.get('details', '')}".split())
    words = words or " ".join((errors or output).decode("utf-8", "replace").split())[-500:]
    raise NetworkError(
        f"network {document.get('name', '')}: the CNI plugin {kind} failed ({command} of {call.interface}):"
        f" {words or f'it ended with {code} and said nothing'}",
        step=command,
        obj=kind,
    )


def _run(kind: str, path: str, environment: dict[str, str], document: bytes, lock: int) -> tuple[int, bytes, bytes]:
    import subprocess

    try:
        done = subprocess.run(
            [path],
            input=document,
            capture_output=True,
            env=environment,
            timeout=_TIMEOUT,
            pass_fds=[lock] if lock >= 0 else [],
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NetworkError(
            f"the CNI plugin {kind} did not end within {_TIMEOUT:g} seconds and was killed",
            step=environment["CNI_COMMAND"],
            obj=kind,
        ) from error
    except OSError as error:
        raise NetworkError.of(error, f"the CNI plugin {path} cannot be run", step="plugins", obj=kind) from error
    return done.returncode, done.stdout, done.stderr
