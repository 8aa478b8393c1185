# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import signal
import time
from types import SimpleNamespace

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup import systemd_units
from ansible_collections.agentless.oci.plugins.module_utils.container import (
    bundle,
    observe,
    records,
    restart,
    service,
    unit,
    unitended,
)
from ansible_collections.agentless.oci.plugins.module_utils.container.stamps import timestamp
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir

COMMANDS = {
    "ExecStart": ["/usr/bin/python3", "-I", "-S", "/core/entry.py", "unit-start", "/state/containers/.1"],
    "ExecStopPost": ["/usr/bin/python3", "-I", "-S", "/core/entry.py", "unit-ended", "/state/containers/.1"],
}


def document(**options):
    return {"name": "web", "id": "0123456789abcdef", "image": {"name": "box:1"}, "options": options}


def properties(parent=None, **given):
    settings = {"version": 252, "unified": True, **given}
    declared = document(**({"cgroup_parent": parent} if parent else {}))
    found = service.properties(declared, "/state", COMMANDS, "/run/1.pid", **settings)
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
    for name, command in COMMANDS.items():
        assert found[name] == [("/usr/bin/python3", command, False)]
    assert (found["Type"], found["PIDFile"]) == ("forking", "/run/1.pid")
    assert found["Slice"] == "system.slice"
    assert properties("/a.slice/a-b.slice")["Slice"] == "a-b.slice"
    assert properties("/batch")["Slice"] == "system.slice"
    assert found["Delegate"] is True
    assert found["KillMode"] == "process"
    assert found["Restart"] == "always"
    # More often than that no container is started: with what waits in between it takes longer.
    waits = sum(restart.delay(number) for number in range(found["StartLimitBurst"]))
    assert found["StartLimitIntervalUSec"] / 1e6 < waits
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
    ("environment", "code"),
    [
        ({"EXIT_CODE": "exited", "EXIT_STATUS": "7"}, 7),
        ({"EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}, 137),
        ({"EXIT_CODE": "dumped", "EXIT_STATUS": "ABRT"}, 134),
        ({"EXIT_CODE": "killed", "EXIT_STATUS": "RTMIN+3"}, 128 + signal.SIGRTMIN + 3),
        ({"EXIT_CODE": "killed", "EXIT_STATUS": "35"}, 163),
        ({"SERVICE_RESULT": "success"}, 137),  # systemd has not seen it end
    ],
)
def test_how_systemd_says_that_it_has_ended(environment, code):
    assert unitended._exit_code(environment) == code


def state_and_record(tmp_path, **status):
    state = StateDir(str(tmp_path))
    options = {"restart_policy": "on-failure", "restart_retries": 2}
    image = {"name": "box:1", "config": {}}
    spec = {"version": 1, "id": "0" * 64, "name": "web", "image": image, "options": options, "layers": []}
    record = records.make(state, spec)
    records.write_monitor_config(record, remove_at_end=True)
    started = timestamp(time.time_ns() - 5_000_000_000)
    records.save_status(record, {"status": "running", "pid": 1, "exit_code": 0, "started_at": started, **status})
    return state, record


def judged(tmp_path, monkeypatch, *, told=False, code=1, **status):
    """(whether it starts again, whether it has ended by itself, its status then)"""
    monkeypatch.setattr(os, "environ", {"EXIT_CODE": "exited", "EXIT_STATUS": str(code)})
    state, record = state_and_record(tmp_path, **status)
    answer = unitended._judge(state, record, told=told)
    return (*answer, records.read_status(record))


@pytest.mark.parametrize(
    ("given", "again", "by_itself", "then"),
    [
        ({}, True, False, {"status": "restarting", "exit_code": 1}),
        ({"code": 0}, False, True, {"status": "exited", "exit_code": 0}),
        # An administrator stops it, or the host goes down.
        ({"told": True}, False, True, {"status": "exited", "exit_code": 1}),
        # The policy's patience: it is given back to what has been up for ten seconds.
        ({"in_a_row": 1}, True, False, {"status": "restarting", "in_a_row": 1}),
        ({"in_a_row": 2}, False, True, {"status": "exited", "in_a_row": 2}),
        ({"in_a_row": 2, "started_at": "2026-01-01T00:00:00.5Z"}, True, False, {"status": "restarting", "in_a_row": 0}),
        # A start again that failed: what was recorded of the end before it stays.
        ({"status": "restarting", "exit_code": 9}, True, False, {"status": "restarting", "exit_code": 9}),
        ({"status": "restarting", "exit_code": 9, "in_a_row": 2}, False, True, {"status": "exited", "exit_code": 9}),
        # One that was not to be started again after all, or was recorded by another.
        ({"status": "exited", "exit_code": 9}, False, True, {"status": "exited", "exit_code": 9}),
    ],
)
def test_what_comes_after_the_end(tmp_path, monkeypatch, given, again, by_itself, then):
    *found, status = judged(tmp_path, monkeypatch, **given)
    assert found == [again, by_itself]
    assert then.items() <= status.items()


@pytest.mark.parametrize(
    ("file", "content", "again", "by_itself"),
    [
        ("stop", "", False, False),
        ("unhealthy", "restart", True, False),  # whatever the policy says
        ("unhealthy", "stop", False, True),
        ("launch.sock", "", False, False),
    ],
)
def test_what_is_wanted_of_a_container_that_ends_well(tmp_path, monkeypatch, file, content, again, by_itself):
    state, record = state_and_record(tmp_path)
    monkeypatch.setattr(os, "environ", {"EXIT_CODE": "exited", "EXIT_STATUS": "0"})
    with open(os.path.join(record.path, file), "w", encoding="utf-8") as written:
        written.write(content)
    assert unitended._judge(state, record, told=False) == (again, by_itself)
    assert records.stop_requested(record) == (file == "stop" or content == "stop")
    assert not os.path.exists(os.path.join(record.path, "unhealthy"))
    # One whose task was lost has never run.
    expected = {"launch.sock": "running", "unhealthy": "restarting" if again else "exited"}.get(file, "exited")
    assert records.read_status(record)["status"] == expected


@pytest.mark.parametrize(
    ("groups", "stops"),
    [
        ("0::/system.slice/aoci-web-0.service/.control\n", []),
        # Before systemd 240 what it runs at the end is in the service's own group.
        ("1:name=systemd:/system.slice/aoci-web-0.service\n0::/\n", []),
        ("1:name=systemd:/system.slice/aoci-web-0.service-of-others\n", ["aoci-web-0.service"]),
        ("0::/user.slice\n", ["aoci-web-0.service"]),
    ],
)
def test_a_service_does_not_wait_for_its_own_end(tmp_path, monkeypatch, groups, stops):
    found = []

    class Bus(contextlib.AbstractContextManager):
        def __exit__(self, *_raised):
            return None

        def stop(self, unit):
            found.append(unit)

    monkeypatch.setattr(service, "Bus", Bus)
    monkeypatch.setattr(service, "read_text", lambda _path: groups)
    _state, record = state_and_record(tmp_path)
    records.write_unit(record, "aoci-web-0.service")
    service.end(record)
    assert found == stops


@pytest.mark.parametrize(
    ("version", "mode", "used"), [(239, "unified", False), (240, "unified", True), (239, "legacy", True)]
)
def test_where_systemd_is_too_old(tmp_path, monkeypatch, version, mode, used):
    class Bus:
        closed = False

        def version(self):
            return version

        def close(self):
            self.closed = True

    bus = Bus()
    monkeypatch.setattr(service, "Bus", lambda: bus)
    monkeypatch.setattr(service, "detect", lambda: SimpleNamespace(mode=mode))
    monkeypatch.setattr(service, "ServiceLaunch", lambda *given: given)
    state, record = state_and_record(tmp_path)
    assert service.launched(state, record, "/core/entry.py") == (
        (bus, state, record, "/core/entry.py") if used else None
    )
    assert bus.closed is not used


def test_whoever_looks_waits_until_the_end_is_recorded(tmp_path, monkeypatch):
    state, record = state_and_record(tmp_path)
    records.write_unit(record, "aoci-web-0.service")
    looks = []

    def lives(_unit):
        looks.append(time.monotonic())
        if len(looks) == 4:
            records.save_status(record, {**records.read_status(record), "status": "exited", "oom_killed": True})
        return True

    monkeypatch.setattr(unit, "lives", lives)
    monkeypatch.setattr(observe, "_JUST_ENDED", 0.0)  # what a monitor would be given
    found = observe.observe(state, record)
    assert (found.status, found.killed, len(looks)) == ("stopped", True, 4)
    # Not for ever: what is to record it may have been killed.
    records.save_status(record, {**records.read_status(record), "status": "running"})
    monkeypatch.setattr(observe, "_SERVICE_ENDED", 0.1)
    assert observe.observe(state, record).status == "stopped"
