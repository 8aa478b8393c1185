# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting one container to its networks, and taking it off them.

Everything can be done again, and done after whoever did it before was killed: see record.py.
"""

from __future__ import annotations

import contextlib
import os

from ..kernel.files import locked
from . import addresses, bridge, cni, conflist, hosts, namespace, networks, ports, record, rules
from .errors import NetworkError
from .look import is_alive, is_done, missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..kernel.idmap import Maps
    from ..statedir import StateDir

_LOCK = "network.lock"


class Sandbox:
    """The network of the container with *container_id*, whose record lies in *directory*.

    What others call it (*names*) are its name and whatever else. *instead_of* is the directory of the container whose
    place it is about to take, and whose ports.
    """

    def __init__(
        self, state: StateDir, directory: str, container_id: str, name: str, names: list[str], instead_of: str = ""
    ) -> None:
        self.state = state
        self.directory = directory
        self.id = container_id
        self.instead_of = instead_of
        self.document = record.load(directory) or record.new(name, names)
        self.document.update({"name": name, "names": list(names)})

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The lock that every plugin we run holds with us: gives a descriptor of it.

        So a plugin that goes on after its task was killed is waited for, not raced with.
        """
        with locked(os.path.join(self.directory, _LOCK)) as fd:
            found = record.load(self.directory)
            if found is not None:  # somebody else may have had it meanwhile
                self.document.update({key: found[key] for key in found if key not in ("name", "names")})
            yield fd

    # -- the namespace ------------------------------------------------------------------------------------------------

    def prepare(self, source: str = "", maps: Maps | None = None) -> str:
        """Make the container's network namespace, or keep that of *source*, a path; where it is.

        With *maps* it belongs to a user namespace of the container's own, with these id maps.

        What a container before had, or one before a reboot, is given back first. Raises NetworkError.
        """
        self.release()
        with self._locked():
            path = namespace.path_of(self.state, self.id)
            self.document.update({"boot": record.boot_id(), "namespace": path})
            record.save(self.directory, self.document)
            if source:
                namespace.keep(self.state, path, source)
            else:
                namespace.make(self.state, path, maps)
        return path

    def release(self) -> None:
        """Give everything back: addresses, rules, interfaces, the namespace. Raises NetworkError; nothing is fine."""
        touched: list[str] = []
        with self._locked() as lock:
            if not self.document["namespace"] and not self.document["attachments"]:
                return
            for entry in list(reversed(self.document["attachments"])):
                touched.append(entry["wanted"]["network"])
                self._detach(entry, lock)
            namespace.remove(self.state, namespace.path_of(self.state, self.id))
            self.document["namespace"] = ""
            record.save(self.directory, self.document)
        if touched:
            hosts.forget(self.directory)
            hosts.refresh(self.state, touched)

    # -- attachments --------------------------------------------------------------------------------------------------

    def connect(self, wanted: list[dict[str, Any]], *, silent: bool = False) -> None:
        """Be connected to what *wanted* says, and nothing else; what is so already stays. Raises NetworkError.

        Those on the networks are told of it, unless it is to be *silent* for now. A failure leaves what was connected
        until then; :meth:`release` or another connect() puts it right.
        """
        touched = self.announce(silent=silent)
        try:
            with self._locked() as lock:
                for entry in list(reversed(self.document["attachments"])):
                    sound = is_done(entry) and not missing(entry)
                    if sound and (entry["wanted"] in wanted or self._takes_other_ports(entry, wanted, lock)):
                        continue
                    touched.append(entry["wanted"]["network"])
                    self._detach(entry, lock)
                there = [entry["wanted"] for entry in self.document["attachments"]]
                for want in wanted:
                    if want not in there:
                        touched.append(want["network"])
                        self._attach(want, lock)
        finally:
            if not self.document["attachments"]:
                hosts.forget(self.directory)
            hosts.refresh(self.state, touched)

    def announce(self, *, silent: bool) -> list[str]:
        """Record whether the others are told of it; the networks for hosts.refresh() then, none where it was so."""
        with self._locked():
            if bool(self.document.get("silent")) == silent:
                return []
            self.document["silent"] = silent
            record.save(self.directory, self.document)
            return [entry["wanted"]["network"] for entry in self.document["attachments"]]

    def disconnect(self, network: str) -> None:
        """Be off *network*, until a task of the container finds that it is not there. Raises NetworkError."""
        with self._locked() as lock:
            for entry in list(reversed(self.document["attachments"])):
                if entry["wanted"]["network"] == network:
                    self._detach(entry, lock)
        hosts.refresh(self.state, [network, *(entry["wanted"]["network"] for entry in self.document["attachments"])])
        if not self.document["attachments"]:
            hosts.forget(self.directory)

    def unpublish(self) -> None:
        """Leave its ports to the container that takes its place, as far as they can be left alone."""
        with self._locked() as lock:
            for entry in self.document["attachments"]:
                if entry["wanted"]["ports"] and is_done(entry):
                    self._republish(entry, [], lock)

    def forget_flows(self) -> None:
        """Have what comes to its ports of UDP reach it, where flows of datagrams remember the container before it.

        The plugin makes the kernel forget them after the ADD of its rules.
        """
        with self._locked() as lock:
            for entry in self.document["attachments"]:
                plugin = conflist.publisher(entry["conflist"])
                if plugin and any(port["protocol"] == "udp" for port in entry["runtime"].get("portMappings", ())):
                    cni.again("ADD", plugin, entry["conflist"], self._call(entry, lock), entry["result"])

    def _takes_other_ports(self, entry: dict[str, Any], wanted: list[dict[str, Any]], lock: int) -> bool:
        """Publish as that one of *wanted* says that is *entry* but for its ports; False where none is, or it cannot."""
        for want in wanted:
            if {**want, "ports": []} == {**entry["wanted"], "ports": []}:
                return self._republish(entry, want["ports"], lock)
        return False

    def _republish(self, entry: dict[str, Any], wanted: list[dict[str, str]], lock: int) -> bool:
        """Publish other ports, the connection staying as it is; False where that cannot be."""
        network, ruled = self._network(entry["wanted"])
        plugin = conflist.publisher(network)
        had = bool(entry["wanted"]["ports"])
        if plugin is None or entry["conflist"] != conflist.for_container(network, ports=had, ruled=ruled):
            return False
        entry["partial"] = result = entry["result"]  # whoever finds that connects it anew
        record.save(self.directory, self.document)
        if had:
            cni.again("DEL", plugin, entry["conflist"], self._call(entry, lock), result)
        entry["wanted"] = {**entry["wanted"], "ports": wanted}
        entry["conflist"] = conflist.for_container(network, ports=bool(wanted), ruled=ruled)
        kept = {"ports": entry["runtime"].pop("portMappings", [])}
        with self._ports_chosen(entry, kept):
            record.save(self.directory, self.document)
        if wanted:
            cni.again("ADD", plugin, entry["conflist"], self._call(entry, lock), result)
        entry["partial"] = None
        record.save(self.directory, self.document)
        return True

    def _network(self, want: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """The conflist of the network that *want* names, for it, and whether its rules are made once for all."""
        network = networks.known(self.state, want["network"])
        if not want["default"]:
            network = conflist.without_default_route(network)
        return network, rules.are_made_once(network)

    def _attach(self, want: dict[str, Any], lock: int) -> None:
        networks.ensure(self.state, want["network"])
        places = cni.directories()
        kept = self.document["kept"].get(want["network"], {})
        taken = {entry["interface"] for entry in self.document["attachments"]}
        entry: dict[str, Any] = {
            "wanted": want,
            "interface": next(f"eth{number}" for number in range(len(taken) + 1) if f"eth{number}" not in taken),
            "runtime": {},
            "result": None,
        }
        if want["mac"]:
            entry["runtime"]["mac"] = want["mac"]
        if want["aliases"]:
            entry["runtime"]["aliases"] = {want["network"]: list(want["aliases"])}
        with networks.lock(self.state, exclusive=False):  # until it is known that we belong to it, nobody removes it
            network, ruled = self._network(want)
            cni.check_plugins(network, places)
            entry["conflist"] = conflist.for_container(network, ports=bool(want["ports"]), ruled=ruled)
            self.document["directories"] = places
            with self._ports_chosen(entry, kept):
                self.document["attachments"].append(entry)
                record.save(self.directory, self.document)
            if ruled:
                rules.ensure(self.state, network)
        fixed = want["ips"] or addresses.usable_addresses(network, kept.get("ips", []))
        try:
            self._add(entry, fixed, lock)
        except NetworkError:
            # The address it had last is another's now, or not of this network any more; or the container has left
            # something here that nobody remembers, and what was taken back just now was that.
            self._add(entry, want["ips"], lock)
        record.save(self.directory, self.document)

    @contextlib.contextmanager
    def _ports_chosen(self, entry: dict[str, Any], kept: dict[str, Any]) -> Iterator[None]:
        """Have ports of the host in *entry* that nobody else gets before this is recorded; *kept* it had before."""
        wanted = entry["wanted"]["ports"]
        if not wanted:
            yield
            return
        with locked(self.state.lock_path("network", "ports")):
            own = (self.directory, self.instead_of)
            others = [found for path, found in record.live(self.state).items() if path not in own]
            entry["runtime"]["portMappings"] = ports.choose(wanted, ports.used_by(others), kept.get("ports", ()))
            yield

    def _add(self, entry: dict[str, Any], fixed: list[str], lock: int) -> None:
        entry["runtime"].pop("ips", None)
        if fixed:
            entry["runtime"]["ips"] = fixed
        try:
            done = cni.add(entry["conflist"], self._call(entry, lock), lambda result: self._note(entry, result))
            entry.update({"result": done, "partial": None})
        except NetworkError as error:
            try:
                self._delete(entry, lock)
                self._remove_unused_bridge(entry)
            except NetworkError as failure:
                error.message += f"; nor could it be taken back: {failure.message}"
            raise

    def _note(self, entry: dict[str, Any], result: dict[str, Any]) -> None:
        """Record what one plugin of an ADD gave: a DEL after we were killed needs it."""
        if entry.get("partial") != result:
            entry["partial"] = result
            record.save(self.directory, self.document)

    def _detach(self, entry: dict[str, Any], lock: int) -> None:
        self._delete(entry, lock)
        self.document["attachments"].remove(entry)
        if entry["result"] is not None:
            self.document["kept"][entry["wanted"]["network"]] = {
                "ips": record.addresses(entry),
                "ports": entry["runtime"].get("portMappings", []),
            }
        record.save(self.directory, self.document)

    def _delete(self, entry: dict[str, Any], lock: int) -> None:
        """DEL; a second time where the first fails, which has done most of it.

        The bridge plugin stumbles over a rule of masquerading that an ADD did not come to make; it has removed the
        interface and given the address back by then, and does not look for the rule again.
        """
        result = entry["result"] or entry.get("partial") or {}
        try:
            cni.delete(entry["conflist"], self._call(entry, lock), result)
        except NetworkError:
            cni.delete(entry["conflist"], self._call(entry, lock), result)

    def _remove_unused_bridge(self, entry: dict[str, Any]) -> None:
        """Remove the bridge of an ADD that failed, unless another container is on it.

        One that lost its only port before it got an address has no hardware address any more, and the plugin cannot
        give it one: it would fail for ever.
        """
        name = entry["wanted"]["network"]
        with networks.lock(self.state):  # nobody comes to belong to it meanwhile
            if not set(record.members(self.state, name)) - {self.directory}:
                bridge.remove(entry["conflist"])

    def _call(self, entry: dict[str, Any], lock: int) -> cni.Call:
        kept = self.document["namespace"]
        path = kept if kept and is_alive(kept) else ""
        places = [*self.document["directories"], *cni.directories()]
        return cni.Call(self.id, path, entry["interface"], entry["runtime"], list(dict.fromkeys(places)), lock)
