# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cli.cp_verb import split
from ansible_collections.agentless.oci.plugins.module_utils.cli.top_verb import duration
from ansible_collections.agentless.oci.plugins.module_utils.container.copyplan import (
    DIRECTORY,
    FILE,
    LINK,
    PRESERVE,
    Found,
    Item,
    Wanted,
    action,
    decide,
    difference,
    kind_of,
    mode_for,
    parse_mode,
)
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError
from ansible_collections.agentless.oci.plugins.module_utils.container.processes import terminal

FILE_THERE = Found(FILE, 0o640, 5, 6, 3, "aa", "")
DIRECTORY_THERE = Found(DIRECTORY, 0o750, 5, 6, 0, "", "")
LINK_THERE = Found(LINK, 0o777, 5, 6, 0, "", "target")


def wanted(kind, mode=None, uid=None, gid=None, digest="aa", text=""):
    return Wanted("/p", kind, mode, uid, gid, 3, digest if kind == FILE else "", text)


@pytest.mark.parametrize(
    ("want", "found", "said"),
    [
        (wanted(FILE), None, ("wrote /p", 0o644, 0, 0)),
        (wanted(FILE, 0o600, 1, 2), None, ("wrote /p", 0o600, 1, 2)),
        (wanted(FILE), FILE_THERE, None),
        (wanted(FILE, 0o640, 5, 6), FILE_THERE, None),
        (wanted(FILE, digest="bb"), FILE_THERE, ("wrote /p", 0o640, 5, 6)),
        (wanted(FILE, 0o600), FILE_THERE, ("set mode 0600 of /p", 0o600, 5, 6)),
        (wanted(FILE, uid=0), FILE_THERE, ("set owner 0:6 of /p", 0o640, 0, 6)),
        (wanted(FILE, 0o4755, 0, 0), FILE_THERE, ("set mode 4755 and owner 0:0 of /p", 0o4755, 0, 0)),
        (wanted(FILE), LINK_THERE, ("wrote /p", 0o644, 0, 0)),
        (wanted(LINK, text="target"), LINK_THERE, None),
        (wanted(LINK, text="other"), LINK_THERE, ("linked /p", 0o777, 5, 6)),
        (wanted(LINK, uid=9, text="target"), LINK_THERE, ("set owner 9:6 of /p", 0o777, 9, 6)),
        (wanted(LINK, text="target"), FILE_THERE, ("linked /p", 0o777, 0, 0)),
        (wanted(DIRECTORY), None, ("made directory /p", 0o755, 0, 0)),
        (wanted(DIRECTORY), DIRECTORY_THERE, None),
        (wanted(DIRECTORY, 0o700), DIRECTORY_THERE, ("set mode 0700 of /p", 0o700, 5, 6)),
    ],
)
def test_only_what_differs(want, found, said):
    change = decide(want, found, "here")
    assert (change and (action(change), change.mode, change.uid, change.gid)) == said
    if change and found:  # what it then is needs nothing more
        is_now = Found(want.kind, change.mode, change.uid, change.gid, 3, want.digest, want.text)
        assert decide(want, is_now, "here") is None


@pytest.mark.parametrize(
    ("want", "found"),
    [
        (wanted(FILE), DIRECTORY_THERE),
        (wanted(LINK), DIRECTORY_THERE),
        (wanted(DIRECTORY), FILE_THERE),
        (wanted(DIRECTORY), LINK_THERE),
        (wanted(FILE), Found("x", 0, 0, 0, 0, "", "")._replace(kind=DIRECTORY)),
    ],
)
def test_directories_give_way_to_nothing(want, found):
    with pytest.raises(ContainerError, match=f"/p is a {found.kind} here, and a {want.kind} was to be copied there"):
        decide(want, found, "here")


def test_the_difference_shows_what_differs_alone():
    change = decide(wanted(FILE, 0o600), FILE_THERE, "here")
    assert difference(change) == {"before": {"path": "/p", "mode": "0640"}, "after": {"path": "/p", "mode": "0600"}}
    change = decide(wanted(LINK, text="x"), None, "here")
    assert difference(change)["before"] == {"path": "/p", "state": "absent"}
    assert difference(change)["after"] == {"path": "/p", "state": LINK, "owner": 0, "group": 0, "target": "x"}


@pytest.mark.parametrize(
    ("value", "mode"),
    [(None, None), (PRESERVE, PRESERVE), ("0644", 0o644), ("644", 0o644), (0o644, 0o644), ("4755", 0o4755), ("0", 0)],
)
def test_modes(value, mode):
    assert parse_mode(value, "mode") == mode


@pytest.mark.parametrize("value", ["u+x", "8", "-1", "10000", -1, 0o10000, True, "", 1.5])
def test_no_modes(value):
    with pytest.raises(ContainerError, match=r"directory_mode: .* is no mode"):
        parse_mode(value, "directory_mode")


def test_set_user_id_is_kept_of_trusted_sources_alone():
    def item(kind):
        return Item("", kind, 0o7751, 0, 0, 0, "", "")

    assert mode_for(item(FILE), PRESERVE, 0o700, trusted=True) == 0o7751
    assert mode_for(item(FILE), PRESERVE, 0o700, trusted=False) == 0o1751
    assert mode_for(item(FILE), 0o4755, 0o700, trusted=False) == 0o4755
    assert mode_for(item(DIRECTORY), 0o600, PRESERVE, trusted=False) == 0o1751
    assert mode_for(item(DIRECTORY), PRESERVE, None, trusted=True) is None
    assert mode_for(item(LINK), 0o600, 0o600, trusted=True) is None


def test_kinds():
    assert [kind_of(kind | 0o644) for kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)] == [FILE, DIRECTORY, LINK]
    assert [kind_of(kind) for kind in (stat.S_IFIFO, stat.S_IFBLK, stat.S_IFSOCK)] == ["FIFO", "device", "socket"]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("web:/a/b", ("web", "/a/b")),
        ("web:a", ("web", "/a")),
        ("web:", ("web", "/")),
        ("web:/a/.", ("web", "/a/.")),
        ("/a:b", ("", "/a:b")),
        ("./web:/a", ("", "/here/web:/a")),
        ("a/", ("", "/here/a/")),
        ("a/.", ("", "/here/a/.")),
        (".", ("", "/here")),
        ("/", ("", "/")),
        (":/a", ("", "/here/:/a")),
    ],
)
def test_what_is_in_a_container(argument, expected, monkeypatch):
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    assert split(argument) == expected


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (0, "?"),
        (136 << 8 | 5, "pts/5"),
        (137 << 8, "pts/256"),
        (4 << 8 | 1, "tty1"),
        (4 << 8 | 64, "4:64"),
        (0x501, "5:1"),
    ],
)
def test_terminals(device, name):
    assert terminal(device) == name


def test_durations():
    assert [duration(seconds) for seconds in (0, 61, 3600, 90061)] == [
        "00:00:00",
        "00:01:01",
        "01:00:00",
        "01-01:01:01",
    ]
