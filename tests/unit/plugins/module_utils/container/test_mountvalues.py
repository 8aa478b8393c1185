# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.container import mountvalues, options
from ansible_collections.agentless.oci.plugins.module_utils.container.errors import ContainerError

M = 1 << 20


def bind(source, target, **more):
    return {"source": source, "target": target, "read_only": False, "propagation": "rprivate", **more}


def volume(source, target, **more):
    return {"type": "volume", "source": source, "target": target, "read_only": False, **more}


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (
            ["/b:/y:ro,rslave", "/a/:/x:z"],
            [bind("/a", "/x"), bind("/b", "/y", read_only=True, propagation="rslave")],
        ),
        (["/a:/x:idmap,ro"], [bind("/a", "/x", read_only=True, idmap=True)]),
        (["/a:/x:Z,cached,rbind"], [bind("/a", "/x")]),
        (["/a:/x:bind,nosuid,noexec"], [bind("/a", "/x", recursive=False, flags=["noexec", "nosuid"])]),
        (["/a:/x:nocopy"], [bind("/a", "/x")]),
        (["cache-data:/var/lib/redis"], [volume("cache-data", "/var/lib/redis")]),
        (["a.b_1:/x:ro,nocopy,nodev"], [volume("a.b_1", "/x", read_only=True, no_copy=True, flags=["nodev"])]),
        (["/anonymous//"], [volume("", "/anonymous")]),
        (["v:/b", "v:/a", "v:/b"], [volume("v", "/a"), volume("v", "/b")]),
    ],
)
def test_volumes(value, canonical):
    assert options.normalise({"volumes": value}) == {"volumes": canonical}


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (
            {"target": "/t", "type": "tmpfs", "tmpfs_size": "1m", "tmpfs_mode": "0700", "source": None},
            {"target": "/t", "read_only": False, "type": "tmpfs", "size": M, "mode": "700"},
        ),
        (
            {"target": "/t", "type": "tmpfs", "tmpfs_options": [{"uid": 7}, {"noexec": None}], "consistency": "cached"},
            {
                "target": "/t",
                "read_only": False,
                "type": "tmpfs",
                "size": None,
                "mode": "1777",
                "options": ["noexec", "uid=7"],
            },
        ),
        (
            {"target": "/t", "type": "bind", "source": "/s", "read_only": True, "propagation": None},
            bind("/s", "/t", type="bind", read_only=True),
        ),
        ({"target": "/t", "source": "/s/"}, bind("/s", "/t", type="bind")),
        (
            {"target": "/t", "source": "/s", "read_only": True, "read_only_force_recursive": True},
            bind("/s", "/t", type="bind", read_only=True, rro=True),
        ),
        (
            {"target": "/t", "source": "/s", "non_recursive": True, "create_mountpoint": True},
            bind("/s", "/t", type="bind", recursive=False, create=True),
        ),
        (
            {"target": "/t", "type": "image", "source": "reg/tools:1", "subpath": "/bin"},
            {"type": "image", "source": "reg/tools:1", "target": "/t", "read_only": True, "subpath": "bin"},
        ),
        ({"target": "/t"}, volume("", "/t")),
        ({"target": "/t", "source": "data", "volume_driver": "local", "no_copy": False}, volume("data", "/t")),
        (
            {
                "target": "/t",
                "type": "volume",
                "source": "data",
                "no_copy": True,
                "labels": {"a": 1},
                "volume_options": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,,uid=7"},
                "subpath": "/in//it/",
            },
            volume(
                "data",
                "/t",
                no_copy=True,
                labels={"a": "1"},
                driver_options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=7"},
                subpath="in/it",
            ),
        ),
    ],
)
def test_mounts(value, canonical):
    assert options.normalise({"mounts": [value]}) == {"mounts": [canonical]}


def test_tmpfs_and_volumes_from():
    assert options.normalise({"tmpfs": ["/run:size=1m,noexec"], "volumes_from": ["b:ro", "a", "c:rw", "a", "d:z"]}) == {
        "tmpfs": [{"target": "/run", "options": ["noexec", "size=1m"]}],
        "volumes_from": [
            {"container": "a", "mode": ""},
            {"container": "b", "mode": "ro"},
            {"container": "c", "mode": ""},
            {"container": "d", "mode": ""},
        ],
    }


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("volumes", ["./data:/data"], "neither an absolute path nor the name of a volume"),
        ("volumes", ["-v:/data"], "neither an absolute path nor the name of a volume"),
        ("volumes", ["v" * 129 + ":/data"], "neither an absolute path nor the name of a volume"),
        ("volumes", ["data"], "not an absolute path"),
        ("volumes", ["data:"], "is not SOURCE:TARGET"),
        ("volumes", ["a:/b:ro:rw"], "is not SOURCE:TARGET"),
        ("volumes", ["/a:/b:rx"], "unknown option 'rx'"),
        ("volumes", ["v:/b:rshared"], "unknown option 'rshared' for a volume"),
        ("volumes", ["v:/b:idmap"], "unknown option 'idmap' for a volume"),
        ("volumes", ["/a:/b", "/c:/b"], "/b is given twice"),
        ("volumes", ["v:/b", "/b"], "/b is given twice"),
        ("volumes", ["/a:/"], "on / of a container"),
        ("volumes", ["/"], "on / of a container"),
        ("volumes", ["/a:/proc/sys"], "over /proc"),
        ("volumes", ["/a:/b/../c"], "'..'"),
        ("volumes", ["a\0:/b"], "NUL"),
        ("mounts", [{"target": "/t", "type": "bind"}], "needs a source"),
        ("mounts", [{"target": "/t", "type": "bind", "source": "data"}], "not an absolute path"),
        ("mounts", [{"target": "/t", "type": "volume", "source": "/data"}], "neither an absolute path nor the name"),
        ("mounts", [{"target": "/t", "type": "tmpfs", "source": "/x"}], "source is not for type tmpfs"),
        ("mounts", [{"target": "/t", "source": "/x", "no_copy": True}], "no_copy is not for type bind"),
        ("mounts", [{"target": "/t", "type": "image"}], "needs a source, the name of the image"),
        ("mounts", [{"target": "/t", "source": "x", "propagation": "slave"}], "propagation is not for type volume"),
        ("mounts", [{"target": "/t", "source": "x", "volume_driver": "nfs"}], "no volume driver 'nfs'"),
        ("mounts", [{"target": "/t", "source": "x", "volume_options": {"size": "1g"}}], "no option 'size'"),
        ("mounts", [{"target": "/t", "source": "x", "subpath": "../y"}], "'..'"),
        ("mounts", [{"target": "/t", "source": "/x", "read_only_force_recursive": True}], "read_only mount"),
        ("mounts", [{"target": "/t", "type": "tmpfs", "tmpfs_mode": "9"}], "octal"),
        ("mounts", [{"target": "/t", "type": "tmpfs", "tmpfs_options": [{"a": "b,c"}]}], "comma"),
        ("volumes_from", [":ro"], "is not NAME"),
        ("volumes_from", ["a:rx"], "is not NAME"),
    ],
)
def test_bad_values_name_the_option_and_the_reason(name, value, reason):
    with pytest.raises(ContainerError) as caught:
        options.normalise({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("config", "targets"),
    [
        ({}, []),
        ({"Volumes": None}, []),
        ({"Volumes": {"/data": {}, "/b//c/": {}}}, ["/b/c", "/data"]),
        ({"Volumes": {"/../../etc": {}, "data/./x/..": {}}}, ["/data", "/etc"]),
    ],
)
def test_what_an_image_declares_stays_in_its_root(config, targets):
    assert mountvalues.image_volumes(config) == targets


@pytest.mark.parametrize("path", ["/", "", "/x/..", "/proc", "proc/1/../1"])
def test_what_an_image_cannot_declare(path):
    with pytest.raises(ValueError, match=r"may be|can be"):
        mountvalues.image_volumes({"Volumes": {path: {}}})


def test_what_selinux_is_to_let_in():
    assert mountvalues.relabelled(["/b:/x:ro,Z", "/a:/y:z", "/c:/z:ro", "v:/v:Z", "/anonymous"]) == ["/a", "/b"]
