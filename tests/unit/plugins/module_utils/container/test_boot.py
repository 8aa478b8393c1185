# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import bootunit
from ansible_collections.agentless.oci.plugins.module_utils.container import boot
from ansible_collections.agentless.oci.plugins.module_utils.container.records import Record
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir


@pytest.mark.parametrize(
    ("policy", "stopped", "due"),
    [
        ("always", False, True),
        ("always", True, True),
        ("unless-stopped", False, True),
        ("unless-stopped", True, False),
        ("on-failure", False, False),
        (None, False, False),
    ],
)
def test_what_comes_back(tmp_path, policy, stopped, due):
    if stopped:
        (tmp_path / "stop").touch()
    options = {"restart_policy": policy} if policy else {}
    assert boot._due(Record(str(tmp_path), {"options": options})) is due


def test_a_checkout_is_called_by_no_unit(tmp_path, monkeypatch):
    state, installed = StateDir(str(tmp_path / "state")), []
    monkeypatch.setattr(bootunit, "wanted", lambda *_arguments: True)
    monkeypatch.setattr(bootunit, "install", lambda *arguments: installed.append(arguments[1:]))
    boot.keep(state, str(tmp_path / "checkout/entry.py"))
    assert installed == []
    boot.keep(state, f"{state.lib}/abc/entry.py")
    assert installed == [(f"{state.lib}/abc", "containers")]
