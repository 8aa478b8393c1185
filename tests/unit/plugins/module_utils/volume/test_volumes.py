# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes as they are declared: options of the driver, the plan, names."""

from __future__ import annotations

import os

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.kernel import constants as c
from ansible_collections.agentless.oci.plugins.module_utils.statedir import StateDir
from ansible_collections.agentless.oci.plugins.module_utils.volume import driver, names, options, store
from ansible_collections.agentless.oci.plugins.module_utils.volume.errors import VolumeError
from ansible_collections.agentless.oci.plugins.module_utils.volume.plan import plan

KNOWN = {"name": "db", "labels": {"a": "b"}, "driver_options": {"type": "tmpfs"}, "anonymous": False}


def given(**parameters):
    defaults = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
    return options.declared({**defaults, "name": "db", **parameters})


@pytest.mark.parametrize(
    ("declared", "known", "actions", "then"),
    [
        ({}, None, ["created volume db"], ({}, {})),
        ({"labels": {"n": 1}}, None, ["created volume db"], ({"n": "1"}, {})),
        ({}, KNOWN, [], ({"a": "b"}, {"type": "tmpfs"})),
        (
            {"labels": {"a": "b"}, "driver_options": {"type": "tmpfs", "o": ""}},
            KNOWN,
            [],
            ({"a": "b"}, {"type": "tmpfs"}),
        ),
        ({"labels": {}}, KNOWN, ["updated volume db (labels)"], ({}, {"type": "tmpfs"})),
        (
            {"driver_options": {"type": "tmpfs", "o": "size=1m"}, "recreate": "options-changed"},
            KNOWN,
            ["replaced volume db (driver_options)"],
            ({"a": "b"}, {"type": "tmpfs", "o": "size=1m"}),
        ),
        ({"recreate": "options-changed"}, KNOWN, [], ({"a": "b"}, {"type": "tmpfs"})),
        ({"recreate": "always"}, KNOWN, ["replaced volume db (recreate)"], ({"a": "b"}, {"type": "tmpfs"})),
        ({"state": "absent"}, KNOWN, ["removed volume db"], (None, None)),
        ({"state": "absent"}, None, [], (None, None)),
    ],
)
def test_what_is_done(declared, known, actions, then):
    made = plan(given(**declared), known, known is not None, [])
    assert (list(made.actions), (made.labels, made.driver_options)) == (actions, then)


def test_a_volume_that_has_lost_its_directory():
    made = plan(given(labels={}), KNOWN, False, ["web"])
    assert made.actions == ("made the directory of volume db again", "updated volume db (labels)")
    assert (made.remove, made.make, made.save) == (False, True, True)


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"state": "absent"}, "it cannot be removed while containers use it: api, web"),
        ({"recreate": "always"}, "it cannot be replaced while containers use it: api, web"),
        ({"driver_options": {}, "recreate": "options-changed"}, "it cannot be replaced"),
        ({"driver_options": {}}, r"other driver options \(type: tmpfs\); .*Give recreate: options-changed"),
    ],
)
def test_what_would_take_data_away_is_refused(declared, reason):
    with pytest.raises(VolumeError, match=reason):
        plan(given(**declared), KNOWN, True, ["web", "api"])
    assert plan(given(labels={}), KNOWN, True, ["web"]).actions == ("updated volume db (labels)",)


@pytest.mark.parametrize("name", ["", "-x", ".x", "a/b", "a b", "é", "x" * 129, "a\n"])
def test_names_that_are_none(name):
    assert not names.is_name(name)
    with pytest.raises(VolumeError, match="cannot be the name of a volume"):
        given(name=name)


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"driver_options": {"size": "1g"}}, "the driver local has no option 'size'"),
        ({"driver_options": {"device": "/srv"}}, "type is missing"),
        ({"driver_options": {"type": "none", "device": "/srv"}}, "type is missing"),
        ({"driver_options": {"o": "bind", "device": "srv"}}, "needs device, the absolute path"),
        ({"driver_options": {"o": "bind"}}, "needs device, the absolute path"),
        ({"driver_options": {"type": "nfs", "o": "addr=192.0.2.1"}}, "type nfs needs device"),
        ({"driver_options": {"type": "ext4", "device": "/dev/x\0"}}, "NUL"),
        ({"labels": {"a": True}}, "labels: the value of a is not a string"),
    ],
)
def test_bad_options(declared, reason):
    with pytest.raises(VolumeError, match=reason):
        given(**declared)


@pytest.mark.parametrize(
    ("declared", "flags", "data", "source", "kind"),
    [
        ({"type": "tmpfs", "o": "size=1m,uid=7,nosuid"}, c.MS_NOSUID, "size=1m,uid=7", "tmpfs", "tmpfs"),
        ({"type": "none", "o": "bind,ro", "device": "/srv"}, c.MS_BIND | c.MS_RDONLY, "", "/srv", ""),
        ({"o": "rbind", "device": "/srv"}, c.MS_BIND | c.MS_REC, "", "/srv", ""),
        (
            {"type": "nfs", "device": ":/export", "o": "addr=127.0.0.1,rw,nolock"},
            0,
            "addr=127.0.0.1,nolock",
            ":/export",
            "nfs",
        ),
        ({"type": "ext4", "device": "/dev/vdb", "o": "noatime"}, c.MS_NOATIME, "", "/dev/vdb", "ext4"),
    ],
)
def test_what_mount_gets(declared, flags, data, source, kind):
    parsed, found, fstype = driver.arguments(driver.canonical(declared))
    assert (parsed.flags, parsed.data, found, fstype) == (flags, data, source, kind)


def test_a_password_is_shown_to_nobody():
    declared = {"type": "cifs", "device": "//nas/x", "o": "username=u,password=hidden,addr=192.0.2.7"}
    assert driver.shown(declared) == {**declared, "o": "username=u,password=********,addr=192.0.2.7"}
    assert driver.arguments(declared)[0].data == "username=u,password=hidden,addr=192.0.2.7"
    with pytest.raises(VolumeError) as caught:
        plan(given(driver_options={}), {**KNOWN, "driver_options": declared}, True, [])
    assert "hidden" not in str(caught.value)


def test_the_kernel_gets_an_address_of_a_server_and_no_name(monkeypatch):
    import socket

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: [(2, 1, 6, "", ("192.0.2.7", 0))])
    assert driver.arguments({"type": "nfs", "device": ":/x", "o": "addr=nas"})[0].data == "addr=192.0.2.7"

    def fail(*_arguments, **_named):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(VolumeError, match=r"cannot find the address of nas: Name or service not known\. Correct addr"):
        driver.arguments({"type": "nfs", "device": ":/x", "o": "addr=nas"})


# -- on disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path):
    return StateDir(str(tmp_path / "state"))


def test_a_volume_appears_whole_and_what_killed_tasks_left_goes(state):
    os.makedirs(os.path.join(state.volumes, ".db.new/data/half"))
    os.makedirs(os.path.join(state.volumes, ".db.gone/data"))
    assert store.all_names(state) == []
    assert store.left_over_names(state) == ["db"]
    with store.lock(state, ["db"]):
        assert store.ensure(state, store.new_record("db", labels={"a": "b"}))
        assert not store.ensure(state, store.new_record("db"))
    assert os.listdir(state.volumes) == ["db"]
    assert store.load(state, "db")["labels"] == {"a": "b"}
    assert names.present(state, "db")
    os.rmdir(names.data(state, "db"))
    assert not names.present(state, "db")
    with store.lock(state, ["db"]):
        assert store.ensure(state, store.new_record("db"))
        assert store.load(state, "db")["labels"] == {"a": "b"}
        assert os.listdir(names.data(state, "db")) == []
        store.remove(state, "db")
    assert os.listdir(state.volumes) == os.listdir(state.locks) == []


@pytest.mark.parametrize("text", [None, b"", b"{}", b"[]", b'{"version": 99}'])
def test_a_record_that_is_no_good(state, text):
    with store.lock(state, ["db"]):
        store.ensure(state, store.new_record("db"))
    path = os.path.join(state.volumes, "db", names.RECORD)
    os.unlink(path)
    if text is not None:
        with open(path, "wb") as file:
            file.write(text)
    with pytest.raises(VolumeError, match=r"volume db (is damaged|was written by a later version)"):
        store.load(state, "db")


def test_it_is_filled_once_and_a_killed_copy_is_begun_again(state):
    def copy(root):
        os.mkdir("directory", dir_fd=root)
        with open(os.open("file", os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=root), "w") as file:
            file.write("x")

    def die(root):
        copy(root)
        os.symlink("/etc", "link", dir_fd=root)
        raise KeyboardInterrupt

    with store.lock(state, ["db"]):
        store.ensure(state, store.new_record("db"))
        with pytest.raises(KeyboardInterrupt):
            store.fill(state, "db", die)
        store.fill(state, "db", copy)
        assert sorted(os.listdir(names.data(state, "db"))) == ["directory", "file"]
        store.fill(state, "db", die)
    with store.lock(state, ["used"]):
        store.ensure(state, store.new_record("used"))
        with open(os.path.join(names.data(state, "used"), "mine"), "w", encoding="utf-8"):
            pass
        store.fill(state, "used", die)
    assert os.listdir(names.data(state, "used")) == ["mine"]
