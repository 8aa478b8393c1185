# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of limits, the unit that applies them, and whose limits are meant."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import bootunit, hierarchy, persist, target
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir


@pytest.fixture
def state(tmp_path):
    return StateDir(str(tmp_path / "state"))


def test_a_record_and_its_end(state):
    assert persist.read(state, "/batch/reports") is None
    for path in ("/batch/reports", "/batch", "/batch2/ü %"):
        persist.write(state, path, {"memory": "2g"})
    assert persist.read(state, "/batch/reports") == {"memory": "2g"}
    assert persist.recorded(state) == ["/batch", "/batch/reports", "/batch2/ü %"]
    assert persist.below(state, "/batch") == ["/batch", "/batch/reports"]
    persist.forget(state, "/batch")
    persist.forget(state, "/batch")
    assert persist.below(state, "/batch") == ["/batch/reports"]
    # Such a group may have limits all the same.
    assert persist.read(state, "/" + "x" * 250) is None
    with pytest.raises(CgroupError, match="too long"):
        persist.record_path(state, "/" + "x" * 250)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a record"),
        ("[]", "is not a record"),
        ('{"version": 1, "path": "/a"}', "is not a record"),
        ('{"version": 2, "path": "/a", "options": {}}', r"another version of agentless.oci \(2\)"),
    ],
)
def test_what_is_no_record_is_told_and_does_not_stop_the_others(state, text, says):
    state.ensure(state.limits)
    with open(persist.record_path(state, "/a"), "w", encoding="utf-8") as file:
        file.write(text)
    with pytest.raises(CgroupError, match=says):
        persist.read(state, "/a")
    (failed,) = persist.apply_all(state)
    assert "limits/a.json" in str(failed)


@pytest.mark.parametrize(
    ("old", "new", "merged", "updated"),
    [
        ({}, {"memory": "1g"}, {"memory": "1g"}, {}),
        ({"memory": "1g"}, {"memory": "2g", "cpus": "1"}, {"memory": "2g", "cpus": "1"}, {"memory": "2g"}),
        ({"cpus": "1"}, {"cpu_quota": "5000"}, {"cpu_quota": "5000"}, {"cpu_quota": "5000"}),
        ({"cpus": "1", "memory": "1g"}, {}, {"cpus": "1", "memory": "1g"}, {"cpus": "1", "memory": "1g"}),
    ],
)
def test_new_limits_in_an_old_record(old, new, merged, updated):
    assert persist.merged(old, new) == merged
    assert persist.updated(old, new) == updated


def test_the_unit_calls_what_does_not_change_its_name(state):
    text = bootunit.unit_text(state)
    assert f'"{state.root}/core/entry.py" "--root" "{state.root}" "boot" "limits"' in text
    assert bootunit.unit(StateDir("/var/lib/agentless-oci")) == "agentless-oci-limits.service"
    assert "--root" not in bootunit.unit_text(StateDir("/var/lib/agentless-oci"))
    assert bootunit.unit(state) != bootunit.unit(StateDir(state.root + "2"))
    assert '"/srv/50%%"' in bootunit.unit_text(StateDir("/srv/50%"))
    containers = bootunit.unit_text(state, bootunit.CONTAINERS)
    assert '"boot" "containers"' in containers
    assert "WantedBy=multi-user.target" in containers
    assert bootunit.unit(state, bootunit.CONTAINERS) != bootunit.unit(state)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("nginx", "nginx.service"), ("a.slice", "a.slice"), ("x@1.2", "x@1.2.service"), ("a.b.scope", "a.b.scope")],
)
def test_unit_names(text, unit):
    assert target.unit_name(text) == unit


def test_a_unit_without_processes():
    with pytest.raises(CgroupError, match="a timer runs no processes"):
        target.unit_name("backup.timer")


def test_membership():
    text = "4:cpu,cpuacct:/a\n1:name=systemd:/b:c\n0::/d\n"
    assert hierarchy.parse_membership(text) == {"cpu": "/a", "cpuacct": "/a", "name=systemd": "/b:c", "": "/d"}


def test_no_such_process():
    with pytest.raises(CgroupError, match="there is no process 4194303"):
        target.path_of(4194303, hierarchy.Hierarchy({}, "/sys/fs/cgroup"))


def test_files_are_private(state):
    persist.write(state, "/a", {})
    assert os.stat(persist.record_path(state, "/a")).st_mode & 0o777 == 0o600
