# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter's rules for a bridge network of ours: made once, for the bridge, and not for every container.

The CNI plugins firewall and bridge (ipMasq) make a dozen changes to the tables for each address, of which each takes
milliseconds. What they come to is said here of the bridge, in one change, and in the firewall plugin's own chains: its
CNI-ADMIN stays the administrator's place for exceptions, and networks that others make with it are kept apart from
ours. Interfaces instead of addresses also keep out whoever forges an address; and what a published port has brought
here passes, too, on hosts that forward nothing by themselves.

iptables(8), iptables-save(8), iptables-restore(8); the plugin's plugins/meta/firewall/README.md for the chains.
"""

from __future__ import annotations

import os

from ..kernel.files import locked
from . import conflist
from .errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ..statedir import StateDir

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIREWALLD = "firewalld"
_TIMEOUT = 90.0  # seconds: others may hold the lock of the tables
_FILTER, _NAT = "filter", "nat"
_FORWARD, _ADMIN, _APART, _FROM_OTHERS = (
    "CNI-FORWARD",
    "CNI-ADMIN",
    "CNI-ISOLATION-STAGE-1",
    "CNI-ISOLATION-STAGE-2",
)
_CHAINS = {_FILTER: (_FORWARD, _ADMIN, _APART, _FROM_OTHERS), _NAT: ()}
_PREFIX = {4: "", 6: "6"}  # of the programs' names: iptables, ip6tables
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
# As the plugin comments its own, by which it finds them.
_PLUGINS = ("-m", "comment", "--comment", "CNI firewall plugin rules")
_ADMINS = ("-m", "comment", "--comment", "CNI firewall plugin admin overrides")
_KEPT_APART = ("-m", "comment", "--comment", "CNI firewall plugin rules (ingressPolicy: same-bridge)")


class Rule:
    """One rule: its table, its chain, the line that iptables-save prints for it, and whether it is put first there."""

    __slots__ = ("chain", "first", "line", "table")

    def __init__(self, table: str, chain: str, *words: str, first: bool = False) -> None:
        self.table = table
        self.chain = chain
        self.line = " ".join(("-A", chain, *(f'"{word}"' if " " in word else word for word in words)))
        self.first = first


def are_made_once(document: Mapping[str, Any]) -> bool:
    """Whether the network of *document* has its rules from here, instead of from the plugins for each container.

    Not where firewalld is: it refuses what other tables have accepted, and only its plugin can tell it.
    """
    found = conflist.ours(document)
    if not found or found.get("raw") or not conflist.bridge_of(document):
        return False
    return not any(os.access(os.path.join(place, _FIREWALLD), os.X_OK) for place in PATH.split(":"))


def ensure(state: StateDir, document: Mapping[str, Any]) -> None:
    """Have all rules of the network of *document*, for which :func:`are_made_once`. Raises NetworkError."""
    for version in versions(document):
        rules = wanted(document, version)
        if not changes(_saved(version, document), rules, document):
            continue
        with locked(state.lock_path("network", "rules")):
            script = changes(_saved(version, document), rules, document)
            if script:
                _restore(version, document, script)


def forget(document: Mapping[str, Any]) -> None:
    """Remove whatever there is for the bridge of *document*, the plugins' too. Raises NetworkError; nothing is fine."""
    for version in _PREFIX:
        try:
            saved = _saved(version, document)
        except NetworkError:
            continue  # no such program, or a kernel without the protocol: there are none
        script = removal(saved, document)
        if script:
            _restore(version, document, script)


# -- pure ---------------------------------------------------------------------------------------------------------


def comment(document: Mapping[str, Any]) -> str:
    """By which our rules for the network of *document* are known. iptables-save quotes what has spaces."""
    return f"agentless.oci network {document['name']}"


def versions(document: Mapping[str, Any]) -> list[int]:
    """The versions of IP that the network of *document* has addresses of."""
    return sorted({6 if ":" in entry["subnet"] else 4 for entry in conflist.ranges_of(document)})


def wanted(document: Mapping[str, Any], version: int) -> list[Rule]:
    """The rules for the network of *document* and IP *version*, those that others share with it among them."""
    bridge = conflist.gateway_of(document)
    ours = ("-m", "comment", "--comment", comment(document))
    rules = [
        Rule(_FILTER, "FORWARD", *_PLUGINS, "-j", _FORWARD, first=True),
        Rule(_FILTER, "FORWARD", *_KEPT_APART, "-j", _APART, first=True),
        Rule(_FILTER, _FORWARD, *_ADMINS, "-j", _ADMIN, first=True),
        Rule(_FILTER, _APART, *_KEPT_APART, "-j", "RETURN"),
        Rule(_FILTER, _APART, "-i", bridge, "!", "-o", bridge, *_KEPT_APART, "-j", _FROM_OTHERS, first=True),
        Rule(_FILTER, _FROM_OTHERS, *_KEPT_APART, "-j", "RETURN"),
        Rule(_FILTER, _FROM_OTHERS, "-o", bridge, *_KEPT_APART, "-j", "DROP", first=True),
    ]
    if conflist.is_internal(document):
        inside = Rule(_FILTER, _FORWARD, "-i", bridge, "-o", bridge, *ours, "-j", "ACCEPT")
        return [*rules, inside, Rule(_FILTER, _FORWARD, "-i", bridge, "!", "-o", bridge, *ours, "-j", "DROP")]
    answers = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT")
    rules.append(Rule(_FILTER, _FORWARD, "-o", bridge, *answers, *ours, "-j", "ACCEPT"))
    rules.append(Rule(_FILTER, _FORWARD, "-i", bridge, *ours, "-j", "ACCEPT"))
    for entry in conflist.ranges_of(document):
        if (6 if ":" in entry["subnet"] else 4) == version:
            outward = ("-s", entry["subnet"], "!", "-d", _MULTICAST[version], "!", "-o", bridge)
            rules.append(Rule(_NAT, "POSTROUTING", *outward, *ours, "-j", "MASQUERADE"))
    return rules


def changes(saved: str, rules: Iterable[Rule], document: Mapping[str, Any]) -> str:
    """What iptables-restore has to read for the tables *saved* to have *rules*, and no other with our comment.

    "" if they have.
    """
    rules = list(rules)
    there = _lines(saved)
    kept = {rule.line for rule in rules}
    mark = f'"{comment(document)}"'
    script = ""
    for table, chains in _CHAINS.items():
        lines = there[table]
        removed = [f"-D{line[2:]}" for line in lines if mark in line and line not in kept]
        lacking = [rule for rule in rules if rule.table == table and rule.line not in lines]
        added = [f"-I{rule.line[2:]}" if rule.first else rule.line for rule in lacking]
        # A chain that is named is emptied: the others' rules in it stay only where it is not.
        new = [f":{chain} - [0:0]" for chain in chains if lacking and f"\n:{chain} " not in saved]
        script += _section(table, [*new, *removed, *added])
    return script


def removal(saved: str, document: Mapping[str, Any]) -> str:
    """What iptables-restore has to read for the tables *saved* to have nothing of the network; "" if they have not."""
    mark = f'"{comment(document)}"'
    bridges = {f" {name} " for name in (conflist.bridge_of(document), conflist.gateway_of(document))}
    apart = tuple(f"-A {chain} " for chain in (_APART, _FROM_OTHERS))
    script = ""
    for table, lines in _lines(saved).items():
        gone = [
            line
            for line in lines
            if mark in line or (line.startswith(apart) and any(bridge in line for bridge in bridges))
        ]
        script += _section(table, [f"-D{line[2:]}" for line in gone])
    return script


def _lines(saved: str) -> dict[str, list[str]]:
    """The rules of each of our tables in what iptables-save printed."""
    found: dict[str, list[str]] = {table: [] for table in _CHAINS}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A ") and table in found:
            found[table].append(line)
    return found


def _section(table: str, lines: list[str]) -> str:
    return "\n".join([f"*{table}", *lines, "COMMIT", ""]) if lines else ""


# -- the programs -------------------------------------------------------------------------------------------------


def _saved(version: int, document: Mapping[str, Any]) -> str:
    return _run(f"ip{_PREFIX[version]}tables-save", [], document)


def _restore(version: int, document: Mapping[str, Any], script: str) -> None:
    _run(f"ip{_PREFIX[version]}tables-restore", ["--noflush", "--wait"], document, script)


def _run(program: str, arguments: list[str], document: Mapping[str, Any], given: str = "") -> str:
    """What *program* prints. Raises NetworkError with its own words."""
    import shutil
    import subprocess

    name = str(document["name"])
    hint = "Install the package iptables, as the role agentless.oci.host does"
    path = shutil.which(program, path=PATH)
    if path is None:
        raise NetworkError(
            f"network {name}: the program {program} is not on this host (looked in {PATH.replace(':', ', ')})",
            step="rules",
            obj=program,
            hint=hint,
        )
    try:
        done = subprocess.run(
            [path, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
            env={"PATH": PATH, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise NetworkError(
            f"network {name}: {program} did not end within {_TIMEOUT:g} seconds and was killed",
            step="rules",
            obj=program,
            hint="See who holds /run/xtables.lock",
        ) from error
    if done.returncode:
        raise NetworkError(
            f"network {name}: {program} failed: {' '.join(done.stderr.split())[-500:] or done.returncode}",
            step="rules",
            obj=program,
            hint="See whether iptables works on this host",
        )
    return done.stdout
