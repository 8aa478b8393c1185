# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.statedir import DEFAULT_ROOT, DEFAULT_RUN, StateDir


def test_the_default_lives_in_var_lib_and_run(monkeypatch):
    monkeypatch.delenv("AGENTLESS_OCI_ROOT", raising=False)
    state = StateDir()
    assert (state.root, state.run) == (DEFAULT_ROOT, DEFAULT_RUN)


@pytest.mark.parametrize("given_by", ["argument", "environment"])
def test_a_root_elsewhere_keeps_its_live_state_inside(monkeypatch, tmp_path, given_by):
    root = str(tmp_path / "state")
    if given_by == "environment":
        monkeypatch.setenv("AGENTLESS_OCI_ROOT", root)
        state = StateDir()
    else:
        monkeypatch.setenv("AGENTLESS_OCI_ROOT", "/elsewhere")
        state = StateDir(root)
    assert state.root == root
    assert state.run == os.path.join(root, "run")
    assert not os.path.exists(root)


def test_ensure_closes_what_was_open(tmp_path):
    root = tmp_path / "state"
    root.mkdir(mode=0o755)
    state = StateDir(str(root))
    state.ensure(state.images)
    assert [os.stat(path).st_mode & 0o777 for path in (state.root, state.run, state.images)] == [0o700] * 3


def test_lock_names_stay_in_one_directory(tmp_path):
    state = StateDir(str(tmp_path))
    path = state.lock_path("image", "localhost:5000/a/b")
    assert os.path.dirname(path) == state.locks
