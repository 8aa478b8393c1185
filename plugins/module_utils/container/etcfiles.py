# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files hosts, hostname and resolv.conf that a container finds in its /etc.

They are written anew at every start by a task; the container may change them meanwhile. Names of other containers are
put into hosts by the network layer, while the container runs.
"""

from __future__ import annotations

import json
import os

from ..kernel.files import read_bytes, write_all, write_atomic
from . import netmode, spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .records import Record

_FILES = ("hosts", "hostname", "resolv.conf")
_STUBS = "/run/systemd/resolve/resolv.conf"  # what systemd-resolved asks, where resolv.conf names itself alone


def write(record: Record) -> None:
    """Write the files of a container that is about to be made. Raises OSError."""
    shared = _shared(record)
    for name, data in _texts(record).items():
        path = os.path.join(record.path, "etc", name)
        if name in shared:
            if os.path.lexists(path):
                os.unlink(path)
            os.link(shared[name], path)  # the same file: it stays current, and is there when the other has gone
        else:
            write_atomic(path, data, 0o644, durable=False)


def rewrite(record: Record) -> None:
    """Write them for a container that runs: in place, since each is mounted by itself. Raises OSError."""
    for name, data in _texts(record).items():
        if name != "hostname":
            fd = os.open(os.path.join(record.path, "etc", name), os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                write_all(fd, data)
                os.ftruncate(fd, len(data))
            finally:
                os.close(fd)


def _shared(record: Record) -> dict[str, str]:
    """The files of the container whose network this one joins."""
    mode = netmode.mode(record.spec["options"])
    if not mode.startswith("container:"):
        return {}
    from ..statedir import StateDir
    from .networking import joined_record

    target = joined_record(StateDir(os.path.dirname(os.path.dirname(record.path))), mode)
    if target is None:
        return {}
    return {name: os.path.join(target.path, "etc", name) for name in ("hosts", "resolv.conf")}


def _texts(record: Record) -> dict[str, bytes]:
    options, name = record.spec["options"], spec.hostname(record.spec)
    if options.get("uts") == "host":
        name = os.uname().nodename
    kind = netmode.kind(options)
    host = _host_file("/etc/resolv.conf")
    if kind == netmode.HOST and not any(
        options.get(option) for option in ("dns_servers", "dns_opts", "dns_search_domains")
    ):
        resolv = host
    else:
        stub = _host_file(_STUBS) if kind != netmode.NONE else b""
        resolv = resolv_conf(options, host.decode("utf-8", "replace"), stub.decode("utf-8", "replace"), kind).encode()
    text = _host_file("/etc/hosts").decode("utf-8", "replace") if kind == netmode.HOST else own_hosts(name, kind)
    text += extra_hosts(options, _gateway(record, kind))
    return dict(zip(_FILES, (text.encode(), name.encode() + b"\n", resolv)))


def own_hosts(name: str, kind: str) -> str:
    """The hosts file of a container with a network of its own; its address there is not known yet."""
    text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    return text if kind == netmode.NETWORKS else f"{text}127.0.1.1\t{name}\n"


def extra_hosts(options: Mapping[str, Any], gateway: str) -> str:
    """The lines of the option etc_hosts; *gateway* is the host's address, "" while it is not known."""
    found = ""
    for name, address in options.get("etc_hosts", {}).items():
        address = gateway if address == "host-gateway" else address
        found += f"{address}\t{name}\n" if address else ""
    return found


def resolv_conf(options: Mapping[str, Any], host: str, stub: str, kind: str) -> str:
    """A resolv.conf(5): what is declared, and for the rest the *host*'s as far as it is of use in the container.

    A server on the host's loopback interface cannot be reached from there. Where the host has no other, *stub* is what
    systemd-resolved itself asks.
    """
    lines: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    if kind != netmode.NONE:
        lines = _resolver(host)
        if kind != netmode.HOST:
            usable = [server for server in lines["nameserver"] if not _is_loopback(server)]
            if not usable:
                usable = [server for server in _resolver(stub)["nameserver"] if not _is_loopback(server)]
            lines["nameserver"] = usable
    servers = options.get("dns_servers") or lines["nameserver"]
    search = options.get("dns_search_domains") or lines["search"]
    settings = options.get("dns_opts") or lines["options"]
    text = "".join(f"nameserver {server}\n" for server in servers)
    if search and search != ["."]:
        text += f"search {' '.join(search)}\n"
    return text + (f"options {' '.join(settings)}\n" if settings else "")


def _resolver(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] in found:
            if words[0] == "search":
                found["search"] = words[1:]  # the last one counts
            else:
                found[words[0]] += words[1:]
    return found


def _is_loopback(server: str) -> bool:
    return server.startswith("127.") or server == "::1"


def _gateway(record: Record, kind: str) -> str:
    """The host's address as the container sees it."""
    if kind == netmode.HOST:
        return "127.0.0.1"
    try:
        document = json.loads(read_bytes(os.path.join(record.path, "network.json")))
    except FileNotFoundError:
        return ""
    for entry in document["attachments"]:
        for address in (entry["result"] or {}).get("ips", ()):
            if address.get("gateway"):
                return str(address["gateway"])
    return ""


def _host_file(path: str) -> bytes:
    try:
        return read_bytes(path)
    except FileNotFoundError:
        return b""
