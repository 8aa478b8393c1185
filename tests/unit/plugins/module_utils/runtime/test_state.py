# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a container's live state, as several processes see it."""

from __future__ import annotations

import os
import threading

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.runtime import state as states
from ansible_collections.agentless.oci.plugins.module_utils.runtime.errors import NoSuchContainer, RuntimeFault


@pytest.fixture
def run_dir(tmp_path):
    return str(tmp_path / "run")


def new(name="x"):
    return states.State(name, "/bundle", f"/{name}", "2026-01-01T00:00:00Z")


def test_whoever_looks_meanwhile_finds_it_whole_or_not_at_all(run_dir):
    done = threading.Event()
    seen = []

    def look():
        while not done.is_set():
            try:
                seen.append(states.load(run_dir, "x").status)
            except NoSuchContainer:
                seen.append("")
            except RuntimeFault as error:
                seen.append(str(error))

    reader = threading.Thread(target=look)
    reader.start()
    for _round in range(300):
        states.make(run_dir, new())
        states.forget(run_dir, "x")
    done.set()
    reader.join()
    assert set(seen) <= {"", "creating"}
    assert os.listdir(run_dir) == []


def test_an_id_is_claimed_once(run_dir):
    states.make(run_dir, new())
    with pytest.raises(RuntimeFault, match="exists already"):
        states.make(run_dir, new())
    assert os.listdir(run_dir) == ["x"]


def test_what_killed_processes_left_goes_with_the_next_delete_of_the_id(run_dir):
    for left in (".x@4194304.new", ".x@4194304.gone", f".x@{os.getpid()}.new", ".xy@4194304.gone"):
        os.makedirs(os.path.join(run_dir, left))
    states.forget(run_dir, "x")
    assert sorted(os.listdir(run_dir)) == [f".x@{os.getpid()}.new", ".xy@4194304.gone"]
