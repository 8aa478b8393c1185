# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a network as text; what iptables makes of it is in tests/integration/python/test_network_rules.py."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.network import conflist, rules
from ansible_collections.agentless.oci.plugins.module_utils.network.errors import NetworkError

RANGES = [{"subnet": "10.91.7.0/24", "gateway": "10.91.7.1"}, {"subnet": "fd00:7::/64", "gateway": "fd00:7::1"}]


def made(name="back", **given):
    return conflist.make(name, "bridge", RANGES, bridge="aoci1", leases="/leases", **given)


def saved(document, version=4, but=""):
    """What iptables-save would print of a host that has all rules of *document*, less those with *but* in them."""
    found = {"filter": "", "nat": ""}
    for rule in rules.wanted(document, version):
        if not but or but not in rule.line:
            found[rule.table] += rule.line + "\n"
    chains = "".join(
        f":{chain} - [0:0]\n"
        for chain in ("CNI-ADMIN", "CNI-FORWARD", "CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2")
    )
    return f"# head\n*filter\n:FORWARD ACCEPT [0:0]\n{chains}{found['filter']}COMMIT\n*nat\n{found['nat']}COMMIT\n"


def changes(text, document, version=4):
    return rules.changes(text, rules.wanted(document, version), document)


def test_nothing_is_said_where_all_rules_are():
    for document in (made(), made(internal=True)):
        for version in (4, 6):
            assert changes(saved(document, version), document, version) == ""


def test_what_is_lacking_is_added_and_the_others_rules_stay():
    """A chain that is there is not named: iptables-restore would empty it."""
    assert changes(saved(made(), but="MASQUERADE"), made()).splitlines() == [
        "*nat",
        '-A POSTROUTING -s 10.91.7.0/24 ! -d 224.0.0.0/4 ! -o aoci1 -m comment --comment "agentless.oci network back"'
        " -j MASQUERADE",
        "COMMIT",
    ]
    everything = changes("", made(), 6)
    assert everything.count(" - [0:0]") == 4
    assert "-s fd00:7::/64 ! -d ff00::/8 ! -o aoci1" in everything
    assert "10.91.7" not in everything
    assert everything.index("-I FORWARD") < everything.index("-A CNI-FORWARD")


def test_only_the_network_s_own_are_taken_for_what_it_was():
    before = saved(made()).replace("aoci1", "aoci9").replace("10.91.7.0/24", "10.91.9.0/24")
    lines = changes(before, made()).splitlines()
    assert [line for line in lines if line.startswith("-D") and "network back" not in line] == []
    assert len([line for line in lines if line.startswith("-D")]) == 3
    assert "-D" not in changes(saved(made("back2")), made())
    assert rules.removal(saved(made("back2")).replace("aoci1", "aoci12"), made()) == ""


def test_a_vlan_has_an_interface_of_its_own():
    tagged = made(vlan=100)
    lines = [rule.line for rule in rules.wanted(tagged, 4)]
    assert sum("-i aoci1.100 " in line or "-o aoci1.100 " in line for line in lines) == 5
    assert not any(" aoci1 " in line for line in lines)
    assert len(rules.removal(saved(tagged), tagged).splitlines()) == 9


def test_all_of_a_network_is_removed_and_what_is_shared_stays():
    script = rules.removal(saved(made()), made())
    lines = [line for line in script.splitlines() if line.startswith("-D")]
    assert len(lines) == 5
    assert all("aoci1" in line for line in lines)
    assert rules.removal(saved(made()).replace("agentless.oci network back", "x").replace("aoci1", "br0"), made()) == ""


@pytest.mark.parametrize(
    ("document", "once"),
    [
        (made(), True),
        (made(internal=True), True),
        (conflist.of_raw("x", {"plugins": made()["plugins"]}), False),
        ({**made(), conflist.OURS: None}, False),
        (conflist.make("lan", "macvlan", RANGES, parent="p0", leases="/l"), False),
    ],
)
def test_whose_rules_are_made_once(document, once, tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "PATH", str(tmp_path))
    assert rules.are_made_once(document) is once
    (tmp_path / "firewalld").touch(mode=0o755)
    assert not rules.are_made_once(document)


def test_a_program_that_is_missing_or_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "PATH", str(tmp_path))
    with pytest.raises(NetworkError, match="network back: the program iptables-save is not on this host") as caught:
        rules.ensure(None, made())
    assert "Install the package iptables" in str(caught.value)
    program = tmp_path / "iptables-save"
    program.write_text("#!/bin/sh\necho no such table >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(NetworkError, match="network back: iptables-save failed: no such table"):
        rules.ensure(None, made())
