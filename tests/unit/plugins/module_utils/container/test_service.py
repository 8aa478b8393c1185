# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import systemd_units
from ansible_collections.agentless.oci.plugins.module_utils.container import bundle, restart, service

COMMAND = ["/usr/bin/python3", "-I", "-S", "/core/entry.py", "unit-start", "/state/containers/.1"]


def document(**options):
    return {"name": "web", "id": "0123456789abcdef", "image": {"name": "box:1"}, "options": options}


def properties(parent=None, **given):
    settings = {"version": 252, "unified": True, **given}
    found = service.properties(document(**({"cgroup_parent": parent} if parent else {})), "/state", COMMAND, **settings)
    return {name: value for name, _signature, value in found}


def test_the_unit_has_a_name_of_its_own_and_its_place():
    name = service.unit_name("web_1.x-y", "0123456789abcdef")
    assert name == "aoci-web_1.x-y-0123456789ab.service"
    systemd_units.check_name(name)
    systemd_units.check_name(service.unit_name("a" * 250, "0123456789abcdef"))


@pytest.mark.parametrize(
    ("options", "unit", "path"),
    [
        ({}, "u.service", "/system.slice/u.service/container"),
        ({"cgroup_parent": "/a.slice/a-b.slice"}, "u.service", "/a.slice/a-b.slice/u.service/container"),
        ({"cgroup_parent": "/batch"}, "u.service", "/batch/web-0123456789ab"),
        ({"cgroup_parent": "/batch"}, "", "/batch/web-0123456789ab"),
        ({}, "", "/agentless-oci/web-0123456789ab"),
    ],
)
def test_where_the_container_is(options, unit, path):
    assert bundle.cgroups_path(document(**options), unit) == path


def test_its_properties():
    found = properties()
    assert found["ExecStart"] == [("/usr/bin/python3", COMMAND, False)]
    assert found["Slice"] == "system.slice"
    assert properties("/a.slice/a-b.slice")["Slice"] == "a-b.slice"
    assert properties("/batch")["Slice"] == "system.slice"
    assert found["Delegate"] is True
    assert found["KillMode"] == "mixed"
    assert found["Restart"] == "on-failure"
    assert found["StartLimitIntervalUSec"] == 0
    assert found["TimeoutStopUSec"] == 40_000_000
    assert found["RequiresMountsFor"] == ["/state"]
    assert found["OOMPolicy"] == "continue"
    assert "IOAccounting" in found


@pytest.mark.parametrize(
    ("given", "absent"),
    [({"version": 239}, "OOMPolicy"), ({"unified": False}, "IOAccounting"), ({}, "BlockIOAccounting")],
)
def test_what_is_left_to_other_versions_and_hierarchies(given, absent):
    assert absent not in properties(**given)


@pytest.mark.parametrize(
    ("policy", "stopped", "status", "automatic", "expected"),
    [
        # The supervisor was killed, and the container with it (137).
        ("no", False, "running", True, False),
        ("on-failure", False, "running", True, True),
        ("always", False, "running", True, True),
        ("unless-stopped", False, "running", True, True),
        # While it waited before a restart: the policy had decided already.
        ("no", False, "restarting", True, True),
        ("always", True, "restarting", True, False),
        # The end had been recorded, or asked for.
        ("always", False, "exited", True, False),
        ("always", True, "running", True, False),
        # An administrator starts it.
        ("no", True, "exited", False, True),
    ],
)
def test_whether_a_service_that_no_task_has_started_starts_the_container(policy, stopped, status, automatic, expected):
    assert restart.resumes(policy, 3, stopped, status, automatic) is expected
