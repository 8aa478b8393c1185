# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import checks, options, secretvalues
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError

SALT = "00" * 16


def declared(*items):
    found = options.normalise({"secrets": list(items)})
    return found["secrets"], secretvalues.separate(found)


@pytest.mark.parametrize(
    ("item", "canonical", "content"),
    [
        (
            {"name": "key", "content": "x"},
            {"name": "key", "target": "/run/secrets/key", "uid": 0, "gid": 0, "mode": 0o444},
            b"x",
        ),
        (
            {"name": "k", "content": "", "target": "deep/key", "uid": 7, "gid": 8, "mode": 0o400},
            {"name": "k", "target": "/run/secrets/deep/key", "uid": 7, "gid": 8, "mode": 0o400},
            b"",
        ),
        (
            {"name": "k", "content": "AP8=", "content_is_b64": True, "target": "/etc//app/key", "mode": "0640"},
            {"name": "k", "target": "/etc/app/key", "uid": 0, "gid": 0, "mode": 0o640},
            b"\0\xff",
        ),
    ],
)
def test_what_is_recorded_has_no_content(item, canonical, content):
    entries, origins = declared(item)
    assert entries == [canonical]
    assert secretvalues.read(origins) == {item["name"]: content}


def test_a_file_of_the_host(tmp_path):
    (tmp_path / "key").write_bytes(b"\xfe")
    _entries, origins = declared({"name": "key", "source": str(tmp_path / "key")})
    assert secretvalues.read(origins) == {"key": b"\xfe"}
    (tmp_path / "key").unlink()
    with pytest.raises(ContainerError, match=r"secrets: key: .*No such file"):
        secretvalues.read(origins)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([{"name": "a/b", "content": "hidden"}], "is not a name"),
        ([{"name": ".a", "content": "hidden"}], "is not a name"),
        ([{"name": "a"}], "needs either content or source"),
        ([{"name": "a", "content": "hidden", "source": "/x"}], "needs either content or source"),
        ([{"name": "a", "content": "hidden", "mode": "rw"}], "is not a mode"),
        ([{"name": "a", "content": "hidden", "mode": 0o4755}], "is not a mode"),
        ([{"name": "a", "content": "hidden", "mode": True}], "is not a mode"),
        ([{"name": "a", "content": "hidden", "uid": -1}], "is not an id"),
        ([{"name": "a", "content": "hidden", "gid": (1 << 32) - 1}], "is not an id"),
        ([{"name": "a", "content": "hidden", "target": "../x"}], "'..'"),
        ([{"name": "a", "content": "hidden", "target": "/proc/x"}], "is not a place for a file"),
        ([{"name": "a", "content": "hidden", "target": "/run/secrets/"}], "is not a place for a file"),
        ([{"name": "a", "content": "hidden"}, {"name": "a", "content": "hidden"}], "a is given twice"),
        (
            [{"name": "a", "content": "hidden"}, {"name": "b", "content": "hidden", "target": "a"}],
            "/run/secrets/a is given twice",
        ),
        ([{"name": "a", "content": "not base64: hidden", "content_is_b64": True}], "the content is not base64"),
        ([{"name": "a", "content": "hidden" * 200_000}], "more than 1048576 bytes"),
    ],
)
def test_what_is_wrong_is_said_without_the_content(items, reason):
    with pytest.raises(ContainerError) as caught:
        secretvalues.read(declared(*items)[1])
    assert reason in str(caught.value)
    assert str(caught.value).startswith("secrets: ")
    assert "hidden" not in str(caught.value)


def test_the_same_content_is_equal_and_another_one_is_not():
    entries, _origins = declared({"name": "a", "content": "x"}, {"name": "b", "content": "y"})
    first = secretvalues.sealed(entries, {"a": b"x", "b": b"y"}, [])
    assert secretvalues.sealed(entries, {"a": b"x", "b": b"y"}, first) == first
    assert secretvalues.sealed(entries, {"a": b"x", "b": b"y"}, []) != first  # another salt
    changed = secretvalues.sealed(entries, {"a": b"x", "b": b"z"}, first)
    assert (changed[0], changed[1] == first[1]) == (first[0], False)
    assert secretvalues.usable(first, {"a": b"x", "b": b"z", "c": b"c"}, []) == {"a": b"x"}
    assert secretvalues.usable(first, {"b": b"y"}, first) == {"b": b"y"}
    known = "f4da901c2a971961b5ff8e6c7349555be386df27f5ff8c6f3586a90164efa200"  # as hashlib and openssl have it
    assert secretvalues.seal(b"x", SALT) == f"pbkdf2-sha256:20000:{SALT}:{known}"
    assert not secretvalues.fits("scrypt:1:00:00", b"x")


def test_a_diff_tells_that_a_content_has_changed():
    entries, _origins = declared({"name": "a", "content": "x"}, {"name": "b", "content": "y"})
    first = secretvalues.sealed(entries, {"a": b"x", "b": b"y"}, [])
    second = secretvalues.sealed(entries, {"a": b"x", "b": b"z"}, first)
    shown = secretvalues.shown(second, first, "***")
    assert [entry["content"] for entry in shown] == ["***", "*** (changed)"]
    assert shown[0]["mode"] == "0444"
    assert "seal" not in json.dumps(shown)


def test_what_it_contradicts():
    entries, _origins = declared({"name": "a", "content": "x", "uid": 70000, "target": "/x"})
    with pytest.raises(ContainerError, match="secrets: a: its owner and userns_mode: private"):
        checks.check_options({"secrets": entries, "userns_mode": "private"})
    with pytest.raises(ContainerError, match="tmpfs: /x and secrets: /x"):
        checks.check_options({"secrets": entries, "tmpfs": [{"target": "/x", "options": []}]})
