# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import (
    idranges,
    inspect,
    monitor,
    records,
    spec,
    turns,
)
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.container.observe import Observed
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir


@pytest.fixture
def state(tmp_path):
    return StateDir(str(tmp_path / "state"))


def made(state, name="web", number=1, options=None):
    image = {"name": "img", "id": "sha256:1", "digest": "sha256:2", "config": {"Cmd": ["sh"], "Env": ["A=1"]}}
    document = spec.new_spec(f"{number:064x}", name, "2026-01-01T00:00:00Z", image, ["/layers/1"], options or {})
    return records.make(state, document)


def test_a_container_has_its_name_only_when_published(state):
    record = made(state)
    assert records.load(state, "web") is None
    assert records.leftovers(state, "web") == [record.path]
    records.publish(state, record)
    assert records.load(state, "web").spec == record.spec
    assert records.leftovers(state, "web") == []
    assert records.names(state) == ["web"]


def test_the_name_moves_in_one_step(state):
    old, new = made(state), made(state, number=2)
    records.publish(state, old)
    records.publish(state, new)
    assert records.load(state, "web").id == new.id
    assert records.leftovers(state, "web") == [old.path]
    records.unpublish(state, old)  # must not take the name away from the new one
    assert records.load(state, "web").id == new.id
    assert records.leftovers(state, "web") == [old.path]


def test_leftovers_of_others_are_not_ours(state):
    mine, other = made(state), made(state, "db", 2)
    assert records.leftovers(state, "web") == [mine.path]
    assert records.leftovers(state, "db") == [other.path]
    assert records.leftovers(StateDir(state.root + "/none"), "web") == []


def test_what_was_killed_before_it_had_a_name_or_after_is_anybodys_to_remove(state):
    record = made(state)
    records.publish(state, record)
    nameless = os.path.join(state.containers, "." + "f" * 64)
    os.mkdir(nameless)
    for name in ("web", "db"):
        assert records.leftovers(state, name) == [nameless]
    with open(os.path.join(nameless, "begun"), "wb"):
        pass
    assert records.leftovers(state, "web") == []  # somebody is at it
    records.remove_half(nameless, "web")
    assert os.listdir(nameless) == ["begun"]
    os.unlink(os.path.join(nameless, "begun"))
    records.remove_half(nameless, "web")
    assert not os.path.exists(nameless)
    records.remove_half(nameless, "web")


def test_one_that_another_has_begun_meanwhile_is_left_to_it(state):
    """It was empty when it was looked at, and has become somebody's since."""
    begun = made(state, name="db")
    records.remove_half(begun.path, "web")
    assert records.load_directory(begun.path).spec == begun.spec
    records.remove_half(begun.path, "db")
    assert not os.path.exists(begun.path)


def test_one_that_is_made_may_be_taken_for_such(state, monkeypatch):
    """A directory that another removes while it is empty is made again."""
    real, taken = os.symlink, []

    def symlink(source, target):
        if not taken:
            taken.append(target)
            records.remove_half(os.path.dirname(target), "db")
        real(source, target)

    monkeypatch.setattr(os, "symlink", symlink)
    record = made(state)
    assert taken
    assert records.load_directory(record.path).spec == record.spec
    assert records.leftovers(state, "web") == [record.path]


def test_the_root_directory_is_as_the_images(state, tmp_path):
    layers = [tmp_path / "lower", tmp_path / "upper"]
    for layer, mode in zip(layers, (0o700, 0o1711)):
        layer.mkdir()
        layer.chmod(mode)
    document = spec.new_spec("1" * 64, "web", "", {}, [str(layer) for layer in layers], {})
    found = os.stat(os.path.join(records.make(state, document).path, "upper"))
    expected = os.stat(layers[1])
    assert (found.st_mode, found.st_uid, found.st_gid) == (expected.st_mode, expected.st_uid, expected.st_gid)
    assert found.st_mode & 0o7777 == 0o1711


def test_a_user_namespace_gets_ids_that_nobody_has(state, monkeypatch):
    monkeypatch.setattr(idranges, "_text", lambda _path: "containers:200000:196608\n")
    with idranges.reserved(state, {}) as first:
        assert first == 0
    given = []
    for number in range(3):
        with idranges.reserved(state, {"userns_mode": "private"}) as first:
            given.append(first)
            records.make(state, spec.new_spec(f"{number:064x}", "web", "", {}, ["/layers/1"], {}, first))
    assert given == [200000, 265536, 331072]
    records.remove_directory(records.directory(state, f"{1:064x}"))
    with idranges.reserved(state, {"userns_mode": "private"}) as first:
        assert first == 265536
        records.make(state, spec.new_spec(f"{9:064x}", "web", "", {}, ["/layers/1"], {}, first))
    with pytest.raises(ContainerError, match="no range of 65536 ids is free"):
        with idranges.reserved(state, {"userns_mode": "private"}):
            pass


def test_removal_leaves_nothing(state):
    record = made(state)
    records.publish(state, record)
    os.symlink("/etc", os.path.join(record.path, "upper/link"))
    os.makedirs(os.path.join(record.path, "work/work"), mode=0o000)
    records.unpublish(state, record)
    records.remove_directory(record.path)
    assert os.listdir(state.containers) == []
    assert os.path.isdir("/etc")


def test_a_record_of_a_later_version_is_refused(state):
    record = made(state)
    record.spec["version"] += 1
    records.save(record)
    with pytest.raises(ContainerError, match="later version of this collection"):
        records.load_directory(record.path)


def test_directories_are_for_root_alone(state):
    record = made(state)
    assert os.stat(record.path).st_mode & 0o777 == 0o700
    assert os.stat(os.path.join(record.path, "spec.json")).st_mode & 0o777 == 0o600
    # Inside the container this is "/", which others must be able to pass.
    assert os.stat(os.path.join(record.path, "upper")).st_mode & 0o777 == 0o755


def test_the_monitor_reads_what_is_written_for_it(state):
    options = {
        "restart_policy": "on-failure",
        "restart_retries": 4,
        "log_options": {"max-size": 0, "max-file": 9},
        "auto_remove": True,
    }
    record = made(state, options=options)
    records.write_monitor_config(record, remove_at_end=True)
    with open(os.path.join(record.path, "monitor.conf"), encoding="ascii") as file:
        found = monitor.read_config(file.read())
        limits = {"max_size": "0", "max_file": "9", "stop_signal": "15", "stop_timeout": "10"}
        assert found == {"policy": "on-failure", "retries": "4", "remove": "1", **limits}
    records.write_monitor_config(record, remove_at_end=False)
    with open(os.path.join(record.path, "monitor.conf"), encoding="ascii") as file:
        assert monitor.read_config(file.read())["remove"] == "0"


def test_the_lock_goes_with_the_container(state):
    state.ensure(state.containers)
    with turns.container_lock(state, "web"):
        records.publish(state, made(state))
    assert os.listdir(state.locks) == ["container-web"]
    with turns.container_lock(state, "web"):
        records.unpublish(state, records.load(state, "web"))
    assert os.listdir(state.locks) == []


def test_inspect_of_a_new_container(state):
    record = made(state, options={"env": {"TOKEN": "secret"}, "memory": 5 << 20, "cpus": 0.5})
    seen = inspect.inspect(record, Observed("stopped", 0, 0, ()))
    assert seen["State"]["Status"] == "created"
    assert seen["State"]["Running"] is False
    assert seen["HostConfig"]["Memory"] == 5 << 20
    assert seen["HostConfig"]["NanoCpus"] == 500_000_000
    assert seen["HostConfig"]["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert seen["Config"]["Env"] == ["A=1", "TOKEN=secret"]
    assert json.loads(json.dumps(seen)) == seen
    assert inspect.inspect(record, Observed("stopped", 0, 0, ()), mask=True)["Config"]["Env"] == [
        "A=1",
        "TOKEN=********",
    ]


@pytest.mark.parametrize(
    ("status", "observed", "shown", "running", "code"),
    [
        ({"status": "exited", "exit_code": 3}, Observed("stopped", 0, 0, ()), "exited", False, 3),
        ({"status": "running"}, Observed("running", 5, 6, ()), "running", True, 0),
        ({"status": "restarting", "exit_code": 1}, Observed("restarting", 0, 6, ()), "restarting", True, 0),
        ({"status": "running"}, Observed("paused", 5, 6, ()), "paused", True, 0),
    ],
)
def test_inspect_of_states(state, status, observed, shown, running, code):
    record = made(state)
    with open(os.path.join(record.path, "status.json"), "w", encoding="ascii") as file:
        json.dump(status, file)
    seen = inspect.inspect(record, observed)["State"]
    assert (seen["Status"], seen["Running"], seen["ExitCode"]) == (shown, running, code)
