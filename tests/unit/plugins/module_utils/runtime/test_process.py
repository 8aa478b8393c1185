# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last steps before the program decide: capabilities, the home, exec's group, the names of errors."""

from __future__ import annotations

import pytest
from ansible_collections.agentless.oci.plugins.module_utils.cgroup.errors import CgroupError
from ansible_collections.agentless.oci.plugins.module_utils.kernel.capabilities import grantable
from ansible_collections.agentless.oci.plugins.module_utils.runtime import entrance, home, nopivot, resources
from ansible_collections.agentless.oci.plugins.module_utils.runtime.errors import RuntimeFault


@pytest.mark.parametrize(
    ("wanted", "available", "granted"),
    [
        ((7, 7, 7, 7, 7), -1, (7, 7, 7, 7, 7)),
        ((7, 7, 7, 7, 7), 5, (5, 5, 5, 5, 5)),
        ((7, 7, 0, 3, 0), -1, (7, 3, 0, 3, 0)),  # effective only what is permitted
        ((1, 0, 3, 0, 0), -1, (1, 0, 1, 0, 0)),  # inheritable only what is bounding
        ((7, 0, 6, 3, 7), -1, (7, 0, 6, 3, 2)),  # ambient only what is both permitted and inheritable
        ((0, 0, 0, 0, 0), -1, (0, 0, 0, 0, 0)),
    ],
)
def test_capabilities(wanted, available, granted):
    names = ("bounding", "effective", "inheritable", "permitted", "ambient")
    assert grantable(dict(zip(names, wanted)), available) == dict(zip(names, granted))


PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n# no user\n\nshort:x:7:7\nnone:x:8:8:::/bin/sh\napp:x:9:9::/srv/app:\nb:x:9:9::/b:"
)


@pytest.mark.parametrize(("uid", "expected"), [(0, "/root"), (7, "/"), (8, "/"), (9, "/srv/app"), (10, "/")])
def test_home(uid, expected):
    assert home.of(PASSWD, uid) == expected


def test_groups_below():
    assert entrance.parse([]) == {}
    assert entrance.parse(["a/b"]) == {"": "a/b"}
    assert entrance.parse(["cpu,memory:a", "/c"]) == {"cpu": "a", "memory": "a", "": "/c"}
    for bad in ("..", "a/../..", "cpu:../x"):
        with pytest.raises(RuntimeFault, match="leads out of"):
            entrance.parse([bad])


@pytest.mark.parametrize(
    ("step", "obj", "given", "named"),
    [
        ("memory", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes", {"memory": {"limit": 1}}, "memory.limit"),
        ("memory", "memory.max", {"memory": {"limit": 1}}, "memory.limit"),
        ("cpu", "cpu.max", {"cpu": {"period": 1}}, "cpu.period"),
        ("io", "io.max", {"blockIO": {"throttleWriteBpsDevice": []}}, "blockIO.throttleWriteBpsDevice"),
        ("memory", "memory.high", {"unified": {"memory.high": "1"}}, "unified.memory.high"),
        ("hugetlb", "hugetlb.2MB.max", {"hugepageLimits": []}, "hugepageLimits"),
        ("net_cls", "net_cls.classid", {"network": {"classID": 1}}, "network.classID"),
        ("devices", "", {"devices": []}, "devices"),
        ("memory", "", {"memory": {"swap": 1}}, "memory"),
        ("memory", "memory.kernel", {"memory": {"kernel": 1}}, "memory.kernel"),
    ],
)
def test_an_error_names_the_property_that_it_is_about(step, obj, given, named):
    error = resources.naming_property(CgroupError("cannot set it", step=step, obj=obj, errno=5, hint="Do"), given)
    assert str(error) == f"linux.resources.{named}: cannot set it. Do."
    assert (error.obj, error.errno) == (f"linux.resources.{named}", 5)


def test_an_error_about_the_group_itself_stays():
    error = CgroupError("cannot create it", step="path", obj="/x")
    assert resources.naming_property(error, {"memory": {"limit": 1}}) is error


MOUNTINFO = r"""21 29 0:20 / /sys rw - sysfs sysfs rw
22 29 0:21 / /proc rw shared:5 - proc proc rw
23 22 0:21 /sys /proc/sys ro - proc proc rw
24 29 0:30 / /srv/my\040root rw master:1 - tmpfs tmpfs rw
25 24 0:31 / /srv/my\040root/proc rw - proc proc rw
26 29 0:32 / /srv/my\040root\040two/proc rw - proc proc rw
27 29 0:33 / /mnt rw - ext4 /dev/x rw
"""


@pytest.mark.parametrize(
    ("root", "places"),
    [
        ("/srv/my root", ["/sys", "/proc", "/srv/my root two/proc"]),
        ("/elsewhere", ["/sys", "/proc", "/srv/my root/proc", "/srv/my root two/proc"]),
    ],
)
def test_what_of_the_hosts_would_undo_masks(root, places):
    assert nopivot.whole(MOUNTINFO.replace("\\\\", "\\"), root) == places
