# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import mountset, options
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError


def spec(declared, *targets, **more):
    config = {"Volumes": {target: {} for target in targets}} if targets else {}
    return {"options": options.normalise(declared), "image": {"config": config}, **more}


def seen(document):
    return [(entry["target"], entry["type"], entry.get("source", "")) for entry in mountset.everything(document)]


def test_what_is_declared_comes_before_what_is_inherited_and_that_before_the_images():
    inherited = [
        {"type": "bind", "source": "/theirs", "target": target, "read_only": False, "propagation": "rprivate"}
        for target in ("/a", "/b")
    ]
    document = spec(
        {"volumes": ["data:/a/b/c", "/host:/a"], "tmpfs": ["/t"], "mounts": [{"target": "/m", "source": "v"}]},
        *("/a", "/b", "/c", "/t"),
        inherited=inherited,
        anonymous={"/c": "f" * 64},
    )
    assert seen(document) == [
        ("/a", "bind", "/host"),
        ("/b", "bind", "/theirs"),
        ("/c", "volume", "f" * 64),
        ("/m", "volume", "v"),
        ("/t", "tmpfs", ""),
        ("/a/b/c", "volume", "data"),
    ]


@pytest.mark.parametrize(
    ("declared", "targets", "names", "without"),
    [
        ({}, (), [], []),
        ({"volumes": ["/a:/b"]}, (), [], []),
        ({"volumes": ["v:/b", "/anonymous"]}, ("/i", "/b"), ["v"], ["/anonymous", "/i"]),
        ({"mounts": [{"target": "/m"}, {"target": "/n", "source": "w"}]}, (), ["w"], ["/m"]),
        ({"tmpfs": ["/i"]}, ("/i",), [], []),
    ],
)
def test_names_of_volumes_and_volumes_without(declared, targets, names, without):
    document = spec(declared, *targets)
    assert mountset.named(document["options"]) == names
    assert mountset.without_names(document["options"], document["image"]["config"], []) == without
    if names or without:
        assert mountset.has_any(document["options"], document["image"]["config"])


def test_what_is_missing():
    document = spec({"volumes": ["a:/a", "b:/b", "/anonymous"]}, volumes=["0" * 64, "a", "b"])
    there = frozenset({"a"})
    assert mountset.missing(document["options"], None, there) == ["b"]
    assert mountset.missing(document["options"], document, there) == ["0" * 64, "b"]


def test_volumes_of_a_user_namespace_are_mapped_and_files_of_the_host_are_not():
    document = spec({"volumes": ["v:/v", "/h:/h"], "userns_mode": "private"}, "/i")
    assert {entry["target"]: entry.get("idmap", False) for entry in mountset.everything(document)} == {
        "/h": False,
        "/i": True,
        "/v": True,
    }


def test_what_another_container_gets():
    mount = {"target": "/m", "source": "w", "labels": {"a": "b"}, "no_copy": True}
    other = spec(
        {"volumes": ["v:/v", "/h:/h:ro"], "tmpfs": ["/t"], "mounts": [mount], "userns_mode": "private"},
        "/i",
        anonymous={"/i": "e" * 64},
    )
    found = mountset.inherited(other, "")
    assert found == [
        {"type": "bind", "source": "/h", "target": "/h", "read_only": True, "propagation": "rprivate"},
        {"type": "volume", "source": "e" * 64, "target": "/i", "read_only": False},
        {"type": "volume", "source": "w", "target": "/m", "read_only": False, "no_copy": True},
        {"type": "volume", "source": "v", "target": "/v", "read_only": False},
    ]
    assert mountset.inherited(other, "ro") == [{**entry, "read_only": True} for entry in found]


def test_a_diff_shows_no_password():
    options_ = {"type": "cifs", "device": "//nas/x", "o": "password=hidden"}
    document = spec({"mounts": [{"target": "/x", "source": "v", "volume_options": options_}, {"target": "/y"}]})
    assert "hidden" in str(document["options"]["mounts"])
    found = mountset.shown(document["options"]["mounts"])
    assert (found[0]["driver_options"]["o"], found[1]) == ("password=********", document["options"]["mounts"][1])


def test_an_image_that_declares_nonsense():
    with pytest.raises(ContainerError, match="the image declares a volume that cannot be one: nothing can be mounted"):
        mountset.everything(spec({}, "/x/../.."))
